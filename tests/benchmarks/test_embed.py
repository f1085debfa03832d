"""What is put into the package is what was made, under its hash, and nothing else is."""

import json
import shutil

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import embed
from benchmarks.baselines.base import create
from benchmarks.sets import SimulationSet
from benchmarks.suite import models
from benchmarks.suite.jobs import Job
from mwlmc_data import get_task, release, scoring
from mwlmc_data.inference.posterior import NETWORKS
from mwlmc_data.scoring import embedded, limits
from mwlmc_data.scoring.submission import write_submission
from mwlmc_data.scoring.task import Task
from tests.scoring.entries import prior_samples


@pytest.fixture
def run(tmp_path):
    """A folder of the suite that holds the embedded networks as it would have trained them."""
    out = tmp_path / "run"
    for config, name in NETWORKS.items():
        task = get_task("summary-9") if config == "gaussian" else SimulationSet(config)
        about = {**models.identity(create("nle"), task, embed.SEED), "n_parameters": 1, "cpu_seconds": 2.0}
        state = models.read_arrays(embedded.verified(name))
        models.write(out / "models" / task.id / f"nle-s{embed.SEED}.safetensors", state, about)
    return out


def test_networks_are_copied_registered_and_say_what_they_are(run, tmp_path):
    written = embed.embed_networks(run, tmp_path / "data")
    assert [path.name for path in written] == ["posterior-gaussian.safetensors", "posterior-wide.safetensors"]
    for (config, name), path in zip(NETWORKS.items(), written, strict=True):
        assert embedded.verified(name, tmp_path / "data") == path
        about = models.read_about(path)
        assert about["data_sha256"] == release.entry_of(config)["sha256"] and len(about["x_names"]) == 9
        assert about["simulations"] == embedded.load_registry(tmp_path / "data")[name]["rows"]
        for key, values in models.read_arrays(embedded.verified(name)).items():
            np.testing.assert_array_equal(models.read_arrays(path)[key], values)


def test_a_run_without_them_or_of_another_version_is_refused(run, tmp_path, capsys):
    path = run / "models" / "wide" / "nle-s0.safetensors"
    models.write(path, models.read_arrays(path), {**models.read_about(path), "fast": True})
    with pytest.raises(ValueError, match="fast is True; allowed: False"):
        embed.embed_networks(run, tmp_path / "data")
    path.unlink()
    assert command.main(["embed", "--run", str(run)]) == 2
    assert "nle-s0.safetensors does not exist" in capsys.readouterr().err
    assert command.main(["embed"]) == 2
    assert "allowed: --run, --references or both" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_the_limit_is_the_scores_of_the_networks_entry_row_by_row(tmp_path, monkeypatch):
    monkeypatch.setattr(Task, "n_draws", 16)
    task = get_task("summary-9")
    draws, truth = prior_samples(task), task.observations.theta.astype(float)
    home = Job("summary-9", "nle", embed.SEED).entry(tmp_path / "run")
    about = {"method": "m", "seeds": [0], "cost": {"cpu_seconds": 1, "simulations": 0, "parameters": 0}, "code": "c"}
    write_submission(home, task, draws, task.prior.log_prob(truth), **about)
    (tmp_path / "data").mkdir()
    path = embed.embed_limit(tmp_path / "run", tmp_path / "data")
    assert path == embedded.verified("yardstick", tmp_path / "data")
    limit, rows = limits.load_limit(tmp_path / "data"), task.observations.rows("fixed")
    assert np.array_equal(limit.sim_id, task.observations.sim_id[rows])
    energy = scoring.energy_score(draws[rows], truth[rows], task.scale)
    assert limit.energy_score == pytest.approx(energy, rel=1e-5)
    nats = -(task.prior.log_prob(truth[rows]) + np.log(1e21))
    assert limit.neg_log_posterior == pytest.approx(nats, rel=1e-5)
    assert 0.2 < limit.energy_score_excess[0] < 0.4 and 1.2 < limit.nats_excess[0] < 2.0


def test_references_are_copied_and_a_foreign_file_is_not(tmp_path):
    (tmp_path / "data").mkdir()
    source = tmp_path / "made.parquet"
    shutil.copyfile(embedded.verified("references"), source)
    path = embed.embed_references(source, tmp_path / "data")
    assert path.read_bytes() == source.read_bytes()
    assert json.loads((tmp_path / "data" / "benchmark.json").read_text())["references"]["rows"] == 103
    source.write_bytes(b"no table")
    with pytest.raises(release.DamagedFileError):
        embed.embed_references(source, tmp_path / "data")
    assert embedded.verified("references", tmp_path / "data") == path
