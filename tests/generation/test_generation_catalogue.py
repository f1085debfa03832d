"""Making the table of simulations: shards, interruptions, kills, and bytes that stay the same.

Most tests use a cheap stand-in for the simulator, a module written into a folder that worker processes can
import; the end of the file runs the real program with the real simulator.
"""

import contextlib
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

import mwlmc_data
from generation import __main__ as program
from generation.catalogue import SimulationFailedError, embed, make_catalogue
from generation.plan import Plan, RunMismatchError
from mwlmc_data import Prior, release, schema
from mwlmc_data.catalogue import load_catalogue
from mwlmc_data.simulator import SIMULATOR_VERSION

STAND_IN = '''
import os, pathlib, time
import numpy as np, pandas as pd
from mwlmc_data import schema


def table(draws, seed):
    """Made-up results that depend on the row and the seed alone; counts its calls in a file."""
    time.sleep(float(os.environ.get("STAND_IN_DELAY", 0)))
    with open(pathlib.Path(__file__).with_name("calls.txt"), "a") as calls:
        calls.write("".join(f"{i}\\n" for i in draws["sim_id"]))
    rows = []
    for row in draws.to_dict("records"):
        sim_id = row["sim_id"]
        if str(sim_id) == os.environ.get("STAND_IN_FAILS_AT"):
            raise ValueError(f"sim_id = {sim_id} cannot be simulated; its row is {row}")
        numbers = np.random.default_rng([seed, sim_id]).normal(size=len(schema.COLUMNS))
        made = dict(zip(schema.CATALOGUE_NAMES, numbers * 100)) | row
        if str(sim_id) == os.environ.get("STAND_IN_NAN_AT"):
            made["v_travel"] = np.nan
        made["simulator_version"] = "stand-in-1"
        del made["split"]
        rows.append(made)
    frame = pd.DataFrame(rows)
    return frame.astype({c.name: c.dtype for c in schema.COLUMNS if c.name in frame and c.dtype != "string"})
'''


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    folder = tmp_path / "importable"
    folder.mkdir()
    (folder / "mwlmc_stand_in.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(folder)
    sys.modules.pop("mwlmc_stand_in", None)
    yield importlib.import_module("mwlmc_stand_in")
    sys.modules.pop("mwlmc_stand_in", None)


@pytest.fixture
def calls(stand_in, tmp_path):
    """Function that gives the simulations made since it was last called."""

    def since():
        path = tmp_path / "importable" / "calls.txt"
        made = [int(line) for line in path.read_text().split()] if path.exists() else []
        path.unlink(missing_ok=True)
        return made

    return since


def plan_for(out, **changes):
    settings = {"config": "gaussian", "simulations": 50, "seed": 20250710, "shard_size": 16}
    return Plan(out=out, simulator_version="stand-in-1", **(settings | changes))


def make(plan, stand_in, workers=1):
    return make_catalogue(plan, stand_in.table, workers=workers, progress=False)


@pytest.fixture
def whole(tmp_path, stand_in, calls):
    """The bytes of an uninterrupted run in one process."""
    content = make(plan_for(tmp_path / "whole"), stand_in).read_bytes()
    calls()
    return content


def test_the_file_holds_the_schema_the_draws_and_the_results(tmp_path, stand_in):
    table = pq.read_table(make(plan_for(tmp_path / "run"), stand_in))
    assert table.schema.names == list(schema.CATALOGUE_NAMES)
    frame = table.to_pandas()
    assert frame["sim_id"].tolist() == list(range(50))
    np.testing.assert_array_equal(frame["split"], schema.split_of(np.arange(50)))
    draws = Prior("gaussian").sample(50, seed=20250710)
    for name in schema.DRAWN:
        np.testing.assert_array_equal(frame[name], draws[name])
    expected = np.random.default_rng([20250710, 33]).normal(size=len(schema.COLUMNS)) * 100
    assert frame["v_travel"][33] == np.float32(expected[schema.CATALOGUE_NAMES.index("v_travel")])
    assert table.schema.field("m_lmc").metadata[b"unit"] == b"Msun"
    assert {k: table.schema.metadata[k] for k in (b"config", b"seed", b"simulator_version")} == {
        b"config": b"gaussian",
        b"seed": b"20250710",
        b"simulator_version": b"stand-in-1",
    }


def test_the_file_is_compressed_as_the_design_says(tmp_path, stand_in):
    metadata = pq.ParquetFile(make(plan_for(tmp_path / "run"), stand_in)).metadata
    for i, column in enumerate(schema.COLUMNS):
        chunk = metadata.row_group(0).column(i)
        assert chunk.compression == "ZSTD"
        if column.dtype == "float32":
            assert "BYTE_STREAM_SPLIT" in chunk.encodings
            assert not chunk.has_dictionary_page
        assert chunk.has_column_index
        assert chunk.has_offset_index


@pytest.mark.parametrize(("shard_size", "workers"), [(1, 1), (7, 1), (50, 1), (200, 1), (7, 2), (16, 3)])
def test_bytes_do_not_depend_on_shards_or_processes(tmp_path, stand_in, whole, shard_size, workers):
    plan = plan_for(tmp_path / "run", shard_size=shard_size)
    assert make(plan, stand_in, workers).read_bytes() == whole


def test_a_finished_run_simulates_nothing_again(tmp_path, stand_in, whole, calls):
    plan = plan_for(tmp_path / "run")
    make(plan, stand_in)
    assert sorted(calls()) == list(range(50))
    assert make(plan, stand_in).read_bytes() == whole
    assert calls() == []


def test_a_run_continues_where_it_stopped(tmp_path, stand_in, whole, calls, monkeypatch):
    plan = plan_for(tmp_path / "run")
    monkeypatch.setenv("STAND_IN_FAILS_AT", "40")
    with pytest.raises(SimulationFailedError):
        make(plan, stand_in)
    assert set(calls()) >= set(range(32))
    monkeypatch.delenv("STAND_IN_FAILS_AT")
    assert make(plan, stand_in).read_bytes() == whole
    assert sorted(calls()) == list(range(32, 50)), "the two finished shards should stay"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_draw_that_fails_is_named_with_its_values(tmp_path, stand_in, monkeypatch, workers):
    monkeypatch.setenv("STAND_IN_FAILS_AT", "21")
    with pytest.raises(SimulationFailedError) as caught:
        make(plan_for(tmp_path / "run"), stand_in, workers)
    draw = Prior("gaussian").sample(1, seed=20250710, start=21)
    message = str(caught.value)
    assert "sim_id = 21 " in message
    for name in schema.DRAWN:
        assert re.search(rf"'{name}': {re.escape(repr(float(draw[name][0])))}\b", message), name
    assert not (tmp_path / "run" / "gaussian.parquet").exists()


def test_a_result_that_is_not_finite_is_an_error(tmp_path, stand_in, monkeypatch):
    monkeypatch.setenv("STAND_IN_NAN_AT", "5")
    with pytest.raises(SimulationFailedError, match=r"v_travel.*'sim_id': .*5"):
        make(plan_for(tmp_path / "run"), stand_in)


def damage_bytes(path):
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:500])


