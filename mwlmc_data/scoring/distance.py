"""Distances of posterior draws from those of a reference posterior, observation by observation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist, pdist

from mwlmc_data.array_types import Float64Array
from mwlmc_data.scoring.checks import checked_pair, checked_scale, varying_std
from mwlmc_data.scoring.energy import mean_pair_distance

#: Kernel values held at once (2 MB: they stay in the cache).
_BLOCK = 1 << 18
#: Reference draws whose pairs set the bandwidth.
_BANDWIDTH_DRAWS = 500


def mmd(samples: ArrayLike, reference: ArrayLike, scale: ArrayLike | None = None) -> Float64Array:
    """Squared maximum mean discrepancy to the reference, unbiased, Gaussian kernel (Gretton et al. 2012, eq. 3).

    E k(X, X') + E k(Y, Y') - 2 E k(X, Y) over pairs of different draws, ``k(a, b) = exp(-|a - b|^2 / 2 h^2)``. The
    bandwidth h is the median distance between reference draws, so it does not depend on the entry. The mean
    is zero for the exact posterior, which scatters to both sides, and positive for any other.

    Parameters
    ----------
    samples : array_like, shape (n, m, d)
        Posterior draws, at least 2 an observation.
    reference : array_like, shape (n, k, d)
        Draws of the reference posteriors of the same observations, at least 2. More than 500 are thinned
        evenly to set the bandwidth, and only there.
    scale : array_like, shape (d,), optional
        What each parameter is divided by; by default the reference's standard deviation at that observation,
        so that the result does not depend on units.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    ValueError
        If shapes do not match, a value is not finite, there are fewer than 2 draws, a scale is not positive, or
        reference draws are all equal.
    """
    draws, exact = checked_pair(samples, reference)
    own = varying_std(exact, "reference")
    units = own if scale is None else np.broadcast_to(checked_scale(scale, draws.shape[2]), own.shape)
    found = np.empty(len(draws))
    for i, unit in enumerate(units):
        x, y = draws[i] / unit, exact[i] / unit
        gamma = 0.5 / _median_distance(y) ** 2
        m, k = len(x), len(y)
        within_x = (_kernel_sum(x, x, gamma) - m) / (m * (m - 1))
        within_y = (_kernel_sum(y, y, gamma) - k) / (k * (k - 1))
        found[i] = within_x + within_y - 2.0 * _kernel_sum(x, y, gamma) / (m * k)
    return found


def _median_distance(points: NDArray) -> float:
    """Return the median distance of pairs of points (k, d), or the mean where most points are equal."""
    distance = pdist(points[:: -(-len(points) // _BANDWIDTH_DRAWS)])
    return float(np.median(distance)) or mean_pair_distance(points)


def _kernel_sum(first: NDArray, second: NDArray, gamma: float) -> float:
    """Sum exp(-gamma |a - b|^2) over every a of (m, d) and b of (k, d), in blocks."""
    step = max(1, _BLOCK // len(second))
    total = 0.0
    for start in range(0, len(first), step):
        exponent = cdist(first[start : start + step], second, "sqeuclidean")
        exponent *= -gamma
        total += float(np.exp(exponent, out=exponent).sum())
    return total


def mean_error(samples: ArrayLike, reference: ArrayLike) -> Float64Array:
    """Error of the posterior mean in standard deviations of the reference (Glass 1976).

    For the exact posterior each number scatters by about sqrt(1/m + 1/k) around zero. Blind to the width.

    Parameters
    ----------
    samples : array_like, shape (n, m, d)
        Posterior draws, at least 2 an observation.
    reference : array_like, shape (n, k, d)
        Draws of the reference posteriors of the same observations, at least 2.

    Returns
    -------
    ndarray, shape (n, d)
        (mean - reference mean) / reference standard deviation: the sign is kept.

    Raises
    ------
    ValueError
        If shapes do not match, a value is not finite, or reference draws are all equal.
    """
    draws, exact = checked_pair(samples, reference)
    return (draws.mean(axis=1) - exact.mean(axis=1)) / varying_std(exact, "reference")


def variance_ratio(samples: ArrayLike, reference: ArrayLike) -> Float64Array:
    """Variance of the posterior over that of the reference: above 1 too wide, below 1 too narrow.

    The F ratio of two samples (Snedecor & Cochran 1989). For the exact, Gaussian posterior its logarithm
    scatters by about sqrt(2/m + 2/k). Blind to a bias and to a wrong correlation.

    Parameters
    ----------
    samples : array_like, shape (n, m, d)
        Posterior draws, at least 2 an observation.
    reference : array_like, shape (n, k, d)
        Draws of the reference posteriors of the same observations, at least 2.

    Returns
    -------
    ndarray, shape (n, d)

    Raises
    ------
    ValueError
        If shapes do not match, a value is not finite, or reference draws are all equal.
    """
    draws, exact = checked_pair(samples, reference)
    return draws.var(axis=1, ddof=1) / varying_std(exact, "reference") ** 2
