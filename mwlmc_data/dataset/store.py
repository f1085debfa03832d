"""A folder of released files: the published folder, a local store and the mini set share this layout.

    manifest.json                                    versions, and every data file with its rows, bytes and SHA-256
    gaussian/gaussian-train.parquet ...              the catalogues by split
    validation/validation-test.parquet               the validation cases
    references/references-test.parquet               the reference posteriors of the benchmark
    shift/shift-test.parquet                         its shifted observations
    haloes/haloes-train-00000-of-00027.parquet ...   the stars by split, in the order of sim_id

Base names are unique, so that the files can also lie side by side, on a service without folders. Some of the files may
be absent: a local store holds what was fetched.

A file's hash is computed once and recorded in a stamp, with its size, modification time and the hash of its footer, in
the subfolder `.stamps`. Later bit rot changes none of these but the footer; reading finds it, because the pages of a
file have checksums. A file without checksums is hashed again by every process that reads it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from mwlmc_data.dataset.manifest import MANIFEST, ListedFile, Manifest
from mwlmc_data.dataset.release import DATA_DIR, DATA_VERSION
from mwlmc_data.storage import parquet
from mwlmc_data.storage.errors import DamagedFileError
from mwlmc_data.storage.hashing import sha256_of
from mwlmc_data.storage.homes import expand_home, find_user_cache
from mwlmc_data.storage.writing import write_bytes

__all__ = [
    "MANIFEST",
    "ListedFile",
    "Manifest",
    "Store",
    "describe_file",
    "get_data_dir",
    "open_local_store",
    "stamp",
    "verify_file",
]

STAMPS = ".stamps"
#: Environment variable: the folder that holds a subfolder for every version of the data.
DATA_DIR_VARIABLE = "MWLMC_DATA_DIR"


class MissingFileError(DamagedFileError):
    """A file of the manifest is missing, or has disappeared."""


class MissingHaloError(LookupError):
    """A halo is in no file on this machine, and simulating it is not wanted or not possible."""


class Store:
    """A folder of released files on this machine.

    Parameters
    ----------
    root : Path
        The folder, which has a manifest.

    Raises
    ------
    FileNotFoundError
        If there is no manifest.
    DamagedFileError
        If the manifest is not valid.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        path = self.root / MANIFEST
        if not path.is_file():
            raise FileNotFoundError(f"{str(self.root)!r} is not a folder of released files: it has no {MANIFEST}")
        # undecodable bytes become characters that no manifest has
        self.manifest = Manifest.from_json(path.read_text(encoding="utf-8", errors="replace"), path)

    def path(self, entry: ListedFile) -> Path:
        """Path of a file, whether it exists or not."""
        return self.root / entry.path

    def list_present(self, config: str | None = None, split: str | None = None) -> list[ListedFile]:
        """List the files of one config and split that exist, unverified; as `Manifest.select`."""
        return [entry for entry in self.manifest.select(config, split) if self.path(entry).is_file()]

    def verify(self, entry: ListedFile) -> Path:
        """Check a file and return its path, as the function `verify_file`."""
        return verify_file(self.root, entry)

    def stamp(self, entry: ListedFile) -> None:
        """Record that a file was verified, as the function `stamp`."""
        stamp(self.root, entry)


def verify_file(root: Path, entry: ListedFile) -> Path:
    """Check a file against the manifest and return its path.

    The hash is computed unless a stamp records that the file was right and its size, modification time and footer are
    unchanged. If its pages have no checksums for reading to compare, it is hashed once per process, despite a stamp.

    Parameters
    ----------
    root : Path
        The folder.
    entry : ListedFile
        A file of its manifest.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    MissingFileError
        If the file is missing.
    DamagedFileError
        If the file does not match the manifest.
    """
    path = root / entry.path
    if not path.is_file():
        raise MissingFileError(path, f"SHA-256 {entry.sha256}", "no such file")
    if is_stamped(root, entry):
        return path
    found = sha256_of(path) if path.stat().st_size == entry.bytes else "another size"
    if found != entry.sha256:
        expected = f"SHA-256 {entry.sha256} ({entry.bytes} bytes)"
        raise DamagedFileError(path, expected, f"{found} ({path.stat().st_size} bytes)")
    stamp(root, entry)
    return path


