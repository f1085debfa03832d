"""Adaptive importance sampling of a rough posterior with walls, without gradients.

Points are drawn from the prior, then from a Student t that is fitted, again and again, to all points so far. As long
as few points carry the posterior, the likelihood is raised to a power below 1 that keeps enough of them effective. All
points count, each with the mixture of all proposals as its density (Cornuet et al. 2012, Scand. J. Stat. 39, 798; the
power as in Del Moral et al. 2006, J. R. Stat. Soc. B 68, 411). The last proposal then serves for independent draws,
which give the evidence and its error. A posterior that is curved wants several Student t's together.

The space is that of independent standard normal scores under the prior.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.proposals import Proposal, ProposalMixture, compute_moments, fit_mixture
from mwlmc_data.priors import standard_normal_log_density

#: Factor on a fitted covariance: a wide proposal costs little, a narrow one gives large weights.
_WIDER = 1.3
#: Points drawn from the prior first, and in each round, for each dimension.
_FIRST, _ROUND = 64, 32
#: Effective points that the power of the likelihood keeps, for each dimension.
_KEPT = 7
#: Number of rounds after which the search is given up.
_MAX_ROUNDS = 240
#: Floor of the covariance, in units of the prior's: narrower than any posterior that a search can find.
_NARROWEST = 1e-10

Evaluate = Callable[[Float64Array], Float64Array]


def count_effective(log_weights: Float64Array) -> float:
    """Effective number of points, ``(sum w)^2 / sum w^2``."""
    return float(np.exp(2.0 * logsumexp(log_weights) - logsumexp(2.0 * log_weights)))


def resample(weights: Float64Array, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose n places as `choose_places` does, in random order."""
    return rng.permutation(choose_places(weights, n, rng))


def choose_places(weights: Float64Array, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose n places in proportion to normalised weights (m,), by systematic resampling, in rising order."""
    places = np.searchsorted(np.cumsum(weights), (rng.random() + np.arange(n)) / n)
    return np.minimum(places, len(weights) - 1)  # the sum of the weights may be below one by rounding


class Exploration:
    """Points of a search, their proposals, and the fit to the posterior.

    Parameters
    ----------
    d : int
        Number of dimensions.
    rng : numpy.random.Generator
        Of the points.

    Attributes
    ----------
    points : ndarray, shape (n, d)
        All points so far.
    weights : ndarray, shape (n,)
        Of the points of the last search, whose sum is one.
    mean, covariance : ndarray, shapes (d,) and (d, d)
        Of the posterior, from the weighted points.
    power : float
        Of the likelihood in the weights.
    """

    def __init__(self, d: int, rng: np.random.Generator) -> None:
        self.d = d
        self.points = np.empty((0, d))
        self.mean, self.covariance = np.zeros(d), np.eye(d)
        self._rng = rng
        self._proposals: list[tuple[int, Proposal | ProposalMixture]] = []
        self.weights = np.empty(0)
        self.power = 0.0

    def extend(self, n: int, proposal: Proposal | ProposalMixture) -> None:
        """Draw n points more."""
        self.points = np.vstack([self.points, proposal.draw(n, self._rng)])
        self._proposals.append((n, proposal))

    def log_ratio(self) -> Float64Array:
        """Log of the prior's density over that of the mixture of all proposals, at all points."""
        parts = [math.log(n) + proposal.log_density(self.points) for n, proposal in self._proposals]
        return standard_normal_log_density(self.points) - logsumexp(parts, axis=0) + math.log(len(self.points))

    def propose(self) -> Proposal:
        """A proposal fitted to the posterior as far as it is known."""
        return Proposal(self.mean, self.covariance).widen(_WIDER, _NARROWEST * np.eye(self.d))

    def propose_parts(self, n_parts: int) -> ProposalMixture:
        """A proposal of several parts, for a curved posterior."""
        fitted = fit_mixture(self.points[: len(self.weights)], self.weights, n_parts, self._rng)
        return fitted.widen(_WIDER, _NARROWEST * np.eye(self.d))

    def search(
        self, log_likelihood: Evaluate, n_effective: float, n_parts: int = 1, most_rounds: int | None = None
    ) -> Float64Array:
        """Draw points until enough of them are effective.

        Parameters
        ----------
        log_likelihood : callable
            From all points (n, d) to their log-likelihoods (n,), -inf where impossible. Points come again with those of
            later rounds: it keeps what is expensive.
        n_effective : float
            Effective number of points wanted.
        n_parts : int
            Parts of the proposals.
        most_rounds : int, optional
            Rounds after which the search ends with what it has: fewer effective points, and perhaps weights of a power
            of the likelihood.

        Returns
        -------
        ndarray, shape (n,)
            Normalised weights of all points.

        Raises
        ------
        RuntimeError
            If no point is possible, or the search does not end within 240 rounds.
        """
        if not len(self.points):
            self.extend(_FIRST * self.d, Proposal(np.zeros(self.d)))
        best = 0.0
        for i in range(_MAX_ROUNDS):
            values = log_likelihood(self.points)
            if not np.isfinite(values).any():
                raise RuntimeError(f"none of {len(values)} draws of the parameters has a finite likelihood")
            ratio = self.log_ratio()
            self.power = power = _choose_power(ratio, values, min(_KEPT * self.d, n_effective))
            self.weights = weights = _normalise(ratio, values, power)
            self.mean, self.covariance = compute_moments(self.points, weights)
            if power == 1.0:
                best = 1.0 / float(weights @ weights)
                if best >= n_effective:
                    return weights
            if i == most_rounds:
                return weights
            self.extend(_ROUND * self.d, self.propose() if n_parts == 1 else self.propose_parts(n_parts))
        raise RuntimeError(
            f"the posterior was not found in {len(self.points):,} evaluations: {best:.0f} effective points of "
            f"{n_effective:.0f}"
        )


def _choose_power(ratio: Float64Array, values: Float64Array, kept: float) -> float:
    """Largest power of the likelihood, at most 1, that leaves this many effective points."""
    possible = np.isfinite(values)
    ratio, relative = ratio[possible], values[possible] - values[possible].max()
    if count_effective(ratio + relative) >= kept:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        if count_effective(ratio + middle * relative) >= kept:
            low = middle
        else:
            high = middle
    return low


def _normalise(ratio: Float64Array, values: Float64Array, power: float) -> Float64Array:
    log_weights = np.full(len(values), -np.inf)
    possible = np.isfinite(values)
    log_weights[possible] = ratio[possible] + power * values[possible]
    return np.exp(log_weights - logsumexp(log_weights))
