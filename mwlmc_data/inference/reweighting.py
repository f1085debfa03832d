"""Draws of a posterior, weighed anew by several independent estimates of its log-likelihood.

The draws come from a cheap estimate. Some of them, chosen by their weights, are evaluated again with dearer ones. The
mean of these is their log-likelihood, and what is left of the scatter between them is its error. Draws are added until
enough of them count, and estimates until the error is small enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed

#: Estimates at first, and the most: the scatter of two is too often small by chance.
FEWEST, MOST = 4, 32
#: Draws evaluated at first for each effective one that is wanted; the part of the posterior that need not be chosen.
_CHOSEN, _LEFT_OUT = 1.5, 1e-3


@dataclass(frozen=True, eq=False, repr=False)
class Reweighted(Displayed):
    """Draws with their new weights.

    Attributes
    ----------
    places : ndarray, shape (m,)
        Of the draws that were evaluated, among all.
    weights : ndarray, shape (m,)
        Their sum is one.
    sums : ndarray, shape (m,)
        Log-likelihoods, means over the estimates.
    log_factor : float
        Log of the mean of the likelihood's factors over the posterior: what the evidence gains.
    sampling : float
        Error that comes of the number of draws, of the log evidence: of its value before and of `log_factor` together.
    error : float
        Error of the log-likelihood over the posterior, up to a constant [nats]; infinite for a single draw.
    n_estimates : int
    """

    places: NDArray[np.intp]
    weights: Float64Array
    sums: Float64Array
    log_factor: float
    sampling: float
    error: float
    n_estimates: int

    @property
    def effective(self) -> float:
        """Effective number of draws."""
        return 1.0 / float(self.weights @ self.weights)


def reweight(
    weights: Float64Array,
    sums: Float64Array,
    estimate: Callable[[int, NDArray[np.intp]], Float64Array],
    n_effective: float,
    max_error: float,
    rng: np.random.Generator,
    may_evaluate: Callable[[int], bool] = lambda _: True,
) -> Reweighted:
    """Weigh draws by better log-likelihoods than those they have.

    Parameters
    ----------
    weights : ndarray, shape (n,)
        Of all draws of a proposal, normalised.
    sums : ndarray, shape (n,)
        Log-likelihoods that are in these weights.
    estimate : callable
        From the number of an estimate, which begins with 0, and places of draws (m,) to log-likelihoods (m,), -inf
        where impossible. A constant of each estimate changes the evidence alone.
    n_effective : float
        Effective number wanted.
    max_error : float
        Error wanted [nats].
    rng : numpy.random.Generator
        Chooses the draws.
    may_evaluate : callable
        Whether so many evaluations more are allowed, of draws or for estimates beyond the first ones.
    """
    numbers = rng.random(len(weights))
    values = np.full((MOST, len(weights)), np.nan)
    n_estimates, n_wanted = FEWEST, _CHOSEN * n_effective
    while True:
        chance = thin(weights, n_wanted)
        places = np.flatnonzero(numbers < chance)
        for i in range(n_estimates):
            missing = places[np.isnan(values[i, places])]
            if len(missing):
                values[i, missing] = estimate(i, missing)
        found = _combine(weights, chance, places, values[:n_estimates, places], sums[places])
        if found.effective < n_effective and weights @ (1.0 - chance) > _LEFT_OUT:
            if not may_evaluate(n_estimates * len(places)):
                return found
            n_wanted *= 2.0
        elif found.error > max_error and n_estimates < MOST:
            needed = math.ceil(n_estimates * min((found.error / max_error) ** 2, MOST))
            needed = min(max(needed, n_estimates + 1), MOST)
            if not may_evaluate((needed - n_estimates) * len(places)):
                return found
            n_estimates = needed
        else:
            return found


def thin(weights: Float64Array, n: float) -> Float64Array:
    """Chances (m,) of draws to be chosen, so that about n are: in proportion to normalised weights (m,), at most one.

    One that is chosen counts ``weight / chance``; chosen for n, where the chance is above a number of its own, it is
    chosen for all larger n too.
    """
    return np.minimum(n * weights, 1.0)


def _combine(
    all_weights: Float64Array,
    chance: Float64Array,
    places: NDArray[np.intp],
    values: Float64Array,
    sums: Float64Array,
) -> Reweighted:
    """New weights of the draws at some places, given their log-likelihoods by each estimate (s, m) and before (m,)."""
    weights = all_weights[places] / chance[places]
    weights /= weights.sum()
    mean, scatter = _average(values)
    gain = mean - sums
    possible = np.isfinite(gain)
    if not possible.any():
        raise RuntimeError(f"none of {len(places)} draws of the posterior is possible with more draws of each star")
    log_factor = float(logsumexp(gain[possible], b=weights[possible]))
    factors = np.where(possible, np.exp(gain - log_factor), 0.0)
    of_draws = weights * factors
    given = of_draws / of_draws.sum()
    scatter = scatter - (scatter @ given)[:, None]
    # what the weighted mean takes of the scatter about it
    free = 1.0 - float(given @ given)
    of_one = float((scatter**2 @ given).sum()) / (len(values) - 1)
    # the draws' part of the log evidence before, of the log factor, and twice their covariance
    of_all = float(all_weights @ all_weights) - 1.0 / len(all_weights)
    of_factor = float(weights**2 @ (factors - 1.0) ** 2)
    of_both = float((all_weights[places] * weights) @ (factors - 1.0))
    return Reweighted(
        places=places,
        weights=given,
        sums=mean,
        log_factor=log_factor,
        sampling=math.sqrt(max(of_all + of_factor + 2.0 * of_both, 0.0)),
        error=math.sqrt(of_one / free / len(values)) if free > 0.0 else math.inf,
        n_estimates=len(values),
    )


def _average(values: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Mean log-likelihoods (m,) of several estimates (s, m), and how far each is from it, (s, m).

    Where some of the estimates are impossible, the likelihood is zero in these, and their part is missing in its mean.
    """
    possible = np.isfinite(values)
    part = possible.mean(axis=0)
    finite = np.where(possible, values, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = finite.sum(axis=0) / possible.sum(axis=0)
        total = np.where(part > 0.0, mean + np.log(part), -np.inf)
    return total, np.where(possible, values - np.where(part > 0.0, mean, 0.0), 0.0)
