"""Faults of mirrors: tried again, given up or waited for, and never a wrong file in the store."""

import email.utils
import random
import re
import threading
import time

import pytest
from requests.structures import CaseInsensitiveDict

from mwlmc_data import fetching
from mwlmc_data.dataset import release, store
from mwlmc_data.dataset.store import Store
from mwlmc_data.fetching import FetchError, connections, downloading, files, manifest, retrying, transfer
from mwlmc_data.fetching.errors import Request
from mwlmc_data.fetching.mirrors import parse
from mwlmc_data.fetching.retrying import Patience
from tests.helpers.release_server import (
    SHARDS,
    TRAIN,
    changed,
    cut,
    files_in,
    hang_up,
    is_complete,
    longer,
    moved,
    page,
    shorter,
    status,
    wait_for,
    without_length,
)

MANIFEST = store.MANIFEST
FILE = TRAIN[0]

PASSING = {
    "429": [status(429)],
    "429 with Retry-After in the past": [status(429, Retry_After="Wed, 01 Jan 2020 00:00:00 GMT")],
    "503 with an HTML page": [page(503), page(503)],
    "500, 502, 504, 408": [status(500), status(502), status(504), status(408)],
    "an HTML page with status 200": [page()],
    "an HTML page that says it is a file": [page(content_type="application/octet-stream")],
    "a cut connection": [cut()],
    "a cut connection after the first byte": [cut(1)],
    "a cut connection before the first byte": [cut(0)],
    "a cut connection a byte early": [cut(-1)],
    "no answer": [hang_up, hang_up],
    "an unannounced end": [without_length(2_000_000)],
    "a wrong hash": [changed],
    "a shorter file": [shorter],
    "a longer file": [longer],
    "one after the other": [status(429), cut(), page(503), hang_up],
    "a wrong hash after others": [cut(), status(503), changed],
}

# Permanent fault -> number of requests, and what the error says about it.
LASTING = {
    "404": (status(404), 1, "HTTP 404"),
    "403": (status(403), 1, "HTTP 403"),
    "401": (status(401), 1, "HTTP 401"),
    "410": (status(410), 1, "HTTP 410"),
    "206": (status(206), 1, "HTTP 206"),
    "429": (status(429), 5, "HTTP 429"),
    "503 with an HTML page": (page(503), 5, "HTTP 503"),
    "an HTML page with status 200": (page(), 2, "HTML page"),
    "an HTML page that says it is a file": (page(content_type="application/octet-stream"), 2, "HTML page|a file of"),
    "a cut connection": (cut(), 5, "the connection broke"),
    "no answer": (hang_up, 5, "the connection broke"),
    "an unannounced end": (without_length(2_000_000), 5, r"ended after 2000000 of \d+ bytes"),
    "a wrong hash": (changed, 2, "another SHA-256"),
    "a shorter file": (shorter, 2, r"a file of \d+ bytes, not of"),
    "a longer file": (longer, 2, "more than the"),
}


@pytest.mark.parametrize("name", PASSING)
def test_temporary_faults_are_tried_again(fetch, server, original, root, name):
    server.faults[FILE] = list(PASSING[name])
    fetch(mirrors=server.url)
    assert is_complete(root, original)
    assert server.count(FILE) == len(PASSING[name]) + 1
    assert [server.count(other) for other in SHARDS if other != FILE] == [1, 1, 1]


@pytest.mark.parametrize("name", [name for name in PASSING if "file" not in name and "hash" not in name])
def test_temporary_faults_of_the_manifest_are_tried_again(fetch, server, original, root, name):
    faults = PASSING[name] if name != "an unannounced end" else [without_length(50)]
    server.faults[MANIFEST] = list(faults)
    fetch(mirrors=server.url)
    assert is_complete(root, original)
    assert server.count(MANIFEST) == len(faults) + 1


@pytest.mark.parametrize("name", LASTING)
def test_the_next_mirror_serves_what_the_first_cannot(fetch, serve, original, root, name):
    bad, good = serve(), serve()
    fault, requests_worth, _ = LASTING[name]
    bad.always[FILE] = fault
    fetch(mirrors=[bad.url, good.url])
    assert is_complete(root, original)
    assert bad.count(FILE) == requests_worth
    assert [seen.path for seen in good.seen] == [FILE]


