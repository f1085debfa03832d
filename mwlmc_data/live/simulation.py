"""Live simulations: one call runs them, another reads a stored one; both give haloes, tables and the field."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.arrays import as_flag, as_floats, as_seed, as_whole
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.display import Displayed, fixed, number
from mwlmc_data.live.aiming import AIMING_PARTICLES, AIMING_ROWS, MAX_SHOTS, Aim, aim, refuse_start
from mwlmc_data.live.compression import QUANTUM, compress, expand_again
from mwlmc_data.live.field import LiveField
from mwlmc_data.live.replay import move_stars
from mwlmc_data.live.running import describe_settings, read_arrays, refuse_other_run, run, stamp, write_arrays
from mwlmc_data.live.settings import LiveSettings, find_body, make_settings, read_settings, refuse_noise
from mwlmc_data.live.start import Galaxies, make_galaxies, start_state
from mwlmc_data.live.state import State
from mwlmc_data.live.track import RunRow, stack_rows
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.equilibrium import draw_stars, equilibrium
from mwlmc_data.simulator.limits import CARTESIAN_NAMES, in_range
from mwlmc_data.simulator.orbit import Orbit
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.physics import require_standard
from mwlmc_data.simulator.reflex_fit import fit_reflex
from mwlmc_data.simulator.stars import Halo
from mwlmc_data.simulator.streams import halo_stream, live_stream
from mwlmc_data.storage.homes import DATA_DIR, expand_home, find_user_cache
from mwlmc_data.storage.npz import NpzError
from mwlmc_data.storage.writing import make_folder

if TYPE_CHECKING:
    import pandas as pd

#: Stored runs that come with the package.
_STORED = DATA_DIR / "live"
#: Columns of `masses` of :class:`~mwlmc_data.LiveSimulation` after the time.
MASS_NAMES = ("m_lmc_bound", "m_lmc_8p7", "m_lmc_50", "m_mw_50")
#: Largest size of a stored run [bytes].
MAX_SIZE = 200_000
#: Number of particles from which no allowed galaxy has too few.
_PLENTY = 500_000
#: Fields of the parameters that are stored.
_PARAMETERS = ("m200_mw", "m_lmc", "log10_lambda_df", "beta0", "r_dehnen", "c200", "a_lmc", *CARTESIAN_NAMES)


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class LiveSimulation(Displayed):
    """A finished live run of the Milky Way and the LMC.

    Attributes
    ----------
    parameters : Parameters
        The galaxies before they meet, and the LMC's present day as it was reached. `log10_lambda_df` was the friction
        of the first guess of the start; in a live run friction is real.
    wanted : ndarray, shape (6,)
        The present day that was asked for [kpc, km/s]; NaN if a start was.
    settings : LiveSettings
        Particles, seed, steps and cuts.
    field : LiveField
        The field in time, in which any star can be moved.
    """

    parameters: Parameters
    wanted: Float64Array
    settings: LiveSettings
    field: LiveField
    _table: dict[str, NDArray]

    def _summary(self) -> str:
        p = self.parameters
        return (
            f"{self.settings.particles:,} particles, seed {self.settings.seed}; m200_mw {number(p.m200_mw)}, "
            f"m_lmc {number(p.m_lmc)} Msun, of which {number(float(self._table['masses'][-1, 0]))} are bound today; "
            f"pericentre {fixed(self.orbit.pericentre, 1)} kpc"
        )

    def _rows(self) -> list[tuple[str, str]]:
        return [
            ("parameters", self.parameters.brief()),
            ("particles, seed", f"{self.settings.particles:,}, {self.settings.seed}"),
            ("orbit", self.orbit._summary()),
            ("field", self.field._summary()),
            ("bound LMC today", f"{number(float(self._table['masses'][-1, 0]))} Msun"),
        ]

    @functools.cached_property
    def orbit(self) -> Orbit:
        """The past of bulge and disc and of the LMC's centre, in the frame of :class:`~mwlmc_data.Orbit`."""
        time = self.field.time - self.field.time[-1]
        today = self.field.body_path[-1]
        drift = np.concatenate([today[:3] + time[:, None] * today[3:], np.tile(today[3:], (len(time), 1))], axis=1)
        return Orbit(time * const.GYR_PER_TIME_UNIT, self.field.body_path - drift, self.field.lmc_path - drift)

    @functools.cached_property
    def masses(self) -> pd.DataFrame:
        """Masses in time: `time` [Gyr] and, in Msun, `m_lmc_bound`, `m_lmc_8p7`, `m_lmc_50` and `m_mw_50`.

        Bound is what has negative energy in the potential of all that was the LMC, in the frame of its centre; the
        Milky Way's mass is that of its live halo, bulge and disc.
        """
        import pandas as pd

        columns = dict(zip(MASS_NAMES, self._table["masses"].astype(float).T, strict=True))
        return pd.DataFrame({"time": self.orbit.time, **columns})

    @functools.cached_property
    def conserved(self) -> pd.DataFrame:
        """Checks every 200 Myr: change of energy over the kinetic energy, of momentum over the mass [km/s]."""
        import pandas as pd

        checks = self._table["checks"].astype(float)
        rows = np.flatnonzero(np.isfinite(checks[:, 0]))
        checks = checks[rows]
        moved = np.linalg.norm(checks[:, 2:] - checks[0, 2:], axis=1) / float(self._table["total_mass"][0])
        energy = (checks[:, 0] - checks[0, 0]) / checks[0, 1]
        return pd.DataFrame({"time": self.orbit.time[rows], "energy": energy, "momentum": moved})

    def halo(
        self,
        beta0: float | None = None,
        r_dehnen: float | None = None,
        seed: int = 0,
        n_stars: int = const.N_STARS,
    ) -> Halo:
        """Draw a stellar halo and move it through the run's field.

        The stars begin as a rigid simulation's do: in equilibrium in the NFW halo alone, so that live minus rigid is
        what the galaxies' deformation and orbit do, and nothing else.

        Parameters
        ----------
        beta0 : float, optional
            Velocity anisotropy, 0 to 0.9; by default that of `parameters`.
        r_dehnen : float, optional
            Scale radius of the stars' profile [kpc], 5 to 30; by default that of `parameters`.
        seed : int
            Of the stars' random stream.
        n_stars : int
            Number of stars.

        Returns
        -------
        Halo

        Raises
        ------
        ValueError
            If a value is not allowed.
        """
        p = self.parameters
        beta0 = in_range("beta0", p.beta0 if beta0 is None else beta0)
        r_dehnen = in_range("r_dehnen", p.r_dehnen if r_dehnen is None else r_dehnen)
        tables = equilibrium(p.m200_mw, p.c200, beta0, r_dehnen)
        stars = draw_stars(tables, as_whole("n_stars", n_stars, minimum=1), halo_stream(seed, 0))
        moved: Float32Array = move_stars(self.field, stars).astype(np.float32)
        fields = {name: getattr(p, name) for name in _PARAMETERS} | {"beta0": beta0, "r_dehnen": r_dehnen}
        return Halo(moved[:, :3], moved[:, 3:], "live", Parameters(**fields))

    def reflex_by_radius(
        self, edges: Sequence[float] = (50.0, 100.0, 300.0), n_stars: int = 20_000, **options: Any
    ) -> pd.DataFrame:
        """Fit the reflex motion in shells.

        Parameters
        ----------
        edges : sequence of float
            Radii [kpc] between which stars are fitted; all beyond the first are fitted too.
        n_stars : int
            Number of stars of the halo.
        **options
            `beta0`, `r_dehnen` and `seed` of :meth:`halo`.

        Returns
        -------
        pandas.DataFrame
            `r_min`, `r_max` [kpc], `n_stars_fit`, `v_travel` [km/s], `l_apex`, `b_apex` [deg], `vx_travel`,
            `vy_travel`, `vz_travel` [km/s] and their errors `err_vx_travel` ... of the fit, which do not know of the
            disc's own noise.
        """
        import pandas as pd

        radii = as_floats("edges", edges, unit="kpc", shape=("n",), minimum=0.0)
        if len(radii) < 1 or (np.diff(radii) <= 0).any():
            raise ValueError(f"edges = {shorten(edges)}: allowed are growing radii [kpc], at least one")
        halo = self.halo(n_stars=n_stars, **options)
        rows = []
        for low, high in [(radii[0], np.inf), *itertools.pairwise(radii)]:
            reflex = fit_reflex(halo.positions, halo.velocities, r_min=float(low), r_max=float(high))
            row = {"r_min": low, "r_max": high, "n_stars_fit": reflex.n_stars, "v_travel": reflex.v_travel}
            row |= {"l_apex": reflex.l_apex, "b_apex": reflex.b_apex}
            row |= {f"v{a}_travel": v for a, v in zip("xyz", reflex.vector.tolist(), strict=True)}
            errors = np.sqrt(np.diag(reflex.covariance)[:3])
            rows.append(row | {f"err_v{a}_travel": e for a, e in zip("xyz", errors.tolist(), strict=True)})
        return pd.DataFrame(rows)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the run to a file of at most 200 kB, from which :func:`~mwlmc_data.load_live` reads it."""
        arrays: dict[str, Any] = {
            "parameters": np.array([getattr(self.parameters, name) for name in _PARAMETERS]),
            "wanted": self.wanted,
            "body_path": self.field.body_path.astype(np.float32),
            "lmc_path": self.field.lmc_path.astype(np.float32),
            **self._table,
            **describe_settings(self.settings),
        }
        target, quantum = expand_home("path", path), QUANTUM
        while quantum < 1.0:
            for g in range(len(self.field.potential)):
                parts = compress(self.field.potential[g], self.field.slope[g], quantum)
                arrays |= {f"galaxy_{g}_{name}": array for name, array in parts.items()}
            write_arrays(target, arrays, compressed=True)
            if target.stat().st_size <= MAX_SIZE:
                break
            quantum *= 2.0  # few particles: their noise in coarser steps



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
    if not isinstance(parameters, Parameters):
        raise ValueError(f"parameters = {shorten(parameters)}: allowed is a mwlmc_data.Parameters")
    require_standard("simulate_live", parameters.physics)
    settings = make_settings(as_whole("particles", particles, minimum=100), as_seed("seed", seed))
    aiming_particles = as_whole("aiming_particles", aiming_particles, minimum=100)
    show = bool(as_flag("progress", progress))
    galaxies = make_galaxies(parameters)
    # before minutes are spent on the start
    _refuse_few("particles", settings.particles, galaxies, settings.seed)
    if start is not None:
        start = as_floats("start", start, shape=(6,))
        refuse_start(start, parameters)
    path = _choose_checkpoint(checkpoint, settings, parameters, start, aiming_particles)
    wanted = parameters.lmc_phase_space
    if start is None:
        _refuse_few("aiming_particles", aiming_particles, galaxies, settings.seed)
        where = _aim_once(parameters, galaxies, aiming_particles, settings, path, show).start
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


def finish(
    parameters: Parameters,
    settings: LiveSettings,
    rows: list[RunRow],
    state: State,
    wanted: Float64Array | None = None,
) -> LiveSimulation:
    """Make a finished run's :class:`~mwlmc_data.LiveSimulation` of its rows and its last state."""
    table = stack_rows(rows)
    field = LiveField(
        table["time"], table["body"], table["lmc"], np.moveaxis(table["potential"], 1, 0),
        np.moveaxis(table["slope"], 1, 0), find_body(settings),
    )  # fmt: skip
    total = float(state.masses.sum(dtype=float)) + field.body.mass
    kept = {name: table[name].astype(np.float32) for name in ("masses", "lagrange")}
    kept |= {"checks": table["checks"], "total_mass": np.array([total])}
    reached = _with_present_day(parameters, table["lmc"][-1] - table["body"][-1])
    return LiveSimulation(reached, np.full(6, np.nan) if wanted is None else wanted, settings, field, kept)


