"""The tables that terminal and page share, and the plain text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import NDArray

from benchmarks.common.features import LABELS, UNITS
from benchmarks.paper import shells
from benchmarks.paper.evaluate import CaseResult, Evaluation, quote_interval
from benchmarks.paper.friction import FrictionFit
from benchmarks.paper.outcome import Outcome
from benchmarks.paper.predictive import Prediction
from benchmarks.paper.text import align_columns, wrap
from mwlmc_data.inference.shells import TRAINED_SHELLS

#: Beyond this many sigmas of the prior a datum counts as outside it.
OUTSIDE = 3.0


def score_rows(evaluations: Sequence[Evaluation]) -> list[tuple[str, ...]]:
    """Make a row for each score: its name, the value of each estimator, and the right answer."""
    columns = [_score_column(e) for e in evaluations]
    return [(name, *(c[name][0] for c in columns), columns[0][name][1]) for name in columns[0]]


def _score_column(e: Evaluation) -> dict[str, tuple[str, str]]:
    """Return value and right answer of each score, for one estimator."""
    score = e.log_score
    rows = {
        "−log posterior of truth [nats]": (
            _with_error(score.mean, score.error),
            f"prior {score.baseline:.3f}",
        ),
        "gain over the prior [nats]": (_with_error(score.gain, score.gain_error), "higher is better"),
        "TARP area, as the paper": (f"{e.tarp_paper.area:+.4f}", "0; blind to bias"),
        "the same, summed over 100 bins": (f"{100 * e.tarp_paper.area:+.2f}", "0; paper 0.27"),
        "TARP KS p, as the paper": (_p(e.tarp_paper.ks_pvalue), "1; paper 1.0; blind to width"),
        "TARP area": (f"{e.tarp_valid.area:+.4f}", "0"),
        "TARP KS p, one-sample": (_p(e.tarp_valid.ks_pvalue), "above 0.05"),
        "rank KS p": (" / ".join(map(_p, e.ranks.ks_pvalue)), "above 0.05"),
        "rank χ² p": (" / ".join(map(_p, e.ranks.chi2_pvalue)), "above 0.05"),
    }
    for level, (fraction, error) in e.coverage.items():
        rows[f"coverage of {level}% intervals"] = (_three(fraction, ".3f"), f"0.{level} ± {error[0]:.3f}")
    outside = 100 * (1 - e.acceptance)
    return rows | {
        "contraction": (_three(e.contraction, ".2f"), "0: as the prior"),
        "mass outside the prior, mean": (f"{outside.mean():.2f}%", "0"),
        "mass outside the prior, largest": (f"{outside.max():.1f}%", "0"),
        "rows without complete draws": (str(e.n_incomplete), "0"),
    }


def _with_error(value: float, error: float) -> str:
    return f"{value:.3f} ± {error:.3f}"


def _p(value: float) -> str:
    return "<.001" if value < 0.001 else f"{value:.3f}"


def _three(values: NDArray, form: str) -> str:
    """Format one number for each parameter."""
    return " / ".join(format(float(v), form) for v in values)


def case_rows(results: Sequence[CaseResult]) -> list[tuple[str, ...]]:
    """Make the rows of a case: parameter, truth, 16/50/84 and z of each estimator, and the paper's interval."""
    case = results[0].case
    rows = []
    for j, name in enumerate(results[0].summaries or results[-1].summaries):
        cells: list[str] = []
        truth = "–"
        for result in results:
            s = result.summaries.get(name)
            cells += ["none", "–"] if s is None else [_interval((s.p16, s.p50, s.p84)), _z(s.z)]
            truth = truth if s is None or s.truth is None else f"{s.truth:.2f}"
        quoted, text = quote_interval(case, name), (case.paper or {}).get(name)
        paper = _interval(quoted) if quoted is not None else text if isinstance(text, str) else "–"
        rows.append((f"{LABELS[j]} [{UNITS[j]}]", truth, *cells, paper))
    return rows


def _interval(values: tuple[float, float, float]) -> str:
    return "/".join(f"{v:.2f}" for v in values)


def _z(value: float | None) -> str:
    return "–" if value is None else f"{round(value, 1) + 0.0:+.1f}"


