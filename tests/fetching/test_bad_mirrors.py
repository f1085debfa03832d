"""Mirrors of the worst kind: slow, odd statuses, wrong manifests. Others are asked, and nothing bad is kept."""

import dataclasses
import json
import os
import sys

import pytest

from mwlmc_data import cli
from mwlmc_data.dataset import release, store
from mwlmc_data.dataset.store import Store
from mwlmc_data.fetching import FetchError, connections, fetch_files, manifest, retrying
from mwlmc_data.fetching.retrying import Patience
from mwlmc_data.storage.hashing import sha256_of
from tests.helpers.bad_manifests import BAD
from tests.helpers.halo_folders import rot
from tests.helpers.read_only_disk import read_only
from tests.helpers.release_server import (
    SHARDS,
    TRAIN,
    cut,
    dripping,
    files_in,
    interim,
    is_complete,
    raw,
    small_release,
    status,
)

MANIFEST = store.MANIFEST
FILE = TRAIN[0]
#: Version of the simulator that the registry gives.
MADE_WITH = release.get_entry("gaussian")["simulator_version"]


class TestSlowMirrors:
    @pytest.fixture(autouse=True)
    def little_patience(self, monkeypatch):
        patience = Patience(few_tries=1, first=0.005, longest=0.02, connect=0.4, read=0.4, window=0.3)
        monkeypatch.setattr(retrying, "PATIENCE", patience)

    @pytest.mark.parametrize("part", ["body", "chunks", "head"])
    @pytest.mark.parametrize("name", [MANIFEST, FILE])
    def test_another_mirror_is_asked_meanwhile(self, fetch, serve, original, root, part, name):
        bad, good = serve(), serve()
        bad.always[name] = dripping(bad, part)
        fetch(mirrors=[bad.url, good.url])
        assert is_complete(root, original)
        assert [seen.path for seen in good.seen] == [name]

    @pytest.mark.parametrize(
        ("part", "reported"),
        [
            ("body", r"sends \d\d bytes a second, less than 1000"),
            ("chunks", r"sends \d\d bytes a second, less than 1000"),
            ("head", r"does not respond within 0\.8 s"),
        ],
    )
    def test_without_another_mirror_it_stops_with_an_error(self, fetch, serve, original, root, part, reported):
        bad = serve()
        bad.always[FILE] = dripping(bad, part)
        with pytest.raises(FetchError, match=f"1 of 4 files.*{reported}"):
            fetch(mirrors=bad.url)
        assert is_complete(root, original, [name for name in SHARDS if name != FILE])

    def test_the_only_mirror_is_used_even_if_it_is_slow(self, fetch, serve, original, root, monkeypatch):
        """It is deferred in favour of the other, which has nothing, and then gets the time it needs."""
        name = "validation/validation-test.parquet"
        slow, empty = serve(), serve()
        slow.always[name] = dripping(slow, size=100, pause=0.02)
        empty.always[name] = status(404)
        patience = dataclasses.replace(retrying.PATIENCE, window=0.05, min_rate=20_000.0, last_min_rate=500.0)
        monkeypatch.setattr(retrying, "PATIENCE", patience)
        fetch("validation", mirrors=[slow.url, empty.url])
        assert (root / name).read_bytes() == (original / name).read_bytes()
        assert (slow.count(name), empty.count(name)) == (2, 1)

    def test_time_spent_on_a_slow_disk_does_not_count_against_the_mirror(self, server, monkeypatch):
        clock, answer = [0.0], connections.requests.Response()

        class Body:
            def __init__(self, size):
                self.parts = [b"x" * size] * 4 + [b""]

            def read1(self, size, decode_content):
                clock[0] += 0.1
                return self.parts.pop(0)

        answer.raw = Body(10)
        monkeypatch.setattr(connections.time, "monotonic", lambda: clock[0])
        for _ in connections.read_parts(answer, min_rate=50.0):
            clock[0] += 1000.0
        answer.raw = Body(4)
        with pytest.raises(retrying.SlowError, match="sends 40 bytes a second, less than 50"):
            list(connections.read_parts(answer, min_rate=50.0))


INTERIM = {
    "103": interim(b"103 Early Hints\r\nLink: </style.css>; rel=preload"),
    "103 without more": interim(b"103 Early Hints"),
    "102 and 103": interim(b"102 Processing", b"103 Early Hints\r\nX: y", b"103 Early Hints"),
    "100 and 103": interim(b"100 Continue", b"103 Early Hints"),
    "103 and 100": interim(b"103 Early Hints", b"100 Continue"),
    "unknown": interim(b"199 Whatever"),
}

