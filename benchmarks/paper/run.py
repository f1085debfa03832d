"""The main job: train the paper's estimator, score it, check the validation cases, write the report."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.baselines.base import Effort
from benchmarks.baselines.maf import Maf
from benchmarks.baselines.training import Training, use_one_thread
from benchmarks.common.sets import SPLITS, SimulationSet
from benchmarks.paper.evaluate import Evaluation, evaluate, infer_case
from benchmarks.paper.outcome import EstimatorResult, Outcome
from mwlmc_data.dataset.schema import REFLEX
from mwlmc_data.workers import available_cores, start_pool

if TYPE_CHECKING:
    from mwlmc_data.validation import Case

#: Names of the two estimators.
PAPER, BOUNDED = "paper", "bounded"

#: Largest batch, and the greatest learning rate with it; with smaller ones it falls with their square root.
_BATCH, _RATE = 1000, 1.5e-2


@dataclass(frozen=True)
class Settings:
    """The amount of each computation.

    Attributes
    ----------
    draws : int
        Posterior draws for each test row.
    case_draws : int
        Posterior draws for each case.
    predictive : int
        Posterior draws of each case to simulate.
    at_truth : int
        Simulations of each case at its quoted parameters.
    sky : int
        Haloes pooled for the map of the sky.
    orbits : int
        Orbits of each case.
    epochs : int
        Epochs of the training.
    """

    draws: int = 1000
    case_draws: int = 10_000
    predictive: int = 300
    at_truth: int = 200
    sky: int = 40
    orbits: int = 100
    epochs: int = 60

    @classmethod
    def fast(cls) -> Settings:
        """Return settings for a quick look at everything, with scores that are not the baseline's."""
        return cls(200, 2000, 12, 12, 4, 20, 8)


class Steps:
    """Announce and time the steps of a run."""

    def __init__(self, quiet: bool = False) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.monotonic()
        self._quiet = quiet

    @contextmanager
    def step(self, name: str, detail: str = "") -> Iterator[None]:
        """Print the step's name with the time so far, and record its duration."""
        begin = time.monotonic()
        if not self._quiet:
            text = f"{name}: {detail}" if detail else name
            print(f"[{begin - self._start:4.0f} s] {text}", file=sys.stderr, flush=True)
        yield
        self.seconds[name] = time.monotonic() - begin


def run(
    problem: SimulationSet,
    cases: dict[str, Case],
    settings: Settings,
    seed: int = 0,
    reference: Path | None = None,
    workers: int | None = None,
    quiet: bool = False,
) -> Outcome:
    """Train, score, and check the cases.

    Parameters
    ----------
    problem : SimulationSet
        The simulations.
    cases : dict of str to Case
        Validation cases.
    settings : Settings
        The amount of each computation.
    seed : int
        Seed of the entire run.
    reference : Path, optional
        Folder with published orbits; without it friction is not fitted.
    workers : int, optional
        Processes; by default all cores.
    quiet : bool
        Print nothing.

    Returns
    -------
    Outcome
    """
    steps = Steps(quiet)
    with steps.step("loading torch and sbi"):
        _load_torch()
    training = choose_training(len(problem.train), settings.epochs)
    estimators = {
        PAPER: Maf(Effort(progress=not quiet), training),
        BOUNDED: Maf(Effort(progress=not quiet), training, bounded=True),
    }
    jobs = [_Job(name, estimator, problem, settings.draws, seed, quiet) for name, estimator in estimators.items()]
    entries = {}
    for job, (estimator, evaluation, seconds) in zip(jobs, _map(_train_and_score, jobs, workers), strict=True):
        steps.seconds |= seconds
        with steps.step(f"inferring {job.name}", ", ".join(cases)):
            results = {name: infer_case(estimator, c, settings.case_draws, seed) for name, c in cases.items()}
        entries[job.name] = EstimatorResult(estimator, evaluation, results)
    outcome = Outcome(
        config=problem.config,
        seed=seed,
        rows=_rows(problem),
        settings=asdict(settings),
        versions=_versions(),
        entries=entries,
        seconds=steps.seconds,
    )
    _simulate(outcome, settings, steps, workers, quiet)
    _fit_friction(outcome, steps, reference)
    return outcome


def choose_training(n: int, epochs: int) -> Training:
    """Return training settings for n simulations: one cycle of the rate, which is high for such large batches.

    Sixty epochs reach the loss of some 190 epochs whose rate is halved by patience. This needs batches of at most 1,000
    and weight decay; without them the network memorises the training set.
    """
    batch = Training(max_batch=_BATCH).batch_for(n)
    rate = _RATE * math.sqrt(batch / _BATCH)
    return Training(epochs=epochs, batch=batch, learning_rate=rate, weight_decay=10.0 / math.sqrt(n), fused=True)


@dataclass(frozen=True)
class _Job:
    """An estimator to train and score."""

    name: str
    estimator: Maf
    problem: SimulationSet
    draws: int
    seed: int
    quiet: bool


def _train_and_score(job: _Job) -> tuple[Maf, Evaluation, dict[str, float]]:
    """Train and score one estimator, and time each step."""
    steps, rows = Steps(job.quiet), _rows(job.problem)
    _load_torch()
    with steps.step(f"training {job.name}", f"{rows['train']:,} simulations"):
        job.estimator.fit(job.problem, job.seed)
    with steps.step(f"scoring {job.name}", f"{rows['test']:,} test rows, {job.draws:,} draws each"):
        evaluation = evaluate(job.estimator, job.problem, job.draws, job.seed)
    return job.estimator, evaluation, steps.seconds


