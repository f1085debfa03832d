"""The coefficients of Dormand & Prince by their order conditions, and the steps of the rewind."""

import numpy as np
import pytest

from mwlmc_data.simulator import Orbit, Parameters, equations, integrate_orbit
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import orbit as rewinding
from mwlmc_data.simulator.orbit import build_pair, rewind_pair
from mwlmc_data.simulator.potentials import milky_way_acceleration
from mwlmc_data.simulator.tables import milky_way

A = np.zeros((7, 7))
A[1:, :6] = rewinding._STAGES
B = A[6]
C = A.sum(axis=1)
EMBEDDED = B - rewinding._ERROR

#: Hairer, Norsett & Wanner 1993, table II.2.1: weights of the rooted trees and their sums, by order.
CONDITIONS = {
    1: [(np.ones(7), 1)],
    2: [(C, 1 / 2)],
    3: [(C**2, 1 / 3), (A @ C, 1 / 6)],
    4: [(C**3, 1 / 4), (C * (A @ C), 1 / 8), (A @ C**2, 1 / 12), (A @ A @ C, 1 / 24)],
    5: [
        (C**4, 1 / 5),
        (C**2 * (A @ C), 1 / 10),
        ((A @ C) ** 2, 1 / 20),
        (C * (A @ C**2), 1 / 15),
        (A @ C**3, 1 / 20),
        (C * (A @ A @ C), 1 / 30),
        (A @ (C * (A @ C)), 1 / 40),
        (A @ A @ C**2, 1 / 60),
        (A @ A @ A @ C, 1 / 120),
    ],
}


@pytest.mark.parametrize("order", CONDITIONS)
def test_order_of_the_solution_and_of_the_embedded_one(order):
    for weights, expected in CONDITIONS[order]:
        assert B @ weights == pytest.approx(expected, abs=1e-14)
        if order <= 4:
            assert EMBEDDED @ weights == pytest.approx(expected, abs=1e-14)
    if order == 5:
        assert max(abs(EMBEDDED @ weights - expected) for weights, expected in CONDITIONS[5]) > 1e-4


def test_nodes():
    assert pytest.approx([0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1]) == C


def far_pair():
    """An LMC that is at 60 kpc today and comes from afar: its path is smooth."""
    return Parameters(m200_mw=1e12, c200=12.0, m_lmc=1.5e11, a_lmc=15.0, log10_lambda_df=-0.5)


def test_the_number_of_times_does_not_change_the_orbit():
    p = far_pair()
    many, few = integrate_orbit(p), integrate_orbit(p, n_output=23)
    assert few.time == pytest.approx(many.time[::20]) and few.time[0] == -2.2
    assert few.lmc == pytest.approx(many.lmc[::20], abs=1e-9)  # the steps are the same, whatever is asked for
    assert few.mw == pytest.approx(many.mw[::20], abs=1e-9)


@pytest.mark.parametrize(("log10_lambda_df", "limit"), [(-10.0, 1e-5), (0.7, 1e-5)])
def test_the_orbit_and_what_is_interpolated_within_its_steps_are_accurate(log10_lambda_df, limit):
    """Against the same equations in steps a hundred times more exact: 1e-5 kpc, 3e-5 km/s, for every 5 Myr."""
    p = Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=log10_lambda_df)
    orbit, pair = integrate_orbit(p), build_pair(p, milky_way(p.m200_mw, p.c200))
    today = np.r_[np.zeros(6), p.lmc_phase_space]
    exact, _, arrived, steps = rewind_pair(today, 2.2 / const.GYR_PER_TIME_UNIT, 441, pair, 1e-11, 1e-13)
    error = np.abs(np.hstack([orbit.mw, orbit.lmc]) - exact[::-1]).reshape(-1, 2, 2, 3).max(axis=(0, 1, 3))
    assert arrived and steps > 600
    assert error[0] < limit and error[1] < 3 * limit


def test_the_accelerations_between_the_steps_are_those_of_the_equations():
    """The quintics of the table need them: within 1e-3 km^2/s^2/kpc, of about 1e3."""
    p = far_pair()
    pair = build_pair(p, milky_way(p.m200_mw, p.c200))
    states, derivatives, *_ = rewind_pair(np.r_[np.zeros(6), p.lmc_phase_space], 2.25, 441, pair, 1e-8, 1e-10)
    out = np.empty(12)
    for state, derivative in zip(states[::40], derivatives[::40], strict=True):
        rewinding._pair_derivative(state, out, pair)
        assert derivative == pytest.approx(out, abs=1e-3)


def test_an_impossible_rewind_is_reported():
    p = far_pair()
    pair = build_pair(p, milky_way(p.m200_mw, p.c200))
    today = np.r_[np.zeros(6), p.lmc_phase_space]
    today[6] = np.nan
    states, _, arrived, _ = rewind_pair(today, 2.25, 5, pair, 1e-8, 1e-10)
    assert states.shape == (5, 12)
    assert not (arrived and np.isfinite(states).all())


def test_a_position_that_is_nan_never_reads_outside_the_table():
    """Compiled code would read foreign memory; the acceleration there is NaN too."""
    mw = milky_way(1e12, 12.0)
    assert np.isfinite(equations.radial_factor(np.nan, mw.radial))
    assert np.isnan(equations.milky_way(np.nan, 1.0, 1.0, mw.radial, mw.disc, mw.height)).any()


def test_a_light_lmc_far_out_moves_on_a_straight_line():
    """Position today plus velocity times time, backwards, with the small deflection by a light Milky Way."""
    p = Parameters(
        m200_mw=1e11, c200=5.0, m_lmc=1e8, a_lmc=10.0, log10_lambda_df=-10.0,
        x_lmc=200.0, y_lmc=-200.0, z_lmc=150.0, vx_lmc=250.0, vy_lmc=-300.0, vz_lmc=200.0,
    )  # fmt: skip
    orbit = integrate_orbit(p)
    recent = orbit.time > -0.1
    back = orbit.time[recent, None] / const.GYR_PER_TIME_UNIT
    straight = p.lmc_phase_space[:3] + p.lmc_phase_space[3:] * back
    pull = np.linalg.norm(milky_way_acceleration(p.lmc_phase_space[None, :3], p.m200_mw, p.c200))
    assert np.all(np.linalg.norm(orbit.lmc[recent, :3] - straight, axis=1) < 1.2 * 0.5 * pull * back[:, 0] ** 2 + 1e-9)
    assert np.abs(orbit.mw[recent]).max() < 0.01


INSIDE, BEYOND = [(-0.07, 30.0), (-2.15, 30.0), (-1.0, 30.0)], [(0.5, None), (-3.0, None)]


@pytest.mark.parametrize(("closest", "distance"), INSIDE + BEYOND)
def test_the_pericentre_is_refined_in_the_outer_intervals_too(closest, distance):
    """A straight flyby at 30 kpc; beyond the ends of the orbit the end itself is the closest."""
    time = np.linspace(-2.2, 0, 12)
    lmc = np.zeros((12, 6))
    lmc[:, 0], lmc[:, 1], lmc[:, 3] = (time - closest) / const.GYR_PER_TIME_UNIT * 200.0, 30.0, 200.0
    orbit = Orbit(time, np.zeros((12, 6)), lmc)
    if distance is None:
        assert orbit.pericentre == pytest.approx(orbit.distance.min(), rel=1e-12)
        assert orbit.t_pericentre == (0.0 if closest > 0 else -2.2)
    else:
        assert orbit.pericentre == pytest.approx(distance, abs=2e-3)
        assert orbit.t_pericentre == pytest.approx(closest, abs=2e-3)
