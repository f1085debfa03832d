"""Go on with the set `live` from what the repository holds of it: write the shards of those simulations.

Runs are chaotic: on another machine, or once the folder of a run is lost, the same simulations cannot be made again.
All that a shard holds stands in the tables and in the files of the runs. The tables of a set that is not finished lie
beside its runs; those of a finished one are embedded in the package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from generation.live_embedding import get_unfinished
from generation.live_set import LivePlan, make_table, write_shard
from generation.plan import RunMismatchError, is_pinned, pin_run, refuse_differences
from generation.shards import is_finished, read_shard
from mwlmc_data.dataset.live_tables import HALOES, TABLES, verify_table
from mwlmc_data.live.truths import REPOSITORY_RUNS, name_run, verify_run
from mwlmc_data.storage import parquet
from mwlmc_data.storage.writing import make_folder


class _Embedded(NamedTuple):
    """What is embedded of the set: rows of haloes, hashes of runs, and misses, by the number of the simulation."""

    rows: dict[int, list[dict[str, Any]]]
    hashes: dict[int, str]
    misses: dict[int, dict[str, Any]]

    @property
    def numbers(self) -> list[int]:
        return sorted([*self.hashes, *self.misses])


def restore(plan: LivePlan, runs_folder: Path = REPOSITORY_RUNS) -> list[int]:
    """Write the shards of the simulations in the repository that a folder lacks.

    Parameters
    ----------
    plan : LivePlan
        What the folder is for: the embedded set, or a larger one with the same settings.
    runs_folder : Path
        Folder of the runs, and of the tables of an unfinished set; that of the repository by default.

    Returns
    -------
    list of int
        Numbers of the simulations that were written. Finished shards that hold the same stay as they are.

    Raises
    ------
    ValueError
        If the package does not embed the set, or the plan has fewer simulations than are embedded.
    RunMismatchError
        If the embedded set, the folder or a finished shard in it has other settings or parameters than the plan, or a
        finished shard holds another simulation than is embedded.
    DamagedFileError
        If a table or a run is missing or damaged.
        In all these cases nothing is written.
    WriteError
        If the disk is full or read-only.
    """
    is_pinned(plan)
    embedded = _read_embedded(plan, get_unfinished(runs_folder))
    if (last := max(embedded.numbers, default=-1)) >= plan.simulations:
        raise ValueError(f"simulations = {plan.simulations}: allowed is at least {last + 1}, as many as are embedded")
    # all of it is checked, and 80 MB at most are in memory, before anything is written
    shards = {number: _rebuild(plan, number, embedded, runs_folder) for number in embedded.numbers}
    missing = [number for number, table in shards.items() if not _is_there(plan, number, table)]
    if missing:
        make_folder(plan.shard_path(missing[0]).parent)
        pin_run(plan)
    for number in missing:
        write_shard(plan, number, shards[number])
    return missing


def refuse_without_shards(plan: LivePlan, runs_folder: Path = REPOSITORY_RUNS) -> None:
    """Refuse to make simulations again whose runs are embedded: others would come out, which cannot be embedded.

    Parameters
    ----------
    plan : LivePlan
        What is to be made and embedded.
    runs_folder : Path
        Folder of the embedded runs; that of the repository by default.

    Raises
    ------
    ValueError
        If the plan has fewer simulations than the repository, or its folder lacks the shard of a run.
    """
    numbers = sorted(int(path.stem.rpartition("-")[2]) for path in runs_folder.glob(name_run(0).replace("00000", "*")))
    if numbers and numbers[-1] >= plan.simulations:
        raise ValueError(
            f"simulations = {plan.simulations}: allowed is at least {numbers[-1] + 1}, as many as {runs_folder} has"
        )
    if lacking := [number for number in numbers if not is_finished(plan, number)]:
        raise ValueError(
            f"out = {str(plan.out)!r}, which lacks {len(lacking)} of {len(numbers)} simulations in {runs_folder}: with "
            "--embed or --keep allowed is a folder that has them, as no run can be made again; --from-embedded writes "
            f"them there. To replace the set, first move {runs_folder} away"
        )


def _read_embedded(plan: LivePlan, directory: Path | None) -> _Embedded:
    """Read the embedded tables and compare their facts with the plan."""
    tables = {}
    for name in TABLES:
        path = verify_table(name, "--from-embedded", directory)
        tables[name] = parquet.read_table(path)
        refuse_differences(plan, plan.metadata, parquet.decode_facts(tables[name].schema), str(path))
    haloes, simulations, _, misses = (table.to_pylist() for table in tables.values())
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in haloes:
        rows.setdefault(row["sim_id"] // HALOES, []).append({n: value for n, value in row.items() if n != "split"})
    hashes = {row["live_id"]: row["run_sha256"] for row in simulations}
    return _Embedded(rows, hashes, {row["live_id"]: row for row in misses})


def _rebuild(plan: LivePlan, number: int, embedded: _Embedded, runs_folder: Path) -> pa.Table:
    """Make the content of a shard of what is embedded."""
    drawn = {name: float(values[0]) for name, values in plan.drawn(number).items()}
    if number in embedded.misses:
        miss = embedded.misses[number]
        _refuse_others(plan, number, [miss], [drawn])
        return make_table(plan, number, miss["missed"], b"", [])
    masses = {name: drawn[name] for name in ("m200_mw", "m_lmc")}
    _refuse_others(plan, number, embedded.rows[number], [masses | halo for halo in plan.draw_haloes(number)])
    path = verify_run(runs_folder / name_run(number), embedded.hashes[number])
    return make_table(plan, number, "", path.read_bytes(), embedded.rows[number])


def _refuse_others(plan: LivePlan, number: int, rows: list[dict[str, Any]], wanted: list[dict[str, float]]) -> None:
    """Raise RunMismatchError unless embedded rows have the parameters that the plan draws."""
    pairs = ((name, row[name], value) for row, right in zip(rows, wanted, strict=True) for name, value in right.items())
    other = sorted({name for name, found, value in pairs if found != float(np.float32(value))})
    if other:
        raise RunMismatchError(
            f"the embedded simulation {number} has other parameters than {plan.metadata} draws: {', '.join(other)} "
            "differ. Go on with the version of the program that made it."
        )


def _is_there(plan: LivePlan, number: int, table: pa.Table) -> bool:
    """Whether a finished shard holds this; False where none is finished."""
    if not is_finished(plan, number):
        return False
    if not read_shard(plan, number).equals(table):
        raise RunMismatchError(
            f"{plan.shard_path(number)} holds another simulation {number} than is embedded, and neither can be made "
            "again: choose another folder."
        )
    return True
