"""Forces against their formulae, direct quadrature and agama's numbers."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from scipy.integrate import IntegrationWarning, quad
from scipy.special import ellipe, ellipk

from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import equations, potentials, tables
from tests.helpers.agama_reference import NAMES, arrays, summary

RIGID = (9.1e11, 14.5)


def points(n, seed, low=0.03, high=400.0):
    """Points from low to high kpc, half of them near the plane."""
    rng = np.random.default_rng(seed)
    radius = np.exp(rng.uniform(np.log(low), np.log(high), n))
    direction = rng.normal(size=(n, 3))
    direction[::2, 2] *= 0.1
    return radius[:, None] * direction / np.linalg.norm(direction, axis=1)[:, None]


def relative_error(found, expected, scale=None):
    scale = expected if scale is None else scale
    return np.linalg.norm(found - expected, axis=1) / np.linalg.norm(scale, axis=1)


@njit
def kernel_milky_way(x, radial, disc, height):
    out = np.empty_like(x)
    for i in range(len(x)):
        out[i, 0], out[i, 1], out[i, 2] = equations.milky_way(x[i, 0], x[i, 1], x[i, 2], radial, disc, height)
    return out


def disc_by_rings(R, z):
    """Acceleration at (R, z) by the disc as a sum of rings (complete elliptic integrals), adaptively."""
    h, Rd = const.DISC_SCALE_HEIGHT, const.DISC_SCALE_LENGTH
    norm = const.DISC_MASS / (2 * np.pi * Rd**2) / (4 * h)

    def ring(a, dz):
        """Radial and vertical force at distance R from the axis of a ring of unit mass and radius a."""
        plus, minus = (R + a) ** 2 + dz**2, (R - a) ** 2 + dz**2
        m = 4 * R * a / plus
        k, e = ellipk(m), ellipe(m)
        vertical = -2 * const.G * dz * e / (np.pi * np.sqrt(plus) * minus)
        radial = -const.G / (np.pi * R * np.sqrt(plus)) * (k + (R**2 - a**2 - dz**2) / minus * e)
        return radial, vertical

    def sheet(height, component):
        """Force of the sheet at that height, rings summed outwards with the ring at R as an end point."""
        weight = norm / np.cosh(height / (2 * h)) ** 2

        def integrand(a):
            return 2 * np.pi * a * np.exp(-a / Rd) * ring(a, z - height)[component]

        gap = max(abs(z - height), 1e-9)
        edges = [0.0, *[R - gap * s for s in (100, 10, 1) if gap * s < R], R, R + gap, R + 10 * gap, R + 100 * gap]
        edges = [*edges, max(R + 100 * gap, 60.0) + 60.0]
        return weight * sum(
            quad(integrand, a, b, epsabs=0, epsrel=1e-9, limit=200)[0]
            for a, b in itertools.pairwise(edges)
        )

    edges = np.unique(np.r_[-12, -3, -1, -0.3, 0, 0.3, 1, 3, 12, z, z - 0.03, z + 0.03, z - 0.3, z + 0.3])
    edges = edges[(edges >= -12) & (edges <= 12)]
    # noise of the inner integral keeps the outer one from its tolerance, but not from 1e-7
    warnings.simplefilter("ignore", IntegrationWarning)
    return [
        sum(
            quad(sheet, a, b, args=(k,), epsabs=1e-9 * 4e4, epsrel=1e-8, limit=100)[0]
            for a, b in itertools.pairwise(edges)
        )
        for k in (0, 1)
    ]


def test_nfw_agrees_with_its_formula():
    x, (m200, c200) = points(200, 1), RIGID
    r = np.linalg.norm(x, axis=1)
    r200 = (m200 / (4 / 3 * np.pi * 200 * const.RHO_CRITICAL)) ** (1 / 3)
    r_s, norm = r200 / c200, m200 / (np.log(1 + c200) - c200 / (1 + c200))
    mass = norm * (np.log1p(r / r_s) - r / r_s / (1 + r / r_s))
    expected = -const.G * (mass / r**3)[:, None] * x
    assert relative_error(potentials.nfw_acceleration(x, m200, c200), expected).max() < 1e-9


NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)


def nfw_shape_as_integral(x):
    """The mass is the integral of s / (1 + s)^2; substitute s = x u for a smooth integrand of order one."""
    t = 0.5 * (1 + NODES) * np.log1p(x)
    return np.sum(0.5 * np.log1p(x) * WEIGHTS * np.expm1(t) / np.exp(t))


@pytest.mark.parametrize("x", [1e-9, 3e-9, 1e-3, 0.0199, 0.02])
def test_nfw_shape_does_not_cancel_close_to_the_centre(x):
    expected = pytest.approx(nfw_shape_as_integral(x), rel=1e-9, abs=0)
    assert potentials.nfw_shape(x) == expected
    assert potentials.nfw_shape(np.array([x, 3.0]))[0] == expected


@given(st.floats(1e-9, 1e6))
def test_nfw_shape_has_no_cancellation(x):
    assert potentials.nfw_shape(x) == pytest.approx(nfw_shape_as_integral(x), rel=1e-9, abs=0)


def test_hernquist_agrees_with_its_formula():
    x = points(200, 2)
    r = np.linalg.norm(x, axis=1)
    expected = -const.G * 2.3e11 / (r + 18.9)[:, None] ** 2 * x / r[:, None]
    assert relative_error(potentials.hernquist_acceleration(x, 2.3e11, 18.9), expected).max() < 1e-9


def test_bulge_against_quadrature():
    radii = np.geomspace(0.01, 20, 25)

    def shell(r):
        return 4 * np.pi * r**2 * (1 + r / 0.2) ** -1.8 * np.exp(-((r / 1.8) ** 2))

    total = quad(shell, 0, 0.2, epsrel=1e-12)[0] + quad(shell, 0.2, 15, epsrel=1e-12, limit=200)[0]
    for r in radii:
        inside = quad(shell, 0, min(r, 0.2), epsrel=1e-12)[0]
        inside += quad(shell, 0.2, max(r, 0.2), epsrel=1e-12, limit=200)[0]
        assert potentials.bulge_mass(r) == pytest.approx(1.2e10 * inside / total, rel=1e-6)


def test_disc_against_rings():
    """20 points in, near and far from the plane: the reference disc is a different integral, over sheets."""
    rng = np.random.default_rng(5)
    R = np.r_[0.3, 8.3, 8.3, 3.0, 20.0, np.exp(rng.uniform(np.log(0.2), np.log(60), 15))]
    z = np.r_[0.1, 0.02, 1.0, 0.0, 0.4, np.exp(rng.uniform(np.log(0.02), np.log(30), 15))]
    found = potentials.disc_acceleration(np.column_stack([R, np.zeros(20), z]))
    expected = np.array([disc_by_rings(a, b) for a, b in zip(R, z, strict=True)])
    assert np.all(np.abs(found[:, 1]) == 0)
    assert relative_error(found[:, [0, 2]], expected).max() < 1e-6


def test_baryons_against_agama(reference):
    """Within agama's own error: 1e-5 for its bulge, 2e-4 for its disc (1e-4 short of mass)."""
    with np.load(reference / "agama" / "components.npz") as data:
        x, bulge, disc = data["points"], data["bulge_force"], data["disc_force"]
    assert relative_error(potentials.bulge_acceleration(x), bulge).max() < 1.1e-5
    assert relative_error(potentials.disc_acceleration(x), disc).max() < 2.5e-4