def remove_the_hash(path):
    path.with_name(path.name + ".sha256").unlink()


def remove(path):
    path.unlink()


def put_another_shard_there(path):
    """Whole, and with its own right hash, but with another number of rows."""
    last = path.with_name("00003.parquet")
    for suffix in ("", ".sha256"):
        path.with_name(path.name + suffix).write_bytes(last.with_name(last.name + suffix).read_bytes())


@pytest.mark.parametrize("damage", [damage_bytes, truncate, remove_the_hash, remove, put_another_shard_there])
def test_a_damaged_shard_is_made_again(tmp_path, stand_in, whole, calls, damage):
    plan = plan_for(tmp_path / "run")
    make(plan, stand_in)
    calls()
    damage(tmp_path / "run" / "shards" / "00001.parquet")
    assert make(plan, stand_in).read_bytes() == whole
    assert sorted(calls()) == list(range(16, 32))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"config": "flat"}, r"config is 'gaussian' there and 'flat' now"),
        ({"seed": 5}, r"seed is '20250710' there and '5' now"),
        ({"shard_size": 8}, r"shard_size is 16 there and 8 now"),
        (
            {"simulator_version": "stand-in-2"},
            r"simulator_version is 'stand-in-1' there and 'stand-in-2' now",
        ),
    ],
)
def test_another_run_in_the_folder_is_an_error_that_names_the_difference(tmp_path, stand_in, changes, named):
    plan = plan_for(tmp_path / "run")
    make(plan, stand_in)
    settings = {"config": "gaussian", "simulations": 50, "seed": 20250710, "shard_size": 16}
    other = Plan(**({"out": plan.out, "simulator_version": "stand-in-1"} | settings | changes))
    with pytest.raises(RunMismatchError, match=named):
        make(other, stand_in)


def test_another_schema_is_named_by_its_columns(tmp_path, stand_in):
    plan = plan_for(tmp_path / "run")
    make(plan, stand_in)
    path = plan.out / "run.json"
    pins = json.loads(path.read_text())
    pins["schema"]["m_lmc"] = "float64 Msun"
    path.write_text(json.dumps(pins))
    with pytest.raises(RunMismatchError, match=r"schema is \{'m_lmc': 'float64 Msun'\} there") as caught:
        make(plan, stand_in)
    assert "m200_mw" not in str(caught.value)


