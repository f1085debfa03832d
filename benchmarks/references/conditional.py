"""Model of a halo's numbers given the parameters and nuisances: Gaussian, with a smooth mean and covariance.

The mean is a polynomial in the six parameters and the principal components of the Milky Way's past velocity
(`benchmarks.references.history`). The covariance's Cholesky factor is that of the errors of the reflex fits, smoothed
over the parameters, for the travel vector, and that of the residuals for the other numbers; times a correction by
maximum likelihood on leave-one-out residuals: the covariance therefore includes the error of the mean.
"""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from benchmarks.references import polynomials
from benchmarks.references.simulations import Simulated
from mwlmc_data.array_types import Float64Array

N_COMPONENTS = 8
_COMPONENT_COSTS = (1.0, 1.0, 1.0, 1.0, 1.5, 1.5, 2.0, 2.0)
_PRIOR_COSTS = (1.0,) * 6
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
#: Components of the travel vector, whose errors each fit gives.
_N_TRAVEL = 3
#: Costs and largest grades of two means of the other numbers: over the prior, and around a posterior.
_OTHER_COSTS = ((2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0, *_PRIOR_COSTS), (*_COMPONENT_COSTS, *_PRIOR_COSTS))
_OTHER_GRADES = (4.0, 2.0)
_OTHER_MEANS = tuple(map(polynomials.graded_indices, _OTHER_COSTS, _OTHER_GRADES))
#: Weighted degrees of the terms of both, and places of the second's terms among the first's.
_RICH, _PLAIN = (means @ np.array(costs) for means, costs in zip(_OTHER_MEANS, _OTHER_COSTS, strict=True))
_PLACES = [int(np.flatnonzero((_OTHER_MEANS[0] == powers).all(axis=1))[0]) for powers in _OTHER_MEANS[1]]
#: Prior precision of the coefficients by which correlations and spread of the other numbers vary, in numbers of
#: simulations: they are many, and vary little around a posterior.
_OTHER_RIDGES = (10_000.0, 300.0)
#: Half-width of a design around a posterior in standard deviations of its points, and where coordinates are clipped.
_SPREAD, _EDGE = 3.2, 1.1
_UPPER = tuple(itertools.combinations_with_replacement(range(_N_TRAVEL), 2))


def _lower(k: int) -> tuple[tuple[int, int], ...]:
    """Elements of a triangular matrix (k, k), in the order of its rows."""
    return tuple((i, j) for i in range(k) for j in range(i + 1))


def _count_numbers(n_elements: int) -> int:
    """Size k of a triangular matrix with k (k + 1) / 2 elements."""
    return math.isqrt(2 * n_elements)


