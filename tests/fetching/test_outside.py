"""Files of others: from their homes, against a hash, and nothing else."""

import hashlib

import pytest

from mwlmc_data.dataset.manifest import ListedFile
from mwlmc_data.fetching import FetchError
from mwlmc_data.fetching.outside import fetch_outside
from tests.helpers.release_server import ReleaseServer, changed, page


@pytest.fixture
def served(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    server = ReleaseServer(folder)
    yield folder, server
    server.close()


def listed(path, content):
    return ListedFile(path, "stars", "all", 1, len(content), hashlib.sha256(content).hexdigest())


def test_a_file_is_fetched_once_and_verified_each_time(served, tmp_path, capfd):
    folder, server = served
    (folder / "a-b.txt").write_bytes(b"1 2 3\n")
    file, here = listed("a-b.txt", b"1 2 3\n"), tmp_path / "here"
    path = fetch_outside(server.url, file, directory=here)
    assert path.read_bytes() == b"1 2 3\n" and path.parent == here
    requests = len(server.seen)
    assert fetch_outside(server.url, file, directory=here) == path and len(server.seen) == requests
    path.write_bytes(b"1 2 4\n")
    assert fetch_outside(server.url, file, directory=here).read_bytes() == b"1 2 3\n"
    assert capfd.readouterr() == ("", "")


def test_another_file_is_refused_and_leaves_nothing(served, tmp_path):
    folder, server = served
    (folder / "map.npy").write_bytes(b"x" * 100)
    file, here = listed("map.npy", b"x" * 100), tmp_path / "here"
    for fault in (changed, page()):
        server.always["map.npy"] = fault
        with pytest.raises(FetchError, match=r"map\.npy cannot be fetched: "):
            fetch_outside(server.url, file, directory=here)
        assert not list(here.glob("*map*"))


def test_a_folder_of_the_user_stands_in_for_the_home(tmp_path):
    (tmp_path / "table.txt").write_bytes(b"7\n")
    file = listed("data/table.txt", b"7\n")
    path = fetch_outside("https://example.invalid/x", file, mirrors=tmp_path, directory=tmp_path / "here")
    assert path.read_bytes() == b"7\n"


def test_the_default_folder_is_beside_the_store(tmp_path, monkeypatch):
    monkeypatch.setenv("MWLMC_DATA_DIR", str(tmp_path / "store"))
    (tmp_path / "t.txt").write_bytes(b"7\n")
    path = fetch_outside("https://example.invalid/x", listed("t.txt", b"7\n"), mirrors=tmp_path)
    assert path == tmp_path / "store" / "outside" / "t.txt"
