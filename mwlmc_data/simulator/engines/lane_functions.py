"""The arithmetic of a star's step in float32: force, the LMC's path, and elementary functions.

Small functions on floats that are vectors or single numbers (:mod:`~mwlmc_data.simulator.engines.vectors`). The
equations are at the head of :mod:`mwlmc_data.simulator.equations`; exp and logarithm are polynomials, and an inverse
root is the processor's estimate with one correction, so that nothing is called and every lane computes alike.
Polynomials are summed in pairs (Estrin) because the kernel waits for results more than it computes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mwlmc_data.array_types import Float32Array
from mwlmc_data.display import describe_tuple
from mwlmc_data.simulator.compiling import inline
from mwlmc_data.simulator.engines.vectors import (
    IS_FINE,
    bits_float,
    estimate_inverse_root,
    float_bits,
    get_element,
    larger,
    load_four,
    magnitude,
    select,
    smaller,
    to_floats,
    truncate,
)
from mwlmc_data.simulator.equations import CELLS_PER_OCTAVE, MAX_EXPONENT, MIN_EXPONENT

#: Number of terms of the disc.
TERMS = 11
#: Numbers in the table of a term, ``(m, 1.5 m, 2.5 m, a, b)`` with m in G m, and of an interval of the orbit: the
#: coefficients of x, y, z and one unused number, for each power from 0 to 5.
TERM_SIZE, INTERVAL_SIZE = 5, 24
#: Places of :attr:`LaneField.scalars`.
HEIGHT, PER_HEIGHT, GM_LMC, A_LMC, START, PER_INTERVAL, ALLOWANCE, FALLS = range(8)

# an untyped literal would promote everything it touches to float64
F = np.float32
_0, _HALF, _1, _2, _3, _4, _5, _6, _7, _10, _12, _15, _20 = (
    F(v) for v in (0, 0.5, 1, 2, 3, 4, 5, 6, 7, 10, 12, 15, 20)
)
TINY = F(1e-20)


class LaneField(NamedTuple):
    """A :class:`~mwlmc_data.simulator.tables.Field` as the lanes read it: float32, flat, with times that end at 0."""

    radial: Float32Array  # four coefficients of each cell's cubic
    disc: Float32Array  # TERM_SIZE numbers a term
    orbit: Float32Array  # INTERVAL_SIZE numbers an interval
    scalars: Float32Array  # h, 1 / h, G M_lmc, a_lmc, start, 1 / interval, 1 / (error allowed)^2, falls
    lmc: Float32Array | None  # as `radial`, where the LMC is no Hernquist sphere or the Milky Way does not fall

    def __repr__(self) -> str:
        return describe_tuple(self)


# ------------------------------------------------------------------------------------ elementary

_MANTISSA, _BIAS = 23, 127
_CELL_SHIFT = np.int32(_MANTISSA - int(math.log2(CELLS_PER_OCTAVE)))
_CELL_MASK = np.int32((1 << int(_CELL_SHIFT)) - 1)
_CELL_UNIT = F(2.0 ** -int(_CELL_SHIFT))
_FIRST_CELL = np.int32((_BIAS + MIN_EXPONENT) * CELLS_PER_OCTAVE)
_CELL_BITS = np.int32(2)
_R2_MIN, _R2_MAX = F(2.0**MIN_EXPONENT), F(2.0**MAX_EXPONENT * (1 - 1e-7))
ONE_BITS = np.int32(_BIAS << _MANTISSA)
_SHIFT_23, _BIAS_32 = np.int32(_MANTISSA), np.int32(_BIAS)

_LOG2_E, _EXPONENT_MIN = F(1 / math.log(2)), F(-60.0)
# minimax polynomials: 2^x on [-1/2, 1/2] to 7e-8, and ln(1 + x) / x on [0, 1] to 2e-7
_E0, _E1, _E2, _E3, _E4, _E5 = (
    F(v) for v in (1.00000007, 0.69314697, 0.2402212, 0.05550713, 0.00967554, 0.00132765)
)
_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7 = (
    F(v) for v in (0.99999981, -0.49997405, 0.3327548, -0.24495463, 0.17745241, -0.1076817, 0.04408962, -0.00853921)
)
_3_8, _15_8 = F(0.375), F(1.875)


@inline
def exp_minus(u):
    """``exp(-u)`` for u >= 0: 2^n times a polynomial of the remainder, n = round(-u / ln 2); 9e-19 beyond u = 41.6."""
    y = larger(-u * _LOG2_E, _EXPONENT_MIN)
    n = truncate(y - _HALF)
    f = y - to_floats(n)
    f2 = f * f
    power = (_E0 + _E1 * f) + f2 * ((_E2 + _E3 * f) + f2 * (_E4 + _E5 * f))
    return power * bits_float((n + _BIAS_32) << _SHIFT_23)


@inline
def log1p_small(e):
    """``ln(1 + e)`` for 0 <= e <= 1."""
    e2 = e * e
    low = (_L0 + _L1 * e) + e2 * (_L2 + _L3 * e)
    high = (_L4 + _L5 * e) + e2 * (_L6 + _L7 * e)
    return e * (low + (e2 * e2) * high)


@inline
def inverse_root(a):
    """``1 / sqrt(a)``: the estimate y corrected by the series in 1 - a y^2."""
    y = estimate_inverse_root(a)
    e = _1 - (a * y) * y
    if IS_FINE:
        return y + y * (e * _HALF)
    return y + (y * e) * (_HALF + _3_8 * e)


@inline
def inverse_cube(a, m, m_1p5, m_2p5):
    """``m a^(-3/2)`` with the estimate and series of :func:`inverse_root`; 1.5 m and 2.5 m are given."""
    y = estimate_inverse_root(a)
    y2 = y * y
    if IS_FINE:
        return (m_2p5 - m_1p5 * (a * y2)) * (y2 * y)
    e = _1 - a * y2
    f = m * (y2 * y)
    return f + (f * e) * (_HALF + _1 + _15_8 * e)


# ---------------------------------------------------------------------------------- acceleration


@inline
def _hernquist(d2, gm, scale):
    """``G M / (d (d + a)^2)``."""
    d2 = d2 + TINY
    y = inverse_root(d2)
    s = d2 * y + scale
    return gm * y / (s * s)


@inline
def _look_up(r2, table):
    """Cubic of a table at the square of a radius."""
    # NaN becomes the lower limit: its own bits name a cell outside the table
    bits = float_bits(smaller(larger(r2, _R2_MIN), _R2_MAX))
    cell = ((bits >> _CELL_SHIFT) - _FIRST_CELL) << _CELL_BITS
    t = to_floats(bits & _CELL_MASK) * _CELL_UNIT
    c0, c1, c2, c3 = load_four(table, cell, 0)
    return (c0 + t * c1) + (t * t) * (c2 + t * c3)


@inline
def _lmc_factor(d2, gm, scale, lmc):
    """Factor of the LMC's pull at the square of a distance from it."""
    # the compiler leaves out one of the two
    if lmc is None:
        return _hernquist(d2, gm, scale)
    return _look_up(d2, lmc)


