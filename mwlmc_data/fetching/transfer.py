"""Fetching several files at once from mirrors into a store, each under its lock, with one progress bar."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import requests

from mwlmc_data.dataset.store import ListedFile, Store, is_stamped
from mwlmc_data.fetching import connections, downloading
from mwlmc_data.fetching.errors import Request
from mwlmc_data.fetching.manifest import hold_lock
from mwlmc_data.fetching.retrying import Halt, NoMirrorHelpsError
from mwlmc_data.storage.errors import DamagedFileError

#: Time for threads to clean up when all are to stop [s].
_LAST_WAIT = 1.5


def seems_present(store: Store, entry: ListedFile) -> bool:
    """Whether a file of the right size exists; its hash is not checked."""
    try:
        return store.path(entry).stat().st_size == entry.bytes
    except FileNotFoundError:
        return False


class Transfer:
    """Files that threads fetch together."""

    def __init__(self, request: Request, store: Store, entries: Sequence[ListedFile], halt: Halt, bar: Bar) -> None:
        self._request, self._store, self._entries, self._halt, self._bar = request, store, entries, halt, bar
        self._waiting: queue.SimpleQueue[ListedFile] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[ListedFile, BaseException | None]] = queue.SimpleQueue()
        #: Paths of files that were verified before and not hashed again.
        self.unchanged: set[str] = set()
        for entry in entries:
            self._waiting.put(entry)

    def run(self, jobs: int) -> None:
        """Fetch all files, or raise FetchError; a file that fails does not stop the others."""
        # Daemons, so that waiting for a dead server does not keep an interrupted program alive.
        threads = [
            threading.Thread(target=self._work, name=f"{downloading.THREADS}-{i}", daemon=True) for i in range(jobs)
        ]
        try:
            for thread in threads:
                thread.start()
            failures = self._collect()
        finally:
            self._halt.set()
            end = time.monotonic() + _LAST_WAIT
            for thread in threads:
                thread.join(max(0.0, end - time.monotonic()))
        if failures and not self._request.mirrors:
            raise self._request.no_mirror(f"{', '.join(failures)} (damaged)")
        if failures:
            raise self._request.failed(len(self._entries), failures)

    def _collect(self) -> dict[str, str]:
        """Wait for all files; return the names of those that failed, and why."""
        failures = {}
        for _ in self._entries:
            entry, error = self._wait_for_next()
            if isinstance(error, NoMirrorHelpsError):
                failures[entry.name] = str(error)
                if self._request.mirrors and error.is_offline:
                    missing = f"{len(self._list_missing())} of {len(self._entries)} files"
                    raise self._request.unreachable(missing, str(error)) from error
            elif isinstance(error, OSError):
                with self._request.explain_disk_errors(sum(entry.bytes for entry in self._list_missing())):
                    raise error
            elif error is not None:
                raise error
        return failures

    def _wait_for_next(self) -> tuple[ListedFile, BaseException | None]:
        while True:
            # Without a timeout Windows does not let the user interrupt.
            with suppress(queue.Empty):
                return self._done.get(timeout=0.5)

    def _list_missing(self) -> list[ListedFile]:
        return [entry for entry in self._entries if not seems_present(self._store, entry)]

    def _work(self) -> None:
        with connections.open_session() as session:
            while not self._halt.is_set():
                try:
                    entry = self._waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    self._fetch(entry, session)
                except NoMirrorHelpsError as error:
                    self._done.put((entry, error))
                except BaseException as error:
                    # A full disk, or worse: no thread starts another file.
                    self._done.put((entry, error))
                    self._halt.set()
                else:
                    self._done.put((entry, None))

    def _fetch(self, entry: ListedFile, session: requests.Session) -> None:
        if self._is_here(entry):
            return
        with hold_lock(self._store.root, entry.name, self._halt):
            # Another process may have fetched it meanwhile.
            if self._is_here(entry):
                return
            target, mirrors = self._store.path(entry), self._request.mirrors
            downloading.download(entry, target, mirrors, session, self._halt, self._bar.add)
            self._store.stamp(entry)

    def _is_here(self, entry: ListedFile) -> bool:
        root = self._store.root
        try:
            if self._store.path(entry).is_file() and is_stamped(root, entry):
                self.unchanged.add(entry.path)
            else:
                self._store.verify(entry)
        except DamagedFileError:
            return False
        self._bar.add_present(entry.bytes)
        return True


class Bar:
    """One bar for all files and threads."""

    def __init__(self, total: int, label: str, is_shown: bool) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=total, unit="B", unit_scale=True, desc=label, disable=not is_shown)
        self._lock = threading.Lock()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def add(self, size: int) -> None:
        """Count received bytes; negative for bytes that were discarded."""
        with self._lock:
            self._bar.update(size)

    def add_present(self, size: int) -> None:
        """Count bytes that were present already, which do not enter the speed."""
        with self._lock:
            if not self._bar.disable:
                self._bar.initial += size
                self._bar.last_print_n += size
            self._bar.n += size
            self._bar.refresh()
