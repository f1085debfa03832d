"""A folder of released files: the publishable folder, a local store and the mini set have this one form.

    manifest.json                                    versions, and every data file with its rows, bytes and SHA-256
    gaussian/gaussian-train.parquet ...              the catalogues by split
    validation/validation-test.parquet               the validation cases
    haloes/haloes-train-00000-of-00027.parquet ...   the stars by split, in the order of sim_id

Base names are unique, so that the files can also lie beside each other where a service knows no folders. A folder may
lack some of the files: a local store holds what was fetched. A file's hash is computed once and remembered in a
stamp, with its size and time of change, in the subfolder `.stamps`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from mwlmc_data import schema
from mwlmc_data.homes import expanded, user_cache
from mwlmc_data.release import DATA_DIR, DATA_VERSION, DamagedFileError, sha256_of

MANIFEST = "manifest.json"
STAMPS = ".stamps"
DATA_DIR_VARIABLE = "MWLMC_DATA_DIR"
"""Environment variable: the folder that holds a folder for every version of the data."""


@dataclass(frozen=True)
class Entry:
    """One data file of a folder.

    Attributes
    ----------
    path : str
        Where it lies in the folder, with slashes.
    config, split : str
        What it holds: such as "haloes" and "train".
    rows, bytes : int
        Number of rows and size.
    sha256 : str
        Its hash.
    first_sim_id, last_sim_id : int, optional
        Of haloes: the file holds every simulation of the split from the first to the last.
    """

    path: str
    config: str
    split: str
    rows: int
    bytes: int
    sha256: str
    first_sim_id: int | None = None
    last_sim_id: int | None = None

    @property
    def name(self) -> str:
        """Base name of the file."""
        return PurePosixPath(self.path).name

    @cached_property
    def sim_ids(self) -> Any:
        """Haloes of the file, ascending integer array of shape (rows,)."""
        if self.first_sim_id is None or self.last_sim_id is None:
            raise ValueError(f"{self.path} holds {self.config!r} and no haloes")
        return schema.ids_of(self.split, self.first_sim_id, self.last_sim_id + 1)


@dataclass(frozen=True)
class Manifest:
    """What a folder holds.

    Attributes
    ----------
    data_version, simulator_version : str
        Versions of the data, and of the simulator that made them.
    seeds : mapping of str to int
        Seed of each set of simulations by its name, such as "gaussian".
    files : tuple of Entry
        The data files.
    """

    data_version: str
    simulator_version: str
    seeds: Mapping[str, int]
    files: tuple[Entry, ...]

    def select(self, config: str | None = None, split: str | None = None) -> list[Entry]:
        """Give the files of one config and split.

        Parameters
        ----------
        config, split : str, optional
            All by default.

        Returns
        -------
        list of Entry

        Raises
        ------
        ValueError
            If the folder knows no such config, or no such split of it.
        """
        chosen = self.files
        for name, wanted in (("config", config), ("split", split)):
            allowed = dict.fromkeys(getattr(entry, name) for entry in chosen)
            if wanted is not None and wanted not in allowed:
                raise ValueError(f"unknown {name} {wanted!r} of data version {self.data_version}; allowed: "
                                 f"{', '.join(allowed) or 'none'}")  # fmt: skip
            chosen = tuple(entry for entry in chosen if wanted in (None, getattr(entry, name)))
        return list(chosen)

    def to_json(self) -> str:
        """Write the manifest as text, the same for the same content."""
        files = [
            {name: value for name, value in asdict(entry).items() if value is not None}
            for entry in sorted(self.files, key=lambda entry: entry.path)
        ]
        content = {
            "title": schema.TITLE,
            "licence": schema.LICENCE,
            "data_version": self.data_version,
            "simulator_version": self.simulator_version,
            "seeds": dict(sorted(self.seeds.items())),
            "files": files,
        }
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, path: Path | str) -> Manifest:
        """Read the text of a manifest.

        Parameters
        ----------
        text : str
            The text.
        path : Path or str
            Where it is from, for the error.

        Returns
        -------
        Manifest

        Raises
        ------
        DamagedFileError
            If it is no manifest, or names a file outside the folder.
        """
        try:
            content = json.loads(text)
            files = tuple(Entry(**entry) for entry in content["files"])
            manifest = cls(content["data_version"], content["simulator_version"], dict(content["seeds"]), files)
            for entry in files:
                _check_entry(entry)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedFileError(Path(path), "a manifest", f"other text ({error})") from error
        return manifest


def _check_entry(entry: Entry) -> None:
    parts = PurePosixPath(entry.path).parts
    if not parts or parts[0] == "/" or ".." in parts or "\\" in entry.path or ":" in entry.path:
        raise ValueError(f"the path {entry.path!r} is not within the folder")
    if len(entry.sha256) != 64 or entry.rows < 0 or entry.bytes < 0:
        raise ValueError(f"the entry of {entry.path!r} has no SHA-256, rows and bytes")


class Store:
    """A folder of released files that lies on this machine.

    Parameters
    ----------
    root : Path
        The folder; it has a manifest.

    Raises
    ------
    FileNotFoundError
        If there is no manifest.
    DamagedFileError
        If the manifest is not one.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        path = self.root / MANIFEST
        if not path.is_file():
            raise FileNotFoundError(f"{str(self.root)!r} is no folder of released files: it has no {MANIFEST}")
        # bytes that are no text become signs that are no manifest
        self.manifest = Manifest.from_json(path.read_text(encoding="utf-8", errors="replace"), path)

    def path(self, entry: Entry) -> Path:
        """Where a file lies, or would lie."""
        return self.root / entry.path

    def present(self, config: str | None = None, split: str | None = None) -> list[Entry]:
        """Files of one config and split that are here, not yet verified; as `Manifest.select`."""
        return [entry for entry in self.manifest.select(config, split) if self.path(entry).is_file()]

    def verified(self, entry: Entry) -> Path:
        """Find a file and check it, as the function `verified`."""
        return verified(self.root, entry)

    def stamp(self, entry: Entry) -> None:
        """Remember that a file was found to be right, as the function `stamp`."""
        stamp(self.root, entry)


