"""Folders of released files: their manifest, the stamps, and where the local store is."""

import dataclasses
import json
import os

import pytest

from mwlmc_data.dataset import library, release, store
from mwlmc_data.storage.errors import DamagedFileError
from mwlmc_data.storage.hashing import sha256_of
from tests.helpers.halo_folders import copy_of_mini, with_checksums


@pytest.fixture
def mini(tmp_path):
    return copy_of_mini(tmp_path / "store")


@pytest.fixture
def hashed(monkeypatch):
    """Names of the files that are hashed, in order."""
    names = []
    monkeypatch.setattr(store, "_VERIFIED", {})
    monkeypatch.setattr(store, "sha256_of", lambda path: names.append(path.name) or sha256_of(path))
    return names


def test_a_manifest_survives_writing_and_reading(mini):
    text = mini.manifest.to_json()
    again = store.Manifest.from_json(text, "manifest.json")
    assert again == mini.manifest
    assert again.to_json() == text
    shuffled = dataclasses.replace(again, files=again.files[::-1])
    assert shuffled.to_json() == text


def test_entries_know_their_simulations(mini):
    (test,) = mini.manifest.select("haloes", "test")
    (train,) = mini.manifest.select("haloes", "train")
    assert test.sim_ids.tolist() == list(range(10))
    assert train.sim_ids.tolist() == list(range(20, 32))
    assert sum(entry.rows for entry in mini.manifest.files) == 32


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (("halos",), r"'halos'.*allowed is 'haloes'"),
        (("haloes", "dev"), r"split = 'dev'.*allowed is 'test', 'train', 'validation'"),
    ],
)
def test_unknown_parts_are_refused_with_those_allowed(mini, given, match):
    with pytest.raises(ValueError, match=match):
        mini.manifest.select(*given)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../outside.parquet", "a/../../b.parquet", "", "C:/x.parquet", "a\\b.parquet"]
)
def test_a_manifest_cannot_name_a_file_outside_the_folder(mini, path):
    content = json.loads(mini.manifest.to_json())
    content["files"][0]["path"] = path
    with pytest.raises(DamagedFileError, match="allowed is a path in the folder"):
        store.Manifest.from_json(json.dumps(content), "manifest.json")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"<html>503</html>", b'{"files": [{}], "data_version": "1"}', b"PAR1\xff\xfe"]
)
def test_other_content_is_not_a_manifest(mini, content):
    (mini.root / "manifest.json").write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"manifest\.json"):
        store.Store(mini.root)


def test_a_folder_without_a_manifest_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        store.Store(tmp_path)


def test_a_stamp_saves_a_second_hashing(mini, hashed, monkeypatch):
    mini = with_checksums(mini)
    entry = mini.manifest.files[0]
    hashed.clear()
    assert mini.verify(entry) == mini.path(entry)
    assert hashed == [entry.name]
    monkeypatch.setattr(store, "_VERIFIED", {})  # as in another process
    mini.verify(entry)
    assert hashed == [entry.name]


def test_a_changed_file_is_hashed_again_and_refused(mini, hashed):
    entry = mini.manifest.files[0]
    path = mini.verify(entry)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    with pytest.raises(DamagedFileError, match=f"{entry.name}.*{entry.sha256}"):
        mini.verify(entry)
    assert hashed == [entry.name] * 2


def test_a_file_of_another_size_is_refused_unread(mini, hashed):
    entry = mini.manifest.files[0]
    mini.path(entry).write_bytes(b"PAR1")
    with pytest.raises(DamagedFileError, match=f"{entry.bytes} bytes.*another size"):
        mini.verify(entry)
    assert hashed == []


def test_a_missing_file_is_named(mini):
    entry = mini.manifest.files[0]
    mini.path(entry).unlink()
    with pytest.raises(DamagedFileError, match=f"{entry.name}.*no such file.*then fetch or regenerate it"):
        mini.verify(entry)
    assert entry not in mini.list_present("haloes")
    assert len(mini.list_present("haloes")) == 2


def test_without_a_place_for_stamps_only_the_process_remembers(mini, hashed):
    (mini.root / store.STAMPS).write_text("in the way")
    for _ in range(2):
        mini.verify(mini.manifest.files[0])
    assert len(hashed) == 1


def test_the_folder_of_the_package_gets_no_stamps():
    embedded = store.Store(library.MINI)
    for entry in embedded.manifest.files:
        embedded.verify(entry)
    assert not (library.MINI / store.STAMPS).exists()


def test_the_local_store_has_a_folder_per_version(tmp_path, monkeypatch):
    monkeypatch.setenv(store.DATA_DIR_VARIABLE, str(tmp_path))
    assert store.get_data_dir() == tmp_path / release.DATA_VERSION
    assert store.get_data_dir("9.0.0") == tmp_path / "9.0.0"
    assert store.open_local_store() is None
    copy_of_mini(tmp_path / "9.0.0")
    with pytest.raises(DamagedFileError, match=r"9\.0\.0.*1\.0\.0"):
        store.open_local_store("9.0.0")
    copy_of_mini(tmp_path / release.DATA_VERSION)
    assert store.open_local_store().root == tmp_path / release.DATA_VERSION


def test_without_the_variable_it_is_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv(store.DATA_DIR_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert store.get_data_dir().name == release.DATA_VERSION
    assert store.get_data_dir().parent.name == "mwlmc-data"
