"""Regression on Legendre polynomials of several coordinates, with a prior that shrinks high degrees.

The variance of a coefficient's Gaussian prior falls geometrically with its degree; its height and its fall maximise the
evidence (empirical Bayes, MacKay 1992). The data thus choose how rough a function is.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.polynomial import legendre as np_legendre
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import minimize

from mwlmc_data.array_types import Float64Array

#: Prior variance of the constant, in units of that of the target.
_WIDE = 1e8
_STEPS = 80


def graded_indices(costs: tuple[float, ...], max_degree: float) -> NDArray[np.intp]:
    """List the exponents of all products of powers with a weighted degree of at most `max_degree`.

    Parameters
    ----------
    costs : tuple of float
        Weight of one degree in each coordinate.
    max_degree : float
        Largest weighted degree.

    Returns
    -------
    ndarray, shape (p, d)
        The constant first, then by weighted degree.
    """
    found: list[tuple[int, ...]] = [()]
    for cost in costs:
        spent = [sum(c * k for c, k in zip(costs, powers, strict=False)) for powers in found]
        found = [
            (*powers, k)
            for powers, before in zip(found, spent, strict=True)
            for k in range(int((max_degree - before) / cost + 1e-9) + 1)
        ]
    return np.array(sorted(found, key=lambda powers: (np.dot(powers, costs), powers)), dtype=np.intp)


def basis(x: NDArray, indices: NDArray[np.intp]) -> Float64Array:
    """Evaluate products of Legendre polynomials, of unit variance for uniform coordinates.

    Parameters
    ----------
    x : ndarray, shape (n, d)
        Coordinates, in [-1, 1] within the range of the fit.
    indices : ndarray, shape (p, d)
        Degrees.

    Returns
    -------
    ndarray, shape (n, p)
    """
    product = np.ones((len(x), len(indices)))
    for i, powers in enumerate(indices.T):
        table = np_legendre.legvander(x[:, i], powers.max()) * np.sqrt(2.0 * np.arange(powers.max() + 1) + 1.0)
        used = np.flatnonzero(powers)
        product[:, used] *= table[:, powers[used]]
    return product


@dataclasses.dataclass(frozen=True)
class Fit:
    """Result of a regression.

    Attributes
    ----------
    coefficients : ndarray, shape (p,)
        Coefficients of the basis.
    left_out : ndarray, shape (n,)
        Residual of each datum from the fit to all others with the same prior, in the target's units.
    """

    coefficients: Float64Array
    left_out: Float64Array


def fit(design: NDArray, target: NDArray, error: NDArray, degree: NDArray) -> Fit:
    """Fit coefficients by least squares under the shrinking prior of maximum evidence.

    Parameters
    ----------
    design : ndarray, shape (n, p)
        Basis at the data, the constant first.
    target, error : ndarray, shape (n,)
        Data and their standard errors; a common factor of the errors is fitted as well.
    degree : ndarray, shape (p,)
        Weighted degree of each column.

    Returns
    -------
    Fit
    """
    scaled, data = design / error[:, None], target / error
    gram, moment, square = scaled.T @ scaled, scaled.T @ data, float(data @ data)
    start = np.array([np.log(np.var(target) + 1e-12), -1.0, 0.0])
    found = minimize(
        _negative_evidence,
        start,
        args=(gram, moment, square, len(target), degree),
        method="Nelder-Mead",
        bounds=[(start[0] - 15.0, start[0] + 10.0), (-6.0, 0.0), (-8.0, 8.0)],
        options={"maxiter": _STEPS, "xatol": 0.05, "fatol": 0.05},
    ).x
    inverse, noise = 1.0 / _prior_variance(found, degree), np.exp(found[2])
    factor = np.linalg.cholesky(gram / noise + np.diag(inverse))
    half = solve_triangular(factor, moment / noise, lower=True)
    coefficients = solve_triangular(factor.T, half, lower=False)
    leverage = np.square(solve_triangular(factor, scaled.T, lower=True)).sum(axis=0) / noise
    return Fit(coefficients, (target - design @ coefficients) / (1.0 - leverage))


def _prior_variance(logs: NDArray, degree: NDArray) -> NDArray:
    variance = np.exp(logs[0] + logs[1] * degree)
    variance[0] = np.exp(logs[0]) * _WIDE
    return variance


def _negative_evidence(logs: NDArray, gram: NDArray, moment: NDArray, square: float, n: int, degree: NDArray) -> float:
    variance, noise = _prior_variance(logs, degree), np.exp(logs[2])
    factor = np.linalg.cholesky(gram / noise + np.diag(1.0 / variance))
    half = solve_triangular(factor, moment / noise, lower=True)
    fitted = 0.5 * (square / noise - half @ half)
    return float(fitted + np.log(np.diag(factor)).sum() + 0.5 * np.log(variance).sum() + 0.5 * n * np.log(noise))