@pytest.mark.parametrize("name", LASTING)
def test_if_all_mirrors_fail_all_are_named_and_nothing_is_left(fetch, serve, original, root, name):
    one, other = serve(), serve()
    fault, _, reported = LASTING[name]
    one.always[FILE] = fault
    other.always[FILE] = status(404)
    with pytest.raises(FetchError) as caught:
        fetch(mirrors=[one.url, other.url])
    text = str(caught.value)
    assert re.search(rf"{re.escape(one.url)}: .*({reported}).*{re.escape(other.url)}: HTTP 404", text)
    assert "1 of 4 files" in text
    assert FILE.partition("/")[2] in text
    assert "3 are in" in text
    assert str(root) in text
    assert is_complete(root, original, [other for other in SHARDS if other != FILE])
    one.always.clear()
    fetch(mirrors=one.url)
    assert is_complete(root, original)
    assert sum(one.count(other) for other in SHARDS if other != FILE) == 3


def test_a_mirror_without_the_manifest_gives_way(fetch, serve, original, root):
    bad, good = serve(), serve()
    bad.always[MANIFEST] = status(404)
    fetch(mirrors=[bad.url, good.url])
    assert is_complete(root, original)
    assert bad.count(MANIFEST) == good.count(MANIFEST) == 1


def test_endless_redirects_are_given_up(fetch, server, original):
    server.always[MANIFEST] = moved(f"/{MANIFEST}")
    with pytest.raises(FetchError, match="redirects"):
        fetch(mirrors=server.url)
    server.always[MANIFEST] = moved("http://[")
    with pytest.raises(FetchError, match=MANIFEST):
        fetch(mirrors=server.url)


def test_a_server_without_encryption_is_not_asked_again(fetch, server):
    with pytest.raises(FetchError, match="no secure connection"):
        fetch(mirrors=server.url.replace("http:", "https:"))


def test_a_server_that_falls_silent_is_given_up(fetch, server, serve, original, root, monkeypatch):
    silent = serve()
    silent.always[FILE] = lambda handler, content: (
        handler.answer(200, content[:1000], length=len(content)), silent.released.wait()
    )  # fmt: skip
    monkeypatch.setattr(retrying, "PATIENCE", Patience(tries=2, first=0.005, read=0.8))
    fetch(mirrors=[silent.url, server.url])
    assert is_complete(root, original)
    assert silent.count(FILE) == 2


