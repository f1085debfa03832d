"""The study of evidences: what it stores, what it resumes, and what the task then knows."""

import json
import math

import numpy as np
import pytest

from benchmarks.studies import model_evidences as study
from mwlmc_data import get_task
from mwlmc_data.scoring.evidences import load_evidences, write_evidences
from mwlmc_data.simulator.limits import CARTESIAN_NAMES
from mwlmc_data.simulator.physics import PHYSICS

N_COUNTED = 1_000_000
LMC = dict(zip(CARTESIAN_NAMES, (-1.0, -41.0, -28.0, -57.0, -226.0, 221.0), strict=True))


def test_stars_that_no_parameters_bind_have_no_evidence(tmp_path):
    """A dozen stars at 2,000 km/s: the search finds that none of the prior holds them, and the file says so."""
    rng = np.random.default_rng(1)
    direction = rng.normal(size=(12, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    observed = study.Observed(7, np.hstack([80.0 * direction, 2000.0 * direction]), LMC)
    study.compute_evidence(tmp_path, observed, "nfw-lmc", 100_000)
    (path,) = tmp_path.glob("*.json")
    stored = json.loads(path.read_text())
    assert stored["log_evidence"] is None and stored["error"] == 0.0 and stored["seconds"] > 0
    before = path.read_bytes()
    study.compute_evidence(tmp_path, observed, "nfw-lmc", 100_000)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(ValueError, match=r"of versions .*100000\]: allowed is .*200000\]; a new folder"):
        study.compute_evidence(tmp_path, observed, "nfw-lmc", 200_000)


def store(folder, sim_id, logs, **changes):
    for model, log in zip(PHYSICS, logs, strict=True):
        content = {"log_evidence": None if log == -math.inf else log, "error": 0.0 if log == -math.inf else 0.5}
        content |= {"versions": study._versions(N_COUNTED), "seconds": 9.0, **changes.get(model, {})}
        text = json.dumps(content)
        (folder / f"{sim_id:06d}-{model}.json").write_text(text)


def test_complete_observations_are_read_described_and_embedded(tmp_path):
    task = get_task("models")
    ids = task.observations.sim_id[task.observations.rows("reference")][:4].tolist()
    store(tmp_path, ids[0], [-100.0, -math.inf, -101.0, -140.0, -103.0])
    store(tmp_path, ids[1], [-200.0] * 5, standard={"failed": "not found"})
    store(tmp_path, ids[3], [-300.0, -290.0, -310.0, -320.0, -330.0])
    found, stored = study.read_evidences(tmp_path, ids, N_COUNTED)
    assert found.sim_id.tolist() == [ids[0], ids[3]] and len(stored) == 2
    text = study.describe(task, found, stored)
    assert "2 observations, 9 s of a core" in text and "mean log score" in text and f"{ids[3]:>7}" in text
    write_evidences(found, tmp_path)
    kept = load_evidences(tmp_path)
    np.testing.assert_allclose(kept.compute_probabilities(), found.compute_probabilities(), atol=1e-5)
    assert kept.compute_probabilities()[1, 1] > 0.99 and kept.compute_probabilities()[0, 1] == 0.0
    assert study.describe(task, *study.read_evidences(tmp_path, ids[2:3], N_COUNTED)) == "no observation is complete"
    with pytest.raises(ValueError, match="of versions"):
        study.read_evidences(tmp_path, ids, 2 * N_COUNTED)


@pytest.mark.parametrize("row", [0])
def test_an_observation_is_what_the_task_gives(row, tmp_path, monkeypatch):
    task = get_task("models")
    rng = np.random.default_rng(2)
    from mwlmc_data.scoring.star_sets import StarSets

    stars, mask = rng.normal(size=(2, 5, 6)).astype(np.float32), np.arange(5) < np.array([[3], [5]])
    lmc = rng.normal(size=(2, 6)).astype(np.float32)
    task.observations.__dict__["x"] = StarSets(stars, mask, lmc)
    observed = study.take_observation(task, row)
    assert np.array_equal(observed.stars, stars[0, :3].astype(float)) and observed.stars.dtype == float
    assert list(observed.lmc.values()) == lmc[0].astype(float).tolist() and list(observed.lmc) == list(CARTESIAN_NAMES)
