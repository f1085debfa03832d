"""Files of the release, from mirrors into the local store.

Files are fetched in parallel and independently: a complete shard stays, whatever happens to the others, and is not
fetched again. Several processes may fetch into one store at once; a lock per file lets one of them do it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import Timeout
from numpy.typing import NDArray

from mwlmc_data.arguments.arrays import as_flag, as_ids, as_whole
from mwlmc_data.dataset import release
from mwlmc_data.dataset.store import STAMPS, ListedFile, Manifest, Store, get_data_dir
from mwlmc_data.fetching import downloading
from mwlmc_data.fetching.errors import FetchError, Request, get_free_space
from mwlmc_data.fetching.manifest import forget_manifest, get_lock, open_store
from mwlmc_data.fetching.mirrors import list_mirrors
from mwlmc_data.fetching.retrying import Halt
from mwlmc_data.fetching.transfer import Bar, Transfer, seems_present
from mwlmc_data.storage.homes import expand_home
from mwlmc_data.storage.writing import remove_leftovers

__all__ = ["FetchError", "FetchedFile", "fetch", "fetch_files"]


def fetch(
    config: str | None = "haloes",
    split: str | None = None,
    sim_ids: Iterable[int] | NDArray[np.integer] | None = None,
    mirrors: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    directory: str | os.PathLike[str] | None = None,
    version: str | None = None,
    jobs: int = 4,
    progress: bool = True,
) -> list[Path]:
    """Fetch files of the release into the local store, and verify them.

    Existing files are not fetched again. After an interruption the same call continues with the missing files. The
    package embeds the catalogues; fetching is for the haloes, and for the release's own files of the catalogues.

    Parameters
    ----------
    config : str, optional
        Config of the release: "haloes", "gaussian", "flat", "wide", "validation", "references", "references-50-100",
        "references-stars" or "shift"; None for all.
    split : str, optional
        "train", "validation" or "test"; all by default.
    sim_ids : iterable of int, optional
        Only the files of haloes that hold these simulations.
    mirrors : str, path or iterable of them, optional
        Where to fetch from, in the forms of `mwlmc_data.fetching.mirrors`; by default the mirrors in `MWLMC_MIRRORS`,
        or else the registered ones.
    directory : path, optional
        Folder of the files; the local store, `mwlmc_data.dataset.store.get_data_dir`, by default.
    version : str, optional
        Version of the data; `release.DATA_VERSION` by default.
    jobs : int
        Number of files fetched at the same time.
    progress : bool
        Whether to show a progress bar over the bytes of all files.

    Returns
    -------
    list of Path
        The files. Each is compared with the SHA-256 of the manifest now, or was before and is unchanged in size,
        modification time and footer. Later bit rot is found when a file is read, or by `mwlmc verify`.

    Raises
    ------
    ValueError
        If there is no such config, split, simulation or version, a mirror has an unknown form, or `jobs` is below 1.
    FetchError
        If files cannot be fetched or written; an OSError that says which, why, and how else to get them.

    Examples
    --------
    >>> fetch(sim_ids=range(1000), mirrors="/data/mwlmc")  # doctest: +SKIP
    """
    files = fetch_files(config, split, sim_ids, mirrors, directory, version, jobs, progress)
    return [file.path for file in files]


@dataclass(frozen=True)
class FetchedFile:
    """A file of the release that is in the local store.

    Attributes
    ----------
    path : Path
        Path of the file.
    bytes : int
        Size of the file.
    is_hashed : bool
        Whether this call hashed it; otherwise an earlier one did, and size, modification time and footer are unchanged.
    """

    path: Path
    bytes: int
    is_hashed: bool


def fetch_files(
    config: str | None = "haloes",
    split: str | None = None,
    sim_ids: Iterable[int] | NDArray[np.integer] | None = None,
    mirrors: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    directory: str | os.PathLike[str] | None = None,
    version: str | None = None,
    jobs: int = 4,
    progress: bool = True,
) -> list[FetchedFile]:
    """Fetch files of the release as `fetch` does, and report how each was verified."""
    version = release.DATA_VERSION if version is None else version
    record = release.get_record(version)
    jobs, progress = as_whole("jobs", jobs, 1), bool(as_flag("progress", progress))
    ids = _check(sim_ids)
    root = get_data_dir(version) if directory is None else expand_home("directory", directory)
    request = Request(version, config, split, root, list_mirrors(mirrors, record["mirrors"]), record)
    halt = Halt()
    while True:
        store = open_store(request, halt)
        try:
            return _fetch(request, store, choose_files(store.manifest, config, split, ids), jobs, halt, progress)
        except FetchError as error:
            again = forget_manifest(request, Halt()) if error.may_be_the_manifest else None
            if again is None:
                raise
            # An unregistered manifest led to no file: another mirror may have a better one.
            request, halt = again, Halt()


def _fetch(
    request: Request, store: Store, entries: list[ListedFile], jobs: int, halt: Halt, progress: bool
) -> list[FetchedFile]:
    """Fetch these files with the store's manifest."""
    _remove_leftovers(store)
    missing = [entry for entry in entries if not seems_present(store, entry)]
    if missing and not request.mirrors:
        raise request.no_mirror(f"{len(missing)} of {len(entries)} files")
    needed = _measure_missing(store, missing)
    if needed > get_free_space(store.root):
        raise request.no_space(needed)
    with Bar(sum(entry.bytes for entry in entries), request.config or "release", progress) as bar:
        transfer = Transfer(request, store, entries, halt, bar)
        transfer.run(min(jobs, len(entries)))
    return [FetchedFile(store.path(entry), entry.bytes, entry.path not in transfer.unchanged) for entry in entries]


