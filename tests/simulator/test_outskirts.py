"""Rows are simulated without the inner stars: the fit must not change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mwlmc_data as mw
from benchmarks.studies import outskirts as margins
from mwlmc_data.priors import MARGINALS
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import potentials
from mwlmc_data.simulator.engines import outskirts, registry
from mwlmc_data.simulator.engines.lanes import integrate_lanes
from mwlmc_data.simulator.engines.start import TOLERANCE, start_stars
from mwlmc_data.simulator.many import simulate_row, stored_precision
from mwlmc_data.simulator.streams import halo_stream


@settings(max_examples=40, deadline=None)
@given(config=st.sampled_from(sorted(MARGINALS)), start=st.integers(0, 10**9))
def test_a_row_equals_that_of_the_full_halo(config, start):
    """Every value to the bit, for draws from anywhere in every set."""
    draw = mw.Prior(config).sample(1, seed=12, start=start).iloc[0].to_dict()
    row = simulate_row((draw | {"sim_id": 5}, 3, 4500, "auto"))
    whole = mw.simulate(stored_precision(mw.Parameters.from_row(draw)), seed=3, sim_id=5)
    assert row == whole.row()


def start_of(parameters, n=2000):
    orbit, field, stars = start_stars(parameters, n, halo_stream(1, 1))
    return stars, parameters, orbit, field, TOLERANCE


def test_inner_stars_are_left_out_and_only_those():
    arguments = start_of(mw.Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=0))
    kept = outskirts.integrate_outskirts(*arguments)
    assert 0.5 * 2000 < len(kept) < 0.85 * 2000
    whole = integrate_lanes(arguments[0], arguments[3], TOLERANCE)[0]
    far = np.linalg.norm(whole[:, :3], axis=1) > 50
    assert np.array_equal(kept[np.linalg.norm(kept[:, :3], axis=1) > 50], whole[far])


def test_an_alarm_moves_all_stars(monkeypatch):
    """If a watched star went too far, all stars are moved and the halo is in order."""
    arguments = start_of(mw.Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=0))
    monkeypatch.setattr(outskirts, "ALARM", 0.0)
    whole = integrate_lanes(arguments[0], arguments[3], TOLERANCE)[0]
    assert np.array_equal(outskirts.integrate_outskirts(*arguments), whole)


def test_an_lmc_through_the_centre_leaves_nothing_out():
    through = mw.Parameters(
        m200_mw=1e12, m_lmc=5e10, log10_lambda_df=-3,
        x_lmc=0.0, y_lmc=-30.0, z_lmc=-20.0, vx_lmc=0.2, vy_lmc=150.0, vz_lmc=100.0,
    )  # fmt: skip
    arguments = start_of(through)
    assert arguments[2].pericentre < 2
    assert len(outskirts.integrate_outskirts(*arguments)) > 0.97 * 2000


@pytest.mark.parametrize("m200", [1e11, 1e12, 1e13])
def test_estimated_potential(m200):
    """Differences between radii in the plane within 8% of quadrature's: r(E) is an estimate, not a bound."""
    p = mw.Parameters(m200_mw=m200, m_lmc=1e10, log10_lambda_df=0)
    radius = np.array([2.0, 5.0, 10.0, 20.0, 50.0, 100.0])
    grid = np.geomspace(2, 100, 4001)
    x = np.column_stack([grid, 0 * grid, 0 * grid])
    pull = -potentials.milky_way_acceleration(x, m200, p.c200)[:, 0]
    work = np.r_[0, np.cumsum(0.5 * (pull[1:] + pull[:-1]) * np.diff(grid))]
    expected = np.interp(radius, grid, work)
    found = outskirts.potential_estimate(radius, p)
    assert found - found[0] == pytest.approx(expected, rel=0.08)


def test_margins_are_measured():
    """The measurement behind the numbers: no fitted star is lost, and none from deep inside gets far."""
    found = margins.measure_margins("wide", 6, seed=4, workers=1)
    assert [m.lost for m in found] == [0] * 6
    assert all(outskirts.LEFT_OUT < m.reach < 20 and 0.4 < m.moved <= 1 for m in found)
    text = margins.describe({"wide": found})
    assert text.splitlines()[1].split()[:2] == ["wide", "6"]


def test_other_engines_move_all_stars(monkeypatch):
    """Rows of the float64 engine come from full haloes."""
    monkeypatch.setattr(registry, "integrate_outskirts", None)
    draw = mw.Prior("gaussian").sample(1, seed=1).iloc[0].to_dict()
    row = simulate_row((draw | {"sim_id": 0}, 1, 300, "numba-float64"))
    assert row["n_stars_fit"] > 50