def coordinates(points: NDArray) -> Float64Array:
    """Return coordinates in which a halo's numbers vary smoothly, in about [-1, 1] over a design.

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
    """Gaussian model of k numbers given the parameters, the travel vector first.

    Attributes
    ----------
    centre, components : ndarray, shape (h,) and (h, 8)
        Mean of the histories, and their principal components.
    mean : ndarray, shape (p, 3)
        Coefficients of the mean of the travel vector [km/s].
    other_mean : ndarray, shape (q, k - 3)
        The same of the other numbers.
    factor : ndarray, shape (28, k (k + 1) / 2)
        Coefficients of the smoothed Cholesky factor, logarithms on its diagonal; elements in the order of its rows.
    correction : ndarray, shape (7, k (k + 1) / 2)
        Coefficients of the matrix that whitens further, logarithms on its diagonal.
    middle, stretch : ndarray, shape (6,)
        Middle and half-width of the design in `coordinates`; 0 and 1 for a design over the whole prior.
    """

    centre: NDArray
    components: NDArray
    mean: NDArray
    other_mean: NDArray
    factor: NDArray
    correction: NDArray
    middle: NDArray
    stretch: NDArray

    def localise(self, points: NDArray) -> Float64Array:
        """Coordinates (n, 6) of points, in about [-1, 1] over the design."""
        return np.clip((coordinates(points) - self.middle) / self.stretch, -_EDGE, _EDGE)

    def predict(self, points: NDArray, histories: NDArray) -> Float64Array:
        """Predict the mean, shape (n, k), at points (n, 6) with histories (n, h)."""
        x = self.localise(points)
        travel = self._mean_basis(x, histories) @ self.mean
        if not self.other_mean.size:
            return travel
        return np.concatenate([travel, self._mean_basis(x, histories, _OTHER_MEANS[0]) @ self.other_mean], axis=1)

    def whiten(self, points: NDArray, residuals: NDArray) -> tuple[NDArray, NDArray]:
        """Whiten residuals.

        Parameters
        ----------
        points : ndarray, shape (n, 6)
            Columns `design.DIMENSIONS`.
        residuals : ndarray, shape (n, k)
            Numbers minus their mean.

        Returns
        -------
        whitened : ndarray, shape (n, k)
            Standard Gaussian if the model is right.
        log_determinant : ndarray, shape (n,)
            Logarithm of the whitening matrix's determinant.
        """
        x = self.localise(points)
        once, first = _forward(polynomials.basis(x, _FACTOR) @ self.factor, residuals)
        again, second = _multiply(polynomials.basis(x, _CORRECTION) @ self.correction, once)
        return again, first + second

    def log_density(self, observed: NDArray, points: NDArray, histories: NDArray) -> Float64Array:
        """Compute the log density (n,) of observed numbers (k,) or (n, k) [per their units]."""
        whitened, log_determinant = self.whiten(points, observed - self.predict(points, histories))
        return _log_normal(whitened, log_determinant)

    def covariances(self, points: NDArray) -> Float64Array:
        """Covariances (n, k, k) of the numbers at points (n, 6)."""
        k = _count_numbers(self.factor.shape[1])
        columns = [self.whiten(points, np.tile(np.eye(k)[i], (len(points), 1)))[0] for i in range(k)]
        whitening = np.stack(columns, axis=2)
        return np.linalg.inv(np.swapaxes(whitening, 1, 2) @ whitening)

    def _mean_basis(self, x: NDArray, histories: NDArray, indices: NDArray = _MEAN) -> NDArray:
        past = np.clip((histories - self.centre) @ self.components / _CLIP, -1.0, 1.0)
        return polynomials.basis(np.concatenate([past, x], axis=1), indices)


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A model and its leave-one-out residuals.

    Attributes
    ----------
    model : Conditional
    left_out : ndarray, shape (n, k)
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
    k, x = simulated.data.shape[1], coordinates(points)
    middle, stretch = np.zeros(6), np.ones(6)
    if k > _N_TRAVEL:
        middle, stretch = x.mean(axis=0), _SPREAD * x.std(axis=0)
        x = np.clip((x - middle) / stretch, -_EDGE, _EDGE)
    centre = histories.mean(axis=0, dtype=np.float64)
    _, spread, directions = np.linalg.svd(histories - centre, full_matrices=False)
    scale = np.sqrt(len(x)) / np.maximum(spread[:N_COMPONENTS], 1e-9 * spread[0])
    components = directions[:N_COMPONENTS].T * scale
    factor = _fit_factor(x, simulated.covariances)
    blank = Conditional(
        centre=centre,
        components=components,
        mean=np.zeros((len(_MEAN), _N_TRAVEL)),
        other_mean=np.zeros((len(_OTHER_MEANS[0]), 0)),
        factor=np.zeros((len(_FACTOR), len(_lower(k)))),
        correction=np.zeros((len(_CORRECTION), len(_lower(k)))),
        middle=middle,
        stretch=stretch,
    )
    design = blank._mean_basis(x, histories)
    degree = _MEAN @ np.array((*_COMPONENT_COSTS, *_PARAMETER_COSTS))
    errors = np.sqrt(simulated.covariances[:, [0, 3, 5]])
    smooth = _smooth_errors(polynomials.basis(x, _FACTOR) @ factor)
    smooth = np.clip(smooth, 0.2 * np.median(errors, axis=0), 5.0 * np.median(errors, axis=0))
    fits = [polynomials.fit(design, simulated.data[:, i], smooth[:, i], degree) for i in range(_N_TRAVEL)]
    mean = np.stack([f.coefficients for f in fits], axis=1)
    left_out = np.stack([f.left_out for f in fits], axis=1)
    others = _fit_others(blank._mean_basis(x, histories, _OTHER_MEANS[0]), simulated.data[:, _N_TRAVEL:], left_out)
    left_out = np.concatenate([left_out, *(f.left_out[:, None] for f in others)], axis=1)
    factors = np.concatenate([factor, *(_spread_factor(i, f) for i, f in enumerate(others, _N_TRAVEL))], axis=1)
    model = dataclasses.replace(blank, mean=mean, factor=factors)
    if others:
        model = dataclasses.replace(model, other_mean=np.stack([f.coefficients for f in others], axis=1))
    correction = _fit_correction(x, model.whiten(points, left_out)[0])
    if others:
        correction = _widen(correction, np.sqrt(1.0 - (k + 2) / len(x)))
    model = dataclasses.replace(model, correction=correction)
    whitened, log_determinant = model.whiten(points, left_out)
    return Fitted(model, whitened, float(_log_normal(whitened, log_determinant).mean()))


def _widen(correction: NDArray, factor: float) -> Float64Array:
    """Multiply a whitening matrix by a factor below one: the inverse of an estimated covariance is too large.

    Of n simulations of k numbers by n / (n - k - 2) on average (Hartlap, Simon & Schneider 2007, A&A 464, 399).
    """
    widened = factor * correction
    for element, (i, j) in enumerate(_lower(_count_numbers(correction.shape[1]))):
        if i == j:  # logarithms
            widened[:, element] = correction[:, element]
            widened[0, element] += np.log(factor)
    return widened


def _log_normal(whitened: NDArray, log_determinant: NDArray) -> Float64Array:
    """Log density (n,) of whitened residuals (n, k)."""
    return log_determinant - 0.5 * np.square(whitened).sum(axis=1) - 0.5 * whitened.shape[1] * np.log(2.0 * np.pi)


def _fit_others(design: NDArray, data: NDArray, left_out: NDArray) -> list[polynomials.Fit]:
    """Fit the means of numbers (n, k) whose errors are not known, each given the residuals of those before it.

    The numbers are correlated, and a trend that is lost in the noise of one may be large beside what is left of that
    noise once the others are known: what the posterior rests on.

    Parameters
    ----------
    design : ndarray, shape (n, p)
        Basis of the richer mean.
    data : ndarray, shape (n, k)
    left_out : ndarray, shape (n, 3)
        Residuals of the travel vector.
    """
    found: list[polynomials.Fit] = []
    for column in data.T:
        first = _fit_better(design, column)
        shares = np.linalg.lstsq(left_out, first.left_out, rcond=None)[0]
        known = left_out @ shares
        fit = _fit_better(design, column - known)
        fit = dataclasses.replace(fit, left_out=fit.left_out + known)
        left_out = np.concatenate([left_out, fit.left_out[:, None]], axis=1)
        found.append(fit)
    return found


def _fit_better(design: NDArray, column: NDArray) -> polynomials.Fit:
    """Fit a mean with the better of two sets of terms."""
    error = np.full(len(column), column.std())
    few = polynomials.fit(design[:, _PLACES], column, error, _PLAIN)
    coefficients = np.zeros(design.shape[1])
    coefficients[_PLACES] = few.coefficients
    fits = [polynomials.fit(design, column, error, _RICH), polynomials.Fit(coefficients, few.left_out)]
    return min(fits, key=lambda fit: float(np.square(fit.left_out).mean()))


def _spread_factor(i: int, fit: polynomials.Fit) -> Float64Array:
    """Coefficients (28, i + 1) of row i of a factor that is the residuals' constant spread."""
    row = np.zeros((len(_FACTOR), i + 1))
    row[0, i] = np.log(fit.left_out.std())
    return row