def choose_files(
    manifest: Manifest, config: str | None, split: str | None = None, sim_ids: NDArray[np.integer] | None = None
) -> list[ListedFile]:
    """Choose files of a release.

    Parameters
    ----------
    manifest : Manifest
        All files of the release.
    config, split : str, optional
        All by default.
    sim_ids : integer array of shape (n,), optional
        Only the files of haloes that hold these simulations.

    Returns
    -------
    list of ListedFile

    Raises
    ------
    ValueError
        If there is no such config, split or simulation.
    """
    entries = manifest.select(config, split)
    if sim_ids is None:
        return entries
    shards = [entry for entry in manifest.select(config) if entry.first_sim_id is not None]
    if not shards:
        allowed = dict.fromkeys(entry.config for entry in manifest.files if entry.first_sim_id is not None)
        raise ValueError(f"config = {config!r} with sim_ids: allowed are files of haloes "
                         f"({', '.join(allowed) or 'none in this release'})")  # fmt: skip
    unknown = np.setdiff1d(sim_ids, np.concatenate([entry.sim_ids for entry in shards]))
    if len(unknown):
        last = max(int(entry.sim_ids[-1]) for entry in shards)
        raise ValueError(f"sim_id = {unknown[0]}: allowed is 0 to {last} (in data version {manifest.data_version})")
    found = [entry for entry in entries if entry.first_sim_id is None or np.isin(sim_ids, entry.sim_ids).any()]
    if len(sim_ids) and not found:
        raise ValueError(f"sim_ids = {sim_ids[0]} to {sim_ids[-1]}: allowed are those of the split {split!r}, and "
                         "none of these belongs to it")  # fmt: skip
    return found


def _check(sim_ids: Iterable[int] | NDArray[np.integer] | None) -> NDArray[np.integer] | None:
    return None if sim_ids is None else as_ids("sim_ids", sim_ids)


def _remove_leftovers(store: Store) -> None:
    """Remove what killed processes left: files whose lock is free, or old ones."""
    for folder in (store.root, store.root / STAMPS):
        remove_leftovers(folder)
    for entry in store.manifest.files:
        partial = downloading.get_partial(store.path(entry))
        if partial.exists():
            with suppress(OSError, Timeout), get_lock(store.root, entry.name).acquire(timeout=0):
                shutil.rmtree(partial, ignore_errors=True)


def _measure_missing(store: Store, missing: Sequence[ListedFile]) -> int:
    """Measure the space that missing files still need, less what other processes have written [bytes]."""
    begun = 0
    for entry in missing:
        with suppress(OSError):
            begun += sum(file.stat().st_size for file in downloading.get_partial(store.path(entry)).iterdir())
    return sum(entry.bytes for entry in missing) - begun
