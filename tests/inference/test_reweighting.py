"""Draws weighed anew by better log-likelihoods."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mwlmc_data.inference.reweighting import FEWEST, MOST, reweight, thin

N = 4_000


def make_estimate(x, noise, seed=7):
    """Estimates of the log-likelihood of a normal of mean 0.5 and width 0.8, with noise of their own, and its calls."""
    asked = []

    def estimate(i, places):
        asked.append((i, places))
        rng = np.random.default_rng((seed, i))
        return (-0.5 * ((x - 0.5) / 0.8) ** 2 + noise * rng.standard_normal(len(x)))[places]

    return estimate, asked


def prepare(seed=0):
    """Draws of a standard normal with its log-likelihood under a flat prior: all weights are equal."""
    x = np.random.default_rng(seed).standard_normal(N)
    return x, np.full(N, 1.0 / N), -0.5 * x**2


def test_the_draws_become_those_of_the_better_likelihood():
    x, weights, sums = prepare()
    estimate, _ = make_estimate(x, 0.0)
    found = reweight(weights, sums, estimate, 1_000.0, 0.3, np.random.default_rng(1))
    mean = found.weights @ x[found.places]
    assert found.n_estimates == FEWEST and found.error == pytest.approx(0.0, abs=1e-12)
    assert found.weights.sum() == pytest.approx(1.0) and found.effective >= 1_000.0
    assert mean == pytest.approx(0.5, abs=0.1)
    assert np.sqrt(found.weights @ (x[found.places] - mean) ** 2) == pytest.approx(0.8, abs=0.08)
    # the integral over a flat prior grows from that of width 1 to that of width 0.8
    assert found.log_factor == pytest.approx(np.log(0.8), abs=4.0 * found.sampling) and 0.0 < found.sampling < 0.1
    np.testing.assert_allclose(found.sums, -0.5 * ((x[found.places] - 0.5) / 0.8) ** 2)


def test_a_constant_difference_changes_the_evidence_alone():
    _, weights, sums = prepare()
    found = reweight(weights, sums, lambda i, places: sums[places] + 3.0, 200.0, 0.3, np.random.default_rng(1))
    assert found.log_factor == pytest.approx(3.0) and found.sampling == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(found.weights, 1.0 / len(found.places))
    assert 200 <= len(found.places) < 400


def test_the_error_is_that_of_the_mean_and_estimates_are_added_until_it_is_small():
    x, weights, sums = prepare()
    for noise, most in ((0.4, 2), (0.8, MOST)):
        estimate, _ = make_estimate(x, noise)
        found = reweight(weights, sums, estimate, 500.0, 0.3, np.random.default_rng(1))
        assert found.error == pytest.approx(noise / np.sqrt(found.n_estimates), rel=0.12)
        assert found.n_estimates <= most and (found.error <= 0.3 or found.n_estimates == MOST)
    assert found.n_estimates > FEWEST


def test_more_draws_are_evaluated_where_few_count_and_none_twice():
    x, weights, sums = prepare()
    estimate, asked = make_estimate(x + 1.5, 0.3)
    found = reweight(weights, sums, estimate, 300.0, 0.3, np.random.default_rng(1))
    assert found.effective >= 300.0 and len(asked) > FEWEST
    for i in range(found.n_estimates):
        places = np.concatenate([places for j, places in asked if j == i])
        assert len(set(places)) == len(places) and set(places) == set(found.places)


def test_it_ends_with_what_it_has():
    x, weights, sums = prepare()
    estimate, asked = make_estimate(x, 5.0)
    found = reweight(weights, sums, estimate, 1e5, 0.01, np.random.default_rng(1), lambda: False)
    assert len(asked) == FEWEST and found.error > 0.01 and found.effective < 1e5
    found = reweight(weights, sums, estimate, 1e5, 0.01, np.random.default_rng(1))
    assert found.n_estimates == MOST and len(found.places) == N


def test_impossible_draws_have_no_weight_and_one_must_be_possible():
    x, weights, sums = prepare()
    found = reweight(
        weights, sums, lambda i, places: np.where(x[places] > 0, sums[places], -np.inf), 300.0, 0.3,
        np.random.default_rng(1),
    )  # fmt: skip
    assert (found.weights[x[found.places] <= 0] == 0.0).all() and found.log_factor == pytest.approx(-np.log(2), abs=0.2)
    with pytest.raises(RuntimeError, match=r"none of .* draws of the posterior is possible"):
        reweight(weights, sums, lambda i, places: np.full(len(places), -np.inf), 9.0, 0.3, np.random.default_rng(1))


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40).filter(lambda w: sum(w) > 0), st.floats(0.5, 60.0))
def test_chances_are_in_proportion_below_one_and_rise_with_the_number(weights, n):
    weights = np.array(weights) / np.sum(weights)
    chance = thin(weights, n)
    assert (chance <= 1.0).all() and (chance >= 0.0).all() and (thin(weights, 2.0 * n) >= chance).all()
    np.testing.assert_allclose(chance[chance < 1.0], n * weights[chance < 1.0])
