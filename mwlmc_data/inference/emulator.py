"""A Gaussian model of numbers given parameters: polynomials for the mean and the widths, fitted to simulations.

The mean of each number is a polynomial of the third degree in the parameters, with a penalty that grows with the degree
and whose size minimises the error of predictions of simulations that are left out. The covariance is that of these
errors, so that it includes the error of the mean; the widths vary over the parameters, the correlations do not.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed

#: Total degrees of the polynomials for the mean and for the logarithms of the widths.
_MEAN_DEGREE, _WIDTH_DEGREE = 3, 2
#: Penalties that are tried, in numbers of simulations, for a coefficient of the first degree; ten times as much for
#: each degree more.
_PENALTIES = 10.0 ** np.arange(-5.0, 2.5, 0.5)
#: Penalty of the logarithms of the widths: their scatter is that of a single squared residual.
_WIDTH_PENALTY = 20.0
#: Coordinates are clipped at this absolute value.
_EDGE = 1.05
#: Mean of the logarithm of a squared standard normal number.
_LOG_SQUARE = -np.euler_gamma - math.log(2.0)


@dataclass(frozen=True, eq=False, repr=False)
class Emulator(Displayed):
    """The fitted model.

    Attributes
    ----------
    low, high : ndarray, shape (d,)
        Ranges of the coordinates in the simulations.
    mean : ndarray, shape (p, k)
        Coefficients of the means.
    width : ndarray, shape (q, k)
        Coefficients of the logarithms of the variances.
    factor : ndarray, shape (k, k)
        Cholesky factor of the covariance of residuals in units of their widths.
    """

    low: Float64Array
    high: Float64Array
    mean: Float64Array
    width: Float64Array
    factor: Float64Array

    def predict(self, x: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Means and widths (n, k) at coordinates (n, d)."""
        basis, degrees = evaluate_basis(self._scale(x), _MEAN_DEGREE)
        few = basis[:, degrees <= _WIDTH_DEGREE]
        return basis @ self.mean, np.exp(0.5 * (few @ self.width))

    def log_density(self, values: Float64Array, mean: Float64Array, width: Float64Array) -> Float64Array:
        """Log density (n,) of numbers (k,) or (n, k), given what `predict` returns."""
        away = ((values - mean) / width).T
        whitened = np.linalg.solve(self.factor, away)
        constant = np.log(np.diag(self.factor)).sum() + 0.5 * len(self.factor) * math.log(2.0 * math.pi)
        return -0.5 * np.square(whitened).sum(axis=0) - np.log(width).sum(axis=1) - constant

    def _scale(self, x: Float64Array) -> Float64Array:
        return np.clip(2.0 * (x - self.low) / (self.high - self.low) - 1.0, -_EDGE, _EDGE)


def count_needed(d: int) -> int:
    """Fewest simulations for d parameters: twice as many as a mean has coefficients."""
    return 2 * math.comb(d + _MEAN_DEGREE, _MEAN_DEGREE)


def fit_emulator(x: Float64Array, values: Float64Array) -> Emulator:
    """Fit the model.

    Parameters
    ----------
    x : ndarray, shape (n, d)
        Coordinates in which the numbers vary smoothly.
    values : ndarray, shape (n, k)
        Numbers of each simulation.

    Returns
    -------
    Emulator

    Raises
    ------
    ValueError
        If there are fewer than twice as many simulations as coefficients.
    """
    low, high = x.min(axis=0), x.max(axis=0)
    scaled = np.clip(2.0 * (x - low) / (high - low) - 1.0, -_EDGE, _EDGE)
    basis, degrees = evaluate_basis(scaled, _MEAN_DEGREE)
    if len(x) < (needed := count_needed(x.shape[1])):
        raise ValueError(f"simulations = {len(x)}: allowed are {needed} or more for {x.shape[1]} parameters")
    mean, residuals = _fit_means(basis, degrees, values)
    few, of_few = basis[:, degrees <= _WIDTH_DEGREE], degrees[degrees <= _WIDTH_DEGREE]
    floor = 1e-6 * residuals.var(axis=0)
    logs = np.log(residuals**2 + floor) - _LOG_SQUARE
    penalty = np.where(of_few > 0, _WIDTH_PENALTY * 10.0 ** (of_few - 1.0), 0.0)
    width = np.linalg.solve(few.T @ few + np.diag(penalty), few.T @ logs)
    away = residuals / np.exp(0.5 * (few @ width))
    factor = np.asarray(np.linalg.cholesky(away.T @ away / len(away)), dtype=np.float64)
    return Emulator(low, high, mean, width, factor)


def _fit_means(
    basis: Float64Array, degrees: NDArray[np.int64], values: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Coefficients (p, k), and the residual of each simulation from the fit to all others (n, k)."""
    gram, moment = basis.T @ basis, basis.T @ values
    graded = np.where(degrees > 0, 10.0 ** (degrees - 1.0), 0.0)
    best = np.full(values.shape[1], np.inf)
    coefficients, residuals = np.empty((basis.shape[1], values.shape[1])), np.empty(values.shape)
    for penalty in _PENALTIES:
        inverse = np.linalg.inv(gram + np.diag(penalty * graded))
        leverage = np.einsum("np,pq,nq->n", basis, inverse, basis)
        found = inverse @ moment
        left_out = (values - basis @ found) / (1.0 - leverage)[:, None]
        score = np.square(left_out).mean(axis=0)
        better = score < best
        best[better], coefficients[:, better], residuals[:, better] = (
            score[better],
            found[:, better],
            left_out[:, better],
        )
    return coefficients, residuals


def evaluate_basis(x: Float64Array, degree: int) -> tuple[Float64Array, NDArray[np.int64]]:
    """Products of Legendre polynomials of coordinates (n, d) up to a total degree: (n, p), and their degrees (p,)."""
    powers = np.array(
        [p for p in itertools.product(range(degree + 1), repeat=x.shape[1]) if sum(p) <= degree], dtype=np.int64
    )
    product = np.ones((len(x), len(powers)))
    for i in range(x.shape[1]):
        table = legendre.legvander(x[:, i], degree) * np.sqrt(2.0 * np.arange(degree + 1) + 1.0)
        product *= table[:, powers[:, i]]
    return product, powers.sum(axis=1)
