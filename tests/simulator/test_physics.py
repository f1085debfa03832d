"""Other physics than the data set's: each differs from the standard model in one respect, and only in that."""


import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import mwlmc_data as mw
from mwlmc_data.simulator import Parameters, potentials
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.engines import registry
from mwlmc_data.simulator.engines.start import TOLERANCE, start_stars
from mwlmc_data.simulator.equations import integrate_stars, radial_factor
from mwlmc_data.simulator.halo_model import OsipkovMerritt, build_equilibrium, draw_halo
from mwlmc_data.simulator.many import stored_precision
from mwlmc_data.simulator.orbit import build_field, integrate_orbit
from mwlmc_data.simulator.physics import PHYSICS
from mwlmc_data.simulator.tables import tabulate_nfw

OTHERS = [name for name in PHYSICS if name != "standard"]


def make(physics="standard", **values):
    given = {"m200_mw": 1.1e12, "m_lmc": 1.5e11, "log10_lambda_df": 0.3, "beta0": 0.5, "m_lmc_8p7": 1.6e10} | values
    return Parameters(**given, physics=physics)


def nfw_mass(p, radius):
    r_s, m_s, end = potentials.nfw_lmc(p.m_lmc, p.m_lmc_8p7)
    return m_s * potentials.nfw_shape(np.minimum(radius, end) / r_s)


def test_an_unknown_physics_is_refused_with_the_known_ones():
    for bad in ("nfw", None, 1, PHYSICS["nfw-lmc"]):
        with pytest.raises(ValueError, match=r"^physics = .*: allowed is 'standard', 'fixed-milky-way', 'no-friction'"):
            make(bad)


@pytest.mark.parametrize("name", PHYSICS)
def test_it_is_kept_and_shown(name):
    p = make(name)
    assert stored_precision(p).physics == p.physics == name
    assert p.to_numbers().keys() == make().to_dict().keys()
    assert p.to_dict().get("physics", "standard") == name
    assert Parameters.from_row(p.to_dict()) == p
    for text in (str(p), repr(p), p._repr_html_(), p.brief()):
        assert (name in text) == (name != "standard"), text


@pytest.mark.parametrize("name", OTHERS)
def test_what_knows_the_standard_physics_alone_refuses_others(name):
    p = make(name)
    with pytest.raises(ValueError, match=rf"physics = '{name}' for a row of a catalogue: allowed is 'standard'"):
        mw.simulate(p, n_stars=200).row()
    with pytest.raises(ValueError, match=rf"physics = '{name}' for engine = \"agama\": allowed is 'standard'"):
        registry.get("agama")(p, 5, np.random.default_rng(0))


@pytest.mark.parametrize("name", OTHERS)
def test_a_table_with_another_physics_is_not_taken_for_the_standard_one(name):
    table = pd.DataFrame([make().to_dict() | {"physics": "standard"}, make(name).to_dict()])
    for function in (mw.enclosed_masses, mw.simulate_many):
        with pytest.raises(ValueError, match=rf"physics = '{name}' for a row of .*: allowed is 'standard'"):
            function(table)
    assert mw.enclosed_masses(table[:1]).equals(mw.enclosed_masses(table[:1].drop(columns="physics")))


def test_the_nfw_lmc_has_both_masses_and_ends():
    p = make("nfw-lmc")
    assert nfw_mass(p, 8.7) == pytest.approx(p.m_lmc_8p7) and nfw_mass(p, 1e3) == pytest.approx(p.m_lmc)
    r_200 = potentials.nfw_lmc(p.m_lmc, p.m_lmc_8p7)[2]
    assert p.m_lmc / (4 / 3 * np.pi * r_200**3) == pytest.approx(200 * const.RHO_CRITICAL)
    table = tabulate_nfw(*potentials.nfw_lmc(p.m_lmc, p.m_lmc_8p7))
    for radius in (0.01, 1.0, 8.7, 60.0, 400.0):
        assert radial_factor(radius**2, table) == pytest.approx(const.G * nfw_mass(p, radius) / radius**3, rel=1e-6)
    with pytest.raises(ValueError, match=r"m_lmc_8p7 = 1.75e\+09 Msun: allowed is a mass that an NFW halo of m_lmc"):
        make("nfw-lmc", m_lmc=1e12, m_lmc_8p7=1.75e9)


