"""The density of draws at a point from its neighbours, to compare with submitted densities."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from mwlmc_data.array_types import Float64Array
from mwlmc_data.priors import Prior, standard_normal_log_density

#: Neighbours among 1,000 draws: so few that the density hardly changes within their ball.
_NEIGHBOURS = 5
#: Added to the variances of standardised draws, because draws in a plane have no inverse covariance.
_FLAT = 1e-9


def neighbour_log_density(
    samples: NDArray, theta: NDArray, prior: Prior
) -> tuple[Float64Array, Float64Array]:
    """Log density of parameters under the draws of their observation (k-nearest neighbours), and their distance.

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
        Mahalanobis distance from the mean of the draws, in normal scores.
    """
    points, draws = np.asarray(theta, dtype=np.float64), np.asarray(samples, dtype=np.float64)
    n, m, d = draws.shape
    inside = np.isfinite(prior.log_prob(draws.reshape(-1, d))).reshape(n, m)
    scores, own = prior.to_normal_scores(draws), prior.to_normal_scores(points)
    found, distance = np.full(n, np.nan), np.full(n, np.nan)
    for i in range(n):
        places, mass = _places(scores[i, inside[i]])
        if len(places) > 1:
            of_inside, distance[i] = _log_density(places, mass, own[i])
            found[i] = math.log(inside[i].sum() / m) + of_inside
    return found - standard_normal_log_density(own) + prior.log_prob(points), distance


def _places(points: NDArray) -> tuple[NDArray, Float64Array]:
    """Return points (p, d) without repetition, and the share of each."""
    if len(np.unique(points[:, 0])) == len(points):  # sorting rows would take longer than everything else
        return points, np.full(len(points), 1.0 / max(1, len(points)))
    places, count = np.unique(points, axis=0, return_counts=True)
    return places, count / count.sum()


def _log_density(places: NDArray, mass: NDArray, point: NDArray) -> tuple[float, float]:
    """Estimate the log density at a point (d,) of places (p, d) with masses (p,), and its distance from their mean."""
    d = places.shape[1]
    # sums, not matrix products: threads of the linear algebra library would wait longer than they work
    mean = (places * mass[:, None]).sum(axis=0)
    std = np.sqrt((np.square(places - mean) * mass[:, None]).sum(axis=0))
    std[std == 0] = 1.0
    standard = (places - mean) / std
    covariance = np.einsum("p,pi,pj->ij", mass, standard, standard)
    root = np.linalg.cholesky(covariance + _FLAT * np.eye(d))
    to_unit = np.linalg.inv(root)
    away = np.einsum("ij,j->i", to_unit, (point - mean) / std)
    distance = np.sqrt(np.square(np.einsum("ij,pj->pi", to_unit, standard) - away).sum(axis=1))
    k = min(max(2, round(_NEIGHBOURS * min(1.0, len(places) / 400))), len(places))
    nearest = np.argpartition(distance, k - 1)[:k]
    nearest = nearest[np.argsort(distance[nearest])]
    within = mass[nearest[:-1]].sum() + 0.5 * mass[nearest[-1]]
    radius = max(distance[nearest[-1]], np.finfo(float).tiny)
    log_ball = 0.5 * d * math.log(math.pi) - gammaln(0.5 * d + 1.0) + d * math.log(radius)
    log_density = float(np.log(within) - log_ball - np.log(np.diag(root)).sum() - np.log(std).sum())
    return log_density, float(np.sqrt(np.square(away).sum()))
