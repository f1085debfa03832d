"""Make the missing shards of a run, in local processes or on a cluster, and find which are complete.

A shard is written under a temporary name and renamed, and its hash is written last, so that a run killed at any moment
leaves only complete shards and continues from them.
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
from mwlmc_data.dataset import schema
from mwlmc_data.storage import parquet
from mwlmc_data.storage.errors import DamagedFileError
from mwlmc_data.storage.hashing import sha256_of
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
    """Make all incomplete shards of a run.

    Parameters
    ----------
    run : Run
        What to make; for a cluster its folder must be absolute, as workers may run in another one.
    make_shard : callable
        Called as ``make_shard(*arguments, shard, advance)``.
    arguments : tuple
        First arguments, the same for all shards.
    workers : int
        Number of processes; 1 works in this process. A cluster ignores it.
    progress : bool
        Whether to show a progress bar on stderr.
    scheduler : str, optional
        Address of a Dask scheduler whose workers make the shards; they must see the folder.
    timeout : float
        How long to try to reach the scheduler [s].

    Raises
    ------
    RunMismatchError
        If the folder or a finished shard in it belongs to a run with other settings. Nothing is written then.
    DamagedRunError
        If the settings in the folder cannot be read.
    WriteError
        If the disk is full or read-only. Finished shards stay; if all are finished, nothing is written.
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
    """Check that a shard is complete and unchanged.

    Parameters
    ----------
    run : Run
        The run.
    shard : int
        Number of the shard.

    Returns
    -------
    bool
        False if the shard is missing or damaged and has to be made.

    Raises
    ------
    RunMismatchError
        If it is complete but belongs to a run with other settings.
    """
    try:
        return _is_whole(run, shard) and read_shard(run, shard, _NUMBERS) is not None
    except (_OtherRowsError, DamagedFileError):
        return False


def _is_whole(run: Run, shard: int) -> bool:
    """Whether a shard matches its hash."""
    path = run.shard_path(shard)
    try:
        digest = run.hash_path(shard).read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return False
    return path.is_file() and digest.decode(errors="replace").strip() == sha256_of(path)


def read_shard(run: Run, shard: int, columns: list[str] | None = None) -> pa.Table:
    """Read a shard, and compare its metadata and draws with the run.

    Parameters
    ----------
    run : Run
        The run.
    shard : int
        Number of the shard.
    columns : list of str, optional
        Columns to read, including sim_id and the drawn parameters; all by default.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    RunMismatchError
        If it belongs to a run with another set, seed, version or schema, or has other parameters than the run draws.
    RuntimeError
        If it holds other simulations of the same run.
    DamagedFileError
        If it cannot be read.
    """
    path = run.shard_path(shard)
    with parquet.open_file(path) as file:
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
            f"{len(run.rows(shard))} from {run.rows(shard)[0]} to {run.rows(shard)[-1]}",
            has_more=len(ids) > len(run.rows(shard)),
        )
    refuse_other_draws(run, shard, table, path)
    return table


class _OtherRowsError(RuntimeError):
    """A shard holds other simulations of the same run; perhaps more of them."""

    def __init__(self, message: str, has_more: bool) -> None:
        self.has_more = has_more
        super().__init__(message)


def finish(run: Run, shard: int) -> None:
    """Write the hash of a complete shard: a shard counts as finished only with a matching hash."""
    digest = sha256_of(run.shard_path(shard))
    write_bytes(run.hash_path(shard), f"{digest}\n".encode())


def _list_unfinished(run: Run, is_known: bool) -> list[int]:
    """List the shards to make; in a folder without this run's settings, refuse to overwrite a complete one."""
    found = []
    for shard in range(run.n_shards):
        try:
            if _is_whole(run, shard):
                read_shard(run, shard, _NUMBERS)
                continue
        except DamagedFileError:
            pass
        except _OtherRowsError as error:
            if not is_known or error.has_more:
                raise RunMismatchError(
                    f"{run.out} belongs to a run with other shards: {error}. Continue that run with its own "
                    "settings, or choose another folder."
                ) from error
        found.append(shard)
    return found


def _await(run: Run, shards: list[int]) -> None:
    """Wait until shards made on other machines are visible here, complete."""
    deadline = time.monotonic() + PATIENCE
    while shards := [shard for shard in shards if not is_finished(run, shard)]:
        if time.monotonic() > deadline:
            raise ClusterLostError(
                f"the workers made {len(shards)} shards, the first of them {run.shard_path(shards[0])}, that "
                f"are not visible here: {SHARE}"
            )
        time.sleep(1.0)
        # Listing the folder makes a network file system refresh it.
        list(run.shard_path(shards[0]).parent.iterdir())
