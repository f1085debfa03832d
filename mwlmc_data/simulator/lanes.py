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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import tableau
from .compiling import inlined, kernel
from .intrinsics import bits_float, float_bits, load_state, load_table, store_state
from .kernels import CELLS_PER_OCTAVE, MAX_EXPONENT, MAX_STEP, MIN_EXPONENT, SPEED_SCALE
from .tables import Field

#: Stars at once: a vector of AVX-512; narrower machines take it in parts.
LANES = 16
#: Terms of the disc, a constant so that their loop is unrolled.
TERMS = 11

# An untyped literal would make all that it touches float64.
F = np.float32
_0, _HALF, _1, _2, _3, _4, _5, _6, _7, _10, _12, _15, _20 = (
    F(v) for v in (0, 0.5, 1, 2, 3, 4, 5, 6, 7, 10, 12, 15, 20)
)
_TINY = F(1e-20)

# ------------------------------------------------------------------------------------ elementary

_MANTISSA, _BIAS = 23, 127
_CELL_SHIFT = np.int32(_MANTISSA - int(math.log2(CELLS_PER_OCTAVE)))
_CELL_MASK = np.int32((1 << int(_CELL_SHIFT)) - 1)
_CELL_UNIT = F(2.0 ** -int(_CELL_SHIFT))
_FIRST_CELL = np.int32((_BIAS + MIN_EXPONENT) * CELLS_PER_OCTAVE)
_R2_MIN, _R2_MAX = F(2.0**MIN_EXPONENT), F(2.0**MAX_EXPONENT * (1 - 1e-7))
_ONE_BITS = np.int32(_BIAS << _MANTISSA)

_LOG2_E, _LN_2, _EXP_MIN = F(1 / math.log(2)), F(math.log(2)), F(-40.0)
_E2, _E3, _E4, _E5, _E6, _E7 = (F(1 / math.factorial(k)) for k in range(2, 8))
_L3, _L5, _L7, _L9, _L11, _L13 = (F(1 / k) for k in (3, 5, 7, 9, 11, 13))
_SHIFT_23, _BIAS_32 = np.int32(_MANTISSA), np.int32(_BIAS)


@inlined
def _exp_minus(u):
    """``exp(-u)`` for u >= 0: 2^n times the series of the rest, n = round(-u / ln 2); 1e-12 beyond u = 27.7."""
    y = max(-u * _LOG2_E, _EXP_MIN)
    n = np.int32(y - _HALF)
    f = (y - F(n)) * _LN_2
    series = _1 + f * (_1 + f * (_E2 + f * (_E3 + f * (_E4 + f * (_E5 + f * (_E6 + f * _E7))))))
    return series * bits_float(np.int32((n + _BIAS_32) << _SHIFT_23))


@inlined
def _log1p(e):
    """``ln(1 + e) = 2 artanh(e / (2 + e))`` for 0 <= e <= 1."""
    w = e / (_2 + e)
    w2 = w * w
    return _2 * w * (_1 + w2 * (_L3 + w2 * (_L5 + w2 * (_L7 + w2 * (_L9 + w2 * (_L11 + w2 * _L13))))))


# ---------------------------------------------------------------------------------- acceleration


class LaneField(NamedTuple):
    """A :class:`~mwlmc_data.simulator.tables.Field` as the lanes read it: float32, flat, times ending at 0."""

    radial: NDArray[np.float32]
    disc: NDArray[np.float32]
    orbit: NDArray[np.float32]
    scalars: NDArray[np.float32]  # h, G M_lmc, a_lmc, start, 1 / interval, longest step, 1 / (error allowed)^2


@inlined
def _hernquist(d2, gm, scale):
    """``G M / (d (d + a)^2)``."""
    d = math.sqrt(d2 + _TINY)
    return gm / (d * (d + scale) * (d + scale))


