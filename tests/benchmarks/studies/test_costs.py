"""The table of costs: what is read from a run and from posteriors by the likelihood, and what is printed."""

import dataclasses
import json
import math

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks.studies import costs
from mwlmc_data import Prior, get_task, scoring
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.scoring import task as task_module
from mwlmc_data.scoring.references import ReferenceSet
from mwlmc_data.scoring.submission import write_submission

TASK = "stars-budget-1000"


@pytest.fixture
def exact(monkeypatch):
    """Posteriors of four observations, narrow about the truth, at 30 to 60 s each; one more is not certified."""
    rng, observations = np.random.default_rng(1), get_task(TASK).observations
    rows = np.flatnonzero(observations.group == "reference")[:5]
    truth = observations.theta[rows].astype(np.float64)
    references = ReferenceSet(
        names=tuple(f"test-{i:06d}" for i in observations.sim_id[rows]),
        kinds=("test",) * 5,
        sim_id=observations.sim_id[rows],
        samples=(truth[:, None] * (1.0 + 0.01 * rng.standard_normal((5, 1000, 3)))).astype(np.float32),
        log_prob_truth=np.full(5, -2.0 - np.log(1e21)),
        certified=np.arange(5) < 4,
    )
    monkeypatch.setattr(costs, "_load_exact", lambda task: (references, np.array([30.0, 30.0, 40.0, 60.0, 1e9])))
    return rows[:4]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with one entry, draws of the prior, that says it trained for 60 s and drew for 5.5."""
    monkeypatch.setattr(task_module.Task, "n_draws", 50)
    task = get_task(TASK)
    n = len(task.observations)
    drawn = Prior("gaussian", FREE).sample(n * task.n_draws, seed=2)
    values = np.stack([drawn[name].to_numpy() for name in FREE], axis=1).reshape(n, task.n_draws, 6)
    log_prob = task.prior.log_prob(task.observations.theta)
    cost = {"cpu_seconds": 65.5, "simulations": 1100, "parameters": 9}
    write_submission(
        tmp_path / "entries" / TASK / "guess-s0", task, values[..., :3], log_prob, other_samples=values[..., 3:],
        method="Guess", seeds=[0], cost=cost, code="a test",
    )  # fmt: skip
    stored = {"baseline": "guess", "seed": 0, "model": {"cpu_seconds": 60.0}, "manifest": {"cost": cost}}
    path = tmp_path / "results" / TASK / "guess-s0.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(stored))
    return tmp_path, values


def test_costs_and_gaps_are_those_of_the_entries(run, exact):
    folder, values = run
    (first, guess), n = costs.measure(folder, TASK)
    assert n == 4 and first.method == costs.LIKELIHOOD and (first.training, first.drawing) == (0.0, 40.0)
    assert guess.training == 60.0 and guess.drawing == pytest.approx(5.5 / 1100)
    task, rows = get_task(TASK), exact
    samples, truth = values[rows][..., :3].astype(float), task.observations.theta[rows].astype(float)
    own = scoring.energy_score(samples, truth, task.scale).mean()
    assert guess.energy_score == pytest.approx(own) and guess.gap == pytest.approx(own - first.energy_score)
    of_prior = task.prior.log_prob(task.observations.theta[rows]) + np.log(1e21)
    assert guess.gap_nats == pytest.approx(-2.0 - of_prior.mean()) and guess.gap_error > 0
    text = costs.describe([first, guess], n, 1100)
    assert "4 observations" in text and "8,000 times faster" in text and "as much as 1.5 posteriors" in text
    assert "times faster" not in costs.describe([first, dataclasses.replace(guess, training=0.0)], n, 1100)
    line = next(line for line in text.splitlines() if line.startswith("guess-s0"))
    assert line.split()[-1] == "2", "the second halo pays the training"
    assert math.ceil(60.0 / (40.0 - 0.005)) == 2


def test_the_posteriors_are_the_embedded_references():
    references, seconds = costs._load_exact(get_task(TASK))
    assert len(references) == len(seconds) == 100 and 10.0 < np.median(seconds) < 1000.0


def test_what_is_missing_is_said(tmp_path, capsys):
    assert command.main(["costs", "--run", str(tmp_path)]) == 2
    assert f"allowed is a folder with results of {TASK}" in capsys.readouterr().err
    for task in ("summary-9", "models"):
        assert command.main(["costs", "--run", str(tmp_path), "--task", task]) == 2
        assert "allowed is one of stars with references" in capsys.readouterr().err
