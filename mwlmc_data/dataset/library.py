"""Where a halo is: in a file on this machine, or nowhere, in which case it is simulated.

Haloes requested together are gathered into chunks: from one row group of one file, or a few to be simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.arrays import as_choice, as_ids
from mwlmc_data.array_types import Float32Array
from mwlmc_data.dataset import live_tables, release, schema, store
from mwlmc_data.dataset.store import ListedFile, MissingFileError, MissingHaloError, Store
from mwlmc_data.display import Displayed
from mwlmc_data.storage import parquet
from mwlmc_data.storage.errors import DamagedFileError

if TYPE_CHECKING:
    from mwlmc_data.simulator import Parameters

SOURCES = ("auto", "store", "simulation")
#: Folder of the few haloes that the package embeds.
MINI = release.DATA_DIR / "mini"
#: Haloes in a simulated chunk: less than a second of work.
SIMULATED = 8
#: Decoded row groups kept in memory: one for each split, as the numbers of the splits alternate.
_GROUPS = 4


#: How often files are listed again because listed ones disappear before they are read.
_TRIES = 10
#: Errors for a file that disappeared after it was listed.
GONE = (FileNotFoundError, MissingFileError)


@dataclass(frozen=True, repr=False)
class Places(Displayed):
    """Where haloes are, from one listing of the files; another listing may differ.

    Attributes
    ----------
    files : list of (Store, ListedFile)
        The files found.
    place : integer array of shape (n,)
        Index of each halo's file among them, -1 for one to be simulated.
    group, row : integer array of shape (n,)
        Row group in the file, and row in the row group.
    """

    files: list[tuple[Store, ListedFile]]
    place: NDArray[np.int64]
    group: NDArray[np.int64]
    row: NDArray[np.int64]

    def take(self, order: NDArray[np.int64]) -> Places:
        """Select some of the haloes, or reorder them."""
        return Places(self.files, self.place[order], self.group[order], self.row[order])


@dataclass(frozen=True, repr=False)
class Chunk(Displayed):
    """Haloes that are read or simulated together.

    Attributes
    ----------
    sim_ids : tuple of int
        Their numbers.
    root, entry : Path and ListedFile, or None
        The folder and the file in it that hold them; None for haloes to be simulated.
    group : int
        Row group in the file.
    rows : tuple of int
        Their rows in the row group.
    """

    sim_ids: tuple[int, ...]
    root: Path | None = None
    entry: ListedFile | None = None
    group: int = 0
    rows: tuple[int, ...] = ()

    @property
    def is_stored(self) -> bool:
        """Whether a file holds the haloes."""
        return self.entry is not None


def is_live(config: str, version: str | None) -> bool:
    """Whether this is the set of live galaxies, whose haloes are drawn in the fields of its runs."""
    return config == live_tables.NAME and version in (None, release.DATA_VERSION)


def get_halo_config(config: str) -> str:
    """Name of the config that holds the haloes of a set: "haloes" for "gaussian", else "haloes-" and the set's name."""
    return "haloes" if config == "gaussian" else f"haloes-{config}"


def list_stores(version: str | None = None) -> list[Store]:
    """List the folders on this machine that may hold haloes: the local store, and the embedded mini set."""
    found = [store.open_local_store(version)]
    if version in (None, release.DATA_VERSION) and (MINI / store.MANIFEST).is_file():
        found.append(Store(MINI))
    return [place for place in found if place is not None]


def check_ids(sim_ids: object, config: str, version: str | None) -> NDArray[np.int64]:
    """Return the numbers as an array, or raise a ValueError that gives the first one outside the set."""
    if is_live(config, version):
        from mwlmc_data.dataset.live_haloes import check_live_ids

        return check_live_ids("sim_ids", sim_ids)
    return as_ids("sim_ids", sim_ids, maximum=release.get_entry(config, version)["rows"] - 1)


def make_chunks(sim_ids: NDArray[np.int64], config: str, version: str | None, source: str) -> Iterator[Chunk]:
    """Gather haloes into chunks, in the requested order.

    Parameters
    ----------
    sim_ids : integer array of shape (n,)
        Numbers of the haloes.
    config : str
        Set of simulations.
    version : str, optional
        Version of the data.
    source : {"auto", "store", "simulation"}
        Where they may come from.

    Yields
    ------
    Chunk

    Raises
    ------
    ValueError
        If the source is unknown.
    MissingHaloError
        If a halo is in no file and `source` is "store".
    DamagedFileError
        If a file is not a Parquet file.
    """
    yield from gather(sim_ids, locate(sim_ids, config, version, source))


