"""Parts of the equilibrium halo, each compared with its definition."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from mwlmc_data.simulator import equilibrium

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
    assert equilibrium._depth(x) == pytest.approx(depth, rel=1e-9, abs=0)
    assert equilibrium._depth_and_mass(x) == pytest.approx((depth, mass), rel=1e-9, abs=0)


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
        found = equilibrium._speed_density(v, depth, beta, tables.f1)
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
        assert equilibrium._speed_density(v, 0.01, 0.3, f1) == pytest.approx(v**1.4 * value, rel=1e-9, abs=1e-9)


def test_the_power_law_continues_beyond_the_grid():
    tables = TABLES[0.3]
    depth = float(depth_and_mass(tables.x[200])[0])
    for beyond in (0.5, 1.5, 8.0):
        binding = 1 / (1 + math.exp((259 + beyond) / 8 - 14.5))
        v = math.sqrt(2 * (1 - depth - binding))
        value = tables.f1[259] * (tables.f1[259] / tables.f1[258]) ** beyond
        assert equilibrium._speed_density(v, depth, 0.3, tables.f1) == pytest.approx(v**1.4 * value, rel=1e-2)


def test_the_speed_density_vanishes_at_rest_and_above_the_escape_speed():
    tables = TABLES[0.3]
    escape = math.sqrt(2 * (1 - 0.4))
    for v in (0.0, -0.1, escape + 1e-9, 2 * escape):
        assert equilibrium._speed_density(v, 0.4, 0.3, tables.f1) == 0.0
    assert equilibrium._speed_density(0.5 * escape, 0.4, 0.3, tables.f1) > 0


@pytest.mark.parametrize("beta", TABLES)
def test_radii_and_the_mass_within_them_are_inverse(beta):
    tables = TABLES[beta]
    assert (tables.excess[-1] > 0) == (beta > 0.5)
    total = 1 + tables.excess[-1]
    for u in (1e-6, 1e-3, 0.02, 0.1, 0.5, 0.9, 0.999):
        x = equilibrium._radius(u, tables.b, tables.x, tables.excess)
        assert equilibrium._mass(x, tables.b, tables.x, tables.excess) == pytest.approx(u * total, rel=1e-6)
    for x in (tables.x[0] * 0.5, tables.x[70], math.sqrt(tables.x[90] * tables.x[91]), tables.x[-1] * 3):
        excess = np.interp(math.log(x), np.log(tables.x), tables.excess) if x >= tables.x[0] else 0.0
        expected = (x / (x + tables.b)) ** 2 + excess
        assert equilibrium._mass(x, tables.b, tables.x, tables.excess) == pytest.approx(expected, rel=1e-9)


def test_the_excess_is_the_density_that_cutting_negative_values_adds():
    """For beta = 0.85: 2 b times the integral of x^2 d(rho), d(rho) from |f1| over the energies with f1 < 0."""
    beta, b = 0.85, TABLES[0.85].b
    x = equilibrium._grid()
    signed = equilibrium._invert(x, beta, b, equilibrium._LEGENDRE_X, equilibrium._LEGENDRE_W)
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
def test_the_envelope_bounds_the_speeds_of_its_neighbours_by_a_tenth(beta):
    tables = TABLES[beta]
    depth = np.array([depth_and_mass(r)[0] for r in tables.x])
    peak = np.array(
        [
            max([(2 * (depth[j] - depth[i])) ** (1 - beta) * tables.f1[j] for j in range(i + 1, 260)], default=0.0)
            for i in range(0, 260)
        ]
    )
    around = np.array([peak[max(i - 1, 0) : i + 2].max() for i in range(260)])
    assert tables.envelope == pytest.approx(1.1 * around, rel=1e-6)
