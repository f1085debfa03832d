"""A folder of released files: the publishable folder, a local store and the mini set have this one form.

    manifest.json                                    versions, and every data file with its rows, bytes and SHA-256
    gaussian/gaussian-train.parquet ...              the catalogues by split
    validation/validation-test.parquet               the validation cases
    haloes/haloes-train-00000-of-00027.parquet ...   the stars by split, in the order of sim_id

Base names are unique, so that the files can also lie beside each other where a service knows no folders. A folder may
lack some of the files: a local store holds what was fetched.

A file's hash is computed once and remembered in a stamp, with its size, its time of change and the hash of its footer,
in the subfolder `.stamps`. What rots afterwards changes none of these but the footer: it is found when it is read,
because the pages of a file have checksums. A file without them is hashed again by every process that reads it.
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
from mwlmc_data.dataset.release import DATA_DIR, DATA_VERSION, sha256_of
from mwlmc_data.storage import parquet
from mwlmc_data.storage.errors import DamagedFileError
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
#: Environment variable: the folder that holds a folder for every version of the data.
DATA_DIR_VARIABLE = "MWLMC_DATA_DIR"


class MissingFileError(DamagedFileError):
    """A file of the manifest is not there, or no longer."""


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

    def path(self, entry: ListedFile) -> Path:
        """Where a file lies, or would lie."""
        return self.root / entry.path

    def list_present(self, config: str | None = None, split: str | None = None) -> list[ListedFile]:
        """Files of one config and split that are here, not yet verified; as `Manifest.select`."""
        return [entry for entry in self.manifest.select(config, split) if self.path(entry).is_file()]

    def verify(self, entry: ListedFile) -> Path:
        """Find a file and check it, as the function `verify_file`."""
        return verify_file(self.root, entry)

    def stamp(self, entry: ListedFile) -> None:
        """Remember that a file was found to be right, as the function `stamp`."""
        stamp(self.root, entry)


def verify_file(root: Path, entry: ListedFile) -> Path:
    """Find a file and check it against the manifest.

    Its hash is computed where no stamp says that it was right before and it is unchanged since, by size, time of change
    and footer; and, once in a process, where a stamp says so but its pages have no checksums that reading compares.

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
        If the file is not there.
    DamagedFileError
        If it is not the one of the manifest.
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
    """Tell whether a file that is there needs no hashing, as `verify_file` says."""
    path = root / entry.path
    state = _get_state(path, entry.sha256)
    if _VERIFIED.get(path) == state:
        return True
    return _read(_get_stamp_path(root, entry)) == state and parquet.has_checksums(path)


def stamp(root: Path, entry: ListedFile) -> None:
    """Remember that a file was found to be the one of the manifest.

    Where the folder cannot be written to, or is the package's own, only this process remembers it.

    Parameters
    ----------
    root : Path
        The folder.
    entry : ListedFile
        A file of its manifest, which is there.
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


#: What this process has verified.
_VERIFIED: dict[Path, dict[str, Any]] = {}


def _get_state(path: Path, sha256: str) -> dict[str, Any]:
    status = path.stat()
    footer = hashlib.sha256(parquet.footer_of(path)).hexdigest()
    return {"sha256": sha256, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "footer": footer}


def _get_stamp_path(root: Path, entry: ListedFile) -> Path:
    return root / STAMPS / f"{entry.name}.json"


def _read(stamp: Path) -> Any:
    try:
        return json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def get_data_dir(version: str | None = None) -> Path:
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
    parent = _find_data_dirs()
    if parent is None:
        raise ValueError(
            f"{DATA_DIR_VARIABLE} = None: allowed is a folder; it has to be named here, as this user has no home "
            "folder for a cache"
        )
    return parent / (DATA_VERSION if version is None else version)


def describe_store(version: str | None = None) -> str:
    """Name the folder of the local store in a message, also where there is none."""
    return "nowhere (no home folder is known)" if _find_data_dirs() is None else str(get_data_dir(version))


def _find_data_dirs() -> Path | None:
    """Folder that holds a folder for every version; None where there is no home for a cache."""
    given = os.environ.get(DATA_DIR_VARIABLE)
    return expand_home(DATA_DIR_VARIABLE, given) if given else find_user_cache()


def open_local_store(version: str | None = None) -> Store | None:
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
    ListedFile
    """
    file = root / path
    ids = None if sim_ids is None else list(sim_ids)
    first, last = (None, None) if not ids else (int(ids[0]), int(ids[-1]))
    return ListedFile(path, config, split, rows, file.stat().st_size, sha256_of(file), first, last)