def is_stamped(root: Path, entry: ListedFile) -> bool:
    """Whether an existing file needs no hashing, as `verify_file` explains."""
    path = root / entry.path
    state = _get_state(path, entry.sha256)
    if _VERIFIED.get(path) == state:
        return True
    return _read(_get_stamp_path(root, entry)) == state and parquet.has_checksums(path)


def stamp(root: Path, entry: ListedFile) -> None:
    """Record that a file matches the manifest.

    If the folder is read-only or the package's own, only this process remembers it.

    Parameters
    ----------
    root : Path
        The folder.
    entry : ListedFile
        An existing file of its manifest.
    """
    path = root / entry.path
    _VERIFIED[path] = state = _get_state(path, entry.sha256)
    if root.is_relative_to(DATA_DIR):
        return
    place = _get_stamp_path(root, entry)
    if _read(place) == state:
        return
    with suppress(OSError):
        place.parent.mkdir(exist_ok=True)
        write_bytes(place, (json.dumps(state) + "\n").encode())


#: Files that this process has verified, with their state then.
_VERIFIED: dict[Path, dict[str, Any]] = {}


def _get_state(path: Path, sha256: str) -> dict[str, Any]:
    status = path.stat()
    footer = hashlib.sha256(parquet.read_footer(path)).hexdigest()
    return {"sha256": sha256, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "footer": footer}


def _get_stamp_path(root: Path, entry: ListedFile) -> Path:
    return root / STAMPS / f"{entry.name}.json"


def _read(stamp: Path) -> Any:
    try:
        return json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def get_data_dir(version: str | None = None) -> Path:
    """Return the folder of the local store for one version of the data.

    Parameters
    ----------
    version : str, optional
        Version of the data; `release.DATA_VERSION` by default.

    Returns
    -------
    Path
        A folder named after the version, which may not exist yet, in `MWLMC_DATA_DIR`, or else in the user's cache.

    Raises
    ------
    ValueError
        If the variable is unset and the user has no home folder, as in some containers.
    """
    parent = _find_data_dirs()
    if parent is None:
        raise ValueError(
            f"{DATA_DIR_VARIABLE} = None: allowed is a folder (required, as this user has no home folder for a cache)"
        )
    return parent / (DATA_VERSION if version is None else version)


def describe_store(version: str | None = None) -> str:
    """Name the folder of the local store for a message, even if there is none."""
    return "nowhere (no home folder is known)" if _find_data_dirs() is None else str(get_data_dir(version))


def _find_data_dirs() -> Path | None:
    """Find the folder that holds a folder for each version; None without a home folder for a cache."""
    given = os.environ.get(DATA_DIR_VARIABLE)
    return expand_home(DATA_DIR_VARIABLE, given) if given else find_user_cache()


def open_local_store(version: str | None = None) -> Store | None:
    """Open the local store of one version of the data, if it exists.

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
        If its manifest is not valid or belongs to another version.
    """
    if _find_data_dirs() is None:
        return None
    root = get_data_dir(version)
    if not (root / MANIFEST).is_file():
        return None
    store = Store(root)
    wanted = DATA_VERSION if version is None else version
    if store.manifest.data_version != wanted:
        raise DamagedFileError(root / MANIFEST, f"data version {wanted}", store.manifest.data_version)
    return store


def describe_file(
    root: Path, path: str, config: str, split: str, rows: int, sim_ids: Iterable[int] | None = None
) -> ListedFile:
    """Describe a new file for the manifest.

    Parameters
    ----------
    root : Path
        The folder.
    path : str
        Path of the file in it, with slashes.
    config, split : str
        What the file holds.
    rows : int
        Number of rows.
    sim_ids : iterable of int, optional
        For haloes: their numbers, ascending.

    Returns
    -------
    ListedFile
    """
    file = root / path
    ids = None if sim_ids is None else list(sim_ids)
    first, last = (None, None) if not ids else (int(ids[0]), int(ids[-1]))
    return ListedFile(path, config, split, rows, file.stat().st_size, sha256_of(file), first, last)
