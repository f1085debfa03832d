"""Parts of the metrics that calibration alone does not test: order, random streams, and the definition of a region."""

import numpy as np
import pytest
from scipy import stats

from mwlmc_data import scoring
from mwlmc_data.priors import Prior
from mwlmc_data.scoring.density import neighbour_log_density


def counts_of(fractions, m):
    """Number of draws inside, from randomised fractions without ties."""
    return np.floor(np.asarray(fractions) * (m + 1)).astype(int)


def whitened(points):
    """Points in coordinates of unit covariance, by the inverse root of their covariance matrix."""
    centred = points - points.mean(axis=0)
    variance, axes = np.linalg.eigh(centred.T @ centred / len(points))
    return centred @ axes / np.sqrt(variance)


@pytest.mark.parametrize("m", [9, 30])
def test_regions_of_neighbours_are_counted_by_the_distance_to_the_kth_neighbour(m):
    """By definition: k is the root of the number of draws, a point is not its own neighbour, and nearer is inside."""
    rng = np.random.default_rng(3)
    samples, truth = rng.normal(size=(12, m, 2)) * [1.0, 50.0], rng.normal(size=(12, 2)) * [1.0, 50.0]
    k = round(np.sqrt(m))
    found = scoring.region_coverage(samples, truth, "neighbours")
    places = found.fractions * (m + 1)
    below, tied = np.empty(12, int), np.empty(12, int)
    for row, (draws, right) in enumerate(zip(samples, truth, strict=True)):
        pool = whitened(np.vstack([right, draws]))
        gaps = np.linalg.norm(pool[:, None] - pool, axis=2)
        remote = np.array([np.sort(np.delete(own, i))[k - 1] for i, own in enumerate(gaps)])
        # the k-th of each other: their distances are one
        tied[row] = np.isclose(remote[1:], remote[0], rtol=1e-9).sum()
        below[row] = (remote[1:] < remote[0]).sum() if not tied[row] else (remote[1:] < remote[0] * (1 - 1e-9)).sum()
    assert np.all((below <= places) & (places <= below + tied + 1))
    assert (tied == 0).sum() >= 8 and len(set(below.tolist())) > 4


def test_regions_of_ellipsoids_are_counted_by_the_distance_from_the_middle():
    rng = np.random.default_rng(4)
    samples, truth = rng.normal(size=(12, 30, 3)), rng.normal(size=(12, 3))
    expected = []
    for draws, right in zip(samples, truth, strict=True):
        pool = np.vstack([right, draws])
        offset, inverse = pool - pool.mean(axis=0), np.linalg.inv(np.cov(pool.T))
        remote = np.einsum("ni,ij,nj->n", offset, inverse, offset)
        expected.append(int((remote[1:] < remote[0]).sum()))
    found = scoring.region_coverage(samples, truth, "ellipsoid")
    assert counts_of(found.fractions, 30).tolist() == expected


@pytest.mark.parametrize("regions", ["neighbours", "ellipsoid"])
def test_a_truth_far_out_is_outside_and_one_in_the_middle_inside(regions):
    samples = np.random.default_rng(5).normal(size=(1, 200, 2))
    far = scoring.region_coverage(samples, [[9.0, 9.0]], regions).fractions[0]
    middle = scoring.region_coverage(samples, [[0.0, 0.0]], regions).fractions[0]
    assert far > 0.99 and middle < 0.25


def test_tarp_randomises_by_a_stream_of_its_own():
    """All draws equal the truth: the fractions are the random numbers themselves, and not those of the references."""
    truth = np.random.default_rng(6).normal(size=(500, 1))
    found = scoring.tarp(np.repeat(truth[:, None], 7, axis=1), truth, seed=8)
    references = scoring.draw_references(truth, seed=8)[:, 0]
    numbers = (references - truth.min()) / np.ptp(truth)
    assert abs(np.corrcoef(numbers, found.fractions)[0, 1]) < 0.2
    assert stats.kstest(found.fractions, "uniform").pvalue > 1e-3
    again, other = (scoring.tarp(np.repeat(truth[:, None], 7, axis=1), truth, seed=seed) for seed in (8, 9))
    assert np.array_equal(found.fractions, again.fractions) and not np.array_equal(found.fractions, other.fractions)


@pytest.mark.parametrize("centre", [-179.0, -100.0, 0.0, 35.0, 90.0, 180.0])
def test_percentiles_of_angles_are_those_of_the_offsets_from_their_middle(centre):
    """A skewed bulk anywhere on the circle, its first angle far from its middle: no wrap falls inside."""
    offsets = np.r_[100.0, np.random.default_rng(7).gamma(2.0, 15.0, 2000) - 30.0, -90.0]
    offsets = offsets[np.abs(offsets) <= 100.0]
    angles = (centre + offsets + 180.0) % 360.0 - 180.0
    percent = [0.0, 2.5, 16.0, 50.0, 84.0, 97.5, 100.0]
    found = scoring.circular_percentiles(angles, percent)
    assert np.all(np.diff(found) > 0)
    assert (found - centre + 180.0) % 360.0 - 180.0 == pytest.approx(np.percentile(offsets, percent), abs=1e-9)
    radians = np.radians(angles)
    middle = np.degrees(np.arctan2(np.sin(radians).sum(), np.cos(radians).sum()))
    assert scoring.circular_mean(angles) == pytest.approx(middle)
    # continuous about the mean direction, from half a turn below it to half a turn above
    assert np.all(np.abs(found - scoring.circular_mean(angles)) <= 180.0)


