"""The package embeds exactly what was trained, under its hash."""

import json
import shutil

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks.baselines.base import Effort
from benchmarks.embedded import deconvolution, embed
from benchmarks.embedded.deconvolution import Rows
from benchmarks.suite import models
from benchmarks.suite.jobs import Job
from mwlmc_data import get_task, scoring
from mwlmc_data.dataset import release
from mwlmc_data.inference.networks import NETWORKS
from mwlmc_data.inference.targets import TARGETS
from mwlmc_data.scoring import yardstick
from mwlmc_data.scoring.submission import write_submission
from mwlmc_data.scoring.task import Task
from mwlmc_data.storage import embedded
from mwlmc_data.storage.errors import DamagedFileError
from tests.helpers.example_entries import prior_samples

NOISE = np.array([[4.0, 1.0, 0.0], [1.0, 5.0, -2.0], [0.0, -2.0, 16.0]])


@pytest.fixture
def networks(tmp_path):
    """A folder that holds the embedded networks in the form that the training writes."""
    folder = tmp_path / "networks"
    for key, name in NETWORKS.items():
        about = deconvolution.identity(*key, deconvolution.SEED, Effort())
        state = models.read_arrays(embedded.verify_file(name) or embedded.verify_file("posterior-wide"))
        path = folder / f"{name.removeprefix('posterior-')}-s{deconvolution.SEED}.safetensors"
        models.write(path, state, {**about, "simulations": 7, "history": []})
    return folder


def test_networks_are_copied_registered_and_described(networks, tmp_path):
    written = embed.embed_networks(networks, tmp_path / "data")
    of_totals = [
        *("posterior-gaussian", "posterior-gaussian-50-100", "posterior-gaussian-50-300"),
        *("posterior-wide", "posterior-wide-50-100", "posterior-wide-50-300"),
    ]
    assert [path.stem for path in written] == [*of_totals, *(f"{name}-within-50" for name in of_totals)]
    for ((config, *_), name), path in zip(NETWORKS.items(), written, strict=True):
        assert embedded.verify_file(name, tmp_path / "data") == path
        about = models.read_about(path)
        assert about["data_sha256"] == release.get_entry(config)["sha256"] and "history" not in about
        assert about["simulations"] == embedded.load_registry(tmp_path / "data")[name]["rows"] == 7
        source = embedded.verify_file(name) or embedded.verify_file("posterior-wide")
        for key, values in models.read_arrays(source).items():
            np.testing.assert_array_equal(models.read_arrays(path)[key], values)


def test_some_networks_may_be_chosen(networks, tmp_path):
    written = embed.embed_networks(networks, tmp_path / "data", chosen=[("wide", (50.0, 300.0), "total")])
    assert [path.stem for path in written] == ["posterior-wide-50-300"]
    assert list(embedded.load_registry(tmp_path / "data")) == ["posterior-wide-50-300"]


def test_a_network_is_trained_again_only_if_it_is_of_another_training(networks, monkeypatch):
    asked = []

    def stop(training, *rest):
        asked.append(rest[1])
        raise InterruptedError

    monkeypatch.setattr(deconvolution, "train", stop)
    for key in NETWORKS:
        assert deconvolution.get(networks, *key).parent == networks
    assert asked == []
    path = networks / "wide-50-100-s0.safetensors"
    models.write(path, models.read_arrays(path), {**models.read_about(path), "version": 0})
    with pytest.raises(InterruptedError):
        embed.embed_networks(networks)
    assert asked == ["wide"]
    with pytest.raises(InterruptedError):
        deconvolution.get(networks, "gaussian", seed=1)


def test_naming_nothing_is_refused(capsys):
    assert command.main(["embed"]) == 2
    assert "allowed is --networks, --references or --run" in capsys.readouterr().err


@pytest.fixture(scope="module")
def world():
    """Scores, and rows whose true vectors are far narrower than their noise, which differs from row to row."""
    rng = np.random.default_rng(5)
    real = Rows.load("test", "gaussian").first(1500)
    scores = deconvolution.Scores(deconvolution.make_prior("gaussian", TARGETS["total"])).forward(real.theta)
    scale = rng.uniform(0.3, 3.0, size=(len(real), 1, 1))
    covariance = scale * NOISE
    true = 8.0 * scores + [5.0, 5.0, -30.0] + rng.normal(size=scores.shape)
    noise = np.einsum("nij,nj->ni", np.linalg.cholesky(covariance), rng.normal(size=scores.shape))
    return scores, Rows(real.theta, real.lmc, true + noise, covariance)


@pytest.fixture(scope="module")
def likelihood(world):
    rows = world[1]
    return deconvolution.train(rows.first(1200), rows.where(slice(1200, None)), "gaussian", effort=Effort(fast=True))[0]


