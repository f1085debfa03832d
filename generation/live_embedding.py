"""Put the set `live` into the repository: its tables into the package, and its runs, which are larger, beside it.

A set takes hours. While it is not finished its tables lie beside the runs, where only :mod:`generation.live_restoring`
reads them, so that no simulation is lost and no task depends on half a set.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from generation.live_tables import LiveFiles
from mwlmc_data.dataset import schema
from mwlmc_data.dataset.live_tables import HALOES, NAME, SPLITS, TABLES
from mwlmc_data.live.settings import LIVE_VERSION
from mwlmc_data.live.simulation import MAX_SIZE
from mwlmc_data.live.truths import REPOSITORY_RUNS, name_run
from mwlmc_data.simulator import SIMULATOR_VERSION
from mwlmc_data.storage import embedded, parquet
from mwlmc_data.storage.hashing import sha256_of
from mwlmc_data.storage.homes import DATA_DIR
from mwlmc_data.storage.writing import make_folder, write_bytes

#: Largest size [bytes] of all runs together, which every clone of the repository carries.
MAX_RUNS_SIZE = 80_000_000


def embed(files: LiveFiles, directory: Path = DATA_DIR, runs_folder: Path = REPOSITORY_RUNS) -> list[Path]:
    """Copy the tables into the package and register them, and copy the runs into the repository.

    Parameters
    ----------
    files : LiveFiles
        As :func:`generation.live_tables.assemble` returns them.
    directory : Path
        Folder of the embedded files; that of the package by default. `runs_folder` keeps an unfinished set.
    runs_folder : Path
        Folder of the runs; that of the repository by default. Runs that it holds already must be among those of the
        set: a set may grow, and chaotic runs cannot be made again.

    Returns
    -------
    list of Path
        The embedded tables.

    Raises
    ------
    ValueError
        If a table has other columns or is of another version, the tables and runs do not belong together, a split is
        empty, the runs are too large, or the folder holds another run of the same name or one that the set lacks.
        Nothing is written then.
    DamagedFileError
        If a file is not a Parquet file.
    """
    paths = dict(zip(TABLES, (files.haloes, files.simulations, files.frictions, files.misses), strict=True))
    tables = {name: _read(name, path) for name, path in paths.items()}
    _check_set(tables, files.runs, is_finished=directory != runs_folder)
    _check_runs(files.runs, tables["live-simulations"]["run_sha256"].to_pylist(), runs_folder)
    make_folder(runs_folder)
    for path in files.runs:
        write_bytes(runs_folder / path.name, path.read_bytes())
    targets = []
    for name, path in paths.items():
        target = directory / path.name
        write_bytes(target, path.read_bytes())
        embedded.register(target, name, tables[name].num_rows, LIVE_VERSION, directory)
        targets.append(target)
    if directory != runs_folder:  # what is embedded takes the place of what was kept: last, so that nothing is lost
        for path in (runs_folder / embedded.REGISTRY, *(runs_folder / f"{name}.parquet" for name in TABLES)):
            path.unlink(missing_ok=True)
    return targets


def get_unfinished(runs_folder: Path = REPOSITORY_RUNS) -> Path | None:
    """Folder of the tables of an unfinished set: that of its runs, or None if there is none."""
    return runs_folder if (runs_folder / embedded.REGISTRY).is_file() else None


def _read(name: str, path: Path) -> pa.Table:
    table = parquet.read_table(path)
    wanted = schema.table_schema(TABLES[name])
    if not table.schema.equals(wanted, check_metadata=False):
        raise ValueError(f"columns of {path} = {', '.join(table.column_names)}: allowed are {', '.join(wanted.names)}")
    facts = parquet.decode_facts(table.schema)
    allowed = {"config": NAME, "live_version": LIVE_VERSION, "simulator_version": SIMULATOR_VERSION}
    for fact, value in allowed.items():
        if facts.get(fact) != value:
            raise ValueError(f"{fact} of {path} = {facts.get(fact)!r}: allowed is {value!r}")
    return table


def _check_set(tables: dict[str, pa.Table], runs: list[Path], is_finished: bool) -> None:
    """Check that all tables and runs are of one set, and that of a finished one no split is empty."""
    haloes, simulations, frictions, misses = tables.values()
    known = simulations["live_id"].to_pylist()
    expected = [HALOES * number + i for number in known for i in range(HALOES)]
    if haloes["sim_id"].to_pylist() != expected:
        raise ValueError(
            f"sim_id of the haloes = {haloes.num_rows} numbers: allowed are {HALOES} for each of the {len(known)} "
            "simulations, in their order"
        )
    for what, table, allowed in (("frictions", frictions, True), ("misses", misses, False)):
        odd = [number for number in table["live_id"].to_pylist() if (number in known) is not allowed]
        if odd:
            told = "simulations that arrived" if allowed else "simulations that missed"
            raise ValueError(f"live_id of the {what} = {odd[0]}: allowed are those of {told}")
    if [path.name for path in runs] != [name_run(number) for number in known]:
        raise ValueError(f"runs = {len(runs)} files: allowed is one for each of the {len(known)} simulations")
    if is_finished and (empty := [split for split in SPLITS if split not in simulations["split"].to_pylist()]):
        raise ValueError(f"simulations of the {empty[0]} split = 0: allowed is 1 or more; make more with --simulations")


def _check_runs(runs: list[Path], hashes: list[str], folder: Path) -> None:
    for path, digest in zip(runs, hashes, strict=True):
        if (found := sha256_of(path)) != digest:
            raise ValueError(f"SHA-256 of {path} = {found}: allowed is {digest}, of the table of simulations")
    if odd := sorted({path.name for path in folder.glob("*.npz")} - {path.name for path in runs}):
        raise ValueError(
            f"{folder / odd[0]} = a run that the set lacks: allowed is a set that has all runs of that folder; to "
            "replace the set, first move it away"
        )
    sizes = {path: path.stat().st_size for path in runs}
    for path, size in sizes.items():
        if size > MAX_SIZE:
            raise ValueError(f"size of {path} = {size} bytes: allowed is at most {MAX_SIZE}")
        target = folder / path.name
        if target.is_file() and target.read_bytes() != path.read_bytes():
            raise ValueError(
                f"{target} = another run than {path}: allowed is the same, as no run can be made again; to replace the "
                "set, first move that folder away"
            )
    if sum(sizes.values()) > MAX_RUNS_SIZE:
        raise ValueError(f"size of all runs = {sum(sizes.values())} bytes: allowed is at most {MAX_RUNS_SIZE}")
