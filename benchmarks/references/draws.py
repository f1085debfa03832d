"""The posterior of all six parameters on weighted draws, where the data determine the nuisances as well.

The draws are those of a Student t that adaptive importance sampling (`mwlmc_data.inference.importance`) fitted to the
posterior, in normal scores under the prior. Another model of the same data weighs the same draws again, so that two
posteriors are compared without the noise of draws.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from benchmarks.common.features import SCALE
from benchmarks.references.conditional import Conditional
from benchmarks.references.design import CONFIG, DIMENSIONS, THETA, draw_around
from benchmarks.references.rows import Row
from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.inference.free_parameters import FreeParameters
from mwlmc_data.inference.importance import Exploration, count_effective
from mwlmc_data.inference.proposals import Proposal, ProposalMixture, compute_moments
from mwlmc_data.priors import Prior, standard_normal_log_density

#: Draws of the proposal.
N_POINTS = 12_000
#: Effective points of the search before them, and of that over the nuisances at given theta.
_SEARCHED = 300
#: Error of the log evidence from the number of draws beyond which a proposal of several parts takes the place of one
#: Student t, as for a curved ridge, and its parts.
_MOST_MISSED, N_PARTS = 0.05, 4
#: Independent draws of the nuisances at given theta.
_N_NUISANCES = 2_000
#: Half-width of a design around a posterior, in its standard deviations.
_WIDTH = 4.5
#: Normal score beyond which the prior has 1e-9 of its mass, and no simulation is needed.
_FAR = 6.0

#: Maps points (n, 6) of `design.DIMENSIONS` to the Milky Way's past (n, h).
Histories = Callable[[NDArray], NDArray]
#: Maps normal scores (n, d) to log-likelihoods (n,).
LogLikelihood = Callable[[Float64Array], Float64Array]


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A posterior on weighted draws of theta, with the methods of `mwlmc_data.inference.grid.Grid`.

    Attributes
    ----------
    scores : ndarray, shape (n, 6)
        Normal scores of all six parameters.
    theta : ndarray, shape (n, 3)
        In units of `benchmarks.common.features.SCALE`.
    weights : ndarray, shape (n,)
        Their sum is one.
    log_evidence : float
        Log density of the data under the prior.
    """

    scores: NDArray
    theta: NDArray
    weights: NDArray
    log_evidence: float

    @property
    def effective(self) -> float:
        """Effective number of draws."""
        return 1.0 / float(self.weights @ self.weights)

    def moments(self) -> tuple[Float64Array, Float64Array]:
        """Means (3,) and covariance (3, 3) of theta."""
        return compute_moments(self.theta, self.weights)

    def cumulative(self, i: int, values: NDArray) -> Float64Array:
        """Marginal distribution function of one parameter at `values`."""
        order = np.argsort(self.theta[:, i])
        total = np.r_[0.0, np.cumsum(self.weights[order])]
        return np.minimum(total[np.searchsorted(self.theta[order, i], values, side="right")], 1.0)

    def sample(self, n: int, seed: tuple[int, ...]) -> Float64Array:
        """Draw theta (n, 3) with equal weights, by systematic resampling, in random order."""
        rng = np.random.default_rng(seed)
        places = np.searchsorted(np.cumsum(self.weights), (rng.random() + np.arange(n)) / n)
        return self.theta[rng.permutation(np.minimum(places, len(self.theta) - 1))]

    def distance(self, other: Drawn) -> float:
        """Largest difference of the marginal distribution functions from those of a posterior on the same draws."""
        apart = self.weights - other.weights
        return max(float(np.abs(np.cumsum(apart[np.argsort(column)])).max()) for column in self.theta.T)