def _rows(problem: SimulationSet) -> dict[str, int]:
    return {split: len(getattr(problem, split)) for split in SPLITS}


def _map(function: Callable[[_Job], Any], jobs: list[_Job], workers: int | None) -> Iterator[Any]:
    """Map jobs to results in order, each in its own process if there are several cores: torch uses one well."""
    processes = min(workers or available_cores(), len(jobs))
    if processes == 1:
        yield from map(function, jobs)
        return
    with start_pool(processes) as pool:
        yield from pool.map(function, jobs)


def _load_torch() -> None:
    """Import the slow libraries, with one thread."""
    from sbi.neural_nets import posterior_nn  # noqa: F401

    use_one_thread()


def _simulate(outcome: Outcome, settings: Settings, steps: Steps, workers: int | None, quiet: bool) -> None:
    """Run the simulator on posterior draws and quoted truths, and rewind orbits."""
    from benchmarks.paper.orbits import rewind_draws
    from benchmarks.paper.predictive import (
        check_all_predictions,
        compare_predictions,
        map_sky,
        simulate_together,
        tabulate_draws,
    )
    from benchmarks.paper.shells import check_shells, list_columns, tabulate_cases

    seed, config = outcome.seed, outcome.config
    options: dict[str, Any] = {"seed": seed, "workers": workers, "progress": not quiet}
    cases = {name: result.case for name, result in outcome.main.cases.items()}
    observations = {name: case.observation for name, case in cases.items()}
    inferred = {name: result for name, result in outcome.main.cases.items() if result.summaries}
    with steps.step("posterior predictive check", f"{settings.predictive} simulations a case"):
        tables = {
            name: tabulate_draws(result.draws[: settings.predictive], observations[name], config, seed)
            for name, result in inferred.items()
        }
        outcome.predictions = check_all_predictions(tables, observations, **options)
    with steps.step("simulating the quoted truths", f"{settings.at_truth} simulations a case"):
        tables = tabulate_cases(cases, settings.at_truth, config, seed)
        simulated = simulate_together(tables, [*REFLEX, *list_columns()], **options)
        outcome.at_truth = {name: compare_predictions(simulated[name], observations[name]) for name in cases}
    with steps.step("cases in every shell"):
        outcome.shells = {name: check_shells(case, simulated[name], seed=seed) for name, case in cases.items()}
    with steps.step("orbits", f"{settings.orbits} a case"):
        for name, result in inferred.items():
            outcome.bands[name] = rewind_draws(result.draws[: settings.orbits], result.case, config, seed)
    if "rigid" in outcome.bands:
        with steps.step("map of the sky", f"{settings.sky} haloes"):
            outcome.sky, outcome.apex = map_sky(outcome.main.cases["rigid"].case, settings.sky, config, seed)


def _fit_friction(outcome: Outcome, steps: Steps, reference: Path | None) -> None:
    """Fit friction to the published orbits, if available."""
    from benchmarks.paper.friction import fit_gc19, measure_fire_arc
    from benchmarks.paper.published import FIRE_FILE, GC19_FILE

    if reference is None or not (reference / GC19_FILE).is_file():
        return
    with steps.step("friction of the published orbits"):
        outcome.friction = fit_gc19(reference / GC19_FILE)
        if (reference / FIRE_FILE).is_file():
            outcome.arc = measure_fire_arc(reference / FIRE_FILE)


def _versions() -> dict[str, str]:
    """Return the versions of everything that the numbers depend on."""
    from mwlmc_data import __version__
    from mwlmc_data.dataset.release import DATA_VERSION

    libraries = {name: metadata.version(name) for name in ("numpy", "scipy", "torch", "sbi")}
    return {"mwlmc-data": __version__, "data": DATA_VERSION, **libraries}


def main(out: Path, fast: bool, seed: int, config: str, reference: Path | None, workers: int | None) -> None:
    """Run on the embedded catalogue, and write results.json and report.html to a folder.

    Parameters
    ----------
    out : Path
        Folder, created if missing.
    fast : bool
        Use `Settings.fast`.
    seed : int
        Seed of the entire run.
    config : str
        Set of simulations.
    reference : Path or None
        Folder with published orbits; without it friction is not fitted.
    workers : int or None
        Processes.

    Raises
    ------
    ValueError
        If the folder of the reference lacks the orbit.
    """
    from benchmarks.paper import document, summary
    from benchmarks.paper.published import GC19_FILE
    from mwlmc_data import validation_cases

    if reference is not None and not (reference / GC19_FILE).is_file():
        raise ValueError(f"reference = {str(reference)!r}: allowed is a folder with {GC19_FILE}")
    problem = SimulationSet(config)
    # before any computation, so that a read-only folder does not cost minutes
    out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    settings = Settings.fast() if fast else Settings()
    start = time.monotonic()
    found = run(problem, validation_cases(), settings, seed, reference, workers)
    (out / "results.json").write_text(json.dumps(found.as_dict(), indent=1), encoding="utf-8")
    (out / "report.html").write_text(document.render(found), encoding="utf-8")
    print(summary.format_summary(found))
    print(f"written: {out / 'results.json'} and {out / 'report.html'}, {time.monotonic() - start:.0f} s")