def support_line(result: CaseResult) -> str:
    """State whether the case lies inside the prior of the LMC's position and velocity."""
    outside = {k: v for k, v in result.case.in_support.items() if abs(v) > OUTSIDE}
    worst = ", ".join(f"{k} {v:+.1f}σ" for k, v in sorted(outside.items(), key=lambda item: -abs(item[1])))
    if result.case.extrapolates:
        where = f"outside the prior ({worst}): " if worst else ""
        return f"{where}the estimator extrapolates"
    return "inside the prior"


def collect_misses(outcome: Outcome) -> list[str]:
    """List what is missed, in sentences: parameters not calibrated, and truths of cases outside the intervals.

    A case is judged in its own shell of stars: the paper's estimator knows stars beyond 50 kpc alone, so that another
    shell is that of the embedded network for it.
    """
    entry = outcome.main
    sentences = [f"test split: {text}" for text in entry.evaluation.list_misses()]
    for name, result in entry.cases.items():
        in_shells = outcome.shells.get(name, [])
        is_judged_here = (result.case.r_min, result.case.r_max) == TRAINED_SHELLS[0] or not in_shells
        misses = result.list_misses() if is_judged_here else shells.list_misses(in_shells)
        sentences += [f"{name}: {text}" for text in misses]
    return sentences


def friction_text(fit: FrictionFit) -> str:
    """Describe best value and misfit of a fit of friction in a phrase."""
    if fit.at_edge:
        return f"none; the misfit is smallest at the edge, log10 λ = {fit.best:.1f}, rms {fit.rms_best:.1f} kpc"
    error = "" if fit.error != fit.error else f" ± {fit.error:.2f}"
    return f"log10 λ = {fit.best:.2f}{error}, rms {fit.rms_best:.1f} kpc"


def format_summary(outcome: Outcome) -> str:
    """Format everything as plain text, with lines of at most `text.WIDTH` characters."""
    rows, entries = outcome.rows, outcome.entries
    main = outcome.main.estimator
    lines = [
        "",
        f"{main.title}, {main.n_parameters:,} weights; set {outcome.config}, seed {outcome.seed}",
        f"{rows['train']:,} train, {rows['validation']:,} validation, {rows['test']:,} test; "
        f"“bounded” is the same flow on normal scores of the parameters",
        "",
        *align_columns(
            [("score", *entries, "right"), *score_rows([e.evaluation for e in entries.values()])],
            (31, *(23 for _ in entries), 18),
        ),
        *wrap(f"three numbers: {', '.join(LABELS)}; density per 1e10 Msun x 1e11 Msun x dex"),
    ]
    for name, result in outcome.main.cases.items():
        lines += ["", *wrap(f"{name}: {support_line(result)}")]
        header = (
            "parameter",
            "truth",
            *(c for e in entries for c in (f"{e} 16/50/84", "z")),
            "quoted 16/50/84",
        )
        table = [header, *case_rows([entry.cases[name] for entry in entries.values()])]
        lines += align_columns(table, (16, 5, *(w for _ in entries for w in (18, 5)), 24))
    for name, results in outcome.shells.items():
        lines += ["", *wrap(shells.describe(outcome.main.cases[name].case, results))]
        if results:
            lines += shells.format_rows(results)
    if outcome.predictions:
        lines += ["", "posterior predictive check, two-sided tail probability of the observation:"]
        lines += [f"  {name:<16} {_tails(p)}" for name, p in outcome.predictions.items()]
    if outcome.friction:
        lines += ["", "friction that fits the published GC19 orbit:"]
        lines += [f"  {name} Milky Way: {friction_text(fit)}" for name, fit in outcome.friction.items()]
    misses = collect_misses(outcome)
    lines += ["", "what is missed:" if misses else "nothing is missed: every truth lies in its 68% interval"]
    for text in misses:
        lines += wrap(f"- {text}", indent="  ")
    return "\n".join(lines) + "\n"


def _tails(predictions: dict[str, Prediction]) -> str:
    return ", ".join(f"{datum} {p.tail:.2f}" for datum, p in predictions.items())