class TestWaiting:
    def test_the_server_sets_the_pause(self, fetch, server, original, root):
        server.faults[FILE] = [status(429, Retry_After="1")]
        fetch(mirrors=server.url)
        first, second = server.times(FILE)
        assert second - first >= 1.0
        assert is_complete(root, original)

    def test_other_downloads_continue_during_a_pause(self, fetch, server, original, root):
        server.faults[FILE] = [status(503, Retry_After="1")]
        fetch(mirrors=server.url, jobs=2)
        first, second = server.times(FILE)
        assert second - first >= 1.0
        assert all(server.times(name)[0] < second for name in SHARDS if name != FILE)

    def test_pauses_double_and_differ(self):
        patience = Patience(first=1.0, longest=8.0)
        for tried, longest in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (50, 8.0)):
            pauses = {patience.pause(tried, None) for _ in range(50)}
            assert all(longest / 2 <= pause <= longest for pause in pauses)
            assert len(pauses) > 40

    @pytest.mark.parametrize(("asked", "least"), [(0.0, 0.0), (7.0, 7.0), (120.0, 120.0), (1e6, 120.0)])
    def test_the_pause_that_a_server_asks_for_is_limited(self, asked, least):
        patience = Patience()
        for tried in (1, 4):
            assert least <= patience.pause(tried, asked) <= least + 0.1 * patience.longest

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, None),
            ({"Retry-After": "17"}, 17.0),
            ({"retry-after": " 0 "}, 0.0),
            ({"Retry-After": "-3"}, None),
            ({"Retry-After": "soon"}, None),
            ({"Retry-After": ""}, None),
            ({"Retry-After": "Wed, 01 Jan 2020 00:00:00 GMT"}, 0.0),
            ({"RateLimit": '"resolvers";r=0;t=55'}, 55.0),
            ({"RateLimit": '"resolvers";r=0;t=55', "Retry-After": "3"}, 3.0),
        ],
    )
    def test_retry_after_is_parsed(self, headers, seconds):
        assert downloading.read_pause(CaseInsensitiveDict(headers)) == seconds

    def test_a_date_is_read_as_the_time_until_then(self):
        date = email.utils.formatdate(time.time() + 60, usegmt=True)
        assert 55.0 < downloading.read_pause({"Retry-After": date}) <= 60.0

    def test_a_mirror_that_asks_for_a_long_pause_is_tried_again_after_the_others(self, monkeypatch):
        monkeypatch.setattr(retrying, "PATIENCE", Patience(first=0.0, longest=0.01, longest_asked=0.1))
        busy, good, asked, rates = *map(parse, ("https://example.org/busy", "https://example.org/good")), [], []

        def attempt(mirror, rate, fails=()):
            rates.append(rate)
            asked.append(mirror)
            if mirror is busy and asked.count(busy) < 3:
                raise retrying.MirrorError("HTTP 429", tries=5, asked=60.0)
            if mirror in fails:
                raise retrying.MirrorError("HTTP 404")
            return mirror

        halt = retrying.Halt()
        assert retrying.ask([busy, good], attempt, halt) is good
        assert asked == [busy, good]
        asked.clear()
        rates.clear()
        assert retrying.ask([busy, good], lambda mirror, rate: attempt(mirror, rate, [good]), halt) is busy
        assert asked == [busy, good, busy, busy]
        least, last = Patience.min_rate, Patience.last_min_rate
        assert least > last
        assert rates == [least, least, last, last], "the last mirror to be asked may be slow"

    def test_the_random_state_of_the_user_is_kept(self, fetch, server):
        server.faults[FILE] = [cut(), cut()]
        random.seed(11)
        expected = random.random()
        random.seed(11)
        fetch(mirrors=server.url)
        assert random.random() == expected


class TestStopping:
    def test_threads_that_read_or_wait_are_woken(self, serve):
        silent = serve()
        silent.always[FILE] = lambda handler, content: (
            handler.answer(200, content[:1000], length=len(content)), silent.released.wait()
        )  # fmt: skip
        silent.always[SHARDS[0]] = status(429, Retry_After="100")
        ended = []

        def work(path):
            entry = next(e for e in Store(silent.folder).manifest.files if e.path == path)
            with connections.open_session() as session:
                try:
                    retrying.ask([parse(silent.url)], lambda m, _: list(read(m, entry, session)), halt)
                except retrying.StoppedError:
                    ended.append(path)

        def read(mirror, entry, session):
            return downloading.read(mirror, entry.path, session, halt, entry.bytes)

        halt = retrying.Halt()
        threads = [threading.Thread(target=work, args=(path,), daemon=True) for path in (FILE, SHARDS[0])]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(silent.seen) == 2)
        time.sleep(0.1)
        halt.set()
        for thread in threads:
            thread.join(10.0)
        assert sorted(ended) == sorted([FILE, SHARDS[0]])

    def test_an_internal_error_stops_all_threads_and_is_raised(self, fetch, server, root, monkeypatch):
        def fail(*_):
            raise ZeroDivisionError

        monkeypatch.setattr(downloading, "download", fail)
        with pytest.raises(ZeroDivisionError):
            fetch(mirrors=server.url)
        assert files_in(root) == [MANIFEST]

    def test_a_thread_that_does_not_end_is_not_waited_for(self, fetch, server, monkeypatch):
        """The system may hold it for ever, as a dead network disk does; neither is it at the program's end."""
        released, begun, ended, daemons = threading.Event(), threading.Event(), [], set()

        def download(entry, *_):
            daemons.add(threading.current_thread().daemon)
            if entry.path == FILE:
                begun.set()
                released.wait(20.0)
                ended.append(entry.path)
            else:
                begun.wait(20.0)
                raise ZeroDivisionError

        monkeypatch.setattr(downloading, "download", download)
        monkeypatch.setattr(transfer, "_LAST_WAIT", 0.05)
        with pytest.raises(ZeroDivisionError):
            fetch(mirrors=server.url)
        assert begun.is_set()
        assert ended == []
        assert daemons == {True}
        released.set()

    def test_a_thread_with_nothing_left_to_do_ends_silently(self, original, root):
        request = Request(release.DATA_VERSION, "haloes", None, root, [parse(original)], release.get_record())
        files_of_nobody = transfer.Transfer(request, Store(original), [], retrying.Halt(), Recorder(0, "", False))
        assert files_of_nobody._work() is None
        assert files_of_nobody._collect() == {}

    def test_a_thread_that_waits_for_a_lock_is_woken_and_does_not_continue_without_it(self, root):
        halt = retrying.Halt()
        with manifest.hold_lock(root, "file", halt):
            threading.Timer(0.1, halt.set).start()
            with pytest.raises(retrying.StoppedError), manifest.hold_lock(root, "file", halt):
                pytest.fail("two hold it")
        with manifest.hold_lock(root, "file", retrying.Halt()):
            pass


