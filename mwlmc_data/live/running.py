"""A live run from its start to today, in rows, with a file from which a killed run goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mwlmc_data.array_types import Float64Array
from mwlmc_data.live.body import Body
from mwlmc_data.live.settings import LIVE_VERSION, LiveSettings, find_body, refuse_noise
from mwlmc_data.live.start import Galaxies, start_state
from mwlmc_data.live.state import State
from mwlmc_data.live.stepping import advance, renew_live
from mwlmc_data.live.track import RunRow, record, split_rows, stack_rows
from mwlmc_data.simulator.compiling import announce_compiling
from mwlmc_data.simulator.streams import live_stream
from mwlmc_data.storage.npz import NpzError, load_members, read_members, replace_npz

#: Time [s] after which a run writes its state again: writing two million particles takes a second.
PAUSE = 60.0

_STATE = ("positions", "velocities", "masses", "ids", "ends", "body", "lmc", "time")


def run(
    galaxies: Galaxies,
    relative: Float64Array | None,
    settings: LiveSettings,
    checkpoint: Path | None = None,
    tracers: Float64Array | None = None,
    on_row: Callable[[], object] | None = None,
) -> tuple[State, list[RunRow]]:
    """Run a live pair.

    Parameters
    ----------
    galaxies : Galaxies
        The models.
    relative : ndarray, shape (6,), or None
        Where the LMC starts relative to the Milky Way [kpc, km/s]; None for a Milky Way alone.
    settings : LiveSettings
        Numbers of particles, rows and steps.
    checkpoint : Path, optional
        File to go on from if it exists, and to write every minute. A run that goes on gives the same bits on one
        machine as one that was never stopped.
    tracers : ndarray, shape (n, 6), optional
        Massless stars about the Milky Way at the start [kpc, km/s].
    on_row : callable, optional
        Called after each row.

    Returns
    -------
    tuple of State and list of RunRow
        The state today, and all rows.

    Raises
    ------
    ValueError
        If there are too few particles, or the checkpoint is damaged, of another version or of another run.
    """
    body = find_body(settings)
    if checkpoint is not None and checkpoint.exists():
        state, rows = _read_checkpoint(checkpoint, stamp(settings, galaxies, relative))
    else:
        state, rows = start_state(galaxies, relative, settings.particles, live_stream(settings.seed), tracers), []
        refuse_noise(state, body, settings.particles)
    written = time.monotonic()

    def after_row() -> None:
        nonlocal written
        if on_row is not None:
            on_row()
        if checkpoint is not None and len(rows) > 1 and time.monotonic() - written > PAUSE:
            _write_checkpoint(checkpoint, stamp(settings, galaxies, relative), state, rows)
            written = time.monotonic()

    follow(state, rows, body, settings, after_row)
    return state, rows


def follow(
    state: State, rows: list[RunRow], body: Body, settings: LiveSettings, after_row: Callable[[], object] | None = None
) -> None:
    """Follow a state until it has all its rows.

    Parameters
    ----------
    state : State
        Changed in place; that of the last of `rows`, if there are any.
    rows : list of RunRow
        Grows.
    body : Body
        Bulge and disc.
    settings : LiveSettings
        Numbers of rows and steps.
    after_row : callable, optional
        Called after each row.
    """
    renew = renew_live(settings.l_max)
    with announce_compiling():
        # of a run that goes on the same sums as before, in the same order: the same bits
        expansions = state.expand(settings.l_max)
        for number in range(max(len(rows) - 1, 0), settings.rows + 1):
            if len(rows) == number:
                rows.append(record(state, expansions, body, number))
                if after_row is not None:
                    after_row()
            if number < settings.rows:
                state.sort()
                expansions = advance(state, body, expansions, settings.step, settings.steps, renew)


def _write_checkpoint(path: Path, whose: dict[str, Any], state: State, rows: list[RunRow]) -> None:
    arrays = {f"state_{name}": np.asarray(getattr(state, name)) for name in _STATE}
    arrays |= {f"row_{name}": array for name, array in stack_rows(rows).items()}
    replace_npz(path, arrays | whose)


def _read_checkpoint(path: Path, whose: dict[str, Any]) -> tuple[State, list[RunRow]]:
    arrays = read_arrays(path)
    refuse_other_run(path, arrays, whose)
    if "state_positions" not in arrays:
        raise NpzError(path, ["it holds no particles: allowed is a file that an unfinished run wrote"])
    fields = {name: arrays[f"state_{name}"] for name in _STATE}
    fields |= {"ends": tuple(fields["ends"].tolist()), "time": float(fields["time"])}
    return State(**fields), split_rows({name: arrays[f"row_{name}"] for name in RunRow._fields})


def stamp(settings: LiveSettings, galaxies: Galaxies, relative: Float64Array | None) -> dict[str, Any]:
    """The arrays by which a file tells which run it belongs to."""
    spheres = [sphere for sphere in (galaxies.halo, galaxies.lmc) if sphere is not None]
    return {
        **describe_settings(settings),
        "galaxies": np.concatenate([sphere.mass[::100] for sphere in spheres]),
        "start": np.full(6, np.nan) if relative is None else np.asarray(relative, float),
    }


def describe_settings(settings: LiveSettings) -> dict[str, Any]:
    """The arrays that every file of a live run has."""
    version = [int(part) for part in LIVE_VERSION.split(".")]
    return {"live_version": np.array(version), "settings": np.array(settings, float)}


def refuse_other_run(path: Path, arrays: dict[str, Any], whose: dict[str, Any]) -> None:
    """Raise ValueError if a file belongs to another run."""
    for name, value in whose.items():
        found = arrays.get(name, np.empty(0))
        if not np.array_equal(found, value, equal_nan=True):
            held, wanted = (" ".join(f"{x:.6g}" for x in np.ravel(array)[:12]) for array in (found, value))
            raise ValueError(
                f"checkpoint = {str(path)!r}, which holds another run ({name} {held}; here {wanted}): "
                "allowed is the file of this run, or one that does not exist"
            )


def read_arrays(path: Path) -> dict[str, Any]:
    """Read a file of a live run: all its arrays.

    Raises
    ------
    ValueError
        If the file is damaged, is no file of a live run, or was written by another version.
    """
    members = read_members(path)
    if "settings" not in members or "live_version" not in members:
        raise NpzError(path, ["there is no live run in it: allowed is a file that a live run wrote"])
    arrays = load_members(path, members.values())
    version = ".".join(map(str, arrays["live_version"].tolist()))
    if version != LIVE_VERSION:
        raise NpzError(
            path, [f"it holds a live run of version {version}: allowed is {LIVE_VERSION}; run it again"]
        )
    return arrays
