"""The manifest of a release: fetched first, checked, and written into the local store.

A store whose manifest was fetched is known by its hash: the registry pins it, or, before a version is published, a mark
in the store does. For a known store no mirror is asked again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from filelock import FileLock, Timeout

from mwlmc_data.fetching import downloading, retrying
from mwlmc_data.fetching.errors import Request
from mwlmc_data.fetching.mirrors import Mirror
from mwlmc_data.fetching.retrying import Halt, MirrorError, NoMirrorHelpsError, ask
from mwlmc_data.release import DamagedFileError
from mwlmc_data.store import MANIFEST, STAMPS, Manifest, Store

LOCKS = ".locks"
MARK = "fetched.json"
"""In the folder of the stamps: the hash of the manifest that was fetched, and the mirror."""
_LONGEST = 1 << 26
"""No manifest is longer [bytes]."""


def open_store(request: Request, halt: Halt) -> Store:
    """Open the store of a version, with the manifest of the release in it.

    Parameters
    ----------
    request : Request
        What was asked for.
    halt : Halt
        Ends it.

    Returns
    -------
    Store

    Raises
    ------
    FetchError
        If no mirror gives the manifest, or the folder holds other files or cannot be written to.
    """
    if _is_known(request):
        return Store(request.root)
    if not request.mirrors:
        raise request.no_mirror("the files")
    with request.writing(), locked(request.root, MANIFEST, halt):
        if not _is_known(request):
            _fetch(request, halt)
    return Store(request.root)


def _fetch(request: Request, halt: Halt) -> None:
    """Get the manifest and write it, unless other files are there. Who calls holds the lock."""
    try:
        with requests.Session() as session:
            content, mirror = ask(request.mirrors, lambda m: (_manifest_of(m, request, session, halt), m), halt)
    except NoMirrorHelpsError as error:
        if error.is_offline:
            raise request.unreachable("the files", str(error)) from error
        raise request.no_manifest(str(error)) from error
    wanted = Manifest.from_json(content.decode(), MANIFEST)
    _refuse_mixture(request, wanted)
    needed = sum(
        e.bytes for e in wanted.files if request.config in (None, e.config) and request.split in (None, e.split)
    )
    with request.writing(needed):
        _write(request.root, content, mirror)


@contextmanager
def locked(root: Path, name: str, halt: Halt) -> Iterator[None]:
    """Hold the lock of one file of a store, against other processes and threads; the system frees those of the dead."""
    lock = lock_of(root, name)
    while not lock.is_locked:
        halt.check()
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            continue
    try:
        yield
    finally:
        lock.release()


def lock_of(root: Path, name: str) -> FileLock:
    """Lock of one file of a store, not yet held."""
    folder = root / LOCKS
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{name}.lock")


def _is_known(request: Request) -> bool:
    """Whether the store's manifest is that of the release, so that no mirror need be asked."""
    path = request.root / MANIFEST
    try:
        content = path.read_bytes()
        if Manifest.from_json(content.decode(), path).data_version != request.version:
            return False
    except (OSError, ValueError):
        return False
    found = hashlib.sha256(content).hexdigest()
    pinned = request.record["manifest"]
    if pinned is not None:
        return found == pinned
    try:
        mark = json.loads((request.root / STAMPS / MARK).read_text(encoding="utf-8"))
        return mark["sha256"] == found and mark["mirror"] in ([str(m) for m in request.mirrors] or [mark["mirror"]])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _manifest_of(mirror: Mirror, request: Request, session: requests.Session, halt: Halt) -> bytes:
    """Read a mirror's manifest, or raise MirrorError if it is not that of the release."""
    few = retrying.PATIENCE.few_tries
    content = b""
    for part in downloading.read(mirror, MANIFEST, session, halt):
        content += part
        if len(content) > _LONGEST:
            raise MirrorError(f"sends more than a {MANIFEST}")
    pinned = request.record["manifest"]
    found = hashlib.sha256(content).hexdigest()
    if pinned not in (None, found):
        raise MirrorError(f"has a {MANIFEST} with SHA-256 {found}, not the registered {pinned}", few)
    try:
        manifest = Manifest.from_json(content.decode(), MANIFEST)
    except DamagedFileError as error:
        raise MirrorError(f"has no valid {MANIFEST}: {error.found}", few) from error
    except UnicodeDecodeError as error:
        raise MirrorError(f"has no valid {MANIFEST}: no text", few) from error
    if manifest.data_version != request.version:
        raise MirrorError(f"holds data version {manifest.data_version}, not {request.version}")
    return content


def _refuse_mixture(request: Request, wanted: Manifest) -> None:
    """Raise FetchError if files of another manifest lie in the folder that are not in the wanted one."""
    try:
        here = Store(request.root)
    except (FileNotFoundError, DamagedFileError):
        return
    hashes = {entry.path: entry.sha256 for entry in wanted.files}
    other = [entry.name for entry in here.present() if hashes.get(entry.path) != entry.sha256]
    if other:
        raise request.mixture(other, here.manifest.data_version)


def _write(root: Path, content: bytes, mirror: Mirror) -> None:
    """Write the manifest and the mark. Who calls holds the lock."""
    mark = {"mirror": str(mirror), "sha256": hashlib.sha256(content).hexdigest()}
    (root / STAMPS).mkdir(exist_ok=True)
    for path, text in ((root / MANIFEST, content), (root / STAMPS / MARK, json.dumps(mark).encode())):
        temporary = path.with_name(f".{path.name}.partial")
        temporary.write_bytes(text)
        os.replace(temporary, path)
