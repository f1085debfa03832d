"""The star kernel: sixteen stars at once in float32, one per SIMD lane, each with its own time and step.

Solves the same equations with the same Runge-Kutta-Nystroem pair 8(6) as :mod:`mwlmc_data.simulator.equations`, whose
float64 scalar loop is the yardstick. Here the body of the loop over lanes is straight-line code that LLVM turns into
vector instructions (no branches, polynomials for exp and logarithm, the hardware's square root). A lane whose star has
arrived takes the next star. The step itself is in :mod:`~mwlmc_data.simulator.engines.step`.
"""

from __future__ import annotations

import math

import numpy as np

from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.simulator.compiling import inline, kernel
from mwlmc_data.simulator.engines.intrinsics import load_state, store_state
from mwlmc_data.simulator.engines.lane_functions import TERMS, F, LaneField
from mwlmc_data.simulator.engines.step import ONE, ZERO, trial_step
from mwlmc_data.simulator.equations import MAX_STEP, SPEED_SCALE
from mwlmc_data.simulator.tables import Field

#: Stars at once: one vector of AVX-512; processors with narrower vectors split it.
LANES = 16

# rows of the state: star and LMC (position, velocity, acceleration each), time, step, first step
_STAR, _LMC, _T, _H, _H0 = 0, 9, 18, 19, 20
_ROWS = 21


@inline
def _load(state, row, k):
    """Load nine rows of the state of lane k, from `row` on."""
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


@inline
def _store(state, row, k, values):
    """Store nine rows, without a loop: an index unknown to the compiler would put the tuple into memory."""
    store_state(state, row * LANES + k, values[0])
    store_state(state, (row + 1) * LANES + k, values[1])
    store_state(state, (row + 2) * LANES + k, values[2])
    store_state(state, (row + 3) * LANES + k, values[3])
    store_state(state, (row + 4) * LANES + k, values[4])
    store_state(state, (row + 5) * LANES + k, values[5])
    store_state(state, (row + 6) * LANES + k, values[6])
    store_state(state, (row + 7) * LANES + k, values[7])
    store_state(state, (row + 8) * LANES + k, values[8])


@inline
def _step(state, field):
    """Make one trial step in every lane.

    Inlined into :func:`_run`: for a function that is compiled separately and linked, LLVM makes two versions that
    round differently, and which one runs depends on whether the code is freshly compiled or loaded from the cache.
    """
    for k in range(LANES):
        star, lmc = _load(state, _STAR, k), _load(state, _LMC, k)
        t, h = load_state(state, _T * LANES + k), load_state(state, _H * LANES + k)
        star, lmc, t, h = trial_step(star, lmc, t, h, load_state(state, _H0 * LANES + k), field)
        _store(state, _STAR, k, star)
        _store(state, _LMC, k, lmc)
        store_state(state, _T * LANES + k, t)
        store_state(state, _H * LANES + k, h)


#: Maximum number of trial steps of a star: a hundred times more than any star of the prior needs.
_MAX_STEPS = 200_000


@kernel
def _run(stars, field, t_start):
    """Move all stars from `t_start` to 0 in place; return the number of rounds, negative if a star does not arrive."""
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
            else:  # an idle lane holds a distant star at rest
                state[k] = F(100.0)
            r2 = state[k] ** 2 + state[LANES + k] ** 2 + state[2 * LANES + k] ** 2
            v2 = state[3 * LANES + k] ** 2 + state[4 * LANES + k] ** 2 + state[5 * LANES + k] ** 2
            state[_H0 * LANES + k] = F(0.1) * math.sqrt(r2 / (v2 + F(1e4)))
        if moving == 0:
            return rounds
        _step(state, field)
        rounds += 1


def lane_field(field: Field, tolerance: float) -> LaneField:
    """Convert the field of a simulation to the lanes' form, with the error allowed per step."""
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
    """Longest step over which a quintic follows the LMC to about 1e-3 kpc: the time that it takes to turn."""
    distance = np.linalg.norm(field.orbit[:, 0], axis=1)
    acceleration = np.linalg.norm(2 * field.orbit[:, 2], axis=1) / field.dt**2
    return float(min(MAX_STEP, np.sqrt(distance / acceleration).min()))


def integrate_lanes(stars: Float64Array, field: Field, tolerance: float) -> tuple[Float32Array, int]:
    """Move stars from the start of the field's orbit to today.

    Parameters
    ----------
    stars : ndarray, shape (n, 6)
        Positions [kpc] and velocities [km/s] relative to the Milky Way's centre at the start.
    field : Field
        Potential and orbit.
    tolerance : float
        Error in energy allowed per step, in units of (200 km/s)^2; its two parts are added in quadrature.

    Returns
    -------
    stars : ndarray, shape (n, 6), float32
        Positions and velocities today.
    rounds : int
        Number of trial steps of all lanes together.

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
