"""Importance correction on a problem whose posterior is known: normal scores, a linear map, Gaussian noise."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from benchmarks.baselines import simulated_likelihood as likelihood_module
from benchmarks.baselines.base import Draws, Effort
from benchmarks.baselines.corrected import FROM_PRIOR, Corrected
from benchmarks.baselines.enclosed import EnclosedMass, score
from benchmarks.baselines.simulated_likelihood import Points, SimulatedLikelihood, integrate_split
from benchmarks.baselines.weights import Weighed
from benchmarks.references import history
from benchmarks.references.design import NUISANCES, THETA
from benchmarks.references.history import integrate_histories, past_velocities
from benchmarks.references.statistics import TRAVEL
from mwlmc_data.dataset.schema import LMC_VECTOR, REFLEX
from mwlmc_data.inference.encoding import Scores
from mwlmc_data.priors import ENCLOSED_MASS, Prior
from mwlmc_data.scoring.ladders import reflex_data
from mwlmc_data.scoring.observations import Split, columns_of

PRIOR = Prior("gaussian", THETA)
SCORES = Scores(PRIOR)
# the past of scores (m_lmc, m200_mw, log10_lambda_df, m_lmc_8p7), and the noise of the travel vector [km/s]
MAP = np.array([[30.0, -12.0, 4.0], [-8.0, 25.0, 6.0], [3.0, 5.0, 12.0], [10.0, 4.0, -6.0]])
OFFSET, NOISE = np.array([40.0, -20.0, 30.0]), np.array([8.0, 10.0, 12.0])
LMC = np.array([-1.0, -41.0, -27.0, -57.0, -226.0, 221.0])
TRUTH = np.array([0.5, -0.4, 0.3, 0.2])


class World:
    """A task whose simulator is a linear map."""

    id, theta_names, prior = "world", THETA, PRIOR

    def __init__(self, x_names=(*LMC_VECTOR, *REFLEX), train=None, validation=None):
        self.x_names, self.train, self.validation = x_names, train, validation


class Exact:
    """The exact likelihood."""

    def log_density(self, travel, points):
        z = (travel - OFFSET - points.past) / NOISE
        return -0.5 * (z**2).sum(axis=1) - np.log(NOISE).sum() - 1.5 * np.log(2 * np.pi)


class FromPrior:
    """Masses within 8.7 kpc from their prior."""

    def propose(self, theta, x, rng):
        return ENCLOSED_MASS.quantile(rng.random(len(theta)), theta[:, 0]), np.zeros(len(theta))


class Biased:
    """A flow whose posterior is displaced by half a sigma and narrower than it should be."""

    def __init__(self, mean, width):
        self.mean, self.width = mean, width

    def sample(self, x, n, seed=0):
        u = np.random.default_rng(seed).normal(self.mean, self.width, (len(x), n, 3))
        return Draws.of(SCORES.inverse(u))

    def log_prob(self, theta, x, acceptance=None):
        z = (SCORES.forward(theta) - self.mean) / self.width
        log_q = -0.5 * (z**2).sum(axis=1) - np.log(self.width).sum() - 1.5 * np.log(2 * np.pi)
        return SCORES.log_density(log_q, theta)


def orbits(theta, enclosed, lmc):
    """The past of the Milky Way: linear in the scores."""
    return np.concatenate([SCORES.forward(theta), score(enclosed, theta[:, 0])[:, None]], axis=1) @ MAP


def observation(travel):
    return np.concatenate([LMC, reflex_data(travel[None])[0]]).astype(np.float32)


def exact_posterior(travel):
    """Mean (4,) and covariance (4, 4) of all scores, and the log evidence."""
    precision = np.eye(4) + MAP / NOISE**2 @ MAP.T
    covariance = np.linalg.inv(precision)
    marginal = MAP.T @ MAP + np.diag(NOISE**2)
    residual = travel - OFFSET
    log_evidence = -0.5 * (residual @ np.linalg.solve(marginal, residual) + np.linalg.slogdet(2 * np.pi * marginal)[1])
    return covariance @ (MAP / NOISE**2 @ residual), covariance, log_evidence


def wired(proposal, enclosed=None, world=None):
    """The baseline with exact parts in place of trained ones."""
    baseline = Corrected(past=orbits)
    baseline._task, baseline.proposal = world or World(), proposal
    if world is None:
        baseline.likelihood, baseline.enclosed = Exact(), enclosed or FromPrior()
    return baseline


@pytest.fixture
def misled(monkeypatch):
    """The observation, its exact posterior, and a baseline whose flow is wrong."""
    monkeypatch.setattr("benchmarks.baselines.corrected.N_PROPOSALS", 40_000)
    travel = OFFSET + TRUTH @ MAP + NOISE * [0.3, -0.5, 0.8]
    mean, covariance, log_evidence = exact_posterior(travel)
    mean, covariance = mean[:3], covariance[:3, :3]
    width = np.sqrt(np.diag(covariance))
    return observation(travel), mean, covariance, log_evidence, wired(Biased(mean + 0.5 * width, 0.7 * width))


def test_a_wrong_flow_is_corrected(misled):
    x, mean, covariance, log_evidence, baseline = misled
    own = SCORES.forward(baseline.proposal.sample(x[None], 4000).theta[0])
    width = np.sqrt(np.diag(covariance))
    assert np.all(np.abs(own.mean(axis=0) - mean) / width > 0.4)
    draws = baseline.sample(x[None], 4000, seed=1)
    found = SCORES.forward(draws.theta[0])
    assert draws.complete.all() and draws.acceptance[0] == 1
    np.testing.assert_allclose((found.mean(axis=0) - mean) / width, 0.0, atol=0.1)
    np.testing.assert_allclose(np.cov(found.T) / np.outer(width, width), covariance / np.outer(width, width), atol=0.15)
    assert baseline.log_evidence(x[None])[0] == pytest.approx(log_evidence, abs=0.05)
    assert 1000 < baseline.effective[0] < 4000


def test_the_density_is_the_exact_one(misled):
    x, mean, covariance, _, baseline = misled
    theta = SCORES.inverse(np.random.default_rng(0).multivariate_normal(mean, covariance, 5))
    z = SCORES.forward(theta) - mean
    log_q = -0.5 * (z @ np.linalg.inv(covariance) * z).sum(axis=1) - 0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1]
    rows = np.repeat(x[None], 5, axis=0)
    np.testing.assert_allclose(baseline.log_prob(theta, rows), SCORES.log_density(log_q, theta), atol=0.08)
    outside = theta.copy()
    outside[0, 0] = 1e10
    assert baseline.log_prob(outside, rows)[0] == -np.inf


def test_equal_seeds_give_equal_draws(misled):
    x, *_, baseline = misled
    first, again, other = (baseline.sample(x[None], 50, seed).theta for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_effective_number_of_draws():
    theta = np.arange(4.0)[:, None]
    assert Weighed(theta, np.full(4, 7.0)).effective == pytest.approx(4)
    assert Weighed(theta, np.array([0.0, -np.inf, -np.inf, -np.inf])).effective == pytest.approx(1)
    one_to_three = Weighed(theta, np.log([1.0, 3.0, 1e-300, 1e-300]))
    assert one_to_three.effective == pytest.approx(16 / 10)
    assert one_to_three.log_evidence == pytest.approx(0.0)
    drawn = one_to_three.resample(400, np.random.default_rng(0))[:, 0]
    # systematic resampling: each proposal as often as expected, within one
    assert abs((drawn == 1).sum() - 300) <= 1 and (drawn > 1).sum() == 0
    assert (np.diff(drawn) < 0).any()


def test_few_effective_draws_are_tempered_and_many_are_left():
    rng = np.random.default_rng(2)
    theta = rng.normal(size=(400, 2))
    steep = Weighed(theta, -400.0 * np.square(theta - 2.5).sum(axis=1))
    assert steep.effective < 3 and steep.tempered().effective == pytest.approx(10.0, abs=0.01)
    drawn = steep.resample(1000, rng)
    assert len(np.unique(drawn[:, 0])) >= 8 and (drawn.mean(axis=0) > theta.mean(axis=0) + 0.5).all()
    gentle = Weighed(theta, -0.1 * np.square(theta).sum(axis=1))
    assert gentle.tempered() is gentle
    one = np.full(400, -np.inf)
    one[7] = 3.0
    assert len(np.unique(Weighed(theta, one).resample(1000, rng)[:, 0])) > 5
    none = Weighed(theta, np.full(400, -np.inf)).resample(1000, rng)
    assert len(np.unique(none[:, 0])) == 400


def test_data_without_reflex_give_the_prior():
    world = World(LMC_VECTOR)
    baseline = wired(Biased(np.array([0.4, 0.0, -0.3]), np.full(3, 0.8)), world=world)
    x = np.repeat(LMC[None].astype(np.float32), 3, axis=0)
    u = SCORES.forward(baseline.sample(x, 1000).theta).reshape(-1, 3)
    np.testing.assert_allclose(u.mean(axis=0), 0.0, atol=0.08)
    np.testing.assert_allclose(u.std(axis=0), 1.0, atol=0.08)
    theta = SCORES.inverse(np.random.default_rng(0).normal(size=(3, 3)))
    np.testing.assert_allclose(baseline.log_prob(theta, x), PRIOR.log_prob(theta))
    np.testing.assert_allclose(baseline.log_evidence(x), 0.0, atol=0.2)


def test_a_starved_observation_has_finite_draws():
    mean, width = np.zeros(3), np.ones(3)
    baseline = wired(Biased(mean, width))
    far = observation(OFFSET + 4000.0)
    draws = baseline.sample(far[None], 1000)
    assert np.isfinite(draws.theta).all() and 0 < baseline.effective[0] < 20
    assert np.isfinite(baseline.log_evidence(far[None])[0])
    # no orbit at all: the draws and the density are those of the proposals
    lost = wired(Biased(mean, width))
    lost.likelihood.log_density = lambda travel, points: np.full(len(points), -np.inf)
    draws = lost.sample(far[None], 1000)
    assert np.isfinite(draws.theta).all() and lost.effective[0] == 0
    theta = draws.theta[0, :4]
    rows = np.repeat(far[None], 4, axis=0)
    flow, prior = lost.proposal.log_prob(theta, rows), PRIOR.log_prob(theta)
    mixed = np.log((1 - FROM_PRIOR) * np.exp(flow - prior) + FROM_PRIOR) + prior
    np.testing.assert_allclose(lost.log_prob(theta, rows), mixed)


def drawn_points(n, seed):
    """Points of the prior with their past, and travel vectors with a curved mean and varying noise."""
    rng = np.random.default_rng(seed)
    theta = SCORES.inverse(rng.normal(size=(n, 3)))
    enclosed = ENCLOSED_MASS.quantile(rng.random(n), theta[:, 0])
    nuisances = np.stack([enclosed, rng.uniform(0.0, 0.9, n), rng.uniform(10.0, 15.0, n)], axis=1)
    lmc = LMC + rng.normal(size=(n, 6)) * [1.0, 2.0, 2.0, 20.0, 20.0, 20.0]
    points = Points(theta, nuisances, lmc, orbits(theta, enclosed, lmc))
    mean = OFFSET + points.past + 0.004 * points.past[:, [0]] * points.past[:, [1]] * [1.0, 0.0, 0.5]
    factor = np.exp(0.5 * SCORES.forward(theta)[:, [2]]) * (0.6 + nuisances[:, [1]])
    noise = rng.normal(size=(n, 3))
    noise[:, 2] += noise[:, 0]
    return points, mean + NOISE * factor * noise, mean, factor[:, 0]


def test_the_likelihood_learns_mean_and_covariance():
    points, travel, _, _ = drawn_points(3000, 0)
    other, other_travel, mean, factor = drawn_points(1000, 1)
    model = SimulatedLikelihood(PRIOR)
    model.fit((points, travel), (other, other_travel), seed=0)
    z = (other_travel - mean) / (NOISE * factor[:, None])
    z[:, 2] -= z[:, 0]
    best = -0.5 * (z**2).sum(axis=1) - np.log(NOISE).sum() - 3 * np.log(factor) - 1.5 * np.log(2 * np.pi)
    found = model.log_density(other_travel, other)
    # worse than the truth by little; without the network by half a nat
    assert 0.0 < (best - found).mean() < 0.1
    again = SimulatedLikelihood(PRIOR)
    again.restore(model.state())
    np.testing.assert_array_equal(again.log_density(other_travel, other), found)
    past = other.past.copy()
    past[3, 1] = np.nan
    assert np.flatnonzero(np.isneginf(model.log_density(other_travel, replace(other, past=past)))).tolist() == [3]


def test_other_parameters_and_data_are_refused():
    with pytest.raises(ValueError, match="m200_mw, m_lmc: allowed is m_lmc, m200_mw, log10_lambda_df"):
        SimulatedLikelihood(Prior("gaussian", ["m200_mw", "m_lmc"]))
    with pytest.raises(ValueError, match="x_names = v_travel: allowed is x_lmc"):
        Corrected().fit(World(("v_travel",)))
    with pytest.raises(RuntimeError, match="not trained"):
        Corrected().state()


def world_split(n, start, seed):
    """Rows of the problem as a split, with the table that a catalogue would hold."""
    points, travel, _, _ = drawn_points(n, seed)
    x = np.concatenate([points.lmc, reflex_data(travel)], axis=1).astype(np.float32)
    ids = np.arange(start, start + n, dtype=np.int32)
    columns = [(NUISANCES, points.nuisances), (LMC_VECTOR, points.lmc), (TRAVEL, travel)]
    table = {name: values[:, i] for names, values in columns for i, name in enumerate(names)}
    return Split(points.theta.astype(np.float32), x, ids), {"sim_id": ids, **table}


def test_masses_are_proposed_with_their_weights():
    parts = [world_split(n, 0, n) for n in (1500, 500)]
    world = World(train=parts[0][0], validation=parts[1][0])
    masses = EnclosedMass(world)
    masses.fit(*((split, table["m_lmc_8p7"]) for split, table in parts), seed=0)
    theta = np.repeat(parts[1][0].theta[:1].astype(float), 40_000, axis=0)
    enclosed, log_ratio = masses.propose(theta, parts[1][0].x[0], np.random.default_rng(0))
    w, u = np.exp(log_ratio), score(enclosed, theta[:, 0])
    # weighted they follow the prior; unweighted they do not
    assert w.mean() == pytest.approx(1.0, abs=0.03)
    assert (w * u).mean() == pytest.approx(0.0, abs=0.05)
    assert (w * u**2).mean() == pytest.approx(1.0, abs=0.1)
    assert u.std() < 0.95
    assert w.max() <= 5.0 + 1e-9
    np.testing.assert_allclose(ENCLOSED_MASS.quantile(ndtr(u), theta[:, 0]), enclosed, rtol=1e-6)
    again = EnclosedMass(world)
    again.restore(masses.state())
    np.testing.assert_array_equal(again.propose(theta, world.validation.x[0], np.random.default_rng(0))[0], enclosed)


def test_it_trains_draws_and_is_restored(monkeypatch):
    pytest.importorskip("sbi", reason="sbi is not installed: the flow cannot be trained")
    (train, first), (validation, second) = world_split(300, 0, 0), world_split(100, 5000, 1)
    tables = {"train": first, "validation": second}
    monkeypatch.setattr(likelihood_module, "columns_of", lambda part, names, config: tables[part])
    world = World(train=train, validation=validation)
    baseline = Corrected(Effort(fast=True), past=orbits)
    baseline.fit(world, seed=0)
    x, theta = validation.x[:3], validation.theta[:3]
    draws = baseline.sample(x, 100, seed=2).theta
    density = baseline.log_prob(theta, x)
    assert draws.shape == (3, 100, 3) and np.isfinite(draws).all() and np.isfinite(density).all()
    assert ((0 < baseline.effective) & (baseline.effective <= 200)).all()
    assert np.isfinite(baseline.history).all() and len(baseline.history) > 1
    again = Corrected(Effort(fast=True), past=orbits)
    again.restore(world, baseline.state())
    np.testing.assert_array_equal(again.sample(x, 100, seed=2).theta, draws)
    np.testing.assert_array_equal(again.log_prob(theta, x), density)
    assert again.n_parameters == baseline.n_parameters > baseline.proposal.n_parameters


def test_rows_come_from_the_tasks_own_split():
    names = ["sim_id", *THETA, *LMC_VECTOR, *NUISANCES, *TRAVEL]
    table = {name: values[:4] for name, values in columns_of("train", names).items()}
    theta = np.stack([table[name] for name in THETA], axis=1)
    world = World()
    chosen = Split(theta[[1, 3]], np.empty((2, 9), np.float32), table["sim_id"][[1, 3]])
    points, travel = integrate_split(world, chosen, "train")
    np.testing.assert_array_equal(points.nuisances, np.stack([table[n] for n in NUISANCES], axis=1)[[1, 3]])
    np.testing.assert_array_equal(travel, np.stack([table[n] for n in TRAVEL], axis=1)[[1, 3]])
    # the same orbits as those of the references
    for i, row in enumerate((1, 3)):
        orbital = np.r_[theta[row], table["m_lmc_8p7"][row]].astype(float)
        lmc = {name: float(table[name][row]) for name in LMC_VECTOR}
        np.testing.assert_allclose(points.past[i], integrate_histories(orbital[None], lmc)[0], atol=1e-4)
    with pytest.raises(ValueError, match="sim_id = 0: allowed are the simulations of the train split"):
        integrate_split(world, Split(theta[:1], np.empty((1, 9), np.float32), np.zeros(1, np.int32)), "train")


def test_an_orbit_that_cannot_be_integrated_is_nan():
    centre = np.array([0.0, 0.0, 1e-4, 10.0, 0.0, 0.0])
    found = past_velocities(np.array([[1e11, 1e12, 0.0]]), np.array([1.7e10]), centre)
    assert found.shape == (1, 33) and np.isnan(found).all()
    with pytest.raises(RuntimeError, match=r"'m_lmc': 100000000000.0.*cannot be integrated with the LMC at"):
        history.integrate_histories(np.array([[1e11, 1e12, 0.0, 1.7e10]]), dict(zip(LMC_VECTOR, centre, strict=True)))
