"""Parts of the equilibrium halo, each compared with its definition."""

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad

from mwlmc_data.simulator import distribution, equilibrium, nfw

X = np.r_[1e-8, 1e-5, 1e-3, 0.01, 0.029, 0.031, 0.2, 3.0, 1e3, 1e7]


def depth_and_mass(x):
    """1 - ln(1 + x) / x and ln(1 + x) - x / (1 + x) as integrals, which do not cancel."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    s = 0.5 * np.log1p(x) * (1 + nodes)  # 1 + x u = e^s
    u = np.expm1(s) / x
    scale = 0.5 * np.log1p(x) * weights * np.exp(s) / x
    depth = np.sum(scale * x * u / (1 + x * u))
    mass = np.sum(scale * x * x * u / (1 + x * u) ** 2)
    return depth, mass


@pytest.mark.parametrize("x", X)
def test_depth_and_mass_avoid_cancellation(x):
    depth, mass = depth_and_mass(x)
    assert nfw.depth(x) == pytest.approx(depth, rel=1e-9, abs=0)
    assert nfw.mass(x) == pytest.approx(mass, rel=1e-9, abs=0)


TABLES = {beta: equilibrium.equilibrium(1.1e12, 13.0, beta, 12.0) for beta in (0.3, 0.85)}


@pytest.mark.parametrize("beta", TABLES)
@pytest.mark.parametrize("where", [0.0, 0.3, 0.5, 0.9])
def test_the_distribution_is_a_power_law_between_grid_points(beta, where):
    """v^(2 - 2 beta) f1, with log f1 interpolated in logit(Psi), which falls by 1/8 from cell to cell."""
    tables = TABLES[beta]
    cut = int(np.flatnonzero(tables.f1 > 0)[0]) - 1  # for beta = 0.85 the cell with a zero end
    for i in (20, 60, 110, 150, 200, max(cut, 12)):
        binding = 1 / (1 + math.exp((i + where) / 8 - 14.5))
        depth = float(depth_and_mass(tables.x[i - 12])[0])  # deeper than that energy: the speed is positive
        v = math.sqrt(2 * (1 - depth - binding))
        low, high = tables.f1[i], tables.f1[i + 1]
        if low > 0 and high > 0:
            value = math.exp((1 - where) * math.log(low) + where * math.log(high))
        else:
            value = low + where * (high - low)
        found = math.exp(equilibrium.log_speed_density(v, depth, beta, tables.log_f1))
        assert found == pytest.approx(v ** (2 - 2 * beta) * value, rel=1e-4, abs=1e-300)


@pytest.mark.parametrize("ends", [(3.0, 0.0), (0.0, 3.0), (0.0, 0.0)])
def test_a_cell_with_a_zero_end_is_linear(ends):
    """A power law cannot reach zero."""
    f1 = np.ones(261)
    f1[100:102] = ends
    for where in (0.0, 0.25, 0.75):
        binding = 1 / (1 + math.exp((100 + where) / 8 - 14.5))
        v = math.sqrt(2 * (1 - 0.01 - binding))
        value = ends[0] + where * (ends[1] - ends[0])
        with np.errstate(divide="ignore"):
            found = math.exp(equilibrium.log_speed_density(v, 0.01, 0.3, np.log(f1)))
        assert found == pytest.approx(v**1.4 * value, rel=1e-9, abs=1e-9)


def test_the_power_law_continues_beyond_the_grid():
    tables = TABLES[0.3]
    depth = float(depth_and_mass(tables.x[200])[0])
    for beyond in (0.5, 1.5, 8.0):
        binding = 1 / (1 + math.exp((259 + beyond) / 8 - 14.5))
        v = math.sqrt(2 * (1 - depth - binding))
        value = tables.f1[259] * (tables.f1[259] / tables.f1[258]) ** beyond
        found = math.exp(equilibrium.log_speed_density(v, depth, 0.3, tables.log_f1))
        assert found == pytest.approx(v**1.4 * value, rel=1e-2)


def test_the_speed_density_vanishes_at_rest_and_above_the_escape_speed():
    tables = TABLES[0.3]
    escape = math.sqrt(2 * (1 - 0.4))
    for v in (0.0, -0.1, escape + 1e-9, 2 * escape):
        assert equilibrium.log_speed_density(v, 0.4, 0.3, tables.log_f1) == -math.inf
    assert equilibrium.log_speed_density(0.5 * escape, 0.4, 0.3, tables.log_f1) > -math.inf


def mass_within(x, tables):
    """The Dehnen profile's, and the excess, linear in ln x between grid points."""
    excess = np.interp(math.log(x), np.log(tables.x), tables.excess) if x >= tables.x[0] else 0.0
    return (x / (x + tables.b)) ** 2 + excess


@pytest.mark.parametrize("beta", TABLES)
def test_radii_and_the_mass_within_them_are_inverse(beta):
    tables = TABLES[beta]
    assert (tables.excess[-1] > 0) == (beta > 0.5)
    assert np.all(np.diff(tables.excess) >= 0) and tables.excess[0] == 0.0
    total = 1 + tables.excess[-1]
    just = [mass_within(x, tables) / total for x in (tables.x[0], *tables.x[80:120], tables.x_cut)]
    for u in (1e-15, 1e-6, 1e-3, 0.02, 0.1, 0.5, 0.9, 0.999, *(f * (1 + h) for f in just for h in (-1e-3, 0.0, 1e-3))):
        x = equilibrium._radius(u, tables.b, tables.x, tables.excess, tables.x_cut)
        assert mass_within(x, tables) == pytest.approx(u * total, rel=1e-10, abs=0)
    beyond = tables.x > tables.x_cut
    assert np.all(tables.excess[beyond] == tables.excess[-1]) and np.all(tables.excess[~beyond][:-1] < total - 1)


