"""Runs on bad disks and in folders of other runs: nothing of another run is used, and every fault can be repaired."""

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from generation import haloes as halo_runs
from generation import shards
from generation.catalogue import make_shard
from generation.cluster import ClusterLostError
from generation.haloes import HaloPlan, make_haloes
from generation.plan import DamagedRunError, RunMismatchError, pin_run
from generation.pool import Progress
from generation.shards import is_finished, read_shard
from mwlmc_data.dataset import release, store
from mwlmc_data.simulator import SIMULATOR_VERSION
from mwlmc_data.storage.errors import WriteError
from mwlmc_data.storage.hashing import sha256_of
from tests.helpers.read_only_disk import read_only
from tests.helpers.stand_in_simulator import make, plan_for


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def put(shard, content, with_hash=True):
    """Put a shard into a run, with its hash, so that the run takes it for finished."""
    shard.write_bytes(content)
    if with_hash:
        shard.with_name(shard.name + ".sha256").write_text(sha256_of(shard) + "\n")


def rewrite(shard, change):
    pq.write_table(change(pq.read_table(shard)), shard)
    put(shard, shard.read_bytes())


@pytest.fixture
def run(tmp_path, stand_in):
    """A finished run."""
    plan = plan_for(tmp_path / "run")
    make(plan, stand_in)
    stand_in.made()
    return plan


