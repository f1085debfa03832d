"""Adaptive importance sampling: posteriors and evidences that are known."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, multivariate_t

from mwlmc_data.inference import importance
from mwlmc_data.inference.importance import Exploration, count_effective
from mwlmc_data.inference.proposals import Proposal, ProposalMixture, fit_mixture


def sample(log_likelihood, d, n_effective=400, seed=1, n=4_000):
    """Search, then draw independently: weighted points, ln evidence and its error."""
    exploration = Exploration(d, np.random.default_rng(seed))
    exploration.search(log_likelihood, n_effective)
    proposal = exploration.propose()
    points = proposal.draw(n, np.random.default_rng(seed + 1))
    prior = multivariate_normal(np.zeros(d)).logpdf(points)
    log_weights = prior - proposal.log_density(points) + log_likelihood(points)
    weights = np.exp(log_weights - logsumexp(log_weights))
    effective = count_effective(log_weights)
    return points, weights, logsumexp(log_weights) - np.log(n), np.sqrt(1 / effective - 1 / n), exploration


def test_a_narrow_gaussian_far_out():
    """Widths of a hundredth of the prior's, two widths of the prior from its centre, correlated."""
    d = 6
    rng = np.random.default_rng(0)
    root = 0.01 * (np.eye(d) + 0.5 * rng.standard_normal((d, d)))
    covariance, centre = root @ root.T, np.array([2.0, -1.0, 0.5, 1.0, -2.0, 0.0])
    data = multivariate_normal(centre, covariance)
    points, weights, log_evidence, error, exploration = sample(data.logpdf, d)
    # the product of two Gaussians
    truth = multivariate_normal(np.zeros(d), covariance + np.eye(d)).logpdf(centre)
    assert error < 0.03 and log_evidence == pytest.approx(truth, abs=5.0 * error)
    posterior = np.linalg.inv(np.linalg.inv(covariance) + np.eye(d))
    mean = posterior @ np.linalg.inv(covariance) @ centre
    sigma = np.sqrt(np.diag(posterior))
    assert weights @ points == pytest.approx(mean, abs=0.15 * sigma.min())
    found = np.sqrt(weights @ (points - weights @ points) ** 2)
    assert found == pytest.approx(sigma, rel=0.1)
    assert len(exploration.points) < 4_000


def test_a_curved_ridge_is_found_however_long_it_takes():
    """A posterior that is a thousand times narrower than the prior across a bent ridge: some 90 rounds lead to it."""
    d, bends = 6, 0.2 * np.arange(1, 6) / 6

    def log_likelihood(points):
        along = points[:, 0] - 2.9
        across = points[:, 1:] - bends * along[:, None] ** 2
        return -0.5 * (along / 0.05) ** 2 - 0.5 * np.square(across / 3e-4).sum(axis=1)

    exploration = Exploration(d, np.random.default_rng(0))
    weights = exploration.search(log_likelihood, 72)
    # the product of two Gaussians, as the ridge is flat in the prior
    width = 1.0 / np.sqrt(1.0 / 0.05**2 + 1.0)
    assert weights @ exploration.points[:, 0] == pytest.approx(2.9 * width**2 / 0.05**2, abs=width)


def test_a_banana_wants_several_parts():
    """Draws from four Student t's along it count twice as much as those from one, and give the same evidence."""
    d = 4

    def log_likelihood(x):
        return -0.5 * ((x[:, 1] - 4.0 * x[:, 0] ** 2) / 0.1) ** 2 - 0.5 * np.square(x[:, 2:] / 0.05).sum(axis=1)

    exploration = Exploration(d, np.random.default_rng(1))
    exploration.search(log_likelihood, 100 * d, n_parts=4)
    rng, n, effective, log_evidence = np.random.default_rng(2), 20_000, [], []
    for proposal in (exploration.propose(), exploration.propose_parts(4)):
        points = proposal.draw(n, rng)
        prior = multivariate_normal(np.zeros(d)).logpdf(points)
        log_weights = prior - proposal.log_density(points) + log_likelihood(points)
        effective.append(count_effective(log_weights))
        log_evidence.append(logsumexp(log_weights) - np.log(n))
    assert effective[1] > 2.0 * effective[0]
    # across the ridge the likelihood is a Gaussian, along it the prior's product at (x, 4 x^2)
    along = quad(lambda x: np.exp(-0.5 * x**2 - 0.5 * (4.0 * x**2) ** 2 / 1.01) / (2 * np.pi * np.sqrt(1.01)), -3, 3)[0]
    truth = np.log(along * np.sqrt(2 * np.pi) * 0.1) + 2 * np.log(0.05 / np.sqrt(1.0 + 0.05**2))
    assert log_evidence[1] == pytest.approx(truth, abs=5.0 / np.sqrt(effective[1]))