@inline
def _frame_factor(d2, gm, scale, scalars, lmc):
    """The same for the acceleration of the frame, which is zero where the Milky Way does not fall."""
    if lmc is None:
        return _hernquist(d2, gm, scale)
    return get_element(scalars, FALLS) * _look_up(d2, lmc)


@inline
def _term(j, R2, s, sech2, tanh, slope, disc):
    """In-plane and vertical force of term j of the disc."""
    first = TERM_SIZE * j
    b = get_element(disc, first + 4)
    q = (get_element(disc, first + 3) + s) + b * sech2
    f = inverse_cube(R2 + q * q, get_element(disc, first), get_element(disc, first + 1), get_element(disc, first + 2))
    return f, f * (q * (tanh + b * slope))


@inline
def acceleration(x, y, z, lx, ly, lz, field):
    """Acceleration of a star at x with the LMC at l; equations in :mod:`mwlmc_data.simulator.equations`."""
    height, per_height = get_element(field.scalars, HEIGHT), get_element(field.scalars, PER_HEIGHT)
    gm, scale = get_element(field.scalars, GM_LMC), get_element(field.scalars, A_LMC)
    R2 = x * x + y * y
    u = magnitude(z) * per_height
    e = exp_minus(u)
    g = _look_up(R2 + z * z, field.radial)
    s = (u + _2 * log1p_small(e)) * height
    tanh = (_1 - e) / (_1 + e)
    sech2 = _1 - tanh * tanh
    tanh = select(z > _0, tanh, -tanh)
    slope = -sech2 * tanh * per_height
    in_plane, vertical = g, g * z
    for j in range(TERMS):
        f, f_z = _term(j, R2, s, sech2, tanh, slope, field.disc)
        in_plane, vertical = in_plane + f, vertical + f_z
    dx, dy, dz = x - lx, y - ly, z - lz
    pull = _lmc_factor(dx * dx + dy * dy + dz * dz, gm, scale, field.lmc)
    frame = _frame_factor(lx * lx + ly * ly + lz * lz, gm, scale, field.scalars, field.lmc)
    return (
        -in_plane * x - pull * dx - frame * lx,
        -in_plane * y - pull * dy - frame * ly,
        -vertical - pull * dz - frame * lz,
    )


# ------------------------------------------------------------------------------------ LMC's path


@inline
def _table_quintic(c0, c1, c2, c3, c4, c5, w):
    """Value, first and second derivative of a quintic at w."""
    value = c0 + w * (c1 + w * (c2 + w * (c3 + w * (c4 + w * c5))))
    first = c1 + w * (_2 * c2 + w * (_3 * c3 + w * (_4 * c4 + w * (_5 * c5))))
    second = _2 * c2 + w * (_6 * c3 + w * (_12 * c4 + w * (_20 * c5)))
    return value, first, second


@inline
def lmc_path(orbit, i, w):
    """The LMC's x, y and z, each with two derivatives per interval, at w in the interval whose numbers begin at i."""
    p0 = load_four(orbit, i, 0)
    p1 = load_four(orbit, i, 4)
    p2 = load_four(orbit, i, 8)
    p3 = load_four(orbit, i, 12)
    p4 = load_four(orbit, i, 16)
    p5 = load_four(orbit, i, 20)
    return (
        _table_quintic(p0[0], p1[0], p2[0], p3[0], p4[0], p5[0], w),
        _table_quintic(p0[1], p1[1], p2[1], p3[1], p4[1], p5[1], w),
        _table_quintic(p0[2], p1[2], p2[2], p3[2], p4[2], p5[2], w),
    )


@inline
def step_quintic(a, da, dda, b, db, ddb, h):
    """Coefficients of powers 1 to 5 of the quintic that joins (a, a', a'') to (b, b', b'') in the time h."""
    p1, p2 = da * h, _HALF * dda * h * h
    gap, slope, bend = b - a - p1 - p2, db * h - p1 - _2 * p2, _HALF * ddb * h * h - p2
    return p1, p2, _10 * gap - _4 * slope + bend, _7 * slope - _15 * gap - _2 * bend, _6 * gap - _3 * slope + bend
