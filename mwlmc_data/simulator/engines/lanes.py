"""The star kernel: sixteen stars at once in float32, one a SIMD lane, each with its own time and step.

The same equations and the same Runge-Kutta-Nystroem pair 8(6) as :mod:`mwlmc_data.simulator.equations`, whose float64
scalar loop is the yardstick. What differs is the shape: the body of the loop over lanes is straight-line code that
LLVM turns into vector instructions (no branch, exp and logarithm by polynomials, the square root the hardware's). A
lane whose star has arrived takes the next star. The step itself is in :mod:`~mwlmc_data.simulator.engines.step`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.simulator.compiling import inlined, kernel
from mwlmc_data.simulator.engines.intrinsics import load_state, store_state
from mwlmc_data.simulator.engines.lane_functions import TERMS, F, LaneField
from mwlmc_data.simulator.engines.step import ONE, ZERO, trial_step
from mwlmc_data.simulator.equations import MAX_STEP, SPEED_SCALE
from mwlmc_data.simulator.tables import Field

#: Stars at once: a vector of AVX-512; narrower machines take it in parts.
LANES = 16

# rows of the state: star and LMC (position, velocity, acceleration of each), time, step, first step
_STAR, _LMC, _T, _H, _H0 = 0, 9, 18, 19, 20
_ROWS = 21


@inlined
def _load(state, row, k):
    """Nine rows of the state from `row` on, of lane k."""
    return (
        load_state(state, row * LANES + k),
        load_state(state, (row + 1) * LANES + k),
        load_state(state, (row + 2) * LANES + k),
        load_state(state, (row + 3) * LANES + k),
        load_state(state, (row + 4) * LANES + k),
        load_state(state, (row + 5) * LANES + k),
        load_state(state, (row + 6) * LANES + k),
        load_state(state, (row + 7) * LANES + k),
        load_state(state, (row + 8) * LANES + k),
    )


@inlined
def _store(state, row, k, values):
    """Set them; no loop, because an index that the compiler does not know would put the tuple into memory."""
    store_state(state, row * LANES + k, values[0])
    store_state(state, (row + 1) * LANES + k, values[1])
    store_state(state, (row + 2) * LANES + k, values[2])
    store_state(state, (row + 3) * LANES + k, values[3])
    store_state(state, (row + 4) * LANES + k, values[4])
    store_state(state, (row + 5) * LANES + k, values[5])
    store_state(state, (row + 6) * LANES + k, values[6])
    store_state(state, (row + 7) * LANES + k, values[7])
    store_state(state, (row + 8) * LANES + k, values[8])


@inlined
def _step(state, field):
    """One trial step of every lane.

    Merged into :func:`_run`: of a function compiled by itself and linked into another LLVM makes two versions that
    round differently, and which one runs depends on whether the code comes from the compiler or from the disk.
    """
    for k in range(LANES):
        star, lmc = _load(state, _STAR, k), _load(state, _LMC, k)
        t, h = load_state(state, _T * LANES + k), load_state(state, _H * LANES + k)
        star, lmc, t, h = trial_step(star, lmc, t, h, load_state(state, _H0 * LANES + k), field)
        _store(state, _STAR, k, star)
        _store(state, _LMC, k, lmc)
        store_state(state, _T * LANES + k, t)
        store_state(state, _H * LANES + k, h)


#: Trial steps a star may take: a hundred times more than any star of the prior needs.
_MAX_STEPS = 200_000


@kernel
def _run(stars, field, t_start):
    """Move all stars from `t_start` to 0 in place; returns the number of rounds, negative if one does not end."""
    n = stars.shape[0]
    state = np.zeros(_ROWS * LANES, np.float32)
    star = np.full(LANES, -1, np.int64)
    taken = np.zeros(LANES, np.int64)
    following, moving, rounds = 0, 0, 0
    for k in range(LANES):
        state[_T * LANES + k] = ONE  # arrived: to be filled
    while True:
        for k in range(LANES):
            taken[k] += 1
            if state[_T * LANES + k] < ZERO:
                if taken[k] > _MAX_STEPS:
                    return -rounds
                continue
            if star[k] >= 0:
                for m in range(6):
                    stars[star[k], m] = state[m * LANES + k]
                moving -= 1
            for m in range(_ROWS):
                state[m * LANES + k] = ZERO
            star[k], taken[k] = -1, 0
            state[_T * LANES + k] = t_start
            if following < n:
                star[k] = following
                moving += 1
                for m in range(6):
                    state[m * LANES + k] = stars[following, m]
                following += 1
            else:  # an idle lane holds a star at rest far away
                state[k] = F(100.0)
            r2 = state[k] ** 2 + state[LANES + k] ** 2 + state[2 * LANES + k] ** 2
            v2 = state[3 * LANES + k] ** 2 + state[4 * LANES + k] ** 2 + state[5 * LANES + k] ** 2
            state[_H0 * LANES + k] = F(0.1) * math.sqrt(r2 / (v2 + F(1e4)))
        if moving == 0:
            return rounds
        _step(state, field)
        rounds += 1


def lane_field(field: Field, tolerance: float) -> LaneField:
    """The field of a simulation in the lanes' form, with the error allowed a step."""
    if len(field.disc) != TERMS:
        raise ValueError(f"the disc has {len(field.disc)} terms; the lanes are compiled for {TERMS}")
    return LaneField(
        field.radial.astype(F).ravel(),
        field.disc.astype(F).ravel(),
        field.orbit.astype(F).ravel(),
        np.array(
            [
                field.height,
                field.gm_lmc,
                field.a_lmc,
                field.t_start,
                1 / field.dt,
                _longest_step(field),
                (tolerance * SPEED_SCALE**2) ** -2,
            ],
            F,
        ),
    )


def _longest_step(field: Field) -> float:
    """Longest step over which the LMC's path is a quintic to about 1e-3 kpc: the time it takes to turn."""
    distance = np.linalg.norm(field.orbit[:, 0], axis=1)
    acceleration = np.linalg.norm(2 * field.orbit[:, 2], axis=1) / field.dt**2
    return float(min(MAX_STEP, np.sqrt(distance / acceleration).min()))


def integrate_lanes(stars: NDArray[np.float64], field: Field, tolerance: float) -> tuple[NDArray[np.float32], int]:
    """Move stars from the start of the field's orbit to today.

    Parameters
    ----------
    stars : ndarray, shape (n, 6)
        Positions [kpc] and velocities [km/s] relative to the Milky Way's centre at the start.
    field : Field
        Potential and orbit.
    tolerance : float
        Error in energy allowed a step, in units of (200 km/s)^2; the root of the sum of squares of its two parts.

    Returns
    -------
    stars : ndarray, shape (n, 6), float32
        Today's.
    rounds : int
        Trial steps of all lanes together.

    Raises
    ------
    RuntimeError
        If a star does not arrive (its state is not finite, or its steps vanish).
    """
    moved = stars.astype(F)
    rounds = _run(moved, lane_field(field, tolerance), F(field.t_start))
    if rounds < 0 or not np.isfinite(moved).all():
        raise RuntimeError(f"a star did not arrive within {_MAX_STEPS} steps, or not as finite numbers")
    return moved, rounds
