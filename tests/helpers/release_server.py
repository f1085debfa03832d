"""A small folder in the form of a release, and a loopback server for it whose faults are set in advance."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mwlmc_data.dataset import release, schema, store
from mwlmc_data.storage import parquet

#: Files of haloes of the small release, simulations 0 to 255, in the order of the manifest.
SHARDS = (
    "haloes/haloes-test-00000-of-00001.parquet",
    "haloes/haloes-train-00000-of-00002.parquet",
    "haloes/haloes-train-00001-of-00002.parquet",
    "haloes/haloes-validation-00000-of-00001.parquet",
)
#: Those of the training part: 0 to 127 and 128 to 255, of some megabytes each.
TRAIN = SHARDS[1:3]

PAGE = b"<!DOCTYPE html><html><title>Service unavailable</title></html>"

Fault = Callable[["Handler", bytes], None]


def small_release(folder: Path, seed: int = 0, version: str = release.DATA_VERSION) -> Path:
    """Write Parquet files and a manifest: catalogues and validation cases of a few rows, haloes of few stars."""
    entries = []
    for split in schema.SPLITS:
        ids = schema.ids_of(split, 0, 256)
        entries.append(_write(folder, f"gaussian/gaussian-{split}.parquet", "gaussian", split, ids, 8, seed, None))
        shards = np.split(ids, 2) if split == "train" else [ids]
        for i, part in enumerate(shards):
            path = f"haloes/haloes-{split}-{i:05d}-of-{len(shards):05d}.parquet"
            entries.append(_write(folder, path, "haloes", split, part, 6000, seed + i, part))
    ids = np.arange(5)
    entries.append(_write(folder, "validation/validation-test.parquet", "validation", "test", ids, 8, seed, None))
    write_manifest(folder, entries, version)
    return folder


def write_manifest(folder: Path, entries: list[store.ListedFile], version: str = release.DATA_VERSION) -> None:
    """Write the manifest of a folder."""
    made_with = release.get_entry("gaussian")["simulator_version"]
    manifest = store.Manifest(version, made_with, {"gaussian": 20250710}, tuple(entries))
    (folder / store.MANIFEST).write_text(manifest.to_json(), encoding="utf-8")


def _write(folder, path, config, split, ids, width, seed, sim_ids):
    rng = np.random.default_rng([seed, len(ids), width])
    numbers = pa.FixedSizeListArray.from_arrays(rng.normal(size=len(ids) * width).astype(np.float32), width)
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"sim_id": np.asarray(ids, dtype=np.int32), "positions": numbers})
    marked = table.cast(parquet.mark_schema(table.schema))
    pq.write_table(marked, folder / path, use_dictionary=False, **parquet.WRITING)
    return store.describe_file(folder, path, config, split, len(ids), sim_ids)


class Seen(NamedTuple):
    """One request."""

    time: float
    path: str
    query: str
    headers: Mapping[str, str]


class Handler(BaseHTTPRequestHandler):
    """Answers a GET with the file, or with the next fault of its path."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = parts.path.removeprefix(self.server.owner.prefix).lstrip("/")
        owner = self.server.owner
        owner.seen.append(Seen(time.monotonic(), path, parts.query, dict(self.headers)))
        content = owner.content(path)
        fault = owner.next_fault(path)
        try:
            if fault is not None:
                fault(self, content or b"")
            elif content is None:
                self.answer(404, b"not found")
            else:
                self.answer(200, content)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def answer(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        """Send an answer; a length other than that of the body serves faults that break off."""
        self.send_response(status)
        headers = {"Content_Type": "application/octet-stream", **headers}
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


class Server(ThreadingHTTPServer):
    """A threaded server, which does not wait for requests that a client has abandoned."""

    daemon_threads = True
    request_queue_size = 64
    owner: ReleaseServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that have disconnected."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class ReleaseServer:
    """Serves a folder on loopback until it is closed.

    Parameters
    ----------
    folder : Path
        What to serve.
    prefix : str
        Prefix of the path of a file in a URL.
    flat : bool
        Whether a file is known by its base name alone, as at Zenodo.
    """

    def __init__(self, folder: Path, prefix: str = "", flat: bool = False) -> None:
        self.folder, self.prefix, self.flat = folder, prefix, flat
        self.seen: list[Seen] = []
        self.faults: dict[str, list[Fault]] = {}
        self.always: dict[str, Fault] = {}
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.owner = self
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """The mirror."""
        return self.host + self.prefix

    def content(self, path: str) -> bytes | None:
        place = next(self.folder.rglob(path), self.folder / path) if self.flat else self.folder / path
        return place.read_bytes() if place.is_file() else None

    def next_fault(self, path: str) -> Fault | None:
        with self._lock:
            waiting = self.faults.get(path)
            return waiting.pop(0) if waiting else self.always.get(path)

    def count(self, path: str) -> int:
        """Number of requests for a file so far."""
        return sum(seen.path == path for seen in self.seen)

    def times(self, path: str) -> list[float]:
        """Times at which a file was requested."""
        return [seen.time for seen in self.seen if seen.path == path]

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


def status(code: int, body: bytes = b"sorry", **headers: str) -> Fault:
    """Answer with another status."""
    return lambda handler, _: handler.answer(code, body, **headers)


def page(code: int = 200, content_type: str = "text/html; charset=utf-8") -> Fault:
    """Answer with an HTML page."""
    return lambda handler, _: handler.answer(code, PAGE, Content_Type=content_type)


def cut(sent: int | None = None) -> Fault:
    """Break the connection after this number of bytes of the body, half of it by default."""

    def fault(handler: Handler, content: bytes) -> None:
        handler.answer(200, content[: len(content) // 2 if sent is None else sent], length=len(content))
        handler.close_connection = True

    return fault


def hang_up(handler: Handler, _: bytes) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def without_length(sent: int) -> Fault:
    """Send a body without its length, and end it early."""

    def fault(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(content[:sent])
        handler.close_connection = True

    return fault


def changed(handler: Handler, content: bytes) -> None:
    """Send the same number of bytes, one of them changed."""
    handler.answer(200, content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])


def shorter(handler: Handler, content: bytes) -> None:
    """Send a complete answer with a shorter file."""
    handler.answer(200, content[:-1])


def longer(handler: Handler, content: bytes) -> None:
    """Send more bytes than the file has, with a length that fits."""
    without_length(len(content) + 9)(handler, content + b"something")


def moved(location: str) -> Fault:
    """Redirect to another address."""
    return lambda handler, _: handler.answer(302, b"", Location=location)


def stalled(server: ReleaseServer, sent: int) -> Fault:
    """Send this number of bytes, wait until the server's `released` is set, and send the rest."""

    def fault(handler: Handler, content: bytes) -> None:
        handler.answer(200, content[:sent], length=len(content))
        server.released.wait()
        handler.wfile.write(content[sent:])

    return fault


def dripping(server: ReleaseServer, part: str = "body", size: int = 1, pause: float = 0.05) -> Fault:
    """Send bytes with pauses until the server closes: of the head, of the body, or of a chunked body."""

    def fault(handler: Handler, content: bytes) -> None:
        chunks = part == "chunks"
        length = b"Transfer-Encoding: chunked" if chunks else b"Content-Length: %d" % len(content)
        head = b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n"
        if part == "head":
            head = head[:-2] + b"X-Padding: " + b"x" * 60_000 + b"\r\n\r\n"
        else:
            handler.wfile.write(head)
        whole = head + content if part == "head" else content
        for start in range(0, len(whole), size):
            piece = whole[start : start + size]
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunks else piece)
            if server.released.wait(pause):
                break
        handler.close_connection = True

    return fault


def interim(*heads: bytes, forever: bool = False) -> Fault:
    """Send interim answers, such as ``103 Early Hints``, and then the file."""

    def fault(handler: Handler, content: bytes) -> None:
        while forever:
            handler.wfile.write(b"HTTP/1.1 " + heads[0] + b"\r\n\r\n")
        for head in heads:
            handler.wfile.write(b"HTTP/1.1 " + head + b"\r\n\r\n")
        handler.answer(200, content)

    return fault


def raw(text: bytes) -> Fault:
    """Send any bytes in place of an answer."""

    def fault(handler: Handler, _: bytes) -> None:
        handler.wfile.write(text)
        handler.close_connection = True

    return fault


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until a condition holds; fail if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never held"
        time.sleep(0.01)


def files_in(folder: Path) -> list[str]:
    """Every file below a folder, hidden ones too, except locks and stamps."""

    def found() -> Iterator[str]:
        for path in folder.rglob("*"):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and not name.startswith((".locks/", ".stamps/")):
                yield name

    return sorted(found())


def is_complete(root: Path, original: Path, names: Sequence[str] = SHARDS) -> bool:
    """Whether a folder holds the manifest and these files of the release, byte for byte, and nothing else."""
    return files_in(root) == sorted([*names, store.MANIFEST]) and all(
        (root / name).read_bytes() == (original / name).read_bytes() for name in names
    )