def test_disc_density_has_the_mass_and_profile():
    z = np.linspace(-15, 15, 6001)
    column = potentials.disc_density(np.column_stack([np.full_like(z, 8.0), np.zeros_like(z), z]))
    surface = const.DISC_MASS / (2 * np.pi * 9.0) * np.exp(-8.0 / 3.0)
    assert np.trapezoid(column, z) == pytest.approx(surface, rel=1e-9)
    assert column[3000] / column[3160] == pytest.approx(np.cosh(1.0) ** 2, rel=1e-9)  # z = 0.8 kpc = 2 h



@pytest.mark.parametrize("name", NAMES)
def test_milky_way_against_agama(reference, name):
    case, data = summary(reference)["cases"][name], arrays(reference, name)
    found = potentials.milky_way_acceleration(data["points"], case["m200"], case["c200"])
    assert relative_error(found, data["mw_force"]).max() < 1.2e-4
    lmc = potentials.hernquist_acceleration(data["points"], case["m_lmc"], case["a_lmc"])
    assert relative_error(lmc, data["lmc_force"]).max() < 1e-9


@pytest.mark.parametrize(("m200", "c200"), [RIGID, (1e11, 247.0), (1.5e12, 11.46), (1e13, 5.81)])
def test_kernel_force_against_the_exact_one(m200, c200):
    """What moves the stars: 1e-3 of the total beyond 0.5 kpc, 5e-4 beyond 1 kpc, 1e-4 beyond 10 kpc."""
    x = points(700, 7, low=0.5)
    exact = potentials.milky_way_acceleration(x, m200, c200)
    error = relative_error(kernel_milky_way(x, *tables.milky_way(m200, c200)), exact)
    r = np.linalg.norm(x, axis=1)
    assert error.max() < 1e-3
    assert error[r > 1].max() < 5e-4
    assert error[r > 10].max() < 1e-4