class Moved:
    """Stands in for the lanes: records which stars were moved, and puts them at given radii."""

    def __init__(self, radii):
        self.radii, self.calls = radii, []

    def __call__(self, stars, field, tolerance):
        self.calls.append(stars[:, 0].tolist())
        moved = np.zeros((len(stars), 6), np.float32)
        moved[:, 1] = [self.radii.get(x, 10.0) for x in stars[:, 0].tolist()]
        return moved, 0


def stars_of_reach(reach, parameters, fractions):
    """Stars at rest whose r(E) are these fractions of the reach; x, the radius, identifies each."""
    stars = np.zeros((len(fractions), 6))
    stars[:, 0] = reach * np.array(fractions)
    return stars


def test_the_alarm_is_for_watched_stars_beyond_35_kpc_alone(monkeypatch):
    """r(E) / p of 0.4 and 0.55: left out; 0.65: watched; 0.75 and 2: moved, and free to go where they want."""
    parameters = mw.Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=0)
    orbit, field, _ = start_stars(parameters, 1, halo_stream(1, 1))
    reach = min(orbit.pericentre, 50.0)
    assert 40 < reach <= 50
    stars = stars_of_reach(reach, parameters, [0.4, 0.65, 0.75, 2.0, 0.55])
    inside, watched, beyond, far, inside_too = stars[:, 0].tolist()

    def moved(radii):
        lanes = Moved(radii)
        monkeypatch.setattr(outskirts, "integrate_lanes", lanes)
        return outskirts.integrate_outskirts(stars, parameters, orbit, field, TOLERANCE), lanes.calls

    quiet, calls = moved({watched: 34.9, beyond: 300.0, far: 300.0})
    assert calls == [[watched, beyond, far]]
    assert quiet[:, 1] == pytest.approx([34.9, 300.0, 300.0])
    for radius in (35.1, 60.0):
        whole, calls = moved({watched: radius, inside: 1.0, inside_too: 2.0, far: 90.0})
        assert calls == [[watched, beyond, far], [inside, inside_too]]
        assert whole[:, 1] == pytest.approx([1.0, radius, 10.0, 90.0, 2.0])


def test_the_reach_is_the_pericentre_or_the_radius_of_the_fit(monkeypatch):
    """An LMC that stays beyond 50 kpc lifts no star from within 30 kpc; one that comes to 20 kpc does from 12 kpc."""
    parameters = mw.Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=0)
    _, field, _ = start_stars(parameters, 1, halo_stream(1, 1))

    class Closest:
        def __init__(self, pericentre):
            self.pericentre = pericentre

    for pericentre, reach in ((20.0, 20.0), (80.0, 50.0)):
        stars = stars_of_reach(reach, parameters, [0.59, 0.61, 0.69, 0.71])
        names = stars[:, 0].tolist()
        lanes = Moved({names[3]: 100.0})
        monkeypatch.setattr(outskirts, "integrate_lanes", lanes)
        outskirts.integrate_outskirts(stars, parameters, Closest(pericentre), field, TOLERANCE)
        assert lanes.calls == [names[1:]]
        lanes = Moved({names[2]: 100.0})
        monkeypatch.setattr(outskirts, "integrate_lanes", lanes)
        outskirts.integrate_outskirts(stars, parameters, Closest(pericentre), field, TOLERANCE)
        assert lanes.calls == [names[1:], names[:1]]


def test_estimated_energy_is_kinetic_and_potential():
    p = mw.Parameters(m200_mw=1e12, m_lmc=1e10, log10_lambda_df=0)
    stars = np.array([[3.0, -4.0, 12.0, 100.0, -20.0, 50.0]])
    r200 = (1e12 / (4 / 3 * np.pi * 200 * const.RHO_CRITICAL)) ** (1 / 3)
    r_s, m_s = r200 / p.c200, 1e12 / (np.log(1 + p.c200) - p.c200 / (1 + p.c200))
    halo = m_s * np.log(1 + 13.0 / r_s) / 13.0
    baryons = 1.2e10 / np.sqrt(169 + 0.25) + 5e10 / np.sqrt(169 + 3.5**2)
    expected = 0.5 * (100**2 + 20**2 + 50**2) - const.G * (halo + baryons)
    assert outskirts.energy_estimate(stars, p) == pytest.approx([expected], rel=1e-9)
