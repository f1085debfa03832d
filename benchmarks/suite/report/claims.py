"""Claims of the paper that this run contradicts, with the numbers of this run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import page
from benchmarks.common.features import LABELS, THETA
from benchmarks.paper.evaluate import with_unit
from benchmarks.paper.predictive import Prediction
from benchmarks.suite.report.folder import SuiteRun
from benchmarks.suite.report.posteriors import PAPER, TASK, CasePosterior, z_text
from benchmarks.suite.report.tables import CONTROL
from benchmarks.suite.report.values import average, p_text, plain, three
from mwlmc_data import get_task, scoring
from mwlmc_data.scoring.tasks.summary import FIXED
from mwlmc_data.validation import Case

REJECTED = 0.05
#: How the draws are spoilt, to see which test notices.
SPOILT = ("as drawn", "width × 0.7", "width × 1.3", "shifted by 0.6 σ")
_BINS_OF_1000 = 100


@dataclass(frozen=True)
class TestedDraws:
    """The tests of one set of draws.

    Attributes
    ----------
    name : str
        What was done to them.
    paper_p, valid_p : float
        KS p-values of TARP, as the paper computes them and from the coverage fractions themselves.
    rank_p : float
        Smallest of the three p-values of the ranks.
    area : float
        Area to the curve as the paper defines it, with the width of its bins.
    summed : float
        Sum of the same offsets without the width.
    """

    name: str
    paper_p: float
    valid_p: float
    rank_p: float
    area: float
    summed: float


def spoil_and_test(samples: NDArray, truth: NDArray) -> list[TestedDraws]:
    """Test draws as they are and spoilt on purpose.

    Parameters
    ----------
    samples : ndarray, shape (n, m, 3)
        Draws.
    truth : ndarray, shape (n, 3)
        Truths.

    Returns
    -------
    list of TestedDraws
        In the order of `SPOILT`.
    """
    mean, std = samples.mean(axis=1, keepdims=True), samples.std(axis=1, ddof=1, keepdims=True)
    sets = (samples, mean + 0.7 * (samples - mean), mean + 1.3 * (samples - mean), samples + 0.6 * std)
    found = []
    for name, draws in zip(SPOILT, sets, strict=True):
        paper, valid = scoring.tarp(draws, truth, mode="paper"), scoring.tarp(draws, truth)
        ranks = float(scoring.rank_calibration(draws, truth).ks_pvalue.min())
        width = paper.credibility[1] - paper.credibility[0]
        found.append(TestedDraws(name, paper.ks_pvalue, valid.ks_pvalue, ranks, paper.area, paper.area / float(width)))
    return found


def tarp_claim(run: SuiteRun) -> str:
    """Write on the p-value of 1.0 and the area of 0.27, with this run's draws."""
    found = run.results.get(TASK, {})
    name = PAPER if PAPER in found else run.find_best(TASK)
    if name is None:
        return page.paragraph(f"This run has no entry in {TASK} to test.")
    samples = run.arrays(TASK, name, found[name][0].seed).get("samples")
    if samples is None:
        return page.paragraph(f"The draws of {name} were not stored, so nothing can be tested.")
    observations = get_task(TASK).observations
    rows = observations.rows(FIXED)
    results = spoil_and_test(samples[rows].astype(np.float64), observations.theta[rows].astype(np.float64))
    own, narrow, wide, shifted = results
    whose = "the paper's MAF" if name == PAPER else f"{name} (the paper's MAF is not in this run)"
    text = (
        f"The paper takes a Kolmogorov-Smirnov p of 1.0 as proof of calibration. That number compares two gridded "
        f"curves as if their points were data. Computed in the same way for {whose} of this run it is "
        f"{p_text(own.paper_p)}; it is {p_text(narrow.paper_p)} if the same posteriors are made 30% too narrow, "
        f"{p_text(wide.paper_p)} if they are made 30% too wide and {p_text(shifted.paper_p)} if they are shifted "
        f"by 0.6 of their widths. The valid test of the same coverage fractions gives {p_text(own.valid_p)}, "
        f"{p_text(narrow.valid_p)}, {p_text(wide.valid_p)} and {p_text(shifted.valid_p)}; below {REJECTED} a test "
        "rejects. TARP is nearly blind to a bias in either form; the ranks see it."
    )
    header = ("draws", "TARP p, as the paper", "TARP p, valid", "smallest rank p", "area", "offsets summed")
    cells = [
        (t.name, p_text(t.paper_p), p_text(t.valid_p), p_text(t.rank_p), f"{t.area:+.4f}", f"{t.summed:+.2f}")
        for t in results
    ]
    area = (
        "The paper's area to the curve, 0.27, cannot be an area: between credibility one half and one, with coverage "
        f"at most 1, it is at most 0.125. Here it is {own.area:+.4f}. Earlier versions of sbi summed the offsets of "
        f"the curve over its {_BINS_OF_1000} bins (for 1,000 rows) without their width: {own.summed:+.2f} for these "
        "draws."
    )
    return page.paragraph(text) + page.table(header, cells, kind="dense") + page.paragraph(area)


