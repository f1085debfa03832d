"""How often mirrors are asked, and what is checked while a file arrives."""

import http.client
import io
import threading
import time

import pytest
import requests

from mwlmc_data.dataset.store import Store
from mwlmc_data.fetching import connections, downloading, retrying
from mwlmc_data.fetching.mirrors import parse
from mwlmc_data.fetching.retrying import Halt, MirrorError, NoMirrorHelpsError, Patience, ask
from tests.helpers.release_server import TRAIN, page

FILE = TRAIN[0]
BUSY, WRONG = 5, 2


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(retrying, "PATIENCE", Patience(first=0.0, longest=0.0))


@pytest.mark.parametrize(
    ("kinds", "requests_made"),
    [
        ([BUSY] * 9, 5),
        ([WRONG] * 9, 2),
        ([1] * 9, 1),
        ([BUSY, WRONG, BUSY, WRONG], 4),
        ([BUSY, BUSY, WRONG, BUSY, BUSY, BUSY, BUSY], 5),
        ([WRONG, BUSY, BUSY, BUSY, BUSY, BUSY], 5),
        ([BUSY, BUSY, 1], 3),
    ],
)
def test_failures_are_counted_by_kind_and_in_all(kinds, requests_made):
    """It stops after two wrong files, or after five failures of any kind."""
    asked = []

    def attempt(mirror, rate):
        asked.append(mirror)
        raise MirrorError(f"failure {len(asked)}", tries=kinds[len(asked) - 1])

    with pytest.raises(NoMirrorHelpsError, match=rf"/one: failure {requests_made}$"):
        ask([parse("https://example.org/one")], attempt, Halt())
    assert len(asked) == requests_made


def test_a_mirror_without_connection_is_offline_and_only_if_all_are():
    one, other = parse("https://example.org/one"), parse("https://example.org/other")

    def attempt(mirror, answering=()):
        if mirror in answering:
            raise MirrorError("HTTP 404")
        raise MirrorError("no connection", 2, is_unreachable=True)

    for answering, is_offline in (((), True), ((one,), False), ((other,), False)):
        with pytest.raises(NoMirrorHelpsError) as caught:
            ask([one, other], lambda mirror, rate, answering=answering: attempt(mirror, answering), Halt())
        assert caught.value.is_offline is is_offline


def test_the_longest_allowed_pause_is_waited_for_and_a_longer_one_is_not(monkeypatch):
    monkeypatch.setattr(retrying, "PATIENCE", Patience(first=0.0, longest=0.01, longest_asked=0.1))
    busy, other = parse("https://example.org/busy"), parse("https://example.org/other")
    for pause, expected in ((0.01, [busy, busy]), (0.011, [busy, other])):
        asked = []

        def attempt(mirror, rate, asked=asked, pause=pause):
            asked.append(mirror)
            if len(asked) == 1:
                raise MirrorError("HTTP 429", tries=BUSY, asked=pause)
            return mirror

        assert ask([busy, other], attempt, Halt()) is expected[-1]
        assert asked == expected


def read(mirror, entry):
    with connections.open_session() as session:
        return b"".join(downloading.read(mirror, entry.path, session, Halt(), entry.bytes))


@pytest.fixture
def entry(original):
    return next(e for e in Store(original).manifest.files if e.path == FILE)


@pytest.mark.parametrize("beginning", [b"<html>", b"\n \t<!DOCTYPE html>", b"<"])
def test_a_page_of_the_right_size_on_a_disk_is_recognised_by_its_first_characters(published, entry, beginning):
    content = (published / FILE).read_bytes()
    assert read(parse(published), entry) == content
    (published / FILE).write_bytes(beginning + content[len(beginning) :])
    with pytest.raises(MirrorError, match="HTML page instead of the file") as caught:
        read(parse(published), entry)
    assert caught.value.tries == 2


def test_a_file_that_a_folder_lacks_is_named_without_its_path(tmp_path, entry):
    """The failure is printed after the mirror, which is the path."""
    with pytest.raises(MirrorError, match=rf"^{entry.name}: No such file or directory$") as caught:
        read(parse(tmp_path), entry)
    assert caught.value.tries == 1


def test_markup_farther_in_does_not_make_a_page(published, entry):
    content = (published / FILE).read_bytes()
    (published / FILE).write_bytes(content[:7] + b"<html>" + content[13:])
    assert len(read(parse(published), entry)) == entry.bytes


def test_a_page_that_a_server_calls_a_file_is_recognised(serve, entry):
    server = serve()
    server.always[FILE] = lambda handler, content: handler.answer(200, b" <p>" + content[4:])
    with pytest.raises(MirrorError, match="HTML page instead of the file"):
        read(parse(server.url), entry)


@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8", "Text/HTML"])
def test_what_a_server_calls_a_page_is_refused(serve, entry, kind):
    """A login page may begin with anything; the type of the answer is enough."""
    server = serve()
    server.always[FILE] = lambda handler, content: handler.answer(200, content, Content_Type=kind)
    with pytest.raises(MirrorError, match="HTML page instead of the file") as caught:
        read(parse(server.url), entry)
    assert caught.value.tries == 2
    server.always[FILE] = page(503)
    with pytest.raises(MirrorError, match="HTTP 503"):
        read(parse(server.url), entry)


