"""Live haloes before anything happens: densities, distribution functions, particles."""

import numpy as np
import pytest

from mwlmc_data.live.body import find_enclosed, make_body
from mwlmc_data.live.drawing import HEAVY, LIGHT_RADIUS, draw_particles
from mwlmc_data.live.isotropic import find_depth, solve_isotropic
from mwlmc_data.live.spheres import Sphere, hernquist_sphere, make_grid, nfw_sphere
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.potentials import concentration, hernquist_mass, nfw_mass


def milky_way(m200=1e12):
    halo = nfw_sphere(m200, concentration(m200))
    return halo, find_enclosed(make_body(), halo.radius)


def test_a_cut_halo_has_the_mass_of_its_profile_within():
    halo = nfw_sphere(1e12, 12.0)
    within = halo.radius < 200
    np.testing.assert_allclose(halo.mass[within], nfw_mass(halo.radius[within], 1e12, 12.0), rtol=3e-3)
    at = np.interp(300.0, halo.radius, halo.mass)
    assert at == pytest.approx(float(nfw_mass(300.0, 1e12, 12.0)), rel=0.01)
    lmc = hernquist_sphere(1.8e11, 20.0, cut=1e6)
    within = lmc.radius < 1e5
    np.testing.assert_allclose(lmc.mass[within], hernquist_mass(lmc.radius[within], 1.8e11, 20.0), rtol=1e-5)


def test_eddingtons_function_is_hernquists_own():
    """Hernquist (1990), eq. 17: the distribution function in closed form."""
    mass, scale = 1.8e11, 20.0
    tables = solve_isotropic(hernquist_sphere(mass, scale, cut=1e7))
    unit = const.G * mass / scale
    q = np.sqrt(tables.depth / unit)
    use = (tables.radius > 0.01) & (tables.radius < 2000)
    q = q[use]
    expected = (
        mass / (8 * np.sqrt(2) * np.pi**3 * scale**3 * unit**1.5) / (1 - q**2) ** 2.5
        * (3 * np.arcsin(q) + q * np.sqrt(1 - q**2) * (1 - 2 * q**2) * (8 * q**4 - 8 * q**2 - 3))
    )  # fmt: skip
    np.testing.assert_allclose(np.exp(tables.log_f[use]), expected, rtol=2e-3)


def test_a_density_that_no_isotropic_halo_has_is_refused():
    radius = make_grid(700.0)
    density = np.where(radius < 30.0, 1e6, 1e6 * np.exp(-((radius - 30.0) / 2.0) ** 2)) + 1e-30
    shell = Sphere(radius, density, np.cumsum(4 * np.pi * radius**3 * density * 0.01))
    with pytest.raises(ValueError, match="allowed is one that an isotropic distribution can hold up"):
        solve_isotropic(shell)


@pytest.mark.parametrize("m200", [3e11, 1e12, 2.5e12])
@pytest.mark.parametrize("light", [0.0, LIGHT_RADIUS])
def test_particles_obey_the_jeans_equation(m200, light):
    halo, baryons = milky_way(m200)
    particles = draw_particles(solve_isotropic(halo, baryons), 60_000, np.random.default_rng(4), light)
    r = np.linalg.norm(particles.positions, axis=1)
    mass = particles.masses.astype(float)
    assert mass.sum() == pytest.approx(halo.mass[-1], rel=1e-4)
    # sigma^2 = (1 / rho) int_r^inf rho G M / r^2 dr, the same in each direction
    x = np.log(halo.radius)
    pull = halo.density * const.G * (halo.mass + baryons) / halo.radius
    outwards = np.cumsum((0.5 * (pull[1:] + pull[:-1]) * np.diff(x))[::-1])[::-1]
    sigma2 = np.r_[outwards, outwards[-1]] / halo.density
    for low, high in ((2, 4), (7, 10), (18, 24), (40, 55), (90, 120), (200, 300)):
        near = (r > low) & (r < high)
        assert mass[near].sum() == pytest.approx(np.diff(np.interp([low, high], halo.radius, halo.mass))[0], rel=0.02)
        velocity2 = particles.velocities[near] ** 2 / np.interp(r[near], halo.radius, sigma2)[:, None]
        found = np.average(velocity2.mean(1), weights=mass[near])
        # a mirror image is no independent particle
        error = np.sqrt(2 / 3 / (0.5 * mass[near].sum() ** 2 / (mass[near] ** 2).sum()))
        assert abs(found - 1) < 4 * error, (low, found, error)


def test_the_start_is_quiet():
    halo, baryons = milky_way()
    particles = draw_particles(solve_isotropic(halo, baryons), 10_000, np.random.default_rng(5), LIGHT_RADIUS)
    half = len(particles.masses) // 2
    np.testing.assert_array_equal(particles.positions[:half], -particles.positions[half:])
    np.testing.assert_array_equal(particles.velocities[:half], -particles.velocities[half:])
    np.testing.assert_array_equal(particles.masses[:half], particles.masses[half:])


def test_particles_that_come_near_the_disc_are_light():
    halo, baryons = milky_way()
    tables = solve_isotropic(halo, baryons)
    n = 4000
    particles = draw_particles(tables, n, np.random.default_rng(6), LIGHT_RADIUS)
    assert len(particles.masses) == pytest.approx(n, rel=0.02)
    r = np.linalg.norm(particles.positions, axis=1)
    energy = 0.5 * (particles.velocities**2).sum(1) - find_depth(tables, r)
    momentum = np.linalg.norm(np.cross(particles.positions, particles.velocities), axis=1)
    # the pericentre by its definition: the smallest radius at which the radial motion is real
    radii = np.geomspace(0.01, 700, 2000)
    real = 2 * (energy[:, None] + find_depth(tables, radii)) > (momentum[:, None] / radii) ** 2
    pericentre = np.minimum(radii[np.argmax(real, axis=1)], r)
    light = particles.masses < 2 * particles.masses.min()
    clear = np.abs(pericentre / LIGHT_RADIUS - 1) > 0.01
    assert (light[clear] == (pericentre[clear] < LIGHT_RADIUS)).mean() > 0.999
    assert np.median(particles.masses[~light]) == pytest.approx(HEAVY * particles.masses.min(), rel=0.2)
    # more than twice as many particles near the disc as of equal mass
    assert halo.mass[-1] / n / particles.masses.min() > 2


def test_seeds_give_other_particles_and_the_same_seed_the_same():
    halo, baryons = milky_way()
    tables = solve_isotropic(halo, baryons)
    one, same, other = (draw_particles(tables, 500, np.random.default_rng(seed), 20.0) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.positions, same.positions)
    assert not np.isin(one.positions[:, 0], other.positions[:, 0]).any()
