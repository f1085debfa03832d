"""Assemble the published folder: the one that is uploaded, and that every mirror serves.

The Hugging Face Hub takes it as a repository, `mwlmc_data.dataset.store` reads it, and, as its fewer than 100 base
names are unique, it also lies flat in a Zenodo record. A file is written under a temporary name and renamed, correct
files are kept, and SHA256SUMS comes last: running a killed run again produces the same folder.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from tqdm import tqdm

from generation import card, croissant, zenodo
from generation.sums import format_sums
from generation.tables import CONFIG_COLUMNS, files_of, read_split, splits_of
from mwlmc_data.dataset import release, schema, store
from mwlmc_data.dataset.catalogue import load_catalogue
from mwlmc_data.simulator import SIMULATOR_VERSION
from mwlmc_data.storage import parquet
from mwlmc_data.storage.errors import DamagedFileError
from mwlmc_data.storage.hashing import sha256_of
from mwlmc_data.storage.writing import make_folder, replace_file, write_bytes

REPOSITORY = Path(__file__).resolve().parents[1]
#: Files of the folder and their originals in the repository; the folder holds data, so its licence is the data's.
COPIED = {"CITATION.cff": "CITATION.cff", "LICENSE": "LICENSE-DATA"}
README = "README.md"
SUMS = "SHA256SUMS"
#: Subfolders that users of the folder and the upload tool leave in it: not part of it, and left alone.
NOT_PUBLISHED = (store.STAMPS, ".locks", ".cache")
#: Address of the dataset's page until there is another: the card, beside its description.
PAGE = README

_TEXTS = (store.MANIFEST, README, croissant.NAME, zenodo.NAME, *COPIED, SUMS)
_LEFTOVER = re.compile(r"\.[0-9a-f]{32}\.tmp$")
_SCALARS = [column.name for column in schema.HALO_COLUMNS if column not in schema.STARS]


class StrangerError(ValueError):
    """The output folder holds something that is not part of a release."""


def make_release(
    out: Path, haloes: Path, *, date: str | None = None, url: str | None = None, progress: bool = True
) -> Path:
    """Make the folder to publish, or bring it up to date.

    Parameters
    ----------
    out : Path
        The folder; it may hold an earlier state of the same release.
    haloes : Path
        Folder of a run of ``python -m generation haloes``. Its shards are linked if both folders are on one file
        system, else copied; they are never encoded again.
    date : str, optional
        Date of publication, such as 2026-01-31; by default that of the folder's earlier state, or else today.
    url : str, optional
        Web page of the dataset; by default that of the earlier state, or else the card, README.md.
    progress : bool
        Whether to show progress bars on stderr.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    StrangerError
        If the folder holds anything else. Nothing is written then.
    ValueError
        If the haloes belong to another version of the data or the simulator or to another set, are not those of the
        catalogue, or lack a split; or the date is invalid. Nothing is written then.
    DamagedFileError
        If a shard does not match its manifest, or an embedded file the registry.
    """
    out = out.absolute()
    source = _open(haloes, out)
    shards = sorted(source.manifest.files, key=lambda entry: entry.path)
    date, url = _choose(out, "datePublished", date, datetime.date.today().isoformat()), _choose(out, "url", url, PAGE)
    _check_date(date)
    configs = [config for config in CONFIG_COLUMNS if config != "haloes"]
    tables = {files_of(config, split): (config, split) for config in configs for split in splits_of(config)}
    leftovers = _check_folder(out, {*_TEXTS, *tables, *(entry.path for entry in shards)})
    catalogue = load_catalogue(columns=_SCALARS, format="arrow")
    for entry in _show_bar(shards, "checking the haloes", progress):
        _check_shard(source, entry, catalogue)
    for path in leftovers:
        path.unlink(missing_ok=True)

    files = [_put_table(out, path, config, split) for path, (config, split) in tables.items()]
    for entry in _show_bar(shards, "placing the haloes", progress):
        _place(source.path(entry), out / entry.path, entry.sha256)
    manifest = store.Manifest(
        release.DATA_VERSION, source.manifest.simulator_version, release.CATALOGUE_SEEDS, (*files, *shards)
    )
    for name, text in _write_texts(manifest, _write_notice(shards), date, url).items():
        _put(out / name, text.encode())
    _put(out / SUMS, _write_sums(out, manifest).encode())
    return out


def _open(haloes: Path, out: Path) -> store.Store:
    """Open the folder of haloes, if they belong to this release."""
    if haloes.absolute() == out:
        raise ValueError(f"out = {str(out)!r}: allowed is another folder than that of the haloes")
    source = store.Store(haloes.absolute())
    manifest, embedded = source.manifest, release.get_entry("gaussian")
    found = {
        "data version": (manifest.data_version, release.DATA_VERSION),
        "simulator version": (manifest.simulator_version, embedded["simulator_version"]),
        "seeds": (dict(manifest.seeds), {"gaussian": embedded["seed"]}),
        "this package's simulator version": (SIMULATOR_VERSION, embedded["simulator_version"]),
    }
    differences = [f"{what} {there!r}, not {wanted!r}" for what, (there, wanted) in found.items() if there != wanted]
    if differences:
        raise ValueError(f"haloes = {str(haloes)!r}, of {'; '.join(differences)}: allowed is a run of this release")
    for entry in manifest.files:
        if entry.config != "haloes" or not fnmatch(entry.path, files_of("haloes", entry.split)):
            raise ValueError(f"path = {entry.path!r} in {haloes}: allowed is haloes/haloes-SPLIT-*.parquet")
    lacking = [split for split in schema.SPLITS if split not in {entry.split for entry in manifest.files}]
    if lacking:
        raise ValueError(
            f"haloes = {str(haloes)!r} without the split {', '.join(lacking)}: allowed is a run with all three"
        )
    return source


def _choose(out: Path, name: str, given: str | None, default: str) -> str:
    """Return the given value, else that of the folder's description of the same version, else the default."""
    if given is not None:
        return given
    try:
        before = json.loads((out / croissant.NAME).read_text(encoding="utf-8"))
        return str(before[name]) if before["version"] == release.DATA_VERSION else default
    except (OSError, ValueError, KeyError, TypeError):
        return default


