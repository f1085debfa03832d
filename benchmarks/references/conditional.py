"""Model of the travel vector given the parameters and nuisances: Gaussian, with a smooth mean and covariance.

The mean is a polynomial in the six parameters and the principal components of the Milky Way's past velocity
(`benchmarks.references.history`). The covariance's Cholesky factor is that of the errors of the reflex fits, smoothed
over the parameters, times a small correction by maximum likelihood on leave-one-out residuals: the covariance therefore
includes the error of the mean.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from benchmarks.references import polynomials
from benchmarks.references.simulations import Simulated
from mwlmc_data.array_types import Float64Array

N_COMPONENTS = 8
_COMPONENT_COSTS = (1.0, 1.0, 1.0, 1.0, 1.5, 1.5, 2.0, 2.0)
_PARAMETER_COSTS = (1.5, 1.5, 1.5, 1.5, 1.5, 1.5)
_MAX_GRADE = 3.5
#: Value at which principal components, of unit variance, are clipped.
_CLIP = 3.0
#: Lambda_DF below which the coordinate is linear, and above which it is logarithmic.
_LIGHT_FRICTION = 1.0
#: Prior precision of the correction's coefficients, in numbers of simulations.
_RIDGE = 4.0
_MEAN = polynomials.graded_indices((*_COMPONENT_COSTS, *_PARAMETER_COSTS), _MAX_GRADE)
_FACTOR = polynomials.graded_indices((1.0,) * 6, 2.0)
_CORRECTION = polynomials.graded_indices((1.0,) * 6, 1.0)
_LOWER = tuple((i, j) for i in range(3) for j in range(i + 1))
_UPPER = tuple(itertools.combinations_with_replacement(range(3), 2))


def coordinates(points: NDArray) -> Float64Array:
    """Return coordinates in which the travel vector varies smoothly, in about [-1, 1] over a design.

    Parameters
    ----------
    points : ndarray, shape (n, 6)
        Columns `design.DIMENSIONS`, in the catalogue's units.

    Returns
    -------
    ndarray, shape (n, 6)
    """
    m_lmc, m200, log_lambda, enclosed, beta0, r_dehnen = np.asarray(points, float).T
    friction = np.log1p(10.0**log_lambda / _LIGHT_FRICTION)
    columns = (
        (np.sqrt(m_lmc / 1e10), np.sqrt(2.5), np.sqrt(50.0)),
        (np.log(m200 / 1e11), np.log(1.0), np.log(32.5)),
        (friction, np.log1p(1e-3 / _LIGHT_FRICTION), np.log1p(10.0 / _LIGHT_FRICTION)),
        (np.log(enclosed / 1e10), np.log(0.3), np.log(4.5)),
        (beta0, 0.0, 0.9),
        (r_dehnen, 10.0, 15.0),
    )
    return np.stack([np.clip(2.0 * (c - low) / (high - low) - 1.0, -1.1, 1.1) for c, low, high in columns], axis=1)


@dataclasses.dataclass(frozen=True)
class Conditional:
    """Gaussian model of the travel vector given the parameters.

    Attributes
    ----------
    centre, components : ndarray, shape (h,) and (h, 8)
        Mean of the histories, and their principal components.
    mean : ndarray, shape (p, 3)
        Coefficients of the mean [km/s].
    factor : ndarray, shape (28, 6)
        Coefficients of the smoothed Cholesky factor, logarithms on its diagonal; elements in the order of its rows.
    correction : ndarray, shape (7, 6)
        Coefficients of the matrix that whitens further, logarithms on its diagonal.
    """

    centre: NDArray
    components: NDArray
    mean: NDArray
    factor: NDArray
    correction: NDArray

    def predict(self, points: NDArray, histories: NDArray) -> Float64Array:
        """Predict the mean travel vector [km/s], shape (n, 3), at points (n, 6) with histories (n, h)."""
        return self._mean_basis(coordinates(points), histories) @ self.mean

    def whiten(self, points: NDArray, residuals: NDArray) -> tuple[NDArray, NDArray]:
        """Whiten residuals.

        Parameters
        ----------
        points : ndarray, shape (n, 6)
            Columns `design.DIMENSIONS`.
        residuals : ndarray, shape (n, 3)
            Travel vectors minus their mean [km/s].

        Returns
        -------
        whitened : ndarray, shape (n, 3)
            Standard Gaussian if the model is right.
        log_determinant : ndarray, shape (n,)
            Logarithm of the whitening matrix's determinant.
        """
        x = coordinates(points)
        once, first = _forward(polynomials.basis(x, _FACTOR) @ self.factor, residuals)
        again, second = _multiply(polynomials.basis(x, _CORRECTION) @ self.correction, once)
        return again, first + second

    def log_density(self, travel: NDArray, points: NDArray, histories: NDArray) -> Float64Array:
        """Compute the log density (n,) of a travel vector (3,) or vectors (n, 3) [per (km/s)^3]."""
        whitened, log_determinant = self.whiten(points, travel - self.predict(points, histories))
        return log_determinant - 0.5 * np.square(whitened).sum(axis=1) - 1.5 * np.log(2.0 * np.pi)

    def _mean_basis(self, x: NDArray, histories: NDArray) -> NDArray:
        past = np.clip((histories - self.centre) @ self.components / _CLIP, -1.0, 1.0)
        return polynomials.basis(np.concatenate([past, x], axis=1), _MEAN)


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A model and its leave-one-out residuals.

    Attributes
    ----------
    model : Conditional
    left_out : ndarray, shape (n, 3)
        Whitened residual of each simulation from the mean fitted to all others.
    log_likelihood : float
        Mean log density of simulations left out of the mean's fit [nats].
    """

    model: Conditional
    left_out: NDArray
    log_likelihood: float


