"""How well detectors of misspecification find shifted observations, beside each baseline of `shift` and `stars-shift`.

A statistic is handed in to the task's own score with the draws of the baseline: the volume of the posterior and the
method's own statistic, where it has one, stand beside. Trained baselines are those of a run of the suite, or are
trained into its folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.baselines.base import Effort, find_baselines
from benchmarks.baselines.training import use_one_thread
from benchmarks.detectors.base import Detection, find_detectors
from benchmarks.suite import jobs, models
from mwlmc_data import get_task
from mwlmc_data.scoring.tasks.shifted import NOMINAL, ShiftedTask
from mwlmc_data.storage.writing import write_bytes

#: AUROC of each group by the name of the statistic.
Found = dict[str, dict[str, float]]


def measure(task: ShiftedTask, name: str, kept: models.Models, seed: int = 0) -> Found:
    """Score a baseline with each statistic.

    Parameters
    ----------
    task : ShiftedTask
        What is observed.
    name : str
        Baseline.
    kept : Models
        Trained baselines.
    seed : int
        Of training, draws and detectors.

    Returns
    -------
    dict of str to dict of str to float
        AUROC by statistic and rung; under "mean" the mean over the rungs.
    """
    source = models.source_of(task, name)
    baseline, _ = kept.get(name, source, seed)
    arrays, _ = jobs.draw(baseline, task, seed)
    statistics = {"own": arrays["statistic"]} if "statistic" in arrays else {}
    for detector, kind in find_detectors().items():
        detection = Detection(kind(kept.effort), baseline, source, seed)
        statistics[detector] = detection.compute_statistic(task.observations.x)
    found: Found = {}
    for statistic, values in statistics.items():
        report = task.score(arrays["samples"], statistic=values)
        found["volume"] = _read(task, report, "auroc_volume")
        found[statistic] = _read(task, report, "auroc_statistic")
    return found


def _read(task: ShiftedTask, report: Mapping[str, Any], metric: str) -> dict[str, float]:
    of_rungs = {rung: float(report["scores"][rung][metric]["value"]) for rung in task.rungs}
    return {**of_rungs, "mean": float(report["headline"][metric]["value"])}


def describe(task: ShiftedTask, found: Mapping[str, Found]) -> str:
    """Tables of AUROC, one for each baseline."""
    blocks = [f"{task.id}: chance that a row of the group has the larger statistic than one of {NOMINAL!r}"]
    for name, of_baseline in found.items():
        lines = [f"{name:<20}" + "".join(f"{statistic:>15}" for statistic in of_baseline)]
        for rung in (*task.rungs, "mean"):
            lines.append(f"{rung:<20}" + "".join(f"{values[rung]:15.2f}" for values in of_baseline.values()))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def main(run: Path, name: str, baselines: Sequence[str] | None, fast: bool) -> None:
    """Measure every baseline that the task takes, and print and keep the tables."""
    task = get_task(name)
    if not isinstance(task, ShiftedTask):
        raise ValueError(f"task = {name!r}: allowed is shift or stars-shift")
    known = {each: kind for each, kind in find_baselines().items() if kind.accepts(task) and kind.uses_simulations}
    if unknown := [each for each in baselines or () if each not in known]:
        raise ValueError(f"baselines = {', '.join(unknown)}: allowed are {', '.join(known)}")
    use_one_thread()
    kept = models.Models(run / "models", Effort(fast=fast))
    found = {each: measure(task, each, kept) for each in baselines or known}
    write_bytes(run / f"detectors-{task.name}.json", json.dumps(found, indent=1).encode())
    print(describe(task, found))