def _fit_factor(x: NDArray, covariances: NDArray) -> NDArray:
    """Fit coefficients of the smoothed log-Cholesky factors of covariances (n, 6)."""
    matrices = np.empty((len(x), 3, 3))
    for k, (i, j) in enumerate(_UPPER):
        matrices[:, i, j] = matrices[:, j, i] = covariances[:, k]
    roots = np.linalg.cholesky(matrices)
    design, degree = polynomials.basis(x, _FACTOR), _FACTOR.sum(axis=1)
    columns = []
    for i, j in _lower(_N_TRAVEL):
        target = np.log(roots[:, i, i]) if i == j else roots[:, i, j]
        error = np.full(len(x), max(float(np.std(target)), 1e-6))
        columns.append(polynomials.fit(design, target, error, degree).coefficients)
    return np.stack(columns, axis=1)


def _fit_correction(x: NDArray, whitened: NDArray) -> NDArray:
    """Fit coefficients of the further whitening by maximum likelihood with a ridge; its rows are independent."""
    design = polynomials.basis(x, _CORRECTION)
    elements = _lower(whitened.shape[1])
    found = np.zeros((len(_CORRECTION), len(elements)))
    for row in range(whitened.shape[1]):
        columns = [k for k, (i, _) in enumerate(elements) if i == row]
        shape = (len(_CORRECTION), row + 1)
        penalty = np.full(shape, _RIDGE if row < _N_TRAVEL else _OTHER_RIDGES[0])
        if row >= _N_TRAVEL:
            penalty[:, row] = _OTHER_RIDGES[1]
        penalty[0] = 0.0

        def loss(
            flat: NDArray, row: int = row, shape: tuple[int, int] = shape, penalty: NDArray = penalty
        ) -> tuple[float, NDArray]:
            coefficients = flat.reshape(shape)
            terms = design @ coefficients
            scale = np.exp(terms[:, row])
            z = scale * whitened[:, row] + (terms[:, :row] * whitened[:, :row]).sum(axis=1)
            slope = z[:, None] * np.concatenate([whitened[:, :row], (scale * whitened[:, row])[:, None]], axis=1)
            slope[:, row] -= 1.0
            value = 0.5 * z @ z - terms[:, row].sum() + 0.5 * (penalty * coefficients**2).sum()
            return float(value), (design.T @ slope + penalty * coefficients).ravel()

        found[:, columns] = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B").x.reshape(shape)
    return found


