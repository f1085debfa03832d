"""The set of live simulations goes on from what is embedded of it, byte for byte."""

import dataclasses
import re
import shutil

import pytest

import generation.live_embedding as embedding
import generation.live_restoring as module
from generation.__main__ import main
from generation.live_set import LivePlan, make_simulations, write_shard
from generation.live_tables import assemble
from generation.plan import RunMismatchError
from generation.shards import read_shard
from mwlmc_data.dataset.live_tables import TABLES
from mwlmc_data.live.truths import name_run
from mwlmc_data.simulator import SIMULATOR_VERSION
from mwlmc_data.storage import embedded
from mwlmc_data.storage.errors import DamagedFileError
from tests.helpers.live_set import make_quick


@pytest.fixture(scope="module")
def quick():
    """Sets of two haloes a simulation, made quickly."""
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        for user in (module, embedding):
            patch.setattr(user, "HALOES", 2)
        yield


@pytest.fixture(scope="module")
def made(quick, tmp_path_factory):
    """The plan of a set of three simulations, of which the second missed, and the folder that it is embedded in."""
    home = tmp_path_factory.mktemp("made")
    plan = LivePlan(home / "set", 3, 40_000, 30_000, 1000, simulator_version=SIMULATOR_VERSION)
    plan = make_simulations(plan, progress=False)
    (home / "data").mkdir()
    embedding.embed(assemble(plan), home / "data", home / "runs")
    return plan, home


@pytest.fixture
def new(made, tmp_path, monkeypatch):
    """A plan of the same set in a new folder; tables and runs are copies that a test may change."""
    plan, home = made
    for name in ("data", "runs"):
        shutil.copytree(home / name, tmp_path / name)
    monkeypatch.setattr(embedded, "DATA_DIR", tmp_path / "data")
    return dataclasses.replace(plan, out=tmp_path / "new")


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_restored_set_is_the_same_and_grows(made, new, tmp_path, monkeypatch):
    plan, _ = made
    assert module.restore(new, tmp_path / "runs") == [0, 1, 2]
    assert module.restore(new, tmp_path / "runs") == []
    for number in range(3):
        assert read_shard(new, number).equals(read_shard(plan, number), check_metadata=True)
    with monkeypatch.context() as patch:
        patch.setattr("generation.live_set.simulate", None)
        files = assemble(make_simulations(new, progress=False))
    assert contents(new.out) == contents(plan.out)
    assert {path.name for path in files.runs} == {name_run(0), name_run(2)}
    grown = dataclasses.replace(new, simulations=4)
    files = assemble(make_simulations(grown, progress=False))
    before = contents(tmp_path / "runs")
    assert len(embedding.embed(files, tmp_path / "data", tmp_path / "runs")) == len(TABLES)
    after = contents(tmp_path / "runs")
    assert set(after) == {*before, name_run(3)} and {name: after[name] for name in before} == before
    # the folder that lacks the new simulation goes on from the new set
    assert module.restore(dataclasses.replace(plan, simulations=4, out=tmp_path / "other"), tmp_path / "runs")[-1] == 3


def test_an_unfinished_set_is_kept_beside_its_runs(made, tmp_path, monkeypatch):
    plan, home = made
    runs, data = tmp_path / "runs", tmp_path / "data"
    data.mkdir()
    embedding.embed(assemble(plan), runs, runs)
    assert sorted(path.suffix for path in runs.iterdir()) == [".json", *[".npz"] * 2, *[".parquet"] * 4]
    monkeypatch.setattr(embedded, "DATA_DIR", data)
    new = dataclasses.replace(plan, out=tmp_path / "new")
    assert module.restore(new, runs) == [0, 1, 2], "the package holds nothing of it"
    assert contents(new.out / "shards") == contents(plan.out / "shards")
    embedding.embed(assemble(new), data, runs)
    assert contents(runs) == contents(home / "runs"), "the finished set takes the place of the unfinished one"
    assert contents(data) == contents(home / "data")