def load_live(name: str | os.PathLike[str]) -> LiveSimulation:
    """Load a stored live run.

    Parameters
    ----------
    name : str or path
        Name of a run that comes with the package (none does yet), or a file that
        :meth:`~mwlmc_data.LiveSimulation.save` wrote.

    Returns
    -------
    LiveSimulation

    Raises
    ------
    ValueError
        If there is no such run, or the file is damaged, holds no finished live run, or one of another version.
    """
    names = sorted(path.stem for path in _STORED.glob("*.npz"))
    path = _STORED / f"{name}.npz" if str(name) in names else expand_home("name", name)
    if not path.is_file():
        stored = f"one of {', '.join(names)}, or " if names else ""
        raise ValueError(f"name = {shorten(str(name))}: allowed is {stored}a file that LiveSimulation.save wrote")
    arrays = read_arrays(path)
    needed = {"parameters", "wanted", "body_path", "lmc_path", "masses", "lagrange", "checks", "total_mass"}
    if missing := sorted(needed - arrays.keys()):
        raise NpzError(path, [f"it lacks {', '.join(missing)}: allowed is a file that LiveSimulation.save wrote"])
    settings = read_settings(arrays["settings"])
    galaxies = sorted({key.split("_")[1] for key in arrays if key.startswith("galaxy_")})
    parts = [
        expand_again({k.removeprefix(f"galaxy_{g}_"): v for k, v in arrays.items() if k.startswith(f"galaxy_{g}_")})
        for g in galaxies
    ]
    time: Float64Array = np.linspace(0.0, settings.step * settings.steps * settings.rows, settings.rows + 1)
    field = LiveField(
        time, arrays["body_path"].astype(float), arrays["lmc_path"].astype(float), np.array([p for p, _ in parts]),
        np.array([s for _, s in parts]), find_body(settings),
    )  # fmt: skip
    parameters = Parameters(**dict(zip(_PARAMETERS, arrays["parameters"].tolist(), strict=True)))
    table = {name: arrays[name] for name in ("masses", "lagrange", "checks", "total_mass")}
    return LiveSimulation(parameters, arrays["wanted"], settings, field, table)