@dataclasses.dataclass(frozen=True)
class Cloud:
    """Points at which models are compared, in the place of `benchmarks.references.posterior.Lattice`.

    Attributes
    ----------
    scores, points : ndarray, shape (n, 6)
        Draws of the proposal: normal scores, and the columns `design.DIMENSIONS`.
    log_ratio : ndarray, shape (n,)
        Log of the prior's density over the proposal's.
    histories : ndarray, shape (n, h)
        The Milky Way's past.
    """

    scores: NDArray
    points: NDArray
    log_ratio: NDArray
    histories: NDArray

    @classmethod
    def draw(
        cls, row: Row, proposal: Proposal | ProposalMixture, n: int, seed: tuple[int, ...], histories: Histories
    ) -> Cloud:
        """Draw n points of a proposal, without those in the prior's far tails."""
        scores = proposal.draw(n, np.random.default_rng(seed))
        ratio = standard_normal_log_density(scores) - proposal.log_density(scores)
        near = np.abs(scores).max(axis=1) < _FAR
        points = to_points(row, scores[near])
        return cls(scores[near], points, ratio[near] - np.log(n / near.sum()), histories(points))

    def infer(self, model: Conditional, observed: NDArray) -> tuple[Drawn, NDArray]:
        """Compute the posterior given data (k,), and the error of the log evidence from the number of draws, (1,)."""
        log_weights = self.log_ratio + model.log_density(observed, self.points, self.histories)
        total = float(logsumexp(log_weights))
        drawn = Drawn(
            self.scores,
            self.points[:, : len(THETA)] / SCALE,
            np.exp(log_weights - total),
            total - float(np.log(len(self.points))),
        )
        return drawn, np.array([np.sqrt(max(1.0 / drawn.effective - 1.0 / len(self.points), 0.0))])


@dataclasses.dataclass(frozen=True)
class DrawnInference:
    """A posterior and the points behind it.

    Attributes
    ----------
    grid : Drawn
    lattice : Cloud
    missed : ndarray, shape (1,)
        Error of the log evidence from the number of draws.
    """

    grid: Drawn
    lattice: Cloud
    missed: NDArray


def infer(row: Row, model: Conditional, histories: Histories, seed: tuple[int, ...]) -> DrawnInference:
    """Compute the posterior of a row.

    Parameters
    ----------
    row : Row
    model : Conditional
        Of its data.
    histories : callable
        Integrates orbits.
    seed : tuple of int
        Seed of the draws.

    Returns
    -------
    DrawnInference

    Raises
    ------
    RuntimeError
        If the posterior is not found.
    """
    observed, known = np.array(row.observation), np.empty(0)

    def look_up(scores: Float64Array) -> Float64Array:
        nonlocal known
        known = np.concatenate([known, log_likelihood(row, model, scores[len(known) :], histories)])
        return known

    exploration = Exploration(len(DIMENSIONS), np.random.default_rng((*seed, 0)))
    exploration.search(look_up, _SEARCHED)
    cloud = Cloud.draw(row, exploration.propose(), N_POINTS, (*seed, 1), histories)
    drawn, missed = cloud.infer(model, observed)
    if missed[0] > _MOST_MISSED:
        exploration.search(look_up, 2 * _SEARCHED, N_PARTS)
        cloud = Cloud.draw(row, exploration.propose_parts(N_PARTS), N_POINTS, (*seed, 2), histories)
        drawn, missed = cloud.infer(model, observed)
    return DrawnInference(drawn, cloud, missed)


def draw_design(row: Row, found: Drawn, n: int, seed: tuple[int, ...]) -> tuple[Float64Array, Float32Array]:
    """Draw a design around a posterior, wider than it: points of the unit cube, and parameters (n, 6)."""
    unit, scores = draw_around(*compute_moments(found.scores, found.weights), _WIDTH, n, seed)
    return unit, to_points(row, np.clip(scores, -_FAR, _FAR)).astype(np.float32)


