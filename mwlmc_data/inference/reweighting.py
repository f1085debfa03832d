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

#: Estimates at first, and the most.
FEWEST, MOST = 2, 8
#: Draws evaluated at first for each effective one that is wanted.
_CHOSEN = 1.5


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
        Error of `log_factor` that comes of the number of draws.
    error : float
        Error of the log-likelihood over the posterior, up to a constant [nats].
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
    may_go_on: Callable[[], bool] = lambda: True,
) -> Reweighted:
    """Weigh draws by better log-likelihoods than those they have.

    Parameters
    ----------
    weights : ndarray, shape (n,)
        Of the draws, normalised.
    sums : ndarray, shape (n,)
        Log-likelihoods that are in these weights.
    estimate : callable
        From the number of an estimate, which begins with 0, and places of draws (m,) to log-likelihoods (m,), -inf
        where impossible.
    n_effective : float
        Effective number wanted.
    max_error : float
        Error wanted [nats].
    rng : numpy.random.Generator
        Chooses the draws.
    may_go_on : callable
        Whether more draws or estimates are allowed after the first ones.
    """
    numbers, possible = rng.random(len(weights)), int((weights > 0.0).sum())
    values = np.full((MOST, len(weights)), np.nan)
    n_estimates, n_wanted = FEWEST, _CHOSEN * n_effective
    while True:
        chance = thin(weights, n_wanted)
        places = np.flatnonzero(numbers < chance)
        for i in range(n_estimates):
            missing = places[np.isnan(values[i, places])]
            if len(missing):
                values[i, missing] = estimate(i, missing)
        found = _combine(places, weights[places] / chance[places], values[:n_estimates, places], sums[places])
        if not may_go_on():
            return found
        if found.effective < n_effective and len(places) < possible:
            n_wanted *= 2.0
        elif found.error > max_error and n_estimates < MOST:
            needed = math.ceil(n_estimates * min((found.error / max_error) ** 2, MOST))
            n_estimates = min(max(needed, n_estimates + 1), MOST)
        else:
            return found


def thin(weights: Float64Array, n: float) -> Float64Array:
    """Chances (m,) of draws to be chosen, so that about n are: in proportion to normalised weights (m,), at most one.

    One that is chosen counts ``weight / chance``; chosen for n, where the chance is above a number of its own, it is
    chosen for all larger n too.
    """
    return np.minimum(n * weights, 1.0)


def _combine(places: NDArray[np.intp], weights: Float64Array, values: Float64Array, sums: Float64Array) -> Reweighted:
    """New weights of draws (m,), given their log-likelihoods by each estimate (s, m) and before (m,)."""
    weights = weights / weights.sum()
    mean = values.mean(axis=0)
    gain = mean - sums
    possible = np.isfinite(gain)
    if not possible.any():
        raise RuntimeError(f"none of {len(places)} draws of the posterior is possible with more draws of each star")
    log_factor = float(logsumexp(gain[possible], b=weights[possible]))
    factors = np.where(possible, np.exp(gain - log_factor), 0.0)
    of_draws = weights * factors
    apart = values[:, possible] - mean[possible]
    given = of_draws[possible] / of_draws[possible].sum()
    apart -= (apart @ given)[:, None]
    of_one = float((apart**2 @ given).sum()) / (len(values) - 1)
    return Reweighted(
        places=places,
        weights=of_draws / of_draws.sum(),
        sums=mean,
        log_factor=log_factor,
        sampling=math.sqrt(float(weights**2 @ (factors - 1.0) ** 2)),
        error=math.sqrt(of_one / len(values)),
        n_estimates=len(values),
    )
