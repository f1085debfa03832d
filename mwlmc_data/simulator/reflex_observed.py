"""The reflex fit from observables with measurement errors."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import constants as const
from .frames import sky_basis
from .reflex import Reflex, design_matrix, in_shell

FloatArray = NDArray[np.floating]

#: Keys of `errors`: distance [kpc], v_los [km/s], proper motions [mas/yr], and their correlation.
ERROR_NAMES = ("distance", "v_los", "pm_l", "pm_b", "corr")


def fit_reflex_observed(
    l: ArrayLike,
    b: ArrayLike,
    distance: ArrayLike,
    v_los: ArrayLike,
    pm_l: ArrayLike,
    pm_b: ArrayLike,
    errors: Mapping[str, ArrayLike],
    *,
    r_min: float = 0.0,
    r_max: float = math.inf,
    sun_position: ArrayLike = const.SUN_POSITION,
    sun_velocity: ArrayLike = const.SUN_VELOCITY,
) -> Reflex:
    """Fit the reflex motion to observed stars.

    Parameters
    ----------
    l, b : array_like, shape (n,)
        Galactic longitude and latitude [deg].
    distance : array_like, shape (n,)
        Heliocentric distance [kpc].
    v_los : array_like, shape (n,)
        Heliocentric line-of-sight velocity [km/s].
    pm_l, pm_b : array_like, shape (n,)
        Proper motion in l (with cos b) and b [mas/yr].
    errors : mapping
        Standard errors by name: ``distance`` [kpc], ``v_los`` [km/s], ``pm_l``, ``pm_b`` [mas/yr], and optionally
        ``corr``, the correlation of the two proper motions; arrays (n,) or one number.
    r_min, r_max : float
        Only stars with Galactocentric radius r_min < r < r_max [kpc] are fitted.
    sun_position, sun_velocity : array_like, shape (3,)
        Galactocentric place [kpc] and velocity [km/s] of the Sun.

    Returns
    -------
    Reflex
        The velocities refer to the Galactic rest frame; dispersions are intrinsic.

    Raises
    ------
    ValueError
        If shapes differ, a number is not finite or out of range, a name in `errors` is unknown or missing, or fewer
        than 20 stars remain.

    Notes
    -----
    The variance of v_los is ``e^2 + sigma_los^2``; the covariance of the proper motions has the diagonal
    ``e_mu^2 + (e_d mu / d)^2 + (sigma / 4.74 d)^2`` and the off-diagonal ``e_l e_b corr`` (Petersen & Penarrubia 2021;
    Yaaqib et al. 2024). Maximised by Fisher scoring in the six velocities and three dispersions at once, with halved
    steps where the likelihood would fall.
    """
    columns = {"l": l, "b": b, "distance": distance, "v_los": v_los, "pm_l": pm_l, "pm_b": pm_b}
    stars = _checked(columns, errors)
    basis = sky_basis(stars["l"], stars["b"])
    x = np.asarray(sun_position, float) + stars["distance"][:, None] * basis[:, 0]
    inside = in_shell(np.linalg.norm(x, axis=1), r_min, r_max)
    stars = {name: value[inside] for name, value in stars.items()}
    x, basis = x[inside], basis[inside]
    tangential = const.KMS_PER_MASYR_KPC * stars["distance"]
    velocity = np.stack([stars["v_los"], tangential * stars["pm_l"], tangential * stars["pm_b"]], axis=1)
    data = velocity + basis @ np.asarray(sun_velocity, float)
    shell = float(r_min), float(r_max)
    return _fisher_scoring(design_matrix(x, basis), data, _error_covariance(stars, tangential), shell)


def _error_covariance(stars: dict[str, FloatArray], tangential: FloatArray) -> FloatArray:
    """Covariance of the measured (v_los, v_l, v_b) of each star [km^2/s^2], (n, 3, 3)."""
    covariance = np.zeros((len(tangential), 3, 3))
    covariance[:, 0, 0] = stars["e_v_los"] ** 2
    relative = stars["e_distance"] / stars["distance"]
    for k, name in ((1, "pm_l"), (2, "pm_b")):
        covariance[:, k, k] = tangential**2 * (stars["e_" + name] ** 2 + (relative * stars[name]) ** 2)
    mixed = tangential**2 * stars["e_pm_l"] * stars["e_pm_b"] * stars["e_corr"]
    covariance[:, 1, 2] = covariance[:, 2, 1] = mixed
    return covariance


def _evaluate(
    design: FloatArray, data: FloatArray, noise: FloatArray, theta: FloatArray, variance: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Log-likelihood, residuals and inverse covariances at the six velocities and the intrinsic variances."""
    covariance = noise + np.diag(variance)
    inverse = np.linalg.inv(covariance)
    residual = data - design @ theta
    chi2 = np.einsum("ni,nij,nj->", residual, inverse, residual)
    log_det = np.linalg.slogdet(covariance)[1].sum()
    return -0.5 * float(chi2 + log_det + 3 * len(data) * math.log(2 * math.pi)), residual, inverse


