"""Summaries, circular statistics, and the errors for bad arrays."""

import subprocess
import sys

import astropy.units as u
import numpy as np
import pytest

from mwlmc_data import scoring


def test_rank_fractions_are_uniform_when_every_draw_is_tied():
    """Ties must not look like a defect: a constant posterior on a constant truth has no order."""
    fractions = scoring.rank_fractions(np.zeros((4000, 7, 1)), np.zeros((4000, 1)))
    assert abs(fractions.mean() - 0.5) < 0.02 and fractions.min() < 0.01 and fractions.max() > 0.99


def test_rank_fractions_count_the_draws_below():
    samples = np.arange(9.0).reshape(1, 9, 1)
    fraction = scoring.rank_fractions(samples, [[3.5]])[0, 0]
    assert 0.4 < fraction < 0.5


def test_summary_of_a_posterior_beside_its_truth():
    draws = np.random.default_rng(0).normal(10.0, 2.0, 100_000)
    summary = scoring.summarise_posterior(draws, truth=13.0)
    assert summary.p50 == pytest.approx(10.0, abs=0.03)
    assert (summary.p84 - summary.p16) / 2 == pytest.approx(1.989, abs=0.03)
    assert summary.z == pytest.approx(1.5, abs=0.02)
    assert summary.quantile == pytest.approx(0.933, abs=0.004)
    assert summary.inside95 and not summary.inside68
    assert scoring.summarise_posterior(draws).truth is None


def test_angles_are_circular():
    angles = np.array([170.0, 175.0, -175.0, -170.0])
    assert abs(scoring.circular_mean(angles)) == pytest.approx(180.0)
    low, mid, high = scoring.wrap_degrees(scoring.circular_percentiles(angles, [0, 50, 100]))
    assert (low, abs(mid), high) == pytest.approx((170.0, 180.0, -170.0))
    assert scoring.wrap_degrees([-540.0, -180.0, 180.0, 540.0]).tolist() == [180.0] * 4


