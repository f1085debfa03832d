"""The star kernel: as many stars at once as the processor has lanes, in float32, each with its own time and step.

Solves the same equations with the same Runge-Kutta-Nystroem pair 8(6) as :mod:`mwlmc_data.simulator.equations`, whose
float64 scalar loop is the yardstick. A lane whose star has arrived takes the next star. The step is in
:mod:`~mwlmc_data.simulator.engines.step`, the vectors in :mod:`~mwlmc_data.simulator.engines.vectors`.

A star's bits do not depend on the other stars, nor on whether the code is freshly compiled or loaded. They differ
between processors with AVX-512, with AVX and with neither, because their estimates of an inverse root do.
"""

from __future__ import annotations

import math

import numpy as np

from mwlmc_data.array_types import Float32Array, Float64Array, FloatArray
from mwlmc_data.simulator.compiling import inline, kernel
from mwlmc_data.simulator.engines.lane_functions import TERMS, F, LaneField
from mwlmc_data.simulator.engines.step import FIRST_STEP, ROWS, STAR, TIME, ZERO, trial_step
from mwlmc_data.simulator.engines.vectors import ALIGNMENT, LANES
from mwlmc_data.simulator.equations import SPEED_SCALE
from mwlmc_data.simulator.tables import Field, tabulate_hernquist

#: Maximum number of trial steps of a star: a hundred times more than any star of the prior needs. It is checked every
#: `_CHECKED` rounds.
MAX_STEPS, _CHECKED = 200_000, 1024
#: The first step is this part of r / sqrt(v^2 + (100 km/s)^2).
_FIRST, _SPEED2 = F(0.1), F(1e4)
#: Distance [kpc] of the star at rest that an idle lane holds.
_IDLE = F(100.0)
_PER_VECTOR = ALIGNMENT // 4


@inline
def estimate_first_step(x, y, z, u, v, w):
    """Length of the first step of a star with this position and velocity."""
    return _FIRST * math.sqrt((x * x + y * y + z * z) / (u * u + v * v + w * w + _SPEED2))


@kernel
def _run(stars, field, t_start):
    """Move all stars from `t_start` to 0 in place; return the number of rounds, negative if a star does not arrive."""
    n = stars.shape[0]
    room = np.zeros(ROWS * LANES + _PER_VECTOR, np.float32)
    first = (-(room.ctypes.data // 4)) % _PER_VECTOR
    state = room[first : first + ROWS * LANES].reshape(ROWS, LANES)
    star = np.full(LANES, -1, np.int64)
    begun = np.zeros(LANES, np.int64)
    following, moving, rounds = 0, 0, 0
    arrived = np.uint64((1 << LANES) - 1)  # all are to be filled
    while True:
        for k in range(LANES if arrived else 0):
            if not (arrived >> np.uint64(k)) & np.uint64(1):
                continue
            if star[k] >= 0:
                for m in range(6):
                    stars[star[k], m] = state[STAR + m, k]
                moving -= 1
            for m in range(ROWS):
                state[m, k] = ZERO
            star[k], begun[k] = -1, rounds
            state[TIME, k] = t_start
            if following < n:
                star[k] = following
                moving += 1
                for m in range(6):
                    state[STAR + m, k] = stars[following, m]
                following += 1
            else:
                state[STAR, k] = _IDLE
            state[FIRST_STEP, k] = estimate_first_step(
                state[STAR, k], state[STAR + 1, k], state[STAR + 2, k],
                state[STAR + 3, k], state[STAR + 4, k], state[STAR + 5, k],
            )  # fmt: skip
        if moving == 0:
            return rounds
        arrived = trial_step(state, field)
        rounds += 1
        if rounds % _CHECKED == 0:
            for k in range(LANES):
                if star[k] >= 0 and rounds - begun[k] > MAX_STEPS:
                    return -rounds


def lane_field(field: Field, tolerance: float) -> LaneField:
    """Convert the field of a simulation to the lanes' form, with the error allowed per step."""
    if len(field.disc) != TERMS:
        raise ValueError(f"the disc has {len(field.disc)} terms; the lanes are compiled for {TERMS}")
    mass, a, b = field.disc.T
    orbit = np.zeros((*field.orbit.shape[:2], 4))
    orbit[:, :, :3] = field.orbit
    scalars = (
        field.height,
        1 / field.height,
        field.gm_lmc,
        field.a_lmc,
        field.t_start,
        1 / field.dt,
        (tolerance * SPEED_SCALE**2) ** -2,
        field.falls,
    )
    lmc = tabulate_hernquist(field.gm_lmc, field.a_lmc) if field.lmc is None and field.falls != 1.0 else field.lmc
    return LaneField(
        _align(field.radial),
        np.column_stack([mass, 1.5 * mass, 2.5 * mass, a, b]).astype(F).ravel(),
        _align(orbit),
        np.array(scalars, F),
        None if lmc is None else _align(lmc),
    )


def _align(table: FloatArray) -> Float32Array:
    """Copy a table, flat and as float32, to where vectors can be loaded."""
    room = np.empty(table.size + _PER_VECTOR, F)
    first = -(room.ctypes.data // 4) % _PER_VECTOR
    aligned = room[first : first + table.size]
    aligned[:] = table.ravel()
    return aligned


def check_arrival(stars: FloatArray, rounds: int = 0) -> None:
    """Raise RuntimeError if a star did not reach the present day; its numbers are not finite, or `rounds` negative."""
    if rounds < 0 or not np.isfinite(stars).all():
        raise RuntimeError(f"a star did not arrive within {MAX_STEPS} steps, or not as finite numbers")


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
    check_arrival(moved, rounds)
    return moved, rounds
