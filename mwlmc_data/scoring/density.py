"""The density of draws at a point, by its neighbours: what a density that is handed in is compared with."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from mwlmc_data.priors import Prior

_NEIGHBOURS = 5
"""Of 1,000 draws: few enough that the ball holds half a percent of them, and the density hardly changes inside it."""
_FLAT = 1e-9
"""Added to the variances of standardised draws: those in a plane have no inverse covariance."""


def neighbour_log_density(
    samples: NDArray, theta: NDArray, prior: Prior
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log density of parameters under the draws of their observation (k-nearest neighbours), and how far out they are.

    log(mass within the distance r_k of the k-th nearest draw) - log(volume of that ball), after Loftsgaarden &
    Quesenberry (1965), with the k-th draw counted half: (k - 1/2) / m is exp(digamma(k)) / m to 2%, with which the mean
    logarithm is unbiased where the density is even (Kozachenko & Leonenko 1987). Distances are those of the prior's
    normal scores, which have no walls, whitened by the covariance of the draws. Draws that repeat count as one place
    with their mass.

    Parameters
    ----------
    samples : ndarray, shape (n, m, d)
        Posterior draws; at least two of an observation, at different places, inside the prior.
    theta : ndarray, shape (n, d)
        A point for each observation, inside the prior.
    prior : Prior
        Of independent parameters.

    Returns
    -------
    log_density : ndarray, shape (n,)
        In nats, per unit of theta. Each scatters by some 0.5; far outside the draws it falls too slowly. NaN where
        fewer than two draws are inside the prior.
    distance : ndarray, shape (n,)
        From the mean of the draws, in their widths (Mahalanobis), in normal scores.
    """
    points, n = np.asarray(theta, dtype=np.float64), len(samples)
    own, found, distance = prior.normal_scores(points), np.full(n, np.nan), np.full(n, np.nan)
    for i, draws in enumerate(samples.astype(np.float64)):
        inside = np.isfinite(prior.log_prob(draws))
        places, count = np.unique(prior.normal_scores(draws[inside]), axis=0, return_counts=True)
        if len(places) > 1:
            of_inside, distance[i] = _log_density(places, count / count.sum(), own[i])
            found[i] = np.log(inside.mean()) + of_inside
    log_normal = -0.5 * (np.square(own) + np.log(2.0 * np.pi)).sum(axis=1)
    return found - log_normal + prior.log_prob(points), distance


def _log_density(places: NDArray, mass: NDArray, point: NDArray) -> tuple[float, float]:
    """Log density at a point (d,) of places (p, d) with masses (p,) of sum one, and its distance from their mean."""
    d = places.shape[1]
    std = places.std(axis=0)
    std[std == 0] = 1.0
    covariance = np.atleast_2d(np.cov((places / std).T, aweights=mass, ddof=0))
    root = np.linalg.cholesky(covariance + _FLAT * np.eye(d))
    away = np.linalg.solve(root, ((places - point) / std).T)
    distance = np.linalg.norm(away, axis=0)
    k = min(max(2, round(_NEIGHBOURS * min(1.0, len(places) / 400))), len(places))
    nearest = np.argpartition(distance, k - 1)[:k]
    nearest = nearest[np.argsort(distance[nearest])]
    within = mass[nearest[:-1]].sum() + 0.5 * mass[nearest[-1]]
    radius = max(distance[nearest[-1]], np.finfo(float).tiny)
    log_ball = 0.5 * d * math.log(math.pi) - gammaln(0.5 * d + 1.0) + d * math.log(radius)
    log_density = float(np.log(within) - log_ball - np.log(np.diag(root)).sum() - np.log(std).sum())
    return log_density, float(np.linalg.norm(away @ mass))
