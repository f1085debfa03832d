"""One job of the suite: a baseline in a task with a seed, from training to the stored result."""

from __future__ import annotations

import dataclasses
import json
import os
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.base import Baseline, Draws, Effort, create, find_baselines
from benchmarks.baselines.classifier import Classifier
from benchmarks.baselines.training import use_one_thread
from benchmarks.common.c2st import c2st
from benchmarks.common.others import OthersOf
from benchmarks.common.sets import Learnable, SimulationSet, box_of
from benchmarks.suite import models
from benchmarks.suite.curves import compute_curves
from benchmarks.suite.models import cpu_seconds, source_of
from mwlmc_data import __version__, get_task
from mwlmc_data.array_types import Float32Array
from mwlmc_data.dataset import release
from mwlmc_data.scoring import metrics
from mwlmc_data.scoring.report import Entry, Report, Section, dump
from mwlmc_data.scoring.submission import Submission, read_submission, write_submission
from mwlmc_data.scoring.task import Task
from mwlmc_data.scoring.tasks.on_demand import OnDemandTask
from mwlmc_data.scoring.tasks.summary import REFERENCE, SummaryTask
from mwlmc_data.storage.npz import replace_npz

FORMAT = "mwlmc-result-1"
#: Raised when the same draws give another result file.
RESULT_VERSION = 3
CODE = "python -m benchmarks suite"
#: Tasks in which a classifier is trained for each reference, half a minute an entry; not in a fast run.
C2ST_TASKS = ("summary-9", "summary-6")
#: Draws for an observation in a fast run: the cost of scores grows with their square.
FAST_DRAWS = 200
_LIBRARIES = ("numpy", "scipy", "torch", "sbi", "scikit-learn")


@dataclasses.dataclass(frozen=True)
class Job:
    """A baseline in a task.

    Attributes
    ----------
    task : str
        Name of the task.
    baseline : str
        Name of the baseline.
    seed : int
        Seed of training and drawing.
    """

    task: str
    baseline: str
    seed: int

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.baseline}-s{self.seed}"

    def result_path(self, out: Path) -> Path:
        """Return the file of its result."""
        return out / "results" / self.task / f"{self.name}.json"

    def entry_path(self, out: Path) -> Path:
        """Return the directory of its submission."""
        return out / "entries" / self.task / self.name


def run(out: Path, job: Job, effort: Effort) -> None:
    """Train, draw, score and write, except what exists already and was made in the same way.

    Parameters
    ----------
    out : Path
        Folder of the run.
    job : Job
    effort : Effort
    """
    task, path = task_of(job.task, effort), job.result_path(out)
    identity, scoring = settings(job, effort)
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if is_same(earlier, identity | scoring):
        return
    use_one_thread()
    if not (is_same(earlier, identity) and job.entry_path(out).is_dir()):
        earlier = _draw_entry(out, job, task, effort)
    submission = read_submission(job.entry_path(out), task)
    report = submission.score() if effort.fast else score_submission(submission)
    result = {
        **identity,
        **scoring,
        **{key: earlier[key] for key in ("title", "source", "model", "drawn", "versions")},
        "manifest": dict(submission.manifest),
        "scores": {key: value for key, value in report.to_dict().items() if key not in ("submission", "task")},
        "curves": compute_curves(task, submission.arrays["samples"]) if "samples" in submission.arrays else {},
    }
    write_json(path, result)


