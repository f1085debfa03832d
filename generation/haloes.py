"""Make the files of stars of a set: the haloes of its simulations, by split, in shards.

The folder of a run is a local store (`mwlmc_data.dataset.store`): its manifest lets it be loaded, verified and added to
the published folder. A row is one simulation: its sim_id, drawn parameters and 4,500 stars.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from filelock import FileLock

from generation.plan import RunMismatchError
from generation.shards import finish, is_finished, make_shards
from mwlmc_data.arguments.arrays import as_whole
from mwlmc_data.dataset import library, release, schema, store
from mwlmc_data.dataset.catalogue import load_catalogue
from mwlmc_data.storage import parquet
from mwlmc_data.storage.writing import replace_file, write_bytes

#: Haloes per shard: 370 MB, and 33 shards for the complete Gaussian set.
SHARD = 4000
#: Haloes per row group, the smallest unit that is decoded: 14 MB.
ROW_GROUP = 128
#: Haloes per step of the progress bar.
SLICE = 16


@dataclass(frozen=True)
class HaloPlan:
    """What a run makes, and where.

    Parameters
    ----------
    out : Path
        Folder of the run.
    config : str
        Set of simulations.
    sims : range
        Values of sim_id, with step 1.
    shard_size : int
        Largest number of haloes in a shard.
    simulator_version : str
        Required version of the simulator.

    Raises
    ------
    ValueError
        If the range is empty or exceeds the set, the set is unknown, or a shard would be empty.
    """

    out: Path
    config: str
    sims: range
    shard_size: int
    simulator_version: str

    def __post_init__(self) -> None:
        rows = release.get_entry(self.config)["rows"]
        if not 0 <= self.sims.start < self.sims.stop <= rows or self.sims.step != 1:
            raise ValueError(
                f"sims = {self.sims.start}:{self.sims.stop}: allowed is A:B with 0 <= A < B <= {rows}, the number of "
                f"simulations of the {self.config} set"
            )
        as_whole("shard_size", self.shard_size, 1)
        made = release.get_entry(self.config)["simulator_version"]
        if made != self.simulator_version:
            given = f"simulator_version = {self.simulator_version!r}"
            raise ValueError(f"{given}: allowed is {made!r}, that of the {self.config} set")

    @property
    def seed(self) -> int:
        """Seed of the released set."""
        return release.get_entry(self.config)["seed"]

    @cached_property
    def shards(self) -> list[tuple[str, str, list[int]]]:
        """Path in the folder, split and values of sim_id of every shard."""
        name = library.get_halo_config(self.config)
        found = []
        for split in schema.SPLITS:
            ids = schema.ids_of(split, self.sims.start, self.sims.stop).tolist()
            parts = [ids[i : i + self.shard_size] for i in range(0, len(ids), self.shard_size)]
            for i, part in enumerate(parts):
                found.append((f"{name}/{name}-{split}-{i:05d}-of-{len(parts):05d}.parquet", split, part))
        return found

    @property
    def n_shards(self) -> int:
        """Number of shards."""
        return len(self.shards)

    def rows(self, shard: int) -> list[int]:
        """Values of sim_id in a shard."""
        return self.shards[shard][2]

    def shard_path(self, shard: int) -> Path:
        """Where a shard is written."""
        return self.out / self.shards[shard][0]

    def hash_path(self, shard: int) -> Path:
        """Where the hash of a complete shard is written."""
        return _get_hash_path(self.pins_path, self.shard_path(shard).name)

    @property
    def pins_path(self) -> Path:
        """Where the settings that must not change are written."""
        return _get_pins_path(self.out, library.get_halo_config(self.config))

    @property
    def metadata(self) -> dict[str, str]:
        """Facts about the run, for the metadata of the files."""
        return {"config": self.config, "seed": str(self.seed), "simulator_version": self.simulator_version}

    @property
    def schema(self) -> pa.Schema:
        """Columns of a shard, with the metadata of the run."""
        return schema.halo_schema(self.metadata)

    def drawn(self, shard: int) -> Mapping[str, Any]:
        """Parameters of the haloes in a shard, from the catalogue: arrays by name."""
        return {name: values[self.rows(shard)] for name, values in _load_drawn(self.config).items()}

    @property
    def pins(self) -> dict[str, object]:
        """Settings that must not change when a run continues."""
        return {
            **self.metadata,
            "data_version": release.DATA_VERSION,
            "sims": f"{self.sims.start}:{self.sims.stop}",
            "shard_size": self.shard_size,
            "schema": {c.name: f"{c.dtype} {c.unit}".strip() for c in schema.HALO_COLUMNS},
        }


def make_haloes(
    plan: HaloPlan,
    workers: int = 1,
    progress: bool = True,
    scheduler: str | None = None,
    timeout: float = 30.0,
) -> store.Store:
    """Make the files of stars, or continue to make them.

    Parameters
    ----------
    plan : HaloPlan
        What to make. Its folder may hold runs of other sets; the manifest then lists the haloes of all sets.
    workers, progress, scheduler, timeout
        As for `generation.shards.make_shards`.

    Returns
    -------
    Store
        The folder.

    Raises
    ------
    RunMismatchError
        If the folder or a shard in it belongs to a run with other settings or was made elsewhere. Nothing is changed.
    DamagedRunError
        If the settings in the folder cannot be read.
    RuntimeError
        If a halo cannot be simulated; the message names it. Finished shards stay.
    WriteError
        If the disk is full or read-only. Finished shards stay; a finished run writes nothing.
    ClusterSetupError, ClusterLostError
        If the cluster cannot be used, or fails during the run.
    """
    plan = dataclasses.replace(plan, out=plan.out.absolute())
    _read_manifest(plan)
    make_shards(plan, make_shard, (plan,), workers, progress, scheduler, timeout)
    name = library.get_halo_config(plan.config)
    files = [store.describe_file(plan.out, path, name, split, len(ids), ids) for path, split, ids in plan.shards]
    if not _is_listed(plan, files):
        # Runs of other sets may finish in this folder at the same moment: each adds its own files.
        with FileLock(plan.pins_path.with_name("manifest.lock")):
            write_bytes(plan.out / store.MANIFEST, _write_manifest(plan, files).encode())
    for entry in files:
        store.stamp(plan.out, entry)
    return store.Store(plan.out)


def _is_listed(plan: HaloPlan, files: list[store.ListedFile]) -> bool:
    """Whether the manifest already has what the run would write; a finished run writes nothing."""
    path = plan.out / store.MANIFEST
    return path.is_file() and path.read_bytes() == _write_manifest(plan, files).encode()


def _write_manifest(plan: HaloPlan, files: list[store.ListedFile]) -> str:
    """Write the manifest that lists these files beside those of other sets."""
    before = _read_manifest(plan)
    others = [entry for entry in before.files if entry.config != library.get_halo_config(plan.config)]
    seeds = {**before.seeds, plan.config: plan.seed}
    return store.Manifest(release.DATA_VERSION, plan.simulator_version, seeds, (*others, *files)).to_json()


def _read_manifest(plan: HaloPlan) -> store.Manifest:
    """Read the manifest of earlier runs of this program; refuse a folder of fetched files."""
    if not (plan.out / store.MANIFEST).exists():
        return store.Manifest(release.DATA_VERSION, plan.simulator_version, {}, ())
    found = store.Store(plan.out).manifest
    configs = sorted({entry.config for entry in found.files})
    strangers = [name for name in configs if not _is_made_here(plan.out, found.select(name))]
    if strangers:
        raise RunMismatchError(
            f"{plan.out} holds {', '.join(strangers)} of data version {found.data_version} that no run made there: "
            "allowed is a folder of runs of this program, or a new one"
        )
    versions = (found.data_version, found.simulator_version)
    if versions != (release.DATA_VERSION, plan.simulator_version):
        raise RunMismatchError(
            f"{plan.out} holds data {versions[0]} of simulator {versions[1]}: allowed is data {release.DATA_VERSION} "
            f"of simulator {plan.simulator_version}, or a new folder"
        )
    return found


def _is_made_here(out: Path, entries: list[store.ListedFile]) -> bool:
    """Whether this program made the files of one config, by its settings or the hash of every shard."""
    pins = _get_pins_path(out, entries[0].config)
    return pins.is_file() or all(_get_hash_path(pins, entry.name).is_file() for entry in entries)


def _get_hash_path(pins: Path, name: str) -> Path:
    """Return where the hash of a shard is written, beside the settings."""
    return pins.parent / f"{name}.sha256"


@lru_cache(maxsize=1)
def _load_drawn(config: str) -> Mapping[str, Any]:
    """Load the drawn parameters of the complete set; the row is the sim_id."""
    return load_catalogue(config=config, columns=schema.DRAWN, format="numpy")


def _get_pins_path(out: Path, name: str) -> Path:
    """Return where a run writes its settings, by the name of its config."""
    return out / ".run" / f"{name}.json"


def make_shard(plan: HaloPlan, shard: int, advance: Callable[[int], None]) -> None:
    """Make one shard and its hash, unless it exists.

    Parameters
    ----------
    plan : HaloPlan
        What the run makes.
    shard : int
        Number of the shard.
    advance : callable
        Called every few haloes with the number made; may raise to stop.
    """
    if is_finished(plan, shard):
        # On a cluster, the worker that made it died before reporting it.
        advance(len(plan.rows(shard)))
        return
    replace_file(plan.shard_path(shard), lambda temporary: _write(temporary, plan, shard, advance))
    finish(plan, shard)


def _write(path: Path, plan: HaloPlan, shard: int, advance: Callable[[int], None]) -> None:
    """Write a shard a row group at a time, so that a process never holds more than one."""
    write_shard(path, plan.schema, _make_row_groups(plan, shard, advance))


def write_shard(path: Path, halo_schema: pa.Schema, groups: Iterable[pa.Table]) -> None:
    """Write haloes, a row group after the other.

    Parameters
    ----------
    path : Path
        File.
    halo_schema : pyarrow.Schema
        `schema.halo_schema`, with the facts about the run.
    groups : iterable of pyarrow.Table
        `ROW_GROUP` haloes each, the last one fewer.
    """
    # A service that stores the file in pieces finds again those that another version shares.
    with parquet.writer(path, halo_schema, ROW_GROUP, use_content_defined_chunking=True) as write:
        for group in groups:
            write(group)


def _make_row_groups(plan: HaloPlan, shard: int, advance: Callable[[int], None]) -> Iterator[pa.Table]:
    ids = plan.rows(shard)
    names = [c.name for c in schema.HALO_COLUMNS if c not in schema.STARS]
    catalogue = load_catalogue(config=plan.config, columns=names, format="arrow")
    for start in range(0, len(ids), ROW_GROUP):
        table = catalogue.take(ids[start : start + ROW_GROUP])
        rows = table.select(["sim_id", *schema.DRAWN]).to_pylist()
        stars = []
        for i in range(0, len(rows), SLICE):
            stars.append(library.simulate_rows(rows[i : i + SLICE], plan.seed))
            advance(len(rows[i : i + SLICE]))
        for c, parts in zip(schema.STARS, zip(*stars, strict=True), strict=True):
            table = table.append_column(c.name, _as_lists(np.concatenate(parts)))
        yield table


def _as_lists(stars: np.ndarray) -> pa.Array:
    """Turn (n, 4500, 3) numbers into n lists of 4500 lists of 3."""
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(stars.reshape(-1)), 3)
    return pa.FixedSizeListArray.from_arrays(vectors, stars.shape[1])
