"""Check a folder of released files: hashes, schema, counts, contents, and a sample of haloes simulated again."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mwlmc_data.arguments.arrays import as_flag, as_whole
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.dataset import library, release, schema
from mwlmc_data.dataset.store import MANIFEST, ListedFile, Store
from mwlmc_data.display import Displayed
from mwlmc_data.storage import parquet
from mwlmc_data.storage.errors import DamagedFileError
from mwlmc_data.storage.hashing import sha256_of
from mwlmc_data.storage.homes import expand_home

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

#: Haloes simulated again by default: a second or two.
SAMPLE = 16
#: File of the published folder that lists the hashes of all others.
CHECKSUMS = "SHA256SUMS"
_OF_SERIES = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.parquet")


@dataclass(repr=False)
class Verification(Displayed):
    """Result of checking a folder.

    Attributes
    ----------
    root : Path
        The folder.
    data_version : str
        Version of its data.
    files, bytes, rows : int
        Number of data files checked, their size and their rows.
    simulated, identical : int
        Number of haloes simulated again, and how many of them are bit-identical.
    absent : list of str
        Missing files of the manifest.
    problems : list of str
        What is wrong, one sentence each; empty if nothing is.
    """

    root: Path
    data_version: str
    files: int = 0
    bytes: int = 0
    rows: int = 0
    simulated: int = 0
    identical: int = 0
    absent: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def verify(
    directory: Path | str, sample: int = SAMPLE, partial: bool = False, progress: bool | None = None
) -> Verification:
    """Check a folder of released files.

    Every file is hashed, regardless of stamps. Its schema, rows and sim_id are checked; catalogues are compared with
    those that the package embeds, haloes with their catalogue. Some haloes are simulated again and must be the same
    within the bounds of `mwlmc_data.dataset.sameness`.

    Parameters
    ----------
    directory : Path or str
        The published folder, a local store, or the output of ``python -m generation haloes``.
    sample : int
        Number of haloes to simulate again, evenly spread; 0 for none.
    partial : bool
        Files of the manifest may be absent, as in a local store.
    progress : bool, optional
        Show a progress bar on standard error; by default where it is a terminal.

    Returns
    -------
    Verification

    Raises
    ------
    FileNotFoundError
        If the folder has no manifest.
    DamagedFileError
        If its manifest is not valid.
    ValueError
        If `sample` is negative.
    """
    sample, progress = as_whole("sample", sample), as_flag("progress", progress, allow_none=True)
    from tqdm import tqdm

    store = Store(expand_home("directory", directory))
    found = Verification(store.root, store.manifest.data_version)
    shown = sys.stderr.isatty() if progress is None else progress
    registry = release.load_registry()
    record = registry.get(store.manifest.data_version, {})
    known = record.get("files", {})
    entries = store.list_present()
    found.absent = [entry.path for entry in store.manifest.files if entry not in entries]
    if found.absent and not partial:
        found.problems += [f"{path} is missing" for path in found.absent]
    total = sum(entry.bytes for entry in entries)
    good = []
    with tqdm(total=total, unit="B", unit_scale=True, desc="verifying", file=sys.stderr, disable=not shown) as bar:
        for entry in entries:
            problems = list(_find_file_problems(store, entry, known))
            found.problems += [f"{entry.path}: {problem}" for problem in problems]
            found.files, found.bytes, found.rows = found.files + 1, found.bytes + entry.bytes, found.rows + entry.rows
            good += [] if problems else [entry]
            bar.update(entry.bytes)
    if record:
        found.problems += _find_manifest_problems(store, record)
    else:
        found.problems.append(
            f"data version {found.data_version} is not known to this package, which knows {', '.join(registry)}: no "
            "catalogue is compared and no halo simulated again"
        )
    found.problems += _find_count_problems(store, known)
    found.problems += _find_name_problems([entry.name for entry in store.manifest.files])
    found.problems += _find_checksum_problems(store, partial)
    _compare_sample(store, [entry for entry in good if _get_set(entry.config) in known], sample, found)
    return found


def _get_set(config: str) -> str | None:
    """Return the name of the set whose haloes a config holds, or None if it holds none."""
    names = {library.get_halo_config(name): name for name in release.CATALOGUE_SEEDS}
    return names.get(config)


def _find_file_problems(store: Store, entry: ListedFile, known: dict[str, Any]) -> Iterator[str]:
    """Find what is wrong with one file; stop at a problem that makes further checks pointless."""
    path = store.path(entry)
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        yield "it is missing, and was present when verification began"
        return
    if size != entry.bytes:
        yield f"it has {size} bytes, not {entry.bytes}"
        return
    digest = sha256_of(path)
    if digest != entry.sha256:
        yield f"its SHA-256 is {digest}, not {entry.sha256}"
        return
    try:
        with parquet.open_file(path) as file:
            yield from _find_content_problems(file, entry, known)
            yield from _find_label_problems(file, entry, known)
    except DamagedFileError as error:
        yield f"it cannot be read as Parquet: {error.found}"


def _find_content_problems(file: pq.ParquetFile, entry: ListedFile, known: dict[str, Any]) -> Iterator[str]:
    expected = _get_schema(entry.config)
    found = file.schema_arrow
    if expected is not None and not found.equals(expected, check_metadata=False):
        wrong = sorted({f.name for f in expected} ^ {f.name for f in found}) or [
            f.name for f in expected if not found.field(f.name).equals(f)
        ]
        yield f"its schema differs in {wrong}"
        return
    if file.metadata.num_rows != entry.rows:
        yield f"it has {file.metadata.num_rows} rows, not {entry.rows}"
        return
    if _get_set(entry.config) is None and entry.config not in release.CATALOGUE_SEEDS:
        return  # rows of no set
    scalars = [name for name in found.names if name not in {c.name for c in schema.STARS}]
    table = file.read(columns=scalars)
    ids = table["sim_id"].to_numpy()
    wanted = entry.sim_ids if entry.first_sim_id is not None else schema.ids_of(entry.split, 0, int(ids.max()) + 1)
    if not np.array_equal(ids, wanted):
        yield f"its sim_id are not those of the {entry.split} split from {ids.min()} to {ids.max()} in order"
        return
    yield from _find_rows_problems(table, ids, _get_set(entry.config) or entry.config, known)
    if _get_set(entry.config) is not None:
        for group in range(file.num_row_groups):
            stars = file.read_row_group(group, columns=[c.name for c in schema.STARS])
            for c in schema.STARS:
                if not np.isfinite(stars[c.name].combine_chunks().flatten().flatten().to_numpy()).all():
                    yield f"{c.name} are not all finite in row group {group}"


def _find_label_problems(file: pq.ParquetFile, entry: ListedFile, known: dict[str, Any]) -> Iterator[str]:
    """Compare the metadata of a file, where it has any, with what the package knows of its set."""
    name = _get_set(entry.config) or entry.config
    if name not in known:
        return
    facts, stated = {"config": name, **known[name]}, parquet.facts_of(file)
    for fact in ("config", "seed", "simulator_version"):
        value = str(facts[fact])
        if stated.get(fact, value) != value:
            yield f"its metadata give {fact} {stated[fact]!r}, not {value!r}"


def _find_rows_problems(table: pa.Table, ids: np.ndarray, config: str, known: dict[str, Any]) -> Iterator[str]:
    """Compare rows with those of the embedded catalogue."""
    from mwlmc_data.dataset.catalogue import load_catalogue

    if config not in known:
        return
    if ids.max() >= known[config]["rows"]:
        yield f"sim_id {ids.max()} is not in the {config} set, which ends at {known[config]['rows'] - 1}"
        return
    catalogue = load_catalogue(config=config, columns=table.column_names, format="arrow").take(ids)
    wrong = [name for name in table.column_names if not table[name].equals(catalogue[name])]
    if wrong:
        yield f"{wrong} are not those of the {config} catalogue"


def _get_schema(config: str) -> pa.Schema | None:
    if _get_set(config) is not None:
        return schema.halo_schema()
    if config == "validation":
        from mwlmc_data.validation import validation_schema

        return validation_schema()
    return schema.arrow_schema() if config in release.CATALOGUE_SEEDS else None


def _find_manifest_problems(store: Store, record: dict[str, Any]) -> Iterator[str]:
    """Compare the manifest with what the package knows of its version."""
    manifest = store.manifest
    for config, seed in manifest.seeds.items():
        wanted = record["files"].get(config, {}).get("seed")
        if seed != wanted:
            yield f"the seed of {config} is {seed} in the manifest, not {wanted}"
    if record["manifest"] is not None and "gaussian" in {entry.config for entry in manifest.files}:
        digest = sha256_of(store.root / MANIFEST)
        if digest != record["manifest"]:
            yield f"{MANIFEST}: its SHA-256 is {digest}, not that of the published one, {record['manifest']}"


def _find_count_problems(store: Store, known: dict[str, Any]) -> Iterator[str]:
    """Check that catalogues are complete; haloes may be a part of the set."""
    for config, record in known.items():
        rows = sum(entry.rows for entry in store.manifest.files if entry.config == config)
        if rows not in (0, record["rows"]):
            yield f"the {config} catalogue has {rows} rows in all, not {record['rows']}"


def _find_name_problems(names: list[str]) -> Iterator[str]:
    """Check that series are complete and names unique."""
    series: dict[tuple[str, int], set[int]] = defaultdict(set)
    for name in names:
        if match := _OF_SERIES.fullmatch(name):
            series[match[1], int(match[3])].add(int(match[2]))
    for (name, n), parts in series.items():
        if lacking := sorted(set(range(n)) - parts):
            yield f"the manifest lists {len(parts)} of the {n} files of {name}: number {lacking[0]} is not among them"
    yield from (f"the name {name} occurs twice" for name in sorted({n for n in names if names.count(n) > 1}))


def _find_checksum_problems(store: Store, partial: bool) -> Iterator[str]:
    """Check documents, which are not in the manifest but in the published folder's list of hashes."""
    path = store.root / CHECKSUMS
    if not path.is_file():
        return
    data = {entry.path: entry.sha256 for entry in store.manifest.files}
    # undecodable bytes become characters that no name has
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        file = store.root / name
        if not re.fullmatch(r"[0-9a-f]{64}", digest) or not re.fullmatch(r"[\w.-]+(/[\w-][\w.-]*)*", name):
            yield f"{CHECKSUMS} has a line that is not a hash and the name of a file: {shorten(line)}"
        elif name in data:
            if data[name] != digest:
                yield f"{CHECKSUMS} and the manifest disagree on {name}"
        elif not file.is_file():
            if not partial:
                yield f"{name} is missing"
        elif sha256_of(file) != digest:
            yield f"{name}: its SHA-256 is not that of {CHECKSUMS}"