UNEXPECTED = {
    "101": status(101, b""),
    "201": status(201),
    "202": status(202),
    "203": status(203),
    "204": status(204, b""),
    "205": status(205, b""),
    "226": status(226),
    "300": status(300),
    "304": status(304, b""),
    "305": status(305),
    "399": status(399),
    "418": status(418),
    "451": status(451),
    "600": status(600),
    "999": status(999),
    "1000": raw(b"HTTP/1.1 1000 Much\r\nContent-Length: 0\r\n\r\n"),
    "no number": raw(b"HTTP/1.1 OK\r\n\r\n"),
    "negative": raw(b"HTTP/1.1 -200 OK\r\nContent-Length: 0\r\n\r\n"),
    "another protocol": raw(b"220 ftp.example.org ready\r\n"),
    "no head": raw(b"\0" * 100),
    "a head without end": raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000),
    "very many heads": raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n"),
    "a length that is no number": raw(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n<x>"),
    "a chunk that is no number": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nPAR1\r\n0\r\n\r\n"),
    "another encoding": raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nPAR1"),
    "only interim answers": interim(b"103 Early Hints", forever=True),
    "a place that is none": raw(b"HTTP/1.1 302 Found\r\nLocation: http://\xff:port/\r\nContent-Length: 0\r\n\r\n"),
    "a wait of a thousand digits": status(503, Retry_After="9" * 1000),
    "a date before all dates": status(429, Retry_After="Mon, 01 Jan 0001 00:00:00 -0000"),
}


class TestStatuses:
    @pytest.mark.parametrize("name", INTERIM)
    def test_interim_answers_are_read_past(self, fetch, server, original, root, name):
        server.always[MANIFEST] = server.always[FILE] = INTERIM[name]
        fetch(mirrors=server.url)
        assert is_complete(root, original)
        assert server.count(MANIFEST) == server.count(FILE) == 1

    @pytest.mark.parametrize("kind", UNEXPECTED)
    @pytest.mark.parametrize("name", [MANIFEST, FILE])
    def test_any_answer_leads_to_the_next_mirror(self, fetch, serve, original, root, name, kind, monkeypatch):
        monkeypatch.setattr(retrying, "PATIENCE", Patience(first=0.0, longest=0.0, longest_asked=0.0, read=5.0))
        bad, good = serve(), serve()
        bad.always[name] = UNEXPECTED[kind]
        fetch(mirrors=[bad.url, good.url])
        assert is_complete(root, original)
        assert [seen.path for seen in good.seen] == [name]

    def test_both_schemes_and_proxies_have_these_connections(self):
        session = connections.open_session()
        for url in ("http://example.org", "https://example.org"):
            adapter = session.get_adapter(url)
            for manager in (adapter.poolmanager, adapter.proxy_manager_for("http://proxy.example.org:3128")):
                pool = manager.connection_from_url(url)
                assert issubclass(pool.ConnectionCls.response_class, connections._Response)


def answer_with(text):
    return lambda handler, _: handler.answer(200, text.encode(errors="surrogatepass"))


#: Changes of a manifest that the registry gives away, and what is said of them.
WRONG = {
    "another seed": (lambda m: m["seeds"].update(gaussian=1), "the seed of gaussian is 1, not 20250710"),
    "another simulator": (lambda m: m.update(simulator_version="0.9.0"), f"the simulator is 0.9.0, not {MADE_WITH}"),
    "more haloes than the set has": (
        lambda m: m["files"][3].update(first_sim_id=128_000, last_sim_id=128_009, rows=10),
        "the gaussian set has 128000 simulations, and no more",
    ),
    "more rows than the set has": (
        lambda m: m["files"][0].update(rows=128_001),
        "the gaussian set has 128000 simulations, and no more",
    ),
}

#: Changes that only show when files are fetched.
MISLEADING = {
    "other hashes": lambda m: [e.update(sha256=e["sha256"][::-1]) for e in m["files"]],
    "other sizes": lambda m: [e.update(bytes=e["bytes"] + 1) for e in m["files"]],
    "sizes of no disk": lambda m: [e.update(bytes=e["rows"] << 20) for e in m["files"]],
    "no haloes": lambda m: m.update(files=[e for e in m["files"] if e["config"] != "haloes"]),
}


