"""What a posterior from stars costs: amortised networks beside the exact likelihood, in seconds and in accuracy.

A network is trained once and draws in an instant; the likelihood is evaluated some thousand times for each halo and
learns nothing. Both are compared on the observations that have a certified reference, which the package holds.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.suite import models
from mwlmc_data import get_task, scoring
from mwlmc_data.array_types import Float64Array
from mwlmc_data.scoring.references import ReferenceSet
from mwlmc_data.scoring.submission import read_submission
from mwlmc_data.scoring.task import Task
from mwlmc_data.scoring.tasks.on_demand import OnDemandTask
from mwlmc_data.storage import embedded

LIKELIHOOD = "exact likelihood"


@dataclasses.dataclass(frozen=True)
class Cost:
    """A line of the table.

    Attributes
    ----------
    method : str
        Name of the baseline, and its seed.
    training : float
        Processor seconds of all trainings, those on the other parameters among them.
    drawing : float
        Processor seconds of a posterior.
    energy_score, gap, gap_error : float
        Mean over the observations at hand, and less that of the exact posteriors, with its paired error.
    gap_nats, gap_nats_error : float
        Mean log density of the truths of the exact posteriors, less that of the method; NaN without densities.
    """

    method: str
    training: float
    drawing: float
    energy_score: float
    gap: float = 0.0
    gap_error: float = 0.0
    gap_nats: float = 0.0
    gap_nats_error: float = 0.0


def measure(run: Path, task_name: str) -> tuple[list[Cost], int]:
    """Measure all entries of a run in a task of stars.

    Parameters
    ----------
    run : Path
        Folder of the suite.
    task_name : str
        The task.

    Returns
    -------
    costs : list of Cost
        The exact likelihood first, then by energy score.
    n : int
        Number of observations with a certified reference.

    Raises
    ------
    ValueError
        If it is no task of stars that has references, or the run has no entries in it.
    """
    task = get_task(task_name)
    if not isinstance(task, OnDemandTask) or task.form != "sets" or (exact := _load_exact(task)) is None:
        raise ValueError(f"task = {task_name!r}: allowed is one of stars with references, such as stars-budget-1000")
    references, seconds = exact
    places = references.places(task.observations.sim_id.tolist())
    rows, places = np.flatnonzero(places >= 0), places[places >= 0]
    paths = sorted((run / "results" / task.name).glob("*.json"))
    if not paths:
        raise ValueError(f"run = {str(run)!r}: allowed is a folder with results of {task.name}")
    truth = task.observations.theta[rows].astype(np.float64)
    ideal = scoring.energy_score(references.samples[places, : task.n_draws].astype(np.float64), truth, task.scale)
    best = references.log_prob_truth[places]
    first = Cost(LIKELIHOOD, 0.0, float(seconds[places].mean()), float(ideal.mean()))
    stored = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    found = [_measure_entry(run, result, task, rows, ideal, best) for result in stored]
    return [first, *sorted(found, key=lambda cost: cost.energy_score)], len(rows)


def _load_exact(task: OnDemandTask) -> tuple[ReferenceSet, Float64Array] | None:
    """The references of a task, and the processor seconds (n,) of each; None if the package has none."""
    references = task.references()
    if references is None:
        return None
    path = embedded.verify_file(str(task.reference_name))
    return references, pq.read_table(path, columns=["cpu_seconds"])["cpu_seconds"].to_numpy()


def _measure_entry(
    run: Path, result: dict[str, Any], task: OnDemandTask, rows: NDArray, ideal: NDArray, best: NDArray
) -> Cost:
    """Costs of a stored result, and the accuracy of its entry on some rows."""
    name = f"{result['baseline']}-s{result['seed']}"
    arrays = read_submission(run / "entries" / task.name / name, task).arrays
    truth = task.observations.theta[rows].astype(np.float64)
    own = scoring.energy_score(arrays["samples"][rows].astype(np.float64), truth, task.scale)
    training = float(result["model"]["cpu_seconds"]) + _sum_others(run, task, name)
    total = float(result["manifest"]["cost"]["cpu_seconds"])
    gap = scoring.paired_difference(own, ideal) if len(rows) > 1 else None
    nats = best - arrays["log_prob_truth"][rows] if "log_prob_truth" in arrays else None
    return Cost(
        method=name,
        training=training,
        drawing=max(total - training, 0.0) / len(task.observations),
        energy_score=float(own.mean()),
        gap=float((own - ideal).mean()),
        gap_error=math.nan if gap is None else gap.error,
        gap_nats=math.nan if nats is None else float(nats.mean()),
        gap_nats_error=math.nan if nats is None or len(rows) < 2 else float(nats.std(ddof=1) / math.sqrt(len(rows))),
    )


def _sum_others(run: Path, task: Task, name: str) -> float:
    """Processor seconds of the training on the other parameters, 0 if its file is not there."""
    path = run / "models" / f"{task.id}-others" / f"{name}.safetensors"
    return float(models.read_about(path)["cpu_seconds"]) if path.exists() else 0.0


def describe(costs: list[Cost], n: int, n_observations: int) -> str:
    """The table as text, with the number of haloes from which training pays."""
    exact = costs[0]
    lines = [
        f"{n} observations with a certified posterior by the exact likelihood; processor seconds",
        f"{'':<24} {'training':>9} {'a posterior':>12} {f'for {n_observations:,}':>10} {'energy score':>13} "
        f"{'gap':>17} {'gap [nats]':>15} {'pays from':>10}",
    ]
    for cost in costs:
        total = cost.training + n_observations * cost.drawing
        is_exact = cost is exact
        pays = "" if is_exact else f"{math.ceil(cost.training / max(exact.drawing - cost.drawing, 1e-9)):,}"
        gap = "" if is_exact else f"{cost.gap:+.4f} ± {cost.gap_error:.4f}"
        nats = "" if is_exact or math.isnan(cost.gap_nats) else f"{cost.gap_nats:+.2f} ± {cost.gap_nats_error:.2f}"
        lines.append(
            f"{cost.method:<24} {cost.training:9.0f} {cost.drawing:12.4f} {total:10.0f} {cost.energy_score:13.4f} "
            f"{gap:>17} {nats:>15} {pays:>10}"
        )
    trained = [cost for cost in costs[1:] if cost.training > 0.0]
    if trained:
        best = trained[0]
        ratio = exact.drawing / max(best.drawing, 1e-9)
        lines.append(
            f"Once trained, {best.method} draws a posterior {ratio:,.0f} times faster than the likelihood; its "
            f"training costs as much as {best.training / exact.drawing:.1f} posteriors by the likelihood, and the "
            "simulations that it learns from are not counted."
        )
    return "\n".join(lines)


def main(run: Path, task_name: str) -> None:
    """Print the table of a task."""
    costs, n = measure(run, task_name)
    print(describe(costs, n, len(get_task(task_name).observations)))