class TestAnotherRun:
    @pytest.mark.parametrize(
        ("changes", "reported"),
        [
            ({"seed": 5}, r"seed is '20250710' there and '5' now"),
            ({"simulator_version": "2"}, r"simulator_version is 'stand-in-1' there and '2' now"),
            ({"shard_size": 8}, r"a run with other shards.*16 simulations from sim_id 0 to 15, not the 8 from 0 to 7"),
            ({"simulations": 12}, r"a run with other shards"),
        ],
    )
    @pytest.mark.parametrize("left", ["shards and the file", "shards"])
    def test_a_run_without_its_settings_is_not_continued_with_others(self, run, stand_in, changes, reported, left):
        run.pins_path.unlink()
        if left == "shards":
            run.catalogue_path.unlink()
        before = contents(run.out)
        with pytest.raises(RunMismatchError, match=reported):
            make(plan_for(run.out, **changes), stand_in)
        assert contents(run.out) == before
        assert stand_in.made() == []

    def test_of_two_runs_that_start_together_one_gets_the_folder(self, tmp_path):
        plan = plan_for(tmp_path)
        pin_run(plan)
        pin_run(plan)
        with pytest.raises(RunMismatchError, match="seed is '20250710' there and '5' now"):
            pin_run(plan_for(tmp_path, seed=5))
        assert json.loads(plan.pins_path.read_text()) == plan.pins

    def test_a_final_file_alone_is_not_overwritten(self, run, stand_in):
        run.pins_path.unlink()
        shutil.rmtree(run.out / "shards")
        before = contents(run.out)
        told = rf"{run.catalogue_path} belongs to a run .*seed is '20250710' there"
        with pytest.raises(RunMismatchError, match=told):
            make(plan_for(run.out, seed=5), stand_in)
        assert contents(run.out) == before

    def test_a_run_continues_with_its_own_settings(self, run, stand_in, whole):
        run.pins_path.unlink()
        (run.out / "shards" / "00002.parquet").unlink()
        assert make(run, stand_in).read_bytes() == whole
        assert stand_in.made() == list(range(32, 48))
        assert json.loads(run.pins_path.read_text())["seed"] == "20250710"

    def test_a_finished_run_gets_its_settings_file_back(self, run, stand_in, whole):
        settings = run.pins_path.read_bytes()
        run.pins_path.unlink()
        assert make(run, stand_in).read_bytes() == whole
        assert run.pins_path.read_bytes() == settings
        assert stand_in.made() == []

    def test_removed_shards_are_made_again(self, run, stand_in, whole):
        shutil.rmtree(run.out / "shards")
        run.catalogue_path.unlink()
        assert make(run, stand_in).read_bytes() == whole
        assert stand_in.made() == list(range(50))

    @pytest.mark.parametrize(
        ("changes", "reported"),
        [
            ({"seed": 5}, "seed is '5' there and '20250710' now"),
            ({"config": "flat"}, "config is 'flat' there and 'gaussian' now"),
        ],
    )
    def test_shards_of_another_run_are_not_mixed_in(self, run, stand_in, tmp_path, changes, reported):
        other = plan_for(tmp_path / "other", **changes)
        make(other, stand_in)
        put(run.shard_path(1), other.shard_path(1).read_bytes())
        before = contents(run.out)
        with pytest.raises(RunMismatchError, match=rf"00001\.parquet belongs to a run .*{reported}.*another folder"):
            make(run, stand_in)
        with pytest.raises(RunMismatchError, match=reported):
            is_finished(run, 1)
        assert contents(run.out) == before

    def test_shards_without_a_hash_are_not_mixed_in(self, run, stand_in, tmp_path, whole):
        other = plan_for(tmp_path / "other", seed=5)
        make(other, stand_in)
        put(run.shard_path(1), other.shard_path(1).read_bytes(), with_hash=False)
        assert make(run, stand_in).read_bytes() == whole

    def test_shards_that_appear_during_the_run_are_not_mixed_in(self, run, stand_in, tmp_path, monkeypatch):
        other = plan_for(tmp_path / "other", seed=5)
        make(other, stand_in)
        run.shard_path(3).unlink()

        def also_replaced(*arguments):
            make_shard(*arguments)
            put(run.shard_path(1), other.shard_path(1).read_bytes())

        monkeypatch.setattr("generation.catalogue.make_shard", also_replaced)
        run.catalogue_path.unlink()
        with pytest.raises(RunMismatchError, match="seed is '5' there"):
            make(run, stand_in)
        assert not run.catalogue_path.exists()

    def test_draws_are_compared(self, run, stand_in):
        def another_mass(table):
            i = table.column_names.index("m_lmc")
            masses = table["m_lmc"].to_numpy().copy()
            masses[7] = np.nextafter(masses[7], np.float32(0))
            return table.set_column(i, table.schema.field(i), pa.array(masses))

        rewrite(run.shard_path(2), another_mass)
        with pytest.raises(RunMismatchError, match=r"00002\.parquet holds other parameters .* draws: m_lmc differ"):
            make(run, stand_in)

    def test_facts_that_a_shard_does_not_state_are_not_taken_for_granted(self, run, stand_in):
        rewrite(run.shard_path(0), lambda table: table.replace_schema_metadata({}))
        with pytest.raises(RunMismatchError, match="config is None there"):
            make(run, stand_in)

    def test_another_schema_is_named(self, run, stand_in):
        rewrite(run.shard_path(0), lambda table: table.drop_columns(["v_travel"]))
        with pytest.raises(RunMismatchError, match=r"schema is \{\} there and \{'v_travel': 'float not null'\} now"):
            make(run, stand_in)

    def test_the_simulator_must_give_back_what_was_drawn(self, tmp_path, stand_in):
        def changed(draws, seed):
            return stand_in(draws, seed).assign(beta0=np.float32(0.25))

        with pytest.raises(RuntimeError, match=r"other values than were drawn in \['beta0'\]"):
            make(plan_for(tmp_path / "run"), changed)

    def test_the_merge_reads_what_the_shards_say(self, run):
        assert read_shard(run, 3).num_rows == 2
        with pytest.raises(RuntimeError, match=r"50 simulations from sim_id 0 to 49, not the 16 from 0 to 15"):
            put(run.shard_path(0), run.catalogue_path.read_bytes())
            read_shard(run, 0)


BAD_SETTINGS = {
    "empty": b"",
    "cut": b'{"config": "gauss',
    "not UTF-8": b'{"config": "\xff\xfe"}',
    "a list": b"[]",
    "a number": b"3",
    "nothing": b"null",
    "deep": b"[" * 100_000,
    "zeros": b"\0" * 300,
}


class TestBadFiles:
    @pytest.mark.parametrize("name", BAD_SETTINGS)
    def test_unreadable_settings_are_named_with_a_remedy(self, run, stand_in, whole, name):
        run.pins_path.write_bytes(BAD_SETTINGS[name])
        before = contents(run.out)
        with pytest.raises(DamagedRunError, match=rf"{run.pins_path} does not hold the settings .*Remove it"):
            make(run, stand_in)
        assert contents(run.out) == before
        run.pins_path.unlink()  # the remedy
        assert make(run, stand_in).read_bytes() == whole
        assert stand_in.made() == []

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"x" * 64, b"\0" * 65], ids=str)
    def test_a_bad_stamp_means_not_finished(self, run, stand_in, whole, content):
        run.hash_path(1).write_bytes(content)
        assert not is_finished(run, 1)
        assert make(run, stand_in).read_bytes() == whole
        assert stand_in.made() == list(range(16, 32))

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1PAR1", b"\xff" * 5000, b"not a table at all"], ids=len)
    def test_a_shard_that_is_not_parquet_means_not_finished(self, run, stand_in, whole, content):
        put(run.shard_path(1), content)
        assert make(run, stand_in).read_bytes() == whole
        assert stand_in.made() == list(range(16, 32))

    def test_a_damaged_final_file_is_written_again(self, run, stand_in, whole):
        run.catalogue_path.write_bytes(whole[:-20])
        assert make(run, stand_in).read_bytes() == whole