def fit(simulated: Simulated, histories: NDArray) -> Fitted:
    """Fit the model.

    Parameters
    ----------
    simulated : Simulated
        n simulations at one present day of the LMC.
    histories : ndarray, shape (n, h)
        The Milky Way's past velocity in each.

    Returns
    -------
    Fitted
    """
    points = np.concatenate([simulated.theta, simulated.nuisances], axis=1)
    x = coordinates(points)
    centre = histories.mean(axis=0, dtype=np.float64)
    _, spread, directions = np.linalg.svd(histories - centre, full_matrices=False)
    scale = np.sqrt(len(x)) / np.maximum(spread[:N_COMPONENTS], 1e-9 * spread[0])
    components = directions[:N_COMPONENTS].T * scale
    factor = _fit_factor(x, simulated.covariances)
    blank = Conditional(centre, components, np.zeros((len(_MEAN), 3)), factor, np.zeros((len(_CORRECTION), 6)))
    design = blank._mean_basis(x, histories)
    degree = _MEAN @ np.array((*_COMPONENT_COSTS, *_PARAMETER_COSTS))
    errors = np.sqrt(simulated.covariances[:, [0, 3, 5]])
    smooth = _smooth_errors(polynomials.basis(x, _FACTOR) @ factor)
    smooth = np.clip(smooth, 0.2 * np.median(errors, axis=0), 5.0 * np.median(errors, axis=0))
    fits = [polynomials.fit(design, simulated.travel[:, i], smooth[:, i], degree) for i in range(3)]
    left_out = np.stack([f.left_out for f in fits], axis=1)
    mean = np.stack([f.coefficients for f in fits], axis=1)
    model = dataclasses.replace(blank, mean=mean)
    model = dataclasses.replace(model, correction=_fit_correction(x, model.whiten(points, left_out)[0]))
    whitened, log_determinant = model.whiten(points, left_out)
    log_density = log_determinant - 0.5 * np.square(whitened).sum(axis=1) - 1.5 * np.log(2.0 * np.pi)
    return Fitted(model, whitened, float(log_density.mean()))