@given(st.floats(2.5e10, 1e12), st.floats(0.0, 1.0))
def test_every_lmc_of_the_prior_has_an_nfw_halo(m_lmc, share):
    """From 0.3e10 Msun to 0.8 m_lmc within 8.7 kpc, however concentrated that is."""
    within = 0.3e10 + share * (0.8 * m_lmc - 0.3e10)
    r_s, m_s, r_200 = potentials.nfw_lmc(m_lmc, within)
    assert m_s * potentials.nfw_shape(r_200 / r_s) == pytest.approx(m_lmc)
    assert m_s * potentials.nfw_shape(8.7 / r_s) == pytest.approx(within)


@pytest.mark.parametrize("name", PHYSICS)
def test_the_orbit_solves_the_equations_of_its_physics(name):
    """Against SciPy and the exact potentials: no friction here but the table's own."""
    p = make(name, log10_lambda_df=-10.0)
    orbit = integrate_orbit(p, n_output=12)

    def derivative(_, y):
        x = y[6:9] - y[:3]
        r = np.linalg.norm(x)
        mass = nfw_mass(p, r) if name == "nfw-lmc" else potentials.hernquist_mass(r, p.m_lmc, p.a_lmc)
        fall = const.G * mass * x / r**3 if name != "fixed-milky-way" else np.zeros(3)
        pull = potentials.milky_way_acceleration(x[None], p.m200_mw, p.c200)[0]
        return np.concatenate([y[3:6], fall, y[9:], pull])

    today = np.r_[np.zeros(6), p.lmc_phase_space]
    times = orbit.time[::-1] / const.GYR_PER_TIME_UNIT
    path = solve_ivp(derivative, (0.0, times[3]), today, "DOP853", times[:4], rtol=1e-9, atol=1e-7).y.T
    np.testing.assert_allclose(orbit.lmc[::-1][:4], path[:, 6:], atol=2e-3)
    np.testing.assert_allclose(orbit.mw[::-1][:4], path[:, :6], atol=2e-3)
    assert (orbit.mw == 0.0).all() == (name == "fixed-milky-way")


def test_friction_is_all_that_no_friction_lacks():
    without = integrate_orbit(make("no-friction"))
    weak = integrate_orbit(make(log10_lambda_df=-10.0))
    np.testing.assert_allclose(without.lmc, weak.lmc, atol=1e-4)
    assert np.abs(without.lmc[0] - integrate_orbit(make()).lmc[0]).max() > 10.0


@pytest.mark.parametrize("name", PHYSICS)
def test_lanes_move_stars_as_the_yardstick_and_the_exact_force_does(name):
    p = make(name)
    _, field, start = start_stars(p, 400, np.random.default_rng(4))
    far = start[np.linalg.norm(start[:, :3], axis=1) > 15.0]
    lanes = registry.get("auto")(p, 400, np.random.default_rng(4))[1][np.linalg.norm(start[:, :3], axis=1) > 15.0]
    exact = far.copy()
    integrate_stars(exact, field.t_start, 0.0, field, 1e-9)
    assert np.quantile(np.abs(lanes - exact)[:, :3].max(axis=1), 0.95) < 0.02
    assert np.quantile(np.abs(lanes - exact)[:, 3:].max(axis=1), 0.95) < 0.1
    # a star at a great distance feels the Milky Way, the LMC and, where the Milky Way falls, its acceleration
    here, there = np.array([[300.0, -200.0, 150.0]]), p.lmc_phase_space[:3]
    state = np.hstack([here, np.zeros((1, 3))])
    step = 1e-4
    integrate_stars(state, -step, 0.0, field, 1e-9)
    force = potentials.milky_way_acceleration(here, p.m200_mw, p.c200)[0]
    for sign, offset in ((1.0, here[0] - there), (-float(PHYSICS[name].falls), -there)):
        r = np.linalg.norm(offset)
        mass = nfw_mass(p, r) if name == "nfw-lmc" else potentials.hernquist_mass(r, p.m_lmc, p.a_lmc)
        force = force - sign * const.G * mass * offset / r**3
    np.testing.assert_allclose(state[0, 3:] / step, force, rtol=1e-3)


