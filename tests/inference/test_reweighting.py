"""Draws weighed anew by better log-likelihoods, against what is known of normal distributions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mwlmc_data.inference.reweighting import FEWEST, MOST, reweight, thin

N = 4_000


def prepare(seed=0, width=1.5, noise=0.0, n=N):
    """Draws of a wide normal, their weights for a standard normal under a flat prior, and its log-likelihood."""
    rng = np.random.default_rng((seed, 1))
    x = width * rng.standard_normal(n)
    sums = -0.5 * x**2 + noise * rng.standard_normal(n)
    weights = np.exp(sums + 0.5 * (x / width) ** 2)
    return x, weights / weights.sum(), sums


def make_estimate(x, noise=0.0, seed=7, offset=0.0):
    """Estimates of the log-likelihood of a normal of mean 0.5 and width 0.8 with noise of their own, and the calls."""
    asked = []

    def estimate(i, places):
        asked.append((i, places))
        rng = np.random.default_rng((seed, 2, i))
        return (-0.5 * ((x - 0.5) / 0.8) ** 2 + noise * rng.standard_normal(len(x)) + offset * i)[places]

    return estimate, asked


def weigh(given, estimate, n_effective=500.0, max_error=0.3, seed=1, **changes):
    return reweight(*given[1:], estimate, n_effective, max_error, np.random.default_rng((seed, 3)), **changes)


def test_the_draws_become_those_of_the_better_likelihood():
    drawn = prepare()
    x = drawn[0]
    estimate, _ = make_estimate(x)
    found = weigh(drawn, estimate, 900.0)
    assert found.n_estimates == FEWEST and found.error == pytest.approx(0.0, abs=1e-12)
    assert found.weights.sum() == pytest.approx(1.0) and 900.0 <= found.effective and len(found.places) < N
    mean = found.weights @ x[found.places]
    assert mean == pytest.approx(0.5, abs=4.0 * 0.8 / np.sqrt(found.effective))
    assert np.sqrt(found.weights @ (x[found.places] - mean) ** 2) == pytest.approx(0.8, abs=0.08)
    np.testing.assert_allclose(found.sums, -0.5 * ((x[found.places] - 0.5) / 0.8) ** 2)


@pytest.mark.parametrize("noise", [0.0, 0.7])
def test_the_evidence_scatters_by_its_error(noise):
    """The integral over a flat prior is 0.8 sqrt(2 pi); the search's noise is in the draws' weights."""
    logs, errors = [], []
    for seed in range(150):
        drawn = prepare(seed, noise=noise, n=600)
        x, _, sums = drawn
        estimate, _ = make_estimate(x)
        found = weigh(drawn, estimate, 60.0, seed=seed)
        before = np.log(np.mean(np.exp(sums + 0.5 * (x / 1.5) ** 2) * 1.5 * np.sqrt(2.0 * np.pi)))
        logs.append(before + found.log_factor - np.log(0.8 * np.sqrt(2.0 * np.pi)))
        errors.append(found.sampling)
    scatter = np.std(logs)
    assert abs(np.mean(logs)) < 4.0 * scatter / np.sqrt(len(logs))
    assert scatter == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=0.2)


def test_a_constant_difference_changes_the_evidence_alone():
    drawn = prepare()
    found = weigh(drawn, lambda i, places: drawn[2][places] + 3.0 + 10.0 * i)
    assert found.log_factor == pytest.approx(3.0 + 10.0 * np.mean(range(FEWEST)))
    assert found.error == pytest.approx(0.0, abs=1e-9)
    expected = drawn[1][found.places] / thin(drawn[1], 750.0)[found.places]
    np.testing.assert_allclose(found.weights, expected / expected.sum(), rtol=1e-6)


def test_the_error_is_that_of_the_mean_and_estimates_are_added_until_it_is_small():
    drawn = prepare()
    for noise, most in ((0.5, FEWEST), (0.9, MOST)):
        estimate, _ = make_estimate(drawn[0], noise, offset=5.0)
        found = weigh(drawn, estimate)
        right = -0.5 * ((drawn[0][found.places] - 0.5) / 0.8) ** 2
        apart = found.sums - right
        assert found.error == pytest.approx(np.sqrt(found.weights @ (apart - found.weights @ apart) ** 2), rel=0.15)
        assert found.error == pytest.approx(noise / np.sqrt(found.n_estimates), rel=0.12)
        assert found.n_estimates <= most and found.error <= 0.3
    assert found.n_estimates > FEWEST


def test_the_error_of_a_tilt_is_rarely_stated_too_small():
    """Noise that is a multiple of x, of one number an estimate, and 0.5 in the mean: 0.3 is not believed often."""
    stated = []
    for seed in range(200):
        drawn = prepare(seed, n=400)
        x = drawn[0]
        slopes = np.random.default_rng((seed, 9)).normal(0.0, 0.5 * np.sqrt(FEWEST), MOST)
        estimate = lambda i, places, x=x, slopes=slopes, sums=drawn[2]: (sums + slopes[i] * x)[places]  # noqa: E731
        stated.append(weigh(drawn, estimate, 50.0, 1e9, seed).error)
    assert np.mean(np.array(stated) < 0.3) < 0.3
    assert np.sqrt(np.mean(np.square(stated))) == pytest.approx(0.5, rel=0.25)


def test_more_draws_are_evaluated_where_few_count_and_none_twice():
    drawn = prepare()
    estimate, asked = make_estimate(drawn[0] + 1.5, 0.3)
    found = weigh(drawn, estimate, 300.0)
    assert found.effective >= 300.0 and len(asked) > FEWEST
    for i in range(found.n_estimates):
        places = np.concatenate([places for j, places in asked if j == i])
        assert len(set(places)) == len(places) and set(places) == set(found.places)


def test_it_ends_with_what_it_has():
    drawn = prepare()
    estimate, asked = make_estimate(drawn[0], 5.0)
    found = weigh(drawn, estimate, 1e5, 0.01, may_evaluate=lambda n: False)
    assert len(asked) == FEWEST and found.error > 0.01 and found.effective < 1e5
    estimate, asked = make_estimate(drawn[0], 5.0)
    found = weigh(drawn, estimate, 1e5, 0.01)
    assert found.n_estimates == MOST and drawn[1] @ (np.isin(np.arange(N), found.places)) > 0.99
    # weights that count for nothing are not worth evaluations of their own
    weights = np.full(N, 1e-9)
    weights[:300] = 1.0
    estimate, asked = make_estimate(drawn[0], 1.0)
    weigh((drawn[0], weights / weights.sum(), drawn[2]), estimate, 1e5, 1e9)
    assert len(asked) < 20


def test_impossible_draws_have_no_weight_and_one_must_be_possible():
    drawn = prepare()
    x, sums = drawn[0], drawn[2]
    found = weigh(drawn, lambda i, places: np.where(x[places] > 0, sums[places], -np.inf))
    assert (found.weights[x[found.places] <= 0] == 0.0).all() and found.log_factor == pytest.approx(-np.log(2), abs=0.2)
    with pytest.raises(RuntimeError, match=r"none of .* draws of the posterior is possible"):
        weigh(drawn, lambda i, places: np.full(len(places), -np.inf))
    # impossible in one estimate alone: the mean of the likelihoods
    found = weigh(drawn, lambda i, places: np.where((x[places] > 0) | (i > 0), sums[places], -np.inf))
    part = np.where(x[found.places] > 0, 1.0, (FEWEST - 1) / FEWEST)
    np.testing.assert_allclose(np.exp(found.sums), part * np.exp(sums[found.places]))


def test_one_draw_says_nothing_of_its_error():
    assert reweight(
        np.array([1.0]), np.zeros(1), lambda i, places: np.array([float(i)]), 1.0, 0.3, np.random.default_rng(0)
    ).error == np.inf  # fmt: skip


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40).filter(lambda w: sum(w) > 0), st.floats(0.5, 60.0))
def test_chances_are_in_proportion_below_one_and_rise_with_the_number(weights, n):
    weights = np.array(weights) / np.sum(weights)
    chance = thin(weights, n)
    assert (chance <= 1.0).all() and (chance >= 0.0).all() and (thin(weights, 2.0 * n) >= chance).all()
    np.testing.assert_allclose(chance[chance < 1.0], n * weights[chance < 1.0])
