"""One file from a list of mirrors, verified before anyone sees it.

`pooch` writes a file under a temporary name and renames it only if its SHA-256 is right, so that a file under its own
name is complete. What a mirror sends is checked as it arrives: an HTML page instead of the file, a wrong size
and a broken connection are failures with a reason, on which `retrying` acts.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path

import pooch
import requests
from urllib3.exceptions import HTTPError, NewConnectionError

from mwlmc_data.dataset.store import ListedFile
from mwlmc_data.fetching import connections, retrying
from mwlmc_data.fetching.mirrors import Mirror
from mwlmc_data.fetching.retrying import Halt, MirrorError, ask
from mwlmc_data.storage.writing import put_folder_on_disk

CHUNK = 1 << 20
#: Prefix of the names of the downloading threads.
THREADS = "mwlmc-fetch"
#: Client errors that are temporary, like server errors (5xx).
_AGAIN_LATER = {408, 425, 429}


def read(
    mirror: Mirror,
    path: str,
    session: requests.Session,
    halt: Halt,
    size: int | None = None,
    min_rate: float = 0.0,
) -> Generator[bytes, None, None]:
    """Read a file of a mirror in parts.

    Parameters
    ----------
    mirror : Mirror
        Where from.
    path : str
        Path of the file in the release.
    session : requests.Session
        Keeps connections open.
    halt : Halt
        Stops the download.
    size : int, optional
        Expected size of the file [bytes].
    min_rate : float
        Lowest allowed rate from a server [bytes/s].

    Yields
    ------
    bytes

    Raises
    ------
    MirrorError
        If the mirror does not provide the file, or visibly provides another: an HTML page, a wrong size.
    """
    location = mirror.location(path)
    parts = _read_local(Path(location)) if mirror.is_local else _read_web(location, session, halt, size, min_rate)
    received, has_begun = 0, False
    with closing(parts):
        for part in parts:
            halt.check()
            if not has_begun and part.lstrip()[:1] == b"<":
                raise _make_page_error()
            received, has_begun = received + len(part), has_begun or not part.isspace()
            if size is not None and received > size:
                raise MirrorError(f"sends more than the {size} bytes of the file", retrying.PATIENCE.few_tries)
            yield part
    if size is not None and received != size:
        raise MirrorError(f"ended after {received} of {size} bytes", retrying.PATIENCE.tries)


def _make_page_error() -> MirrorError:
    return MirrorError("sends an HTML page instead of the file", retrying.PATIENCE.few_tries)


def _read_local(path: Path) -> Generator[bytes, None, None]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise MirrorError(f"{path.name} is not a file")  # opening a pipe would wait for its other end
        with open(path, "rb") as file:
            while part := file.read(CHUNK):
                yield part
    except OSError as error:
        raise MirrorError(f"{path.name}: {error.strerror or error}") from error


def _read_web(
    url: str, session: requests.Session, halt: Halt, size: int | None, min_rate: float
) -> Generator[bytes, None, None]:
    try:
        with connections.get(url, session, halt) as answer, halt.watch(answer):
            _refuse(answer, size)
            yield from connections.read_parts(answer, min_rate)
    except (requests.RequestException, HTTPError, ValueError, OSError) as error:
        raise _explain(error) from error


def _refuse(answer: requests.Response, size: int | None) -> None:
    """Raise MirrorError unless the response may be the file."""
    status = answer.status_code
    if status != 200:
        passes = status >= 500 or status in _AGAIN_LATER
        asked = read_pause(answer.headers) if passes else None
        raise MirrorError(
            f"HTTP {status} {answer.reason or ''}".strip(), retrying.PATIENCE.tries if passes else 1, asked
        )
    if answer.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise _make_page_error()
    length = answer.headers.get("Content-Length", "")
    is_plain = answer.headers.get("Content-Encoding", "identity") == "identity"
    if size is not None and is_plain and length.isdigit() and int(length) != size:
        raise MirrorError(f"has a file of {length} bytes, not of {size}", retrying.PATIENCE.few_tries)


def _explain(error: Exception) -> MirrorError:
    """Explain what went wrong with a connection, and decide whether to try again."""
    causes = [error]
    while inner := _find_cause(causes[-1]):
        causes.append(inner)
    text = str(causes[-1]).rpartition(": ")[2].strip() or type(causes[-1]).__name__
    if isinstance(error, requests.exceptions.SSLError):
        return MirrorError(f"no secure connection ({text})")
    is_unreachable = isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError)
    if is_unreachable or any(isinstance(cause, NewConnectionError) for cause in causes):
        return MirrorError(f"no connection ({text})", retrying.PATIENCE.few_tries, is_unreachable=True)
    if isinstance(error, ValueError | requests.exceptions.TooManyRedirects):
        return MirrorError(text)
    return MirrorError(f"the connection broke ({text})", retrying.PATIENCE.tries)


def _find_cause(error: Exception) -> Exception | None:
    """Find the error that requests or urllib3 wrapped."""
    return next((part for part in (getattr(error, "reason", None), *error.args) if isinstance(part, Exception)), None)


def read_pause(headers: Mapping[str, str]) -> float | None:
    """Read how long a server asks to wait.

    Parameters
    ----------
    headers : mapping of str to str
        Headers of its response: Retry-After in seconds or as a date (RFC 9110, sec. 10.2.3), or else the `t` of
        RateLimit, by which Hugging Face gives the end of its window (draft-ietf-httpapi-ratelimit-headers-09).

    Returns
    -------
    float or None
        Seconds from now, not negative; None if the server does not say.
    """
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    with suppress(ValueError, OverflowError):
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    match = re.search(r"\bt\s*=\s*(\d+)", headers.get("RateLimit", ""))
    return float(match[1]) if match else None


def get_partial(target: Path) -> Path:
    """Return the folder beside a file in which it is downloaded."""
    return target.with_name(f".{target.name}.partial")


def download(
    entry: ListedFile,
    target: Path,
    mirrors: Sequence[Mirror],
    session: requests.Session,
    halt: Halt,
    count: Callable[[int], None],
) -> None:
    """Download a file from the first mirror that has it. The caller holds the lock of the file.

    Parameters
    ----------
    entry : ListedFile
        The file.
    target : Path
        Where to put it; an existing file is replaced.
    mirrors : sequence of Mirror
        At least one.
    session : requests.Session
        Keeps connections open.
    halt : Halt
        Stops the download.
    count : callable
        Called with the number of bytes received, and with a negative number when received bytes are discarded.

    Raises
    ------
    NoMirrorHelpsError
        If no mirror provides the file.
    StoppedError
        If another thread stopped the download.
    OSError
        If it cannot be written, such as on a full disk. No partial file is left.
    """
    partial = get_partial(target)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        ask(mirrors, lambda mirror, rate: _attempt(entry, partial, mirror, session, halt, count, rate), halt)
        made = partial / entry.name
        # Temporary files are private to their owner; the folder has the permissions that new files should have.
        made.chmod(partial.stat().st_mode & 0o666)
        os.replace(made, target)
        put_folder_on_disk(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _attempt(
    entry: ListedFile,
    folder: Path,
    mirror: Mirror,
    session: requests.Session,
    halt: Halt,
    count: Callable[[int], None],
    min_rate: float,
) -> None:
    received = 0
    source = read(mirror, entry.path, session, halt, entry.bytes, min_rate)

    def write(_url: str, output_file: str, _pooch: object) -> None:
        nonlocal received
        with open(output_file, "wb") as file, closing(source) as parts:
            for part in parts:
                file.write(part)
                received += len(part)
                count(len(part))
            file.flush()
            # A stamp will vouch for the file, even after a power cut.
            os.fsync(file.fileno())

    pooch.get_logger().addFilter(_is_not_news)
    try:
        _LOGS.are_off = True
        pooch.retrieve(mirror.name, f"sha256:{entry.sha256}", fname=entry.name, path=folder, downloader=write)
    except BaseException as error:
        count(-received)
        if isinstance(error, ValueError):
            raise MirrorError(
                "has a file with another SHA-256 than the manifest", retrying.PATIENCE.few_tries
            ) from error
        raise
    finally:
        _LOGS.are_off = False


#: Whether pooch's log is off, by thread.
_LOGS = threading.local()


def _is_not_news(record: object) -> bool:
    """Silence pooch's log of the files fetched here; other uses of pooch keep their log."""
    return not getattr(_LOGS, "are_off", False)