def test_a_run_may_grow(tmp_path, stand_in, whole, calls):
    make(plan_for(tmp_path / "run", simulations=32), stand_in)
    calls()
    assert make(plan_for(tmp_path / "run"), stand_in).read_bytes() == whole
    assert sorted(calls()) == list(range(32, 50))


def test_the_simulators_version_must_be_that_of_the_run(tmp_path, stand_in):
    plan = Plan(tmp_path / "run", "gaussian", 4, 1, 4, simulator_version="another")
    with pytest.raises(RuntimeError, match="stand-in-1"):
        make(plan, stand_in)


@pytest.mark.parametrize(
    "changes", [{"simulations": 0}, {"shard_size": 0}, {"seed": -1}, {"config": "wide"}], ids=str
)
def test_bad_plans_are_refused(tmp_path, changes):
    with pytest.raises(ValueError, match=str(next(iter(changes.values())))):
        plan_for(tmp_path, **changes)


def test_no_workers_are_refused(tmp_path, stand_in):
    with pytest.raises(ValueError, match="workers 0"):
        make(plan_for(tmp_path / "run"), stand_in, workers=0)


def test_embedding_registers_what_the_package_then_loads(tmp_path, stand_in, monkeypatch):
    plan = plan_for(tmp_path / "run")
    made = make(plan, stand_in)
    monkeypatch.setattr(release, "DATA_DIR", tmp_path / "data")
    target = embed(plan)
    assert target.read_bytes() == made.read_bytes()
    assert release.entry_of("gaussian")["rows"] == 50
    assert release.entry_of("gaussian")["simulator_version"] == "stand-in-1"
    assert len(load_catalogue("test")) == 10


def test_only_the_releases_seed_is_embedded(tmp_path, stand_in):
    plan = plan_for(tmp_path / "run", seed=4)
    make(plan, stand_in)
    with pytest.raises(ValueError, match="20250710"):
        embed(plan, tmp_path / "data")
    assert not (tmp_path / "data").exists()


DRIVER = """
import sys
sys.path.insert(0, sys.argv[2])
import pathlib
import mwlmc_stand_in
from generation.catalogue import make_catalogue
from generation.plan import Plan

if __name__ == "__main__":
    plan = Plan(pathlib.Path(sys.argv[1]), "gaussian", 50, 20250710, 4, "stand-in-1")
    make_catalogue(plan, mwlmc_stand_in.table, workers=2)
"""


@pytest.fixture
def start(tmp_path, stand_in, repository):
    """Function that starts a slow run of two workers in a process group of its own."""
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER)
    started = []

    def start(out):
        process = subprocess.Popen(
            [sys.executable, str(driver), str(out), str(tmp_path / "importable")],
            cwd=repository,
            env=os.environ | {"STAND_IN_DELAY": "0.3", "PYTHONPATH": str(repository)},
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        # The group may outlive its first process, which is what some tests look for.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for_shards(out, process, at_least=2):
    """Wait until some shards, but not all, are there."""
    deadline = time.monotonic() + 120
    while len(list((out / "shards").glob("*.sha256"))) < at_least:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_until_gone(group):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("processes of the run outlived it")


@pytest.mark.parametrize("whom", ["all its processes", "the first alone"])
def test_a_killed_run_continues_to_the_same_bytes(tmp_path, stand_in, whole, start, calls, whom):
    out = tmp_path / "killed"
    process = start(out)
    wait_for_shards(out, process)
    if whom == "all its processes":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    wait_until_gone(process.pid)
    finished = sorted(int(p.name[:5]) for p in (out / "shards").glob("*.sha256"))
    assert 2 <= len(finished) < 13
    assert not (out / "gaussian.parquet").exists()
    calls()
    assert make(plan_for(out, shard_size=4), stand_in).read_bytes() == whole
    again = set(calls())
    assert again == set(range(50)) - {i for s in finished for i in range(4 * s, 4 * s + 4)}
    assert [p.name for p in (out / "shards").iterdir() if p.suffix == ".tmp"] == []


def test_ctrl_c_stops_soon_and_leaves_no_process(tmp_path, stand_in, whole, start):
    out = tmp_path / "interrupted"
    process = start(out)
    wait_for_shards(out, process)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=20) != 0
    wait_until_gone(process.pid)
    assert make(plan_for(out, shard_size=4), stand_in).read_bytes() == whole


@pytest.mark.parametrize(("config", "simulations"), [("gaussian", 128_000), ("flat", 4_096)])
def test_the_simulator_takes_the_most_extreme_draws_of_the_release(config, simulations):
    draws = Prior(config).sample(simulations, seed=release.CATALOGUE_SEEDS[config]).astype(float)
    draws["compactness"] = draws["m_lmc_8p7"] / draws["m_lmc"]
    extreme = sorted({f(draws[name]) for name in draws for f in (np.argmin, np.argmax)})
    for row in draws.iloc[extreme].to_dict("records"):
        parameters = mwlmc_data.Parameters.from_row(row)
        assert parameters.c200 > 0
        assert parameters.a_lmc > 0