class TestManifests:
    @pytest.mark.parametrize("name", BAD)
    def test_a_bad_manifest_fails_only_its_mirror(self, fetch, serve, original, root, name):
        bad, good = serve(), serve()
        bad.always[MANIFEST] = answer_with(BAD[name])
        with pytest.raises(FetchError, match=rf"no mirror provides a {MANIFEST} \({bad.url}: has no valid|HTML page"):
            fetch(mirrors=bad.url, split="test")
        assert files_in(root) == []
        assert not [name for name in os.listdir(root) if name != manifest.LOCKS]
        fetch(mirrors=[bad.url, good.url], split="test")
        assert is_complete(root, original, SHARDS[:1])

    def test_a_manifest_that_is_too_long_is_not_read_to_its_end(self, fetch, serve, original, root):
        bad, good = serve(), serve()
        bad.always[MANIFEST] = answer_with(" " * (1 << 23) + (original / MANIFEST).read_text())
        fetch(mirrors=[bad.url, good.url])
        assert is_complete(root, original)

    @pytest.fixture
    def rewritten(self, published):
        """Function that changes the manifest of a mirror."""

        def rewrite(change):
            content = json.loads((published / MANIFEST).read_text())
            change(content)
            (published / MANIFEST).write_text(json.dumps(content))
            return published

        return rewrite

    @pytest.mark.parametrize("kind", WRONG)
    def test_a_manifest_that_disagrees_with_the_registry_is_refused(self, fetch, rewritten, original, root, kind):
        change, reported = WRONG[kind]
        bad = rewritten(change)
        with pytest.raises(FetchError, match=reported):
            fetch(mirrors=bad)
        assert files_in(root) == []
        fetch(mirrors=[bad, original])
        assert is_complete(root, original)

    @pytest.mark.parametrize("kind", MISLEADING)
    def test_a_manifest_that_leads_to_no_file_gives_way(self, fetch, rewritten, original, root, kind, monkeypatch):
        bad = rewritten(MISLEADING[kind])
        if kind == "sizes of no disk":
            monkeypatch.setattr("mwlmc_data.fetching.files.get_free_space", lambda folder: 10**8)
        fetch(mirrors=[bad, original])
        assert is_complete(root, original)

    @pytest.mark.parametrize("kind", MISLEADING)
    def test_a_manifest_that_leads_to_no_file_is_not_kept(self, fetch, rewritten, original, root, kind, monkeypatch):
        bad = rewritten(MISLEADING[kind])
        if kind == "sizes of no disk":
            monkeypatch.setattr("mwlmc_data.fetching.files.get_free_space", lambda folder: 10**8)
        with pytest.raises((FetchError, ValueError)):
            fetch(mirrors=bad)
        fetch(mirrors=[original, bad])
        assert is_complete(root, original)

    def test_a_manifest_whose_files_are_present_is_kept(self, fetch, serve, root, original):
        """One mirror has only one of the files, and the other a manifest of other files: nothing is mixed."""
        half = serve()
        for name in SHARDS[1:]:
            half.always[name] = status(404)
        with pytest.raises(FetchError, match="3 of 4 files"):
            fetch(mirrors=half.url)
        before = (root / MANIFEST).read_bytes()
        with pytest.raises(FetchError, match="3 of 4 files"):
            fetch(mirrors=half.url)
        assert (root / MANIFEST).read_bytes() == before
        assert half.count(MANIFEST) == 1

    def test_a_manifest_whose_mirror_is_briefly_unreachable_is_kept(self, fetch, serve, root):
        """The manifest is good; only the network failed."""
        first, other = serve(), serve()
        assert fetch(mirrors=first.url, sim_ids=[]) == []
        first.close()
        other.close()
        with pytest.raises(FetchError, match=r"4 of 4 files .* this machine is offline"):
            fetch(mirrors=[first.url, other.url])
        assert files_in(root) == [MANIFEST]

    @pytest.mark.parametrize("rows", [0, 1, 10])
    def test_a_manifest_may_not_list_simulations_beyond_the_set(self, original, rows):
        """The catalogue has no more rows and the haloes no later sim_id; a part of the set is allowed."""
        entries = {entry.config: entry for entry in Store(original).manifest.files}
        record = {"files": {"gaussian": {"seed": 20250710, "simulator_version": "1.0.0", "rows": rows}}}

        def problem(**changes):
            files = [
                dataclasses.replace(entries[config], **facts)
                for config, facts in changes.items()
                if facts.get("rows") != 0
            ]
            return manifest._find_disagreement(store.Manifest(release.DATA_VERSION, "1.0.0", {}, tuple(files)), record)

        def haloes(last):
            return {"first_sim_id": 0, "last_sim_id": last, "rows": last + 1}

        reported = f"the gaussian set has {rows} simulations, and no more"
        assert problem() is None
        assert problem(gaussian={"rows": rows}, haloes=haloes(rows - 1)) is None
        assert problem(gaussian={"rows": rows + 1}) == reported
        assert problem(haloes=haloes(rows)) == reported

    def test_the_registered_manifest_is_kept(self, fetch, serve, root, original, registered):
        registered(manifest=sha256_of(original / MANIFEST))
        bad = serve()
        for name in SHARDS:
            bad.always[name] = status(404)
        with pytest.raises(FetchError, match="4 of 4 files"):
            fetch(mirrors=bad.url)
        assert files_in(root) == [MANIFEST]

    def test_a_manifest_that_was_not_fetched_is_kept(self, fetch, root, original):
        small_release(root)
        for path in root.rglob("*.parquet"):
            path.unlink()
        made_here = (root / MANIFEST).read_bytes()
        assert manifest.forget_manifest(request_for(root, original), retrying.Halt()) is None
        assert (root / MANIFEST).read_bytes() == made_here

    def test_a_name_that_no_mirror_knows_is_bad_input(self, fetch, server, original):
        with pytest.raises(ValueError, match=r"'halos'.*allowed is "):
            fetch("halos", mirrors=[server.url, original])

    @pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 100_000, b"[]", b'{"sha256": 3}'], ids=len)
    def test_a_bad_mark_is_ignored(self, fetch, server, original, root, content):
        fetch(mirrors=server.url)
        (root / store.STAMPS / manifest.MARK).write_bytes(content)
        fetch(mirrors=server.url)
        assert is_complete(root, original)
        assert server.count(MANIFEST) == 2


