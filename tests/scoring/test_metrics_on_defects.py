"""Every metric sees the defects it claims to see, and passes the exact posterior at its nominal rate.

The problem is conjugate, so that the exact posterior and every defect are formulae. `TABLE` is the claim: it says of
each metric and each defect whether 2,000 observations show it, and, where that is a theorem, that no number does.
"""

import inspect
import re
from collections import Counter
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mwlmc_data import scoring
from tests.helpers.conjugate_gaussian import DEFECTS, PRIOR_STD, conjugate, posterior_covariance

SEES, WEAK, BLIND = "sees", "weak", "blind"
LEVEL = 0.05
#: Observations with a reference posterior, as in the task.
REFERENCED = 100


def two_sided(z):
    return 2.0 * stats.norm.sf(np.abs(z))


def any_of(pvalues):
    """p-value that one of several tests is as bad as the worst (Bonferroni)."""
    pvalues = np.atleast_1d(pvalues)
    return min(1.0, pvalues.min() * pvalues.size)


def positive(values):
    """p-value of a mean not above zero."""
    return stats.ttest_1samp(values, 0.0, alternative="greater").pvalue


def referenced(problem):
    return problem.samples[:REFERENCED], problem.reference[:REFERENCED]


@cache
def rank_band(n):
    return scoring.ecdf_band(n, 1.0 - LEVEL)


def rank_ecdf(problem, seed):
    fractions = scoring.rank_fractions(problem.samples, problem.truth, seed)[:, 0]
    points, low, high = rank_band(len(fractions))
    curve = np.searchsorted(np.sort(fractions), points, side="right") / len(fractions)
    return float(((curve >= low) & (curve <= high)).all())


