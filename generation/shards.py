"""Make the shards of a run that are not there yet, in processes here or on a cluster, and know which are whole.

A shard is written beside its place and renamed into it, and its hash is written last, so that a run which is killed at
any moment leaves only whole shards and continues from them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from generation.cluster import SHARE, ClusterLostError, on_cluster
from generation.plan import pin_run, remove_leftovers, replace_file
from generation.pool import MakeShard, Progress, RunShards, run_shards
from mwlmc_data import release

PATIENCE = 120.0
"""How long the workers' last shards may take to appear here [s]: a network file system can remember for a minute
that a file was not there."""


class Run(Protocol):
    """What a run makes and where; `generation.plan.Plan` and `generation.haloes.HaloPlan` are such."""

    @property
    def out(self) -> Path:
        """Folder of the run."""
    @property
    def pins_path(self) -> Path:
        """Where the settings are written down that the run may not change."""
    @property
    def pins(self) -> dict[str, object]:
        """Those settings."""
    @property
    def n_shards(self) -> int:
        """Number of shards."""
    def rows(self, shard: int) -> range | list[int]:
        """Values of sim_id in a shard."""
    def shard_path(self, shard: int) -> Path:
        """Where a shard is written."""
    def hash_path(self, shard: int) -> Path:
        """Where its hash is written once it is whole."""


def make_shards(
    run: Run,
    make_shard: MakeShard,
    arguments: tuple[Any, ...],
    workers: int = 1,
    progress: bool = True,
    scheduler: str | None = None,
    timeout: float = 30.0,
) -> None:
    """Make all shards of a run that are not whole yet.

    Parameters
    ----------
    run : Run
        What to make; its folder must be absolute for a cluster, whose workers may stand in another one.
    make_shard : callable
        Called as ``make_shard(*arguments, shard, advance)``.
    arguments : tuple
        First arguments, the same for all shards.
    workers : int
        Number of processes; with 1 the work is done in this one. A cluster has its own number.
    progress : bool
        Whether to show a progress bar on stderr.
    scheduler : str, optional
        Address of a Dask scheduler whose workers make the shards; the folder must be theirs as well.
    timeout : float
        How long to try to reach the scheduler [s].

    Raises
    ------
    RunMismatchError
        If the folder belongs to a run with other settings.
    ClusterSetupError
        If the cluster cannot be used.
    ClusterLostError
        If it fails during the run. Finished shards stay.
    ValueError
        If the number of processes is not positive.
    """
    if workers < 1:
        raise ValueError(f"workers {workers!r} is not allowed: at least 1")
    files = [path(shard) for shard in range(run.n_shards) for path in (run.shard_path, run.hash_path)]
    folders = {run.out, run.pins_path.parent, *(file.parent for file in files)}
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    pin_run(run)
    for folder in folders:
        remove_leftovers(folder)
    todo = _unfinished(run, range(run.n_shards))
    total = sum(len(run.rows(shard)) for shard in range(run.n_shards))
    done = total - sum(len(run.rows(shard)) for shard in todo)
    runner: AbstractContextManager[RunShards] = nullcontext(partial(run_shards, workers=workers))
    if scheduler is not None and todo:
        runner = on_cluster(scheduler, run.pins_path, timeout)
    with runner as start, Progress(total=total, done=done, shown=progress) as bar:
        start(make_shard, arguments, todo, bar)
    if scheduler is not None:
        _await(run, todo)


def is_finished(run: Run, shard: int) -> bool:
    """Tell whether a shard is there, whole and unchanged."""
    path, digest = run.shard_path(shard), run.hash_path(shard)
    if not path.is_file() or not digest.is_file():
        return False
    if digest.read_text(encoding="utf-8").strip() != release.sha256_of(path):
        return False
    try:
        return pq.read_metadata(path).num_rows == len(run.rows(shard))
    except (pa.ArrowInvalid, OSError):
        return False


def finish(run: Run, shard: int) -> None:
    """Write the hash of a shard that is whole: a shard is finished only when it is there and right."""
    digest = release.sha256_of(run.shard_path(shard))
    replace_file(run.hash_path(shard), lambda temporary: temporary.write_text(digest + "\n", encoding="utf-8"))


def _unfinished(run: Run, shards: Iterable[int]) -> list[int]:
    return [shard for shard in shards if not is_finished(run, shard)]


def _await(run: Run, shards: list[int]) -> None:
    """Wait until shards that other machines made are seen here, whole."""
    deadline = time.monotonic() + PATIENCE
    while shards := _unfinished(run, shards):
        if time.monotonic() > deadline:
            raise ClusterLostError(
                f"the workers made {len(shards)} shards, the first of them {run.shard_path(shards[0])}, that "
                f"are not seen here, whole: {SHARE}"
            )
        time.sleep(1.0)
        # Opening the folder makes a network file system look at it anew.
        list(run.shard_path(shards[0]).parent.iterdir())