def request_for(root, *mirrors):
    from mwlmc_data.fetching.errors import Request
    from mwlmc_data.fetching.mirrors import list_mirrors

    return Request(release.DATA_VERSION, "haloes", None, root, list_mirrors(mirrors), release.get_record())


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes with names")
def test_a_pipe_in_a_folder_is_not_a_file(fetch, published, original, root):
    (published / FILE).unlink()
    os.mkfifo(published / FILE)
    fetch(mirrors=[published, original])
    assert is_complete(root, original)


class TestOutput:
    """What the command says of present files: verified now, or before."""

    def test_a_file_is_hashed_once_and_the_output_says_so(self, server, root, capsys, forgotten):
        words = ["fetch", "--quiet", "--mirror", server.url]
        assert cli.main(words) == 0
        assert capsys.readouterr().out.splitlines()[-1].endswith(", 4 verified now")
        (root / FILE).unlink()
        forgotten()
        assert cli.main(words) == 0
        *_, summary, more = capsys.readouterr().out.splitlines()
        assert summary.endswith(", 1 verified now")
        assert more.startswith("3 were verified before and are unchanged since")
        assert cli.main([*words, "--json"]) == 0
        assert [file["verified"] for file in json.loads(capsys.readouterr().out)["files"]] == ["before"] * 4

    def test_a_rotted_footer_is_noticed_and_the_file_fetched_again(self, server, original, root, forgotten):
        paths = [file.path for file in fetch_files(mirrors=server.url, progress=False)]
        rot(paths[0], paths[0].stat().st_size - 20)
        forgotten()
        again = fetch_files(mirrors=server.url, progress=False)
        assert [file.is_hashed for file in again] == [True, False, False, False]
        assert is_complete(root, original)
        assert server.count(SHARDS[0]) == 2

    def test_intact_files_are_found_on_a_read_only_disk(self, fetch, server, original, root, forgotten):
        paths = fetch(mirrors=server.url)
        forgotten()
        with read_only(root):
            assert fetch(mirrors=server.url) == paths
            assert [len(Store(root).list_present()), server.count(MANIFEST)] == [4, 1]
            (path,) = fetch(mirrors=server.url, split="test")
        path.unlink()
        with read_only(root), pytest.raises(FetchError, match=f"cannot write to '{root}': Read-only file system"):
            fetch(mirrors=server.url)


def test_a_connection_that_is_cut_within_a_chunk_is_seen(fetch, serve, original, root):
    bad, good = serve(), serve()
    content = (original / FILE).read_bytes()
    bad.always[FILE] = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n" + content[:1000])
    bad.always[SHARDS[0]] = cut(3)
    fetch(mirrors=[bad.url, good.url])
    assert is_complete(root, original)
