"""Run the shards of a generation in several processes, with one progress bar, stopping cleanly."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, wait
from typing import Any

from tqdm import tqdm

from mwlmc_data.workers import CONTEXT, start_pool

#: Interval at which the workers' counter is read [s].
POLL = 0.5

#: Called as make_shard(*arguments, shard, advance).
MakeShard = Callable[..., None]
#: Called as run_shards(make_shard, arguments, shards, progress); makes them all, or raises the first error.
RunShards = Callable[[MakeShard, tuple[Any, ...], Iterable[int], "Progress"], None]


class ShardsStoppedError(Exception):
    """Raised in a worker when the run stops before its shard is finished."""


class Progress:
    """A progress bar over simulations, on stderr.

    Parameters
    ----------
    total : int
        Number of simulations of the run.
    done : int
        Number of them that an earlier run made.
    shown : bool
        Whether to draw the bar.
    """

    def __init__(self, total: int, done: int, shown: bool) -> None:
        self._bar = tqdm(
            total=total,
            initial=done,
            unit="sim",
            desc="simulating",
            file=sys.stderr,
            disable=not shown,
            # Rate and remaining time refer to the complete run, and log files are not flooded.
            smoothing=0,
            mininterval=0.5 if sys.stderr.isatty() else 10.0,
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def advance(self, n: int) -> None:
        """Count `n` more simulations."""
        self._bar.update(n)


def run_shards(
    make_shard: MakeShard, arguments: tuple[Any, ...], shards: Iterable[int], progress: Progress, workers: int
) -> None:
    """Make shards, in this process or in several.

    Parameters
    ----------
    make_shard : callable
        Called as ``make_shard(*arguments, shard, advance)``.
    arguments : tuple
        First arguments, the same for all shards.
    shards : iterable of int
        Numbers of the shards to make.
    progress : Progress
        Advanced every few simulations.
    workers : int
        Number of processes; 1 works in this process.

    Raises
    ------
    Exception
        The first that `make_shard` raises; the other processes are stopped.
    """
    shards = list(shards)
    if workers == 1 or len(shards) < 2:
        for shard in shards:
            make_shard(*arguments, shard, progress.advance)
        return
    made, stop = CONTEXT.Value("q", 0), CONTEXT.Event()
    pool = start_pool(min(workers, len(shards)), _start_worker, make_shard, arguments, made, stop)
    with pool:
        pending = {pool.submit(_work, shard) for shard in shards}
        counted = 0
        try:
            while pending:
                finished, pending = wait(pending, timeout=POLL, return_when=FIRST_COMPLETED)
                now = made.value
                progress.advance(now - counted)
                counted = now
                for future in finished:
                    future.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


_worker_task: tuple[MakeShard, tuple[Any, ...], Callable[[int], None]] | None = None


def _start_worker(make_shard: MakeShard, arguments: tuple[Any, ...], made: Any, stop: Any) -> None:
    global _worker_task

    def advance(n: int) -> None:
        with made.get_lock():
            made.value += n
        if stop.is_set():
            raise ShardsStoppedError

    _worker_task = (make_shard, arguments, advance)


def _work(shard: int) -> None:
    assert _worker_task is not None
    make_shard, arguments, advance = _worker_task
    make_shard(*arguments, shard, advance)
