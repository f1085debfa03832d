"""The distribution function of an equilibrium halo on a fixed grid of energies.

The inversion of :mod:`mwlmc_data.simulator.equilibrium` is an integral over x' from x outwards. Here it runs over
s = ln(x' / x)::

    f1(E) = int_0^inf s^(beta - 1/2) [(Delta / s)^(beta - 1/2) g'' |dPsi / ds|] ds,     Delta = Psi(x) - Psi(x e^s),

with ``g = x^(2 beta - gamma) (x + b)^(gamma - 4)`` and ::

    g'' |dPsi / d ln x| = (g / q) (p^2 + p' - p q' / q),    p = d ln g / d ln x,    q = -dPsi / d ln x = m(x) / x,

where primes are d / d ln x. The bracket is smooth, so that one set of nodes in s serves every beta: Gauss's, in panels,
with weights for the power of s in the first panel, where it is singular. As the radii x are fixed too, so are Delta and
q at all x e^s: tables, from which a halo takes its f1 with a division and an exponential for each node.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre

from mwlmc_data.array_types import Float64Array
from mwlmc_data.simulator.compiling import inline, kernel

#: Inner slope of the stars' density profile.
GAMMA = 1.0
#: Grid of the tables: equidistant in logit(Psi) = ln(Psi / (1 - Psi)), from x = 1e-6 to 1e9.
LOGIT_TOP, LOGIT_STEP, N_GRID = 14.5, 0.125, 260
#: Safety factor on the maximum of the speed distribution, as the maximum may lie between grid points.
ENVELOPE = 1.1
#: Edges of the panels in s, and the number of nodes in the first and in each other.
EDGES = (0.0, 1.0, 2.5, 4.5, 7.0, 10.0, 13.0, 16.0, 19.0, 22.0, 25.0)
_FIRST, _OTHERS = 12, 10


class _Tables(NamedTuple):
    """What does not depend on the halo, for the radii x of the grid and the nodes s of the integral."""

    x: Float64Array  # (n,): radii of the grid, from the centre outwards
    log_gap: Float64Array  # (n, n): ln(2 (Psi_i - Psi_j)) in row j, column i < j; -inf elsewhere
    s: Float64Array  # (m,)
    weight: Float64Array  # (m,): of Gauss; zero in the first panel
    moment: Float64Array  # (first, first): weights of the first panel for the moments of a power of s
    stretch: Float64Array  # (m,): e^s
    log_ratio: Float64Array  # (n, m): ln(Delta / s)
    inverse: Float64Array  # (n, m): 1 / q at x e^s
    bend: Float64Array  # (n, m): q' / q at x e^s


def _make_grid() -> Float64Array:
    """Radii x at which logit(Psi(x)) takes equidistant values, by Newton's method in ln x."""
    logit = LOGIT_TOP - LOGIT_STEP * np.arange(N_GRID)
    table = np.linspace(-16, 24, 4001)
    psi, depth = _psi_and_depth(np.exp(table))
    ln_x = np.interp(-logit, np.log(depth / psi), table)
    for _ in range(4):
        x = np.exp(ln_x)
        psi, depth = _psi_and_depth(x)
        slope = (psi - 1 / (1 + x)) / (psi * depth)  # -d logit / d ln x
        ln_x += (np.log(psi / depth) - logit) / slope
    return np.exp(ln_x)