def _fit_factor(x: NDArray, covariances: NDArray) -> NDArray:
    """Fit coefficients of the smoothed log-Cholesky factors of covariances (n, 6)."""
    matrices = np.empty((len(x), 3, 3))
    for k, (i, j) in enumerate(_UPPER):
        matrices[:, i, j] = matrices[:, j, i] = covariances[:, k]
    roots = np.linalg.cholesky(matrices)
    design, degree = polynomials.basis(x, _FACTOR), _FACTOR.sum(axis=1)
    columns = []
    for i, j in _LOWER:
        target = np.log(roots[:, i, i]) if i == j else roots[:, i, j]
        error = np.full(len(x), max(float(np.std(target)), 1e-6))
        columns.append(polynomials.fit(design, target, error, degree).coefficients)
    return np.stack(columns, axis=1)


def _fit_correction(x: NDArray, whitened: NDArray) -> NDArray:
    """Fit coefficients of the further whitening by maximum likelihood with a ridge; its rows are independent."""
    design = polynomials.basis(x, _CORRECTION)
    penalty = np.full(len(_CORRECTION), _RIDGE)
    penalty[0] = 0.0
    found = np.zeros((len(_CORRECTION), len(_LOWER)))
    for row in range(3):
        columns = [k for k, (i, _) in enumerate(_LOWER) if i == row]
        shape = (len(_CORRECTION), row + 1)

        def loss(flat: NDArray, row: int = row, shape: tuple[int, int] = shape) -> tuple[float, NDArray]:
            coefficients = flat.reshape(shape)
            terms = design @ coefficients
            scale = np.exp(terms[:, row])
            z = scale * whitened[:, row] + (terms[:, :row] * whitened[:, :row]).sum(axis=1)
            slope = z[:, None] * np.concatenate([whitened[:, :row], (scale * whitened[:, row])[:, None]], axis=1)
            slope[:, row] -= 1.0
            value = 0.5 * z @ z - terms[:, row].sum() + 0.5 * (penalty[:, None] * coefficients**2).sum()
            return float(value), (design.T @ slope + penalty[:, None] * coefficients).ravel()

        found[:, columns] = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B").x.reshape(shape)
    return found


def _smooth_errors(terms: NDArray) -> NDArray:
    """Return standard errors of the three components from elements of the log-Cholesky factor (n, 6)."""
    squares = np.stack([np.exp(2.0 * terms[:, k]) if i == j else terms[:, k] ** 2 for k, (i, j) in enumerate(_LOWER)])
    rows = np.array([i for i, _ in _LOWER])
    return np.sqrt(np.stack([squares[rows == i].sum(axis=0) for i in range(3)], axis=1))


def _forward(terms: NDArray, residuals: NDArray) -> tuple[NDArray, NDArray]:
    """Solve with the Cholesky factor of elements `terms` (n, 6); return also the log determinant of its inverse."""
    solved = np.empty_like(residuals)
    for k, (i, j) in enumerate(_LOWER):
        if j == 0:
            rest = residuals[:, i].copy()
        if i == j:
            solved[:, i] = rest * np.exp(-terms[:, k])
        else:
            rest -= terms[:, k] * solved[:, j]
    return solved, -terms[:, [k for k, (i, j) in enumerate(_LOWER) if i == j]].sum(axis=1)


def _multiply(terms: NDArray, residuals: NDArray) -> tuple[NDArray, NDArray]:
    """Multiply by the triangular matrix of elements `terms` (n, 6); return also its log determinant."""
    product = np.zeros_like(residuals)
    for k, (i, j) in enumerate(_LOWER):
        product[:, i] += (np.exp(terms[:, k]) if i == j else terms[:, k]) * residuals[:, j]
    return product, terms[:, [k for k, (i, j) in enumerate(_LOWER) if i == j]].sum(axis=1)
