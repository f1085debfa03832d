"""The density from which stars are drawn, and its conservation along their orbits."""

import itertools
import json
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import beta as beta_function
from scipy.special import i0e
from scipy.stats import kstest

import mwlmc_data as mw
from mwlmc_data.rewinding import density
from mwlmc_data.rewinding.likelihood import log_density_stars
from mwlmc_data.simulator import nfw
from mwlmc_data.simulator.distribution import LOGIT_STEP, LOGIT_TOP
from mwlmc_data.simulator.engines.lanes import integrate_lanes
from mwlmc_data.simulator.engines.start import TOLERANCE, start_stars
from mwlmc_data.simulator.equilibrium import draw_stars, equilibrium, log_speed_density
from mwlmc_data.simulator.streams import halo_stream

FIDUCIAL = {"m200_mw": 1.2e12, "m_lmc": 1.5e11, "log10_lambda_df": 0.0, "beta0": 0.3, "r_dehnen": 12.0}


def make_parameters(**changes):
    return mw.Parameters(**FIDUCIAL | changes)


def tables_of(p):
    return equilibrium(p.m200_mw, p.c200, p.beta0, p.r_dehnen)


def radius_of(stars):
    return np.linalg.norm(stars[:, :3], axis=1)


def integrate_directly(x, tables):
    """Z(r) by scipy's quadrature of what the speeds are drawn from, cell by cell."""
    unbound = float(nfw.depth(x))
    position = (LOGIT_TOP - math.log((1 - unbound) / unbound)) / LOGIT_STEP
    cells = np.r_[position, np.arange(max(math.floor(position), -1) + 1, position + 90)]
    speeds = np.sqrt(2 * np.maximum(1 / (1 + np.exp(LOGIT_TOP - LOGIT_STEP * cells)) - unbound, 0))
    power = 3 - 2 * tables.beta  # in y = v^power the integrand is finite at v = 0

    def integrand(y):
        v = max(y ** (1 / power), 1e-100)
        return math.exp(log_speed_density(v, unbound, 1.0, tables.log_f1)) / power

    edges = speeds**power
    edges[0] = 0.0
    return sum(quad(integrand, a, b, epsabs=0, epsrel=1e-9)[0] for a, b in itertools.pairwise(edges))


def expected_log_density(star, tables):
    """ln f of the recipe of `draw_stars`: profile of radii, then speed, then direction."""
    x, v = star[:3] / tables.scale_radius, star[3:] / tables.scale_speed
    r, speed = np.linalg.norm(x), np.linalg.norm(v)
    mass = 2 * r * tables.b / (r + tables.b) ** 3
    if tables.x[0] < r < tables.x_cut:
        i = np.searchsorted(tables.x, r) - 1
        mass += (tables.excess[i + 1] - tables.excess[i]) / math.log(tables.x[i + 1] / tables.x[i]) / r
    radial = mass / (1 + tables.excess[-1]) / (4 * math.pi * r * r)
    sine, beta = np.linalg.norm(np.cross(x, v)) / (r * speed), tables.beta
    direction = sine ** (-2 * beta) / (2 ** (1 - 2 * beta) * beta_function(1 - beta, 1 - beta)) / (2 * math.pi)
    log_speed = log_speed_density(speed, float(nfw.depth(r)), beta, tables.log_f1)
    speeds = math.exp(log_speed) / integrate_directly(r, tables) / speed**2
    return math.log(radial * direction * speeds) - 3 * math.log(tables.scale_radius * tables.scale_speed)


@pytest.mark.parametrize("beta0", [0.0, 0.2, 0.5, 0.59, 0.89])
def test_density_is_that_of_the_recipe_by_which_stars_are_drawn(beta0):
    tables = tables_of(make_parameters(beta0=beta0))
    stars = draw_stars(tables, 3000, np.random.default_rng(1))
    order = np.argsort(radius_of(stars))
    stars = stars[np.r_[order[:15], order[::60]]]  # the innermost, where f1 is cut, and all radii
    found = density.log_start_density(stars, tables)
    error = found - [expected_log_density(star, tables) for star in stars]
    # ln A is interpolated between means over a cell, in which it varies by 1e-4
    assert np.abs(error).max() < 2e-4
    assert abs(error.mean()) < 4e-5


