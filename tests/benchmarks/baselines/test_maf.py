"""The paper's estimator on the synthetic catalogue: it learns, repeats, respects the prior and leaves no files."""

import os

import numpy as np
import pytest
from scipy import integrate

from benchmarks.baselines.maf import Maf
from benchmarks.baselines.training import Training, mean_loss, to_tensor
from benchmarks.common.features import SCALE
from benchmarks.paper.evaluate import evaluate, infer_case
from mwlmc_data.inference.encoding import Scores
from tests.helpers.synthetic_cases import synthetic_cases

pytest.importorskip("sbi", reason="sbi is not installed: the estimator cannot be trained")


def test_it_is_the_papers_network(trained):
    """5 transforms of 50 hidden units: input, context and two masked layers each, then shift and scale."""
    d, c, h = 3, 10, 50
    one = (d * h + h) + (c * h + h) + 2 * (h * h + h + c * h + h) + (h * 2 * d + 2 * d)
    assert trained.n_parameters in range(5 * (one - 4 * c * h), 5 * one + 1)


def test_training_keeps_the_best_epoch(trained, problem):
    losses = np.array(trained.history)
    held_out = problem.validation
    kept = mean_loss(trained._net, (trained._tensor(held_out.theta), to_tensor(trained._inputs(held_out.x))))
    assert kept == pytest.approx(losses[:, 1].min(), abs=1e-5)
    assert losses[-1, 0] < losses[0, 0] - 0.3


def test_it_beats_the_prior_by_the_same_score(trained, problem):
    e = evaluate(trained, problem, n_draws=200)
    assert e.log_score.gain > 5 * e.log_score.gain_error
    assert e.contraction[0] > 0.2
    assert e.n_incomplete == 0 and 0 < e.acceptance.min() <= e.acceptance.max() <= 1
    found = e.as_dict()
    prior = -problem.prior.log_prob(problem.test.theta).mean() - np.log(1e21)
    assert found["negative_log_posterior"]["prior"] == pytest.approx(prior)
    assert sum(found["ranks"]["m_lmc"]["histogram"]) == len(problem.test)


def test_same_seed_same_weights_and_draws(problem, trained):
    again = Maf(training=Training(max_epochs=25, batch=50))
    again.fit(problem, seed=1)
    np.testing.assert_array_equal(again.history, trained.history)
    x = problem.test.x[:3]
    np.testing.assert_array_equal(again.sample(x, 50, seed=5).theta, trained.sample(x, 50, seed=5).theta)
    assert (trained.sample(x, 50, seed=6).theta != trained.sample(x, 50, seed=5).theta).any()


def volume_under(log_density, axes):
    """Integral of exp(log_density(points)) over the box that the axes span."""
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    total = np.exp(log_density(grid.reshape(-1, 3))).reshape(grid.shape[:-1])
    for axis in reversed(axes):
        total = integrate.simpson(total, x=axis, axis=-1)
    return total


def test_draws_respect_the_prior_and_the_density_is_normalised_there(trained, problem):
    x = problem.test.x[:1]
    low, high = np.array(list(problem.prior.support.values())).T
    drawn = trained.sample(x, 4000, seed=3)
    assert ((drawn.theta >= low) & (drawn.theta <= high)).all()

    def log_density(scaled):
        every = np.repeat(x, len(scaled), axis=0), np.full(len(scaled), drawn.acceptance[0])
        return trained.log_prob(scaled * SCALE, *every) + np.log(SCALE).sum()

    axes = [np.linspace(lo, hi, 61) for lo, hi in zip(low / SCALE, [60.0, 60.0, 1.0], strict=True)]
    assert volume_under(log_density, axes) == pytest.approx(1.0, abs=0.05)
    assert log_density(np.array([[1.0, 10.0, 0.0]]))[0] == -np.inf
    # Without the mass inside the walls, it estimates that mass itself.
    known, estimated = (trained.log_prob(problem.test.theta[:1], x, a) for a in (drawn.acceptance, None))
    assert estimated == pytest.approx(known, abs=0.05)


def test_the_bounded_flow_cannot_leak_and_its_density_is_normalised(problem):
    estimator = Maf(training=Training(max_epochs=8, batch=50), bounded=True)
    estimator.fit(problem, seed=1)
    x, scores = problem.test.x[:1], Scores(problem.prior)
    drawn = estimator.sample(x, 500, seed=3)
    assert drawn.acceptance[0] == 1 and drawn.complete[0]

    def log_density(u):
        # In the scores, where the density has no peaks at the walls: divided by |du / dtheta|.
        theta = scores.inverse(u)
        raw = estimator.log_prob(theta, np.repeat(x, len(u), axis=0))
        return raw - problem.prior.log_prob(theta) - 0.5 * (u**2 + np.log(2 * np.pi)).sum(axis=1)

    axes = [np.linspace(-4.5, 4.5, 61)] * 3
    assert volume_under(log_density, axes) == pytest.approx(1.0, abs=0.02)


def test_a_case_inside_the_prior_is_inferred_and_one_far_outside_stops(trained):
    results = {name: infer_case(trained, case, 500) for name, case in synthetic_cases().items()}
    summary = results["rigid"].summaries["m_lmc"]
    assert summary.truth == pytest.approx(18.0) and abs(summary.z) < 3.5
    far = results["far"]
    assert 0 <= far.acceptance <= 1
    assert far.summaries or "no posterior" in far.list_misses()[0]


def test_training_leaves_no_files_behind(problem, tmp_path, monkeypatch):
    """sbi's own loop writes a folder of logs where the program is run."""
    monkeypatch.chdir(tmp_path)
    Maf(training=Training(max_epochs=1)).fit(problem)
    assert os.listdir(tmp_path) == []


def test_limits_of_the_training_are_respected_and_reported(problem):
    estimator = Maf(training=Training(max_epochs=2))
    estimator.fit(problem)
    assert estimator.outcome.stopped_by == "epochs" and len(estimator.history) == 2
    estimator = Maf(training=Training(epochs=3))
    estimator.fit(problem)
    assert estimator.outcome.stopped_by == "epochs" and len(estimator.history) == 3


def test_an_untrained_estimator_says_so():
    with pytest.raises(RuntimeError, match="call fit first"):
        Maf().sample(np.zeros((1, 9)), 5)