def test_predictive_tail_counts_both_sides_and_goes_round_the_circle():
    draws = np.arange(99.0)
    assert scoring.predictive_tail(draws, 49.0) == pytest.approx(1.0)
    assert scoring.predictive_tail(draws, 1000.0) == pytest.approx(2 / 100)
    assert scoring.predictive_tail(draws, 4.5) == pytest.approx(2 * 6 / 100)
    around = scoring.wrap_degrees(np.linspace(160, 200, 101))
    assert scoring.predictive_tail(around, -180.0, circular=True) > 0.9
    assert scoring.predictive_tail(around, 0.0, circular=True) == pytest.approx(2 / 102)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: scoring.tarp(np.zeros((3, 4)), np.zeros((3, 2))), r"\(3, 4\)"),
        (lambda: scoring.tarp(np.zeros((3, 4, 2)), np.zeros((3, 3))), r"\(3, 3\).*\(3, 2\)"),
        (lambda: scoring.tarp(np.zeros((3, 4, 2)), np.full((3, 2), np.nan)), "truth.*nan"),
        (lambda: scoring.tarp(np.zeros((3, 4, 2)), np.zeros((3, 2))), "parameter 0 are equal"),
        (lambda: scoring.tarp(np.zeros((3, 4, 2)), np.eye(3)[:, :2], mode="sbi"), "'sbi': allowed is valid"),
        (lambda: scoring.tarp(np.zeros((3, 4, 2)), np.eye(3)[:, :2], np.zeros((1, 2))), r"\(1, 2\)"),
        (lambda: scoring.rank_calibration(np.zeros((3, 0, 2)), np.zeros((3, 2))), "at least 1"),
        (lambda: scoring.rank_calibration(np.zeros((3, 4, 2)), np.zeros((3, 2)), bins=1), "bins = 1: allowed"),
        (lambda: scoring.interval_coverage(np.zeros((3, 4, 2)), np.zeros((3, 2)), 68), "level = 68: allowed is"),
        (lambda: scoring.contraction(np.zeros((3, 4, 2)), [1.0, 0.0]), "prior_variance = 0.0"),
        (lambda: scoring.contraction(np.zeros((3, 4, 2)), [1.0]), "size of prior_variance = 1: allowed is 2"),
        (lambda: scoring.negative_log_posterior([0.0, -np.inf], [0.0, 0.0]), r"log_prob\[1\] = -inf: allowed is"),
        (lambda: scoring.negative_log_posterior([0.0], [0.0, 0.0]), "shape of baseline_log_prob"),
        (lambda: scoring.summarise_posterior([1.0]), "draws = 1: allowed is 2"),
        (lambda: scoring.summarise_posterior([1.0, 2.0], truth=np.nan), "truth = nan: allowed is a finite"),
        (lambda: scoring.predictive_tail([1.0, 2.0], np.inf), "observed = inf: allowed"),
        (lambda: scoring.ecdf_band(0), "n = 0: allowed"),
        (lambda: scoring.ecdf_band(9, points=[0.0, 0.5]), "points = 0.0"),
        (lambda: scoring.draw_references(np.zeros(3)), r"\(3,\)"),
        (lambda: scoring.tarp(np.zeros((3, 4, 2)), np.eye(3)[:, :2], np.full((3, 2), np.inf)), "references.* = inf"),
        (lambda: scoring.energy_score(np.zeros((3, 1, 2)), np.zeros((3, 2)), [1, 1]), r"\(3, 1, 2\).*at least 2"),
        (lambda: scoring.energy_score(np.zeros((3, 4, 2)), np.zeros((3, 2)), [1, 0]), "scale = 0.0"),
        (lambda: scoring.energy_score(np.zeros((3, 4, 2)), np.zeros((3, 2)), [1, 1, 1]), r"\(3,\): allowed is \(2,\)"),
        (lambda: scoring.paired_difference([1.0], [1.0]), "scores = 1: allowed is 2"),
        (lambda: scoring.paired_difference([1.0, 2.0], [1.0]), "shape of reference_score"),
        (lambda: scoring.paired_difference([1.0, 2.0], [1.0, 1.0], n_bootstrap=1), "n_bootstrap = 1"),
        (lambda: scoring.mmd(np.zeros((3, 4, 2)), np.zeros((2, 4, 2))), r"\(2, 4, 2\).*\(3, any number"),
        (lambda: scoring.mmd(np.zeros((3, 4, 2)), np.zeros((3, 4, 2))), "reference of observation 0.* = 0.0"),
        (lambda: scoring.mean_error(np.zeros((1, 4, 1)), [[[7.0], [7.0]]]), "parameter 0 = 7.0"),
        (lambda: scoring.z_of_truth(np.ones((3, 4, 2)), np.zeros((3, 2))), "samples of observation 0"),
        (lambda: scoring.hits(np.zeros((3, 4, 2)), np.zeros((3, 2)), 1.0), "level = 1.0: allowed is"),
        (lambda: scoring.region_coverage(np.zeros((3, 9, 2)), np.zeros((3, 2)), "balls"), "= 'balls': allowed is"),
        (lambda: scoring.region_coverage(np.zeros((3, 2, 2)), np.zeros((3, 2))), "more draws than parameters"),
        (lambda: scoring.highest_density_coverage(np.zeros((3, 4)), np.zeros(2)), r"\(2,\): allowed is \(3,\)"),
        (lambda: scoring.highest_density_coverage(np.zeros((3, 4)), np.zeros(3), bins=1), "bins = 1: allowed"),
        (lambda: scoring.highest_density_coverage([[0.0, -np.inf]], [0.0]), r"log_prob_samples\[0, 1\] = -inf"),
        (lambda: scoring.log_volume(np.ones((1, 9, 1)) * np.arange(9)[:, None] * [1, 2], [1, 1]), "lie in a plane"),
        (lambda: scoring.log_volume(np.zeros((1, 2, 2)), [1, 1]), "more draws than parameters"),
        (lambda: scoring.detection_auroc([1.0], [1.0, 2.0]), "statistic_shifted = 1: allowed is 2"),
        (lambda: scoring.coverage_band([0.5, 1.5], [0.5]), "fractions = 0.5 to 1.5: allowed"),
        (lambda: scoring.binomial_interval(3, 2), "count = 3.0: allowed is a whole number from 0 to 2"),
        (lambda: scoring.binomial_interval(np.nan, 2), "count = nan"),
        (lambda: scoring.binomial_interval(0, 0), "n = 0: allowed"),
    ],
)
def test_bad_arrays_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