def gather(sim_ids: NDArray[np.int64], places: Places) -> Iterator[Chunk]:
    """Gather located haloes into chunks, as `make_chunks` does."""
    place, group, row = places.place, places.group, places.row
    # a new chunk begins where the file or the row group changes
    begins = np.flatnonzero((np.diff(place) != 0) | (np.diff(group) != 0)) + 1
    for run in np.split(np.arange(len(sim_ids)), begins):
        if not len(run):
            continue
        if place[run[0]] < 0:
            for start in range(0, len(run), SIMULATED):
                yield Chunk(tuple(sim_ids[run[start : start + SIMULATED]].tolist()))
        else:
            home, entry = places.files[place[run[0]]]
            yield Chunk(tuple(sim_ids[run].tolist()), home.root, entry, int(group[run[0]]), tuple(row[run].tolist()))


def locate(sim_ids: NDArray[np.int64], config: str, version: str | None, source: str) -> Places:
    """List the files once, and find haloes in them; arguments and errors as for `make_chunks`."""
    as_choice("source", source, SOURCES)
    place, group, row = np.full(len(sim_ids), -1), np.zeros(len(sim_ids), int), np.zeros(len(sim_ids), int)
    if is_live(config, version):
        from mwlmc_data.dataset.live_haloes import find_recipes

        find_recipes(sim_ids, source)  # reports what is missing
        return Places([], place, group, row)
    if source == "simulation":
        return Places([], place, group, row)
    parts, files = schema.split_of(sim_ids), _list_files(config, version)
    for number, (home, entry) in enumerate(files):
        inside = (place < 0) & (parts == entry.split)
        inside &= (sim_ids >= entry.sim_ids[0]) & (sim_ids <= entry.sim_ids[-1])
        if inside.any():
            try:
                ends = _get_group_ends(home.root, entry)
            except GONE:
                continue
            place[inside] = number
            rows = np.searchsorted(entry.sim_ids, sim_ids[inside])
            group[inside] = np.searchsorted(ends, rows, side="right")
            row[inside] = rows - np.concatenate([[0], ends])[group[inside]]
    missing = sim_ids[place < 0]
    if len(missing) and source == "store":
        folders = ", ".join(str(home.root) for home in list_stores(version)) or "no folder"
        raise MissingHaloError(
            f"{len(missing)} of {len(sim_ids)} haloes of the {config} set are in no file on this machine (looked in "
            f"{folders}); the first is sim_id {missing[0]}. {suggest_command(config, version)}, and source='auto' "
            "simulates haloes"
        )
    return Places(files, place, group, row)


def make_stored_chunk(root: Path, entry: ListedFile, row: int) -> Chunk:
    """Make a chunk of the one halo in a row of a file."""
    ends = _get_group_ends(root, entry)
    group = int(np.searchsorted(ends, row, side="right"))
    place = row - (int(ends[group - 1]) if group else 0)
    return Chunk((int(entry.sim_ids[row]),), root, entry, group, (place,))


def _list_files(config: str, version: str | None) -> list[tuple[Store, ListedFile]]:
    name = get_halo_config(config)
    return [
        (home, entry)
        for home in list_stores(version)
        if name in {entry.config for entry in home.manifest.files}
        for entry in home.list_present(name)
    ]


def _get_group_ends(root: Path, entry: ListedFile) -> NDArray[np.int64]:
    """Rows up to the end of each row group; this does not hash the file, which is hashed when it is read."""
    path = root / entry.path
    return _read_group_ends(path, path.stat().st_mtime_ns)


@cache
def _read_group_ends(path: Path, mtime_ns: int) -> NDArray[np.int64]:
    """Read the ends; cached until the file changes."""
    with parquet.open_file(path) as file:
        return np.cumsum([file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)])


def read_chunk(chunk: Chunk) -> tuple[Float32Array, Float32Array]:
    """Read the positions and velocities of a stored chunk, each (n, 4500, 3).

    Raises
    ------
    DamagedFileError
        If the file does not match its manifest, or its content has rotted since it was verified.
    FileNotFoundError, MissingFileError
        If the file disappeared after it was listed.
    """
    assert chunk.root is not None and chunk.entry is not None
    sim_ids, positions, velocities = _decode(chunk.root, chunk.entry, chunk.group)
    rows = np.asarray(chunk.rows)
    if not np.array_equal(sim_ids[rows], chunk.sim_ids):
        expected = f"sim_id {chunk.sim_ids[0]} to {chunk.sim_ids[-1]} in row group {chunk.group}"
        raise DamagedFileError(chunk.root / chunk.entry.path, expected, f"sim_id {sim_ids[rows].tolist()}")
    if len(rows) == len(sim_ids):
        return positions, velocities
    return positions[rows], velocities[rows]


@lru_cache(maxsize=_GROUPS)
def _decode(
    root: Path, entry: ListedFile, group: int
) -> tuple[NDArray[np.int32], Float32Array, Float32Array]:
    with parquet.open_file(store.verify_file(root, entry)) as file:
        table = file.read_row_group(group, columns=["sim_id", *(c.name for c in schema.STARS)])
    shape = (table.num_rows, schema.N_STARS, 3)
    # the innermost values of a column without nulls are one block of memory, which NumPy views without a copy
    stars = [table[c.name].combine_chunks().flatten().flatten().to_numpy().reshape(shape) for c in schema.STARS]
    return table["sim_id"].to_numpy(), stars[0], stars[1]