def log_likelihood(row: Row, model: Conditional, scores: Float64Array, histories: Histories) -> Float64Array:
    """Log density of a row's data at normal scores (n, 6) of all parameters; -inf in the prior's far tails."""
    found = np.full(len(scores), -np.inf)
    near = np.abs(scores).max(axis=1, initial=0.0) < _FAR
    if near.any():
        points = to_points(row, scores[near])
        found[near] = model.log_density(np.array(row.observation), points, histories(points))
    return found


def log_probability(
    row: Row, model: Conditional, found: DrawnInference, theta: NDArray, histories: Histories, seed: tuple[int, ...]
) -> float:
    """Log posterior density of theta (3,), in units of `SCALE`, averaged over the nuisances."""
    wanted = np.asarray(theta, float) * SCALE
    at = score_theta(row, wanted)

    def of_nuisances(scores: Float64Array) -> Float64Array:
        return log_likelihood(row, model, np.hstack([np.tile(at, (len(scores), 1)), scores]), histories)

    log_integral, _ = integrate_nuisances(of_nuisances, found.grid.scores, found.grid.weights, at, seed)
    prior = float(Prior(CONFIG, THETA).log_prob(wanted)) + float(np.log(SCALE).sum())
    return prior + log_integral - found.grid.log_evidence


def integrate_nuisances(
    log_likelihood: LogLikelihood, scores: NDArray, weights: NDArray, at: NDArray, seed: tuple[int, ...]
) -> tuple[float, float]:
    """Average a likelihood over the prior of the last parameters, where the first are given.

    The search begins with the posterior's own distribution of the last given the first, as if it were Gaussian.

    Parameters
    ----------
    log_likelihood : callable
        From normal scores (m, d - k) of the last parameters to log-likelihoods (m,).
    scores, weights : ndarray, shapes (n, d) and (n,)
        Draws of the posterior of all parameters, which only place the points.
    at : ndarray, shape (k,)
        Normal scores of the first parameters.
    seed : tuple of int
        Seed of the draws.

    Returns
    -------
    log_average, error : float
        Logarithm of the average, and its standard error.
    """
    k, rng = len(at), np.random.default_rng(seed)
    mean = weights @ scores
    apart = scores - mean
    covariance = (apart * weights[:, None]).T @ apart
    slope = np.linalg.solve(covariance[:k, :k], covariance[:k, k:]).T
    centre = mean[k:] + slope @ (at - mean[:k])
    spread = covariance[k:, k:] - slope @ covariance[:k, k:]
    known = np.empty(0)

    def look_up(points: Float64Array) -> Float64Array:
        nonlocal known
        known = np.concatenate([known, log_likelihood(points[len(known) :])])
        return known

    d = scores.shape[1] - k
    exploration = Exploration(d, rng)
    exploration.extend(64 * d, Proposal(centre, 2.0 * spread))
    exploration.search(look_up, 60.0)
    proposal = exploration.propose()
    drawn = proposal.draw(_N_NUISANCES, rng)
    ratio = standard_normal_log_density(drawn) - proposal.log_density(drawn)
    log_weights = ratio + log_likelihood(drawn)
    effective = count_effective(log_weights)
    error = np.sqrt(max(1.0 / effective - 1.0 / len(drawn), 0.0))
    return float(logsumexp(log_weights)) - float(np.log(len(drawn))), float(error)


def to_points(row: Row, scores: NDArray) -> Float64Array:
    """Points (n, 6) of normal scores."""
    values = _free(row).convert(scores)
    return np.stack([values[name] for name in DIMENSIONS], axis=1)


def score_theta(row: Row, theta: NDArray) -> Float64Array:
    """Normal scores (3,) of theta in the catalogue's units; the nuisances do not matter for them."""
    values = dict(zip(THETA, theta.tolist(), strict=True)) | {"m_lmc_8p7": 1.7e10, "beta0": 0.5, "r_dehnen": 12.0}
    return _free(row).compute_scores(values)[0, : len(THETA)]


def _free(row: Row) -> FreeParameters:
    return FreeParameters(CONFIG, DIMENSIONS, row.lmc)
