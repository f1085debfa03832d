"""`python -m generation catalogue`, with the real simulator."""

import os
import signal
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

import mwlmc_data
from generation import __main__ as program
from mwlmc_data import Prior
from mwlmc_data.dataset import release
from mwlmc_data.simulator import SIMULATOR_VERSION
from tests.helpers.stand_in_simulator import wait_for_shards


@pytest.fixture
def run(repository):
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
def test_killed_and_continued_it_makes_the_same_bytes(run, tmp_path):
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
    check_physics(pq.read_table(tmp_path / "whole" / "gaussian.parquet").to_pandas())


def check_physics(table):
    """The rows are real simulations: the simulator reproduces one of them."""
    assert len(table) == 14
    assert set(table["simulator_version"]) == {SIMULATOR_VERSION}
    row = table.iloc[9]
    # the full row: c200 and a_lmc are rounded before the simulation, like the drawn parameters
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


def test_the_flat_set_can_be_made(run, tmp_path):
    process = run("catalogue", "--simulations", 3, "--config", "flat", "--out", tmp_path, "--workers", 1)
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert len(pq.read_table(tmp_path / "flat.parquet")) == 3


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--simulations", "0"], "simulations = 0: allowed is a whole number from 1 to 10000000"),
        (["--simulations", str(10**12)], f"simulations = {10**12}: allowed is a whole number from 1 to 10000000"),
        (["--simulations", "4", "--workers", "0"], "workers = 0"),
        (["--simulations", "4", "--shard-size", "-1"], "shard_size = -1"),
        (["--simulations", "4", "--seed", "3", "--embed"], "seed = 3: allowed is"),
    ],
)
def test_bad_input_ends_with_one_line_and_status_2(tmp_path, capsys, words, named):
    assert program.main(["catalogue", "--out", str(tmp_path / "run"), *words]) == 2
    error = capsys.readouterr().err.strip()
    assert named in error
    assert len(error.splitlines()) == 1


def test_a_draw_that_cannot_be_simulated_ends_with_status_1(tmp_path, capsys, monkeypatch):
    from mwlmc_data.simulator import limits

    # in place of the cached function: the test alone has these limits
    monkeypatch.setattr(limits, "rounded_limits", limits.rounded_limits.__wrapped__)
    monkeypatch.setitem(limits.LIMITS, "r_dehnen", (12.49, 12.51, "kpc"))
    words = ["catalogue", "--simulations", "3", "--workers", "1", "--out", str(tmp_path / "run")]
    assert program.main(words) == 1
    error = capsys.readouterr().err
    draw = Prior("gaussian").sample(1, seed=20250710)
    assert "sim_id = 0" in error
    assert f"'beta0': {float(draw['beta0'][0])!r}" in error
