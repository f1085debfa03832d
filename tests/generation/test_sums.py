"""The hashes of the complete set's stars that the repository keeps."""

import dataclasses
import re
import shutil
import subprocess

import pytest

from generation.__main__ import main
from generation.haloes import SHARD, HaloPlan
from generation.sums import SUMS, compare_sums, read_sums, write_sums
from mwlmc_data.simulator import SIMULATOR_VERSION
from tests.helpers.halo_folders import copy_of_mini


def test_every_file_of_the_complete_set_has_its_hash(tmp_path):
    plan = HaloPlan(tmp_path, "gaussian", range(128_000), SHARD, SIMULATOR_VERSION)
    kept = read_sums()
    assert list(kept) == sorted(path for path, *_ in plan.shards)
    assert len(set(kept.values())) == plan.n_shards
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in kept.values())
    assert f"simulator {SIMULATOR_VERSION}," in SUMS.read_text().splitlines()[0]


@pytest.fixture
def mini(tmp_path):
    made = copy_of_mini(tmp_path / "mini")
    return made, made.manifest.files


def test_sha256sum_reads_what_is_written(mini, tmp_path):
    made, files = mini
    write_sums(files, tmp_path / "sums")
    assert read_sums(tmp_path / "sums") == {entry.path: entry.sha256 for entry in files}
    program = shutil.which("sha256sum")
    if program is None:
        pytest.skip("no sha256sum on this machine")
    command = [program, "--check", "--strict", str(tmp_path / "sums")]
    assert subprocess.run(command, cwd=made.root, capture_output=True).returncode == 0


def test_other_files_are_counted(mini, tmp_path):
    _, files = mini
    sums = tmp_path / "sums"
    write_sums(files, sums)
    n = len(files)
    assert compare_sums(files, sums) == f"{n} of {n} files have the hashes of generation/sums"
    changed = [dataclasses.replace(files[0], sha256="0" * 64), *files[1:]]
    assert compare_sums(changed, sums).startswith(f"{n - 1} of {n} files have the hashes")
    assert compare_sums([dataclasses.replace(entry, path=f"other/{entry.name}") for entry in files], sums) == ""


@pytest.mark.parametrize("words", [["--sims", "0:4"], ["--config", "flat"], ["--shard-size", "5"]])
def test_only_the_complete_set_is_kept(tmp_path, capsys, words):
    before = SUMS.read_bytes()
    assert main(["haloes", "--out", str(tmp_path / "run"), "--keep-sums", *words]) == 2
    assert "allowed is the complete Gaussian set" in capsys.readouterr().err
    assert SUMS.read_bytes() == before and not (tmp_path / "run").exists()