def test_the_ideal_halo_is_not_dense_enough():
    """A constant A, as of an exact inversion, would be wrong by a tenth of a percent for each star."""
    tables = tables_of(make_parameters())
    x = np.array([5.0, 30.0, 1000.0]) / tables.scale_radius
    log_a = [
        math.log(r ** (2 * tables.beta - 1) / (tables.b + r) ** 3 / integrate_directly(r, tables)) for r in x
    ]
    assert log_a[0] - log_a[2] > 5e-4 and log_a[1] - log_a[2] > 5e-4


@pytest.mark.parametrize("beta0", [0.3, 0.85])
@pytest.mark.parametrize("change", [{"r_dehnen": 13.0}, {"beta0": 0.02}, {"m200_mw": 1.15e12}])
def test_density_is_normalised(beta0, change):
    """The mean of f_a / f_b over stars drawn from f_b is 1."""
    change = change | {"beta0": beta0 + change.get("beta0", 0.0)}
    a, b = tables_of(make_parameters(beta0=beta0)), tables_of(make_parameters(**change))
    stars = draw_stars(b, 200_000, np.random.default_rng(1))
    noise = density.draw_errors(stars)
    ratio = np.exp(density.log_start_density(stars, a, noise) - density.log_start_density(stars, b, noise))
    error = ratio.std() / math.sqrt(len(ratio))
    assert error < 3e-4 and abs(ratio.mean() - 1) < 4 * error


CORNERS = [
    {"beta0": 0.0, "m200_mw": 5e11},
    {"beta0": 0.0, "m200_mw": 2.5e12, "m_lmc": 3e11},
    {"beta0": 0.5, "m200_mw": 5e11, "m_lmc": 2.5e10},
    {"beta0": 0.5, "m200_mw": 2.5e12},
    {"beta0": 0.6, "m_lmc": 3e11, "log10_lambda_df": 1.0},
    {"beta0": 0.25, "log10_lambda_df": -3.0},
    {"beta0": 0.25, "r_dehnen": 10.0, "m_lmc_8p7": 3e9},
    {"beta0": 0.8, "r_dehnen": 15.0},
    {"beta0": 0.4, "distance_lmc": 40.0, "ra_lmc": 89.0, "dec_lmc": -51.0, "v_los_lmc": 285.0,
     "pm_ra_lmc": 1.3, "pm_dec_lmc": 0.9},
    {"beta0": 0.9, "distance_lmc": 60.0, "ra_lmc": 61.0, "dec_lmc": -79.0, "v_los_lmc": 240.0,
     "pm_ra_lmc": 2.4, "pm_dec_lmc": -0.2},
]  # fmt: skip


@pytest.mark.parametrize("change", CORNERS)
def test_density_is_conserved(change):
    """Simulated stars have the density with which they were drawn, summed over 1,500 stars to 0.1."""
    p = make_parameters(**change)
    halo = mw.simulate(p, seed=2, n_stars=4500).halo
    start = start_stars(p, 4500, halo_stream(2, 0))[2]
    outer = np.linalg.norm(halo.positions, axis=1) > 50
    today = np.hstack([halo.positions, halo.velocities]).astype(float)[outer]
    assert outer.sum() > 900
    expected = density.log_start_density(start[outer], tables_of(p), density.draw_errors(today))
    assert abs((log_density_stars(today, p) - expected).sum()) < 0.1
    if p.beta0 <= 0.5:  # f itself
        found = mw.log_density(halo.positions[outer], halo.velocities[outer], p)
        assert abs((found - density.log_start_density(start[outer], tables_of(p))).sum()) < 0.1


@pytest.mark.parametrize("change", [{"m_lmc": 1.6e11}, {"m200_mw": 1.22e12}, {"beta0": 0.33, "r_dehnen": 12.4}])
def test_density_of_rewound_stars_is_normalised(change):
    """The mean of f_a / f_b over today's stars of b is 1, wherever the potential of a takes them."""
    a, b = make_parameters(**change), make_parameters()
    _, field, start = start_stars(b, 20_000, np.random.default_rng(6))
    today = integrate_lanes(start, field, TOLERANCE)[0].astype(float)
    # f_b where the stars were drawn is exact also for stars deep in the Milky Way
    drawn = density.log_start_density(start, tables_of(b), density.draw_errors(today))
    ratio = np.exp(log_density_stars(today, a) - drawn)
    error = ratio.std() / math.sqrt(len(ratio))
    assert error < 5e-3 and abs(ratio.mean() - 1) < 4 * error


