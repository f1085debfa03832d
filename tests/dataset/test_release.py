"""Versions, hashes and damaged files."""

import hashlib
import json
import pickle

import pytest

from mwlmc_data.dataset import release
from mwlmc_data.storage.errors import DamagedFileError
from mwlmc_data.storage.hashing import sha256_of


@pytest.fixture
def folder(tmp_path):
    """A folder with one registered file."""
    (tmp_path / "gaussian.parquet").write_bytes(b"PAR1 any bytes do here PAR1" * 1000)
    release.register(tmp_path / "gaussian.parquet", config="gaussian", rows=7, seed=3, simulator_version="1")
    return tmp_path


def test_a_registered_file_is_found(folder):
    path = release.verify_embedded("gaussian", directory=folder)
    content = path.read_bytes()
    assert release.get_entry("gaussian", directory=folder) == {
        "file": "gaussian.parquet",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "rows": 7,
        "seed": 3,
        "simulator_version": "1",
    }


def test_registering_keeps_other_files_and_versions(folder):
    (folder / "flat.parquet").write_bytes(b"flat")
    release.register(folder / "flat.parquet", config="flat", rows=1, seed=4, simulator_version="1")
    release.register(
        folder / "flat.parquet", config="flat", rows=1, seed=4, simulator_version="1", version="9.0.0"
    )
    registry = release.load_registry(folder)
    assert set(registry) == {release.DATA_VERSION, "9.0.0"}
    assert set(registry[release.DATA_VERSION]["files"]) == {"gaussian", "flat"}
    assert release.verify_embedded("flat", "9.0.0", folder).name == "flat.parquet"
    assert [p.name for p in folder.iterdir() if p.suffix == ".tmp"] == []


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


def replace_by_an_error_page(path):
    path.write_text("<html>503 Service Unavailable</html>")


@pytest.mark.parametrize("damage", [flip_a_bit, truncate, empty, replace_by_an_error_page])
def test_a_damaged_file_is_named_with_both_hashes(folder, damage):
    path = folder / "gaussian.parquet"
    expected = sha256_of(path)
    damage(path)
    with pytest.raises(DamagedFileError) as caught:
        release.verify_embedded("gaussian", directory=folder)
    for part in (str(path), expected, sha256_of(path)):
        assert part in str(caught.value)
    assert isinstance(caught.value, OSError)


def test_a_missing_file_is_named(folder):
    (folder / "gaussian.parquet").unlink()
    with pytest.raises(DamagedFileError, match=r"gaussian\.parquet.*no such file"):
        release.verify_embedded("gaussian", directory=folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": {}}'])
def test_a_damaged_registry_is_named(folder, text):
    (folder / "registry.json").write_text(text)
    with pytest.raises(DamagedFileError, match=r"registry\.json"):
        release.verify_embedded("gaussian", directory=folder)


def test_unknown_names_are_refused_with_those_allowed(folder):
    with pytest.raises(ValueError, match=r"'gausian'.*allowed is 'gaussian'"):
        release.verify_embedded("gausian", directory=folder)
    with pytest.raises(ValueError, match=rf"'3\.2\.1'.*allowed is '{release.DATA_VERSION}'"):
        release.verify_embedded("gaussian", "3.2.1", folder)


def test_a_folder_without_a_registry_has_no_version(tmp_path):
    with pytest.raises(ValueError, match="none yet"):
        release.verify_embedded("gaussian", directory=tmp_path)


def test_every_embedded_file_is_the_registered_one():
    for version, record in release.load_registry().items():
        for config, entry in record["files"].items():
            path = release.verify_embedded(config, version)
            assert path.stat().st_size == entry["bytes"]
            assert entry["seed"] == release.CATALOGUE_SEEDS[config]


def test_the_registry_is_sorted_text(folder):
    text = (folder / "registry.json").read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


def test_the_advice_about_a_damaged_file_depends_on_its_owner(tmp_path):
    embedded = DamagedFileError(release.DATA_DIR / "flat.parquet", "this", "that")
    assert str(embedded).endswith("Reinstall the package to restore it.")
    assert str(DamagedFileError(tmp_path / "a", "this", "that")).endswith("then fetch or regenerate it.")


def test_the_error_of_a_damaged_file_crosses_processes(tmp_path):
    error = DamagedFileError(tmp_path / "a.parquet", "one hash", "another")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is DamagedFileError and str(again) == str(error)
