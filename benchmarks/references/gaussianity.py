"""Tests that a halo's numbers are Gaussian given the parameters, on residuals whitened by the model.

Only simulations near the observation are tested: those whose predicted mean lies within some sigmas of it. The model
need not hold for parameters that the posterior excludes. Simulations are chosen by their parameters, never by their own
numbers, so the tests stay valid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mwlmc_data.array_types import Float64Array

#: Sigmas from the observation within which a predicted mean counts as near.
NEAR = 5.0
#: Number of nearest simulations to test if fewer are near.
MIN_NEAR = 100
#: Dimensions in which distances are measured, and the logarithm of the smallest probability that is told apart.
_DIMENSIONS, _RAREST = 3, -700.0
TESTS = ("normal", "kurtosis", "scale", "mean", "spread")


def scale_distances(distances: NDArray, k: int) -> Float64Array:
    """Convert whitened distances in k dimensions to distances in three that noise exceeds as rarely."""
    if k == _DIMENSIONS:
        return np.asarray(distances)
    log_p = np.maximum(stats.chi2.logsf(np.square(distances), k), _RAREST)
    return np.sqrt(stats.chi2.isf(np.exp(log_p), _DIMENSIONS))


def select_near(distances: NDArray) -> NDArray[np.intp]:
    """Select the simulations near the observation by the distances (n,) of their means, as in three dimensions."""
    order = np.argsort(distances)
    return order[: max(MIN_NEAR, int(np.count_nonzero(distances < NEAR)))]


def test_whitened(z: NDArray, x: NDArray) -> dict[str, float]:
    """Test whitened residuals against the standard Gaussian, and against any dependence on the parameters.

    Parameters
    ----------
    z : ndarray, shape (n, k)
        Whitened residuals.
    x : ndarray, shape (n, d)
        Coordinates of the parameters.

    Returns
    -------
    dict of str to float
        p-values by the names `TESTS`: Kolmogorov-Smirnov of each component (k times the smallest of k); Mardia's
        kurtosis (1970, Biometrika 57, 519); chi-square of the mean square length; F of a regression of z on coordinates
        and the products of the first three (k times the smallest of k); F of one of the squared length on coordinates.
    """
    k = z.shape[1]
    square = np.square(z).sum(axis=1)
    linear = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    products = [x[:, i] * x[:, j] for i in range(3) for j in range(i + 1)]
    quadratic = np.concatenate([linear, np.stack(products, axis=1)], axis=1)
    scale = float(stats.chi2.cdf(square.sum(), z.size))
    return {
        "normal": min(1.0, k * min(float(stats.kstest(column, "norm").pvalue) for column in z.T)),
        "kurtosis": mardia_kurtosis(z)[1],
        "scale": 2.0 * min(scale, 1.0 - scale),
        "mean": min(1.0, k * min(_regression_p(column, quadratic) for column in z.T)),
        "spread": _regression_p(square, linear),
    }


test_whitened.__test__ = False  # type: ignore[attr-defined]  # not a test for pytest


def mardia_kurtosis(z: NDArray) -> tuple[float, float]:
    """Compute Mardia's multivariate kurtosis over its value for a Gaussian, and its two-sided p-value."""
    n, d = z.shape
    centred = z - z.mean(axis=0)
    length = np.einsum("ni,ij,nj->n", centred, np.linalg.inv(centred.T @ centred / n), centred)
    expected = d * (d + 2)
    found = float(np.square(length).mean())
    # for finite n the mean of b is expected (n - 1) / (n + 1)
    sigma = (found - expected * (n - 1) / (n + 1)) / np.sqrt(8.0 * expected / n)
    return found / expected, float(2.0 * stats.norm.sf(abs(sigma)))


def _regression_p(target: NDArray, design: NDArray) -> float:
    """Return the p-value of F for a dependence of the target on the design's columns after the first, a constant."""
    n, p = design.shape
    solution, *_ = np.linalg.lstsq(design, target, rcond=None)
    residual = np.square(target - design @ solution).sum()
    total = np.square(target - target.mean()).sum()
    f = ((total - residual) / (p - 1)) / (residual / (n - p))
    return float(stats.f.sf(f, p - 1, n - p))