def _check_date(date: str) -> None:
    try:
        datetime.date.fromisoformat(date)
    except ValueError as error:
        raise ValueError(f"date = {date!r}: allowed is a day such as 2026-01-31") from error


def _check_folder(out: Path, names: set[str]) -> list[Path]:
    """Refuse a folder with unknown files; list the half-written files of a killed run."""
    if not out.exists():
        return []
    folders = {name.rpartition("/")[0] for name in names}
    leftovers: list[Path] = []
    strangers: list[Path] = []
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if name.split("/", 1)[0] in NOT_PUBLISHED or (name in folders if path.is_dir() else name in names):
            continue
        is_leftover = _LEFTOVER.search(name) and _LEFTOVER.sub("", name) in names
        (leftovers if is_leftover else strangers).append(path)
    if strangers:
        shown = ", ".join(repr(path.relative_to(out).as_posix()) for path in strangers[:5])
        more = f" and {len(strangers) - 5} more" if len(strangers) > 5 else ""
        raise StrangerError(f"{out} holds {shown}{more}, not part of this release: remove them or use another folder")
    return leftovers


def _show_bar(shards: Sequence[store.ListedFile], what: str, shown: bool) -> Iterator[store.ListedFile]:
    total = sum(entry.bytes for entry in shards)
    with tqdm(total=total, desc=what, unit="B", unit_scale=True, file=sys.stderr, disable=not shown) as bar:
        for entry in shards:
            yield entry
            bar.update(entry.bytes)


