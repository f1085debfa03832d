"""The simple baselines and the mixture density network, on problems whose posterior is known.

The data are functions of the normal scores u of the parameters with Gaussian noise, so the exact posterior density
follows from a likelihood in closed form and an evidence on a grid.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import kstest, multivariate_normal

from benchmarks.baselines.base import Effort, find_baselines
from benchmarks.baselines.linear import LinearGaussian
from benchmarks.baselines.mdn import Mdn
from benchmarks.baselines.prior import PriorDraws
from benchmarks.baselines.rejection import RejectionAbc
from benchmarks.baselines.training import Training
from mwlmc_data import Prior
from mwlmc_data.inference.encoding import Scores
from mwlmc_data.inference.mixture import Mixture
from mwlmc_data.scoring import energy_score

THETA = ("m_lmc", "m200_mw", "log10_lambda_df")
PRIOR = Prior("gaussian", THETA)
SCORES = Scores(PRIOR)
MIX = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, -0.4], [0.3, 0.0, 1.0]])
NOISE = np.array([0.5, 0.8, 1.0])
SHORT = Training(epochs=25, learning_rate=1e-2, batch=200)
ALL = (PriorDraws, RejectionAbc, LinearGaussian, Mdn)


def linear_mean(u):
    return u @ MIX.T


def bent_mean(u):
    """Even in the first score, so that there are two modes."""
    return np.stack([np.square(u[..., 0]), u[..., 1] + 0.5 * u[..., 0], u[..., 2] - u[..., 1]], axis=-1)


def split(mean, n, seed):
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(n, 3))
    x = mean(u) + NOISE * rng.normal(size=(n, 3))
    return SimpleNamespace(theta=SCORES.inverse(u).astype(np.float32), x=x.astype(np.float32))


def world(mean, n_train=4000):
    return SimpleNamespace(
        id="stand-in", theta_names=THETA, x_names=("a", "b", "c"), prior=PRIOR,
        train=split(mean, n_train, 1), validation=split(mean, 500, 2),
    )  # fmt: skip


def grid(half=4.5, points=41):
    axis = np.linspace(-half, half, points)
    nodes = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    return nodes, 3 * np.log(axis[1] - axis[0])


def log_joint(mean, u, x):
    """Of scores (n, 3) and one row of data, without constants of the data."""
    z = (x - mean(u)) / NOISE
    return -0.5 * (np.square(z).sum(axis=-1) + np.square(u).sum(axis=-1))


def exact_log_posterior(mean, theta, x):
    """Per unit of theta, for pairs of rows."""
    nodes, log_cell = grid()
    u = SCORES.forward(theta)
    log_q = [
        log_joint(mean, u[i : i + 1], x[i])[0] - logsumexp(log_joint(mean, nodes, x[i])) - log_cell
        for i in range(len(x))
    ]
    return SCORES.log_density(np.array(log_q), theta)


def linear_posterior(x):
    """Mean (n, 3) and covariance of the scores in the linear world."""
    precision = np.eye(3) + (MIX / NOISE[:, None] ** 2).T @ MIX
    covariance = np.linalg.inv(precision)
    return (x / NOISE**2) @ MIX @ covariance, covariance


def fitted(kind, task, seed=0):
    if kind is Mdn:
        pytest.importorskip("torch", reason="torch is not installed: the network cannot be trained")
        baseline = Mdn(training=SHORT)
        baseline.hidden = (64, 64)
    else:
        baseline = kind()
    baseline.fit(task, seed)
    return baseline


@pytest.fixture(scope="module")
def linear_world():
    return world(linear_mean)


@pytest.fixture(scope="module")
def bent_world():
    return world(bent_mean)


@pytest.fixture(scope="module")
def trained(bent_world):
    """Each baseline, trained once."""
    return {kind.name: fitted(kind, bent_world) for kind in ALL}


@pytest.mark.parametrize("kind", ALL)
def test_draws_have_their_shape_lie_inside_and_follow_the_seed(kind, trained, bent_world):
    x, one = bent_world.validation.x[:70], trained[kind.name]
    drawn = one.sample(x, 20, seed=3)
    assert drawn.theta.shape == (70, 20, 3) and drawn.complete.all() and (drawn.acceptance == 1).all()
    assert np.isfinite(PRIOR.log_prob(drawn.theta.reshape(-1, 3))).all()
    np.testing.assert_array_equal(one.sample(x, 20, seed=3).theta, drawn.theta)
    assert (one.sample(x, 20, seed=4).theta != drawn.theta).any()
    assert (drawn.theta[0] != drawn.theta[1]).any()


@pytest.mark.parametrize("kind", ALL)
def test_a_state_of_arrays_restores_it_exactly(kind, trained, bent_world):
    one, again = trained[kind.name], kind()
    state = one.state()
    assert all(isinstance(values, np.ndarray) for values in state.values())
    again.restore(bent_world, state)
    x, theta = bent_world.validation.x[:5], bent_world.validation.theta[:5]
    np.testing.assert_array_equal(again.sample(x, 30, seed=1).theta, one.sample(x, 30, seed=1).theta)
    if kind.has_density:
        np.testing.assert_array_equal(again.log_prob(theta, x), one.log_prob(theta, x))
    assert again.n_parameters == one.n_parameters
    assert set(again.state()) == set(state)
    for name, values in again.state().items():
        np.testing.assert_array_equal(values, state[name])


@pytest.mark.parametrize("kind", [k for k in ALL if k.has_density])
def test_the_density_is_normalised_and_that_of_the_draws(kind, trained, bent_world):
    """On a grid of scores: its integral, and the mean and the mean square of each score, against those of draws."""
    x, one = bent_world.validation.x[3:4], trained[kind.name]
    nodes, log_cell = grid(half=5.0, points=51)
    theta = SCORES.inverse(nodes)
    per_theta = one.log_prob(theta, np.repeat(x, len(nodes), axis=0))
    log_jacobian = SCORES.log_density(np.zeros(len(nodes)), theta)
    mass = np.exp(per_theta - log_jacobian + log_cell)
    assert mass.sum() == pytest.approx(1.0, abs=0.01)
    u = SCORES.forward(one.sample(x, 20_000, seed=2).theta[0])
    np.testing.assert_allclose(u.mean(axis=0), mass @ nodes, atol=0.03)
    np.testing.assert_allclose(u.T @ u / len(u), (mass[:, None] * nodes).T @ nodes, atol=0.06)


@pytest.mark.parametrize("kind", [k for k in ALL if k.has_density])
def test_there_is_no_density_outside_the_prior(kind, trained, bent_world):
    outside = np.array([[1e9, 1e12, 0.0]])
    assert trained[kind.name].log_prob(outside, bent_world.validation.x[:1])[0] == -np.inf


@pytest.mark.parametrize("kind", ALL)
def test_the_same_seed_trains_the_same(kind, trained, bent_world):
    again = fitted(kind, bent_world, seed=0)
    for name, values in again.state().items():
        np.testing.assert_array_equal(values, trained[kind.name].state()[name])


@pytest.mark.parametrize("kind", ALL)
def test_an_untrained_baseline_says_so_and_all_are_found(kind):
    for ask in (lambda: kind().sample(np.zeros((1, 3)), 5), lambda: kind().state()):
        with pytest.raises(RuntimeError, match="call fit first"):
            ask()
    assert find_baselines()[kind.name] is kind


def test_the_prior_is_the_prior_and_not_the_simulated_parameters(trained):
    drawn = trained["prior"].sample(np.zeros((4, 3)), 5000, seed=0).theta
    u = SCORES.forward(drawn.reshape(-1, 3))
    assert min(kstest(u[:, i], "norm").pvalue for i in range(3)) > 1e-3
    theta = drawn[0, :7]
    np.testing.assert_array_equal(trained["prior"].log_prob(theta, np.zeros((7, 3))), PRIOR.log_prob(theta))
    simulated = {tuple(row) for row in PRIOR.sample(20_000, seed=0).to_numpy()}
    assert not simulated & {tuple(row) for row in drawn.reshape(-1, 3).astype(np.float32)}
    assert trained["prior"].n_parameters == 0


def test_the_linear_gaussian_is_exact_in_a_linear_world():
    wide = world(linear_mean, 100_000)
    one, held = fitted(LinearGaussian, wide), wide.validation
    mean, covariance = linear_posterior(held.x.astype(np.float64))
    u = SCORES.forward(held.theta)
    exact = [multivariate_normal.logpdf(row, m, covariance) for row, m in zip(u, mean, strict=True)]
    found = one.log_prob(held.theta, held.x)
    expected = SCORES.log_density(np.array(exact), held.theta)
    assert abs(found - expected).max() < 0.2
    assert (expected - found).mean() == pytest.approx(0.0, abs=0.003)
    drawn = SCORES.forward(one.sample(held.x[:1], 20_000).theta[0])
    np.testing.assert_allclose(drawn.mean(axis=0), mean[0], atol=0.05)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.03)
    assert one.n_parameters == 4 * 3 + 6


def test_a_regression_without_enough_rows_is_refused(linear_world):
    few = SimpleNamespace(theta=linear_world.train.theta[:6], x=linear_world.train.x[:6])
    with pytest.raises(ValueError, match="= 6: allowed is more than 7"):
        LinearGaussian().fit(SimpleNamespace(**{**vars(linear_world), "train": few}))


def test_abc_approaches_the_exact_posterior_with_more_simulations(linear_world):
    held = split(linear_mean, 300, 9)
    mean, covariance = linear_posterior(held.x.astype(np.float64))
    scale = [marginal.std for marginal in PRIOR.marginals.values()]
    z = np.random.default_rng(0).normal(size=(len(mean), 200, 3))
    exact = SCORES.inverse(mean[:, None] + z @ np.linalg.cholesky(covariance).T)
    floor = energy_score(exact, held.theta, scale).mean()
    gaps = []
    for n in (100, 1000, 20_000):
        one = fitted(RejectionAbc, world(linear_mean, n))
        gaps.append(energy_score(one.sample(held.x, 200).theta, held.theta, scale).mean() - floor)
    assert gaps[0] > gaps[1] > gaps[2] > -0.01
    assert gaps[2] < 0.25 * gaps[0]


def test_abc_draws_the_nearest_simulations_and_chooses_how_many(trained, bent_world):
    one, train = trained["rejection-abc"], bent_world.train
    kept = int(one.state()["kept"][0])
    assert one.scores[kept] == min(one.scores.values()) and 10 < kept < max(one.scores)
    x = bent_world.validation.x[0]
    standard = (train.x - train.x.mean(axis=0, dtype=float)) / train.x.std(axis=0, dtype=float)
    here = (x - train.x.mean(axis=0, dtype=float)) / train.x.std(axis=0, dtype=float)
    nearest = np.argsort(np.linalg.norm(standard - here, axis=1))[:kept]
    drawn = one.sample(x[None], 40 * kept).theta[0]
    assert set(drawn[:, 0].astype(np.float32)) == set(train.theta[nearest, 0])
    with pytest.raises(NotImplementedError, match="no density"):
        one.log_prob(train.theta[:1], train.x[:1])


def test_abc_works_on_very_few_simulations():
    one = fitted(RejectionAbc, world(linear_mean, 20))
    assert int(one.state()["kept"][0]) == 5
    assert one.sample(np.zeros((2, 3)), 3).theta.shape == (2, 3, 3)


def test_the_mixture_is_nearly_exact_where_a_gaussian_is_not(trained, bent_world):
    held = split(bent_mean, 200, 8)
    exact = exact_log_posterior(bent_mean, held.theta, held.x)
    gaps = {name: (exact - trained[name].log_prob(held.theta, held.x)).mean() for name in ("mdn", "linear-gaussian")}
    assert gaps["mdn"] < 0.08
    assert gaps["linear-gaussian"] > 0.4
    two = trained["mdn"].sample(np.array([[4.0, 0.0, 0.0]]), 4000).theta[0]
    u = SCORES.forward(two)[:, 0]
    assert 0.3 < (u > 1.0).mean() < 0.7 and 0.3 < (u < -1.0).mean() < 0.7


def test_numpy_evaluates_the_network_as_torch_does(trained, bent_world):
    """The forward pass written out from the state, against the module that was trained and the one in use."""
    torch = pytest.importorskip("torch", reason="torch is not installed: there is nothing to compare with")
    from benchmarks.baselines.mdn import define_network

    state, held = trained["mdn"].state(), bent_world.validation
    x = ((held.x - state["x_centre"]) / state["x_width"]).astype(np.float32)
    u = SCORES.forward(held.theta).astype(np.float32)

    n_layers = sum(name.endswith(".weight") for name in state)
    weights = {name: torch.as_tensor(v) for name, v in state.items() if name.startswith("layers.")}
    sizes = tuple(state[f"layers.{i}.weight"].shape[1] for i in range(n_layers))
    net = define_network()(sizes, len(state[f"layers.{n_layers - 1}.bias"]) // 10, 3, 0.0)
    net.load_state_dict(weights)
    with torch.no_grad():
        by_torch = -net.eval().loss(torch.as_tensor(u), torch.as_tensor(x)).numpy()

    h = x
    for i in range(n_layers):
        h = (h / (1 + np.exp(-h)) if i else h) @ state[f"layers.{i}.weight"].T + state[f"layers.{i}.bias"]
    each = []
    for logit, m0, m1, m2, s0, s1, s2, l10, l20, l21 in h.reshape(len(h), -1, 10).transpose(1, 2, 0):
        s0, s1, s2 = (7 * np.tanh(s / 7) for s in (s0, s1, s2))
        d0, d1, d2 = u[:, 0] - m0, u[:, 1] - m1, u[:, 2] - m2
        z = np.exp(s0) * d0, np.exp(s1) * d1 + l10 * d0, np.exp(s2) * d2 + l20 * d0 + l21 * d1
        each.append((logit, s0 + s1 + s2 - 0.5 * (z[0] ** 2 + z[1] ** 2 + z[2] ** 2) - 1.5 * np.log(2 * np.pi)))
    logit, log_normal = np.array(each).transpose(1, 0, 2)
    written_out = logsumexp(logit + log_normal, axis=0) - logsumexp(logit, axis=0)

    in_use = Mixture.from_state(state, 3).log_prob(u, x)
    np.testing.assert_allclose(written_out, by_torch, atol=1e-4)
    np.testing.assert_allclose(in_use, by_torch, atol=1e-4)


def test_the_mixture_keeps_the_best_epoch_and_a_fast_one_takes_a_fifth(trained, bent_world):
    history, held = np.array(trained["mdn"].history), bent_world.validation
    kept = SCORES.log_density(np.zeros(500), held.theta) - trained["mdn"].log_prob(held.theta, held.x)
    assert kept.mean() == pytest.approx(history[:, 1].min(), abs=1e-4)
    fast = Mdn(Effort(fast=True), training=SHORT)
    fast.fit(bent_world)
    assert len(fast.history) == 5


def test_data_far_from_the_training_still_have_draws(trained):
    for one in trained.values():
        assert np.isfinite(one.sample(np.array([[1e4, -1e4, 1e4]]), 50).theta).all()
