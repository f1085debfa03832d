"""Real spherical harmonics as polynomials, and how their pairs (l, m) are numbered.

On a unit vector (x, y, z) a harmonic is a polynomial in z times the real or imaginary part of (x + i y)^m:

    S_lm = Q_lm(z) Re (x + i y)^m  or  Q_lm(z) Im (x + i y)^m,        Q_lm = N_lm d^m P_l / dz^m,

with P_l Legendre's polynomial and N_lm such that the integral of S^2 over the sphere is one. There is no angle, and
nothing is singular at the poles. Q obeys ``Q_(l+1)m = a_lm z Q_lm - b_lm Q_(l-1)m``.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.polynomial import Legendre, Polynomial

from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.display import describe_tuple


class Recurrence(NamedTuple):
    """Numbers of the recurrence in l at fixed m, in float32 as the kernels use them."""

    first: Float32Array  # (l_max + 1,): Q_mm
    a: Float32Array  # (l_max + 1, l_max + 1): a_lm
    b: Float32Array  # (l_max + 1, l_max + 1): b_lm

    def __repr__(self) -> str:
        return describe_tuple(self)


def count_pairs(l_max: int) -> int:
    """Number of pairs (l, m) with 0 <= m <= l <= l_max; pair (l, m) has the number ``l (l + 1) / 2 + m``."""
    return (l_max + 1) * (l_max + 2) // 2


def find_l_max(n_pairs: int) -> int:
    """The l_max that has this number of pairs."""
    return round((math.sqrt(1 + 8 * n_pairs) - 3) / 2)


@functools.lru_cache(maxsize=8)
def make_recurrence(l_max: int) -> Recurrence:
    """Compute the recurrence up to `l_max` (Abramowitz & Stegun 8.5.3, for normalised functions)."""
    first = np.array([_normalisation(m, m) * math.prod(range(1, 2 * m, 2)) for m in range(l_max + 1)])
    a, b = np.zeros((2, l_max + 1, l_max + 1))
    for m in range(l_max + 1):
        for l in range(m, l_max):
            n = l + 1
            a[l, m] = math.sqrt((4 * n * n - 1) / (n * n - m * m))
            if l > m:
                b[l, m] = a[l, m] * math.sqrt((l * l - m * m) / (4 * l * l - 1))
    return Recurrence(*(array.astype(np.float32) for array in (first, a, b)))


@functools.lru_cache(maxsize=8)
def make_polynomials(l_max: int) -> Float64Array:
    """Coefficients of Q_lm, (pairs, l_max + 1): power j of z in column j."""
    table = np.zeros((count_pairs(l_max), l_max + 1))
    for l in range(l_max + 1):
        legendre = Legendre.basis(l).convert(kind=Polynomial)
        for m in range(l + 1):
            coefficients = _normalisation(l, m) * np.asarray(legendre.deriv(m).coef, float)
            table[l * (l + 1) // 2 + m, : len(coefficients)] = coefficients
    return table


def _normalisation(l: int, m: int) -> float:
    share = (2 * l + 1) / (4 * math.pi) * math.factorial(l - m) / math.factorial(l + m)
    return math.sqrt(share * (2 if m else 1))


def evaluate_harmonics(unit: Float64Array, l_max: int) -> Float64Array:
    """All harmonics on unit vectors (n, 3): (n, pairs, 2), real and imaginary parts; exact and slow."""
    table = make_polynomials(l_max)
    power = (unit[:, 0] + 1j * unit[:, 1])[:, None] ** np.arange(l_max + 1)
    height = unit[:, 2][:, None] ** np.arange(l_max + 1)
    m = np.concatenate([np.arange(l + 1) for l in range(l_max + 1)])
    values = (height @ table.T) * power[:, m]
    return np.stack([values.real, values.imag], axis=-1)
