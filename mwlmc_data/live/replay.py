"""Stars in the field of a finished run: no particles any more, about a second for a halo.

Massless stars take the steps of a live run (:mod:`mwlmc_data.live.stepping`), with the field between its rows in place
of particles.
"""

from __future__ import annotations

import numpy as np

from mwlmc_data.array_types import Float64Array
from mwlmc_data.live.expansion import Expansion
from mwlmc_data.live.field import LiveField
from mwlmc_data.live.state import State
from mwlmc_data.live.stepping import advance
from mwlmc_data.simulator.compiling import announce_compiling

#: Longest step of a star [kpc / (km/s)], 2 Myr; near the disc it is eight times shorter.
STAR_STEP = 0.00205


def move_stars(field: LiveField, stars: Float64Array, longest: float = STAR_STEP) -> Float64Array:
    """Move stars from the start of a run to today.

    Parameters
    ----------
    field : LiveField
        Of the run.
    stars : ndarray, shape (n, 6)
        Positions [kpc] and velocities [km/s] relative to the Milky Way at the start.
    longest : float
        Longest step [kpc / (km/s)].

    Returns
    -------
    ndarray, shape (n, 6)
        The same relative to the Milky Way today.
    """
    begin, end = float(field.time[0]), float(field.time[-1])
    stars = np.asarray(stars, float) + field.find_body(begin)
    n = len(stars)
    body, nowhere = field.find_body(begin), np.full(6, np.nan)
    x, v = stars[:, :3].copy(), stars[:, 3:].copy()
    state = State(x, v, np.zeros(n, np.float32), np.arange(n, dtype=np.int32), (0, 0, n), body, nowhere, begin)
    state.sort()
    steps = int(np.ceil((end - begin) / longest))

    def renew(moved: State, span: float) -> list[Expansion]:
        moved.body = field.find_body(moved.time)
        return field.find_expansions(moved.time)

    with announce_compiling():
        advance(state, field.body, field.find_expansions(begin), (end - begin) / steps, steps, renew)
    today = np.concatenate([state.positions, state.velocities], axis=1) - field.find_body(end)
    return state.restore_order(today)