class TestReadOnly:
    def test_a_finished_run_is_finished(self, run, stand_in, whole):
        before = contents(run.out)
        with read_only(run.out):
            assert make(run, stand_in).read_bytes() == whole
        assert contents(run.out) == before

    def test_a_finished_run_of_another_arrow_version_is_finished(self, run, stand_in):
        pq.write_table(pq.read_table(run.catalogue_path), run.catalogue_path, compression="snappy")
        before = contents(run.out)
        with read_only(run.out):
            assert make(run, stand_in) == run.catalogue_path
        assert contents(run.out) == before

    @pytest.mark.parametrize("there", [b"rotten", None])
    def test_a_run_without_its_final_file_says_so(self, run, stand_in, there):
        run.catalogue_path.unlink()
        if there is not None:
            run.catalogue_path.write_bytes(there)
        with read_only(run.out), pytest.raises(WriteError, match=rf"cannot write '{run.catalogue_path}'"):
            make(run, stand_in)

    @pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC])
    def test_an_unfinished_run_says_so(self, run, stand_in, number):
        run.hash_path(1).unlink()
        with read_only(run.out, number), pytest.raises(WriteError, match=f"cannot write .*{os.strerror(number)}"):
            make(run, stand_in)
        run.catalogue_path.write_bytes(b"rotten")
        with read_only(run.out, number), pytest.raises(WriteError, match=r"cannot write "):
            make(run, stand_in)

    def test_a_finished_run_of_haloes_is_finished(self, halo_run):
        plan = HaloPlan(halo_run, "gaussian", range(8, 22), 4, SIMULATOR_VERSION)
        before = contents(halo_run)
        with read_only(halo_run):
            assert make_haloes(plan, progress=False).manifest == store.Store(halo_run).manifest
        assert contents(halo_run) == before


class TestMadeElsewhere:
    """Shards made by other machines, which a network file system shows late or never."""

    @pytest.fixture
    def nothing_arrives(self, monkeypatch):
        @contextlib.contextmanager
        def elsewhere(scheduler, mark, timeout):
            yield lambda make_shard, arguments, shards, progress: None

        monkeypatch.setattr(shards, "open_cluster", elsewhere)
        monkeypatch.setattr(shards, "PATIENCE", 0.0)

    def test_a_run_without_all_its_shards_is_not_finished(self, run, stand_in, nothing_arrives):
        for shard in (1, 2):
            run.shard_path(shard).unlink()
        with pytest.raises(ClusterLostError, match=r"made 2 shards, the first of them .*00001\.parquet, that"):
            make(run, stand_in, scheduler="tcp://nobody:1")

    def test_late_shards_are_waited_for(self, run, stand_in, whole, nothing_arrives, monkeypatch):
        content = run.shard_path(2).read_bytes()
        run.shard_path(2).unlink()
        monkeypatch.setattr(shards, "PATIENCE", 60.0)
        monkeypatch.setattr(shards.time, "sleep", lambda seconds: run.shard_path(2).write_bytes(content))
        assert make(run, stand_in, scheduler="tcp://nobody:1").read_bytes() == whole
        assert stand_in.made() == []


def test_the_bar_of_a_run_that_continues_begins_with_what_is_done(run, stand_in, monkeypatch):
    seen = []

    class Bar(Progress):
        def __init__(self, **settings):
            seen.append(settings)
            super().__init__(**settings)

    monkeypatch.setattr(shards, "Progress", Bar)
    for shard in (0, 3):
        run.shard_path(shard).unlink()
    make(run, stand_in)
    assert seen == [{"total": 50, "done": 32, "shown": False}]


