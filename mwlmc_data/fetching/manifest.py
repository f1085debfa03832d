"""The manifest of a release: fetched first, checked, and written into the local store.

A fetched manifest is known by its hash, which the registry pins or, before publication, a mark in the store records.
For a known manifest no mirror is asked again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests
from filelock import FileLock, Timeout

from mwlmc_data.dataset.library import get_halo_config
from mwlmc_data.dataset.manifest import MAX_LENGTH
from mwlmc_data.dataset.store import MANIFEST, STAMPS, Manifest, Store
from mwlmc_data.fetching import connections, downloading, retrying
from mwlmc_data.fetching.errors import Request
from mwlmc_data.fetching.mirrors import Mirror
from mwlmc_data.fetching.retrying import Halt, MirrorError, NoMirrorHelpsError, ask
from mwlmc_data.storage.errors import DamagedFileError
from mwlmc_data.storage.writing import write_bytes

LOCKS = ".locks"
#: File among the stamps with the hash of the fetched manifest, and its mirror.
MARK = "fetched.json"


def open_store(request: Request, halt: Halt) -> Store:
    """Open the store of a version, with the manifest of the release in it.

    Parameters
    ----------
    request : Request
        What the user requests.
    halt : Halt
        Stops the download.

    Returns
    -------
    Store

    Raises
    ------
    FetchError
        If no mirror provides the manifest, or the folder holds other files or is not writable.
    """
    if _is_known(request):
        return Store(request.root)
    if not request.mirrors:
        raise request.no_mirror("the files")
    with request.explain_disk_errors(), hold_lock(request.root, MANIFEST, halt):
        if not _is_known(request):
            _fetch(request, halt)
    return Store(request.root)


def _fetch(request: Request, halt: Halt) -> None:
    """Fetch the manifest and write it, unless the folder holds other files. The caller holds the lock."""
    try:
        with connections.open_session() as session:
            content, mirror = _ask(request, session, halt)
    except NoMirrorHelpsError as error:
        if error.is_offline:
            raise request.unreachable("the files", str(error)) from error
        raise request.no_manifest(str(error)) from error
    wanted = Manifest.from_json(content.decode(), MANIFEST)
    _refuse_mixture(request, wanted)
    needed = sum(
        e.bytes for e in wanted.files if request.config in (None, e.config) and request.split in (None, e.split)
    )
    with request.explain_disk_errors(needed):
        _write(request.root, content, mirror)


def _ask(request: Request, session: requests.Session, halt: Halt) -> tuple[bytes, Mirror]:
    """Return the first valid manifest that lists the requested files, or else the first valid one."""
    others: list[tuple[bytes, Mirror]] = []

    def attempt(mirror: Mirror, min_rate: float) -> tuple[bytes, Mirror]:
        content = _read_manifest(mirror, request, session, halt, min_rate)
        if not _lists(Manifest.from_json(content.decode(), MANIFEST), request):
            others.append((content, mirror))
            raise MirrorError(f"has a {MANIFEST} without config {request.config!r}, split {request.split!r}")
        return content, mirror

    trusted = [mirror for mirror in request.mirrors if str(mirror) not in request.distrusted]
    try:
        return ask(trusted, attempt, halt)
    except NoMirrorHelpsError:
        if not others:
            raise
        return others[0]


def _lists(manifest: Manifest, request: Request) -> bool:
    """Whether a manifest has files of the requested config and split."""
    return any(request.config in (None, e.config) and request.split in (None, e.split) for e in manifest.files)


def forget_manifest(request: Request, halt: Halt) -> Request | None:
    """Forget a fetched manifest that led to no file, so that the next call does not depend on it.

    Parameters
    ----------
    request : Request
        The request that failed.
    halt : Halt
        Stops the download.

    Returns
    -------
    Request or None
        The same request without this mirror's manifest; None if nothing was forgotten or no other mirror is left. A
        manifest stays if the registry pins it, it was not fetched, or a file was or is being fetched with it.
    """
    if request.record["manifest"] is not None or not request.mirrors:
        return None
    with suppress(OSError, DamagedFileError), hold_lock(request.root, MANIFEST, halt):
        store = Store(request.root)
        mark = _read_mark(request.root)
        is_used = store.list_present() or any(request.root.glob("*/.*.partial"))
        if is_used or mark.get("sha256") != hashlib.sha256((request.root / MANIFEST).read_bytes()).hexdigest():
            return None
        (request.root / STAMPS / MARK).unlink()
        (request.root / MANIFEST).unlink()
        distrusted = request.distrusted | {mark["mirror"]}
        if any(str(mirror) not in distrusted for mirror in request.mirrors):
            return replace(request, distrusted=distrusted)
    return None


@contextmanager
def hold_lock(root: Path, name: str, halt: Halt) -> Iterator[None]:
    """Hold the lock of one file of a store; the system frees the locks of dead processes."""
    lock = get_lock(root, name)
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


def get_lock(root: Path, name: str) -> FileLock:
    """Return the lock of one file of a store, not yet held."""
    folder = root / LOCKS
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{name}.lock")


def _is_known(request: Request) -> bool:
    """Whether the store's manifest is that of the release, so that no mirror is asked."""
    path = request.root / MANIFEST
    try:
        content = path.read_bytes()
        manifest = Manifest.from_json(content.decode(), path)
        if manifest.data_version != request.version:
            return False
    except (OSError, ValueError):
        return False
    found = hashlib.sha256(content).hexdigest()
    pinned = request.record["manifest"]
    if pinned is not None:
        return found == pinned
    mark = _read_mark(request.root)
    if mark.get("sha256") != found:
        return False
    if not request.mirrors:
        return True
    return mark["mirror"] in [str(m) for m in request.mirrors] and _lists(manifest, request)


