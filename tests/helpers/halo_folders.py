"""Folders of haloes for tests: parts of the mini set under other settings, which are quick to make."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq

from mwlmc_data.dataset import library, store
from mwlmc_data.storage import parquet


def copy_of_mini(root: Path) -> store.Store:
    """Copy the embedded haloes to a folder that may be damaged."""
    shutil.copytree(library.MINI, root, ignore=shutil.ignore_patterns(".*"))
    return store.Store(root)


def with_checksums(mini: store.Store) -> store.Store:
    """Rewrite the files of such a folder with today's writers, which add checksums."""
    entries = []
    for entry in mini.manifest.files:
        table, path = pq.read_table(mini.path(entry)), mini.path(entry)
        options = {"row_group_size": 4, "use_dictionary": False, **parquet.WRITING}
        pq.write_table(table.cast(parquet.mark_schema(table.schema)), path, **options)
        entries.append(store.describe_file(mini.root, entry.path, entry.config, entry.split, entry.rows, entry.sim_ids))
    manifest = dataclasses.replace(mini.manifest, files=tuple(entries))
    (mini.root / store.MANIFEST).write_text(manifest.to_json())
    return store.Store(mini.root)


def rot(path: Path, place: int, bit: int = 0) -> None:
    """Flip one bit of a file as an old disk does: its size and modification time stay."""
    status = path.stat()
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ (1 << bit)]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