def _compare_sample(store: Store, entries: list[ListedFile], sample: int, found: Verification) -> None:
    """Simulate some haloes again, evenly spread over the good files; compare stars and travel vectors."""
    places = [(entry, row) for entry in entries if _get_set(entry.config) for row in range(entry.rows)]
    if not places or not sample:
        return
    from mwlmc_data.dataset.sameness import compare_haloes
    from mwlmc_data.simulator import SIMULATOR_VERSION, Halo

    if store.manifest.simulator_version != SIMULATOR_VERSION:
        found.problems.append(
            f"no halo can be simulated again: they are from simulator {store.manifest.simulator_version}, and this is "
            f"{SIMULATOR_VERSION}"
        )
        return
    sample_places = [places[i] for i in np.unique(np.linspace(0, len(places) - 1, sample).astype(int))]
    stored, made = [], []
    for entry, row in sample_places:
        config = _get_set(entry.config)
        assert config is not None
        sim_id = int(entry.sim_ids[row])
        again = library.simulate_rows(*library.get_recipe(library.Chunk((sim_id,)), config, found.data_version))
        made.append(Halo(again[0][0], again[1][0]))
        found_stars = library.read_chunk(library.make_stored_chunk(store.root, entry, row))
        stored.append(Halo(*(stars[0] for stars in found_stars)))
    result = compare_haloes(stored, made)
    found.simulated, found.identical = result.haloes, result.identical
    found.problems += [f"haloes simulated again differ: {problem}" for problem in result.problems]
