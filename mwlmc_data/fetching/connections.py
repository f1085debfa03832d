"""Connections to mirrors: interim responses, how long a response may take, and how slowly a file may arrive."""

from __future__ import annotations

import http.client
import queue
import threading
import time
from collections.abc import Generator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from mwlmc_data import __version__
from mwlmc_data.fetching import retrying
from mwlmc_data.fetching.retrying import Halt, MirrorError, SlowError

#: Largest read [bytes].
PART = 1 << 18
HEADERS = {
    "User-Agent": f"mwlmc-data/{__version__}",
    # the file's own bytes, as they are counted
    "Accept-Encoding": "identity",
}
#: Largest number of interim responses before the final one.
_MAX_INTERIM = 50


class _Response(http.client.HTTPResponse):
    """A response that skips interim ones (RFC 9110, sec. 15.2), such as 103 Early Hints."""

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MAX_INTERIM):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            # 101 switches protocols, so no HTTP response follows; http.client skips 100 itself
            if not 102 <= status <= 199:
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException(f"{_MAX_INTERIM} interim responses and no final one")


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}


class _Adapter(HTTPAdapter):
    """Gives the session these connections, including through a proxy."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager


def open_session() -> requests.Session:
    """Open a session that keeps connections open and skips interim responses."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


def get(url: str, session: requests.Session, halt: Halt) -> requests.Response:
    """Request a file and wait for the head of the response, for a limited time.

    Parameters
    ----------
    url : str
        The file.
    session : requests.Session
        Keeps connections open.
    halt : Halt
        Stops the request.

    Returns
    -------
    requests.Response
        Its body is still to be read.

    Raises
    ------
    MirrorError
        If there is no response within `Patience.connect` and `Patience.read` together.
    requests.RequestException, OSError, ValueError
        What the session raises.
    """
    patience = retrying.PATIENCE
    came: queue.SimpleQueue[requests.Response | Exception] = queue.SimpleQueue()

    def work() -> None:
        try:
            timeout = (patience.connect, patience.read)
            came.put(session.get(url, stream=True, timeout=timeout, headers=HEADERS))
        except Exception as error:
            came.put(error)

    # A daemon, so that waiting for a dead server does not keep an interrupted program alive.
    threading.Thread(target=work, name="mwlmc-answer", daemon=True).start()
    end = time.monotonic() + patience.connect + patience.read
    while time.monotonic() < end:
        halt.check()
        try:
            answer = came.get(timeout=0.1)
        except queue.Empty:
            continue
        if isinstance(answer, Exception):
            raise answer
        return answer
    # A late response is dropped, which closes its connection.
    raise MirrorError(f"does not respond within {patience.connect + patience.read:g} s", patience.few_tries)


def read_parts(answer: requests.Response, min_rate: float) -> Generator[bytes, None, None]:
    """Read the body of a response as it arrives.

    Parameters
    ----------
    answer : requests.Response
        The response.
    min_rate : float
        Lowest allowed rate [bytes/s], averaged over `Patience.window` of waiting for data.

    Yields
    ------
    bytes

    Raises
    ------
    SlowError
        If it arrives more slowly.
    requests.RequestException, urllib3.exceptions.HTTPError
        If the connection breaks.
    """
    waited, received = 0.0, 0
    while True:
        begin = time.monotonic()
        part = answer.raw.read1(PART, decode_content=True)
        waited, received = waited + time.monotonic() - begin, received + len(part or b"")
        if not part:
            return
        if waited >= retrying.PATIENCE.window:
            if received < min_rate * waited:
                raise SlowError(f"sends {received / waited:.0f} bytes a second, less than {min_rate:g}")
            waited, received = 0.0, 0
        yield part
