"""Live simulations: one call finds their start, runs them, and goes on where a killed one stopped."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mwlmc_data.arguments.arrays import as_flag, as_seed, as_vector, as_whole
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.array_types import Float64Array
from mwlmc_data.live.aiming import AIMING_PARTICLES, AIMING_ROWS, MAX_SHOTS, aim, refuse_start
from mwlmc_data.live.running import read_arrays, refuse_other_run, run, stamp
from mwlmc_data.live.settings import LiveSettings, make_settings, refuse_noise
from mwlmc_data.live.simulation import LiveSimulation, finish
from mwlmc_data.live.start import Galaxies, make_galaxies, start_state
from mwlmc_data.simulator.parameters import Parameters, take_parameters
from mwlmc_data.simulator.physics import require_standard
from mwlmc_data.simulator.streams import live_stream
from mwlmc_data.storage.homes import expand_home, find_user_cache
from mwlmc_data.storage.npz import replace_npz
from mwlmc_data.storage.writing import make_folder

if TYPE_CHECKING:
    pass

#: Number of particles from which no allowed galaxy has too few.
_PLENTY = 500_000


def simulate_live(
    parameters: Parameters,
    particles: int = 1_000_000,
    seed: int = 0,
    *,
    start: Any = None,
    checkpoint: str | os.PathLike[str] | None = None,
    aiming_particles: int = AIMING_PARTICLES,
    progress: bool = True,
) -> LiveSimulation:
    """Simulate a Milky Way and an LMC that deform each other, both as particles.

    The Milky Way is a live halo about a rigid body of bulge and disc; the LMC is live. The start of the LMC is found by
    small live runs, so that it arrives where `parameters` say it is today; what it reached is in the result's
    parameters. A million particles take about five minutes on a core.

    Parameters
    ----------
    parameters : Parameters
        Both galaxies and the LMC's present day. `log10_lambda_df` is the friction of the first guess of the start and
        nothing else.
    particles : int
        Number of particles of both galaxies together. The fewer, the more their noise moves the disc.
    seed : int
        Of the particles' random stream. Runs are chaotic: another processor gives another run of the same statistics.
    start : array_like, shape (6,), optional
        Where the LMC starts relative to the Milky Way, 2.2 Gyr ago [kpc, km/s]; then none is looked for.
    checkpoint : path, optional
        File from which a killed run goes on; written every minute, removed at the end. By default one in the user's
        cache, named after the run.
    aiming_particles : int
        Particles of the small runs.
    progress : bool
        Show a progress bar on standard error.

    Returns
    -------
    LiveSimulation

    Raises
    ------
    ValueError
        If an argument is not allowed, or the parameters' physics is not the standard one; there are too few particles
        for the disc's noise; the start is nearer than 60 or farther than 1,000 kpc; the LMC still misses its present
        day after the last small run; or the checkpoint is damaged, of another version or of another run. The message
        has the number and the remedy.

    Examples
    --------
    >>> parameters = Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=-0.3)
    >>> live = simulate_live(parameters, particles=1_000_000)          # doctest: +SKIP
    >>> live.halo(beta0=0.5, r_dehnen=12).positions.shape              # doctest: +SKIP
    (4500, 3)
    """
    parameters = take_parameters(parameters)
    require_standard("simulate_live", parameters.physics)
    settings = make_settings(as_whole("particles", particles, minimum=100), as_seed("seed", seed))
    aiming_particles = as_whole("aiming_particles", aiming_particles, minimum=100)
    show = bool(as_flag("progress", progress))
    galaxies = make_galaxies(parameters)
    # before minutes are spent on the start
    _refuse_few("particles", settings.particles, galaxies, settings.seed)
    if start is not None:
        start = as_vector("start", start, 6)
        refuse_start(start, parameters)
    path = _choose_checkpoint(checkpoint, settings, parameters, start, aiming_particles)
    wanted = parameters.lmc_phase_space
    if start is None:
        _refuse_few("aiming_particles", aiming_particles, galaxies, settings.seed)
        where = _aim_once(parameters, galaxies, aiming_particles, settings, path, show)
    else:
        where, wanted = start, np.full(6, np.nan)
    made = run_live(parameters, galaxies, where, settings, path, show, wanted)
    if path is not None:
        for file in (path, _aim_file(path)):
            file.unlink(missing_ok=True)
    return made


def run_live(
    parameters: Parameters,
    galaxies: Galaxies,
    start: Float64Array,
    settings: LiveSettings,
    checkpoint: Path | None = None,
    progress: bool = False,
    wanted: Float64Array | None = None,
) -> LiveSimulation:
    """Run galaxies from a start; what :func:`~mwlmc_data.simulate_live` does once it has one."""
    with _show_progress(progress, settings.rows + 1, "live run") as on_row:
        state, rows = run(galaxies, start, settings, checkpoint, on_row=on_row)
    return finish(parameters, settings, rows, state, wanted)


def _refuse_few(name: str, particles: int, galaxies: Galaxies, seed: int) -> None:
    """Raise ValueError if there are too few particles for the disc's noise; more than these never are."""
    if particles < _PLENTY:
        state = start_state(galaxies, np.zeros(6), particles, live_stream(seed))
        refuse_noise(state, galaxies.body, particles, name)


def _choose_checkpoint(
    checkpoint: str | os.PathLike[str] | None,
    settings: LiveSettings,
    parameters: Parameters,
    start: Any,
    aiming_particles: int,
) -> Path | None:
    """The file of an unfinished run; None if the user has no cache."""
    if checkpoint is not None:
        path = expand_home("checkpoint", checkpoint)
        if not path.name or path.is_dir() or not path.absolute().parent.is_dir():
            raise ValueError(f"checkpoint = {shorten(str(path))}: allowed is a file in a folder that exists")
        return path
    cache = find_user_cache()
    if cache is None:
        return None
    folder = cache / "live"
    make_folder(folder)
    where = aiming_particles if start is None else start.tolist()
    key = repr((tuple(settings), parameters.to_dict(), where)).encode()
    return folder / f"{hashlib.sha256(key).hexdigest()[:16]}.npz"


def _aim_file(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"{checkpoint.stem}.aim.npz")


def _aim_once(
    parameters: Parameters,
    galaxies: Galaxies,
    particles: int,
    settings: LiveSettings,
    checkpoint: Path | None,
    show: bool,
) -> Float64Array:
    """Find the start (6,), or read it from beside the checkpoint of a run that was killed later."""
    file = None if checkpoint is None else _aim_file(checkpoint)
    whose = stamp(settings._replace(particles=particles), galaxies, parameters.lmc_phase_space)
    whose["first_friction"] = np.array(parameters.log10_lambda_df)
    if file is not None and file.exists():
        arrays = read_arrays(file)
        refuse_other_run(file, arrays, whose)
        return arrays["aimed"]
    with _show_progress(show, MAX_SHOTS * (AIMING_ROWS + 1), "aiming") as on_row:
        found = aim(parameters, particles, settings.seed, on_row)
    if file is not None:
        replace_npz(file, {**whose, "aimed": found.start})
    return found.start


@contextlib.contextmanager
def _show_progress(show: bool, total: int, what: str) -> Iterator[Callable[[], object]]:
    from tqdm import tqdm

    with tqdm(total=total, disable=not show, unit="row", desc=what) as bar:
        yield bar.update