def control_claim(run: SuiteRun) -> str:
    """Write on what is inferred without the reflex motion."""
    found = run.results.get(CONTROL, {})
    if not found:
        return page.paragraph(f"This run has no entry in {CONTROL}.")
    gains = {name: average(results, "headline", "gain_over_prior") for name, results in found.items()}
    above = [name for name, gain in gains.items() if gain.is_known and gain.mean > 2.0 * gain.error > 0]
    rows = []
    for name, results in found.items():
        nats = average(results, "headline", "gain_over_prior_nats")
        rows.append((name, gains[name].text(4), nats.text(3), three(results, "headline", "contraction")))
    text = (
        "The paper reads its posteriors from the LMC's position and velocity alone as information in the LMC's orbit. "
        "In the training set the LMC's present day is drawn independently of the masses and of friction, so without "
        "the reflex motion the exact posterior is the prior. "
    )
    if above:
        text += (
            f"Better than the prior by more than two errors: {', '.join(above)}. As there is nothing to learn, that is "
            "chance or a fault of the control, not information."
        )
    else:
        text += f"None of the {len(found)} entries here gains over the prior by more than two errors."
    text += " A gain below zero, or a contraction other than zero, is what a method makes of noise."
    header = ("baseline", "gain over the prior", "gain [nats]", "contraction")
    swatches = [run.styles[name][0] for name in found]
    return page.paragraph(text) + page.table(header, rows, swatches=swatches, kind="dense")


def cases_claim(
    run: SuiteRun,
    cases: Mapping[str, Case],
    posteriors: Mapping[str, list[CasePosterior]],
    at_truth: Mapping[str, Mapping[str, Prediction]],
) -> str:
    """Write on the truths of the cases in the posteriors of the paper's estimator and of the reference."""
    items, best = [], run.find_best(TASK)
    for name, case in cases.items():
        stated = [p for p in posteriors.get(name, []) if p.is_reference or p.name == PAPER]
        stated = stated or [p for p in posteriors.get(name, []) if p.name == best]
        for j, parameter in enumerate(THETA):
            if parameter in case.truth and stated:
                items.append(_case_sentence(case, j, stated))
        if (predicted := at_truth.get(name)) is not None and case.extrapolates:
            items.append(_truth_sentence(name, predicted))
    note = (
        "In two of the cases the LMC lies outside the prior of the training set: a trained network extrapolates there, "
        "and its interval is not an answer of the rigid model. The reference uses simulations at the case's own LMC: "
        "where it is certified and misses a truth, the rigid model misses it. All of them take the cases as stars "
        "beyond 50 kpc, as the paper says; what the motion of gc19-fiducial gives as that of stars at 50 to 100 kpc, "
        "which it is by our reading, is in the report of the paper's estimator."
    )
    return page.paragraph(note) + page.bullets(items)


def _case_sentence(case: Case, j: int, stated: list[CasePosterior]) -> str:
    parts = []
    for posterior in stated:
        s = posterior.summarise(case, j)
        inside = "inside" if s.inside68 else "inside only 95%" if s.inside95 else "outside 95%"
        parts.append(f"{posterior.label} {s.p16:.2f} to {s.p84:.2f}, {inside} (z {z_text(s.z)})")
    said = case.paper.get(THETA[j])
    paper = f" The paper: {said}." if isinstance(said, str) else ""
    truth = stated[0].summarise(case, j).truth
    return f"{case.name}, {LABELS[j]} = {with_unit(float(truth or 0.0), j)}: {'; '.join(parts)}.{paper}"


def _truth_sentence(name: str, predicted: Mapping[str, Prediction]) -> str:
    parts = []
    for datum, p in predicted.items():
        unit = " km/s" if datum == "v_travel" else "°"
        parts.append(
            f"{datum} {plain(p.percentiles[1], 1)} to {plain(p.percentiles[3], 1)}{unit}, observed "
            f"{plain(p.observed, 1)} (p = {p.tail:.2f})"
        )
    return f"{name}: at its quoted parameters the rigid simulator gives {'; '.join(parts)} (16 to 84%)."
