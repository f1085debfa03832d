"""Make the shards of a run that are not there yet, in processes here or on a cluster, and know which are whole.

A shard is written beside its place and renamed into it, and its hash is written last, so that a run which is killed at
any moment leaves only whole shards and continues from them.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from generation.cluster import SHARE, ClusterLostError, open_cluster
from generation.plan import Run, RunMismatchError, is_pinned, pin_run, refuse_differences, refuse_other_draws
from generation.pool import MakeShard, Progress, RunShards, run_shards
from mwlmc_data.arguments.arrays import as_whole
from mwlmc_data.dataset import release, schema
from mwlmc_data.storage import parquet
from mwlmc_data.storage.errors import DamagedFileError
from mwlmc_data.storage.writing import make_folder, remove_leftovers, write_bytes

if TYPE_CHECKING:
    import pyarrow as pa

#: How long the workers' last shards may take to appear here [s]: a network file system can remember for a minute that a
#: file was not there.
PATIENCE = 120.0


#: Columns that say which simulations a shard holds.
_NUMBERS = ["sim_id", *schema.DRAWN]


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
        If the folder, or a finished shard in it, is of a run with other settings. Nothing is written then.
    DamagedRunError
        If the settings in the folder cannot be read.
    WriteError
        If the disk is full or read-only. Finished shards stay; where all are finished, nothing is written.
    ClusterSetupError
        If the cluster cannot be used.
    ClusterLostError
        If it fails during the run. Finished shards stay.
    ValueError
        If the number of processes is not positive.
    """
    as_whole("workers", workers, 1)
    is_known = is_pinned(run)
    todo = _list_unfinished(run, is_known)
    if todo or not is_known:
        shards = range(run.n_shards)
        folders = {path(shard).parent for shard in shards for path in (run.shard_path, run.hash_path)}
        folders |= {run.out, run.pins_path.parent}
        for folder in folders:
            make_folder(folder)
        pin_run(run)
        for folder in folders:
            remove_leftovers(folder)
    total = sum(len(run.rows(shard)) for shard in range(run.n_shards))
    done = total - sum(len(run.rows(shard)) for shard in todo)
    runner: AbstractContextManager[RunShards] = nullcontext(partial(run_shards, workers=workers))
    if scheduler is not None and todo:
        runner = open_cluster(scheduler, run.pins_path, timeout)
    with runner as start, Progress(total=total, done=done, shown=progress) as bar:
        start(make_shard, arguments, todo, bar)
    if scheduler is not None:
        _await(run, todo)


def is_finished(run: Run, shard: int) -> bool:
    """Tell whether a shard is there, whole and unchanged.

    Parameters
    ----------
    run : Run
        The run.
    shard : int
        Number of the shard.

    Returns
    -------
    bool
        False where a part is missing or damaged, and it is to be made.

    Raises
    ------
    RunMismatchError
        If it is whole, and of a run with other settings.
    """
    try:
        return _is_whole(run, shard) and read_shard(run, shard, _NUMBERS) is not None
    except (_OtherRowsError, DamagedFileError):
        return False


def _is_whole(run: Run, shard: int) -> bool:
    """Whether a shard is the file that its hash was written for."""
    path = run.shard_path(shard)
    try:
        digest = run.hash_path(shard).read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return False
    return path.is_file() and digest.decode(errors="replace").strip() == release.sha256_of(path)


def read_shard(run: Run, shard: int, columns: list[str] | None = None) -> pa.Table:
    """Read a shard, and compare what it says of itself, and its draws, with the run.

    Parameters
    ----------
    run : Run
        The run.
    shard : int
        Number of the shard.
    columns : list of str, optional
        With sim_id and the drawn parameters among them; all by default.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    RunMismatchError
        If it is of a run with another set, seed, version or schema, or its parameters are not those that are drawn.
    RuntimeError
        If it holds other simulations of the same run.
    DamagedFileError
        If it cannot be read.
    """
    path = run.shard_path(shard)
    with parquet.opened(path) as file:
        refuse_differences(run, run.metadata, parquet.facts_of(file), str(path))
        if not file.schema_arrow.equals(run.schema, check_metadata=False):
            there, wanted = (
                {field.name: f"{field.type}{'' if field.nullable else ' not null'}" for field in side}
                for side in (file.schema_arrow, run.schema)
            )
            refuse_differences(run, {"schema": wanted}, {"schema": there}, str(path))
        table = file.read(columns)
    ids = table["sim_id"].to_numpy()
    if not np.array_equal(ids, run.rows(shard)):
        raise _OtherRowsError(
            f"{path} holds {len(ids)} simulations from sim_id {ids.min(initial=0)} to {ids.max(initial=0)}, not the "
            f"{len(run.rows(shard))} from {run.rows(shard)[0]} to {run.rows(shard)[-1]}"
        )
    refuse_other_draws(run, shard, table, path)
    return table


class _OtherRowsError(RuntimeError):
    """A shard holds other simulations of the same run."""


def finish(run: Run, shard: int) -> None:
    """Write the hash of a shard that is whole: a shard is finished only when it is there and right."""
    digest = release.sha256_of(run.shard_path(shard))
    write_bytes(run.hash_path(shard), f"{digest}\n".encode())


def _list_unfinished(run: Run, is_known: bool) -> list[int]:
    """List the shards to make; where no settings say that the folder is of this run, no whole one is written over."""
    found = []
    for shard in range(run.n_shards):
        try:
            if _is_whole(run, shard):
                read_shard(run, shard, _NUMBERS)
                continue
        except DamagedFileError:
            pass
        except _OtherRowsError as error:
            if not is_known:
                raise RunMismatchError(
                    f"{run.out} is of a run that is parted in another way: {error}. Continue that run with its own "
                    "settings, or choose another folder."
                ) from error
        found.append(shard)
    return found


def _await(run: Run, shards: list[int]) -> None:
    """Wait until shards that other machines made are seen here, whole."""
    deadline = time.monotonic() + PATIENCE
    while shards := [shard for shard in shards if not is_finished(run, shard)]:
        if time.monotonic() > deadline:
            raise ClusterLostError(
                f"the workers made {len(shards)} shards, the first of them {run.shard_path(shards[0])}, that "
                f"are not seen here, whole: {SHARE}"
            )
        time.sleep(1.0)
        # Opening the folder makes a network file system look at it anew.
        list(run.shard_path(shards[0]).parent.iterdir())
