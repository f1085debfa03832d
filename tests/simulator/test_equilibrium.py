"""The equilibrium halo."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import distribution, equations, equilibrium, potentials, tables
from mwlmc_data.simulator.frames import galactocentric_basis
from mwlmc_data.simulator.streams import halo_stream
from tests.helpers.agama_reference import NAMES, arrays, parameters


def spherical_speeds(stars):
    """Radius, radial and tangential speed."""
    r = np.linalg.norm(stars[:, :3], axis=1)
    v_r = np.einsum("ni,ni->n", stars[:, :3], stars[:, 3:]) / r
    v_t = np.sqrt(np.maximum((stars[:, 3:] ** 2).sum(axis=1) - v_r**2, 0))
    return r, v_r, v_t


def profile(stars):
    """sigma_r, sigma_t (one dimension), 10th and 90th percentile of the speed."""
    _, v_r, v_t = spherical_speeds(stars)
    speed = np.hypot(v_r, v_t)
    return np.r_[np.sqrt((v_r**2).mean()), np.sqrt((v_t**2).mean() / 2), np.percentile(speed, [10, 90])]


def bootstrap_error(stars, rng, n=100):
    return np.std([profile(stars[rng.integers(len(stars), size=len(stars))]) for _ in range(n)], axis=0)


def equilibrium_of(p):
    return equilibrium.equilibrium(p.m200_mw, p.c200, p.beta0, p.r_dehnen)


@pytest.mark.parametrize("name", NAMES)
def test_profile_against_agama(reference, name):
    """400,000 stars: every shell within 4 combined bootstrap errors plus 0.5%."""
    stars = equilibrium.draw_stars(equilibrium_of(parameters(reference, name)), 400_000, halo_stream(1, 0))
    radius = np.linalg.norm(stars[:, :3], axis=1)
    rng = np.random.default_rng(3)
    for low, high, count, *expected in arrays(reference, name)["halo_profile"]:
        shell = stars[(radius >= low) & (radius < high)]
        assert abs(len(shell) - count) < 4 * np.sqrt(2 * count) + 0.005 * count, (low, high)
        error = np.sqrt(2) * bootstrap_error(shell, rng)  # theirs is as large as ours
        assert np.all(np.abs(profile(shell) - expected) < 4 * error + 0.005 * np.array(expected)), (low, high)


@pytest.mark.parametrize(("beta", "r_dehnen"), [(0.76, 11.5), (0.1, 14.0)])
def test_equilibrium(beta, r_dehnen):
    """After 2.2 Gyr in the NFW potential that they were drawn for, the profile of the stars is unchanged."""
    m200, c200 = 9.1e11, 14.5
    stars = equilibrium.draw_stars(equilibrium.equilibrium(m200, c200, beta, r_dehnen), 20_000, halo_stream(2, 0))
    moved = evolve_in_nfw(stars, m200, c200)
    rng = np.random.default_rng(4)
    before, after = (np.linalg.norm(s[:, :3], axis=1) for s in (stars, moved))
    for low, high in [(0, 3), (3, 8), (8, 15), (15, 30), (30, 60), (60, 120), (120, 300)]:
        old, new = stars[(before >= low) & (before < high)], moved[(after >= low) & (after < high)]
        assert abs(len(old) - len(new)) < 4 * np.sqrt(len(old)), (low, high)
        error = np.sqrt(2) * bootstrap_error(old, rng)
        assert np.all(np.abs(profile(new) - profile(old)) < 4 * error), (low, high)


def evolve_in_nfw(stars, m200, c200):
    """Move stars for 2.2 Gyr in the NFW halo alone: no bulge, no disc, no LMC."""
    start = -const.REWIND_GYR / const.GYR_PER_TIME_UNIT
    field = tables.Field(
        **tables.milky_way(m200, c200, baryons=False)._asdict(),
        orbit=np.ones((440, 6, 3)),
        t_start=start,
        dt=-start / 440,
        gm_lmc=0.0,
        a_lmc=10.0,
    )
    moved = stars.copy()
    assert equations.integrate_stars(moved, start, 0.0, field, 1e-6) > 0
    return moved


def test_distribution_function_reproduces_the_density():
    """rho(r) r^(2 beta) from the tabulated f1, integrated over energies, is the Dehnen profile it came from."""
    for beta, b in ((0.0, 0.5), (0.3, 0.2), (0.45, 1.5)):
        grid = distribution.make_tables()
        x, f1 = grid.x, distribution.invert(beta, 2.0 * beta - distribution.GAMMA, b, grid)
        energy = np.log1p(x) / x
        depth = np.where(x < 1e-3, x / 2 - x**2 / 3 + x**3 / 4, 1 - energy)
        logit = np.log(energy / depth)
        constant = equilibrium.gamma_function(1.5 - beta) * equilibrium.gamma_function(0.5 + beta)
        for i in (60, 110, 150, 180):

            def integrand(s, i=i, beta=beta, f1=f1, energy=energy, logit=logit):
                e = energy[i] * (1 - s * s)  # s^2 removes the singularity at the end
                value = np.exp(np.interp(-np.log(e / (1 - e)), -logit, np.log(f1)))
                return value * (energy[i] - e) ** (0.5 - beta) * 2 * s * energy[i]

            found = quad(integrand, 0, 1, epsrel=1e-8, limit=400)[0] / constant
            assert found == pytest.approx(x[i] ** (2 * beta - 1) * (x[i] + b) ** -3, rel=2e-3)


def test_anisotropy_is_beta():
    for beta in (0.0, 0.5, 0.76, 0.9):
        stars = equilibrium.draw_stars(equilibrium.equilibrium(1e12, 13.8, beta, 12.0), 200_000, halo_stream(3, 0))
        r, v_r, v_t = spherical_speeds(stars)
        outer = r > 2  # for beta > 1/2 f1 is cut near the centre, which keeps beta but leaves few stars
        found = 1 - (v_t[outer] ** 2).mean() / (2 * (v_r[outer] ** 2).mean())
        assert found == pytest.approx(beta, abs=0.012)


def test_jeans_equation():
    """The radial dispersion solves the Jeans equation of the tracers (Binney & Tremaine 2008, eq. 4.215)."""
    m200, c200, beta, b = 1e12, 13.8, 0.4, 12.0
    stars = equilibrium.draw_stars(equilibrium.equilibrium(m200, c200, beta, b), 400_000, halo_stream(4, 0))
    r, v_r, _ = spherical_speeds(stars)
    r_s, m_s = potentials.nfw_scales(m200, c200)

    def integrand(s):
        return s ** (2 * beta) / s / (s + b) ** 3 * const.G * m_s * potentials.nfw_shape(s / r_s) / s**2

    for low, high in ((5, 5.5), (20, 22), (60, 66)):
        middle = 0.5 * (low + high)
        shell = v_r[(r > low) & (r < high)]
        expected = quad(integrand, middle, np.inf, epsrel=1e-8)[0] * middle ** (1 - 2 * beta) * (middle + b) ** 3
        assert (shell**2).mean() == pytest.approx(expected, rel=4 * np.sqrt(2 / len(shell)) + 0.01)


@settings(max_examples=40)
@given(
    beta=st.floats(0.0, 0.9),
    r_dehnen=st.floats(5.0, 30.0),
    log_m200=st.floats(11.0, 13.0),
    seed=st.integers(0, 2**63),
)
def test_every_anisotropy_and_halo_can_be_drawn(beta, r_dehnen, log_m200, seed):
    m200 = 10**log_m200
    c200 = potentials.concentration(m200)
    stars = equilibrium.draw_stars(equilibrium.equilibrium(m200, c200, beta, r_dehnen), 300, halo_stream(seed, 1))
    assert np.isfinite(stars).all()
    r_s, m_s = potentials.nfw_scales(m200, c200)
    x = np.linalg.norm(stars[:, :3], axis=1) / r_s
    energy = 0.5 * (stars[:, 3:] ** 2).sum(axis=1) - const.G * m_s / r_s * np.log1p(x) / x
    assert np.all(energy < 0)


def test_first_stars_do_not_depend_on_how_many():
    drawn_from = equilibrium.equilibrium(1e12, 13.8, 0.6, 12.0)
    few, many = (equilibrium.draw_stars(drawn_from, n, halo_stream(5, 7)) for n in (10, 1000))
    assert np.array_equal(few, many[:10])


def test_radii_follow_the_dehnen_profile():
    from scipy.stats import kstest

    stars = equilibrium.draw_stars(equilibrium.equilibrium(1e12, 13.8, 0.3, 12.0), 20_000, halo_stream(6, 0))
    r = np.linalg.norm(stars[:, :3], axis=1)
    assert kstest(r, lambda s: (s / (s + 12.0)) ** 2).pvalue > 1e-3
    directions = stars[:, :3] / r[:, None]
    assert np.abs(directions.mean(axis=0)).max() < 4 / np.sqrt(3 * 20_000)


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.5, 0.76, 0.9])
def test_directions_of_the_velocities(beta):
    """(1 + cos eta) / 2 is Beta(1 - beta, 1 - beta), the tangential part points anywhere, the place too."""
    from scipy.stats import beta as beta_distribution
    from scipy.stats import kstest

    stars = equilibrium.draw_stars(equilibrium.equilibrium(1e12, 13.8, beta, 12.0), 20_000, halo_stream(9, 0))
    e_r, e_phi, e_theta = np.moveaxis(galactocentric_basis(stars[:, :3]), 1, 0)
    v_r, v_phi, v_theta = (np.einsum("ni,ni->n", stars[:, 3:], e) for e in (e_r, e_phi, e_theta))
    speed = np.linalg.norm(stars[:, 3:], axis=1)
    assert kstest(0.5 * (1 + v_r / speed), beta_distribution(1 - beta, 1 - beta).cdf).pvalue > 1e-3
    for angle in (np.arctan2(v_theta, v_phi), np.arctan2(stars[:, 1], stars[:, 0])):
        assert kstest(angle / (2 * np.pi) + 0.5, "uniform").pvalue > 1e-3
    assert kstest(0.5 * (1 + stars[:, 2] / np.linalg.norm(stars[:, :3], axis=1)), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("beta", [0.0, 0.45, 0.9])
def test_speeds_follow_the_distribution_at_their_radius(beta):
    """The share of v^(2 - 2 beta) f1 below each star's speed is uniform: nothing of the rejection is left."""
    from scipy.stats import kstest

    drawn_from = equilibrium.equilibrium(1e12, 13.8, beta, 12.0)
    stars = equilibrium.draw_stars(drawn_from, 4000, halo_stream(10, 0))
    x = np.linalg.norm(stars[:, :3], axis=1) / drawn_from.scale_radius
    speed = np.linalg.norm(stars[:, 3:], axis=1) / drawn_from.scale_speed
    psi = (np.log1p(x) / x)[:, None]
    v = np.sqrt(2 * psi) * (np.arange(1500) + 0.5) / 1500
    binding = psi - 0.5 * v**2
    logit = np.log(binding / (1 - binding))
    table = np.maximum(drawn_from.log_f1, -700)
    density = v ** (2 - 2 * beta) * np.exp(np.interp((14.5 - logit) * 8, np.arange(260), table))
    below = np.where(v < speed[:, None], density, 0.0).sum(axis=1) / density.sum(axis=1)
    assert kstest(below, "uniform").pvalue > 1e-3


def test_energy_and_angular_momentum_are_conserved():
    """In the halo alone, over 2.2 Gyr of the kernel: the equilibrium test relies on it."""
    stars = equilibrium.draw_stars(equilibrium.equilibrium(9.1e11, 14.5, 0.3, 12.0), 500, halo_stream(8, 0))
    moved = evolve_in_nfw(stars, 9.1e11, 14.5)
    r_s, m_s = potentials.nfw_scales(9.1e11, 14.5)

    def integrals(s):
        x = np.linalg.norm(s[:, :3], axis=1) / r_s
        energy = 0.5 * (s[:, 3:] ** 2).sum(axis=1) - const.G * m_s / r_s * np.log1p(x) / x
        return energy, np.cross(s[:, :3], s[:, 3:])

    assert integrals(moved)[0] == pytest.approx(integrals(stars)[0], abs=2.0)  # of about 1e5 km^2/s^2
    assert integrals(moved)[1] == pytest.approx(integrals(stars)[1], abs=0.5, rel=1e-4)
    assert np.linalg.norm(moved[:, :3] - stars[:, :3], axis=1).min() > 1e-3