def test_a_kept_set_stays_until_another_is_written(made, tmp_path, monkeypatch):
    """Few simulations may be kept, with an empty split, and fewer than are there are refused at once."""
    plan, _ = made
    runs, data = tmp_path / "runs", tmp_path / "data"
    data.mkdir()
    embedding.embed(assemble(dataclasses.replace(plan, simulations=1)), runs, runs)
    embedding.embed(assemble(plan), runs, runs)
    with pytest.raises(ValueError, match=r"simulations = 2: allowed is at least 3, as many as .*runs has"):
        module.refuse_without_shards(dataclasses.replace(plan, simulations=2), runs)
    before = contents(runs)
    with monkeypatch.context() as patch:
        patch.setattr(embedding, "write_bytes", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            embedding.embed(assemble(plan), data, runs)
    assert contents(runs) == before


def test_shards_that_are_there_stay(made, new, tmp_path):
    plan, _ = made
    new.shard_path(2).parent.mkdir(parents=True)
    for path in (plan.shard_path(2), plan.hash_path(2), plan.pins_path):
        shutil.copy(path, new.out / path.relative_to(plan.out))
    new.shard_path(0).write_bytes(b"half a sh")  # of a killed run
    assert module.restore(new, tmp_path / "runs") == [0, 1]
    assert read_shard(new, 0).equals(read_shard(plan, 0))


def test_another_finished_shard_is_refused(made, new, tmp_path):
    table = read_shard(made[0], 2)
    other = table.set_column(table.schema.get_field_index("run"), "run", [[b"another run"]]).cast(table.schema)
    new.shard_path(2).parent.mkdir(parents=True)
    write_shard(new, 2, other)
    before = contents(new.out)
    with pytest.raises(RunMismatchError, match=r"00002\.parquet holds another simulation 2 than is embedded"):
        module.restore(new, tmp_path / "runs")
    assert contents(new.out) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"particles": 50_000}, r"live\.parquet belongs to a run .*: particles is '40000' there and '50000' now"),
        ({"aiming_particles": 200}, "aiming_particles is '30000' there and '200' now"),
        ({"seed": 5}, "seed is '20250713' there and '5' now"),
        ({"simulator_version": "9"}, rf"simulator_version is '{re.escape(SIMULATOR_VERSION)}' there and '9' now"),
        ({"simulations": 2}, "simulations = 2: allowed is at least 3, as many as are embedded"),
    ],
)
def test_another_plan_is_refused(new, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        module.restore(dataclasses.replace(new, **changes), tmp_path / "runs")
    assert not new.out.exists()


def test_other_draws_are_refused(new, tmp_path, monkeypatch):
    halo = {"beta0": 0.5, "r_dehnen": 12.0}
    with monkeypatch.context() as patch:
        patch.setattr(LivePlan, "draw_haloes", lambda plan, shard: [halo] * 2)
        with pytest.raises(RunMismatchError, match=r"simulation 0 has other parameters .*: beta0, r_dehnen differ"):
            module.restore(new, tmp_path / "runs")
    draw = LivePlan.drawn
    monkeypatch.setattr(LivePlan, "drawn", lambda plan, n: draw(plan, n) | ({"m_lmc": [1e11]} if n == 1 else {}))
    with pytest.raises(RunMismatchError, match=r"simulation 1 has other parameters .*: m_lmc differ"):
        module.restore(new, tmp_path / "runs")
    assert not new.out.exists()


def test_a_missing_or_damaged_run_or_table_is_named(new, tmp_path):
    path = tmp_path / "runs" / name_run(2)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedFileError, match=r"live-00002\.npz is not .* expected SHA-256 .*git checkout"):
        module.restore(new, tmp_path / "runs")
    path.unlink()
    with pytest.raises(DamagedFileError, match=r"live-00002\.npz is not .* found no such file"):
        module.restore(new, tmp_path / "runs")
    (tmp_path / "data" / "live-misses.parquet").write_bytes(b"")
    with pytest.raises(DamagedFileError, match=r"live-misses\.parquet is not the file of the release"):
        module.restore(new, tmp_path / "runs")
    assert not new.out.exists()


def test_a_folder_of_another_run_is_refused(made, new, tmp_path):
    other = dataclasses.replace(new, n_stars=500)
    other.out.mkdir()
    shutil.copy(made[0].pins_path, other.pins_path)
    with pytest.raises(RunMismatchError, match="n_stars is 1000 there and 500 now"):
        module.restore(other, tmp_path / "runs")


def test_embedding_without_the_embedded_simulations_is_refused_before_anything_is_made(new, tmp_path):
    with pytest.raises(ValueError, match=r"lacks 2 of 2 simulations in .*: with --embed or --keep .*--from-embedded"):
        module.refuse_without_shards(new, tmp_path / "runs")
    module.refuse_without_shards(new, tmp_path / "nothing embedded yet")
    module.restore(new, tmp_path / "runs")
    module.refuse_without_shards(dataclasses.replace(new, simulations=9), tmp_path / "runs")


def test_the_program_restores_or_refuses(new, tmp_path, monkeypatch, capsys):
    for name in ("restore", "refuse_without_shards"):
        there = getattr(module, name)
        monkeypatch.setattr(module, name, lambda plan, there=there: there(plan, tmp_path / "runs"))
    words = ["live-set", "--simulations", "3", "--particles", "40000", "--aiming-particles", "30000", "--workers", "1"]
    assert main([*words, "--out", str(new.out), "--embed"]) == 2 and not new.out.exists()
    assert "lacks 2 of 2 simulations" in capsys.readouterr().err
    monkeypatch.setattr("generation.live_set.simulate", None)
    assert main([*words, "--out", str(new.out), "--from-embedded"]) == 0
    assert capsys.readouterr().out.startswith(f"{new.out}: 3 embedded simulations written\n")
    assert (new.out / "live.parquet").read_bytes() == (tmp_path / "data" / "live.parquet").read_bytes()


def test_without_the_set_the_program_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "get_unfinished", lambda folder: None)
    monkeypatch.setattr(embedded, "DATA_DIR", tmp_path)
    assert main(["live-set", "--simulations", "2", "--out", str(tmp_path / "out"), "--from-embedded"]) == 2
    assert "error: --from-embedded: allowed is this only where the package embeds the" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