@inlined
def _acceleration(x, y, z, lx, ly, lz, field):
    """Acceleration of a star at x, the LMC at l: the equations at the head of :mod:`.kernels`."""
    R2 = x * x + y * y
    bits = float_bits(min(max(R2 + z * z, _R2_MIN), _R2_MAX))
    cell = np.uint64((bits >> _CELL_SHIFT) - _FIRST_CELL) << np.uint64(2)
    t = F(np.int32(bits & _CELL_MASK)) * _CELL_UNIT
    table = field.radial
    g = load_table(table, cell + np.uint64(2)) + t * load_table(table, cell + np.uint64(3))
    g = load_table(table, cell) + t * (load_table(table, cell + np.uint64(1)) + t * g)
    height = load_table(field.scalars, 0)
    u = abs(z) / height
    e = _exp_minus(u)
    s = (u + _2 * _log1p(e)) * height
    tanh = (_1 - e) / (_1 + e)
    tanh = tanh if z > _0 else -tanh
    sech2 = _1 - tanh * tanh
    slope = -sech2 * tanh / height
    in_plane, vertical = g, g * z
    for j in range(TERMS):
        b = load_table(field.disc, 3 * j + 2)
        q = load_table(field.disc, 3 * j + 1) + s + b * sech2
        inverse = _1 / math.sqrt(R2 + q * q)  # its cube cannot overflow for a far star, d^3 can
        f = load_table(field.disc, 3 * j) * (inverse * inverse * inverse)
        in_plane += f
        vertical += f * q * (tanh + b * slope)
    gm, scale = load_table(field.scalars, 1), load_table(field.scalars, 2)
    dx, dy, dz = x - lx, y - ly, z - lz
    pull = _hernquist(dx * dx + dy * dy + dz * dz, gm, scale)
    frame = _hernquist(lx * lx + ly * ly + lz * lz, gm, scale)
    return (
        -in_plane * x - pull * dx - frame * lx,
        -in_plane * y - pull * dy - frame * ly,
        -vertical - pull * dz - frame * lz,
    )


# ------------------------------------------------------------------------------------ LMC's path


@inlined
def _table_quintic(orbit, i, w):
    """Value, first and second derivative of a table's quintic at w; its coefficients are 3 apart from i."""
    c0, c1, c2 = load_table(orbit, i), load_table(orbit, i + np.uint64(3)), load_table(orbit, i + np.uint64(6))
    c3, c4 = load_table(orbit, i + np.uint64(9)), load_table(orbit, i + np.uint64(12))
    c5 = load_table(orbit, i + np.uint64(15))
    value = c0 + w * (c1 + w * (c2 + w * (c3 + w * (c4 + w * c5))))
    first = c1 + w * (_2 * c2 + w * (_3 * c3 + w * (_4 * c4 + w * _5 * c5)))
    second = _2 * c2 + w * (_6 * c3 + w * (_12 * c4 + w * _20 * c5))
    return value, first, second


@inlined
def _step_quintic(a, da, dda, b, db, ddb, h):
    """Coefficients of powers 1 to 5 of the quintic that joins (a, a', a'') to (b, b', b'') in the time h."""
    p1, p2 = da * h, _HALF * dda * h * h
    gap, slope, bend = b - a - p1 - p2, db * h - p1 - _2 * p2, _HALF * ddb * h * h - p2
    return p1, p2, _10 * gap - _4 * slope + bend, _7 * slope - _15 * gap - _2 * bend, _6 * gap - _3 * slope + bend


@inlined
def _on(a, p, c):
    """Value of that quintic at the fraction c of the step."""
    return a + c * (p[0] + c * (p[1] + c * (p[2] + c * (p[3] + c * p[4]))))


# -------------------------------------------------------------------- stages (tableau.A, B, B', E)

_A1, _A2, _A3, _A4, _A5, _A6, _A7, _A8 = (
    tuple(F(w) for w in tableau.A[i, : min(i, 7)]) for i in range(1, 9)
)
_C1, _C2, _C3, _C4, _C5, _C6 = (F(c) for c in tableau.C[1:7])
_B = tuple(F(w) for w in tableau.B_PRIME)
_E = tuple(F(w) for w in tableau.E)
_EP = tuple(F(w) for w in tableau.E_PRIME)


@inlined
def _stage1(x, v, h, f0):
    return x + h * (_C1 * v + h * (_A1[0] * f0))


@inlined
def _stage2(x, v, h, f0, f1):
    return x + h * (_C2 * v + h * (_A2[0] * f0 + _A2[1] * f1))


@inlined
def _stage3(x, v, h, f0, f1, f2):
    return x + h * (_C3 * v + h * (_A3[0] * f0 + _A3[1] * f1 + _A3[2] * f2))


@inlined
def _stage4(x, v, h, f0, f1, f2, f3):
    return x + h * (_C4 * v + h * (_A4[0] * f0 + _A4[1] * f1 + _A4[2] * f2 + _A4[3] * f3))


@inlined
def _stage5(x, v, h, f0, f1, f2, f3, f4):
    return x + h * (_C5 * v + h * (_A5[0] * f0 + _A5[1] * f1 + _A5[2] * f2 + _A5[3] * f3 + _A5[4] * f4))


@inlined
def _stage6(x, v, h, f0, f1, f2, f3, f4, f5):
    early = _A6[0] * f0 + _A6[1] * f1 + _A6[2] * f2
    return x + h * (_C6 * v + h * (early + _A6[3] * f3 + _A6[4] * f4 + _A6[5] * f5))