_DRAWS, _TRUTH = np.random.default_rng(0).normal(size=(4, 9, 2)), np.random.default_rng(1).normal(size=(4, 2))
_SCORES = {
    "energy_score": lambda draws, truth: scoring.energy_score(draws, truth, [1, 1]),
    "energy_distance": lambda draws, truth: scoring.energy_distance(draws, _DRAWS, [1, 1]) + np.sum(truth),
    "rank_fractions": scoring.rank_fractions,
    "interval_coverage": lambda draws, truth: scoring.interval_coverage(draws, truth, 0.68),
    "tarp": scoring.tarp,
    "region_coverage": scoring.region_coverage,
    "z_of_truth": scoring.z_of_truth,
    "hits": lambda draws, truth: scoring.hits(draws, truth, 0.68),
    "log_volume": lambda draws, truth: scoring.log_volume(draws, [1, 1]),
    "contraction": lambda draws, truth: scoring.contraction(draws, [1, 1]),
    "mmd": lambda draws, truth: scoring.mmd(draws, _DRAWS),
}


@pytest.mark.parametrize("name", _SCORES)
def test_masks_units_and_ragged_draws_are_refused_by_every_score(name):
    """A mask that is dropped scores the fill value; a unit that is dropped, other numbers."""
    score = _SCORES[name]
    score(_DRAWS, _TRUTH)
    masked = np.ma.masked_greater(_DRAWS, 1.0)
    wrong = {
        rf"samples = {masked.mask.sum()} masked or missing values of 72": masked,
        "samples = numbers in kpc: allowed is a pure number": _DRAWS * u.kpc,
        "samples": [[[1.0, 2.0], [3.0]]],
        r"samples\[0, 0, 0\] = inf .*float16 ends at 65504": np.full((4, 9, 2), np.inf, dtype=np.float16),
    }
    for words, draws in wrong.items():
        with pytest.raises(ValueError, match=words):
            score(draws, _TRUTH)


def test_a_masked_truth_is_refused():
    for score in (scoring.energy_score, scoring.z_of_truth, scoring.tarp):
        arguments = ([1, 1],) if score is scoring.energy_score else ()
        with pytest.raises(ValueError, match="truth = 1 masked or missing value of 8"):
            score(_DRAWS, np.ma.masked_equal(_TRUTH, _TRUTH[1, 1]), *arguments)


def test_angles_come_in_any_unit():
    degrees = np.array([170.0, 175.0, -175.0, -172.0])
    assert scoring.circular_mean(np.radians(degrees) * u.rad) == pytest.approx(scoring.circular_mean(degrees))
    found = scoring.circular_percentiles((degrees * 60) * u.arcmin)
    assert found == pytest.approx(scoring.circular_percentiles(degrees))
    tail = scoring.predictive_tail(degrees * u.deg, np.pi * u.rad, circular=True)
    assert tail == pytest.approx(scoring.predictive_tail(degrees, 180.0, circular=True))
    with pytest.raises(ValueError, match="angle = numbers in kpc"):
        scoring.circular_mean(degrees * u.kpc)
    with pytest.raises(ValueError, match=r"percent = 140\.0: allowed"):
        scoring.circular_percentiles(degrees, 140)


def test_scoring_needs_numpy_and_scipy_only():
    heavy = ["torch", "sbi", "pandas", "numba", "sklearn"]
    code = f"import sys, mwlmc_data.scoring; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