def _read_mark(root: Path) -> dict[str, Any]:
    """Read the mark of the fetched manifest: its hash and mirror; empty if there is none."""
    try:
        mark = json.loads((root / STAMPS / MARK).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    is_one = isinstance(mark, dict) and all(isinstance(mark.get(name), str) for name in ("sha256", "mirror"))
    return mark if is_one else {}


def _read_manifest(
    mirror: Mirror, request: Request, session: requests.Session, halt: Halt, min_rate: float
) -> bytes:
    """Read a mirror's manifest, or raise MirrorError if it is not that of the release."""
    few = retrying.PATIENCE.few_tries
    content = bytearray()
    for part in downloading.read(mirror, MANIFEST, session, halt, min_rate=min_rate):
        content += part
        if len(content) > MAX_LENGTH:
            raise MirrorError(f"sends more than the length of a {MANIFEST}")
    pinned = request.record["manifest"]
    found = hashlib.sha256(content).hexdigest()
    if pinned not in (None, found):
        raise MirrorError(f"has a {MANIFEST} with SHA-256 {found}, not the registered {pinned}", few)
    try:
        manifest = Manifest.from_json(content.decode(), MANIFEST)
    except DamagedFileError as error:
        raise MirrorError(f"has no valid {MANIFEST}: {error.found}", few) from error
    except UnicodeDecodeError as error:
        raise MirrorError(f"has no valid {MANIFEST}: not text", few) from error
    if manifest.data_version != request.version:
        raise MirrorError(f"holds data version {manifest.data_version}, not {request.version}")
    if problem := _find_disagreement(manifest, request.record):
        raise MirrorError(f"has a {MANIFEST} of other data: {problem}", few)
    return bytes(content)


def _find_disagreement(manifest: Manifest, record: Mapping[str, Any]) -> str | None:
    """Find what the manifest and the registry disagree on, in words; None if they agree."""
    for name, facts in record["files"].items():
        if manifest.seeds.get(name, facts["seed"]) != facts["seed"]:
            return f"the seed of {name} is {manifest.seeds[name]}, not {facts['seed']}"
        if manifest.simulator_version != facts["simulator_version"]:
            return f"the simulator is {manifest.simulator_version}, not {facts['simulator_version']}"
        rows = sum(entry.rows for entry in manifest.files if entry.config == name)
        ids = [entry.last_sim_id or 0 for entry in manifest.files if entry.config == get_halo_config(name)]
        if max(rows, max(ids, default=-1) + 1) > facts["rows"]:
            return f"the {name} set has {facts['rows']} simulations, and no more"
    return None


def _refuse_mixture(request: Request, wanted: Manifest) -> None:
    """Raise FetchError if the folder holds files that are not in the wanted manifest."""
    try:
        here = Store(request.root)
    except (FileNotFoundError, DamagedFileError):
        return
    hashes = {entry.path: entry.sha256 for entry in wanted.files}
    other = [entry.name for entry in here.list_present() if hashes.get(entry.path) != entry.sha256]
    if other:
        raise request.mixture(other, here.manifest.data_version)


def _write(root: Path, content: bytes, mirror: Mirror) -> None:
    """Write the manifest and the mark. The caller holds the lock."""
    mark = {"mirror": str(mirror), "sha256": hashlib.sha256(content).hexdigest()}
    (root / STAMPS).mkdir(exist_ok=True)
    write_bytes(root / MANIFEST, content)
    write_bytes(root / STAMPS / MARK, json.dumps(mark).encode())
