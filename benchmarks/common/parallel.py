"""Work on several processes with a progress bar: calls that each write a file, and measurements of draws."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from tqdm import tqdm

from mwlmc_data import Prior
from mwlmc_data.simulator.simulation import compile_kernels
from mwlmc_data.workers import available_cores, start_pool

T = TypeVar("T")
#: A function and its arguments.
Call = tuple[Callable[..., None], tuple[Any, ...]]


def run_calls(
    calls: Sequence[Call], workers: int, label: str, unit: str = "row", names: Sequence[str] | None = None
) -> None:
    """Run all calls.

    Parameters
    ----------
    calls : sequence of (function, arguments)
        Those already done return at once, so that a run resumes.
    workers : int
        Processes; the first error ends the run and drops what has not begun.
    label, unit : str
        Of the progress bar.
    names : sequence of str, optional
        Of the calls, if a RuntimeError of one says nothing of the others: it is printed in the end, and they go on.
    """
    if not calls:
        return
    forgiven: tuple[type[Exception], ...] = () if names is None else (RuntimeError,)
    done = list(tqdm(_done(calls, workers, forgiven), total=len(calls), desc=label, unit=unit, smoothing=0.1))
    for place, error in done:
        if error is not None and names is not None:
            print(f"{label}: not done: {names[place]}: {error}")


def _done(
    calls: Sequence[Call], workers: int, forgiven: tuple[type[Exception], ...]
) -> Iterator[tuple[int, Exception | None]]:
    """Yield the place of each call as it ends, and an error that is forgiven."""
    if workers == 1 or len(calls) < 2:
        for place, (function, arguments) in enumerate(calls):
            yield place, _catch(partial(function, *arguments), forgiven)
        return
    compile_kernels()
    with start_pool(min(workers, len(calls))) as pool:
        places = {pool.submit(function, *arguments): i for i, (function, arguments) in enumerate(calls)}
        try:
            for future in concurrent.futures.as_completed(places):
                yield places[future], _catch(future.result, forgiven)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _catch(call: Callable[[], object], forgiven: tuple[type[Exception], ...]) -> Exception | None:
    try:
        call()
    except forgiven as error:
        return error
    return None


def measure_draws(
    measure: Callable[[tuple[dict[str, Any], int, int]], T],
    config: str,
    simulations: int,
    seed: int,
    workers: int | None = None,
) -> list[T]:
    """Measure something of each draw from a prior.

    Parameters
    ----------
    measure : callable
        Takes (row of parameters, seed, number of the draw).
    config : str
        Set whose prior is drawn from.
    simulations, seed : int
        Number of draws, and their seed.
    workers : int, optional
        Processes; all cores by default.

    Returns
    -------
    list
        What `measure` returns, in the order of the draws.
    """
    draws = Prior(config).sample(simulations, seed=seed).to_dict("records")
    jobs = [(row, seed, i) for i, row in enumerate(draws)]
    compile_kernels()
    with start_pool(workers or available_cores()) as pool:
        return list(tqdm(pool.map(measure, jobs, chunksize=4), total=len(jobs), unit="sim", desc=config))