def _smooth_errors(terms: NDArray) -> NDArray:
    """Return standard errors of the three components from elements of the log-Cholesky factor (n, 6)."""
    lower = _lower(_N_TRAVEL)
    squares = np.stack([np.exp(2.0 * terms[:, k]) if i == j else terms[:, k] ** 2 for k, (i, j) in enumerate(lower)])
    rows = np.array([i for i, _ in lower])
    return np.sqrt(np.stack([squares[rows == i].sum(axis=0) for i in range(3)], axis=1))


def _forward(terms: NDArray, residuals: NDArray) -> tuple[NDArray, NDArray]:
    """Solve with the Cholesky factor of elements `terms`; return also the log determinant of its inverse."""
    solved, elements = np.empty_like(residuals), _lower(residuals.shape[1])
    for k, (i, j) in enumerate(elements):
        if j == 0:
            rest = residuals[:, i].copy()
        if i == j:
            solved[:, i] = rest * np.exp(-terms[:, k])
        else:
            rest -= terms[:, k] * solved[:, j]
    return solved, -terms[:, [k for k, (i, j) in enumerate(elements) if i == j]].sum(axis=1)


def _multiply(terms: NDArray, residuals: NDArray) -> tuple[NDArray, NDArray]:
    """Multiply by the triangular matrix of elements `terms`; return also its log determinant."""
    product, elements = np.zeros_like(residuals), _lower(residuals.shape[1])
    for k, (i, j) in enumerate(elements):
        product[:, i] += (np.exp(terms[:, k]) if i == j else terms[:, k]) * residuals[:, j]
    return product, terms[:, [k for k, (i, j) in enumerate(elements) if i == j]].sum(axis=1)
