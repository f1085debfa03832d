"""The program that runs the suite: its jobs and their order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.baselines.base import Effort, find_baselines
from benchmarks.common.parallel import run_calls
from benchmarks.suite import jobs
from benchmarks.suite.jobs import Job
from benchmarks.suite.models import source_of
from mwlmc_data import get_task
from mwlmc_data.workers import available_cores

#: The tasks of a run, unless others are requested.
TASKS = ("summary-9", "summary-6", "budget-1000", "budget-10000", "budget-100000", "shift")
#: Names of several tasks: those on the board, those made of more numbers or of the stars themselves, and those of live
#: galaxies, which need the embedded set.
GROUPS = {
    "board": TASKS,
    "stars": (
        "summary-24",
        "velocity-bins",
        "stars-budget-1000",
        "stars-budget-10000",
        "stars-survey",
        "stars-shift",
        "models",
    ),
    "live": ("live", "live-64"),
}
#: The tasks of a fast run, unless others are requested.
FAST_TASKS = ("summary-9", "summary-6", "budget-1000", "shift")
#: Number of trainings in each task with a budget.
BUDGET_SEEDS = 3
#: Further sets to train baselines on for the validation cases, where they extrapolate less, and the task of these.
CASE_SETS = {"wide": ("maf", "mdn", "nle", "nsf")}
_CASE_TASK = "summary-9"


#: A function of `jobs` and its arguments between the folder and the effort.
Call = tuple[Callable[..., None], tuple[Any, ...]]


def plan_waves(
    tasks: Sequence[str] = TASKS, baselines: Sequence[str] | None = None, seeds: int | None = None
) -> list[list[Call]]:
    """Plan the jobs of a run.

    Parameters
    ----------
    tasks, baselines : sequence of str
        Names; by default `TASKS` and all. A baseline that does not accept a task's data is left out there.
    seeds : int, optional
        Number of seeds in the tasks with a budget, in place of `BUDGET_SEEDS`; the others have one.

    Returns
    -------
    list of list of call
        Waves, each of which starts when the one before has finished, because it uses what that trained.

    Raises
    ------
    ValueError
        If there is no such task or baseline.
    """
    known = find_baselines()
    if old := [task for task in tasks if get_task(task).id != get_task(get_task(task).name).id]:
        raise ValueError(f"tasks = {', '.join(old)}: allowed are the newest versions")
    chosen = tuple(known) if baselines is None else tuple(baselines)
    if unknown := [name for name in chosen if name not in known]:
        raise ValueError(f"baselines = {', '.join(unknown)}: allowed are {', '.join(known)}")
    wanted = [
        Job(get_task(task).name, name, seed)
        for task in tasks
        for name in chosen
        if known[name].accepts(get_task(task))
        for seed in range((seeds or BUDGET_SEEDS) if get_task(task).budget else 1)
    ]
    if idle := [name for name in baselines or () if all(job.baseline != name for job in wanted)]:
        raise ValueError(f"baselines = {', '.join(idle)}: allowed are those that take the data of {', '.join(tasks)}")
    own = [job for job in wanted if source_of(get_task(job.task), job.baseline).id == get_task(job.task).id]
    simple = [job for job in own if not known[job.baseline].list_parts(job.seed)]
    # members that are not entries themselves are trained but not scored; a shared training comes with its owner
    members = [
        Job(source_of(get_task(job.task), name).name, name, seed)
        for job in own
        for name, seed in known[job.baseline].list_parts(job.seed)
    ]
    only_trained = [job for job in dict.fromkeys(members) if job not in simple]
    composed = [job for job in own if job not in simple]
    shared = [job for job in wanted if job not in own]
    has_cases = _CASE_TASK in {get_task(task).name for task in tasks}
    cases = [(config, name) for config, names in CASE_SETS.items() for name in names if has_cases and name in chosen]
    first: list[Call] = [(jobs.run, (job,)) for job in simple] + [(jobs.train, (job,)) for job in only_trained]
    # composed ones draw longest and training takes longer than drawing: this order lets the processes end together
    last: list[Call] = [(jobs.run, (job,)) for job in shared if known[job.baseline].list_parts(job.seed)]
    last += [(jobs.run_cases, (config, name, 0)) for config, name in cases]
    last += [(jobs.run, (job,)) for job in shared if not known[job.baseline].list_parts(job.seed)]
    return [wave for wave in (sorted(first, key=_longest), [(jobs.run, (job,)) for job in composed], last) if wave]


def _longest(call: Call) -> tuple[int, int]:
    """Sort large training sets first, so that the processes end together."""
    job = call[1][0]
    return -(get_task(job.task).budget or 10**9), job.seed


def main(
    out: Path,
    fast: bool = False,
    tasks: Sequence[str] | None = None,
    baselines: Sequence[str] | None = None,
    seeds: int | None = None,
    workers: int | None = None,
    device: str | None = None,
) -> None:
    """Run the suite, except jobs already done.

    Parameters
    ----------
    out : Path
        Folder of the run: models, entries, results, cases.
    fast : bool
        A fifth of the epochs and of the draws, one seed, `FAST_TASKS`: a quick look, without scores to quote.
    tasks, baselines : sequence of str, optional
        Names, of tasks also those of `GROUPS`; by default `TASKS`, or `FAST_TASKS` if fast, and all baselines.
    seeds : int, optional
        Number of seeds in the tasks with a budget; by default `BUDGET_SEEDS`, or 1 if fast.
    workers : int, optional
        Processes; by default all cores.
    device : str, optional
        Device of torch; by default a GPU if there is one.

    Raises
    ------
    ValueError
        If there is no such task, baseline or device.
    """
    chosen = [name for each in tasks or (FAST_TASKS if fast else TASKS) for name in GROUPS.get(each, (each,))]
    waves = plan_waves(list(dict.fromkeys(chosen)), baselines, 1 if fast and seeds is None else seeds)
    out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    effort = Effort(fast=fast, device=device_of(device))
    start = time.monotonic()
    for i, wave in enumerate(waves):
        tasks_of = [(function, (out, *arguments, effort)) for function, arguments in wave]
        run_calls(tasks_of, workers or available_cores(), f"suite, part {i + 1} of {len(waves)}", "job")
    print(f"{sum(map(len, waves))} jobs, {time.monotonic() - start:.0f} s; results in {out / 'results'}")


def device_of(wanted: str | None) -> str:
    """Return the name of torch's device: the wanted one, or else a GPU if there is one."""
    import torch

    if wanted is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=wanted)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device = {wanted!r}: allowed is cpu, or cuda on a machine with a GPU ({error})"
        ) from error
    return wanted
