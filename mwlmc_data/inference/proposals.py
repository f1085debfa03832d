"""Densities from which points are drawn: a Student t, the prior, or several Student t's that follow a curved ridge.

The space is that of independent standard normal scores under the prior.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.priors import standard_normal_log_density

#: Degrees of freedom of a Student t.
_FREEDOM = 5.0
#: Starts of the fit of several parts, its most steps, and the gain of the mean log density at which it ends.
_STARTS, _MOST_STEPS, _GAIN = 4, 100, 1e-4
#: What each part's covariance is drawn to, the whole's, with the weight of this share of the points.
_PULL = 0.02


def square_apart(points: Float64Array, middle: Float64Array, root: NDArray) -> Float64Array:
    """Squared distances (n,) of points (n, d) from a middle (d,), in standard deviations of a covariance's root."""
    return np.asarray((np.linalg.solve(root, (points - middle).T) ** 2).sum(axis=0))


def compute_moments(points: NDArray, weights: NDArray) -> tuple[Float64Array, Float64Array]:
    """Mean (d,) and covariance (d, d) of points (n, d) with weights (n,), whose sum is one."""
    mean = weights @ points
    apart = points - mean
    return mean, (apart * weights[:, None]).T @ apart


@dataclass(frozen=True, eq=False, repr=False)
class Proposal(Displayed):
    """A multivariate Student t; the prior, a standard normal, if it has no covariance."""

    mean: Float64Array
    covariance: Float64Array | None = None

    def draw(self, n: int, rng: np.random.Generator) -> Float64Array:
        """Draw points (n, d)."""
        normal = rng.standard_normal((n, len(self.mean)))
        if self.covariance is None:
            return normal
        stretch = np.sqrt(_FREEDOM / rng.chisquare(_FREEDOM, n))
        return self.mean + stretch[:, None] * (normal @ np.linalg.cholesky(self.covariance).T)

    def log_density(self, points: Float64Array) -> Float64Array:
        """Log density (n,) at points (n, d)."""
        if self.covariance is None:
            return standard_normal_log_density(points)
        d = len(self.mean)
        root = np.linalg.cholesky(self.covariance)
        squared = square_apart(points, self.mean, root)
        constant = gammaln(0.5 * (_FREEDOM + d)) - gammaln(0.5 * _FREEDOM) - 0.5 * d * math.log(_FREEDOM * math.pi)
        constant -= np.log(np.diag(root)).sum()
        return np.asarray(constant - 0.5 * (_FREEDOM + d) * np.log1p(squared / _FREEDOM))

    def widen(self, factor: float, least: Float64Array) -> Proposal:
        """The same with a covariance (d, d) this many times as large, and `least` more."""
        if self.covariance is None:
            raise ValueError("the prior is as wide as it is")
        return Proposal(self.mean, factor * self.covariance + least)


@dataclass(frozen=True, eq=False, repr=False)
class ProposalMixture(Displayed):
    """Several proposals, each with its share (k,) of the draws."""

    shares: Float64Array
    parts: tuple[Proposal, ...]

    def draw(self, n: int, rng: np.random.Generator) -> Float64Array:
        """Draw points (n, d)."""
        counts = rng.multinomial(n, self.shares)
        return np.vstack([part.draw(count, rng) for part, count in zip(self.parts, counts.tolist(), strict=True)])

    def log_density(self, points: Float64Array) -> Float64Array:
        """Log density (n,) at points (n, d)."""
        each = np.stack([part.log_density(points) for part in self.parts], axis=1)
        return np.asarray(logsumexp(each, axis=1, b=self.shares))

    def widen(self, factor: float, least: Float64Array) -> ProposalMixture:
        """The same with covariances (d, d) this many times as large, and `least` more."""
        return ProposalMixture(self.shares, tuple(part.widen(factor, least) for part in self.parts))


def fit_mixture(points: Float64Array, weights: Float64Array, n_parts: int, rng: np.random.Generator) -> ProposalMixture:
    """Fit Gaussians to weighted points by expectation and maximisation, the best of several starts.

    Parameters
    ----------
    points : ndarray, shape (n, d)
    weights : ndarray, shape (n,)
        Whose sum is one.
    n_parts : int
    rng : numpy.random.Generator
        Of the starts.

    Returns
    -------
    ProposalMixture
    """
    chosen = weights > 0.0
    points, weights = points[chosen], weights[chosen]
    mean, covariance = compute_moments(points, weights)
    root = np.linalg.cholesky(covariance)
    white = np.linalg.solve(root, (points - mean).T).T
    n_parts = min(n_parts, len(points))
    fits = [_climb(white, weights, white[rng.choice(len(white), n_parts, False, weights)]) for _ in range(_STARTS)]
    _, shares, means, covariances = max(fits, key=lambda fit: fit[0])
    parts = (Proposal(mean + root @ m, root @ c @ root.T) for m, c in zip(means, covariances, strict=True))
    return ProposalMixture(shares, tuple(parts))


def _climb(
    white: Float64Array, weights: Float64Array, means: Float64Array
) -> tuple[float, Float64Array, Float64Array, Float64Array]:
    """Climb to a fit from some means; return the mean log density, shares, means and covariances."""
    k, d = means.shape
    shares, covariances = np.full(k, 1.0 / k), np.tile(0.5 * np.eye(d), (k, 1, 1))
    reached = -math.inf
    for _ in range(_MOST_STEPS):
        roots = np.linalg.cholesky(covariances)
        scaled = np.linalg.solve(roots, (white - means[:, None, :]).transpose(0, 2, 1))
        log_parts = np.log(shares) - np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
        log_parts = log_parts[:, None] - 0.5 * (scaled**2).sum(axis=1)
        together = logsumexp(log_parts, axis=0)
        before, reached = reached, float(weights @ together)
        if reached - before < _GAIN:
            break
        of_parts = np.exp(log_parts - together) * weights
        shares = np.maximum(of_parts.sum(axis=1), 1e-6)
        shares /= shares.sum()
        means = of_parts @ white / shares[:, None]
        pull = _PULL / k
        for j in range(k):
            apart = white - means[j]
            covariances[j] = ((apart * of_parts[j][:, None]).T @ apart + pull * np.eye(d)) / (shares[j] + pull)
    return reached, shares, means, covariances