def _with_present_day(parameters: Parameters, present: Float64Array) -> Parameters:
    """The same galaxies with another present day."""
    fields = {name: getattr(parameters, name) for name in _PARAMETERS}
    return Parameters(**(fields | dict(zip(CARTESIAN_NAMES, present.tolist(), strict=True))))


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
) -> Aim:
    """Find the start, or read it from beside the checkpoint of a run that was killed later."""
    file = None if checkpoint is None else _aim_file(checkpoint)
    whose = stamp(settings._replace(particles=particles), galaxies, parameters.lmc_phase_space)
    if file is not None and file.exists():
        arrays = read_arrays(file)
        refuse_other_run(file, arrays, whose)
        return Aim(arrays["aimed"], arrays["misses"])
    with _show_progress(show, MAX_SHOTS * (AIMING_ROWS + 1), "aiming") as on_row:
        found = aim(parameters, particles, settings.seed, on_row)
    if file is not None:
        write_arrays(file, {**whose, "aimed": found.start, "misses": found.misses})
    return found


@contextlib.contextmanager
def _show_progress(show: bool, total: int, what: str) -> Iterator[Callable[[], object]]:
    from tqdm import tqdm

    with tqdm(total=total, disable=not show, unit="row", desc=what) as bar:
        yield bar.update