@pytest.mark.parametrize("names", [["beta0"], ["log10_lambda_df", "beta0"], ["m_lmc", "log10_lambda_df", "beta0"]])
def test_the_density_of_draws_is_normalised_in_the_units_of_the_parameters(names):
    """Draws of the prior: at other draws of it they give its density, within the scatter of a few neighbours."""
    prior = Prior("gaussian", names)
    values = prior.sample(301 * 120, seed=3)[names].to_numpy(float)
    samples, points = values[: 300 * 120].reshape(120, 300, -1), values[300 * 120 :]
    found, distance = neighbour_log_density(samples, points, prior)
    difference = found - prior.log_prob(points)
    assert difference.mean() == pytest.approx(0.0, abs=4 * difference.std(ddof=1) / np.sqrt(120) + 0.1)
    assert difference.std() < 1.2 and (distance**2).mean() == pytest.approx(len(names), rel=0.5)


def test_the_density_of_draws_agrees_with_its_definition():
    """One parameter, six draws in its normal score: the second nearest, half counted, over the length of the ball."""
    prior = Prior("gaussian", ["beta0"])
    draws, point = np.array([0.1, 0.2, 0.35, 0.5, 0.6, 0.8]), 0.4
    scores, own = stats.norm.ppf(draws / 0.9), stats.norm.ppf(point / 0.9)
    width = np.std(scores)
    radius = np.sort(np.abs(scores - own))[1] / width
    in_scores = np.log(1.5 / 6) - np.log(2 * radius) - np.log(width)
    expected = in_scores - stats.norm.logpdf(own) - np.log(0.9)
    found, distance = neighbour_log_density(draws[None, :, None], np.array([[point]]), prior)
    assert found == pytest.approx([expected], abs=1e-6)
    assert distance == pytest.approx([abs(own - scores.mean()) / width], abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("n", "k"), [(40, 2), (280, 4), (700, 5)])
def test_the_density_of_repeated_draws_agrees_with_its_definition(n, k, seed):
    """The nearest places count with all their draws, the last of them with half."""
    prior, rng = Prior("gaussian", ["beta0"]), np.random.default_rng(seed)
    places, times = rng.uniform(0.1, 0.8, n), rng.integers(1, 9, n)
    draws, point = rng.permutation(np.repeat(places, times)), rng.uniform(0.2, 0.7)
    scores, own = stats.norm.ppf(draws / 0.9), stats.norm.ppf(point / 0.9)
    away = np.abs(stats.norm.ppf(places / 0.9) - own)
    *nearer, last = np.argsort(away)[:k]
    within = (times[nearer].sum() + times[last] / 2) / times.sum()
    expected = np.log(within / (2 * away[last])) - stats.norm.logpdf(own) - np.log(0.9)
    found, distance = neighbour_log_density(draws[None, :, None], np.array([[point]]), prior)
    assert found == pytest.approx([expected], abs=1e-6)
    assert distance == pytest.approx([abs(own - scores.mean()) / scores.std()], abs=1e-6)


def test_curves_of_coverage_do_not_depend_on_the_order_of_the_fractions():
    """Fractions written out of order: the share of them at or below each credibility, and its exact interval."""
    fractions = np.array([0.9, 0.1, 0.5, 0.3, 0.7, 0.2, 0.95, 0.5])
    points = np.array([0.0, 0.1, 0.25, 0.5, 0.8, 1.0])
    expected = [sum(f <= p for f in fractions) for p in points]
    assert expected == [0, 1, 2, 5, 6, 8]
    low, high = scoring.coverage_band(fractions, points, level=0.9)
    intervals = [stats.binomtest(k, 8).proportion_ci(0.9, "exact") for k in expected]
    assert low == pytest.approx([i.low for i in intervals]) and high == pytest.approx([i.high for i in intervals])
    rng = np.random.default_rng(10)
    log_prob, right = rng.normal(size=(40, 20)), rng.normal(size=40)
    curve = scoring.highest_density_coverage(log_prob, right, bins=5)
    assert curve.coverage == pytest.approx([(curve.fractions <= c).mean() for c in curve.credibility])
    assert np.any(np.diff(curve.fractions) < 0)


def test_a_band_is_refused_where_there_is_none():
    low, high = scoring.tarp_band(25, [0.0, 1.0])
    assert low.tolist() == high.tolist() == [0.0, 1.0]
    for bad in ([0.0, np.nan], [1.3], 0.5, [10.0, 50.0]):
        with pytest.raises(ValueError, match="credibility"):
            scoring.tarp_band(25, bad)
