"""Small files that the package embeds, each checked against its hash before it is read.

They are not sets of simulations, so they have their own registry beside that of the release
(`mwlmc_data.dataset.release`), in the same form: `data/benchmark.json`, name -> file (relative to the registry),
sha256, bytes, rows, simulator_version (of the program that made the numbers: of `mwlmc_data.live` for a live run).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mwlmc_data.storage.errors import DamagedFileError
from mwlmc_data.storage.hashing import sha256_of
from mwlmc_data.storage.homes import DATA_DIR
from mwlmc_data.storage.writing import write_bytes

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
REGISTRY = "benchmark.json"
_FIELDS = {"file", "sha256", "bytes", "rows", "simulator_version"}


def load_registry(directory: Path | None = None) -> dict[str, dict[str, Any]]:
    """Read the registry.

    Parameters
    ----------
    directory : Path, optional
        Folder of the files; that of the package by default.

    Returns
    -------
    dict
        Name -> entry; empty without a registry.

    Raises
    ------
    DamagedFileError
        If it is not a registry.
    """
    path = _directory(directory) / REGISTRY
    if not path.exists():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {name: {key: entry[key] for key in sorted(_FIELDS)} for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(path, "a registry of files", f"other text ({error!r})") from error


def select_registered(tables: Mapping[str, T], directory: Path | None = None) -> dict[str, T]:
    """Those of some tables, by name, that are registered in a folder, by default that of the package."""
    registered = load_registry(directory)
    return {name: table for name, table in tables.items() if name in registered}


def verify_file(name: str, directory: Path | None = None) -> Path | None:
    """Find a file and check it against its hash.

    Parameters
    ----------
    name : str
        Name in the registry.
    directory : Path, optional
        Folder of the files; that of the package by default.

    Returns
    -------
    Path or None
        None if no such file is registered: it is not part of this version.

    Raises
    ------
    DamagedFileError
        If the file is registered and missing, or has another hash.
    """
    entry = load_registry(directory).get(name)
    if entry is None:
        return None
    path = _directory(directory) / entry["file"]
    expected = f"SHA-256 {entry['sha256']} ({entry['bytes']} bytes)"
    if not path.is_file():
        raise DamagedFileError(path, expected, "no such file")
    found = sha256_of(path)
    if found != entry["sha256"]:
        raise DamagedFileError(path, expected, f"{found} ({path.stat().st_size} bytes)")
    return path


def read_table(path: Path, columns: Sequence[str], parse: Callable[[pa.Table], T]) -> T:
    """Read an embedded table.

    Parameters
    ----------
    path : Path
        A file of Parquet.
    columns : sequence of str
        Columns to read; the file may have more.
    parse : callable
        Makes the result from the table.

    Returns
    -------
    object
        The result of `parse`.

    Raises
    ------
    DamagedFileError
        If the file is not such a table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=list(columns))
        if missing := [name for name in columns if name not in table.column_names]:
            raise ValueError(f"no columns {missing}")
        return parse(table)
    except (pa.ArrowException, ValueError, KeyError, AttributeError) as error:
        raise DamagedFileError(path, f"a table with the columns {', '.join(columns)}", f"another ({error})") from error


def read_names(path: Path) -> list[str]:
    """Read the names of the columns of an embedded table.

    Raises
    ------
    DamagedFileError
        If the file is not a table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_schema(path).names)
    except pa.ArrowException as error:
        raise DamagedFileError(path, "a table", f"another ({error})") from error


def register(
    path: Path, name: str, rows: int, simulator_version: str, directory: Path | None = None
) -> dict[str, Any]:
    """Enter a file into the registry.

    Parameters
    ----------
    path : Path
        An existing file in the folder of the registry, or in a folder of it.
    name : str
        Name to look it up by.
    rows : int
        Number of its rows.
    simulator_version : str
        Version of the simulator that made its numbers.
    directory : Path, optional
        Folder of the registry, which is created if missing; that of the file by default.

    Returns
    -------
    dict
        The new entry.
    """
    directory = path.parent if directory is None else directory
    entries = load_registry(directory)
    entries[name] = {
        "file": path.relative_to(directory).as_posix(),
        "sha256": sha256_of(path),
        "bytes": path.stat().st_size,
        "rows": rows,
        "simulator_version": simulator_version,
    }
    text = json.dumps(entries, indent=2, sort_keys=True)
    write_bytes(directory / REGISTRY, f"{text}\n".encode())
    return entries[name]


def _directory(directory: Path | None) -> Path:
    return DATA_DIR if directory is None else directory
