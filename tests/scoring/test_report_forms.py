"""The form of a task's report: which numbers it has, with how many decimals, and next to which ideal value."""

import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data import scoring
from mwlmc_data.scoring import metrics
from mwlmc_data.scoring.shift import compute_placements
from tests.helpers.example_entries import prior_samples

CALIBRATION = {
    "prior_ks_pvalue": (3, True, "the prior's value with these truths: read the next beside it"),
    "rank_ks_pvalue": (3, True, "above 0.05; small: not calibrated"),
    "rank_chi2_pvalue": (3, True, "above 0.05; small: not calibrated"),
    "hits_68": (3, False, "0.68; less: overconfident"),
    "hits_95": (3, False, "0.95; less: overconfident"),
    "tarp_ks_pvalue": (3, True, "above 0.05; small: not calibrated"),
    "tarp_area": (4, False, "0; above: too wide, below: too narrow; blind to a bias"),
    "region_ks_pvalue": (3, True, "above 0.05; small: not calibrated"),
    "region_area": (4, False, "0; above: conservative, below: overconfident"),
    "outside_prior": (4, False, "0: share of draws"),
}
HEADLINE = {"energy_score": 4, "gain_over_prior": 4, "contraction": 2}


def test_entries_of_calibration():
    prior = mw.Prior("gaussian", ["log10_lambda_df", "beta0"])
    rng = np.random.default_rng(0)
    samples = np.stack([rng.uniform(-3, 1.0, (12, 50)), rng.uniform(0, 0.9, (12, 50))], axis=2)
    samples[0, :5, 0], samples[3, :2, 1] = 1.5, -0.1
    truth = np.stack([rng.uniform(-3, 1, 12), rng.uniform(0, 0.9, 12)], axis=1)
    found = metrics.calibration(samples, truth, ("log10_lambda_df", "beta0"), prior)
    assert {name: (e.digits, e.is_pvalue, e.right) for name, e in found.items()} == CALIBRATION
    shares = np.zeros(12)
    shares[0], shares[3] = 0.1, 0.04
    assert found["outside_prior"].value == pytest.approx(shares.mean())
    assert found["outside_prior"].error == pytest.approx(shares.std(ddof=1) / np.sqrt(12))
    ranks, curve, regions = scoring.rank_calibration(samples, truth), scoring.tarp(samples, truth), None
    regions = scoring.region_coverage(samples, truth)
    assert list(found["rank_ks_pvalue"].value.values()) == pytest.approx(ranks.ks_pvalue)
    assert list(found["rank_chi2_pvalue"].value.values()) == pytest.approx(ranks.chi2_pvalue)
    assert (found["tarp_area"].value, found["tarp_area"].error) == (curve.area, curve.area_error)
    assert (found["region_area"].value, found["region_area"].error) == (regions.area, regions.area_error)
    assert (found["tarp_ks_pvalue"].value, found["region_ks_pvalue"].value) == (curve.ks_pvalue, regions.ks_pvalue)


def test_entries_of_the_prior():
    prior = mw.Prior("gaussian", ["log10_lambda_df", "beta0"])
    draws = metrics.prior_draws(prior)
    assert draws.shape == (4096, 2) and np.array_equal(draws, metrics.prior_draws(prior, 5000)[:4096])
    assert metrics.prior_variance(prior) == pytest.approx([16 / 12, 0.81 / 12])
    truth, scale = np.array([[0.0, 0.4], [1.0, 0.9]]), (2.0, 0.5)
    few = draws[:300] / scale
    near = [np.linalg.norm(few - t / scale, axis=1).mean() for t in truth]
    pairs = np.linalg.norm(few[:, None] - few, axis=2).sum() / (300 * 299)
    assert metrics.prior_energy(prior, truth, scale) == pytest.approx(np.array(near) - 0.5 * pairs, abs=0.03)