def verified(root: Path, entry: Entry) -> Path:
    """Find a file and check it against the manifest, once: afterwards its size and time of change must stay.

    Parameters
    ----------
    root : Path
        The folder.
    entry : Entry
        A file of its manifest.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DamagedFileError
        If the file is missing or is not the one of the manifest.
    """
    path = root / entry.path
    if not path.is_file():
        raise DamagedFileError(path, f"SHA-256 {entry.sha256}", "no such file")
    state = _state(path, entry.sha256)
    if _VERIFIED.get(path) == state or _read(_stamp_path(root, entry)) == state:
        return path
    found = sha256_of(path) if path.stat().st_size == entry.bytes else "another size"
    if found != entry.sha256:
        expected = f"SHA-256 {entry.sha256} ({entry.bytes} bytes)"
        raise DamagedFileError(path, expected, f"{found} ({path.stat().st_size} bytes)")
    stamp(root, entry)
    return path


def stamp(root: Path, entry: Entry) -> None:
    """Remember that a file was found to be the one of the manifest.

    Where the folder cannot be written to, or is the package's own, only this process remembers it.

    Parameters
    ----------
    root : Path
        The folder.
    entry : Entry
        A file of its manifest, which is there.
    """
    path = root / entry.path
    _VERIFIED[path] = state = _state(path, entry.sha256)
    if root.is_relative_to(DATA_DIR):
        return
    place = _stamp_path(root, entry)
    temporary = place.with_name(f"{place.name}.{os.getpid()}.tmp")
    try:
        place.parent.mkdir(exist_ok=True)
        temporary.write_text(json.dumps(state) + "\n", encoding="utf-8")
        temporary.replace(place)
    except OSError:
        return


_VERIFIED: dict[Path, dict[str, Any]] = {}
"""What this process has verified."""


def _state(path: Path, sha256: str) -> dict[str, Any]:
    status = path.stat()
    return {"sha256": sha256, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _stamp_path(root: Path, entry: Entry) -> Path:
    return root / STAMPS / f"{entry.name}.json"


def _read(stamp: Path) -> Any:
    try:
        return json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def data_dir(version: str | None = None) -> Path:
    """Folder of the local store of one version of the data.

    Parameters
    ----------
    version : str, optional
        Version of the data; `release.DATA_VERSION` by default.

    Returns
    -------
    Path
        A folder named after the version, which may not exist yet, in `MWLMC_DATA_DIR` or else in the user's cache.

    Raises
    ------
    ValueError
        If the variable is not set and the user has no home folder, as in some containers.
    """
    parent = _data_dirs()
    if parent is None:
        raise ValueError(
            f"{DATA_DIR_VARIABLE} = None: allowed is a folder; it has to be named here, as this user has no home "
            "folder for a cache"
        )
    return parent / (DATA_VERSION if version is None else version)


def store_text(version: str | None = None) -> str:
    """Name the folder of the local store in a message, also where there is none."""
    return "nowhere (no home folder is known)" if _data_dirs() is None else str(data_dir(version))


def _data_dirs() -> Path | None:
    """Folder that holds a folder for every version; None where there is no home for a cache."""
    given = os.environ.get(DATA_DIR_VARIABLE)
    return expanded(DATA_DIR_VARIABLE, given) if given else user_cache()


def local_store(version: str | None = None) -> Store | None:
    """Open the local store of one version of the data, where there is one.

    Parameters
    ----------
    version : str, optional
        Version of the data; `release.DATA_VERSION` by default.

    Returns
    -------
    Store or None

    Raises
    ------
    DamagedFileError
        If its manifest is not one, or that of another version.
    """
    if _data_dirs() is None:
        return None
    root = data_dir(version)
    if not (root / MANIFEST).is_file():
        return None
    store = Store(root)
    wanted = DATA_VERSION if version is None else version
    if store.manifest.data_version != wanted:
        raise DamagedFileError(root / MANIFEST, f"data version {wanted}", store.manifest.data_version)
    return store


def entry_for(root: Path, path: str, config: str, split: str, rows: int, sim_ids: Iterable[int] | None = None) -> Entry:
    """Describe a file that was just made.

    Parameters
    ----------
    root : Path
        The folder.
    path : str
        Where the file lies in it, with slashes.
    config, split : str
        What it holds.
    rows : int
        Number of rows.
    sim_ids : iterable of int, optional
        Of haloes: their numbers, ascending.

    Returns
    -------
    Entry
    """
    file = root / path
    ids = None if sim_ids is None else list(sim_ids)
    first, last = (None, None) if not ids else (int(ids[0]), int(ids[-1]))
    return Entry(path, config, split, rows, file.stat().st_size, sha256_of(file), first, last)