def get_recipe(chunk: Chunk, config: str, version: str | None) -> tuple[list[dict[str, Any]], int]:
    """Return what the haloes of a chunk are simulated from: their drawn parameters and the set's seed.

    Raises
    ------
    MissingHaloError
        If the set was made with another version of the simulator, which gives other stars.
    """
    from mwlmc_data.simulator import SIMULATOR_VERSION

    entry = release.get_entry(config, version)
    if entry["simulator_version"] != SIMULATOR_VERSION:
        raise MissingHaloError(
            f"the {config} set was made with simulator {entry['simulator_version']} and this is {SIMULATOR_VERSION}, "
            f"which gives other stars: {suggest_command(config, version)}"
        )
    drawn = _load_drawn(config, version)
    rows = [{"sim_id": i, **{name: float(values[i]) for name, values in drawn.items()}} for i in chunk.sim_ids]
    return rows, int(entry["seed"])


def get_parameters(chunk: Chunk, config: str, version: str | None) -> Parameters:
    """Parameters of the one simulation in a chunk, from its file or else from the catalogue."""
    from mwlmc_data.simulator import Parameters

    if chunk.root is None or chunk.entry is None:
        return Parameters.from_row(get_recipe(chunk, config, version)[0][0])
    with parquet.open_file(store.verify_file(chunk.root, chunk.entry)) as file:
        table = file.read_row_group(chunk.group, columns=list(schema.DRAWN))
    return Parameters.from_row(table.slice(chunk.rows[0], 1).to_pylist()[0])


def suggest_command(config: str, version: str | None) -> str:
    """Name the command that gets or makes the haloes of a set; only those of the Gaussian set are published."""
    if config == "gaussian":
        option = "" if version is None else f" --version {version}"
        return f"`mwlmc fetch {get_halo_config(config)}{option}` gets the files"
    return f"`python -m generation haloes --config {config}` makes the files"


@lru_cache(maxsize=4)
def _load_drawn(config: str, version: str | None) -> dict[str, Float32Array]:
    """Load the drawn parameters of all simulations of a set; the row is the sim_id."""
    from mwlmc_data.dataset.catalogue import load_catalogue

    return load_catalogue(config=config, columns=schema.DRAWN, version=version, format="numpy")


def simulate_rows(rows: list[dict[str, Any]], seed: int) -> tuple[Float32Array, Float32Array]:
    """Simulate the haloes of catalogue rows: positions and velocities, each (n, 4500, 3)."""
    from mwlmc_data import simulator
    from mwlmc_data.simulator.many import job_parameters, name_errors

    haloes = []
    for row in rows:
        with name_errors(row):
            haloes.append(simulator.simulate(job_parameters(row), seed=seed, sim_id=int(row["sim_id"])).halo)
    return np.stack([halo.positions for halo in haloes]), np.stack([halo.velocities for halo in haloes])


def plan_chunk(chunk: Chunk, config: str, version: str | None) -> Callable[[], tuple[Float32Array, Float32Array]]:
    """Return a call, which another process may make, that simulates the haloes of a chunk.

    Raises
    ------
    MissingHaloError
        If they cannot be simulated here: of another version of the simulator, or of a live run that is not at hand.
    """
    if is_live(config, version):
        from mwlmc_data.dataset.live_haloes import draw_haloes, find_recipes

        return partial(draw_haloes, find_recipes(np.asarray(chunk.sim_ids, np.int64), "simulation"))
    return partial(simulate_rows, *get_recipe(chunk, config, version))


def load_chunk(
    chunk: Chunk, config: str, version: str | None, source: str, tries: int = _TRIES
) -> tuple[Float32Array, Float32Array]:
    """Read or simulate a chunk in this process: positions and velocities, each (n, 4500, 3).

    If its file disappeared after it was listed, the haloes are located again, as `make_chunks` does.
    """
    if not chunk.is_stored:
        return plan_chunk(chunk, config, version)()
    try:
        return read_chunk(chunk)
    except GONE:
        if not tries:
            raise
    parts = [
        load_chunk(part, config, version, source, tries - 1)
        for part in make_chunks(np.asarray(chunk.sim_ids, np.int64), config, version, source)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def load_one(
    sim_ids: NDArray[np.int64], config: str, version: str | None, source: str
) -> tuple[Chunk, Float32Array, Float32Array, Parameters]:
    """Load one halo: its chunk, positions and velocities (1, 4500, 3), and parameters."""
    for tries in range(_TRIES, -1, -1):
        (chunk,) = make_chunks(sim_ids, config, version, source)
        try:
            stars = read_chunk(chunk) if chunk.is_stored else simulate_rows(*get_recipe(chunk, config, version))
            return chunk, *stars, get_parameters(chunk, config, version)
        except GONE:  # the file disappeared after it was listed
            if not tries:
                raise
    raise AssertionError