@pytest.mark.parametrize("beta0", [0.1, 0.5, 0.9])
def test_blurred_density_is_the_mean_over_errors(beta0):
    """At L' = 0, 1, 5, 7.7, 7.8 and 100 standard deviations, by quadrature over the error's two components."""
    p = make_parameters(beta0=beta0)
    place, speed = np.array([60.0, 0.0, 0.0]), 100.0
    sines = density.ERROR * np.array([1e-12, 1.0, 5.0, 7.7, 7.8, 100.0])
    cosines = np.sqrt(1 - sines**2)
    stars = np.array([[*place, -speed * c, speed * s, 0.0] for c, s in zip(cosines, sines, strict=True)])
    blurred = density.log_start_density(stars, tables_of(p), np.zeros((len(stars), 3)))
    plain = density.log_start_density(stars, tables_of(p)) + 2 * beta0 * np.log(sines)
    expected = np.log([average_power(sine / density.ERROR, beta0) for sine in sines])
    assert blurred - plain == pytest.approx(expected - 2 * beta0 * math.log(density.ERROR), abs=1e-6)


def average_power(distance, beta):
    """Mean of |x|^(-2 beta) over normal x in the plane about a point at this distance."""

    def integrand(y):  # y = |x|^(2 - 2 beta)
        x = y ** (1 / (2 - 2 * beta))
        return math.exp(-0.5 * (x - distance) ** 2) * i0e(x * distance) / (2 - 2 * beta)

    edges = np.array([0.0, *np.linspace(max(distance - 9, 0.01), distance + 9, 60)]) ** (2 - 2 * beta)
    return sum(quad(integrand, a, b, epsabs=0, epsrel=1e-9)[0] for a, b in itertools.pairwise(edges))


def test_errors_are_normal_and_belong_to_the_star():
    stars = draw_stars(tables_of(make_parameters()), 20_000, np.random.default_rng(3))
    stars[:, :3] = stars[:, :3].astype(np.float32)
    found = density.draw_errors(stars)
    assert np.array_equal(density.draw_errors(stars[::-1])[::-1], found)
    assert [kstest(column, "norm").pvalue > 1e-3 for column in found.T] == [True] * 3
    directions = stars[:, :3] / np.linalg.norm(stars[:, :3], axis=1)[:, None]
    assert np.abs(np.triu(np.corrcoef(np.c_[found, directions].T), 1)).max() < 0.03
    moved = density.draw_errors(np.nextafter(stars, np.inf).astype(float))
    assert np.array_equal(moved, found)  # of the digits of float32 alone
    assert not np.array_equal(density.draw_errors(stars * 1.0001), found)


def test_rewound_stars_are_near_those_of_agama(reference):
    """The median over all 48: that of the 16 of a case depends on how many stars a processor moves at once."""
    gaps = []
    for case in json.loads((reference / "agama" / "rewound.json").read_text()).values():
        today, start = np.array(case["today"]), np.array(case["start"])
        positions, _ = mw.rewind(today[:, :3], today[:, 3:], mw.Parameters(**case["parameters"]))
        gaps.append(np.linalg.norm(positions - start[:, :3], axis=1))
    assert np.median(gaps) < 5e-3


@pytest.mark.parametrize("name", ["isotropic", "radial", "cut"])
def test_density_and_rewound_stars_are_those_of_agama(name, reference):
    """agama's backward integration and its distribution function, whose mass is above 1 where f is cut."""
    case = json.loads((reference / "agama" / "rewound.json").read_text())[name]
    p, today, start = mw.Parameters(**case["parameters"]), np.array(case["today"]), np.array(case["start"])
    positions, velocities = mw.rewind(today[:, :3], today[:, 3:], p)
    gap = np.linalg.norm(positions - start[:, :3], axis=1)
    assert gap.max() < 0.05
    assert np.linalg.norm(velocities - start[:, 3:], axis=1).max() < 0.2
    tables = tables_of(p)
    excess = math.log1p(tables.excess[-1])
    assert (excess > 1e-3) == (name == "cut")
    expected = np.array(case["log_density"]) - excess
    assert np.abs(density.log_start_density(start, tables) - expected).max() < 1e-3
    error = np.abs(mw.log_density(today[:, :3], today[:, 3:], p) - expected)
    # two stars come back near the centre, where f is cut by each code in its way
    assert np.median(error) < 3e-4 and np.sort(error)[-3] < 2e-3 and error.max() < 0.05
