"""Every metric sees the defect it claims to see, and passes the exact posterior at its nominal rate."""

import numpy as np
import pytest
from scipy import stats

from mwlmc_data import scoring

PRIOR_STD = np.array([1.0, 2.0, 0.5])
NOISE = np.array([0.5, 1.0, 0.4])


def gaussian_toy(n, m, seed, width=1.0, bias=0.0):
    """Exact posterior of a conjugate Gaussian, with its width and mean spoilt on request.

    Returns samples (n, m, 3), truth (n, 3), log posterior of the truth (n,), log prior (n,).
    """
    rng = np.random.default_rng(seed)
    truth = rng.normal(0.0, PRIOR_STD, (n, 3))
    data = truth + rng.normal(0.0, NOISE, (n, 3))
    shrink = PRIOR_STD**2 / (PRIOR_STD**2 + NOISE**2)
    std = np.sqrt(shrink) * NOISE
    mean = shrink * data + bias * std
    samples = mean[:, None] + width * std * rng.standard_normal((n, m, 3))
    log_prob = stats.norm.logpdf(truth, mean, width * std).sum(axis=1)
    return samples, truth, log_prob, stats.norm.logpdf(truth, 0.0, PRIOR_STD).sum(axis=1)


def pvalues(samples, truth, seed):
    """The p-values of every valid test of calibration on one set of posteriors."""
    ranks = scoring.rank_calibration(samples, truth, seed=seed)
    return {
        "tarp": scoring.tarp(samples, truth, seed=seed).ks_pvalue,
        "rank ks": ranks.ks_pvalue[0],
        "rank chi2": ranks.chi2_pvalue[1],
    }


def test_exact_posterior_is_rejected_at_the_nominal_rate():
    trials = 300
    rejected = {"tarp": 0, "rank ks": 0, "rank chi2": 0}
    for seed in range(trials):
        samples, truth, *_ = gaussian_toy(200, 49, seed)
        for name, p in pvalues(samples, truth, seed).items():
            rejected[name] += p < 0.05
    low, high = stats.binom.ppf([0.001, 0.999], trials, 0.05)
    for name, count in rejected.items():
        assert low <= count <= high, f"{name}: {count} of {trials} rejected at 5%"


@pytest.mark.parametrize("width, sign", [(0.7, -1), (1.5, 1)])
def test_wrong_width_is_seen_with_its_sign(width, sign):
    samples, truth, *_ = gaussian_toy(640, 500, 1, width=width)
    exact, *_ = gaussian_toy(640, 500, 1)
    result = scoring.tarp(samples, truth)
    assert result.ks_pvalue < 1e-3
    assert sign * result.area > 3 * abs(scoring.tarp(exact, truth).area)
    ranks = scoring.rank_calibration(samples, truth)
    assert (ranks.ks_pvalue < 0.01).all() and (ranks.chi2_pvalue < 1e-4).all()
    fraction, error = scoring.interval_coverage(samples, truth, 0.68)
    assert (sign * (fraction - 0.68) > 4 * error).all()


def test_bias_is_seen_by_ranks_and_its_direction_in_the_histogram():
    samples, truth, *_ = gaussian_toy(640, 500, 2, bias=0.5)
    ranks = scoring.rank_calibration(samples, truth)
    assert (ranks.ks_pvalue < 1e-6).all()
    # A posterior biased upwards leaves the truth at low ranks.
    assert (ranks.histogram[:, 0] > 1.5 * ranks.expected).all()
    assert (ranks.histogram[:, -1] < 0.6 * ranks.expected).all()


def test_the_papers_p_value_does_not_see_what_the_valid_one_sees():
    """The trap that the mode's name stands for: gridded curves compared as if they were samples."""
    samples, truth, *_ = gaussian_toy(640, 500, 3, width=0.7)
    assert scoring.tarp(samples, truth, mode="paper").ks_pvalue > 0.05
    assert scoring.tarp(samples, truth, mode="valid").ks_pvalue < 1e-3


def test_the_area_to_the_curve_is_blind_to_a_bias():
    """Said in the docstring; if this fails the docstring is wrong."""
    samples, truth, *_ = gaussian_toy(2000, 300, 4, bias=0.5)
    wide, *_ = gaussian_toy(2000, 300, 4, width=1.5)
    assert abs(scoring.tarp(samples, truth).area) < 0.25 * scoring.tarp(wide, truth).area


@pytest.mark.parametrize("defect", [{"width": 0.7}, {"width": 1.5}, {"bias": 0.5}])
def test_log_score_prefers_the_exact_posterior(defect):
    *_, exact, prior = gaussian_toy(640, 2, 5)
    *_, spoilt, _ = gaussian_toy(640, 2, 5, **defect)
    good, bad = scoring.negative_log_posterior(exact, prior), scoring.negative_log_posterior(spoilt, prior)
    assert bad.mean - good.mean > 0.1
    assert good.gain == pytest.approx(good.baseline - good.mean)


def test_log_score_of_the_exact_posterior_is_its_entropy():
    *_, exact, prior = gaussian_toy(20_000, 2, 6)
    score = scoring.negative_log_posterior(exact, prior)
    std = PRIOR_STD * NOISE / np.hypot(PRIOR_STD, NOISE)
    entropy = np.sum(np.log(std) + 0.5 * np.log(2 * np.pi * np.e))
    assert abs(score.mean - entropy) < 4 * score.error
    information = np.sum(np.log(PRIOR_STD / std))
    assert abs(score.gain - information) < 4 * score.gain_error
    assert score.error == pytest.approx(np.sqrt(3 / 2 / 20_000), rel=0.05)


def test_contraction_is_that_of_the_conjugate_posterior_and_zero_for_the_prior():
    samples, truth, *_ = gaussian_toy(400, 400, 7)
    expected = PRIOR_STD**2 / (PRIOR_STD**2 + NOISE**2)
    np.testing.assert_allclose(scoring.contraction(samples, PRIOR_STD**2), expected, atol=0.01)
    prior = np.random.default_rng(0).normal(0, PRIOR_STD, (400, 400, 3))
    np.testing.assert_allclose(scoring.contraction(prior, PRIOR_STD**2), 0.0, atol=0.02)
    # The prior passes the test of calibration, which is why contraction stands beside it.
    assert (scoring.rank_calibration(prior, truth).ks_pvalue > 1e-3).all()


def test_intervals_of_the_exact_posterior_cover_at_their_level():
    samples, truth, *_ = gaussian_toy(2000, 999, 8)
    for level in (0.5, 0.68, 0.95):
        fraction, error = scoring.interval_coverage(samples, truth, level)
        assert (np.abs(fraction - level) < 4 * error).all()


def test_bands_hold_whole_curves_at_their_level():
    n, trials = 300, 400
    points, low, high = scoring.ecdf_band(n, 0.9)
    rng = np.random.default_rng(11)
    inside = 0
    for _ in range(trials):
        curve = np.searchsorted(np.sort(rng.uniform(size=n)), points, side="right") / n
        inside += ((curve >= low) & (curve <= high)).all()
    assert 0.85 < inside / trials < 0.96
    tarp_low, tarp_high = scoring.tarp_band(n, [0.0, 0.5, 1.0], 0.9)
    assert tarp_low[0] == tarp_high[0] == 0 and tarp_low[2] == tarp_high[2] == 1
    assert tarp_low[1] < 0.5 < tarp_high[1]
