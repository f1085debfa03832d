"""Baselines of sets of stars: what they learn, and that order, padding and neighbours do not matter."""

import numpy as np
import pytest

from benchmarks.baselines import bins_mdn, set_estimator
from benchmarks.baselines.base import create, find_baselines
from benchmarks.baselines.training import Training, use_one_thread
from mwlmc_data.inference.encoding import Scores
from mwlmc_data.scoring.star_sets import StarSets
from tests.helpers.star_tasks import N_STARS, StarTask

pytest.importorskip("torch")

NETWORKS = ("deepsets", "set-transformer")
NAMES = ("bins-mdn", *NETWORKS)
SETTINGS = {
    "bins-mdn": Training(epochs=20, learning_rate=5e-3, batch=50, weight_decay=1.0),
    "deepsets": Training(epochs=12, learning_rate=3e-3, batch=50),
    "set-transformer": Training(epochs=6, learning_rate=3e-3, batch=50),
}


@pytest.fixture(scope="module")
def task():
    return StarTask(n=1200)


@pytest.fixture(scope="module", params=NAMES)
def trained(request, task):
    use_one_thread()
    baseline = type(create(request.param))(training=SETTINGS[request.param])
    baseline.fit(task, seed=1)
    return baseline


def test_all_of_them_are_found():
    found = {name for name, kind in find_baselines().items() if kind.form == "sets"}
    assert found == {*NAMES, "minimum-distance"}  # tests/benchmarks/baselines/test_minimum_distance.py


def gain(log_q, u):
    """Mean log density of the scores above that of the prior [nats]."""
    return float(np.mean(log_q + 0.5 * (np.square(u) + np.log(2 * np.pi)).sum(axis=1)))


def test_they_learn_most_of_what_the_stars_say(trained, task):
    seen = task.validation
    u = Scores(task.prior).forward(seen.theta)
    mean, variance = task.exact(seen.x)
    exact = -0.5 * (np.square(u - mean) / variance[:, None] + np.log(2 * np.pi * variance)[:, None]).sum(axis=1)
    # the density of the scores follows from that of the parameters
    log_p = trained.log_prob(seen.theta, seen.x) - task.prior.log_prob(seen.theta.astype(float))
    own = log_p - 0.5 * (np.square(u) + np.log(2 * np.pi)).sum(axis=1)
    assert gain(exact, u) > 3.0
    assert 0.75 * gain(exact, u) < gain(own, u) < gain(exact, u) + 0.1


def shuffle_stars(x, rng):
    order = np.argsort(rng.random(x.mask.shape), axis=1)
    rows = np.arange(len(x))[:, None]
    return StarSets(x.stars[rows, order], x.mask[rows, order], x.lmc)


def pad(x, rng):
    """More padding, and anything in it: also what is no number."""
    n, m = x.mask.shape
    rest = rng.choice(np.array([np.nan, np.inf, -1e30, 7.0], np.float32), size=(n, 2 * m, 6))
    rest[:, :m] = np.where(x.mask[:, :, None], x.stars, rest[:, :m])
    return StarSets(rest, np.concatenate([x.mask, np.zeros_like(x.mask)], axis=1), x.lmc)


def test_order_padding_and_neighbours_leave_the_posterior_unchanged(trained, task):
    rng, few = np.random.default_rng(0), slice(0, 9)
    x, theta = task.observations.x[few], task.observations.theta[few]
    assert len(set(x.n_stars)) > 3, "sets of different sizes are beside each other"
    right = trained.log_prob(theta, x)
    np.testing.assert_allclose(trained.log_prob(theta, shuffle_stars(x, rng)), right, atol=2e-4)
    np.testing.assert_allclose(trained.log_prob(theta, pad(x, rng)), right, atol=2e-4)
    alone = np.concatenate([trained.log_prob(theta[i : i + 1], x[i : i + 1]) for i in range(9)])
    np.testing.assert_allclose(alone, right, atol=2e-4)
    order = rng.permutation(9)
    np.testing.assert_allclose(trained.log_prob(theta[order], x[order]), right[order], atol=2e-4)
    cut = [trained.log_prob(theta[i : i + 1], crop(x, i)) for i in range(9)]
    np.testing.assert_allclose(np.concatenate(cut), right, atol=2e-4)


