"""The lanes' arithmetic in float32: force, the LMC's path within a step, and the stages of the integrator.

Small functions without branches that :mod:`~mwlmc_data.simulator.engines.lanes` merges into straight-line code, which
LLVM can vectorise over sixteen lanes (:mod:`~mwlmc_data.simulator.engines.step` explains names and style). The
equations are at the head of :mod:`mwlmc_data.simulator.equations`; exp and logarithm are polynomials because LLVM
vectorises these.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mwlmc_data.array_types import Float32Array
from mwlmc_data.display import describe_tuple
from mwlmc_data.simulator.compiling import inline
from mwlmc_data.simulator.engines import tableau
from mwlmc_data.simulator.engines.intrinsics import bits_float, float_bits, load_table
from mwlmc_data.simulator.equations import CELLS_PER_OCTAVE, MAX_EXPONENT, MIN_EXPONENT

#: Number of terms of the disc, a constant so that the loop over them is unrolled.
TERMS = 11

# an untyped literal would promote everything it touches to float64
F = np.float32
_0, _HALF, _1, _2, _3, _4, _5, _6, _7, _10, _12, _15, _20 = (
    F(v) for v in (0, 0.5, 1, 2, 3, 4, 5, 6, 7, 10, 12, 15, 20)
)
TINY = F(1e-20)

# ------------------------------------------------------------------------------------ elementary

_MANTISSA, _BIAS = 23, 127
_CELL_SHIFT = np.int32(_MANTISSA - int(math.log2(CELLS_PER_OCTAVE)))
_CELL_MASK = np.int32((1 << int(_CELL_SHIFT)) - 1)
_CELL_UNIT = F(2.0 ** -int(_CELL_SHIFT))
_FIRST_CELL = np.int32((_BIAS + MIN_EXPONENT) * CELLS_PER_OCTAVE)
_R2_MIN, _R2_MAX = F(2.0**MIN_EXPONENT), F(2.0**MAX_EXPONENT * (1 - 1e-7))
ONE_BITS = np.int32(_BIAS << _MANTISSA)

_LOG2_E, _LN_2, _EXP_MIN = F(1 / math.log(2)), F(math.log(2)), F(-40.0)
_E2, _E3, _E4, _E5, _E6, _E7 = (F(1 / math.factorial(k)) for k in range(2, 8))
_L3, _L5, _L7, _L9, _L11, _L13 = (F(1 / k) for k in (3, 5, 7, 9, 11, 13))
_SHIFT_23, _BIAS_32 = np.int32(_MANTISSA), np.int32(_BIAS)


@inline
def exp_minus(u):
    """``exp(-u)`` for u >= 0: 2^n times the series of the remainder, n = round(-u / ln 2); 1e-12 beyond u = 27.7."""
    y = max(-u * _LOG2_E, _EXP_MIN)
    n = np.int32(y - _HALF)
    f = (y - F(n)) * _LN_2
    series = _1 + f * (_1 + f * (_E2 + f * (_E3 + f * (_E4 + f * (_E5 + f * (_E6 + f * _E7))))))
    return series * bits_float(np.int32((n + _BIAS_32) << _SHIFT_23))


@inline
def log1p_small(e):
    """``ln(1 + e) = 2 artanh(e / (2 + e))`` for 0 <= e <= 1."""
    w = e / (_2 + e)
    w2 = w * w
    return _2 * w * (_1 + w2 * (_L3 + w2 * (_L5 + w2 * (_L7 + w2 * (_L9 + w2 * (_L11 + w2 * _L13))))))


# ---------------------------------------------------------------------------------- acceleration


class LaneField(NamedTuple):
    """A :class:`~mwlmc_data.simulator.tables.Field` as the lanes read it: float32, flat, with times that end at 0."""

    radial: Float32Array
    disc: Float32Array
    orbit: Float32Array
    scalars: Float32Array  # h, G M_lmc, a_lmc, start, 1 / interval, longest step, 1 / (error allowed)^2

    def __repr__(self) -> str:
        return describe_tuple(self)


@inline
def _hernquist(d2, gm, scale):
    """``G M / (d (d + a)^2)``."""
    d = math.sqrt(d2 + TINY)
    return gm / (d * (d + scale) * (d + scale))


@inline
def acceleration(x, y, z, lx, ly, lz, field):
    """Acceleration of a star at x with the LMC at l; equations in :mod:`mwlmc_data.simulator.equations`."""
    R2 = x * x + y * y
    # in this order a NaN becomes the limit: its own bits name a cell outside the table
    bits = float_bits(min(max(_R2_MIN, R2 + z * z), _R2_MAX))
    cell = np.uint64((bits >> _CELL_SHIFT) - _FIRST_CELL) << np.uint64(2)
    t = F(np.int32(bits & _CELL_MASK)) * _CELL_UNIT
    table = field.radial
    g = load_table(table, cell + np.uint64(2)) + t * load_table(table, cell + np.uint64(3))
    g = load_table(table, cell) + t * (load_table(table, cell + np.uint64(1)) + t * g)
    height = load_table(field.scalars, 0)
    u = abs(z) / height
    e = exp_minus(u)
    s = (u + _2 * log1p_small(e)) * height
    tanh = (_1 - e) / (_1 + e)
    tanh = tanh if z > _0 else -tanh
    sech2 = _1 - tanh * tanh
    slope = -sech2 * tanh / height
    in_plane, vertical = g, g * z
    for j in range(TERMS):
        b = load_table(field.disc, 3 * j + 2)
        q = load_table(field.disc, 3 * j + 1) + s + b * sech2
        inverse = _1 / math.sqrt(R2 + q * q)  # its cube cannot overflow for a distant star, d^3 can
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


@inline
def table_quintic(orbit, i, w):
    """Value, first and second derivative at w of a quintic whose coefficients start at i, three apart."""
    c0, c1, c2 = load_table(orbit, i), load_table(orbit, i + np.uint64(3)), load_table(orbit, i + np.uint64(6))
    c3, c4 = load_table(orbit, i + np.uint64(9)), load_table(orbit, i + np.uint64(12))
    c5 = load_table(orbit, i + np.uint64(15))
    value = c0 + w * (c1 + w * (c2 + w * (c3 + w * (c4 + w * c5))))
    first = c1 + w * (_2 * c2 + w * (_3 * c3 + w * (_4 * c4 + w * _5 * c5)))
    second = _2 * c2 + w * (_6 * c3 + w * (_12 * c4 + w * _20 * c5))
    return value, first, second


@inline
def step_quintic(a, da, dda, b, db, ddb, h):
    """Coefficients of powers 1 to 5 of the quintic that joins (a, a', a'') to (b, b', b'') in the time h."""
    p1, p2 = da * h, _HALF * dda * h * h
    gap, slope, bend = b - a - p1 - p2, db * h - p1 - _2 * p2, _HALF * ddb * h * h - p2
    return p1, p2, _10 * gap - _4 * slope + bend, _7 * slope - _15 * gap - _2 * bend, _6 * gap - _3 * slope + bend


@inline
def on_quintic(a, p, c):
    """Value of that quintic at the fraction c of the step."""
    return a + c * (p[0] + c * (p[1] + c * (p[2] + c * (p[3] + c * p[4]))))


# -------------------------------------------------------------------- stages (tableau.A, B, B', E)

_A1, _A2, _A3, _A4, _A5, _A6, _A7, _A8 = (
    tuple(F(w) for w in tableau.A[i, : min(i, 7)]) for i in range(1, 9)
)
C1, C2, C3, C4, C5, C6 = (F(c) for c in tableau.C[1:7])
_B = tuple(F(w) for w in tableau.B_PRIME)
_E = tuple(F(w) for w in tableau.E)
_EP = tuple(F(w) for w in tableau.E_PRIME)


@inline
def stage1(x, v, h, f0):
    """Position at stage 1, of one component."""
    return x + h * (C1 * v + h * (_A1[0] * f0))


@inline
def stage2(x, v, h, f0, f1):
    """Position at stage 2, of one component."""
    return x + h * (C2 * v + h * (_A2[0] * f0 + _A2[1] * f1))


@inline
def stage3(x, v, h, f0, f1, f2):
    """Position at stage 3, of one component."""
    return x + h * (C3 * v + h * (_A3[0] * f0 + _A3[1] * f1 + _A3[2] * f2))


@inline
def stage4(x, v, h, f0, f1, f2, f3):
    """Position at stage 4, of one component."""
    return x + h * (C4 * v + h * (_A4[0] * f0 + _A4[1] * f1 + _A4[2] * f2 + _A4[3] * f3))


@inline
def stage5(x, v, h, f0, f1, f2, f3, f4):
    """Position at stage 5, of one component."""
    return x + h * (C5 * v + h * (_A5[0] * f0 + _A5[1] * f1 + _A5[2] * f2 + _A5[3] * f3 + _A5[4] * f4))


@inline
def stage6(x, v, h, f0, f1, f2, f3, f4, f5):
    """Position at stage 6, of one component."""
    early = _A6[0] * f0 + _A6[1] * f1 + _A6[2] * f2
    return x + h * (C6 * v + h * (early + _A6[3] * f3 + _A6[4] * f4 + _A6[5] * f5))


@inline
def stage7(x, v, h, f0, f1, f2, f3, f4, f5, f6):
    """Position at stage 7, of one component."""
    early = _A7[0] * f0 + _A7[1] * f1 + _A7[2] * f2 + _A7[3] * f3
    return x + h * (v + h * (early + _A7[4] * f4 + _A7[5] * f5 + _A7[6] * f6))


@inline
def new_position(x, v, h, f0, f2, f3, f4, f5, f6):
    """Position of order 8, also that of the last stage; the weight of f1 is zero."""
    return x + h * (v + h * (_A8[0] * f0 + _A8[2] * f2 + _A8[3] * f3 + _A8[4] * f4 + _A8[5] * f5 + _A8[6] * f6))


@inline
def new_velocity(v, h, f0, f2, f3, f4, f5, f6, f7):
    """Velocity of order 8; the weights of f1 and f8 are zero."""
    return v + h * (_B[0] * f0 + _B[2] * f2 + _B[3] * f3 + _B[4] * f4 + _B[5] * f5 + _B[6] * f6 + _B[7] * f7)


@inline
def error_position(f0, f2, f3, f4, f5, f6):
    """Difference from the embedded position, per h^2."""
    return _E[0] * f0 + _E[2] * f2 + _E[3] * f3 + _E[4] * f4 + _E[5] * f5 + _E[6] * f6


@inline
def error_velocity(f0, f2, f3, f4, f5, f6, f7, f8):
    """Difference from the embedded velocity, per h."""
    early = _EP[0] * f0 + _EP[2] * f2 + _EP[3] * f3 + _EP[4] * f4
    return early + _EP[5] * f5 + _EP[6] * f6 + _EP[7] * f7 + _EP[8] * f8