def _psi_and_depth(x: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Psi and 1 - Psi at radii x, each without cancellation."""
    psi = np.log1p(x) / x
    small = np.minimum(x, 0.03)
    series = sum((-1) ** k * small ** (k - 1) / k for k in range(2, 13))
    return psi, np.where(x < 0.03, series, 1.0 - psi)


def _psi_difference(x: Float64Array, other: Float64Array) -> Float64Array:
    """``Psi(x) - Psi(other)`` from the smaller of Psi and 1 - Psi, which keeps the digits."""
    psi, depth = _psi_and_depth(x)
    psi_there, depth_there = _psi_and_depth(other)
    return np.where(x < 1.0, depth_there - depth, psi - psi_there)


@functools.lru_cache(maxsize=1)
def make_tables() -> _Tables:
    """Compute the tables, once in a process."""
    x = _make_grid()
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = np.tri(N_GRID, k=-1, dtype=bool)
        log_gap = np.where(beyond, np.log(2.0 * _psi_difference(x, x[:, None])), -np.inf)
    nodes, weights = legendre.leggauss(_FIRST)
    # Legendre polynomials at the nodes, normalised: interpolation there is a sum over them (discrete orthogonality)
    moment = weights[:, None] * legendre.legvander(nodes, _FIRST - 1) * (np.arange(_FIRST) + 0.5)
    s, weight = [EDGES[1] * 0.5 * (1.0 + nodes)], [np.zeros(_FIRST)]
    nodes, weights = legendre.leggauss(_OTHERS)
    for left, right in itertools.pairwise(EDGES[1:]):
        s.append(left + 0.5 * (right - left) * (1.0 + nodes))
        weight.append(0.5 * (right - left) * weights)
    nodes_s = np.concatenate(s)
    stretch = np.exp(nodes_s)
    there = x[:, None] * stretch
    small = np.minimum(there, 0.03)
    series = small**2 * sum((-1) ** k * (k - 1) / k * small ** (k - 2) for k in range(2, 13))
    mass = np.where(there < 0.03, series, np.log1p(there) - there / (1 + there))
    return _Tables(
        x=x,
        log_gap=log_gap,
        s=nodes_s,
        weight=np.concatenate(weight),
        moment=moment,
        stretch=stretch,
        log_ratio=np.log(_psi_difference(x[:, None], there) / nodes_s),
        inverse=there / mass,
        bend=there**2 / ((1 + there) ** 2 * mass) - 1.0,
    )


@inline
def _exp(x):
    """``e^x`` to the rounding of x, at least e^-700: without a call, so that loops over it become vectors."""
    x = max(x, -700.0)
    k = math.floor(x * 1.4426950408889634 + 0.5)
    r = (x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10
    series = 1.0 / 6227020800.0
    series = 1.0 / 479001600.0 + r * series
    series = 1.0 / 39916800.0 + r * series
    series = 1.0 / 3628800.0 + r * series
    series = 1.0 / 362880.0 + r * series
    series = 1.0 / 40320.0 + r * series
    series = 1.0 / 5040.0 + r * series
    series = 1.0 / 720.0 + r * series
    series = 1.0 / 120.0 + r * series
    series = 1.0 / 24.0 + r * series
    series = 1.0 / 6.0 + r * series
    series = 0.5 + r * series
    series = 1.0 + r * series
    power = (np.int64(np.int32(k)) + np.int64(1023)) << np.int64(52)
    return (1.0 + r * series) * np.int64(power).view(np.float64)


@kernel
def invert(beta, slope, b, tables):
    """Signed f1 at E = Psi(x), for every x of the grid, of ``g = x^slope (x + b)^(gamma - 4)``.

    The slope is 2 beta - gamma for stars of constant anisotropy.

    The moments of a power of u in (0, 1) with the Legendre polynomials P_n(2 u - 1) are
    ``int u^a P_n du = a (a - 1) ... (a - n + 1) / ((a + 1) (a + 2) ... (a + n + 1))``.
    """
    power = beta - 0.5
    n, m, first = tables.x.shape[0], tables.s.shape[0], tables.moment.shape[0]
    weight = np.empty(m)
    for k in range(m):
        moment = 1.0 / (power + 1.0)
        if k < first:
            weight[k] = 0.0
            for j in range(first):
                weight[k] += tables.moment[k, j] * moment
                moment *= (power - j) / (power + j + 2.0)
            weight[k] *= EDGES[1] ** (power + 1.0)
        else:
            weight[k] = tables.weight[k] * tables.s[k] ** power
        weight[k] *= math.exp(slope * tables.s[k])
    f1 = np.empty(n)
    steep = 4.0 - GAMMA
    for i in range(n):
        x, total = tables.x[i], 0.0
        log_ratio, inverse_q, bend = tables.log_ratio[i], tables.inverse[i], tables.bend[i]
        for k in range(m):
            there = x * tables.stretch[k]
            inverse = 1.0 / (there + b)
            share = there * inverse
            p = slope - steep * share
            dp = steep * share * (share - 1.0)
            g = inverse * inverse * inverse * inverse_q[k]  # without its power of x; gamma - 4 = -3
            total += weight[k] * _exp(power * log_ratio[k]) * g * (p * p + dp - p * bend[k])
        f1[i] = total * x**slope
    return f1


@kernel
def sum_excess(f1, beta, b, constant, tables):
    """Mass within x that is added by setting negative f1 to zero, in units of the Dehnen profile's mass.

    ``d(rho) x^(2 beta) = constant * int |f1| (Psi - E)^(1/2 - beta) dE`` over the energies with f1 < 0, with f1
    constant between grid points and the power integrated exactly.
    """
    n, power = f1.shape[0], 1.5 - beta
    excess, density, inner = np.zeros(n), np.zeros(n), np.zeros(n)
    last = 0
    for j in range(n):
        if f1[j] < 0.0:
            last = min(j + 1, n - 1)
    scale = constant / (power * 2.0**power)  # the table holds 2 (Psi_i - Psi_j)
    for j in range(1, last + 1):
        removed = -0.5 * scale * (min(f1[j - 1], 0.0) + min(f1[j], 0.0))
        row = tables.log_gap[j]
        for i in range(j):
            outer = _exp(power * row[i])
            density[i] += removed * (outer - inner[i])
            inner[i] = outer
    previous = 0.0
    for i in range(n):
        # d(mass) / d ln x = 2 b x^3 rho, trapezoids in ln x
        current = 2.0 * b * tables.x[i] ** (3.0 - 2.0 * beta) * density[i] if i <= last else 0.0
        if i > 0:
            excess[i] = excess[i - 1] + 0.5 * (current + previous) * math.log(tables.x[i] / tables.x[i - 1])
        previous = current
    return excess


@kernel
def find_bound(log_f1, beta, tables):
    """Bound on ``ln(v^(2 - 2 beta) f1)``: its maximum over the grid's energies at a radius and its two neighbours."""
    n, power = log_f1.shape[0], 1.0 - beta
    peak, bound = np.full(n, -np.inf), np.empty(n)
    for j in range(1, n):
        row, value = tables.log_gap[j], log_f1[j]
        for i in range(j):
            peak[i] = max(peak[i], power * row[i] + value)
    for i in range(n):
        bound[i] = max(peak[i], peak[max(i - 1, 0)], peak[min(i + 1, n - 1)]) + math.log(ENVELOPE)
    return bound
