"""How often mirrors are asked, and what is looked at as a file comes."""

import pytest

from mwlmc_data.fetching import connections, downloading, retrying
from mwlmc_data.fetching.mirrors import parse
from mwlmc_data.fetching.retrying import Halt, MirrorError, NoMirrorHelpsError, Patience, ask
from mwlmc_data.store import Store
from tests.release_server import TRAIN, page

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
    """Two wrong files end it, and five failures of whatever kind."""
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


def read(mirror, entry):
    with connections.open_session() as session:
        return b"".join(downloading.read(mirror, entry.path, session, Halt(), entry.bytes))


@pytest.fixture
def entry(original):
    return next(e for e in Store(original).manifest.files if e.path == FILE)


@pytest.mark.parametrize("beginning", [b"<html>", b"\n \t<!DOCTYPE html>", b"<"])
def test_a_page_of_the_right_size_on_a_disk_is_seen_by_its_first_sign(published, entry, beginning):
    content = (published / FILE).read_bytes()
    assert read(parse(published), entry) == content
    (published / FILE).write_bytes(beginning + content[len(beginning) :])
    with pytest.raises(MirrorError, match="HTML page in place of the file") as caught:
        read(parse(published), entry)
    assert caught.value.tries == 2


def test_only_the_first_sign_tells(published, entry):
    content = (published / FILE).read_bytes()
    (published / FILE).write_bytes(content[:7] + b"<html>" + content[13:])
    assert len(read(parse(published), entry)) == entry.bytes


def test_so_is_one_of_a_server_that_calls_it_a_file(serve, entry):
    server = serve()
    server.always[FILE] = lambda handler, content: handler.answer(200, b" <p>" + content[4:])
    with pytest.raises(MirrorError, match="HTML page in place of the file"):
        read(parse(server.url), entry)


@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8", "Text/HTML"])
def test_what_a_server_calls_a_page_is_none_of_the_files(serve, entry, kind):
    """A login page may begin with anything; the type of the answer is enough."""
    server = serve()
    server.always[FILE] = lambda handler, content: handler.answer(200, content, Content_Type=kind)
    with pytest.raises(MirrorError, match="HTML page in place of the file") as caught:
        read(parse(server.url), entry)
    assert caught.value.tries == 2
    server.always[FILE] = page(503)
    with pytest.raises(MirrorError, match="HTTP 503"):
        read(parse(server.url), entry)
