"""Metrics against formulae and explicit loops, and errors and bands that hold at their level."""

import sys

import numpy as np
import pytest
from scipy import stats
from scipy.special import digamma

from mwlmc_data import scoring
from mwlmc_data.scoring import distance, energy
from tests.helpers.conjugate_gaussian import PRIOR_STD, conjugate, posterior_covariance


def gaussians(n, m, seed, width=1.0, shift=0.0):
    """Draws (n, m, 3) of an isotropic Gaussian."""
    return shift + width * np.random.default_rng(seed).standard_normal((n, m, 3))


def near(values, expected, sigmas=4.0):
    """Whether the mean of values is the expected number within its error."""
    return abs(values.mean() - expected) < sigmas * values.std(ddof=1) / np.sqrt(values.size)


def mean_length(variance):
    """Mean length of a Gaussian vector in three dimensions with this variance in each direction."""
    return np.sqrt(8.0 * variance / np.pi)


@pytest.mark.parametrize("width", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("m", [2, 50])
def test_energy_score_of_a_gaussian_whatever_the_number_of_draws(width, m):
    score = scoring.energy_score(gaussians(4000, m, 0, width), gaussians(4000, 1, 1)[:, 0], np.ones(3))
    assert near(score, mean_length(1 + width**2) - 0.5 * mean_length(2 * width**2))


def test_energy_score_is_the_written_out_mean_over_pairs():
    rng = np.random.default_rng(2)
    samples, truth, scale = rng.normal(size=(2, 7, 3)), rng.normal(size=(2, 3)), np.array([1.0, 2.0, 0.1])
    for row, right, found in zip(samples, truth, scoring.energy_score(samples, truth, scale), strict=True):
        to_truth = np.mean([np.linalg.norm((a - right) / scale) for a in row])
        pairs = [np.linalg.norm((row[i] - row[j]) / scale) for i in range(7) for j in range(7) if i != j]
        assert found == pytest.approx(to_truth - 0.5 * np.mean(pairs))


def test_one_draw_equal_to_another_costs_its_distance_to_the_truth():
    assert scoring.energy_score(np.zeros((1, 5, 3)), [[3.0, 4.0, 0.0]], np.ones(3)) == pytest.approx(5.0)


@pytest.mark.parametrize("block", [1, 40, 900, 4000])
def test_sums_do_not_depend_on_the_blocks(monkeypatch, block):
    samples, reference = gaussians(2, 37, 3), gaussians(2, 23, 4, 1.3)
    truth, scale = samples[:, 0], np.ones(3)
    calls = (
        lambda: scoring.energy_score(samples, truth, scale),
        lambda: scoring.energy_distance(samples, reference, scale),
        lambda: scoring.mmd(samples, reference),
        lambda: scoring.tarp(samples, truth).fractions,
    )
    whole = [call() for call in calls]
    monkeypatch.setattr(energy, "_BLOCK", block)
    monkeypatch.setattr(distance, "_BLOCK", block)
    # The package's name `tarp` is the function.
    monkeypatch.setattr(sys.modules["mwlmc_data.scoring.tarp"], "_BLOCK", block)
    for before, call in zip(whole, calls, strict=True):
        np.testing.assert_allclose(call(), before, rtol=1e-12, atol=1e-14)


def test_energy_distance_is_the_mean_gap_of_the_energy_score():
    p = conjugate(4000, 20, 5, width=1.5)
    gap = scoring.energy_distance(p.samples, p.reference, PRIOR_STD)
    own, best = (scoring.energy_score(s, p.truth, PRIOR_STD) for s in (p.samples, p.reference))
    difference = scoring.paired_difference(own, best)
    assert abs(difference.mean - gap.mean()) < 4 * difference.error
    # The one truth of each observation scatters more than everything else.
    assert gap.std() < 0.3 * (own - best).std()


@pytest.mark.parametrize("width", [1.0, 1.5])
def test_energy_distance_of_gaussians(width):
    found = scoring.energy_distance(gaussians(400, 30, 6, width), gaussians(400, 40, 7), np.ones(3))
    assert near(found, mean_length(1 + width**2) - 0.5 * mean_length(2 * width**2) - 0.5 * mean_length(2.0))


@pytest.mark.parametrize("width, shift", [(1.0, 0.0), (1.5, 0.0), (1.0, 0.5)])
def test_mmd_of_gaussians(width, shift):
    """Closed form for a Gaussian kernel; its bandwidth is the median length of a Gaussian of variance 2."""
    found = scoring.mmd(gaussians(60, 300, 8, width, shift), gaussians(60, 400, 9), scale=np.ones(3))
    h2 = 2.0 * stats.chi2(3).median()

    def mean_kernel(variance, distance2=0.0):
        return (h2 / (h2 + variance)) ** 1.5 * np.exp(-0.5 * distance2 / (h2 + variance))

    expected = mean_kernel(2 * width**2) + mean_kernel(2.0) - 2 * mean_kernel(1 + width**2, 3 * shift**2)
    assert near(found, expected)


def test_mmd_thins_a_long_reference_only_to_set_the_bandwidth(monkeypatch):
    samples, reference = gaussians(1, 50, 10), gaussians(1, 400, 11)
    full = scoring.mmd(samples, reference)
    monkeypatch.setattr(distance, "_BANDWIDTH_DRAWS", 200)
    thinned = scoring.mmd(samples, reference)
    assert thinned != full and thinned == pytest.approx(full, abs=1e-3)


def test_errors_against_the_reference_are_in_its_sigmas():
    reference = np.array([[[0.0], [2.0]]])  # mean 1, standard deviation sqrt 2
    samples = np.array([[[0.0], [2.0], [4.0]]])  # mean 2, variance 4
    assert scoring.mean_error(samples, reference) == pytest.approx(1 / np.sqrt(2))
    assert scoring.variance_ratio(samples, reference) == pytest.approx(2.0)


def test_log_score_of_the_exact_posterior_is_its_entropy():
    exact = conjugate(20_000, 2, 6)
    score = scoring.negative_log_posterior(exact.log_prob_truth, exact.prior_log_prob_truth)
    covariance, _ = posterior_covariance()
    half_log_det = 0.5 * np.linalg.slogdet(covariance)[1]
    assert abs(score.mean - half_log_det - 1.5 * np.log(2 * np.pi * np.e)) < 4 * score.error
    assert abs(score.gain - (np.log(PRIOR_STD).sum() - half_log_det)) < 4 * score.gain_error
    assert score.error == pytest.approx(np.sqrt(3 / 2 / 20_000), rel=0.05)
    assert score.gain == pytest.approx(score.baseline - score.mean)


def test_paired_errors_hold_the_true_gap_at_their_level():
    """The gap in nats of widths times 1.5 is the divergence of two Gaussians."""
    true_gap = 3 * (np.log(1.5) + 0.5 / 1.5**2 - 0.5)
    p = conjugate(200 * 300, 2, 7, width=1.5)
    own, best = -p.log_prob_truth.reshape(300, 200), -p.exact_log_prob_truth.reshape(300, 200)
    found = [scoring.paired_difference(own[i], best[i], seed=i, n_bootstrap=200) for i in range(300)]
    held = sum(d.low <= true_gap <= d.high for d in found)
    low, high = stats.binom.ppf([0.001, 0.999], 300, 0.95)
    # Percentile intervals of 200 observations are about two per cent too short.
    assert low - 6 <= held <= high
    assert np.mean([d.error for d in found]) == pytest.approx(np.std([d.mean for d in found]), rel=0.15)


def test_intervals_cover_at_their_level_with_few_draws_too():
    for m in (20, 999):
        p = conjugate(2000, m, 8, k=2)
        for level in (0.5, 0.68, 0.9):
            fraction, error = scoring.interval_coverage(p.samples, p.truth, level)
            assert (np.abs(fraction - level) < 4 * error).all()
            counted = scoring.hits(p.samples, p.truth, level)
            assert (counted.fraction == fraction).all() and (counted.inside.sum(axis=0) == counted.count).all()
            assert ((counted.low < fraction) & (fraction < counted.high)).all()


@pytest.mark.parametrize("n", [1, 8, 60])
@pytest.mark.parametrize("true", [0.05, 0.68])
def test_binomial_intervals_hold_the_true_fraction_at_least_at_their_level(n, true):
    count = np.arange(n + 1)
    low, high = scoring.binomial_interval(count, n, 0.9)
    assert low[0] == 0 and high[-1] == 1
    held = stats.binom.pmf(count, n, true)[(low <= true) & (true <= high)].sum()
    assert held >= 0.9


@pytest.mark.parametrize("regions", ["neighbours", "ellipsoid"])
@pytest.mark.parametrize("m", [4, 30])
def test_regions_made_from_few_draws_are_still_calibrated(regions, m):
    """The truth is one more draw, so this holds for regions of any quality."""
    p = conjugate(3000, m, 9, k=2)
    found = scoring.region_coverage(p.samples, p.truth, regions)
    assert found.ks_pvalue > 0.001 and abs(found.area) < 4 * found.area_error


def test_regions_follow_the_shape():
    """Truths in the gap between two lobes: neighbours see the gap, ellipsoids take it for the middle."""
    rng = np.random.default_rng(10)
    lobes = rng.choice([-3.0, 3.0], (50, 400, 1)) + 0.3 * rng.standard_normal((50, 400, 1))
    gap = np.zeros((50, 1))
    assert scoring.region_coverage(lobes, gap, "neighbours").fractions.min() > 0.95
    assert scoring.region_coverage(lobes, gap, "ellipsoid").fractions.max() < 0.05


def test_highest_density_fractions_are_the_mass_of_denser_places():
    """For a Gaussian the mass within the truth's contour follows chi-squared."""
    p = conjugate(50, 20_000, 11, k=2)
    found = scoring.highest_density_coverage(p.log_prob_samples, p.log_prob_truth)
    peak = -0.5 * np.linalg.slogdet(2 * np.pi * posterior_covariance()[0])[1]
    np.testing.assert_allclose(found.fractions, stats.chi2(3).cdf(2 * (peak - p.log_prob_truth)), atol=0.02)


def test_a_truth_without_density_is_outside_of_everything():
    found = scoring.highest_density_coverage(np.zeros((3, 99)), [-np.inf] * 3)
    assert found.fractions.min() >= 0.99
    assert found.deviation > 0.49 and found.area < -0.49


def test_area_of_tarp_is_the_integral_of_its_curve():
    p = conjugate(455, 50, 12, k=2, width=1.5)  # an odd number of bins by default
    found = scoring.tarp(p.samples, p.truth)
    grid = np.linspace(0.5, 1.0, 100_001)
    coverage = np.searchsorted(np.sort(found.fractions), grid, side="right") / 455
    assert found.area == pytest.approx(np.trapezoid(coverage - grid, grid), abs=1e-4)


def test_errors_of_areas_are_their_scatter():
    rng = np.random.default_rng(13)
    areas = [scoring.tarp(rng.normal(size=(100, 9, 2)), rng.normal(size=(100, 2)), seed=s) for s in range(400)]
    assert np.std([a.area for a in areas]) == pytest.approx(areas[0].area_error, rel=0.15)
    found = [
        scoring.region_coverage(rng.normal(size=(50, 9, 2)), rng.normal(size=(50, 2)), "ellipsoid") for _ in range(300)
    ]
    assert np.std([c.area for c in found]) == pytest.approx(found[0].area_error, rel=0.15)


def test_bands_hold_whole_curves_at_their_level():
    n, trials = 300, 400
    points, low, high = scoring.ecdf_band(n, 0.9)
    rng = np.random.default_rng(14)
    inside = 0
    for _ in range(trials):
        curve = np.searchsorted(np.sort(rng.uniform(size=n)), points, side="right") / n
        inside += ((curve >= low) & (curve <= high)).all()
    assert 0.85 < inside / trials < 0.96
    tarp_low, tarp_high = scoring.tarp_band(n, [0.0, 0.5, 1.0], 0.9)
    assert tarp_low[0] == tarp_high[0] == 0 and tarp_low[2] == tarp_high[2] == 1
    assert tarp_low[1] < 0.5 < tarp_high[1]


def test_the_band_over_tests_holds_the_curve_of_a_posterior_that_is_off():
    """Fractions with the distribution t^2: the band encloses the true curve, not the diagonal."""
    rng, points = np.random.default_rng(15), np.array([0.0, 0.2, 0.5, 0.9, 1.0])
    held = np.zeros(5)
    for _ in range(400):
        low, high = scoring.coverage_band(np.sqrt(rng.uniform(size=60)), points, 0.9)
        held += (low <= points**2) & (points**2 <= high)
    assert (held[[0, 4]] == 400).all()
    assert (held >= stats.binom.ppf(0.001, 400, 0.9)).all()


def test_auroc_counts_pairs_with_ties_as_halves():
    found = scoring.detection_auroc([1.0, 2.0, 2.0], [2.0, 0.0])
    # 1 > 0; 2 = 2 and 2 > 0, twice
    assert found.value == pytest.approx((1 + 2 * 1.5) / 6)
    reverse = scoring.detection_auroc([2.0, 0.0], [1.0, 2.0, 2.0])
    assert reverse.value == pytest.approx(1 - found.value) and reverse.error == pytest.approx(found.error)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_auroc_of_gaussians_with_its_error_and_interval(shift):
    rng, true = np.random.default_rng(16), stats.norm.cdf(shift / np.sqrt(2))
    found = [scoring.detection_auroc(shift + rng.normal(size=40), rng.normal(size=60)) for _ in range(400)]
    value, error = np.array([f.value for f in found]), np.array([f.error for f in found])
    assert near(value, true)
    assert error.mean() == pytest.approx(value.std(), rel=0.12)
    held = sum(f.low <= true <= f.high for f in found)
    assert stats.binom.ppf(0.001, 400, 0.95) <= held <= stats.binom.ppf(0.9999, 400, 0.95)


def test_auroc_without_overlap_is_not_certain():
    found = scoring.detection_auroc([5.0, 6.0, 7.0], [1.0, 2.0, 3.0, 4.0])
    assert (found.value, found.error, found.high) == (1.0, 0.0, 1.0) and 0.3 < found.low < 0.9
    nothing = scoring.detection_auroc([1.0, 1.0], [1.0, 1.0, 1.0])
    assert nothing.value == 0.5 and nothing.low < 0.3 and nothing.high > 0.7


def test_log_volume_of_a_gaussian():
    """The mean log determinant of a Wishart matrix is a sum of digammas."""
    m = 12
    samples = np.random.default_rng(17).multivariate_normal(np.zeros(3), posterior_covariance()[0], (2000, m))
    exact = 0.5 * np.linalg.slogdet(posterior_covariance()[0])[1] - np.log(PRIOR_STD).sum()
    few = 0.5 * sum(digamma((m - 1 - i) / 2) - np.log((m - 1) / 2) for i in range(3))
    assert near(scoring.log_volume(samples, PRIOR_STD), exact + few)


def test_z_of_truth():
    z = scoring.z_of_truth([[[0.0, 10.0], [2.0, 30.0]]], [[1.0, 20.0 + 10 * np.sqrt(2)]])
    np.testing.assert_allclose(z, [[0.0, 1.0]], atol=1e-12)