ON_A_FULL_DISK = """
import resource, sys
from generation.__main__ import main
from mwlmc_data.simulator import compile_kernels
compile_kernels()
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on the size of a file")
@pytest.mark.parametrize("words", [["catalogue", "--simulations", "3"], ["haloes", "--sims", "20:21"]], ids=" ".join)
def test_a_full_disk_is_not_bad_input(tmp_path, repository, words):
    words = [*words, "--workers", "1", "--out", str(tmp_path / "run")]
    ended = subprocess.run(
        [sys.executable, "-c", ON_A_FULL_DISK, *words], cwd=repository, capture_output=True, text=True, timeout=300
    )
    error = ended.stderr.strip().splitlines()[-1]
    assert ended.returncode == 1, ended.stderr
    assert error.startswith(f"error: cannot write '{tmp_path / 'run'}")
    assert error.endswith(f"{os.strerror(errno.EFBIG)}. Finished work is kept; run the same command again to continue.")
    assert not list((tmp_path / "run").rglob("*.tmp"))


class TestHaloes:
    def plan_for(self, out, **changes):
        settings = {"config": "gaussian", "sims": range(40, 42), "shard_size": 4}
        return HaloPlan(out, **(settings | changes), simulator_version=SIMULATOR_VERSION)

    def test_of_two_sets_that_finish_together_neither_is_lost(self, tmp_path, monkeypatch):
        """A run begins and ends while another one, which has already read the folder, is running."""
        plain = halo_runs.make_shards

        def meanwhile(*arguments, **options):
            monkeypatch.setattr(halo_runs, "make_shards", plain)
            make_haloes(self.plan_for(tmp_path, config="flat", sims=range(30, 32)), progress=False)
            plain(*arguments, **options)

        monkeypatch.setattr(halo_runs, "make_shards", meanwhile)
        made = make_haloes(self.plan_for(tmp_path), progress=False)
        assert {entry.config for entry in made.manifest.files} == {"haloes", "haloes-flat"}
        assert dict(made.manifest.seeds) == {name: release.CATALOGUE_SEEDS[name] for name in ("gaussian", "flat")}

    def test_two_programs_at_once(self, tmp_path, repository):
        words = [sys.executable, "-m", "generation", "haloes", "--out", str(tmp_path), "--workers", "1", "--sims"]
        runs = [
            subprocess.Popen([*words, sims, "--config", config], cwd=repository, stderr=subprocess.PIPE, text=True)
            for sims, config in (("40:42", "gaussian"), ("30:32", "flat"))
        ]
        for run in runs:
            _, err = run.communicate(timeout=300)
            assert run.returncode == 0, err
        configs = {entry.config for entry in store.Store(tmp_path).manifest.files}
        assert configs == {"haloes", "haloes-flat"}

    def test_the_haloes_of_a_finished_shard_are_counted_too(self, tmp_path):
        plan, made = self.plan_for(tmp_path, sims=range(20, 22)), []
        for folder in (plan.shard_path(0).parent, plan.pins_path.parent):
            folder.mkdir(parents=True)
        halo_runs.make_shard(plan, 0, made.append)
        assert sum(made) == 2
        before = contents(tmp_path)
        halo_runs.make_shard(plan, 0, made.append)
        assert sum(made) == 4 and contents(tmp_path) == before

    def test_a_run_of_haloes_without_its_settings_continues_but_not_with_others(self, halo_run, tmp_path):
        out = tmp_path / "run"
        shutil.copytree(halo_run, out)
        (out / ".run" / "haloes.json").unlink()
        before = contents(out)
        with pytest.raises(RunMismatchError, match="a run with other shards"):
            make_haloes(self.plan_for(out, sims=range(8, 23)), progress=False)
        assert contents(out) == before
        make_haloes(self.plan_for(out, sims=range(8, 22)), progress=False)
        assert (out / ".run" / "haloes.json").is_file()

    def test_a_shard_of_another_set_is_refused(self, halo_run, tmp_path):
        out = tmp_path / "run"
        shutil.copytree(halo_run, out)
        plan = self.plan_for(out, sims=range(8, 22))

        def relabelled(table):
            return table.replace_schema_metadata({**table.schema.metadata, b"seed": b"7"})

        shard = plan.shard_path(0)
        pq.write_table(relabelled(pq.read_table(shard)), shard)
        plan.hash_path(0).write_text(sha256_of(shard))
        with pytest.raises(RunMismatchError, match="seed is '7' there"):
            make_haloes(plan, progress=False)