def _fisher_scoring(
    design: FloatArray, data: FloatArray, noise: FloatArray, shell: tuple[float, float]
) -> Reflex:
    """Maximise the likelihood of velocities with covariance ``noise + diag(sigma^2)``."""
    theta = np.zeros(6)
    variance = np.maximum(data.var(axis=0) - noise.diagonal(axis1=1, axis2=2).mean(axis=0), 0.1 * data.var(axis=0))
    value, residual, inverse = _evaluate(design, data, noise, theta, variance)
    for _ in range(200):
        whitened = np.einsum("nij,nj->ni", inverse, residual)
        information = np.einsum("nki,nkl,nlj->ij", design, inverse, design)
        step = np.linalg.solve(information, np.einsum("nki,nk->i", design, whitened))
        # in the variances: score (u_k^2 - inverse_kk) / 2, expected information inverse_kl^2 / 2
        score = 0.5 * (whitened**2 - inverse.diagonal(axis1=1, axis2=2)).sum(axis=0)
        step_variance = np.linalg.solve(0.5 * (inverse**2).sum(axis=0), score)
        fraction = 1.0
        while fraction > 1e-10:
            trial = np.maximum(variance + fraction * step_variance, 1e-3 * variance)
            new, residual_new, inverse_new = _evaluate(design, data, noise, theta + fraction * step, trial)
            if new >= value - 1e-9:
                break
            fraction *= 0.5
        converged = abs(new - value) < 1e-10 * abs(value) and np.all(np.abs(trial - variance) < 1e-9 * variance)
        theta, variance, value, residual, inverse = theta + fraction * step, trial, new, residual_new, inverse_new
        if converged:
            break
    return _result(design, residual, inverse, theta, variance, value, shell)


def _result(
    design: FloatArray,
    residual: FloatArray,
    inverse: FloatArray,
    theta: FloatArray,
    variance: FloatArray,
    value: float,
    shell: tuple[float, float],
) -> Reflex:
    """The fit with its plain and sandwich covariances."""
    sigma = np.sqrt(variance)
    whitened = np.einsum("nij,nj->ni", inverse, residual)
    information = np.zeros((9, 9))
    information[:6, :6] = np.einsum("nki,nkl,nlj->ij", design, inverse, design)
    information[6:, 6:] = 2 * (inverse**2).sum(axis=0) * np.outer(sigma, sigma)
    scores = np.concatenate(
        [np.einsum("nki,nk->ni", design, whitened), sigma * (whitened**2 - inverse.diagonal(axis1=1, axis2=2))], axis=1
    )
    plain = np.linalg.inv(information)
    return Reflex(np.r_[theta, sigma], plain @ (scores.T @ scores) @ plain, plain, value, len(residual), *shell)


def _checked(columns: Mapping[str, ArrayLike], errors: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
    """Columns and errors (named ``e_...``) as arrays of one length, checked."""
    unknown, missing = set(errors) - set(ERROR_NAMES), set(ERROR_NAMES[:4]) - set(errors)
    if unknown or missing:
        wrong = f"unknown {sorted(unknown)}" if unknown else f"without {sorted(missing)}"
        raise ValueError(f"errors {wrong}; allowed are {ERROR_NAMES[:4]} and optionally 'corr'")
    stars = {name: np.asarray(value, float) for name, value in columns.items()}
    shape = stars["l"].shape
    for name, value in errors.items():
        stars["e_" + name] = np.asarray(value, float)
    stars.setdefault("e_corr", np.zeros(()))
    for name, value in stars.items():
        if name.startswith("e_") and value.ndim == 0:
            value = stars[name] = np.full(shape, float(value))
        if value.ndim != 1 or value.shape != shape:
            raise ValueError(f"{name} has shape {value.shape}; allowed is {shape}, one number a star")
        if not np.isfinite(value).all():
            raise ValueError(f"{name} holds {value[~np.isfinite(value)][0]}; only finite numbers are allowed")
    for name, low, high in (("b", -90, 90), ("distance", 1e-3, math.inf), ("e_corr", -1, 1)):
        bad = (stars[name] < low) | (stars[name] > high)
        if bad.any():
            raise ValueError(f"{name} holds {stars[name][bad][0]:g}; allowed is {low:g} to {high:g}")
    for name in ERROR_NAMES[:4]:
        if (stars["e_" + name] < 0).any():
            raise ValueError(f"errors[{name!r}] holds {stars['e_' + name].min():g}; allowed is 0 or more")
    return stars