@pytest.mark.parametrize(
    ("code", "tries"),
    [
        (201, 1),
        (301, 1),
        (404, 1),
        (407, 1),
        (408, 5),
        (409, 1),
        (425, 5),
        (428, 1),
        (429, 5),
        (499, 1),
        (500, 5),
        (599, 5),
    ],
)
def test_a_status_is_tried_again_if_it_may_be_temporary(code, tries):
    answer = requests.Response()
    answer.status_code, answer.reason = code, "Reason"
    answer.headers["Retry-After"] = "7"
    with pytest.raises(MirrorError, match=f"^HTTP {code} Reason$") as caught:
        downloading._refuse(answer, None)
    assert (caught.value.tries, caught.value.asked) == (tries, 7.0 if tries == 5 else None)
    assert not caught.value.is_unreachable


@pytest.mark.parametrize(
    ("headers", "is_refused"),
    [
        ({}, False),
        ({"Content-Length": "100"}, False),
        ({"Content-Length": "99"}, True),
        ({"Content-Length": "99", "Content-Encoding": "identity"}, True),
        ({"Content-Length": "99", "Content-Encoding": "gzip"}, False),
        ({"Content-Length": "many"}, False),
    ],
)
def test_a_declared_length_must_be_that_of_the_file(headers, is_refused):
    answer = requests.Response()
    answer.status_code = 200
    answer.headers.update(headers)
    downloading._refuse(answer, None)
    if not is_refused:
        downloading._refuse(answer, 100)
        return
    with pytest.raises(MirrorError, match="has a file of 99 bytes, not of 100") as caught:
        downloading._refuse(answer, 100)
    assert caught.value.tries == 2


class Wire:
    """Stands in for a socket."""

    def __init__(self, *codes):
        self.text = b"".join(b"HTTP/1.1 %d Word\r\nX-Head: y\r\n\r\n" % code for code in codes)

    def makefile(self, _mode):
        return io.BytesIO(self.text)


@pytest.mark.parametrize(
    ("codes", "status"),
    [
        ((200,), 200),
        ((102, 200), 200),
        ((199, 404), 404),
        ((103, 150, 500), 500),
        ((101, 200), 101),
        ([103] * 49 + [200], 200),
    ],
)
def test_interim_answers_end_where_the_answer_begins(codes, status):
    answer = connections._Response(Wire(*codes))
    answer.begin()
    assert (answer.status, answer.reason, answer.headers["X-Head"]) == (status, "Word", "y")


def test_endless_interim_answers_are_refused():
    with pytest.raises(http.client.HTTPException, match="50 interim responses and no final one"):
        connections._Response(Wire(*[103] * 50, 200)).begin()


class Told(Exception):
    def __init__(self, *parts, reason=None):
        super().__init__(*parts)
        self.reason = reason


@pytest.mark.parametrize(
    ("error", "text", "tries", "is_unreachable"),
    [
        (ValueError("where: what: why"), "why", 1, False),
        (requests.exceptions.TooManyRedirects("too many"), "too many", 1, False),
        (requests.exceptions.SSLError("bad: certificate"), "no secure connection (certificate)", 1, False),
        (requests.exceptions.ConnectTimeout("late"), "no connection (late)", 2, True),
        (requests.exceptions.ProxyError("proxy"), "no connection (proxy)", 2, True),
        (
            requests.exceptions.ConnectionError(Told(reason=OSError("x: reset"))),
            "the connection broke (reset)",
            5,
            False,
        ),
        (requests.exceptions.ChunkedEncodingError(Told(1, OSError("cut"))), "the connection broke (cut)", 5, False),
        (requests.exceptions.ReadTimeout(""), "the connection broke (ReadTimeout)", 5, False),
        (OSError(TimeoutError("")), "the connection broke (TimeoutError)", 5, False),
    ],
)
def test_an_error_is_described_by_its_innermost_cause(error, text, tries, is_unreachable):
    found = downloading._explain(error)
    assert (str(found), found.tries, found.is_unreachable) == (text, tries, is_unreachable)


class Body:
    """Stands in for the body of an answer: its parts arrive half a second apart, by a clock of its own."""

    def __init__(self, monkeypatch, sizes):
        self.sizes, self.now = [*sizes, 0], 0.0
        monkeypatch.setattr(connections.time, "monotonic", lambda: self.now)

    def read1(self, size, decode_content):
        self.now += 0.5
        return b"x" * self.sizes.pop(0)


@pytest.mark.parametrize(
    ("sizes", "rate"), [([5, 5], None), ([4, 5], 9), ([500, 500, 5, 5], None), ([500, 500, 4, 5], 9), ([5, 5, 0], None)]
)
def test_each_time_window_must_reach_the_minimum_rate(monkeypatch, sizes, rate):
    """What arrived in earlier windows does not count, however much it was."""
    monkeypatch.setattr(retrying, "PATIENCE", Patience(window=1.0))
    answer = requests.Response()
    answer.raw = Body(monkeypatch, sizes)
    if rate is None:
        assert b"".join(connections.read_parts(answer, min_rate=10.0)) == b"x" * sum(sizes)
        return
    with pytest.raises(retrying.SlowError, match=f"^sends {rate} bytes a second, less than 10$"):
        list(connections.read_parts(answer, min_rate=10.0))


def test_a_slow_answer_is_waited_for(serve, entry, original):
    server = serve()
    server.always[FILE] = lambda handler, content: (time.sleep(0.3), handler.answer(200, content))
    assert read(parse(server.url), entry) == (original / FILE).read_bytes()
    assert server.count(FILE) == 1


def test_a_thread_that_waits_for_an_answer_does_not_keep_the_program_alive():
    class Session:
        def get(self, *_, **__):
            raise OSError(f"asked by a daemon: {threading.current_thread().daemon}")

    with pytest.raises(OSError, match=r"^asked by a daemon: True$"):
        connections.get("https://example.org", Session(), Halt())
