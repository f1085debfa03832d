"""What is said about a case follows from its numbers."""

import numpy as np
import pytest

from benchmarks.paper import summary, text
from benchmarks.paper.evaluate import CaseResult, Evaluation, quote_interval
from mwlmc_data import scoring
from tests.helpers.synthetic_cases import SyntheticCase


def result(truth, paper=None, mean=(18.0, 13.0, 0.0), extrapolates=False):
    """A case whose posterior is a unit Gaussian around `mean` in scaled units."""
    draws = np.array(mean) + np.random.default_rng(0).standard_normal((20_000, 3))
    names = ("m_lmc", "m200_mw", "log10_lambda_df")
    scale = dict(zip(names, (1e10, 1e11, 1.0), strict=True))
    case = SyntheticCase("c", "rigid", {}, {k: v * scale[k] for k, v in truth.items()}, extrapolates=extrapolates)
    case.paper = {k: tuple(x * scale[k] for x in v) for k, v in (paper or {}).items()}
    summaries = {name: scoring.summarise_posterior(draws[:, j], truth.get(name)) for j, name in enumerate(names)}
    return CaseResult(case, draws, 0.9, summaries)


def test_truths_inside_are_not_called_missed():
    assert result({"m_lmc": 18.3, "m200_mw": 12.5, "log10_lambda_df": 0.1}).list_misses() == []
    assert result({}).list_misses() == []


def test_a_miss_names_the_interval_the_z_and_what_the_paper_does():
    missed = result({"m_lmc": 19.5}, paper={"m_lmc": (18.0, 19.0, 20.0)}).list_misses()
    assert len(missed) == 1
    assert (
        "outside our 68%" in missed[0] and "z = +1.5" in missed[0] and "paper's 68% interval recovers it" in missed[0]
    )
    far = result({"m200_mw": 9.0}, paper={"m200_mw": (10.0, 11.0, 12.0)}).list_misses()[0]
    assert "outside our 95%" in far and "z = -4.0" in far and "misses it (10 to 12)" in far
    assert "quotes no number" in result({"m200_mw": 9.0}).list_misses()[0]
    said = result({"m200_mw": 9.0})
    said.case.paper = {"m200_mw": "about right"}
    miss = said.list_misses()[0]
    assert miss.startswith("M200 = 9 × 10¹¹ M☉") and miss.endswith("the paper: about right.")


def test_no_posterior_is_said_with_its_mass():
    empty = CaseResult(SyntheticCase("c", "rigid", {}, {"m_lmc": 18e10}), np.empty((0, 3)), 1e-5, {})
    assert empty.list_misses() == ["no posterior: only 0.001% of the estimator's mass lies inside the prior's support."]


def test_quoted_text_is_no_interval():
    case = SyntheticCase("c", "rigid", {}, {}, paper={"m_lmc": "about right", "m200_mw": (8e11, 9e11, 1e12)})
    assert quote_interval(case, "m_lmc") is None and quote_interval(case, "log10_lambda_df") is None
    assert quote_interval(case, "m200_mw") == pytest.approx((8.0, 9.0, 10.0))


def test_extrapolation_is_labelled_with_its_sigmas():
    outside = result({}, extrapolates=True)
    outside.case.in_support = {"x_lmc": 0.2, "vz_lmc": -17.0, "ra_lmc": 4.0}
    assert (
        summary.support_line(outside) == "outside the prior (vz_lmc -17.0σ, ra_lmc +4.0σ): the estimator extrapolates"
    )
    assert summary.support_line(result({})) == "inside the prior"


def evaluation(width):
    """Scores of a Gaussian toy whose posterior of the first parameter has a wrong width."""
    rng = np.random.default_rng(3)
    truth = rng.standard_normal((640, 3))
    centre = truth + rng.standard_normal((640, 3))
    samples = centre[:, None] + np.array([width, 1, 1]) * rng.standard_normal((640, 200, 3))
    log_prob = np.zeros(640)
    return Evaluation(
        n_test=640,
        n_draws=200,
        n_incomplete=0,
        log_score=scoring.negative_log_posterior(log_prob, log_prob - 1),
        tarp_valid=scoring.tarp(samples, truth),
        tarp_paper=scoring.tarp(samples, truth, mode="paper"),
        ranks=scoring.rank_calibration(samples, truth),
        coverage={level: scoring.interval_coverage(samples, truth, float(level) / 100) for level in ("68", "95")},
        contraction=np.zeros(3),
        acceptance=np.ones(640),
    )


@pytest.mark.parametrize("width, verdict", [(0.7, "too narrow"), (1.5, "too wide")])
def test_a_wrong_width_is_reported_for_the_right_parameter(width, verdict):
    found = evaluation(width).list_misses()
    assert len(found) == 1 and f"posterior of M_LMC is {verdict}" in found[0]


def test_a_calibrated_posterior_is_not_complained_about():
    assert evaluation(1.0).list_misses() == []


def test_scores_have_one_column_per_estimator():
    rows = summary.score_rows([evaluation(1.0), evaluation(0.7)])
    assert {len(row) for row in rows} == {4}
    gain = next(row for row in rows if row[0].startswith("gain"))
    assert gain == ("gain over the prior [nats]", "1.000 ± 0.000", "1.000 ± 0.000", "higher is better")


def test_cases_have_a_pair_of_columns_per_estimator():
    one, two = (
        result({"m_lmc": 18.0}, {"m_lmc": (17.0, 18.0, 19.0)}),
        result({"m_lmc": 18.0}, mean=(16.0, 13.0, 0.0)),
    )
    row = summary.case_rows([one, two])[0]
    assert row[0].startswith("M_LMC") and row[1] == "18.00" and row[3] == "+0.0" and row[5] == "+2.0"
    assert row[6] == "17.00/18.00/19.00"


def test_terminal_columns_are_aligned_and_cut():
    lines = text.align_columns([("a", "b"), ("long text here", "1.0")], (6, 5))
    assert lines == ["a      b", "-" * 12, "long … 1.0"]
