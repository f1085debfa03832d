"""Rejection at the walls of the prior: right distribution, measured mass, and no row that starves the others."""

import time

import numpy as np
import pytest
from scipy import stats

from benchmarks.baselines.truncation import draw_inside

LOW, HIGH = np.array([0.0]), np.array([1.0])


def gaussian(rng, std=1.0):
    """An untruncated sampler whose observation is its mean."""
    return lambda x, m: x[:, None, :] + std * rng.standard_normal((len(x), m, 1))


def test_draws_follow_the_truncated_density_and_the_mass_is_measured():
    x = np.array([[0.2], [0.9], [1.5]])
    drawn = draw_inside(gaussian(np.random.default_rng(1)), x, 4000, LOW, HIGH)
    assert drawn.complete.all() and drawn.theta.shape == (3, 4000, 1)
    for k, mean in enumerate(x[:, 0]):
        mass = stats.norm.cdf(1 - mean) - stats.norm.cdf(-mean)
        assert drawn.acceptance[k] == pytest.approx(mass, abs=0.03)
        assert stats.kstest(drawn.theta[k, :, 0], stats.truncnorm(-mean, 1 - mean, loc=mean).cdf).pvalue > 1e-3


def test_a_starved_row_stops_in_time_and_does_not_harm_the_others():
    x = np.array([[0.5], [60.0], [0.5]])
    start = time.monotonic()
    drawn = draw_inside(gaussian(np.random.default_rng(2)), x, 500, LOW, HIGH, time_limit=0.5)
    assert time.monotonic() - start < 3
    assert drawn.complete.tolist() == [True, False, True]
    assert np.isnan(drawn.theta[1]).all() and drawn.acceptance[1] == 0
    assert np.isfinite(drawn.theta[[0, 2]]).all()


def test_a_starved_row_stops_after_its_attempts():
    count = 0

    def draw(x, m):
        nonlocal count
        count += m * len(x)
        return np.full((len(x), m, 1), 9.0)

    draw_inside(draw, np.zeros((1, 1)), 10, LOW, HIGH, attempts=20_000)
    assert count <= 20_000 + 50_000


def test_blocks_do_not_change_which_draws_belong_to_which_row():
    x = np.linspace(0.1, 0.9, 7)[:, None]
    drawn = draw_inside(gaussian(np.random.default_rng(3), std=0.01), x, 50, LOW, HIGH, block=3)
    np.testing.assert_allclose(drawn.theta.mean(axis=1), x, atol=0.01)