@inlined
def _stage7(x, v, h, f0, f1, f2, f3, f4, f5, f6):
    early = _A7[0] * f0 + _A7[1] * f1 + _A7[2] * f2 + _A7[3] * f3
    return x + h * (v + h * (early + _A7[4] * f4 + _A7[5] * f5 + _A7[6] * f6))


@inlined
def _new_position(x, v, h, f0, f2, f3, f4, f5, f6):
    """Order 8; the weight of f1 is zero. Also the place of the last stage."""
    return x + h * (v + h * (_A8[0] * f0 + _A8[2] * f2 + _A8[3] * f3 + _A8[4] * f4 + _A8[5] * f5 + _A8[6] * f6))


@inlined
def _new_velocity(v, h, f0, f2, f3, f4, f5, f6, f7):
    return v + h * (_B[0] * f0 + _B[2] * f2 + _B[3] * f3 + _B[4] * f4 + _B[5] * f5 + _B[6] * f6 + _B[7] * f7)


@inlined
def _error_position(f0, f2, f3, f4, f5, f6):
    return _E[0] * f0 + _E[2] * f2 + _E[3] * f3 + _E[4] * f4 + _E[5] * f5 + _E[6] * f6


@inlined
def _error_velocity(f0, f2, f3, f4, f5, f6, f7, f8):
    early = _EP[0] * f0 + _EP[2] * f2 + _EP[3] * f3 + _EP[4] * f4
    return early + _EP[5] * f5 + _EP[6] * f6 + _EP[7] * f7 + _EP[8] * f8


# ------------------------------------------------------------------------------------------ step

# rows of the state: position, velocity, time, step, first step, acceleration, LMC's position, velocity, acceleration
_X, _V, _T, _H, _H0, _ACC, _LMC, _LMC_V, _LMC_A = 0, 3, 6, 7, 8, 9, 12, 15, 18
_ROWS = 21
_SAFETY, _GROWTH, _SHRINK = F(0.75), F(2.5), F(0.2)
_END = F(-1e-9)


