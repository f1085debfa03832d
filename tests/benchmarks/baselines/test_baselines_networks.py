"""Networks on a problem whose posterior is known: linear in the normal scores of the prior, with Gaussian noise."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats

from benchmarks.baselines.base import Effort, create
from benchmarks.baselines.training import Training
from mwlmc_data import Prior
from mwlmc_data.inference.encoding import Scores
from mwlmc_data.scoring.observations import Split
from mwlmc_data.simulator.frames import spherical_angles

pytest.importorskip("sbi", reason="sbi is not installed: the networks cannot be built")

THETA = ("m_lmc", "m200_mw", "log10_lambda_df")
SLOPE = np.array([[40.0, 10.0, -5.0], [-15.0, 30.0, 5.0], [5.0, -10.0, 25.0]])  # km/s per score
OF_LMC = np.array([[3.0, 0.0], [0.0, -2.0], [1.0, 1.0]])  # km/s per kpc
CENTRE = np.array([20.0, -220.0, 180.0])  # km/s, far from 0 beside the spread: the apex then has no wrap
NOISE = np.array([25.0, 20.0, 30.0])  # km/s
SETTINGS = {
    "fmpe": Training(epochs=30, learning_rate=3e-3, batch=200),
    "npse": Training(epochs=30, learning_rate=3e-3, batch=200),
    "nle": Training(epochs=20, learning_rate=3e-3, batch=200),
}


@dataclass
class LinearTask:
    """Has the attributes of a task, and the exact posterior: a Gaussian of the scores."""

    n: int = 4000
    id: str = "linear"
    theta_names: tuple = THETA
    x_names: tuple = ("x_lmc", "vx_lmc", "v_travel", "l_apex", "b_apex")

    def __post_init__(self):
        self.prior = Prior("gaussian", list(THETA))
        self.train, self.validation, self.test = (self._split(n, i) for i, n in enumerate((self.n, 500, 60)))

    def _split(self, n, seed):
        rng = np.random.default_rng(seed)
        u, lmc = rng.normal(size=(n, 3)), rng.normal(size=(n, 2)) * [4.0, 6.0]
        travel = CENTRE + u @ SLOPE.T + lmc @ OF_LMC.T + rng.normal(size=(n, 3)) * NOISE
        x = np.column_stack([lmc, np.linalg.norm(travel, axis=1), *spherical_angles(travel)])
        columns = [("x_lmc", "vx_lmc", "v_travel", "l_apex", "b_apex").index(name) for name in self.x_names]
        return Split(Scores(self.prior).inverse(u), x[:, columns], np.arange(n))

    def exact(self, x):
        """Means (k, 3) and covariance of the scores."""
        lon, lat = np.radians(x[:, 3:]).T
        travel = x[:, [2]] * np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
        weighted = SLOPE.T / NOISE**2
        covariance = np.linalg.inv(np.eye(3) + weighted @ SLOPE)
        return (travel - CENTRE - x[:, :2] @ OF_LMC.T) @ weighted.T @ covariance, covariance


@pytest.fixture(scope="module")
def task():
    return LinearTask()


@pytest.fixture(scope="module", params=SETTINGS)
def trained(request, task):
    baseline = create(request.param)
    baseline.training = SETTINGS[request.param]
    baseline.fit(task, seed=1)
    return baseline


def density_of_scores(baseline, task, u, x):
    """Log density per unit of the scores, which needs no Jacobian."""
    theta = Scores(task.prior).inverse(u)
    found = baseline.log_prob(theta, np.broadcast_to(x, (len(u), x.shape[-1])))
    return found - task.prior.log_prob(theta) + stats.norm.logpdf(u).sum(axis=1)


def test_the_density_of_the_truth_is_near_the_exact_one(trained, task):
    means, covariance = task.exact(task.test.x)
    u = Scores(task.prior).forward(task.test.theta)
    exact = stats.multivariate_normal(cov=covariance).logpdf(u - means)
    loss = exact - density_of_scores(trained, task, u, task.test.x)
    prior = exact - stats.norm.logpdf(u).sum(axis=1)
    assert prior.mean() > 1.0  # what there is to learn
    assert -0.05 < loss.mean() < 0.1 * prior.mean()


def test_draws_have_the_moments_of_the_exact_posterior(trained, task):
    x = task.test.x[:20]
    means, covariance = task.exact(x)
    draws = trained.sample(x, 500, seed=2)
    assert draws.theta.shape == (20, 500, 3) and draws.complete.all() and (draws.acceptance == 1).all()
    whitened = (Scores(task.prior).forward(draws.theta) - means[:, None]) @ np.linalg.inv(
        np.linalg.cholesky(covariance)
    ).T
    assert np.sqrt(np.square(whitened.mean(axis=1)).mean()) < 0.35
    within = np.mean([np.cov(w.T) for w in whitened], axis=0)
    np.testing.assert_allclose(within, np.eye(3), atol=0.25)


def test_the_density_is_normalised_and_that_of_the_draws(trained, task):
    x = task.test.x[0]
    (mean,), covariance = task.exact(x[None])
    offsets = np.linspace(-5.0, 5.0, 15)
    cube = np.stack(np.meshgrid(offsets, offsets, offsets, indexing="ij"), axis=-1).reshape(-1, 3)
    root = np.linalg.cholesky(covariance)
    log_q = density_of_scores(trained, task, mean + cube @ root.T, x)
    cell = (offsets[1] - offsets[0]) ** 3 * np.linalg.det(root)
    mass = np.exp(log_q) * cell
    assert mass.sum() == pytest.approx(1.0, abs=0.02)
    own = Scores(task.prior).forward(trained.sample(x[None], 3000, seed=3).theta[0])
    assert -density_of_scores(trained, task, own, x).mean() == pytest.approx(-mass @ log_q, abs=0.08)


def test_a_restored_baseline_is_the_same(trained, task):
    state = {key: values.copy() for key, values in trained.state().items()}
    assert all(isinstance(values, np.ndarray) and values.dtype != object for values in state.values())
    again = create(trained.name)
    again.restore(task, state)
    assert again.n_parameters == trained.n_parameters > 1000
    x, theta = task.test.x[:4], task.test.theta[:4]
    np.testing.assert_array_equal(again.log_prob(theta, x), trained.log_prob(theta, x))
    np.testing.assert_array_equal(again.sample(x, 7, seed=4).theta, trained.sample(x, 7, seed=4).theta)
    assert again.state().keys() == state.keys()
    for key, values in again.state().items():
        np.testing.assert_array_equal(values, state[key])


def test_a_fast_answer_is_nearly_the_same(trained, task):
    fast = create(trained.name, Effort(fast=True))
    fast.restore(task, trained.state())
    x, theta = task.test.x[:10], task.test.theta[:10]
    np.testing.assert_allclose(fast.log_prob(theta, x), trained.log_prob(theta, x), atol=0.01)
    scores = (Scores(task.prior).forward(b.sample(x, 1000, seed=7).theta) for b in (fast, trained))
    (fast_mean, fast_std), (mean, std) = ((u.mean(axis=1), u.std(axis=1)) for u in scores)
    assert np.abs((fast_mean - mean) / std).max() < 0.2  # those of the grid are other draws: 4.5 standard errors
    np.testing.assert_allclose(fast_std.mean(axis=0), std.mean(axis=0), rtol=0.04)


def test_draws_depend_on_their_seed(trained, task):
    x = task.test.x[:3]
    first, same, other = (trained.sample(x, 40, seed=seed).theta for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, same)
    assert (first != other).all()
    low, high = np.array(list(task.prior.support.values())).T
    assert (first >= low).all() and (first <= high).all()
    assert trained.log_prob([[-1.0, 1e12, 0.0]], x[:1]) == -np.inf


@pytest.mark.parametrize("name", SETTINGS)
def test_training_depends_on_its_seed_and_effort(name):
    small = LinearTask(n=300)

    def states(effort, seed):
        baseline = create(name, effort)
        baseline.training = replace(SETTINGS[name], epochs=20, batch=100)
        baseline.fit(small, seed)
        return baseline.history, baseline.state()

    (history, first), (_, same), (_, other) = (states(Effort(fast=True), seed) for seed in (1, 1, 2))
    assert len(history) == 4
    assert all(np.array_equal(first[key], same[key]) for key in first)
    assert any(not np.array_equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", [*SETTINGS, "nsf-ensemble"])
def test_an_untrained_baseline_says_so(name):
    with pytest.raises(RuntimeError, match="call fit first"):
        create(name).sample(np.zeros((1, 5)), 5)


def test_a_likelihood_of_nothing_leaves_the_prior():
    task = LinearTask(n=300, x_names=("x_lmc", "vx_lmc"))
    baseline = create("nle")
    baseline.fit(task)
    assert baseline.n_parameters == 0 and baseline.state() == {} and baseline.history == []
    again = create("nle")
    again.restore(task, {})
    x, theta = task.test.x, task.test.theta
    np.testing.assert_array_equal(again.log_prob(theta, x), task.prior.log_prob(theta))
    draws = again.sample(x[:2], 2000, seed=1).theta
    u = Scores(task.prior).forward(draws).reshape(-1, 3)
    assert min(stats.kstest(column, "norm").pvalue for column in u.T) > 0.01


def test_a_baseline_with_a_likelihood_says_how_strange_an_observation_is(trained, task):
    far = task.test.x.copy()
    far[:, task.x_names.index("v_travel")] += 300.0
    usual, strange = (trained.sample(x, 5).statistic for x in (task.test.x, far))
    if trained.name == "nle":
        assert usual.shape == (60,) and np.all(strange > usual.max())
    else:
        assert usual is None and strange is None


def test_a_likelihood_refuses_data_outside_its_factorisation():
    with pytest.raises(ValueError, match="with all of v_travel, l_apex, b_apex or none"):
        create("nle").fit(LinearTask(n=300, x_names=("x_lmc", "v_travel")))


@pytest.fixture(scope="module")
def ensemble(task):
    """Two flows after a short training, drawn from in turn."""
    flows = []
    for seed in range(2):
        flows.append(create("nsf"))
        flows[-1].training = Training(epochs=3, learning_rate=3e-3, batch=200)
        flows[-1].fit(LinearTask(n=1000), seed)
    asked = []

    def trained(name, task, seed):
        asked.append((name, seed))
        return flows[seed % 2]

    baseline = create("nsf-ensemble")
    baseline.get_trained = trained
    baseline.fit(task, seed=2)
    assert asked == [("nsf", seed) for seed in range(10, 15)]
    return baseline, flows


def test_an_ensemble_is_the_mixture_of_its_members(ensemble, task):
    baseline, (even, odd) = ensemble
    theta, x = task.test.theta[:50], task.test.x[:50]
    mixed = (3 * np.exp(even.log_prob(theta, x)) + 2 * np.exp(odd.log_prob(theta, x))) / 5
    np.testing.assert_allclose(np.exp(baseline.log_prob(theta, x)), mixed, rtol=1e-10)
    assert baseline.n_parameters == 3 * even.n_parameters + 2 * odd.n_parameters
    np.testing.assert_allclose(baseline.history, (3 * np.array(even.history) + 2 * np.array(odd.history)) / 5)


@pytest.mark.parametrize("n", [3, 10, 14])
def test_an_ensemble_draws_from_all_its_members(ensemble, task, n):
    baseline, _ = ensemble
    draws = baseline.sample(task.test.x[:4], n, seed=1)
    assert draws.theta.shape == (4, n, 3) and draws.complete.all() and (draws.acceptance == 1).all()
    assert len(np.unique(draws.theta[0, :, 0])) == n
    np.testing.assert_array_equal(draws.theta, baseline.sample(task.test.x[:4], n, seed=1).theta)


def test_draws_of_an_ensemble_have_its_density(ensemble, task):
    """Importance weights of draws to the exact posterior have the mean 1."""
    baseline, _ = ensemble
    x = task.test.x[:1]
    (mean,), covariance = task.exact(x)
    own = Scores(task.prior).forward(baseline.sample(x, 5000, seed=2).theta[0])
    log_p = stats.multivariate_normal(mean, 0.25 * covariance).logpdf(own)  # narrow, so that the weights are bounded
    weights = np.exp(log_p - density_of_scores(baseline, task, own, x[0]))
    assert weights.mean() == pytest.approx(1.0, abs=4 * weights.std() / np.sqrt(len(own)))
    assert weights.std() < 5


def test_a_restored_ensemble_is_the_same(ensemble, task):
    baseline, _ = ensemble
    state = baseline.state()
    assert {key.partition(".")[0] for key in state} == {f"member{i}" for i in range(5)}
    again = create("nsf-ensemble")
    again.restore(task, state)
    x = task.test.x[:5]
    np.testing.assert_array_equal(again.sample(x, 12, seed=3).theta, baseline.sample(x, 12, seed=3).theta)
    assert all(np.array_equal(values, state[key]) for key, values in again.state().items())
