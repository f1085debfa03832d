"""The files of stars: what is in them, and that a killed run continues to the same bytes."""

import os
import signal
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

import mwlmc_data as mw
from generation.__main__ import main
from generation.haloes import make_haloes
from generation.plan import RunMismatchError
from mwlmc_data.dataset import library, release, schema, store
from mwlmc_data.dataset.verification import verify
from tests.helpers.halo_folders import copy_of_mini
from tests.helpers.halo_plan import SIMS, plan_for
from tests.helpers.stand_in_simulator import wait_for


def contents(made):
    return {path.name: path.read_bytes() for path in sorted(made.root.rglob("*.parquet"))} | {
        store.MANIFEST: (made.root / store.MANIFEST).read_bytes()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_haloes(plan_for(tmp_path_factory.mktemp("haloes") / "run"), progress=False)


def test_the_folder_is_a_store_that_verifies(made):
    found = verify(made.root, sample=4)
    assert found.problems == []
    assert (found.rows, found.files, found.simulated) == (len(SIMS), 7, 4)
    assert [entry.path for entry in made.manifest.files] == [
        "haloes/haloes-test-00000-of-00002.parquet",
        "haloes/haloes-test-00001-of-00002.parquet",
        "haloes/haloes-train-00000-of-00002.parquet",
        "haloes/haloes-train-00001-of-00002.parquet",
        "haloes/haloes-validation-00000-of-00003.parquet",
        "haloes/haloes-validation-00001-of-00003.parquet",
        "haloes/haloes-validation-00002-of-00003.parquet",
    ]


def test_a_file_holds_the_simulations_and_describes_itself(made):
    (entry,) = [e for e in made.manifest.files if e.name == "haloes-train-00000-of-00002.parquet"]
    with pq.ParquetFile(made.path(entry)) as file:
        table = file.read()
        metadata, group = file.schema_arrow.metadata, file.metadata.row_group(0)
    assert table.schema.equals(schema.halo_schema(), check_metadata=False)
    assert table["sim_id"].to_pylist() == [20, 21, 22, 23]
    assert metadata[b"licence"] == schema.LICENCE.encode()
    assert metadata[b"seed"] == str(release.CATALOGUE_SEEDS["gaussian"]).encode()
    assert table.schema.field("positions").metadata[b"unit"] == b"kpc"
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    for name in ("positions.list.element.list.element", "velocities.list.element.list.element", "m_lmc"):
        assert "BYTE_STREAM_SPLIT" in columns[name].encodings
        assert columns[name].compression == "ZSTD"
        assert columns[name].has_offset_index
    catalogue = mw.load_catalogue(columns=["sim_id", *schema.DRAWN], format="arrow").slice(20, 4)
    assert table.select(catalogue.column_names).equals(catalogue)
    halo = mw.load_halo(21, source="simulation")
    assert np.array_equal(np.array(table["velocities"][1].as_py(), np.float32), halo.velocities)


def test_it_is_read_as_a_local_store(made, tmp_path, monkeypatch):
    monkeypatch.setenv(store.DATA_DIR_VARIABLE, str(tmp_path))
    (tmp_path / release.DATA_VERSION).symlink_to(made.root)
    monkeypatch.setattr(library, "simulate_rows", lambda rows, seed: pytest.fail("simulated"))
    monkeypatch.setattr(library, "MINI", tmp_path / "nothing")
    batches = mw.load_haloes(SIMS, source="store", batch_size=5)
    assert [i for batch in batches for i in batch["sim_id"]] == list(SIMS)


def test_processes_and_repetition_change_no_byte(made, tmp_path):
    again = make_haloes(plan_for(tmp_path / "run"), workers=2, progress=False)
    assert contents(again) == contents(made)
    before = {path: path.stat().st_mtime_ns for path in again.root.rglob("*.parquet")}
    make_haloes(plan_for(tmp_path / "run"), progress=False)
    assert {path: path.stat().st_mtime_ns for path in again.root.rglob("*.parquet")} == before


DRIVER = """
import pathlib, sys
from generation.haloes import make_haloes
from tests.helpers.halo_plan import plan_for

if __name__ == "__main__":
    make_haloes(plan_for(pathlib.Path(sys.argv[1])), progress=False)
"""


def test_a_killed_run_continues_to_the_same_bytes(made, tmp_path, repository):
    plan = plan_for(tmp_path / "killed")
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(plan.out)], cwd=repository, env=os.environ | {"PYTHONPATH": str(repository)}
    )

    def two_are_there():
        assert process.poll() is None
        return sum(plan.hash_path(shard).is_file() for shard in range(plan.n_shards)) >= 2

    wait_for(two_are_there, "two shards")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (plan.out / store.MANIFEST).exists()
    # shards that the killed run finished are not repeated
    finished = {i: plan.shard_path(i).stat().st_mtime_ns for i in range(2)}
    # and a shard damaged since then is
    plan.shard_path(0).write_bytes(b"PAR1")
    again = make_haloes(plan, progress=False)
    assert contents(again) == contents(made)
    assert plan.shard_path(1).stat().st_mtime_ns == finished[1]
    assert plan.shard_path(0).stat().st_mtime_ns != finished[0]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"sims": range(5, 5)}, "sims = 5:5"),
        ({"sims": range(0, 128_001)}, r"sims = 0:128001: .* 128000"),
        ({"sims": range(-1, 4)}, "sims = -1:4"),
        ({"shard_size": 0}, "shard_size = 0"),
        ({"config": "narrow"}, "'narrow'"),
        ({"simulator_version": "0.1"}, r"simulator_version = '0\.1'"),
    ],
)
def test_impossible_plans_are_refused(tmp_path, changes, match):
    with pytest.raises(ValueError, match=match):
        plan_for(tmp_path, **changes)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_another_run_is_refused(made):
    with pytest.raises(RunMismatchError, match=r"sims is '4:26' there and '4:27' now"):
        make_haloes(plan_for(made.root, sims=range(4, 27)), progress=False)