def test_radial_table_without_disc():
    """Bulge and halo alone, from the centre to the farthest star: the table's cubic is within 3e-7."""
    m200, c200 = RIGID
    radius = np.geomspace(1e-3, 1e6, 5000)
    x = radius[:, None] * np.array([0.6, 0.0, 0.8])
    mw = tables.milky_way(m200, c200)
    static = tables.load_static()
    compute_disc_mass = static.baryon_mass - potentials.bulge_mass(static.radius)
    smooth = (const.G * compute_disc_mass / static.radius**3) @ static.to_cubic.T
    found = kernel_milky_way(x, mw.radial - smooth, np.array([[0.0, 1.0, 0.0]]), mw.height)
    exact = potentials.bulge_acceleration(x) + potentials.nfw_acceleration(x, m200, c200)
    assert relative_error(found, exact).max() < 3e-7


def test_disc_mass_is_complete():
    """Far out the kernel's disc is the point mass 5e10: its terms and what they lack add up."""
    x = np.array([[3000.0, 0, 4000.0], [0, -2e4, 1e3]])
    mw = tables.milky_way(*RIGID)
    halo = potentials.bulge_acceleration(x) + potentials.nfw_acceleration(x, *RIGID)
    r = np.linalg.norm(x, axis=1)[:, None]
    point_mass = -const.G * const.DISC_MASS * x / r**3
    assert relative_error(kernel_milky_way(x, *mw) - halo, point_mass).max() < 1e-4


def test_concentrations(reference):
    for m200, expected in summary(reference)["concentration"].items():
        assert potentials.concentration(float(m200)) == pytest.approx(expected, rel=2e-4)


def test_concentration_gives_the_circular_speed():
    point = np.array([[8.3, 0.0, 0.0]])
    for m200 in (1e11, 9.1e11, 1e13):
        force = -potentials.milky_way_acceleration(point, m200, potentials.concentration(m200))[0, 0]
        assert np.sqrt(8.3 * force) == pytest.approx(235.0, abs=1e-6)


def test_a_mass_without_a_concentration_is_an_error():
    with pytest.raises(ValueError, match=r"m200_mw = 10000000000\.0"):
        potentials.concentration(1e10)


def test_lmc_scale_radius_encloses_the_mass():
    a = potentials.lmc_scale_radius(2.3e11, 2.29e10)
    assert a == pytest.approx(18.9, abs=0.05)
    assert 2.3e11 * 8.7**2 / (8.7 + a) ** 2 == pytest.approx(2.29e10)


def test_coulomb_logarithm_never_turns_friction_into_thrust():
    assert potentials.coulomb_logarithm(18.9) == pytest.approx(np.log(100 / (1.6 * 18.9)))
    assert potentials.coulomb_logarithm(80.0) == 0.0


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (np.zeros(3), r"positions = an array of shape \(3,\): allowed is the shape \(n, 3\)"),
        (np.zeros((4, 2)), r"positions = an array of shape \(4, 2\): allowed is the shape \(n, 3\)"),
        (np.array([[np.nan, 0, 0]]), r"positions\[0, 0\] = nan: allowed is a finite number"),
    ],
)
def test_bad_positions(bad, says):
    with pytest.raises(ValueError, match=says):
        potentials.disc_acceleration(bad)