class TestTraining:
    def test_it_learns_the_density_of_the_true_vectors(self, world, likelihood):
        """Means near the truth, and covariances near the true scatter of 1 km/s where the noise's is up to 48."""
        scores, rows = world
        held_out = slice(1200, None)
        log_weight, mean, covariance = likelihood.components(scores[held_out], rows.lmc[0])
        weight = np.exp(log_weight)
        centre = np.einsum("nk,nki->ni", weight, mean)
        wrong = np.abs(centre - (8.0 * scores[held_out] + [5.0, 5.0, -30.0]))
        assert np.median(wrong, axis=0).max() < 1.0
        scatter = np.einsum("nk,nkii->ni", weight, covariance)
        assert np.median(scatter, axis=0).max() < 6.0 and np.linalg.eigvalsh(covariance).min() > 0

    def test_numpy_evaluates_the_loss_that_torch_trained(self, world):
        import torch

        from benchmarks.baselines import training as loop
        from mwlmc_data.inference.mixture import DeconvolvedMixture

        torch.manual_seed(1)
        net = deconvolution.define_network()((9, 16, 16), 3, 3, 0.0)
        rng = np.random.default_rng(2)
        u, x = rng.normal(size=(50, 3)), rng.normal(size=(50, 9))
        noise = rng.uniform(0.01, 2.0, size=(50, 1, 1)) * NOISE
        packed = np.concatenate([u, noise[:, *np.triu_indices(3)]], axis=1)
        loss = net.loss(loop.to_tensor(packed), loop.to_tensor(x)).detach().numpy()
        found = DeconvolvedMixture.from_state(loop.state_of(net), 3).log_prob(u, x, noise)
        np.testing.assert_allclose(found, -loss, rtol=1e-4, atol=1e-4)

    def test_the_same_seed_gives_the_same_network(self, world):
        rows = world[1].first(200)
        one, two, other = (
            deconvolution.train(rows, rows, "gaussian", seed, Effort(fast=True))[0].state() for seed in (3, 3, 4)
        )
        assert all(np.array_equal(one[name], two[name]) for name in one)
        assert not np.array_equal(one["layers.0.weight"], other["layers.0.weight"])
        np.testing.assert_allclose(one["halo_covariance"], rows.covariance.mean(axis=0))


def test_the_limit_holds_the_network_scores_row_by_row(tmp_path, monkeypatch):
    monkeypatch.setattr(Task, "n_draws", 16)
    task = get_task("summary-9")
    draws, truth = prior_samples(task), task.observations.theta.astype(float)
    home = Job("summary-9", "nle", embed.SEED).entry_path(tmp_path / "run")
    about = {"method": "m", "seeds": [0], "cost": {"cpu_seconds": 1, "simulations": 0, "parameters": 0}, "code": "c"}
    write_submission(home, task, draws, task.prior.log_prob(truth), **about)
    (tmp_path / "data").mkdir()
    path = embed.embed_limit(tmp_path / "run", tmp_path / "data")
    assert path == embedded.verify_file("yardstick", tmp_path / "data")
    limit, rows = yardstick.load_limit(tmp_path / "data"), task.observations.rows("fixed")
    assert np.array_equal(limit.sim_id, task.observations.sim_id[rows])
    energy = scoring.energy_score(draws[rows], truth[rows], task.scale)
    assert limit.energy_score == pytest.approx(energy, rel=1e-5)
    nats = -(task.prior.log_prob(truth[rows]) + np.log(1e21))
    assert limit.neg_log_posterior == pytest.approx(nats, rel=1e-5)
    assert 0.2 < limit.energy_score_excess[0] < 0.4 and 1.2 < limit.nats_excess[0] < 2.0


def test_references_are_copied_and_a_foreign_file_is_not(tmp_path):
    (tmp_path / "data").mkdir()
    source = tmp_path / "references.parquet"
    shutil.copyfile(embedded.verify_file("references"), source)
    path = embed.embed_references(source, tmp_path / "data")
    assert path.read_bytes() == source.read_bytes()
    assert json.loads((tmp_path / "data" / "benchmark.json").read_text())["references"]["rows"] == 103
    source.write_bytes(b"no table")
    with pytest.raises(DamagedFileError):
        embed.embed_references(source, tmp_path / "data")
    assert embedded.verify_file("references", tmp_path / "data") == path
    other = source.with_name("references-of-mine.parquet")
    shutil.copyfile(path, other)
    with pytest.raises(ValueError, match="allowed is references, references-50-100, references-24, references-stars"):
        embed.embed_references(other, tmp_path / "data")