def test_a_folder_may_hold_several_sets(tmp_path, monkeypatch):
    make_haloes(plan_for(tmp_path / release.DATA_VERSION, sims=range(40, 42)), progress=False)
    made = make_haloes(plan_for(tmp_path / release.DATA_VERSION, config="flat", sims=range(30, 32)), progress=False)
    assert {entry.config for entry in made.manifest.files} == {"haloes", "haloes-flat"}
    assert dict(made.manifest.seeds) == {name: release.CATALOGUE_SEEDS[name] for name in ("gaussian", "flat")}
    assert verify(made.root, sample=4).problems == []
    monkeypatch.setenv(store.DATA_DIR_VARIABLE, str(tmp_path))
    for config, sim_id in (("gaussian", 41), ("flat", 30)):
        assert mw.load_halo(sim_id, source="store", config=config).source == "store"


@pytest.mark.parametrize("config", ["gaussian", "flat"])
def test_files_of_no_run_are_left_alone(tmp_path, config):
    fetched = copy_of_mini(tmp_path / "fetched")
    before = contents(fetched)
    with pytest.raises(RunMismatchError, match=r"holds haloes of data version .* that no run made there"):
        make_haloes(plan_for(fetched.root, config=config, sims=range(2)), progress=False)
    assert contents(fetched) == before and not (fetched.root / ".run").exists()


def test_the_full_set_has_33_shards(tmp_path):
    plan = plan_for(tmp_path, sims=range(128_000), shard_size=4000)
    assert plan.n_shards == 33
    ids = np.concatenate([plan.rows(shard) for shard in range(33)])
    assert np.array_equal(np.sort(ids), np.arange(128_000))
    assert {plan.shards[shard][1] for shard in range(33)} == set(schema.SPLITS)
    assert plan.shard_path(26).name == "haloes-train-00026-of-00027.parquet"


def test_the_program(tmp_path, capsys):
    words = ["haloes", "--config", "flat", "--sims", "30:32", "--out", str(tmp_path), "--workers", "1"]
    assert main(words) == 0
    assert "2 haloes in 1 files" in capsys.readouterr().out
    assert verify(tmp_path, sample=2).problems == []
    assert (tmp_path / "haloes-flat" / "haloes-flat-train-00000-of-00001.parquet").is_file()
    assert main([*words[:4], "0:5000", *words[5:]]) == 2
    assert "0:5000" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*words[:4], "5", *words[5:]])
    assert "'5': allowed is A:B" in capsys.readouterr().err


def test_one_command_makes_the_published_folder(tmp_path, capsys):
    words = ["release", "--out", str(tmp_path / "release"), "--sims", "8:21", "--workers", "1", "--date", "2026-01-31"]
    assert main(words) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'release'}\n"
    assert verify(tmp_path / "release.haloes", sample=0).rows == 13
    found = verify(tmp_path / "release", sample=3)
    assert found.problems == []
    assert found.simulated == 3
    assert main([*words, "--haloes", str(tmp_path / "release.haloes")]) == 2
    assert "allowed only without --haloes" in capsys.readouterr().err