def test_the_excess_is_the_density_that_cutting_negative_values_adds():
    """For beta = 0.85: 2 b times the integral of x^2 d(rho), d(rho) from |f1| over the energies with f1 < 0."""
    beta, b = 0.85, TABLES[0.85].b
    grid = distribution.make_tables()
    x, signed = grid.x, distribution.invert(beta, 2.0 * beta - distribution.GAMMA, b, grid)
    assert signed[0] < 0 < signed[-1] and np.array_equal(TABLES[0.85].f1, np.maximum(signed, 0))
    constant = 1 / (equilibrium.gamma_function(1.5 - beta) * equilibrium.gamma_function(0.5 + beta))
    depth = np.array([depth_and_mass(r)[0] for r in x])
    missing = np.maximum(-signed, 0)

    def added(i):
        """x^(2 beta) d(rho) at a grid point: f1 constant in each cell at the mean of its ends."""
        total = 0.0
        for j in range(i, len(x) - 1):
            mean = 0.5 * (missing[j] + missing[j + 1])
            if mean:
                inner, outer = depth[j] - depth[i], depth[j + 1] - depth[i]
                total += mean * quad(lambda e: e ** (0.5 - beta), max(inner, 0), outer)[0]
        return constant * total

    last = int(np.flatnonzero(signed < 0)[-1]) + 2
    rate = np.array([2 * b * x[i] ** (3 - 2 * beta) * added(i) for i in range(last)])
    expected = np.r_[0.0, np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(np.log(x[:last])))]
    assert TABLES[0.85].excess[:last] == pytest.approx(expected, rel=1e-6)
    assert TABLES[0.85].excess[-1] == pytest.approx(expected[-1], rel=1e-3)


@pytest.mark.parametrize("beta", TABLES)
def test_the_bound_exceeds_the_speeds_of_its_neighbours_by_a_tenth(beta):
    tables = TABLES[beta]
    depth = np.array([depth_and_mass(r)[0] for r in tables.x])
    peak = np.array(
        [
            max([(2 * (depth[j] - depth[i])) ** (1 - beta) * tables.f1[j] for j in range(i + 1, 260)], default=0.0)
            for i in range(0, 260)
        ]
    )
    around = np.array([peak[max(i - 1, 0) : i + 2].max() for i in range(260)])
    assert np.exp(tables.log_bound) == pytest.approx(1.1 * around, rel=1e-6, abs=0)


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.5, 0.76, 0.9])
@pytest.mark.parametrize("b", [0.02, 0.5, 8.0])
def test_the_distribution_function_is_the_integral(beta, b):
    """Against quad with the singular weight, in the form of the module's docstring and with other panels."""
    grid = distribution.make_tables()
    found = distribution.invert(beta, 2.0 * beta - distribution.GAMMA, b, grid)
    slope = 2 * beta - 1

    def smooth(s, x, at):
        there = x * math.exp(s)
        q = depth_and_mass(there)[1] / there
        p = slope - 3 * there / (there + b)
        dq = there / (1 + there) ** 2 - q
        g = there**slope * (there + b) ** -3
        gap = 1.0 if s < 1e-9 else (depth_and_mass(there)[0] - at) / s
        ratio = gap if s >= 1e-9 else depth_and_mass(x)[1] / x
        return ratio ** (beta - 0.5) * g / q * (p * p - 3 * there * b / (there + b) ** 2 - p * dq / q)

    for i in (70, 112, 135):
        x = float(grid.x[i])
        at = depth_and_mass(x)[0]
        edges = [0.3, 1.2, 3.0, 6.0, 12.0, 26.0]
        whole = quad(smooth, 0, 0.3, args=(x, at), weight="alg", wvar=(beta - 0.5, 0), epsrel=1e-11)[0]
        for left, right in itertools.pairwise(edges):
            part = quad(lambda s, x=x, at=at: s ** (beta - 0.5) * smooth(s, x, at), left, right, epsrel=1e-11)
            whole += part[0]
        assert found[i] == pytest.approx(whole, rel=1e-8, abs=0)


def test_differences_of_the_potential_keep_their_digits():
    """At x = 1e8, where 1 - Psi is 1 to 1e-7, and at 1e-6, where Psi is: against a series and an integral."""
    grid = distribution.make_tables()
    for i in (3, 250):
        x = grid.x[i]
        for k in (0, 5, 40):
            s = grid.s[k]
            # -dPsi / ds = q, by Gauss's rule in s
            nodes, weights = np.polynomial.legendre.leggauss(40)
            there = x * np.exp(0.5 * s * (1 + nodes))
            q = np.array([depth_and_mass(r)[1] / r for r in there])
            difference = 0.5 * s * np.sum(weights * q)
            assert grid.log_ratio[i, k] == pytest.approx(math.log(difference / s), abs=1e-12)


def test_the_exponential_is_that_of_the_library():
    x = np.r_[np.linspace(-699, 300, 4001), 0.0, -0.0, 1e-300, 0.34657, -0.34658]
    error = np.array([distribution._exp(v) for v in x]) / np.exp(x) - 1
    assert np.all(np.abs(error) < 4e-16 * (1 + np.abs(x)))
    assert distribution._exp(-math.inf) == distribution._exp(-701.0) < 1e-300
