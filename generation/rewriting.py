"""Rewrite the embedded tables: the same values, with the metadata and in the format of the current writer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from generation.haloes import ROW_GROUP, write_shard
from mwlmc_data.dataset import library, live_tables, release, schema, store
from mwlmc_data.scoring import ladders, references, yardstick
from mwlmc_data.storage import embedded, parquet
from mwlmc_data.storage.writing import replace_file, write_bytes

_BENCHMARK: dict[str, Sequence[schema.Column]] = {
    **references.TABLES,
    ladders.NAME: ladders.COLUMNS,
    yardstick.NAME: yardstick.COLUMNS,
    **live_tables.TABLES,
}


def rewrite(directory: Path = release.DATA_DIR) -> list[Path]:
    """Rewrite every embedded table, and enter its hash where it is registered.

    For a PATCH version, and before a release while descriptions of columns still change. What names the hash of a file
    elsewhere, as results of the benchmark do, is not touched.

    Parameters
    ----------
    directory : Path
        Folder of the embedded files; that of the package by default.

    Returns
    -------
    list of Path
        The files, in the order of their registries.

    Raises
    ------
    DamagedFileError
        If a file is not the one that is registered. What was written before stays.
    ValueError
        If a column's type is another than that of the schema.
    """
    written = []
    for config, entry in release.load_registry(directory)[release.DATA_VERSION]["files"].items():
        path = release.verify_embedded(config, directory=directory)
        _write_again(path, schema.COLUMNS)
        facts = {name: entry[name] for name in ("rows", "seed", "simulator_version")}
        release.register(path, config=config, **facts)
        written.append(path)
    for name, columns in _BENCHMARK.items():
        table = embedded.verify_file(name, directory)
        if table is not None:
            _write_again(table, columns)
            entry = embedded.load_registry(directory)[name]
            embedded.register(table, name, entry["rows"], entry["simulator_version"])
            written.append(table)
    return [*written, *_rewrite_haloes(directory / library.MINI.name)]


def _write_again(path: Path, columns: Sequence[schema.Column]) -> None:
    table = _described(parquet.read_table(path), columns)
    replace_file(path, lambda temporary: parquet.write_table(table, temporary))


def _described(table: pa.Table, columns: Sequence[schema.Column]) -> pa.Table:
    """The same table under the schema of today, with the facts that its file states."""
    facts = parquet.decode_facts(table.schema)
    for name in parquet.MARK:
        facts.pop(name, None)
    wanted = schema.table_schema(columns, facts)
    if not table.schema.equals(wanted, check_metadata=False):
        raise ValueError(f"columns = {table.schema.names}: allowed are {wanted.names}, of the types of the schema")
    return table.replace_schema_metadata(wanted.metadata).cast(wanted)


def _rewrite_haloes(folder: Path) -> list[Path]:
    source = store.Store(folder)
    entries = []
    for entry in source.manifest.files:
        path = source.verify(entry)
        table = _described(parquet.read_table(path), schema.HALO_COLUMNS)
        replace_file(path, partial(_write_shard, table))
        entries.append(store.describe_file(folder, entry.path, entry.config, entry.split, entry.rows, entry.sim_ids))
    manifest = dataclasses.replace(source.manifest, files=tuple(entries))
    write_bytes(folder / store.MANIFEST, manifest.to_json().encode())
    return [source.path(entry) for entry in entries]


def _write_shard(table: pa.Table, path: Path) -> None:
    groups = [table.slice(start, ROW_GROUP) for start in range(0, table.num_rows, ROW_GROUP)]
    write_shard(path, table.schema, groups)
