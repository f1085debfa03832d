"""What the best possible entry would score: levels of the reference in the budget figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.suite.report.folder import SuiteRun
from benchmarks.suite.report.values import Value, average
from mwlmc_data import get_task, scoring
from mwlmc_data.scoring.references import ReferenceSet
from mwlmc_data.scoring.tasks.summary import REFERENCE, SummaryTask

_FULL = "summary-9"


@dataclass(frozen=True)
class Level:
    """A level with its error.

    Attributes
    ----------
    value, error : float
        In units of the metric.
    source : str
        Baseline from whose distance to the references it follows.
    """

    value: float
    error: float
    source: str


def estimate_levels(run: SuiteRun, references: ReferenceSet | None) -> dict[str, Level]:
    """Estimate what the reference would score on the observations that scores are means over.

    Few observations have a reference, too few for a mean over their own truths. The mean score of an entry minus its
    expected distance to the references estimates the same with less scatter, and the least for the nearest entry.

    Parameters
    ----------
    run : SuiteRun
    references : ReferenceSet or None
        For results scored without references.

    Returns
    -------
    dict of str to Level
        By metric, "energy_score" and "neg_log_posterior"; empty without references.
    """
    found = {
        "energy_score": _nearest(run, "energy_score", ("reference", "energy_distance")),
        "neg_log_posterior": _nearest(run, "neg_log_posterior", ("headline", "gap_to_reference_nats")),
    }
    known = {metric: level for metric, level in found.items() if level is not None}
    if "energy_score" not in known and references is not None and (own := _own_distance(run, references)) is not None:
        known["energy_score"] = own
    return known


def _nearest(run: SuiteRun, metric: str, gap: tuple[str, str]) -> Level | None:
    entries: list[tuple[str, Value, Value]] = []
    for task in (_FULL, *(f"budget-{n}" for n in run.budgets())):
        for name, results in run.results.get(task, {}).items():
            entries.append((name, average(results, "headline", metric), average(results, *gap)))
    entries = [entry for entry in entries if entry[1].is_known and entry[2].is_known]
    if not entries:
        return None
    name, score, distance = min(entries, key=lambda entry: entry[2].mean)
    return Level(score.mean - distance.mean, float(np.nan_to_num(distance.error)), name)


def _own_distance(run: SuiteRun, references: ReferenceSet) -> Level | None:
    """Compute the same from stored draws, for results without the distance."""
    best = run.find_best(_FULL)
    if best is None:
        return None
    result = run.results[_FULL][best][0]
    arrays, task = run.arrays(_FULL, best, result.seed), get_task(_FULL)
    if "samples" not in arrays or not isinstance(task, SummaryTask):
        return None
    held = task.observations.rows(REFERENCE)
    places = references.places(task.observations.sim_id[held].tolist())
    rows, found = held[places >= 0], places[places >= 0]
    if len(rows) < 2:
        return None
    distance = scoring.energy_distance(arrays["samples"][rows], references.samples[found], task.scale)
    error = float(distance.std(ddof=1) / np.sqrt(len(distance)))
    return Level(result.number("headline", "energy_score") - float(distance.mean()), error, best)