def _check_shard(source: store.Store, entry: store.ListedFile, catalogue: pa.Table) -> None:
    """Compare a shard with its hash, regardless of stamps, and with the catalogue."""
    path = source.path(entry)
    if not path.is_file():
        raise DamagedFileError(path, f"SHA-256 {entry.sha256}", "no such file")
    found = sha256_of(path)
    if found != entry.sha256:
        raise DamagedFileError(path, f"SHA-256 {entry.sha256}", found)
    with parquet.open_file(path) as file:
        if not file.schema_arrow.equals(schema.halo_schema(), check_metadata=False):
            raise ValueError(f"{path} has other columns: allowed are those of the schema")
        stated, embedded = parquet.facts_of(file), release.get_entry("gaussian")
        wanted = {"config": "gaussian", "seed": str(embedded["seed"]), "simulator_version": SIMULATOR_VERSION}
        for name, value in wanted.items():
            if stated.get(name) != value:
                raise ValueError(f"{path} is of {name} {stated.get(name)!r}, not {value!r}: allowed is the release's")
        scalars = file.read(_SCALARS)
    ids = entry.sim_ids
    if len(ids) != entry.rows or not scalars.equals(catalogue.take(pa.array(ids))):
        raise ValueError(f"{path} has other haloes: allowed are the catalogue's with the same sim_id")


def _put_table(out: Path, path: str, config: str, split: str) -> store.ListedFile:
    table = read_split(config, split)
    stream = pa.BufferOutputStream()
    parquet.write_table(table, stream)
    _put(out / path, stream.getvalue().to_pybytes())
    return store.describe_file(out, path, config, split, table.num_rows)


def _put(path: Path, content: bytes) -> None:
    """Write a file, unless it exists with the same content."""
    if path.is_file() and path.read_bytes() == content:
        return
    make_folder(path.parent)
    write_bytes(path, content)


def _place(source: Path, target: Path, sha256: str) -> None:
    """Link or copy a shard, unless it exists."""
    if target.is_file() and (target.samefile(source) or sha256_of(target) == sha256):
        return
    make_folder(target.parent)
    replace_file(target, lambda temporary: _link(source, temporary, sha256))


def _link(source: Path, target: Path, sha256: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
        found = sha256_of(target)
        if found != sha256:
            raise DamagedFileError(target, f"SHA-256 {sha256}", found) from None


def _write_notice(shards: Sequence[store.ListedFile]) -> str | None:
    """Say which haloes the folder holds, if it lacks some; None if it is complete."""
    total = release.get_entry("gaussian")["rows"]
    ids = np.sort(np.concatenate([entry.sim_ids for entry in shards]))
    if len(ids) == total:
        return None
    runs = np.split(ids, np.flatnonzero(np.diff(ids) > 1) + 1)
    ranges = ", ".join(f"{run[0]} to {run[-1]}" for run in runs)
    held = f"{len(ids):,}, those of sim_id {ranges}"
    return f"Of the {total:,} haloes this folder holds {held}; the catalogues are complete."


def _write_texts(manifest: store.Manifest, notice: str | None, date: str, url: str) -> dict[str, str]:
    """Write every text file except the sums, by name."""
    texts = {name: (REPOSITORY / source).read_text(encoding="utf-8") for name, source in COPIED.items()}
    text = card.add_configs(card.CARD.read_text(encoding="utf-8"))
    facts: dict[str, Any] = yaml.safe_load(texts["CITATION.cff"])
    return {
        **texts,
        README: text if notice is None else card.add_notice(text, notice),
        croissant.NAME: croissant.describe(manifest, facts, date, url, notice),
        zenodo.NAME: zenodo.describe(manifest, facts, notice),
        store.MANIFEST: manifest.to_json(),
    }


def _write_sums(out: Path, manifest: store.Manifest) -> str:
    """Write the hashes of all files but the sums themselves, as ``sha256sum -c`` reads them."""
    hashes = {entry.path: entry.sha256 for entry in manifest.files}
    hashes |= {name: sha256_of(out / name) for name in _TEXTS if name != SUMS}
    return format_sums(hashes)