def _draw_entry(out: Path, job: Job, task: Task, effort: Effort) -> dict[str, Any]:
    """Train, draw and write the submission; return what the result records of that."""
    kept, source = models.Models(out / "models", effort), source_of(task, job.baseline)
    baseline, about = kept.get(job.baseline, source, job.seed)
    start = cpu_seconds()
    arrays, drawn = draw(baseline, task, job.seed)
    spent = sum_training_cost(kept, job, task) + cpu_seconds() - start
    if isinstance(task, OnDemandTask):
        start, others = cpu_seconds(), OthersOf(task)
        beside, _ = kept.get(job.baseline, others, job.seed)
        arrays["other_samples"], _ = draw_for(beside, others, task.observations.x, task.n_draws, job.seed)
        spent += cpu_seconds() - start
    cost = {
        "cpu_seconds": round(spent, 1),
        "simulations": baseline.uses_simulations * (len(task.train) + len(task.validation)),
        "parameters": baseline.n_parameters,
    }
    home, seeds = job.entry_path(out), [job.seed]
    write_submission(home, task, method=baseline.title, seeds=seeds, cost=cost, code=CODE, **arrays)
    model = {key: about[key] for key in ("sha256", "n_parameters", "cpu_seconds", "history")}
    stated = {"title": baseline.title, "source": baseline.source, "versions": versions()}
    return {**stated, "model": model, "drawn": drawn}


def train(out: Path, job: Job, effort: Effort) -> None:
    """Train a baseline that others are made of, and store it."""
    use_one_thread()
    models.Models(out / "models", effort).get(job.baseline, source_of(get_task(job.task), job.baseline), job.seed)


