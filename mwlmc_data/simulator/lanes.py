"""The star kernel: sixteen stars at once in float32, one a SIMD lane, each with its own time and step.

The same equations and the same Runge-Kutta-Nystroem pair 8(6) as :mod:`mwlmc_data.simulator.kernels`, whose float64
scalar loop is the yardstick. What differs is the shape: the body of the loop over lanes is straight-line code that
LLVM turns into vector instructions (no branch, exp and logarithm by polynomials, the square root the hardware's). A
lane whose star has arrived takes the next star.

Within a step the LMC moves on the quintic through its position, velocity and acceleration at the two ends, so that a
step needs one look-up in the orbit's table.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .compiling import inlined, kernel
from .intrinsics import bits_float, float_bits, load_state, load_table, store_state
from .kernels import MAX_STEP, SPEED_SCALE
from .lane_functions import (
    C1,
    C2,
    C3,
    C4,
    C5,
    C6,
    ONE_BITS,
    TERMS,
    TINY,
    F,
    LaneField,
    acceleration,
    error_position,
    error_velocity,
    new_position,
    new_velocity,
    on_quintic,
    stage1,
    stage2,
    stage3,
    stage4,
    stage5,
    stage6,
    stage7,
    step_quintic,
    table_quintic,
)
from .tables import Field

#: Stars at once: a vector of AVX-512; narrower machines take it in parts.
LANES = 16

# an untyped literal would make all that it touches float64
ZERO, ONE = F(0), F(1)

# rows of the state: position, velocity, time, step, first step, acceleration, LMC's position, velocity, acceleration
_X, _V, _T, _H, _H0, _ACC, _LMC, _LMC_V, _LMC_A = 0, 3, 6, 7, 8, 9, 12, 15, 18
_ROWS = 21
_SAFETY, _GROWTH, _SHRINK = F(0.75), F(2.5), F(0.2)
_END = F(-1e-9)
#: Shortest step [kpc / (km/s)], some 1,000 years: float32 times of -2.25 are 2.4e-7 apart. It is taken whatever its
#: error, which only stars passing within 1e-3 kpc of the centre see, and there it is the tolerance's size.
_SHORTEST, _NEARLY_SHORTEST = F(1e-6), F(1.3e-6)


@inlined
def _step(state, field):
    """One trial step of every lane.

    Merged into :func:`_run`: of a function compiled by itself and linked into another LLVM makes two versions that
    round differently, and which one runs depends on whether the code comes from the compiler or from the disk.

    A lane whose step is zero has a new star: the step of length zero finds acceleration and LMC at its start, and
    its next step is the first one.
    """
    start, per_interval = load_table(field.scalars, 3), load_table(field.scalars, 4)
    longest, allowance = load_table(field.scalars, 5), load_table(field.scalars, 6)
    last_interval = np.int32(field.orbit.shape[0] // 18 - 1)
    for k in range(LANES):
        x, y, z = load_state(state, k), load_state(state, LANES + k), load_state(state, 2 * LANES + k)
        u, v, w = load_state(state, _V * LANES + k), load_state(state, 4 * LANES + k), load_state(state, 5 * LANES + k)
        t, h = load_state(state, _T * LANES + k), load_state(state, _H * LANES + k)
        h = min(max(h, _SHORTEST), longest) if h > ZERO else ZERO
        first = load_state(state, _H0 * LANES + k)
        ax0, ay0 = load_state(state, _ACC * LANES + k), load_state(state, 10 * LANES + k)
        az0 = load_state(state, 11 * LANES + k)
        lx, ly = load_state(state, _LMC * LANES + k), load_state(state, 13 * LANES + k)
        lz = load_state(state, 14 * LANES + k)
        mx, my = load_state(state, _LMC_V * LANES + k), load_state(state, 16 * LANES + k)
        mz = load_state(state, 17 * LANES + k)
        nx, ny = load_state(state, _LMC_A * LANES + k), load_state(state, 19 * LANES + k)
        nz = load_state(state, 20 * LANES + k)
        # the step as float32 times have it, ending exactly today
        t_new = t + h
        t_new = t_new if t_new < _END else ZERO
        h = t_new - t
        # LMC at the end of the step, and its quintics over the step
        fraction = (t_new - start) * per_interval
        i = min(max(np.int32(fraction), np.int32(0)), last_interval)
        s = fraction - F(i)
        row = np.uint64(i) * np.uint64(18)
        Lx, Mx, Nx = table_quintic(field.orbit, row, s)
        Ly, My, Ny = table_quintic(field.orbit, row + np.uint64(1), s)
        Lz, Mz, Nz = table_quintic(field.orbit, row + np.uint64(2), s)
        Mx, My, Mz = Mx * per_interval, My * per_interval, Mz * per_interval
        per_interval2 = per_interval * per_interval
        Nx, Ny, Nz = Nx * per_interval2, Ny * per_interval2, Nz * per_interval2
        px = step_quintic(lx, mx, nx, Lx, Mx, Nx, h)
        py = step_quintic(ly, my, ny, Ly, My, Ny, h)
        pz = step_quintic(lz, mz, nz, Lz, Mz, Nz, h)
        ax1, ay1, az1 = acceleration(
            stage1(x, u, h, ax0), stage1(y, v, h, ay0), stage1(z, w, h, az0),
            on_quintic(lx, px, C1), on_quintic(ly, py, C1), on_quintic(lz, pz, C1), field,
        )  # fmt: skip
        ax2, ay2, az2 = acceleration(
            stage2(x, u, h, ax0, ax1), stage2(y, v, h, ay0, ay1), stage2(z, w, h, az0, az1),
            on_quintic(lx, px, C2), on_quintic(ly, py, C2), on_quintic(lz, pz, C2), field,
        )  # fmt: skip
        ax3, ay3, az3 = acceleration(
            stage3(x, u, h, ax0, ax1, ax2), stage3(y, v, h, ay0, ay1, ay2), stage3(z, w, h, az0, az1, az2),
            on_quintic(lx, px, C3), on_quintic(ly, py, C3), on_quintic(lz, pz, C3), field,
        )  # fmt: skip
        ax4, ay4, az4 = acceleration(
            stage4(x, u, h, ax0, ax1, ax2, ax3), stage4(y, v, h, ay0, ay1, ay2, ay3),
            stage4(z, w, h, az0, az1, az2, az3),
            on_quintic(lx, px, C4), on_quintic(ly, py, C4), on_quintic(lz, pz, C4), field,
        )  # fmt: skip
        ax5, ay5, az5 = acceleration(
            stage5(x, u, h, ax0, ax1, ax2, ax3, ax4), stage5(y, v, h, ay0, ay1, ay2, ay3, ay4),
            stage5(z, w, h, az0, az1, az2, az3, az4),
            on_quintic(lx, px, C5), on_quintic(ly, py, C5), on_quintic(lz, pz, C5), field,
        )  # fmt: skip
        ax6, ay6, az6 = acceleration(
            stage6(x, u, h, ax0, ax1, ax2, ax3, ax4, ax5), stage6(y, v, h, ay0, ay1, ay2, ay3, ay4, ay5),
            stage6(z, w, h, az0, az1, az2, az3, az4, az5),
            on_quintic(lx, px, C6), on_quintic(ly, py, C6), on_quintic(lz, pz, C6), field,
        )  # fmt: skip
        ax7, ay7, az7 = acceleration(
            stage7(x, u, h, ax0, ax1, ax2, ax3, ax4, ax5, ax6), stage7(y, v, h, ay0, ay1, ay2, ay3, ay4, ay5, ay6),
            stage7(z, w, h, az0, az1, az2, az3, az4, az5, az6), Lx, Ly, Lz, field,
        )  # fmt: skip
        X = new_position(x, u, h, ax0, ax2, ax3, ax4, ax5, ax6)
        Y = new_position(y, v, h, ay0, ay2, ay3, ay4, ay5, ay6)
        Z = new_position(z, w, h, az0, az2, az3, az4, az5, az6)
        ax8, ay8, az8 = acceleration(X, Y, Z, Lx, Ly, Lz, field)
        U = new_velocity(u, h, ax0, ax2, ax3, ax4, ax5, ax6, ax7)
        V = new_velocity(v, h, ay0, ay2, ay3, ay4, ay5, ay6, ay7)
        W = new_velocity(w, h, az0, az2, az3, az4, az5, az6, az7)
        # (|dv| |v|)^2 + (|dx| |a|)^2, in units of what is allowed
        ex = error_position(ax0, ax2, ax3, ax4, ax5, ax6)
        ey = error_position(ay0, ay2, ay3, ay4, ay5, ay6)
        ez = error_position(az0, az2, az3, az4, az5, az6)
        dx = error_velocity(ax0, ax2, ax3, ax4, ax5, ax6, ax7, ax8)
        dy = error_velocity(ay0, ay2, ay3, ay4, ay5, ay6, ay7, ay8)
        dz = error_velocity(az0, az2, az3, az4, az5, az6, az7, az8)
        h2 = h * h
        kinetic = (dx * dx + dy * dy + dz * dz) * h2 * (u * u + v * v + w * w)
        potential = (ex * ex + ey * ey + ez * ez) * h2 * h2 * (ax0 * ax0 + ay0 * ay0 + az0 * az0)
        error = max((kinetic + potential) * allowance, TINY)
        # error^(-1/16): the bits of a float32 are nearly linear in its logarithm
        factor = _SAFETY * bits_float(np.int32(ONE_BITS - ((float_bits(error) - ONE_BITS) >> np.int32(4))))
        factor = min(max(factor, _SHRINK), _GROWTH)
        ok = (error < ONE) | (h < _NEARLY_SHORTEST)
        store_state(state, k, X if ok else x)
        store_state(state, LANES + k, Y if ok else y)
        store_state(state, 2 * LANES + k, Z if ok else z)
        store_state(state, _V * LANES + k, U if ok else u)
        store_state(state, 4 * LANES + k, V if ok else v)
        store_state(state, 5 * LANES + k, W if ok else w)
        store_state(state, _T * LANES + k, t_new if ok else t)
        store_state(state, _H * LANES + k, h * factor if h > ZERO else first)
        store_state(state, _ACC * LANES + k, ax8 if ok else ax0)
        store_state(state, 10 * LANES + k, ay8 if ok else ay0)
        store_state(state, 11 * LANES + k, az8 if ok else az0)
        store_state(state, _LMC * LANES + k, Lx if ok else lx)
        store_state(state, 13 * LANES + k, Ly if ok else ly)
        store_state(state, 14 * LANES + k, Lz if ok else lz)
        store_state(state, _LMC_V * LANES + k, Mx if ok else mx)
        store_state(state, 16 * LANES + k, My if ok else my)
        store_state(state, 17 * LANES + k, Mz if ok else mz)
        store_state(state, _LMC_A * LANES + k, Nx if ok else nx)
        store_state(state, 19 * LANES + k, Ny if ok else ny)
        store_state(state, 20 * LANES + k, Nz if ok else nz)


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
