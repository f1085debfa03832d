"""Baselines that learn from a few rows of the kind that is observed: what they mend, and what they leave alone."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.baselines import fine_tuned
from benchmarks.baselines import training as loop
from benchmarks.baselines.base import Baseline, Draws, Effort, find_baselines
from benchmarks.baselines.fine_tuned import FineTuned
from benchmarks.baselines.linear_calibration import LinearCalibration
from benchmarks.baselines.mdn import Mdn
from benchmarks.baselines.training import Training, use_one_thread
from mwlmc_data import Prior, get_task
from mwlmc_data.inference.encoding import Inputs, Scores
from mwlmc_data.scoring.observations import Split

THETA = ("m_lmc", "m200_mw", "log10_lambda_df")
SCORES = Scores(Prior("gaussian", THETA))


class Biased(Baseline):
    """Draws about the first three data, its own scores: too low by a half, and half as wide as they scatter."""

    title = source = "stand-in"

    def fit(self, task, seed=0):
        pass

    def sample(self, x, n, seed=0):
        noise = 0.2 * np.random.default_rng(seed).normal(size=(len(x), n, 3))
        return Draws.of(SCORES.inverse(x[:, None, :3] - 0.5 + noise))

    def state(self):
        return {}

    def restore(self, task, state):
        pass


def rows_of(n, seed, unknown=()):
    """Rows whose first three data are the scores of theta with a scatter of 0.4; `unknown` rows lack a friction."""
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(n, 3))
    theta = SCORES.inverse(u).astype(np.float32)
    theta[list(unknown), 2] = np.nan
    return Split(theta, (u + 0.4 * rng.normal(size=(n, 3))).astype(np.float32), np.arange(n, dtype=np.int32)), u


def problem(n, unknown=()):
    calibration, _ = rows_of(n, 1, unknown)
    return SimpleNamespace(id="stand-in", theta_names=THETA, prior=SCORES.prior, form="table", calibration=calibration)


def fitted(n, unknown=()):
    baseline = LinearCalibration()
    baseline.get_trained = lambda name, task, seed: Biased()
    baseline.fit(problem(n, unknown))
    return baseline


def test_only_they_accept_a_task_with_calibration_rows():
    task = get_task("summary-9")
    found = find_baselines()
    of_them = {name for name, kind in found.items() if kind.uses_calibration}
    assert of_them == {"linear-calibration", "fine-tuned"}
    assert not {name for name in of_them if found[name].accepts(task)}
    task.calibration = task.load_split("validation", 8)
    assert {name for name, kind in found.items() if kind.accepts(task)} == of_them


@pytest.mark.parametrize("kind", [LinearCalibration, FineTuned])
def test_a_task_without_calibration_rows_is_refused(kind):
    with pytest.raises(ValueError, match=r"task = 'summary-9@1\.0': allowed is one with a calibration split"):
        kind().fit(get_task("summary-9"))


def test_a_bias_and_a_width_are_mended():
    baseline, (seen, u) = fitted(400), rows_of(2000, 2)
    found = SCORES.forward(baseline.sample(seen.x, 200, seed=3).theta)
    away = found.mean(axis=1) - u
    assert abs(away.mean(axis=0)).max() < 0.1
    z = away / found.std(axis=1)
    assert np.sqrt(np.square(z).mean(axis=0)) == pytest.approx(1.0, abs=0.15)
    # noise in the data pulls the regression to the prior: the slope is var(u) / var(u + noise)
    assert baseline.coefficients[:, 1] == pytest.approx(1 / 1.16, abs=0.1)


def test_a_parameter_with_few_truths_is_left_as_it_is():
    baseline = fitted(20, unknown=range(15))
    assert baseline.coefficients[2].tolist() == [0.0, 1.0, 1.0]
    assert (baseline.coefficients[:2] != [0.0, 1.0, 1.0]).all()


@pytest.fixture(scope="module")
def task():
    """Rigid rows, and live ones whose LMCs are heavier by 0.8 scores and of which a third has no friction."""
    (train, _), (validation, _) = rows_of(400, 4), rows_of(100, 5)
    calibration, u = rows_of(64, 6, unknown=range(0, 64, 3))
    moved = SCORES.inverse(u + np.array([0.8, 0.0, 0.0])).astype(np.float32)
    moved[:, 2] = calibration.theta[:, 2]
    return SimpleNamespace(
        id="stand-in", theta_names=THETA, x_names=("x_lmc", "y_lmc", "z_lmc"), prior=SCORES.prior, form="table",
        train=train, validation=validation, calibration=Split(moved, calibration.x, calibration.sim_id),
    )  # fmt: skip


@pytest.fixture(scope="module")
def part(task):
    pytest.importorskip("torch")
    use_one_thread()
    mdn = Mdn(training=Training(epochs=10, learning_rate=5e-3, batch=50))
    mdn.fit(task)
    return mdn


class TestFineTuning:
    def tuned(self, task, part):
        baseline = FineTuned(Effort(fast=True))
        baseline.get_trained = lambda *_: part
        baseline.fit(task)
        return baseline

    def test_it_moves_towards_the_rows_and_stops_in_time(self, task, part):
        baseline = self.tuned(task, part)
        held_out = [loss for _, loss in baseline.history]
        assert 0 < baseline.steps <= 60 and len(held_out) == 61
        assert held_out[baseline.steps] == min(held_out) < held_out[0]
        seen, u = rows_of(200, 7)
        before, after = (
            (SCORES.forward(one.sample(seen.x, 100, seed=1).theta).mean(axis=1) - u).mean(axis=0)
            for one in (part, baseline)
        )
        assert after[0] - before[0] > 0.3 and abs(after[1] - before[1]) < 0.25

    def test_rows_without_a_friction_count_by_their_masses(self, task, part):
        """The loss is that of the marginal density, integrated here over the friction."""
        net, inputs = fine_tuned._build(part.state(), 3), Inputs.from_state(part.state(), task.x_names)
        x = loop.to_tensor(inputs(task.calibration.x[:1]))
        marginal = net.loss(loop.to_tensor([[0.3, -0.2, 0.0]]), loop.to_tensor([[1.0, 1.0, 0.0]]), x).item()
        steps = np.linspace(-12.0, 12.0, 4001)
        u = loop.to_tensor(np.column_stack([np.full(4001, 0.3), np.full(4001, -0.2), steps]))
        joint = -net.loss(u, loop.to_tensor(np.ones((4001, 3))), x.expand(4001, -1)).detach().numpy().astype(float)
        assert marginal == pytest.approx(-np.log(np.trapezoid(np.exp(joint), steps)), abs=1e-3)

    def test_too_few_rows_and_truths_out_of_order_are_refused(self, task, part):
        rows = task.calibration
        few = Split(rows.theta[:7], rows.x[:7], rows.sim_id[:7])
        with pytest.raises(ValueError, match="rows of calibration = 7: allowed is 8 or more"):
            self.tuned(SimpleNamespace(**{**vars(task), "calibration": few}), part)
        theta = rows.theta.copy()
        theta[1, 1:] = [np.nan, 0.0]
        odd = Split(theta, rows.x, rows.sim_id)
        with pytest.raises(ValueError, match="theta of calibration = NaN in front of a number"):
            self.tuned(SimpleNamespace(**{**vars(task), "calibration": odd}), part)
