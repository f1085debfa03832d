"""The reflex fit from observables with measurement errors; some observables may be missing."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mwlmc_data.arguments.arrays import as_vector
from mwlmc_data.array_types import Float64Array
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.frames import sky_basis
from mwlmc_data.simulator.identifiability import open_velocities, typical_scatter
from mwlmc_data.simulator.observed_columns import VELOCITY_UNITS, check_observables
from mwlmc_data.simulator.reflex import (
    MAX_DISTANCE,
    MAX_SPEED,
    MAX_STEPS,
    MIN_STARS,
    Reflex,
    as_shell,
    design_matrix,
    in_shell,
    require_scatter,
)

BoolArray = NDArray[np.bool_]

#: Median fractional distance error above which the fit warns of its bias.
_MAX_UNBIASED = 0.05
#: Curvature of the likelihood, relative to the expected curvature, above which Newton's step is taken.
_MIN_CURVATURE = 0.05
#: The fit has converged if the next step is below this fraction of the standard errors.
_TOLERANCE = 1e-8


def fit_reflex_observed(
    l: ArrayLike,
    b: ArrayLike,
    distance: ArrayLike,
    v_los: ArrayLike | None,
    pm_l: ArrayLike | None,
    pm_b: ArrayLike | None,
    errors: Mapping[str, ArrayLike | None],
    *,
    r_min: float = const.FIT_R_MIN,
    r_max: float = math.inf,
    sun_position: ArrayLike = const.SUN_POSITION,
    sun_velocity: ArrayLike = const.SUN_VELOCITY,
) -> Reflex:
    """Fit the reflex motion to observed stars.

    Parameters
    ----------
    l, b : array_like, shape (n,)
        Galactic longitude and latitude [deg]. Here and below, quantities in other units are converted.
    distance : array_like, shape (n,)
        Heliocentric distance [kpc], from 0.001 to 1e20.
    v_los : array_like, shape (n,), or None
        Heliocentric line-of-sight velocity [km/s]; NaN where it is not measured, None if it is not measured for any
        star. A velocity component measured for fewer than 20 of the stars to fit is left out, with a warning.
    pm_l, pm_b : array_like, shape (n,), or None
        Proper motion in l (with cos b) and b [mas/yr]; NaN and None as for `v_los`.
    errors : mapping
        Standard errors by name: ``distance`` [kpc], ``v_los`` [km/s], ``pm_l``, ``pm_b`` [mas/yr], and optionally
        ``corr``, the correlation of the two proper motions; arrays (n,) or one number each. They are ignored where the
        quantity is not measured, and may be missing or None for a component that is None.
    r_min, r_max : float
        Only stars with Galactocentric radius r_min < r < r_max [kpc] are fitted.
    sun_position, sun_velocity : array_like, shape (3,)
        Galactocentric position [kpc] and velocity [km/s] of the Sun.

    Returns
    -------
    Reflex
        Velocities are in the Galactic rest frame; dispersions are intrinsic. Parameters that the stars do not determine
        are NaN and listed in :attr:`Reflex.undetermined`; dispersions whose best value is zero are held there and
        listed in :attr:`Reflex.at_zero`.

    Raises
    ------
    ValueError
        If shapes or indices of pandas differ, a number is masked, not finite or out of range (a speed above that of
        light, a distance or its error above 1e20 kpc, an error above 1e5 km/s or 1e4 mas/yr), a name in `errors` is
        unknown or missing, fewer than 20 stars remain, or these do not determine the travel velocity.

    Warns
    -----
    UserWarning
        If the median distance error of the fitted stars exceeds 5 per cent, which biases the fit (see the notes), or a
        component of the velocity is left out because fewer than 20 stars have it.

    Notes
    -----
    The variance of v_los is ``e^2 + sigma_los^2``; the covariance of the proper motions has the diagonal
    ``e_mu^2 + (e_d mu / d)^2 + (sigma / 4.74 d)^2`` and the off-diagonal ``e_l e_b corr`` (Petersen & Penarrubia 2021;
    Yaaqib et al. 2024). Missing components are integrated out: their rows and columns are left out of the star's
    covariance. The likelihood is maximised by Newton's method, started by Fisher scoring, in the six velocities and the
    squares of the three dispersions at once. Steps are halved if the likelihood would fall; a square at its bound of
    zero stays there as long as the likelihood falls away from it.

    **Bias from distance errors.** This variance uses the measured mu and d, so that stars which scatter to a small
    proper motion count more, and the halo is biased towards rest relative to the Sun. For mock stars at 70 to 110 kpc
    vy_travel is about 1 km/s too low at distance errors of 5 per cent, 4 at 10 and 13 to 18 at 20 (tested). The bias
    grows with the halo's velocity relative to the Sun, and the tangential dispersions are too small. Up to 2 per cent
    no bias is visible. The standard errors do not include it. Simulations observed and fitted in the same way have the
    same bias.

    The errors refer to the given stars. For mock stars drawn from the model with exact distances they match the scatter
    of the fits (tested). For the live N-body mock of Petersen & Penarrubia (2021), with 1,871 stars, they are 0.65 of
    the widths of the published posterior, which uses only the first 15,000 rows of the table, 802 stars. A fit to these
    gives the published values and errors (``python -m benchmarks accuracy --reference DIR`` prints both).
    """
    given = {"l": l, "b": b, "distance": distance, "v_los": v_los, "pm_l": pm_l, "pm_b": pm_b}
    stars = check_observables(given, errors)
    shell = as_shell(r_min, r_max)
    sun = as_vector("sun_position", sun_position, 3, unit="kpc", minimum=-MAX_DISTANCE, maximum=MAX_DISTANCE)
    motion = as_vector("sun_velocity", sun_velocity, 3, unit="km/s", minimum=-MAX_SPEED, maximum=MAX_SPEED)
    basis = sky_basis(stars["l"], stars["b"])
    x = sun + stars["distance"][:, None] * basis[:, 0]
    radius = np.linalg.norm(x, axis=1)
    stars, what = _drop_rare(stars, (radius > shell[0]) & (radius < shell[1]))
    measured: BoolArray = np.any([~np.isnan(stars[name]) for name in VELOCITY_UNITS], axis=0)
    inside = in_shell(radius, *shell, measured, what if what or measured.all() else " with a measured velocity")
    stars = {name: value[inside] for name, value in stars.items()}
    x, basis = x[inside], basis[inside]
    _warn_of_bias(stars)
    return _maximise(_problem(stars, design_matrix(x, basis), basis @ motion), shell)


def _drop_rare(stars: dict[str, Float64Array], inside: BoolArray) -> tuple[dict[str, Float64Array], str]:
    """Remove velocity components that too few stars of the shell have; also return a phrase for error messages.

    The scatter of a handful of stars hardly constrains a dispersion, but the fit would trust it: the dispersion would
    come out too small, and the mean motions would follow these stars.
    """
    rare = {}
    for name in VELOCITY_UNITS:
        count = int((inside & ~np.isnan(stars[name])).sum())
        if 0 < count < MIN_STARS:
            rare[name] = count
            warnings.warn(
                f"{name} = measured for {count} of {int(inside.sum())} stars: allowed is {MIN_STARS} or more; the fit "
                f"leaves {name} out, as if it were not measured",
                UserWarning,
                stacklevel=3,
            )
    what = f" with a velocity component that {MIN_STARS} stars have" if rare else ""
    return stars | {name: np.full(len(inside), np.nan) for name in rare}, what


def _warn_of_bias(stars: dict[str, Float64Array]) -> None:
    """Warn if distance errors bias the fit; line-of-sight velocities alone do not involve the distance."""
    has_motion = ~(np.isnan(stars["pm_l"]) & np.isnan(stars["pm_b"]))
    if not has_motion.any():
        return
    fraction = float(np.median((stars["e_distance"] / stars["distance"])[has_motion]))
    if fraction > _MAX_UNBIASED * (1 + 1e-9):
        warnings.warn(
            f"errors['distance'] = {100 * fraction:.3g} per cent of the distance, the median of the fitted stars: "
            f"above {100 * _MAX_UNBIASED:g} per cent the fit is biased towards the Sun's rest frame (stars that "
            "scatter to a small proper motion count more); for a halo at 70 to 110 kpc vy_travel is about 1 km/s too "
            "low at 5 per cent, 4 at 10, 13 to 18 at 20, which the standard errors do not include",
            UserWarning,
            stacklevel=3,
        )


_DISPERSION = np.arange(9) >= 6


class _Problem(NamedTuple):
    """Linear model of the velocities along the line of sight, l and b [km/s]; zeros where nothing is measured."""

    design: Float64Array  # (n, 3, 6)
    data: Float64Array  # (n, 3)
    noise: Float64Array  # (n, 3): variance of the measurement
    mixed: Float64Array  # (n,): covariance of the measured v_l and v_b
    measured: BoolArray  # (n, 3)
    squares: Float64Array  # (3,): sum of squares of the terms that the data are computed from


class _State(NamedTuple):
    """State of the fit: the likelihood and its parts."""

    value: float
    theta: Float64Array  # (6,)
    variance: Float64Array  # (3,): squares of the dispersions
    residual: Float64Array  # (n, 3)
    inverse: Float64Array  # (n, 3, 3): inverse covariance of the measured components; zeros elsewhere


def _problem(stars: dict[str, Float64Array], design: Float64Array, solar: Float64Array) -> _Problem:
    tangential = const.KMS_PER_MASYR_KPC * stars["distance"]
    relative = stars["e_distance"] / stars["distance"]
    velocity = np.stack([stars["v_los"], tangential * stars["pm_l"], tangential * stars["pm_b"]], axis=1)
    measured = ~np.isnan(velocity)
    noise = np.empty_like(velocity)
    noise[:, 0] = stars["e_v_los"] ** 2
    for k, name in ((1, "pm_l"), (2, "pm_b")):
        noise[:, k] = tangential**2 * (stars["e_" + name] ** 2 + (relative * stars[name]) ** 2)
    mixed = tangential**2 * stars["e_pm_l"] * stars["e_pm_b"] * stars["e_corr"]
    velocity, solar = np.where(measured, velocity, 0.0), np.where(measured, solar, 0.0)
    squares = np.einsum("nk,nk->k", velocity, velocity) + np.einsum("nk,nk->k", solar, solar)
    return _Problem(
        np.where(measured[:, :, None], design, 0.0),
        velocity + solar,
        np.where(measured, noise, 0.0),
        np.where(measured[:, 1] & measured[:, 2], mixed, 0.0),
        measured,
        squares,
    )


def _evaluate(problem: _Problem, theta: Float64Array, variance: Float64Array) -> _State | None:
    """Evaluate the likelihood at six velocities and intrinsic variances; return None if a covariance is singular."""
    measured = problem.measured
    diagonal = np.where(measured, problem.noise + variance, 1.0)
    squared = problem.mixed**2
    both = diagonal[:, 1] * diagonal[:, 2]
    determinant = both - squared
    # singular to rounding at a correlation of 1, exactly with two errors of zero
    if not (np.all(diagonal > 0) and np.all(determinant > 1e-14 * both)):
        return None
    inverse = np.zeros((len(measured), 3, 3))
    inverse[:, 0, 0] = 1 / diagonal[:, 0]
    inverse[:, 1, 1], inverse[:, 2, 2] = diagonal[:, 2] / determinant, diagonal[:, 1] / determinant
    inverse[:, 1, 2] = inverse[:, 2, 1] = -problem.mixed / determinant
    inverse *= measured[:, :, None] & measured[:, None, :]
    residual = problem.data - problem.design @ theta
    chi2 = np.einsum("ni,ni->", residual, np.einsum("nij,nj->ni", inverse, residual))
    log_det = np.log(diagonal[:, 0]).sum() + np.log(determinant).sum()
    value = -0.5 * float(chi2 + log_det + measured.sum() * math.log(2 * math.pi))
    return _State(value, theta, variance, residual, inverse)


def _maximise(problem: _Problem, shell: tuple[float, float]) -> Reflex:
    """Maximise the likelihood of velocities with covariance ``noise + diag(sigma^2)``, sigma^2 >= 0."""
    count = problem.measured.sum(axis=0)
    seen = count > 0
    spread = np.einsum("nk,nk->k", problem.data, problem.data) / np.maximum(count, 1)
    require_scatter(np.where(seen, spread, 1.0), np.where(seen, problem.squares / np.maximum(count, 1), 1.0))
    start = np.maximum(spread - problem.noise.sum(axis=0) / np.maximum(count, 1), 0.1 * spread)
    state = _evaluate(problem, np.zeros(6), np.where(seen, start, 0.0))
    last = state
    for _ in range(MAX_STEPS):
        if state is None:
            break
        step, step_variance, decrement = _step(problem, state, seen)
        if decrement <= _TOLERANCE**2:
            return _result(problem, state, seen, shell)
        last, state = state, _climb(problem, state, step, step_variance)
    if last is not None:
        _find_undetermined(problem, last, seen)
    raise ValueError(
        f"errors = such that the fit does not converge in {MAX_STEPS} steps: allowed are errors above zero where stars "
        "follow the model without scatter, and correlations below 1"
    )


def _information(problem: _Problem, state: _State) -> Float64Array:
    """Expected information of the six velocities, (6, 6); its cross terms with the dispersions are zero."""
    weighted = state.inverse @ problem.design
    return problem.design.reshape(-1, 6).T @ weighted.reshape(-1, 6)


def _step(problem: _Problem, state: _State, seen: BoolArray) -> tuple[Float64Array, Float64Array, float]:
    """The step in velocities and variances, and the square of its length in units of the covariance.

    It is Newton's step where the likelihood has the curvature of a maximum, otherwise that of Fisher scoring, which
    climbs from anywhere but may oscillate about a maximum for ever.
    """
    whitened = np.einsum("nij,nj->ni", state.inverse, state.residual)
    score = np.einsum("nki,nk->i", problem.design, whitened)
    # the data carry no information about undetermined velocities: the shortest step leaves them unchanged
    covariance = np.linalg.pinv(_information(problem, state), rcond=1e-13, hermitian=True)
    # for the variances: score (u_k^2 - inverse_kk) / 2, expected information inverse_kl^2 / 2
    slope = 0.5 * (whitened**2 - state.inverse.diagonal(axis1=1, axis2=2)).sum(axis=0)
    expected = 0.5 * (state.inverse**2).sum(axis=0)
    # observed information: u_k inverse_kl u_l - inverse_kl^2 / 2, and with the velocities design' inverse_k u_k
    mixed = np.einsum("nki,nkl,nl->il", problem.design, state.inverse, whitened)
    observed = np.einsum("nk,nkl,nl->kl", whitened, state.inverse, whitened) - expected
    observed -= mixed.T @ covariance @ mixed
    slope_there = slope - mixed.T @ covariance @ score

    free = seen & ((state.variance > 0) | (slope > 0))
    while True:
        chosen, step_variance = np.ix_(free, free), np.zeros(3)
        size = np.sqrt(np.diag(expected)[free])
        is_newton = np.all(np.linalg.eigvalsh(observed[chosen] / np.outer(size, size)) > _MIN_CURVATURE)
        if is_newton:
            step_variance[free] = np.linalg.solve(observed[chosen], slope_there[free])
        else:
            step_variance[free] = np.linalg.solve(expected[chosen], slope[free])
        below = free & (state.variance == 0) & (step_variance < 0)
        if not below.any():
            break
        free &= ~below
    step = covariance @ (score - mixed @ step_variance * is_newton)
    return step, step_variance, float(score @ step + slope @ step_variance)


def _climb(problem: _Problem, state: _State, step: Float64Array, step_variance: Float64Array) -> _State | None:
    """Take the step, halved until the likelihood does not fall; return None if even the shortest step lowers it."""
    fraction = 1.0
    while fraction > 1e-10:
        variance = np.maximum(state.variance + fraction * step_variance, 0.0)
        new = _evaluate(problem, state.theta + fraction * step, variance)
        if new is not None and new.value >= state.value - 1e-9 - 1e-13 * abs(state.value):
            return new
        fraction *= 0.5
    return None


def _result(problem: _Problem, state: _State, seen: BoolArray, shell: tuple[float, float]) -> Reflex:
    """Build the fit with its plain and sandwich covariances, and mark what the stars leave undetermined."""
    count = problem.measured.sum(axis=0)
    sigma = np.sqrt(state.variance)
    whitened = np.einsum("nij,nj->ni", state.inverse, state.residual)
    is_open = _find_undetermined(problem, state, seen)
    free = np.r_[np.ones(6, bool), seen & (state.variance > 0)]
    scores = np.concatenate(
        [
            np.einsum("nki,nk->ni", problem.design, whitened),
            sigma * (whitened**2 - state.inverse.diagonal(axis1=1, axis2=2)),
        ],
        axis=1,
    )
    # expected information: design' inverse design, and 2 sigma_k inverse_kl^2 sigma_l
    plain, on = np.zeros((9, 9)), free[6:]
    plain[:6, :6] = np.linalg.pinv(_information(problem, state), rcond=1e-13, hermitian=True)
    of_variances = np.linalg.inv(0.5 * (state.inverse**2).sum(axis=0)[np.ix_(on, on)])
    plain[np.ix_(free & _DISPERSION, free & _DISPERSION)] = of_variances / (4 * np.outer(sigma[on], sigma[on]))
    robust = plain @ (scores.T @ scores) @ plain
    values = np.r_[state.theta, sigma]
    values[np.r_[is_open, ~seen]] = np.nan
    unknown = ~free | np.isnan(values)
    for covariance in (robust, plain):
        covariance[unknown] = covariance[:, unknown] = np.nan
    n_measured = int(count[0]), int(count[1]), int(count[2])
    return Reflex(values, robust, plain, state.value, len(state.residual), *shell, n_measured)


def _find_undetermined(problem: _Problem, state: _State, seen: BoolArray) -> BoolArray:
    """Find which of the six velocities the stars leave undetermined.

    Raise ValueError if the travel velocity is among them, or the stars do not scatter about the model.
    """
    residual = np.einsum("nk,nk->k", state.residual, state.residual)
    require_scatter(np.where(seen, residual, 1.0), np.where(seen, problem.squares, 1.0))
    total, measured = problem.noise + state.variance, problem.measured
    typical = np.array([np.median(total[measured[:, k], k]) for k in np.flatnonzero(seen)])
    scatter = typical_scatter(typical, measured.sum(axis=0)[seen])
    return open_velocities(_information(problem, state), scatter)
