"""Make the table of simulations of one configuration.

The simulations are made in shards, one Parquet file each, by several processes or a cluster. A shard is written under a
temporary name and renamed, and its hash is written last, so that a run killed at any moment leaves only complete shards
and continues from them. The final file is assembled from all shards in fixed row groups: its bytes depend on the
configuration, the seed, the number of simulations and the simulator, but not on the size of the shards, the number of
processes or interruptions.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from generation.plan import Plan, refuse_differences
from generation.shards import finish, is_finished, make_shards, read_shard
from mwlmc_data.dataset import release, schema
from mwlmc_data.priors import Prior
from mwlmc_data.storage import parquet
from mwlmc_data.storage.errors import DamagedFileError, WriteError
from mwlmc_data.storage.writing import make_folder, replace_file, write_bytes

#: Simulations per step of the progress bar; a process stops only between steps.
SLICE = 16

#: Turns a table of draws with sim_id, and the seed, into a table with all columns of the schema but split.
#:
#: If a draw cannot be simulated it raises a ValueError or RuntimeError that names the sim_id and the values.
SimulateTable = Callable[[pd.DataFrame, int], pd.DataFrame]


class SimulationFailedError(RuntimeError):
    """A draw from the prior that cannot be simulated; the message gives it and its values."""


def simulate_table(draws: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Simulate a table of draws with the simulator of the package.

    Parameters
    ----------
    draws : DataFrame
        Drawn parameters and sim_id, one row per simulation.
    seed : int
        Seed of the set.

    Returns
    -------
    DataFrame
        All columns of the schema but split.
    """
    from mwlmc_data.simulator import simulate_many

    return simulate_many(draws, seed=seed, workers=1, progress=False)


def make_catalogue(
    plan: Plan,
    simulate_table: SimulateTable,
    workers: int = 1,
    progress: bool = True,
    scheduler: str | None = None,
    timeout: float = 30.0,
) -> Path:
    """Make the table of simulations, or continue to make it.

    Parameters
    ----------
    plan : Plan
        What to make.
    simulate_table : callable
        Takes a table of draws and the seed; each simulation must depend only on its row and the seed. With several
        processes it must be a function of an importable module.
    workers : int
        Number of processes; 1 works in this process. A cluster ignores it.
    progress : bool
        Whether to show a progress bar on stderr.
    scheduler : str, optional
        Address of a Dask scheduler whose workers make the shards; they must see the folder.
    timeout : float
        How long to try to reach the scheduler [s].

    Returns
    -------
    Path
        The final Parquet file.

    Raises
    ------
    RunMismatchError
        If the folder, a finished shard or a final file in it belongs to a run with other settings. Nothing is changed.
    DamagedRunError
        If the settings in the folder cannot be read.
    SimulationFailedError
        If a draw cannot be simulated. Finished shards stay.
    WriteError
        If the disk is full or read-only. Finished shards stay; a finished run writes nothing.
    ClusterSetupError
        If the cluster cannot be used.
    ClusterLostError
        If it fails during the run. Finished shards stay.
    ValueError
        If the number of processes is not positive.
    """
    # Workers of a cluster may run in another folder.
    plan = dataclasses.replace(plan, out=plan.out.absolute())
    _refuse_another_table(plan)
    make_shards(plan, make_shard, (plan, simulate_table), workers, progress, scheduler, timeout)
    return _merge(plan)


def make_shard(plan: Plan, simulate_table: SimulateTable, shard: int, advance: Callable[[int], None]) -> None:
    """Make one shard and its hash, unless it exists.

    Parameters
    ----------
    plan : Plan
        What the run makes.
    simulate_table : callable
        As for `make_catalogue`.
    shard : int
        Number of the shard.
    advance : callable
        Called every few simulations with the number made; may raise to stop.

    Raises
    ------
    SimulationFailedError
        If a draw cannot be simulated.
    """
    if is_finished(plan, shard):
        # On a cluster, the worker that made it died before reporting it.
        advance(len(plan.rows(shard)))
        return
    frames = []
    for draws in _make_slices(plan, shard):
        frames.append(_simulate(draws, plan, simulate_table))
        advance(len(draws))
    table = _to_arrow(pd.concat(frames, ignore_index=True), plan)
    path = plan.shard_path(shard)
    replace_file(path, lambda temporary: parquet.write_table(table, temporary))
    finish(plan, shard)


def _make_slices(plan: Plan, shard: int) -> Iterator[pd.DataFrame]:
    prior = Prior(plan.config)
    rows = plan.rows(shard)
    for start in range(rows.start, rows.stop, SLICE):
        draws = prior.sample(min(SLICE, rows.stop - start), seed=plan.seed, start=start)
        draws.insert(0, "sim_id", np.arange(start, start + len(draws), dtype=np.int32))
        yield draws


def _simulate(draws: pd.DataFrame, plan: Plan, simulate_table: SimulateTable) -> pd.DataFrame:
    try:
        made = simulate_table(draws, plan.seed)
    except (ValueError, RuntimeError, ArithmeticError) as error:
        raise SimulationFailedError(f"the {plan.config} set with seed {plan.seed}: {error}") from error
    _check(made, draws, plan)
    return made.assign(split=schema.split_of(draws["sim_id"].to_numpy()))