class TestLeftovers:
    """Partial files of killed programs, and of programs that are still running."""

    @pytest.fixture
    def begun(self, fetch, server, root):
        """Two partial files of 1000 and 2000 bytes, beside finished ones."""
        fetch(mirrors=server.url, split="test")
        for size, name in zip((1000, 2000), TRAIN, strict=True):
            folder = downloading.get_partial(root / name)
            folder.mkdir()
            (folder / "tmp").write_bytes(b"x" * size)
        return [downloading.get_partial(root / name) for name in TRAIN]

    def test_leftovers_that_no_process_holds_are_removed(self, fetch, server, root, begun):
        with manifest.get_lock(root, FILE.partition("/")[2]):
            fetch(mirrors=server.url, split="test")
            assert [folder.exists() for folder in begun] == [True, False]
        fetch(mirrors=server.url, split="test")
        assert [folder.exists() for folder in begun] == [False, False]

    def test_bytes_already_written_need_no_more_space(self, root, begun):
        local = Store(root)
        sizes = {entry.path: entry.bytes for entry in local.manifest.files}
        missing = [entry for entry in local.manifest.select("haloes") if entry.path != SHARDS[0]]
        assert files._measure_missing(local, missing) == sum(sizes[name] for name in SHARDS[1:]) - 3000
        assert files._measure_missing(local, missing[-1:]) == sizes[SHARDS[3]]
        assert files._measure_missing(local, []) == 0


class Recorder:
    """Stands in for the progress bar."""

    def __init__(self, total, label, is_shown):
        self.total, self.label, self.is_shown, self.came, self.present = total, label, is_shown, 0, 0
        Recorder.last = self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def add(self, size):
        self.came += size

    def add_present(self, size):
        self.present += size


class TestProgress:
    def test_wasted_bytes_do_not_count(self, fetch, server, original, monkeypatch):
        sizes = {name: (original / name).stat().st_size for name in SHARDS}
        fetch(mirrors=server.url, split="test")
        monkeypatch.setattr(files, "Bar", Recorder)
        server.faults[FILE] = [cut(), changed, status(503)]
        fetch(mirrors=server.url, jobs=1)
        bar = Recorder.last
        assert (bar.total, bar.label) == (sum(sizes.values()), "haloes")
        assert bar.present == sizes[SHARDS[0]]
        assert bar.came == bar.total - bar.present

    def test_the_bar_ends_full(self, server, original, capfd):
        fetching.fetch(mirrors=server.url)
        out, err = capfd.readouterr()
        assert out == ""
        assert "haloes: 100%" in err
        fetching.fetch(mirrors=server.url)
        assert "haloes: 100%" in capfd.readouterr().err

    def test_without_a_bar_nothing_is_printed(self, fetch, server, capfd):
        server.faults[FILE] = [changed]
        fetch(mirrors=server.url)
        assert capfd.readouterr() == ("", "")