def run_cases(out: Path, config: str, name: str, seed: int, effort: Effort) -> None:
    """Infer the validation cases with a baseline trained on another set of simulations, and store the draws."""
    path = cases_path(out, config, name, seed)
    learnt, task = SimulationSet(config), task_of("summary-9", effort)
    wanted = json.dumps(models.identity(create(name, effort), learnt, seed))
    if path.exists():
        with np.load(path) as file:
            if str(file["identity"]) == wanted:
                return
    use_one_thread()
    baseline, _ = models.Models(out / "models", effort).get(name, learnt, seed)
    samples, _ = draw_for(baseline, learnt, task.cases.x, task.n_draws, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_npz(path, {"samples": samples, "names": task.cases.names, "identity": wanted})


def cases_path(out: Path, config: str, name: str, seed: int) -> Path:
    """Return the file of the cases' draws by a baseline trained on a set."""
    return out / "cases" / config / f"{name}-s{seed}.npz"


def task_of(name: str, effort: Effort) -> Task:
    """Return a task; in a fast run with fewer draws than an entry of the leaderboard needs."""
    task = get_task(name)
    if effort.fast:
        task.n_draws = FAST_DRAWS
    return task


def draw(baseline: Baseline, task: Task, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw everything that a task accepts.

    Parameters
    ----------
    baseline : Baseline
        Trained.
    task : Task
    seed : int
        Seed of the draws.

    Returns
    -------
    arrays : dict of str to ndarray
        Arrays of the submission.
    about : dict
        Mass inside the prior's support, and the number of observations without draws, for which the prior is handed in;
        nothing for probabilities.
    """
    x = task.observations.x
    if isinstance(baseline, Classifier):
        return {"probabilities": baseline.classify(x)}, {}
    samples, drawn = draw_for(baseline, task, x, task.n_draws, seed)
    arrays: dict[str, Any] = {"samples": samples}
    wanted = task.arrays
    if "log_prob_truth" in wanted and baseline.has_density:
        found = baseline.log_prob(task.observations.theta, x, np.maximum(drawn.acceptance, 1e-6))
        given_up = task.prior.log_prob(task.observations.theta.astype(np.float64))
        arrays["log_prob_truth"] = np.where(drawn.complete, found, given_up)
    if "statistic" in wanted and drawn.statistic is not None:
        arrays["statistic"] = drawn.statistic
    if "case_samples" in wanted:
        # one at a time, so that a case far from the training set does not hold up the others
        cases = [draw_for(baseline, task, row[None], task.n_draws, seed)[0] for row in task.cases.x]
        arrays["case_samples"] = np.concatenate(cases)
    about = {
        "acceptance_mean": float(drawn.acceptance.mean()),
        "acceptance_least": float(drawn.acceptance.min()),
        "incomplete": int((~drawn.complete).sum()),
    }
    if drawn.statistic is not None:
        about["statistic_median"] = float(np.median(drawn.statistic))
    return arrays, about


def draw_for(baseline: Baseline, task: Learnable, x: NDArray, n: int, seed: int) -> tuple[Float32Array, Draws]:
    """Draw in the form of a submission: float32 inside the support, and from the prior where there are no draws.

    Draws that are all the same number of float32 are none: far from its training set a network may put all of them at
    the edge of the support.
    """
    drawn = baseline.sample(x, n, seed)
    low, high = (edge.astype(np.float32) for edge in box_of(task.prior))
    theta = np.clip(drawn.theta.astype(np.float32), low, high)
    complete = drawn.complete & (theta.max(axis=1) > theta.min(axis=1)).all(axis=1)
    missing = np.flatnonzero(~complete)
    if len(missing):
        of_prior = metrics.prior_draws(task.prior, n * len(missing), seed)
        theta[missing] = np.clip(of_prior.reshape(len(missing), n, -1).astype(np.float32), low, high)
    return theta, dataclasses.replace(drawn, complete=complete)


def sum_training_cost(kept: models.Models, job: Job, task: Task) -> float:
    """Sum the processor seconds of the training, including its parts."""
    parts = [(job.baseline, job.seed), *find_baselines()[job.baseline].list_parts(job.seed)]
    paths = [kept.path(name, source_of(task, name), seed) for name, seed in parts]
    return sum(float(models.read_about(path)["cpu_seconds"]) for path in paths)


def score_submission(submission: Submission) -> Report:
    """Score a submission, with C2ST where the task has it."""
    report, task = submission.score(), submission.task
    if task.name in C2ST_TASKS and isinstance(task, SummaryTask):
        return add_c2st(report, task, submission.arrays["samples"])
    return report


def add_c2st(report: Report, task: SummaryTask, samples: NDArray) -> Report:
    """Add the accuracy of a classifier between the draws and the certified references to a report."""
    references = task.references()
    if references is None:
        return report
    held = task.observations.rows(REFERENCE)
    places = references.places(task.observations.sim_id[held].tolist())
    rows, found = held[places >= 0], places[places >= 0]
    if len(rows) < 2:
        return report
    scale = np.array(task.scale)
    accuracy = c2st(samples[rows] / scale, references.samples[found][:, : samples.shape[1]] / scale)
    entries = {
        "c2st": Entry(accuracy.mean, float(accuracy.accuracy.std(ddof=1) / np.sqrt(len(rows))), "0.5", 3),
        "c2st_permuted": Entry(accuracy.null_mean, right="0.5: equal distributions, as far as this classifier sees"),
    }
    return report.with_section(Section("classifier", entries))


def settings(job: Job, effort: Effort) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the draws of a job depend on, and what their scores depend on in addition."""
    made_with = models.identity(create(job.baseline, effort), get_task(job.task), job.seed)
    scored_with = {"format": FORMAT, "result_version": RESULT_VERSION, "references_sha256": references_hash(job.task)}
    return made_with, scored_with


def references_hash(task: str = "summary-9") -> str | None:
    """Return the hash of the embedded reference posteriors of a task, those of summary-9 for one without its own."""
    from mwlmc_data.scoring import references
    from mwlmc_data.storage import embedded

    name = get_task(task).reference_name or references.NAME
    entry = embedded.load_registry().get(name)
    return None if entry is None else str(entry["sha256"])


def is_same(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Return whether a file was made with the wanted settings."""
    return {key: found.get(key) for key in wanted} == wanted


def versions() -> dict[str, str]:
    """Return the versions of everything that the numbers depend on."""
    libraries = {name: metadata.version(name) for name in _LIBRARIES}
    return {"mwlmc-data": __version__, "data": release.DATA_VERSION, **libraries}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a file that appears completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(dump(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
