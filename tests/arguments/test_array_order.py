"""Arrays in Fortran order, as a table's `to_numpy()` returns them, survive every file and format."""

import io

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import mwlmc_data as mw
from benchmarks.references import simulations
from benchmarks.suite import models
from generation.haloes import _as_lists
from mwlmc_data.commands.common import PHASE_SPACE, write_halo
from mwlmc_data.dataset import schema
from mwlmc_data.dataset.batches_datasets import as_dataset
from mwlmc_data.scoring import ladders
from mwlmc_data.scoring.submission import read_submission, write_submission
from mwlmc_data.simulator import Halo
from mwlmc_data.storage.npz import write_npz

RNG = np.random.default_rng(0)
STARS = RNG.normal(size=(40, 6)).astype(np.float32)
#: The same numbers as they may lie in memory.
LAID = {
    "C": STARS,
    "Fortran": np.asfortranarray(STARS),
    "table": pd.DataFrame(STARS, columns=PHASE_SPACE)[[*PHASE_SPACE]].to_numpy(),
    "part": np.repeat(STARS, 2, axis=1)[:, ::2],
    "backwards": np.ascontiguousarray(STARS[::-1])[::-1],
}
layouts = pytest.mark.parametrize("stars", LAID.values(), ids=LAID)


def test_numbers_of_a_table_are_in_fortran_order():
    assert not LAID["table"].flags.c_contiguous
    assert all(np.array_equal(stars, STARS) for stars in LAID.values())


@layouts
def test_safetensors(stars, tmp_path):
    path = tmp_path / "a.safetensors"
    models.write(path, {"stars": stars, "turned": stars.T, "number": np.float32(3.0)}, {"n": 1})
    found = models.read_arrays(path)
    assert np.array_equal(found["stars"], STARS) and np.array_equal(found["turned"], STARS.T)
    assert found["number"] == 3 and models.read_about(path) == {"n": 1}


@layouts
@pytest.mark.parametrize("compressed", [False, True])
def test_npz(stars, compressed):
    file = io.BytesIO()
    write_npz(file, {"stars": stars, "turned": stars.T, "text": "words"}, compressed=compressed)
    plain = io.BytesIO()
    write_npz(plain, {"stars": STARS, "turned": np.ascontiguousarray(STARS.T), "text": "words"}, compressed=compressed)
    assert file.getvalue() == plain.getvalue()
    with np.load(io.BytesIO(file.getvalue()), allow_pickle=False) as found:
        assert np.array_equal(found["stars"], STARS) and np.array_equal(found["turned"], STARS.T)


@layouts
@pytest.mark.parametrize("suffix", ["npz", "parquet"])
def test_a_halo(stars, suffix, tmp_path):
    path = tmp_path / f"halo.{suffix}"
    write_halo(Halo(stars[:, :3], stars[:, 3:]), path, {"m_lmc": 1e11})
    found = np.load(path) if suffix == "npz" else pq.read_table(path)
    assert np.array_equal(np.column_stack([np.asarray(found[name]) for name in PHASE_SPACE]), STARS)


def test_simulations_of_the_references(tmp_path):
    data = np.asfortranarray(RNG.normal(size=(7, 3)))
    simulations.save(tmp_path / "a" / "rows.npz", {"seed": 3}, data=data)
    simulations.check(tmp_path / "a" / "rows.npz", {"seed": 3})
    with np.load(tmp_path / "a" / "rows.npz") as found:
        assert np.array_equal(found["data"], data) and found["data"].flags.c_contiguous


def test_a_submission(tmp_path):
    task = mw.get_task("budget-1000")
    draws = task.prior.sample(len(task.observations.x) * task.n_draws, seed=0).to_numpy().T
    samples = draws.reshape(3, task.n_draws, -1).T  # in Fortran order
    assert not samples.flags.c_contiguous
    about = {"method": "prior", "seeds": [0], "code": "none", "date": "2026-01-01"}
    cost = {"cpu_seconds": 1, "simulations": 0, "parameters": 0}
    home = write_submission(tmp_path / "mine", task, samples, cost=cost, **about)
    found = read_submission(home, task).arrays["samples"]
    assert np.array_equal(found, samples.astype(np.float32))


def test_lists_of_stars():
    stars = np.asfortranarray(RNG.normal(size=(4, 5, 3)).astype(np.float32))
    assert np.array_equal(np.array(_as_lists(stars).to_pylist(), np.float32), stars)


def test_datasets():
    positions = np.asfortranarray(RNG.normal(size=(2, schema.N_STARS, 3)).astype(np.float32))
    velocities = np.ascontiguousarray(positions.T).T
    batch = {"sim_id": np.arange(4, dtype=np.int32)[::2], "positions": positions, "velocities": velocities}
    found = as_dataset(batch).with_format("numpy")
    assert found[:]["sim_id"].tolist() == [0, 2]
    for i in range(2):
        assert np.array_equal(found[i]["positions"], positions[i])
        assert np.array_equal(found[i]["velocities"], velocities[i])


def test_observations_that_moved_away(tmp_path):
    stored = ladders.read_haloes()
    strided = {name: np.repeat(values, 2)[::2] for name, values in stored.items()}
    ladders.write_haloes(strided, tmp_path)
    assert all(np.array_equal(values, stored[name]) for name, values in ladders.read_haloes(tmp_path).items())
