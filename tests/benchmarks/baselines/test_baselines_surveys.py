"""Networks of sets on observed stars: what they learn; order, padding and what is not measured do not matter."""

import dataclasses
from functools import cached_property

import numpy as np
import pytest

from benchmarks.baselines.base import create
from benchmarks.baselines.star_features import CHANNELS, N_FEATURES, compute_features, pack
from benchmarks.baselines.training import Training, use_one_thread
from mwlmc_data.rewinding.observed import observe_stars
from mwlmc_data.scoring.observations import Split
from mwlmc_data.scoring.star_surveys import SurveySets
from mwlmc_data.simulator.constants import SUN_VELOCITY
from tests.helpers.observed_stars import make_errors
from tests.helpers.star_tasks import StarTask

torch = pytest.importorskip("torch")


def observe(split):
    """The same stars, observed with small errors; a third have no v_los, a third no proper motions."""
    n, m = split.x.mask.shape
    flat = split.x.stars.reshape(-1, 6).astype(float)
    flat[:, :3] += 1e-3  # padding too has a direction
    errors = make_errors(n * m, 0.02, 5.0, 0.01)
    third = np.arange(n * m) % 3
    errors.v_los[third == 0] = np.nan
    errors.pm_l[third == 1] = errors.pm_b[third == 1] = np.nan
    seen = observe_stars(flat, errors, np.random.default_rng(n))
    stars = np.stack([seen.l, seen.b, seen.distance, *np.nan_to_num(seen.motions).T], axis=1)
    sizes = np.stack([seen.e_distance * seen.distance, seen.e_v_los, seen.e_pm_l, seen.e_pm_b, seen.corr], axis=1)
    shaped = (values.reshape(n, m, -1).astype(np.float32) for values in (stars, sizes))
    x = SurveySets(next(shaped), split.x.mask, split.x.lmc, next(shaped), seen.measured.reshape(n, m, 3))
    return dataclasses.replace(split, x=x)


class SurveyTask(StarTask):
    form = "survey"

    @cached_property
    def train(self) -> Split:
        return observe(self._split(self.n, 0))

    @cached_property
    def validation(self) -> Split:
        return observe(self._split(120, 1))


@pytest.fixture(scope="module")
def task():
    return SurveyTask(n=1200, form="survey")


@pytest.fixture(scope="module", params=("deepsets", "set-transformer"))
def trained(request, task):
    use_one_thread()
    epochs = 12 if request.param == "deepsets" else 4
    baseline = type(create(request.param))(training=Training(epochs=epochs, learning_rate=3e-3, batch=50))
    assert type(baseline).accepts(task) and not type(create("bins-mdn")).accepts(task)
    baseline.fit(task, seed=1)
    return baseline


def test_they_learn_from_observed_stars(trained, task):
    seen = task.validation
    gain = trained.log_prob(seen.theta, seen.x) - task.prior.log_prob(seen.theta.astype(float))
    assert gain.mean() > 1.0


def test_order_padding_and_what_is_not_measured_leave_the_posterior_unchanged(trained, task):
    rng, few = np.random.default_rng(0), slice(0, 6)
    x, theta = task.validation.x[few], task.validation.theta[few]
    right = trained.log_prob(theta, x)
    order = np.argsort(rng.random(x.mask.shape), axis=1)
    rows = np.arange(6)[:, None]
    stars, mask, errors, measured = (values[rows, order] for values in (x.stars, x.mask, x.errors, x.measured))
    turned = SurveySets(stars, mask, x.lmc, errors, measured)
    np.testing.assert_allclose(trained.log_prob(theta, turned), right, atol=3e-4)
    stars, errors = x.stars.copy(), x.errors.copy()
    stars[~x.mask], errors[~x.mask] = np.nan, 9.0
    stars[..., 3:][~x.measured & x.mask[..., None]] = 300.0
    errors[..., 1:4][~x.measured & x.mask[..., None]] = 7.0
    other = SurveySets(stars, x.mask, x.lmc, errors, x.measured)
    np.testing.assert_allclose(trained.log_prob(theta, other), right, atol=3e-4)
    blind = SurveySets(x.stars, x.mask, x.lmc, x.errors, np.zeros_like(x.measured))
    assert np.abs(trained.log_prob(theta, blind) - right).max() > 0.1
    restored = type(trained)()
    restored.restore(task, trained.state())
    np.testing.assert_allclose(restored.log_prob(theta, x), right, atol=1e-5)


def test_features_take_off_the_motion_of_the_sun(task):
    """A star at rest in the Galaxy has no velocity, wherever it is seen."""
    stars = np.hstack([np.random.default_rng(1).normal(0.0, 60.0, (50, 3)), np.zeros((50, 3))])
    seen = observe_stars(stars, make_errors(50, 0.0, 0.0, 0.0), np.random.default_rng(0))
    numbers = np.zeros((1, 50, CHANNELS["survey"]), np.float32)
    numbers[0, :, :6] = np.stack([seen.l, seen.b, seen.distance, *seen.motions.T], axis=1)
    numbers[0, :, 11:] = 1.0
    found = compute_features(torch.as_tensor(numbers), torch.zeros(1, 6)).numpy()[0]
    assert found.shape == (50, N_FEATURES["survey"]) and np.abs(seen.v_los).max() > 0.5 * np.linalg.norm(SUN_VELOCITY)
    assert found[:, 5:8] == pytest.approx(0.0, abs=1e-4) and found[:, :3] == pytest.approx(seen.basis[:, 0], abs=1e-5)
    assert found[:, 3] == pytest.approx(np.log(seen.distance / 70.0), abs=1e-5)


def test_errors_that_are_no_numbers_are_refused(task):
    x = task.validation.x[:2]
    errors = x.errors.copy()
    errors[1, 0, 0] = np.inf
    with pytest.raises(ValueError, match="x = errors that are not finite"):
        pack(SurveySets(x.stars, x.mask, x.lmc, errors, x.measured))