def test_a_mixture_finds_two_clouds_by_their_weights():
    """Points of equal number, of which one cloud's weigh three times as much."""
    rng = np.random.default_rng(0)
    clouds = [rng.normal(c, w, (2_000, 2)) for c, w in ((-3.0, 0.5), (2.0, 0.1))]
    weights = np.repeat([0.75, 0.25], 2_000) / 2_000
    found = fit_mixture(np.vstack(clouds), weights, 2, rng)
    order = np.argsort([part.mean[0] for part in found.parts])
    assert found.shares[order] == pytest.approx([0.75, 0.25], abs=0.01)
    for place, centre, width in zip(order, (-3.0, 2.0), (0.5, 0.1), strict=True):
        part = found.parts[place]
        assert part.mean == pytest.approx([centre, centre], abs=0.05)
        # a little of the whole's covariance, so that no part is ever singular
        assert width**2 * 0.9 < part.covariance[0, 0] < width**2 + 0.25
    assert isinstance(found.widen(2.0, np.eye(2)), ProposalMixture)


def test_the_density_of_a_mixture_is_that_of_its_draws():
    parts = Proposal(np.zeros(2), 0.1 * np.eye(2)), Proposal(np.ones(2), np.eye(2))
    mixture = ProposalMixture(np.array([0.3, 0.7]), parts)
    points = mixture.draw(100_000, np.random.default_rng(3))
    by_prior = np.exp(multivariate_normal(np.ones(2), 0.3 * np.eye(2)).logpdf(points) - mixture.log_density(points))
    assert by_prior.mean() == pytest.approx(1.0, abs=5.0 * by_prior.std() / np.sqrt(100_000))
    with pytest.raises(ValueError, match="prior"):
        Proposal(np.zeros(2)).widen(2.0, np.eye(2))


def test_a_rough_surface_with_a_wall():
    """A Gaussian cut at its centre in one direction, with ripples of one unit of ln L."""

    def log_likelihood(x):
        values = -0.5 * ((x - 1.0) ** 2).sum(axis=1) / 0.05**2 + np.sin(300.0 * x[:, 0]) + np.sin(211.0 * x[:, 1])
        return np.where(x[:, 1] < 1.0, values, -np.inf)

    points, weights, log_evidence, error, _ = sample(log_likelihood, 2)

    def factor(k, upper):
        return quad(
            lambda x: np.exp(-0.5 * (x - 1.0) ** 2 / 0.05**2 + np.sin(k * x) - 0.5 * x * x) / np.sqrt(2.0 * np.pi),
            0.6, upper, limit=2000,
        )[0]  # fmt: skip

    truth = np.log(factor(300.0, 1.4)) + np.log(factor(211.0, 1.0))
    assert error < 0.05 and log_evidence == pytest.approx(truth, abs=5.0 * error)
    assert points[weights > 0, 1].max() < 1.0


def test_the_density_of_a_proposal_is_that_of_its_draws():
    mean, covariance = np.array([1.0, -2.0]), np.array([[2.0, 0.6], [0.6, 0.5]])
    proposal = Proposal(mean, covariance)
    draws = proposal.draw(50_000, np.random.default_rng(3))
    exact = multivariate_t(mean, covariance, df=5)
    assert proposal.log_density(draws[:50]) == pytest.approx(exact.logpdf(draws[:50]))
    assert draws.mean(axis=0) == pytest.approx(mean, abs=0.05)
    assert np.cov(draws.T) == pytest.approx(covariance * 5 / 3, rel=0.1)
    prior = Proposal(np.zeros(2))
    assert prior.log_density(draws[:5]) == pytest.approx(multivariate_normal(np.zeros(2)).logpdf(draws[:5]))


def test_the_search_asks_again_for_all_points_and_only_adds_new_ones():
    seen = []

    def log_likelihood(x):
        assert not seen or np.array_equal(x[: len(seen[-1])], seen[-1])
        seen.append(x.copy())
        return -0.5 * (x**2).sum(axis=1) / 0.3**2

    weights = Exploration(3, np.random.default_rng(0)).search(log_likelihood, 150)
    assert len(weights) == len(seen[-1]) and weights.sum() == pytest.approx(1.0)
    assert 1.0 / (weights @ weights) >= 150


def test_a_likelihood_without_a_possible_point_is_refused():
    with pytest.raises(RuntimeError, match="none of 128 draws of the parameters has a finite likelihood"):
        Exploration(2, np.random.default_rng(0)).search(lambda x: np.full(len(x), -np.inf), 50)


def test_a_posterior_that_is_not_found_is_refused(monkeypatch):
    """A likelihood that changes with every call leaves no posterior to find."""
    monkeypatch.setattr(importance, "_MAX_ROUNDS", 40)
    calls = []

    def log_likelihood(x):
        calls.append(None)
        return 1e6 * np.sin(1e4 * x[:, 0] + len(calls))

    with pytest.raises(RuntimeError, match="was not found in"):
        Exploration(2, np.random.default_rng(0)).search(log_likelihood, 50)


def test_a_search_that_ends_early_has_the_posterior_of_a_power_of_the_likelihood():
    """A spike a hundred widths from the prior's: after three rounds the weights are wide, on the way to it."""
    exploration = Exploration(2, np.random.default_rng(0))
    weights = exploration.search(lambda x: -0.5 * ((x - 2.0) ** 2).sum(axis=1) / 0.001**2, 100, most_rounds=3)
    assert len(exploration.points) == 2 * (64 + 3 * 32) and weights.sum() == pytest.approx(1.0)
    width = np.sqrt(np.diag(exploration.covariance))
    assert np.all(width > 0.01) and np.all(np.abs(exploration.mean - 2.0) < 4.0 * width)