def test_the_headline_of_summary_9(summary9, without_references):
    seen = summary9.observations
    report = summary9.score(prior_samples(summary9), summary9.prior.log_prob(seen.theta))
    digits = {name: entry.digits for name, entry in report.headline.entries.items()}
    assert digits == HEADLINE | {"neg_log_posterior": 3, "gain_over_prior_nats": 3}
    of_prior = metrics.prior_energy(summary9.prior, seen.theta[seen.rows("fixed")].astype(float), summary9.scale).mean()
    assert report["headline"]["energy_score"]["right"] == f"lower is better; the prior {of_prior:.4f}"
    entropy = report["headline"]["neg_log_posterior"]["value"]
    right = f"lower is better; the prior has {entropy:.3f}; per 1e10 Msun, 1e11 Msun, dex"
    assert report["headline"]["neg_log_posterior"]["right"] == right


def test_the_headline_and_groups_of_shift(shift):
    statistic = np.arange(float(len(shift.observations)))
    report = shift.score(prior_samples(shift), statistic=statistic)
    pooled = {f"hits_{level}_{of}": 3 for of in ("test", "shifted") for level in (68, 95)}
    digits = {name: entry.digits for name, entry in report.headline.entries.items()}
    assert digits == HEADLINE | pooled | {"auroc_volume": 3, "auroc_statistic": 3}
    groups = [section for section in report.sections if section.name in shift.observations.groups]
    assert len(groups) == 1 + len(shift.cases) + len(shift.rungs)
    for section in groups:
        of_section = {name: entry.digits for name, entry in section.entries.items()}
        hits = 0 if section.name in shift.cases.names else 2
        aurocs = dict.fromkeys(("auroc_volume", "auroc_statistic"), 3 if section.name == "test" else 2)
        assert of_section == {"contraction": 2, "z": 1, "hits_68": hits, "hits_95": hits} | aurocs
    for level in (0.68, 0.95):
        error = report["headline"][f"hits_{100 * level:.0f}_test"]["error"]["m_lmc"]
        assert error == pytest.approx(np.sqrt(level * (1 - level) / 500))
        error = report["headline"][f"hits_{100 * level:.0f}_shifted"]["error"]["m_lmc"]
        assert error == pytest.approx(np.sqrt(level * (1 - level) / 100))


@pytest.mark.parametrize(("value", "expected"), [(0.5, 0.5), (1.0, 0.75), (-1.0, 0.0), (2.0, 1.0), (0.0, 0.25)])
def test_a_single_case_counts_ties_as_halves(shift, value, expected):
    """Of the 500 rows half have the statistic 0 and half 1."""
    seen = shift.observations
    statistic = np.full(len(seen), value)
    statistic[seen.rows("test")] = np.arange(500) % 2
    found = shift._auroc(statistic, shift.cases.names[0])
    assert found.value == pytest.approx(expected) and found.error is None
    assert np.isnan(shift._auroc(statistic, "test").value)


def test_placements_are_means_over_the_other_kind():
    shifted, nominal = np.array([3.0, 1.0, 2.0]), np.array([2.0, 0.0])
    above, below = compute_placements(shifted, nominal)
    assert above == pytest.approx([1.0, 0.5, 0.75]) and below == pytest.approx([0.5, 1.0])


def test_minimum_numbers():
    assert scoring.paired_difference([1.0, 2.0], [0.0, 0.5], n_bootstrap=2).n == 2
    one = scoring.negative_log_posterior([1.0], [0.5])
    assert np.isnan(one.error) and np.isnan(one.gain_error) and (one.gain, one.mean) == (0.5, -1.0)
    two = scoring.negative_log_posterior([1.0, 2.0], [0.5, 0.5])
    assert (two.error, two.gain_error) == pytest.approx((0.5, 0.5)) and two.n == 2
    assert scoring.highest_density_coverage([[0.3]], [0.1]).fractions.shape == (1,)
    for empty in (np.zeros((0, 3)), np.zeros((3, 0))):
        with pytest.raises(ValueError, match=r"shape of log_prob_samples"):
            scoring.highest_density_coverage(empty, np.zeros(len(empty)))
    assert scoring.coverage_band([0.0, 1.0], [0.0, 1.0])[1][1] == 1.0
    assert scoring.log_volume(np.eye(3)[None, :, :2], [1, 1]).shape == (1,)
    scoring.energy_score(np.zeros((1, 2, 1)), [[0.0]], [1.0])
