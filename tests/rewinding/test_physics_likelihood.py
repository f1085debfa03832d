"""The likelihood of stars in other physics: exact as in the standard one, and comparable with it."""

import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data.rewinding import density
from mwlmc_data.rewinding.likelihood import log_densities, log_density_stars
from mwlmc_data.simulator.engines.start import start_stars
from mwlmc_data.simulator.halo_model import build_equilibrium, build_osipkov_merritt, draw_halo
from mwlmc_data.simulator.physics import PHYSICS
from mwlmc_data.simulator.streams import halo_stream
from tests.simulator.test_physics import make


@pytest.mark.parametrize("name", PHYSICS)
def test_rewound_stars_are_where_they_began(name):
    p = make(name)
    halo = mw.simulate(p, n_stars=1500, sim_id=0, seed=0)
    start = start_stars(p, 1500, halo_stream(0, 0))[2]
    today = np.hstack([halo.halo.positions, halo.halo.velocities]).astype(float)
    far = np.linalg.norm(today[:, :3], axis=1) > 50
    x, v = mw.rewind(today[far, :3], today[far, 3:], p)
    assert np.quantile(np.abs(x - start[far, :3]).max(axis=1), 0.95) < 0.02
    assert np.quantile(np.abs(v - start[far, 3:]).max(axis=1), 0.95) < 0.05
    drawn = density.log_start_density(start[far], build_equilibrium(p), density.draw_errors(today[far]))
    assert abs((log_density_stars(today[far], p) - drawn).sum()) < 0.1


@pytest.mark.parametrize("beta0", [0.0, 0.5, 0.9])
def test_the_density_of_an_osipkov_merritt_halo_is_normalised(beta0):
    """The mean of f_a / f_b over stars of b is 1, for blurred stars and for exact ones, if a ends within b."""
    p = make("osipkov-merritt", beta0=beta0)
    tables = build_equilibrium(p)
    stars = draw_halo(tables, 50_000, np.random.default_rng(1))
    errors = np.random.default_rng(2).normal(size=(len(stars), 3))
    for factor, r_dehnen in ((1.0, 11.8), (1.3, 12.5)):
        other = build_osipkov_merritt(p.m200_mw, p.c200, factor * tables.inverse_r2, r_dehnen)
        for given in (None, errors):
            own = density.log_start_density(stars, tables, given)
            assert np.isfinite(own).all()
            ratio = np.exp(density.log_start_density(stars, other, given) - own)
            assert ratio.mean() == pytest.approx(1.0, abs=4.5 * ratio.std() / np.sqrt(len(ratio)) + 1e-4)


@pytest.mark.parametrize("radius", [3.0, 80.0, 300.0])
def test_the_density_in_space_is_dehnens(radius):
    """The integral of f over all velocities at a radius."""
    tables = build_equilibrium(make("osipkov-merritt", beta0=0.5))
    v_r, dv_r = np.linspace(-900.0, 900.0, 1201, retstep=True)
    most = 900.0 / np.sqrt(1.0 + radius**2 * tables.inverse_r2)
    v_t = (np.arange(500) + 0.5) / 500 * most
    grid_r, grid_t = np.meshgrid(v_r, v_t)
    stars = np.zeros((grid_r.size, 6))
    stars[:, 0], stars[:, 3], stars[:, 4] = radius, grid_r.ravel(), grid_t.ravel()
    f = np.exp(density.log_start_density(stars, tables))
    found = (f * 2 * np.pi * stars[:, 4]).sum() * dv_r * most / 500
    assert found == pytest.approx(2 * 12.5 / (4 * np.pi * radius * (radius + 12.5) ** 3), rel=3e-4)


def test_isotropic_halos_agree_whichever_model_they_are_of():
    constant, rising = build_equilibrium(make(beta0=0.0)), build_equilibrium(make("osipkov-merritt", beta0=0.0))
    stars = draw_halo(constant, 3000, np.random.default_rng(1))
    errors = density.draw_errors(stars)
    for given in (None, errors):
        found = [density.log_start_density(stars, tables, given) for tables in (constant, rising)]
        np.testing.assert_allclose(*found, atol=1e-9)


def test_stars_of_a_constant_anisotropy_have_that_mean_ratio_too():
    """f_OM / f_constant over stars of constant anisotropy: 1, where the weights allow it."""
    b = make(beta0=0.3)
    stars = draw_halo(build_equilibrium(b), 200_000, np.random.default_rng(7))
    errors = np.random.default_rng(8).normal(size=(len(stars), 3))
    a = build_equilibrium(make("osipkov-merritt", beta0=0.5))
    ratio = np.exp(
        density.log_start_density(stars, a, errors) - density.log_start_density(stars, build_equilibrium(b), errors)
    )
    assert ratio.mean() == pytest.approx(1.0, abs=4.5 * ratio.std() / np.sqrt(len(ratio)))
    assert ratio.std() < 5.0


def test_the_right_physics_has_the_larger_likelihood():
    for name in ("fixed-milky-way", "osipkov-merritt", "nfw-lmc"):
        p = make(name)
        halo = mw.simulate(p, seed=3).halo
        stars = np.hstack([halo.positions, halo.velocities]).astype(float)
        stars = stars[np.linalg.norm(stars[:, :3], axis=1) > 50]
        own, other = (np.where(np.isfinite(v), v, -60.0).sum() for v in log_densities(stars, [p, make()], 1))
        assert own - other > 5.0, name


def test_neighbours_of_another_physics_do_not_share_their_orbits():
    p = make()
    halo = mw.simulate(p, n_stars=600, seed=1).halo
    stars = np.hstack([halo.positions, halo.velocities]).astype(float)
    stars = stars[np.linalg.norm(stars[:, :3], axis=1) > 50]
    several = [make(name) for name in PHYSICS]
    for found, own in zip(log_densities(stars, several, 1), several, strict=True):
        np.testing.assert_array_equal(found, log_density_stars(stars, own))