class TestProgram:
    """`python -m generation`, with the real simulator."""

    @pytest.fixture
    def run(self, repository):
        def run(*words, **options):
            return subprocess.Popen(
                [sys.executable, "-m", "generation", *map(str, words)],
                cwd=repository,
                start_new_session=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                **options,
            )

        return run

    @pytest.mark.slow
    def test_killed_and_continued_it_makes_the_same_bytes(self, run, tmp_path):
        words = ["catalogue", "--simulations", 14, "--config", "gaussian", "--shard-size", 2]
        process = run(*words, "--out", tmp_path / "killed", "--workers", 2)
        wait_for_shards(tmp_path / "killed", process, at_least=1)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "killed" / "gaussian.parquet").exists(), "it was over before the kill"
        for name, workers in (("killed", 2), ("whole", 1)):
            process = run(*words, "--out", tmp_path / name, "--workers", workers)
            stdout, stderr = process.communicate()
            assert process.returncode == 0, stderr
            assert "14 simulations" in stdout
            assert "14/14" in stderr
        content = (tmp_path / "whole" / "gaussian.parquet").read_bytes()
        assert (tmp_path / "killed" / "gaussian.parquet").read_bytes() == content
        self.check_physics(pq.read_table(tmp_path / "whole" / "gaussian.parquet").to_pandas())

    def check_physics(self, table):
        """The rows are simulations: they agree with the simulator, called for one of them."""
        assert len(table) == 14
        assert set(table["simulator_version"]) == {SIMULATOR_VERSION}
        row = table.iloc[9]
        # the whole row: c200 and a_lmc were rounded before they were simulated, like what was drawn
        parameters = mwlmc_data.Parameters.from_row(row.to_dict())
        simulation = mwlmc_data.simulate(parameters, seed=release.CATALOGUE_SEEDS["gaussian"], sim_id=9)
        assert np.float32(simulation.reflex.v_travel) == np.float32(row["v_travel"])
        assert simulation.reflex.n_stars == row["n_stars_fit"]
        assert simulation.orbit.pericentre == pytest.approx(row["pericentre_lmc"], abs=1e-3)
        vector = table[["vx_travel", "vy_travel", "vz_travel"]].to_numpy()
        np.testing.assert_allclose(np.linalg.norm(vector, axis=1), table["v_travel"], rtol=1e-5)
        assert table["t_pericentre_lmc"].between(-2.2001, 0).all()
        assert (table["n_stars_fit_50_100"] < table["n_stars_fit_50_300"]).all()
        assert (table["n_stars_fit_50_300"] <= table["n_stars_fit"]).all()
        assert (table["pericentre_lmc"] <= table["distance_lmc_start"]).all()
        distance = np.linalg.norm(table[["x_lmc", "y_lmc", "z_lmc"]].to_numpy() - (-8.3, 0, 0.02), axis=1)
        np.testing.assert_allclose(distance, table["distance_lmc"], rtol=1e-5)

    def test_the_flat_set_can_be_made(self, run, tmp_path):
        process = run("catalogue", "--simulations", 3, "--config", "flat", "--out", tmp_path, "--workers", 1)
        _, stderr = process.communicate()
        assert process.returncode == 0, stderr
        assert len(pq.read_table(tmp_path / "flat.parquet")) == 3

    @pytest.mark.parametrize(
        ("words", "named"),
        [
            (["--simulations", "0"], "simulations 0"),
            (["--simulations", "4", "--workers", "0"], "workers 0"),
            (["--simulations", "4", "--shard-size", "-1"], "shard_size -1"),
            (["--simulations", "4", "--seed", "3", "--embed"], "seed 3"),
        ],
    )
    def test_bad_input_ends_with_one_line_and_status_2(self, tmp_path, capsys, words, named):
        assert program.main(["catalogue", "--out", str(tmp_path / "run"), *words]) == 2
        error = capsys.readouterr().err.strip()
        assert named in error
        assert len(error.splitlines()) == 1

    def test_a_draw_that_cannot_be_simulated_ends_with_status_1(self, tmp_path, capsys, monkeypatch):
        from mwlmc_data.simulator import parameters

        monkeypatch.setitem(parameters.LIMITS, "r_dehnen", (12.49, 12.51, "kpc"))
        words = ["catalogue", "--simulations", "3", "--workers", "1", "--out", str(tmp_path / "run")]
        assert program.main(words) == 1
        error = capsys.readouterr().err
        draw = Prior("gaussian").sample(1, seed=20250710)
        assert "sim_id = 0" in error
        assert f"'beta0': {float(draw['beta0'][0])!r}" in error