@kernel
def _step(state, field):
    """One trial step of every lane.

    A lane whose step is zero has a new star: the step of length zero finds acceleration and LMC at its start, and
    its next step is the first one.
    """
    start, per_interval = load_table(field.scalars, 3), load_table(field.scalars, 4)
    longest, allowance = load_table(field.scalars, 5), load_table(field.scalars, 6)
    last_interval = np.int32(field.orbit.shape[0] // 18 - 1)
    for k in range(LANES):
        x, y, z = load_state(state, k), load_state(state, LANES + k), load_state(state, 2 * LANES + k)
        u, v, w = load_state(state, _V * LANES + k), load_state(state, 4 * LANES + k), load_state(state, 5 * LANES + k)
        t, h = load_state(state, _T * LANES + k), min(load_state(state, _H * LANES + k), longest)
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
        t_new = t_new if t_new < _END else _0
        h = t_new - t
        # LMC at the end of the step, and its quintics over the step
        fraction = (t_new - start) * per_interval
        i = min(max(np.int32(fraction), np.int32(0)), last_interval)
        s = fraction - F(i)
        row = np.uint64(i) * np.uint64(18)
        Lx, Mx, Nx = _table_quintic(field.orbit, row, s)
        Ly, My, Ny = _table_quintic(field.orbit, row + np.uint64(1), s)
        Lz, Mz, Nz = _table_quintic(field.orbit, row + np.uint64(2), s)
        Mx, My, Mz = Mx * per_interval, My * per_interval, Mz * per_interval
        per_interval2 = per_interval * per_interval
        Nx, Ny, Nz = Nx * per_interval2, Ny * per_interval2, Nz * per_interval2
        px = _step_quintic(lx, mx, nx, Lx, Mx, Nx, h)
        py = _step_quintic(ly, my, ny, Ly, My, Ny, h)
        pz = _step_quintic(lz, mz, nz, Lz, Mz, Nz, h)
        ax1, ay1, az1 = _acceleration(
            _stage1(x, u, h, ax0), _stage1(y, v, h, ay0), _stage1(z, w, h, az0),
            _on(lx, px, _C1), _on(ly, py, _C1), _on(lz, pz, _C1), field,
        )  # fmt: skip
        ax2, ay2, az2 = _acceleration(
            _stage2(x, u, h, ax0, ax1), _stage2(y, v, h, ay0, ay1), _stage2(z, w, h, az0, az1),
            _on(lx, px, _C2), _on(ly, py, _C2), _on(lz, pz, _C2), field,
        )  # fmt: skip
        ax3, ay3, az3 = _acceleration(
            _stage3(x, u, h, ax0, ax1, ax2), _stage3(y, v, h, ay0, ay1, ay2), _stage3(z, w, h, az0, az1, az2),
            _on(lx, px, _C3), _on(ly, py, _C3), _on(lz, pz, _C3), field,
        )  # fmt: skip
        ax4, ay4, az4 = _acceleration(
            _stage4(x, u, h, ax0, ax1, ax2, ax3), _stage4(y, v, h, ay0, ay1, ay2, ay3),
            _stage4(z, w, h, az0, az1, az2, az3), _on(lx, px, _C4), _on(ly, py, _C4), _on(lz, pz, _C4), field,
        )  # fmt: skip
        ax5, ay5, az5 = _acceleration(
            _stage5(x, u, h, ax0, ax1, ax2, ax3, ax4), _stage5(y, v, h, ay0, ay1, ay2, ay3, ay4),
            _stage5(z, w, h, az0, az1, az2, az3, az4), _on(lx, px, _C5), _on(ly, py, _C5), _on(lz, pz, _C5), field,
        )  # fmt: skip
        ax6, ay6, az6 = _acceleration(
            _stage6(x, u, h, ax0, ax1, ax2, ax3, ax4, ax5), _stage6(y, v, h, ay0, ay1, ay2, ay3, ay4, ay5),
            _stage6(z, w, h, az0, az1, az2, az3, az4, az5),
            _on(lx, px, _C6), _on(ly, py, _C6), _on(lz, pz, _C6), field,
        )  # fmt: skip
        ax7, ay7, az7 = _acceleration(
            _stage7(x, u, h, ax0, ax1, ax2, ax3, ax4, ax5, ax6), _stage7(y, v, h, ay0, ay1, ay2, ay3, ay4, ay5, ay6),
            _stage7(z, w, h, az0, az1, az2, az3, az4, az5, az6), Lx, Ly, Lz, field,
        )  # fmt: skip
        X = _new_position(x, u, h, ax0, ax2, ax3, ax4, ax5, ax6)
        Y = _new_position(y, v, h, ay0, ay2, ay3, ay4, ay5, ay6)
        Z = _new_position(z, w, h, az0, az2, az3, az4, az5, az6)
        ax8, ay8, az8 = _acceleration(X, Y, Z, Lx, Ly, Lz, field)
        U = _new_velocity(u, h, ax0, ax2, ax3, ax4, ax5, ax6, ax7)
        V = _new_velocity(v, h, ay0, ay2, ay3, ay4, ay5, ay6, ay7)
        W = _new_velocity(w, h, az0, az2, az3, az4, az5, az6, az7)
        # (|dv| |v|)^2 + (|dx| |a|)^2, in units of what is allowed
        ex = _error_position(ax0, ax2, ax3, ax4, ax5, ax6)
        ey = _error_position(ay0, ay2, ay3, ay4, ay5, ay6)
        ez = _error_position(az0, az2, az3, az4, az5, az6)
        dx = _error_velocity(ax0, ax2, ax3, ax4, ax5, ax6, ax7, ax8)
        dy = _error_velocity(ay0, ay2, ay3, ay4, ay5, ay6, ay7, ay8)
        dz = _error_velocity(az0, az2, az3, az4, az5, az6, az7, az8)
        h2 = h * h
        kinetic = (dx * dx + dy * dy + dz * dz) * h2 * (u * u + v * v + w * w)
        potential = (ex * ex + ey * ey + ez * ez) * h2 * h2 * (ax0 * ax0 + ay0 * ay0 + az0 * az0)
        error = max((kinetic + potential) * allowance, _TINY)
        # error^(-1/16): the bits of a float32 are nearly linear in its logarithm
        factor = _SAFETY * bits_float(np.int32(_ONE_BITS - ((float_bits(error) - _ONE_BITS) >> np.int32(4))))
        factor = min(max(factor, _SHRINK), _GROWTH)
        ok = error < _1
        store_state(state, k, X if ok else x)
        store_state(state, LANES + k, Y if ok else y)
        store_state(state, 2 * LANES + k, Z if ok else z)
        store_state(state, _V * LANES + k, U if ok else u)
        store_state(state, 4 * LANES + k, V if ok else v)
        store_state(state, 5 * LANES + k, W if ok else w)
        store_state(state, _T * LANES + k, t_new if ok else t)
        store_state(state, _H * LANES + k, h * factor if h > _0 else first)
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


#: Trial steps a star may take: hundreds of times more than any star of the prior needs.
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
        state[_T * LANES + k] = _1  # arrived: to be filled
    while True:
        for k in range(LANES):
            taken[k] += 1
            if state[_T * LANES + k] < _0:
                if taken[k] > _MAX_STEPS:
                    return -rounds
                continue
            if star[k] >= 0:
                for m in range(6):
                    stars[star[k], m] = state[m * LANES + k]
                moving -= 1
            for m in range(_ROWS):
                state[m * LANES + k] = _0
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
