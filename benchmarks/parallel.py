"""Tasks that each write a file of their own, on several processes and with a progress bar."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tqdm import tqdm

from mwlmc_data.simulator.simulation import compile_kernels
from mwlmc_data.workers import start_pool

Task = tuple[Callable[..., None], tuple[Any, ...]]
"""A function and its arguments."""


def run_tasks(tasks: Sequence[Task], workers: int, label: str, unit: str = "row") -> None:
    """Do all tasks.

    Parameters
    ----------
    tasks : sequence of (function, arguments)
        What is done already returns at once: that is how a run resumes.
    workers : int
        Processes; the first error ends the run, and what was not begun is dropped.
    label, unit : str
        Of the progress bar.
    """
    list(tqdm(_done(tasks, workers), total=len(tasks), desc=label, unit=unit, smoothing=0.1))


def _done(tasks: Sequence[Task], workers: int) -> Iterator[None]:
    if workers == 1 or len(tasks) < 2:
        for function, arguments in tasks:
            yield function(*arguments)
        return
    compile_kernels()
    with start_pool(min(workers, len(tasks))) as pool:
        futures = [pool.submit(function, *arguments) for function, arguments in tasks]
        try:
            for future in concurrent.futures.as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