@pytest.mark.parametrize("name", OTHERS)
def test_the_outskirts_are_those_of_the_complete_halo(name):
    p = make(name)
    whole, part = (registry.get("auto", outskirts)(p, 4500, np.random.default_rng(2))[1] for outskirts in (False, True))
    whole, part = (stars[np.linalg.norm(stars[:, :3], axis=1) > 50.0] for stars in (whole, part))
    np.testing.assert_array_equal(whole, part)
    assert len(whole) > 800


@pytest.mark.parametrize("beta0", [0.0, 0.4, 0.9])
def test_an_osipkov_merritt_halo_has_its_profile_and_anisotropy(beta0):
    model = build_equilibrium(make("osipkov-merritt", beta0=beta0))
    assert isinstance(model, OsipkovMerritt)
    stars = draw_halo(model, 200_000, np.random.default_rng(1))
    r = np.linalg.norm(stars[:, :3], axis=1)
    inside = np.array([(r < edge).mean() for edge in (5.0, 20.0, 60.0)])
    np.testing.assert_allclose(inside, [(e / (e + 12.5)) ** 2 for e in (5.0, 20.0, 60.0)], atol=4e-3)
    v_r = (stars[:, :3] * stars[:, 3:]).sum(axis=1) / r
    v_t2 = (stars[:, 3:] ** 2).sum(axis=1) - v_r**2
    for low, high in ((4.0, 5.0), (45.0, 55.0), (90.0, 120.0)):
        shell = (r > low) & (r < high)
        right = np.mean(r[shell] ** 2 / (r[shell] ** 2 + 50.0**2 * (1 - beta0) / max(beta0, 1e-12)))
        found = 1 - v_t2[shell].mean() / 2 / v_r[shell].var()
        assert found == pytest.approx(right, abs=0.02 + 4 / np.sqrt(shell.sum()) * (1 - right))


@pytest.mark.parametrize("beta0", [0.4, 0.9])
def test_an_osipkov_merritt_halo_is_stationary_in_the_nfw_potential(beta0):
    """Moved in the NFW halo alone for 2.2 Gyr, it keeps its profile and its radial dispersion."""
    p = make("osipkov-merritt", beta0=beta0)
    stars = draw_halo(build_equilibrium(p), 6000, np.random.default_rng(3))
    from mwlmc_data.simulator.engines.lanes import integrate_lanes
    from mwlmc_data.simulator.tables import milky_way

    nfw = milky_way(p.m200_mw, p.c200, baryons=False)
    field = build_field(p)[1]._replace(radial=nfw.radial, disc=nfw.disc, gm_lmc=0.0)
    moved = integrate_lanes(stars, field, TOLERANCE)[0].astype(float)
    for measure in (_radius, _speed):
        before, after = measure(stars), measure(moved)
        for share in (0.25, 0.5, 0.75):
            a, b = np.quantile(before, share), np.quantile(after, share)
            # the error of a quantile of 6,000, twice
            assert abs((after < a).mean() - share) < 5 * np.sqrt(0.5 / 6000), (measure.__name__, share, a, b)


def _radius(stars):
    return np.linalg.norm(stars[:, :3], axis=1)


def _speed(stars):
    return np.abs((stars[:, :3] * stars[:, 3:]).sum(axis=1)) / _radius(stars)