@cache
def curve_band(n):
    credibility = np.linspace(0.0, 1.0, max(2, n // 10) + 1)
    return scoring.tarp_band(n, credibility, 1.0 - LEVEL)


def tarp_in_band(problem, seed):
    low, high = curve_band(len(problem.truth))
    coverage = scoring.tarp(problem.samples, problem.truth, seed=seed).coverage
    return float(((coverage >= low) & (coverage <= high)).all())


def interval(level):
    def pvalue(problem, _seed):
        fraction, error = scoring.interval_coverage(problem.samples, problem.truth, level)
        return any_of(two_sided((fraction - level) / error))

    return pvalue


def hits(problem, _seed):
    found = scoring.hits(problem.samples, problem.truth, 0.68)
    return float(found.low[0] <= 0.68 <= found.high[0])


@lru_cache(maxsize=3)
def coverage(problem, seed, regions):
    if regions == "densities":
        return scoring.highest_density_coverage(problem.log_prob_samples, problem.log_prob_truth, seed=seed)
    return scoring.region_coverage(problem.samples, problem.truth, regions, seed=seed)


def region_ks(regions):
    return lambda problem, seed: coverage(problem, seed, regions).ks_pvalue


def region_area(regions):
    def pvalue(problem, seed):
        found = coverage(problem, seed, regions)
        return two_sided(found.area / found.area_error)

    return pvalue


def tarp_area(problem, seed):
    result = scoring.tarp(problem.samples, problem.truth, seed=seed)
    return two_sided(result.area / result.area_error)


def energy_gap(problem, seed):
    own, best = (scoring.energy_score(s, problem.truth, PRIOR_STD) for s in (problem.samples, problem.reference))
    gap = scoring.paired_difference(own, best, seed, 200)
    return stats.norm.sf(gap.mean / gap.error)


def log_gap(problem, seed):
    gap = scoring.paired_difference(-problem.log_prob_truth, -problem.exact_log_prob_truth, seed, 200)
    return stats.norm.sf(gap.mean / gap.error)


def mean_error(problem, _seed):
    own, exact = referenced(problem)
    scatter = np.sqrt((1 / own.shape[1] + 1 / exact.shape[1]) / len(own))
    return any_of(two_sided(scoring.mean_error(own, exact).mean(axis=0) / scatter))


def variance_ratio(problem, _seed):
    own, exact = referenced(problem)
    scatter = np.sqrt((2 / own.shape[1] + 2 / exact.shape[1]) / len(own))
    return any_of(two_sided(np.log(scoring.variance_ratio(own, exact)).mean(axis=0) / scatter))


def z_mean(problem, _seed):
    return any_of(
        two_sided(scoring.z_of_truth(problem.samples, problem.truth).mean(axis=0) * np.sqrt(len(problem.truth)))
    )


def z_square(problem, _seed):
    n, m, _ = problem.samples.shape
    square = np.square(scoring.z_of_truth(problem.samples, problem.truth)).mean(axis=0)
    return any_of(two_sided((square - (1 + 1 / m) * (m - 1) / (m - 3)) / np.sqrt(2 / n)))


def volume(problem, _seed):
    """The log volume against the exact one; that of few draws is too small by slightly more than d (d + 1) / 4 m."""
    exact = 0.5 * np.linalg.slogdet(posterior_covariance()[0] / np.outer(PRIOR_STD, PRIOR_STD))[1]
    m, d = problem.samples.shape[1:]
    few = 0.5 * sum(stats.loggamma((m - 1 - i) / 2).mean() - np.log((m - 1) / 2) for i in range(d))
    found = scoring.log_volume(problem.samples[:REFERENCED], PRIOR_STD) - few
    return stats.ttest_1samp(found, exact).pvalue


METRICS = {
    "tarp KS": lambda p, seed: scoring.tarp(p.samples, p.truth, seed=seed).ks_pvalue,
    "tarp area": tarp_area,
    "tarp band": tarp_in_band,
    "rank KS": lambda p, seed: any_of(scoring.rank_calibration(p.samples, p.truth, seed=seed).ks_pvalue),
    "rank chi2": lambda p, seed: any_of(scoring.rank_calibration(p.samples, p.truth, seed=seed).chi2_pvalue),
    "rank band": rank_ecdf,
    "interval 68": interval(0.68),
    "interval 95": interval(0.95),
    "hits": hits,
    "highest density KS": region_ks("densities"),
    "highest density area": region_area("densities"),
    "ellipsoids KS": region_ks("ellipsoid"),
    "ellipsoids area": region_area("ellipsoid"),
    "neighbours KS": region_ks("neighbours"),
    "neighbours area": region_area("neighbours"),
    "log score gap": log_gap,
    "energy score gap": energy_gap,
    "energy distance": lambda p, _: positive(scoring.energy_distance(*referenced(p), PRIOR_STD)),
    "mmd": lambda p, _: positive(scoring.mmd(*referenced(p))),
    "mean error": mean_error,
    "variance ratio": variance_ratio,
    "z mean": z_mean,
    "z square": z_square,
    "log volume": volume,
}

#: Columns as in `conjugate.DEFECTS`. "weak" is seen by chance or with many more observations: not to be relied on. The
#: mean of wide draws scatters more, which `mean error` counts; the z of a truth is in units of a width that is wrong.
#                         narrow  wide   biased  uncorrelated
TABLE = {
    "tarp KS":            (SEES,  SEES,  WEAK,   WEAK),
    "tarp area":          (SEES,  SEES,  WEAK,   WEAK),
    "tarp band":          (SEES,  SEES,  WEAK,   WEAK),
    "rank KS":            (SEES,  SEES,  SEES,   BLIND),
    "rank chi2":          (SEES,  SEES,  SEES,   BLIND),
    "rank band":          (SEES,  SEES,  SEES,   BLIND),
    "interval 68":        (SEES,  SEES,  SEES,   BLIND),
    "interval 95":        (SEES,  SEES,  WEAK,   BLIND),
    "hits":               (SEES,  SEES,  WEAK,   BLIND),
    "highest density KS": (SEES,  SEES,  SEES,   SEES),
    "highest density area": (SEES, SEES, SEES,   SEES),
    "ellipsoids KS":      (SEES,  SEES,  SEES,   SEES),
    "ellipsoids area":    (SEES,  SEES,  SEES,   SEES),
    "neighbours KS":      (SEES,  SEES,  SEES,   SEES),
    "neighbours area":    (SEES,  SEES,  SEES,   SEES),
    "log score gap":      (SEES,  SEES,  SEES,   SEES),
    "energy score gap":   (WEAK,  SEES,  SEES,   SEES),
    "energy distance":    (SEES,  SEES,  SEES,   SEES),
    "mmd":                (SEES,  SEES,  SEES,   SEES),
    "mean error":         (BLIND, WEAK,  SEES,   BLIND),
    "variance ratio":     (SEES,  SEES,  BLIND,  BLIND),
    "z mean":             (WEAK,  WEAK,  SEES,   BLIND),
    "z square":           (SEES,  SEES,  SEES,   BLIND),
    "log volume":         (SEES,  SEES,  BLIND,  SEES),
}  # fmt: skip

# The gap of the exact density to itself is zero, and so is its error: it has a test of its own.
RATED = [name for name in METRICS if name != "log score gap"]
CELLS = [(m, d, said) for m, row in TABLE.items() for d, said in zip(list(DEFECTS)[1:], row, strict=True)]
SEEDS = range(4)
MANY, FEW, TRIALS = 2000, 120, 200


def large(defect, seed):
    return conjugate(MANY, 100, seed, k=100, **DEFECTS[defect])


def small(defect):
    for seed in range(TRIALS):
        yield seed, conjugate(FEW, 50, 1000 + seed, k=50, **DEFECTS[defect])


def claimed(defect, *marks):
    """The metrics for which the table makes this claim."""
    return [metric for metric, name, said in CELLS if name == defect and said in marks]


@cache
def sightings(defect):
    """In how many of the large sets each metric sees the defect at 5%."""
    found = Counter()
    for seed in SEEDS:
        problem = large(defect, seed)
        found.update(m for m in claimed(defect, SEES, WEAK) if METRICS[m](problem, seed) < LEVEL)
    return found


@cache
def rejections(defect):
    """How many of the small sets each metric rejects at 5%: all metrics for the exact posterior, else the blind."""
    found = Counter()
    for seed, problem in small(defect):
        metrics = RATED if defect == "exact" else claimed(defect, BLIND)
        found.update(m for m in metrics if METRICS[m](problem, seed) < LEVEL)
    return found


NOMINAL = stats.binom.ppf([0.001, 0.999], TRIALS, LEVEL)


#: Public functions that judge no posterior by themselves: the test that holds what each claims.
ELSEWHERE = {
    "binomial_interval": "test_binomial_intervals_hold_the_true_fraction_at_least_at_their_level",
    "circular_mean": "test_angles_are_circular",
    "circular_percentiles": "test_angles_are_circular",
    "contraction": "test_contraction_is_that_of_the_conjugate_posterior",
    "coverage_band": "test_the_band_over_tests_holds_the_curve_of_a_posterior_that_is_off",
    "detection_auroc": "test_auroc_of_gaussians_with_its_error_and_interval",
    "draw_references": "test_paper_mode_equals_sbi",
    "negative_log_posterior": "test_log_score_of_the_exact_posterior_is_its_entropy",
    "predictive_tail": "test_predictive_tail_counts_both_sides_and_goes_round_the_circle",
    "summarise_posterior": "test_summary_of_a_posterior_beside_its_truth",
    "wrap_degrees": "test_angles_are_circular",
}


def test_the_table_covers_every_metric():
    assert set(TABLE) == set(METRICS)
    here = Path(__file__)
    rated = set(re.findall(r"scoring\.(\w+)\(", here.read_text().partition("TABLE = {")[0]))
    public = {name for name in scoring.__all__ if inspect.isfunction(getattr(scoring, name))}
    assert public - rated == set(ELSEWHERE)
    tests = "".join(path.read_text() for path in here.parent.glob("test_*.py"))
    assert [test for test in ELSEWHERE.values() if f"def {test}(" not in tests] == []


@pytest.mark.parametrize("metric", RATED)
def test_exact_posterior_is_rejected_at_the_nominal_rate(metric):
    low, high = NOMINAL
    # An exact binomial interval is wider than it need be.
    low = 0 if metric == "hits" else low
    assert low <= rejections("exact")[metric] <= high


def test_the_log_score_gap_of_the_exact_posterior_is_zero():
    exact = large("exact", 0)
    gap = scoring.paired_difference(-exact.log_prob_truth, -exact.exact_log_prob_truth)
    assert (gap.mean, gap.error) == pytest.approx((0.0, 0.0), abs=1e-12)


@pytest.mark.parametrize("metric, defect", [(m, d) for m, d, said in CELLS if said != BLIND])
def test_defects_are_seen_as_claimed(metric, defect):
    """What is "seen" is seen in three of four sets of 2,000 at least, what is "weak" in three of them at most."""
    seen = sightings(defect)[metric]
    assert seen >= 3 if metric in claimed(defect, SEES) else seen <= 3, f"{seen} of {len(SEEDS)}"


@pytest.mark.parametrize("metric, defect", [(m, d) for m, d, said in CELLS if said == BLIND])
def test_defects_are_not_seen_where_that_is_impossible(metric, defect):
    assert rejections(defect)[metric] <= NOMINAL[1]


@pytest.mark.parametrize("defect, sign", [("narrow", -1), ("wide", 1), ("biased", -1)])
def test_the_sign_of_coverage_says_conservative_or_overconfident(defect, sign):
    p = large(defect, 0)
    for regions in ("densities", "ellipsoid", "neighbours"):
        found = coverage(p, 0, regions)
        assert sign * found.area > 3 * found.area_error
        assert found.deviation == -found.area
        # The integral of the curve is the same number.
        integral = np.trapezoid(found.coverage - found.credibility, found.credibility)
        assert integral == pytest.approx(found.area, abs=1e-3)
    if defect != "biased":
        tarp = scoring.tarp(p.samples, p.truth)
        assert sign * tarp.area > tarp.area_error
        fraction, _ = scoring.interval_coverage(p.samples, p.truth, 0.68)
        assert (sign * (fraction - 0.68) > 0).all()
        assert (sign * np.log(scoring.variance_ratio(p.samples, p.reference).mean(axis=0)) > 0).all()


def test_bias_has_its_direction():
    p = large("biased", 0)
    # A posterior biased upwards leaves the truth at low ranks.
    ranks = scoring.rank_calibration(p.samples, p.truth)
    assert (ranks.histogram[:, 0] > 1.3 * ranks.expected).all()
    assert (ranks.histogram[:, -1] < 0.7 * ranks.expected).all()
    np.testing.assert_allclose(scoring.mean_error(p.samples, p.reference).mean(axis=0), 0.3, atol=0.02)
    np.testing.assert_allclose(scoring.z_of_truth(p.samples, p.truth).mean(axis=0), -0.3, atol=0.08)


@pytest.mark.parametrize("defect", [{"width": 0.7}, {"width": 1.3}, {"bias": 0.6}])
def test_the_papers_p_value_does_not_see_what_the_valid_one_sees(defect):
    """The known trap of mode "paper": gridded curves are compared as if they were samples."""
    problems = [conjugate(640, 300, seed, k=2, **defect) for seed in SEEDS]
    paper = [scoring.tarp(p.samples, p.truth, mode="paper", seed=s).ks_pvalue for s, p in enumerate(problems)]
    valid = [scoring.tarp(p.samples, p.truth, seed=s).ks_pvalue for s, p in enumerate(problems)]
    assert min(paper) > LEVEL
    assert np.median(valid) < 0.01


def test_the_papers_p_value_does_not_reject_the_exact_posterior_at_any_rate():
    """A p-value of 5% would be seen in 10 of 200 sets; this one is never."""
    pvalues = [scoring.tarp(p.samples, p.truth, mode="paper", seed=s).ks_pvalue for s, p in small("exact")]
    assert min(pvalues) > 0.5


def test_the_area_to_the_curve_is_blind_to_a_bias():
    """The docstring says so; if this fails, the docstring is wrong."""
    biased, wide = conjugate(2000, 300, 4, k=2, bias=0.5), conjugate(2000, 300, 4, k=2, width=1.5)
    area = scoring.tarp(biased.samples, biased.truth).area
    assert abs(area) < 0.25 * scoring.tarp(wide.samples, wide.truth).area


def test_a_posterior_that_equals_the_prior_passes_calibration_and_has_no_contraction():
    rng = np.random.default_rng(7)
    truth, samples = rng.normal(0, PRIOR_STD, (400, 3)), rng.normal(0, PRIOR_STD, (400, 400, 3))
    assert (scoring.rank_calibration(samples, truth).ks_pvalue > 1e-3).all()
    assert scoring.tarp(samples, truth).ks_pvalue > 1e-3
    assert scoring.region_coverage(samples, truth, "ellipsoid").ks_pvalue > 1e-3
    np.testing.assert_allclose(scoring.contraction(samples, PRIOR_STD**2), 0.0, atol=0.02)
    # It does not win: proper scores rank it behind the exact posterior.
    exact = large("exact", 0)
    own = scoring.energy_score(samples, exact.truth[:400], PRIOR_STD)
    best = scoring.energy_score(exact.reference[:400], exact.truth[:400], PRIOR_STD)
    assert scoring.paired_difference(own, best).low > 0
    score = scoring.negative_log_posterior(exact.log_prob_truth, exact.prior_log_prob_truth)
    assert score.gain > 10 * score.gain_error


def test_contraction_is_that_of_the_conjugate_posterior():
    exact = large("exact", 0)
    expected = 1.0 - np.diag(posterior_covariance()[0]) / PRIOR_STD**2
    np.testing.assert_allclose(scoring.contraction(exact.samples, PRIOR_STD**2), expected, atol=0.01)
