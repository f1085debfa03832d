"""Steps of a live run: what is conserved, and what stays where it is."""

import numpy as np
import pytest

from mwlmc_data import Parameters, integrate_orbit
from mwlmc_data.live.start import make_galaxies, start_state
from mwlmc_data.live.state import State, compute_energy, compute_momentum
from mwlmc_data.live.stepping import advance, renew_live
from mwlmc_data.simulator import constants as const

PARAMETERS = Parameters(m200_mw=1e12, m_lmc=1.5e11, log10_lambda_df=-0.3)
GYR = 1 / const.GYR_PER_TIME_UNIT


def quantile(values, masses, shares):
    order = np.argsort(values)
    return np.interp(shares, np.cumsum(masses[order]) / masses.sum(), values[order])


def move(state, galaxies, gyr, steps, rows=11):
    for _ in range(rows):
        advance(state, galaxies.body, state.expand(6), gyr * GYR / rows / steps, steps, renew_live(6))
        state.sort()


def test_an_isolated_milky_way_stays_as_it_is():
    galaxies = make_galaxies(PARAMETERS)._replace(lmc=None)
    state = start_state(galaxies, None, 40_000, np.random.default_rng(1))
    state.sort()
    masses = state.restore_order(state.masses).astype(float)

    def radii():
        return np.linalg.norm(state.restore_order(state.positions) - state.body[:3], axis=1)

    shares = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9]
    before = quantile(radii(), masses, shares)
    energy, kinetic = compute_energy(state, state.expand(6), galaxies.body)
    move(state, galaxies, 1.1, 25)
    np.testing.assert_allclose(quantile(radii(), masses, shares), before, rtol=0.03)
    assert abs(compute_energy(state, state.expand(6), galaxies.body)[0] - energy) < 5e-3 * kinetic
    # particles and their mirror images keep the body where it is
    assert np.linalg.norm(state.body[3:]) < 1e-6


def test_a_pair_conserves_energy_and_momentum():
    galaxies = make_galaxies(PARAMETERS)
    state = start_state(galaxies, integrate_orbit(PARAMETERS).relative[0], 20_000, np.random.default_rng(2))
    state.sort()
    energy, kinetic = compute_energy(state, state.expand(6), galaxies.body)
    momentum = compute_momentum(state, galaxies.body)
    move(state, galaxies, 2.2, 50)
    mass = state.masses.sum(dtype=float) + galaxies.body.mass
    assert abs(compute_energy(state, state.expand(6), galaxies.body)[0] - energy) < 2e-2 * kinetic
    # two truncated expansions do not obey Newton's third law exactly while the galaxies overlap
    assert np.linalg.norm(compute_momentum(state, galaxies.body) - momentum) / mass < 0.6
    distance = np.linalg.norm(state.lmc[:3] - state.body[:3])
    assert 35 < distance < 65
    assert state.time == pytest.approx(2.2 * GYR)


def test_momentum_is_exact_where_only_the_body_pulls():
    galaxies = make_galaxies(PARAMETERS)._replace(lmc=None)
    rng = np.random.default_rng(3)
    # as tracers, which no expansion contains, but with masses
    x, v = rng.normal(scale=15, size=(500, 3)), rng.normal(scale=100, size=(500, 3))
    masses = rng.uniform(1e5, 1e8, 500).astype(np.float32)
    state = State(x, v, masses, np.arange(500, dtype=np.int32), (0, 0, 500), np.zeros(6), np.full(6, np.nan))
    before = compute_momentum(state, galaxies.body)
    advance(state, galaxies.body, [], 0.004, 50, renew_live(0))
    after = compute_momentum(state, galaxies.body)
    assert np.linalg.norm(state.body[3:]) > 1e-3
    np.testing.assert_allclose(after, before, atol=1e-9 * masses.sum() * 100)


def test_tracers_do_not_pull():
    galaxies = make_galaxies(PARAMETERS)._replace(lmc=None)
    rng = np.random.default_rng(4)
    stars = np.c_[rng.normal(scale=30, size=(300, 3)), rng.normal(scale=100, size=(300, 3))]
    alone = start_state(galaxies, None, 4000, np.random.default_rng(5))
    with_stars = start_state(galaxies, None, 4000, np.random.default_rng(5), stars)
    for state in (alone, with_stars):
        move(state, galaxies, 0.1, 5, rows=2)
    np.testing.assert_array_equal(alone.positions, with_stars.positions[with_stars.ids < len(alone.ids)])
    assert not np.allclose(with_stars.restore_order(with_stars.positions)[-300:], stars[:, :3], atol=1.0)


def test_a_run_backwards_returns():
    galaxies = make_galaxies(PARAMETERS)
    relative = integrate_orbit(PARAMETERS).relative[-60]
    state = start_state(galaxies, relative, 6000, np.random.default_rng(6))
    start = state.positions.copy()
    span = 0.3 * GYR / 60
    advance(state, galaxies.body, state.expand(4), span, 60, renew_live(4))
    moved = np.linalg.norm(state.positions - start, axis=1)
    state.velocities *= -1
    state.body[3:] *= -1
    state.lmc[3:] *= -1
    advance(state, galaxies.body, state.expand(4), span, 60, renew_live(4))
    back = np.linalg.norm(state.positions - start, axis=1)
    assert np.median(moved) > 20
    assert np.median(back) < 0.05, "rounding alone, which chaos multiplies by what differs between processors"
