"""Tables of a task: scores, calibration and cost, a row for each baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.common import page
from benchmarks.suite.report.folder import Result, SuiteRun
from benchmarks.suite.report.values import MISSING, Value, average, count, median, p_text, plain, three, three_p
from mwlmc_data.scoring.report import NOT_POSSIBLE

#: Task in which nothing can be learnt, so that no entry is best.
CONTROL = "summary-6"
Cell = Callable[[Sequence[Result]], str]


@dataclass(frozen=True)
class Score:
    """A column whose lowest value is best; errors that would only fill the page stay in the result files."""

    title: str
    section: str
    metric: str
    digits: int
    with_error: bool = True

    def of(self, results: Sequence[Result]) -> Value:
        """Return the value of a baseline."""
        return average(results, self.section, self.metric)

    def text(self, found: Value) -> str:
        """Format the value for the table."""
        return found.text(self.digits) if self.with_error else plain(found.mean, self.digits)


SCORES = (
    Score("energy score", "headline", "energy_score", 4),
    Score("gap to reference", "headline", "gap_to_reference", 4),
    Score("energy distance", "reference", "energy_distance", 4),
    Score("−log p of truth [nats]", "headline", "neg_log_posterior", 3),
    Score("gap [nats]", "headline", "gap_to_reference_nats", 3),
    Score("C2ST", "classifier", "c2st", 3, with_error=False),
    Score("MMD", "reference", "mmd", 4, with_error=False),
)
_OF_CONTROL = {
    "gap_to_reference": Score("gain over prior", "headline", "gain_over_prior", 4),
    "gap_to_reference_nats": Score("gain [nats]", "headline", "gain_over_prior_nats", 3),
}


def task_tables(run: SuiteRun, task: str) -> str:
    """Make all tables of a task as HTML."""
    found = run.results[task]
    parts = [score_table(run, task), _calibration(run, found)]
    return _not_possible(found) + "".join(part for part in parts if part) + _cost(run, found)


def _not_possible(found: dict[str, list[Result]]) -> str:
    """List entries with impossible scores; empty if there are none."""
    stated = [
        f"{name} (seed {result.seed}): {sentence}"
        for name, results in found.items()
        for result in results
        for sentence in result.not_possible
    ]
    intro = page.paragraph(f"{NOT_POSSIBLE.capitalize()}; these entries do not compete for the best:")
    return page.box(intro + page.bullets(stated)) if stated else ""


def score_table(run: SuiteRun, task: str) -> str:
    """Make the table of proper scores and distances to the reference; the best is bold, except in the null control."""
    found = run.results[task]
    names = list(found)
    # the control's reference is the prior itself: its gaps are the gains with the opposite sign
    wanted = [_OF_CONTROL.get(score.metric, score) if task == CONTROL else score for score in SCORES]
    chosen = [score for score in wanted if any(score.of(found[name]).is_known for name in names)]
    columns = [[score.of(found[name]) for name in names] for score in chosen]
    rows = [
        (name, *(score.text(column[i]) for column, score in zip(columns, chosen, strict=True)))
        for i, name in enumerate(names)
    ]
    can_be = [not any(result.not_possible for result in found[name]) for name in names]
    best = set() if task == CONTROL else {(_find_best(column, can_be), k + 1) for k, column in enumerate(columns)}
    return _table(run, ("baseline", *(score.title for score in chosen)), rows, best)


def _find_best(column: Sequence[Value], can_be: Sequence[bool]) -> int:
    means = [v.mean if v.is_known and possible else np.inf for v, possible in zip(column, can_be, strict=True)]
    return int(np.argmin(means))


def _calibration(run: SuiteRun, found: dict[str, list[Result]]) -> str:
    columns: list[tuple[str, Cell]] = [
        ("contraction", lambda r: three(r, "headline", "contraction")),
        ("hits 68%", _hits),
        ("rank KS p", lambda r: three_p(r, "calibration", "rank_ks_pvalue")),
        ("TARP KS p", lambda r: p_text(median(r, "calibration", "tarp_ks_pvalue"))),
        ("region KS p", lambda r: p_text(median(r, "calibration", "region_ks_pvalue"))),
        ("hits 68%, shifted", lambda r: three(r, "headline", "hits_68_shifted")),
        ("hits 95%, shifted", lambda r: three(r, "headline", "hits_95_shifted")),
        ("AUROC, volume", lambda r: plain(average(r, "headline", "auroc_volume").mean, 2)),
        ("AUROC, statistic", lambda r: plain(average(r, "headline", "auroc_statistic").mean, 2)),
        ("leakage", _leakage),
    ]
    return _plain_table(run, found, columns)


def _hits(results: Sequence[Result]) -> str:
    places = (("calibration", "hits_68"), ("headline", "hits_68_test"), ("headline", "hits_68"))
    return next((text for place in places if (text := three(results, *place)) != MISSING), MISSING)


def _leakage(results: Sequence[Result]) -> str:
    if not all(result.content["drawn"] for result in results):  # probabilities, without draws
        return MISSING
    inside = float(np.mean([result.content["drawn"]["acceptance_mean"] for result in results]))
    missing = sum(int(result.content["drawn"]["incomplete"]) for result in results)
    stated = plain(100.0 * (1.0 - inside), 2) + "%"
    return f"{stated}, {missing} gave up" if missing else stated


def _cost(run: SuiteRun, found: dict[str, list[Result]]) -> str:
    def mean(name: str) -> Cell:
        return lambda results: count(float(np.mean([result.cost[name] for result in results])))

    def seconds(results: Sequence[Result]) -> str:
        found = float(np.mean([result.cost["cpu_seconds"] for result in results]))
        return count(found) if found >= 10 else plain(found, 1)

    columns: list[tuple[str, Cell]] = [
        ("CPU [s]", seconds),
        ("simulations", mean("simulations")),
        ("parameters", mean("parameters")),
        ("seeds", lambda results: ", ".join(str(result.seed) for result in results)),
    ]
    return _plain_table(run, found, columns)


def _plain_table(run: SuiteRun, found: dict[str, list[Result]], columns: list[tuple[str, Cell]]) -> str:
    """Make a table without bold, of those columns that have any number."""
    cells = {title: [cell(results) for results in found.values()] for title, cell in columns}
    shown = {title: texts for title, texts in cells.items() if any(text != MISSING for text in texts)}
    rows = [(name, *(texts[i] for texts in shown.values())) for i, name in enumerate(found)]
    return _table(run, ("baseline", *shown), rows, set())


def _table(run: SuiteRun, header: Sequence[str], rows: list[tuple[str, ...]], bold: set[tuple[int, int]]) -> str:
    swatches = [run.styles[row[0]][0] for row in rows]
    return page.table(header, rows, bold=bold, swatches=swatches, kind="dense")


def baseline_table(run: SuiteRun) -> str:
    """Make a table of the baselines, their methods and sources."""
    first: dict[str, Mapping[str, Any]] = {}
    for result in run.all_results:
        first.setdefault(result.baseline, result.content)
    rows = [(name, str(first[name]["title"]), str(first[name]["source"])) for name in run.baselines]
    swatches = [run.styles[name][0] for name in run.baselines]
    return page.table(("baseline", "method", "source"), rows, (1, 2), swatches=swatches, kind="dense")