def crop(x, i):
    """One set without any padding."""
    return StarSets(x.stars[i : i + 1][x.mask[i : i + 1]][None], np.full((1, x.n_stars[i]), True), x.lmc[i : i + 1])


def test_a_star_more_or_less_matters(trained, task):
    """The tests above would also pass if stars were ignored."""
    x, theta = task.observations.x[:9], task.observations.theta[:9]
    fewer = StarSets(x.stars, x.mask & (np.arange(N_STARS) > 7), x.lmc)
    assert np.abs(trained.log_prob(theta, fewer) - trained.log_prob(theta, x)).min() > 1e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_of_the_training_sees_a_random_part_of_the_stars(name, task, monkeypatch):
    baseline = type(create(name))(training=Training(epochs=1, batch=100))
    shares = []
    network = set_estimator.define_set_network()
    pool = network.pool

    def follow(self, x, share=1.0):
        shares.append((self.training, share))
        return pool(self, x, share)

    monkeypatch.setattr(network, "pool", follow)
    baseline.fit(StarTask(n=400), seed=0)
    inside = [share for training, share in shares if training and share < 1.0]
    assert len(inside) >= 4 and len(set(inside)) == len(inside)
    assert min(inside) >= set_estimator.LEAST_SHARE and {s for training, s in shares if not training} == {1.0}
    before = len(shares)
    baseline.log_prob(task.observations.theta[:2], task.observations.x[:2])
    assert [share for _, share in shares[before:]] == [1.0]


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_its_weights(name):
    small = StarTask(n=120)
    first, again, other = (type(create(name))(training=Training(epochs=1, batch=60)) for _ in range(3))
    for baseline, seed in ((first, 3), (again, 3), (other, 4)):
        baseline.fit(small, seed=seed)
    assert all(np.array_equal(first.state()[key], values) for key, values in again.state().items())
    assert any(not np.array_equal(first.state()[key], values) for key, values in other.state().items())


class TestBadInput:
    def test_tables_are_refused(self, trained):
        with pytest.raises(TypeError, match="x = ndarray: allowed is a StarSets"):
            trained.sample(np.zeros((2, 9)), 3)

    @pytest.mark.parametrize("name", NETWORKS)
    def test_empty_sets_and_stars_that_are_no_numbers_are_refused(self, name, task):
        x = task.observations.x[:3]
        empty = StarSets(x.stars, x.mask & (np.arange(3) != 1)[:, None], x.lmc)
        with pytest.raises(ValueError, match="stars of set 1 = 0: allowed is 1 or more"):
            set_estimator.pack(empty)
        stars = x.stars.copy()
        stars[2, 0, 4] = np.nan
        with pytest.raises(ValueError, match="not finite"):
            set_estimator.pack(StarSets(stars, x.mask, x.lmc))


def test_bins_are_those_of_a_loop_over_the_stars(task):
    x = task.observations.x[:2]
    found = dict(zip(bins_mdn.NAMES, bins_mdn.summarise(x)[1].tolist(), strict=True))
    stars = x.stars[1][x.mask[1]].astype(float)
    r = np.linalg.norm(stars[:, :3], axis=1)
    inside = (r > 75) & (r <= 100)
    assert found["share_75"] == pytest.approx(inside.mean()) and found["z_lmc"] == x.lmc[1, 2]
    v_r = (stars[:, :3] * stars[:, 3:]).sum(axis=1) / r
    assert found["mean_v_y_75"] == pytest.approx(stars[inside, 4].mean(), rel=1e-5)
    assert found["mean_v_r_75"] == pytest.approx(v_r[inside].mean(), rel=1e-5)
    assert found["sigma_v_r_75"] == pytest.approx(v_r[inside].std(ddof=1), rel=1e-5)
    speed2 = sum(found[f"sigma_v_{k}_75"] ** 2 for k in ("r", "phi", "theta"))
    assert speed2 > 0 and found["mean_v_x_150"] == 0.0 == found["sigma_v_r_150"], "no star is beyond 150 kpc"


@pytest.mark.parametrize("name", NETWORKS)
def test_sets_of_one_size_do_not_upset_the_training_on_parts_of_them(name):
    """Their number does not vary over the training set, but it does from step to step."""
    full = StarTask(n=200, fewest=N_STARS)
    assert full.train.x.mask.all()
    baseline = type(create(name))(training=Training(epochs=1, batch=50))
    baseline.fit(full, seed=0)
    assert baseline.history[0][0] < 10.0