def _check(made: pd.DataFrame, draws: pd.DataFrame, plan: Plan) -> None:
    wanted = set(schema.CATALOGUE_NAMES) - {"split"}
    if set(made.columns) != wanted:
        raise RuntimeError(
            f"the simulator's columns differ from the schema in {sorted(set(made.columns) ^ wanted)}"
        )
    if made["sim_id"].tolist() != draws["sim_id"].tolist():
        raise RuntimeError(
            f"the simulator returned sim_id {made['sim_id'].tolist()} for {draws['sim_id'].tolist()}"
        )
    versions = set(made["simulator_version"])
    if versions != {plan.simulator_version}:
        raise RuntimeError(f"the simulator's version is {versions}, the run's {plan.simulator_version!r}")
    changed = [
        name for name in schema.DRAWN if not np.array_equal(made[name].astype(np.float32), draws[name])
    ]
    if changed:
        raise RuntimeError(f"the simulator returned other values than were drawn in {changed}")
    real = [c.name for c in schema.COLUMNS if c.dtype == "float32"]
    finite = np.isfinite(made[real].to_numpy(dtype=np.float32))
    if not finite.all():
        i = int(np.flatnonzero(~finite.all(axis=1))[0])
        names = [name for name, ok in zip(real, finite[i], strict=True) if not ok]
        raise SimulationFailedError(
            f"the {plan.config} set with seed {plan.seed}: {names} are not finite in {dict(draws.iloc[i])}"
        )


def _to_arrow(frame: pd.DataFrame, plan: Plan) -> pa.Table:
    arrow_schema = schema.arrow_schema(plan.metadata)
    numpy_types = {"int32": np.int32, "float32": np.float32, "string": str}
    arrays = [
        pa.array(frame[c.name].to_numpy().astype(numpy_types[c.dtype]), type=arrow_schema.field(c.name).type)
        for c in schema.COLUMNS
    ]
    return pa.Table.from_arrays(arrays, schema=arrow_schema)


def _refuse_another_table(plan: Plan) -> None:
    """Raise RunMismatchError if a final file exists that this run would not make."""
    path = plan.catalogue_path
    try:
        with parquet.open_file(path) as file:
            facts = parquet.facts_of(file)
    except (FileNotFoundError, DamagedFileError):
        return
    refuse_differences(plan, plan.metadata, facts, str(path))


def _merge(plan: Plan) -> Path:
    tables = [read_shard(plan, shard) for shard in range(plan.n_shards)]
    table = pa.concat_tables(tables).combine_chunks()
    path, stream = plan.catalogue_path, pa.BufferOutputStream()
    parquet.write_table(table, stream)
    content = stream.getvalue().to_pybytes()
    if path.is_file() and path.read_bytes() == content:
        return path
    try:
        write_bytes(path, content)
    except WriteError:
        # On a read-only disk. Another version of Arrow may have written the same values as other bytes.
        if not _holds(path, table):
            raise
    return path


def _holds(path: Path, table: pa.Table) -> bool:
    """Whether a file holds a table with the same metadata."""
    try:
        found = parquet.read_table(path)
    except (FileNotFoundError, DamagedFileError):
        return False
    # without the description that a footer adds: the same values may be described in other words
    stated, wanted = (dict(parquet.mark_schema(t.schema).metadata) for t in (found, table))
    return found.equals(table) and all(stated.get(name) == value for name, value in wanted.items())


def embed(plan: Plan, directory: Path | None = None) -> Path:
    """Copy the final file into the package and enter it into the registry.

    Parameters
    ----------
    plan : Plan
        A finished run.
    directory : Path, optional
        Folder of the embedded files; the package's by default.

    Returns
    -------
    Path
        The embedded file.

    Raises
    ------
    ValueError
        If the seed is not that of the release.
    """
    directory = release.DATA_DIR if directory is None else directory
    check_embeddable(plan, directory)
    make_folder(directory)
    target = directory / plan.catalogue_path.name
    replace_file(target, lambda temporary: shutil.copyfile(plan.catalogue_path, temporary))
    release.register(
        target,
        config=plan.config,
        rows=plan.simulations,
        seed=plan.seed,
        simulator_version=plan.simulator_version,
    )
    return target


def check_embeddable(plan: Plan, directory: Path | None = None) -> None:
    """Refuse to embed a set with another seed than the release, or a smaller one.

    Parameters
    ----------
    plan : Plan
        The run.
    directory : Path, optional
        Folder of the embedded files; that of the package by default.

    Raises
    ------
    ValueError
        If the seed differs, because users simulate haloes again with that of the release, or the package has more
        simulations, which tasks rely on.
    """
    seed = release.CATALOGUE_SEEDS[plan.config]
    if plan.seed != seed:
        raise ValueError(f"seed = {plan.seed}: allowed is {seed} for the {plan.config} set of the package")
    held = release.load_registry(directory).get(release.DATA_VERSION, {}).get("files", {}).get(plan.config)
    rows = 0 if held is None else held["rows"]
    if plan.simulations < rows:
        raise ValueError(f"simulations = {plan.simulations}: allowed are {rows} or more, which the package has")
