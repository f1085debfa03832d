"""The maximum-likelihood fit of the reflex motion to stars with known phase space, in one pass over them.

For known dispersions the model is linear in its six velocities. Without measurement errors three 6 x 6 matrices hold
all that the stars say about these, so the fit is one pass over the stars, which sums the matrices in rings of radius,
and a few solutions of six equations for each shell. A second pass sums the scatter of the stars' scores for the robust
covariance.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mwlmc_data.arguments.arrays import as_floats
from mwlmc_data.arguments.tabular import as_vectors, refuse_misaligned
from mwlmc_data.array_types import Float64Array
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import reflex_kernels
from mwlmc_data.simulator.compiling import announce_compiling
from mwlmc_data.simulator.identifiability import open_velocities, typical_scatter
from mwlmc_data.simulator.reflex import (
    MAX_DISTANCE,
    MAX_SPEED,
    MAX_STEPS,
    MIN_STARS,
    MOTION_NAMES,
    POSITION_NAMES,
    Reflex,
    as_shell,
    in_shell,
    require_scatter,
    require_stars,
)

_SUN = np.array(const.SUN_POSITION)
#: A pivot of the six equations below this fraction of the largest element is suspected of being rounding.
_PIVOT = 1e-10


def fit_reflex(
    positions: ArrayLike,
    velocities: ArrayLike,
    r_min: float = const.FIT_R_MIN,
    r_max: float = math.inf,
    weights: ArrayLike | None = None,
) -> Reflex:
    """Fit the reflex motion to stars with known phase-space.

    Parameters
    ----------
    positions, velocities : array_like, shape (n, 3)
        Galactocentric positions [kpc] and velocities [km/s] relative to the Milky Way's centre, axes parallel to
        Galactic l, b, the Sun at (-8.3, 0, 0.02) kpc. Quantities in other units are converted. In a table the columns
        are x, y, z and vx, vy, vz, in any order; columns with other names are taken in their order. Two pandas tables
        must have the same index.
    r_min, r_max : float
        Only stars with Galactocentric radius r_min < r < r_max [kpc] are fitted.
    weights : array_like, shape (n,), optional
        Multiplicity of each star in the likelihood, not negative. The robust covariance, and the errors from it, treat
        each row as one star drawn once: weights of 4 give the same errors as weights of 1. `covariance_plain` treats
        them as multiplicities: weights of 4 divide it by four.

    Returns
    -------
    Reflex

    Raises
    ------
    ValueError
        If shapes or indices differ; a number is masked or not finite; a coordinate lies beyond 1e20 kpc or a velocity
        exceeds that of light; the shell is empty or holds fewer than 20 stars (also when counted by weight,
        (sum w)^2 / sum w^2); or the stars do not determine the travel velocity because they lie in one place, on one
        line, or move without scatter about the model.

    Notes
    -----
    Alternates between the six velocities at fixed dispersions (generalised least squares) and the dispersions at fixed
    velocities (root mean square residuals), each a maximum of the likelihood in its block, until the dispersions change
    by less than 1e-10 of themselves.
    """
    shell = as_shell(r_min, r_max)
    x, v, w, unit = _check_stars(positions, velocities, shell, weights)
    with announce_compiling():
        sample = _Sample(*reflex_kernels.gather(x, v, w, np.array(shell), _SUN))
    require_stars(sample.weights.size, len(x), shell)
    reflex = _fit(sample, 0, shell)
    if unit == 1.0:
        return reflex
    with np.errstate(over="ignore"):
        plain, log_likelihood = reflex.covariance_plain / unit, reflex.log_likelihood * unit
    if not (np.isfinite(plain).all() and math.isfinite(log_likelihood)):
        raise ValueError(f"weights = numbers up to {unit:g}: allowed are weights that leave the covariance finite")
    return dataclasses.replace(reflex, covariance_plain=plain, log_likelihood=log_likelihood)


def fit_shells(
    positions: ArrayLike,
    velocities: ArrayLike,
    r_min: float,
    outer_radii: Sequence[float],
    n_stars: int | None = None,
) -> tuple[Reflex, list[Reflex]]:
    """Fit all stars beyond `r_min`, and those of shells from `r_min` outwards, in one pass.

    Parameters
    ----------
    positions, velocities : array_like, shape (n, 3)
        As for :func:`~mwlmc_data.fit_reflex`.
    r_min : float
        Inner radius of every fit [kpc].
    outer_radii : sequence of float
        Outer radii of the shells [kpc], increasing.
    n_stars : int, optional
        Number of stars of the halo, if some within `r_min` are left out; used in error messages.

    Returns
    -------
    reflex : Reflex
        The result of ``fit_reflex(positions, velocities, r_min)``.
    shells : list of Reflex
        The result of ``fit_reflex(positions, velocities, r_min, r_max)`` for each r_max of `outer_radii`.

    Raises
    ------
    ValueError
        As for :func:`~mwlmc_data.fit_reflex`, for any of the shells.
    """
    whole = as_shell(r_min, math.inf)
    shells = [as_shell(r_min, outer) for outer in outer_radii]
    edges = np.array([whole[0], *(outer for _, outer in shells), math.inf])
    if not np.all(np.diff(edges) > 0):
        raise ValueError(f"outer_radii = {list(outer_radii)!r} kpc: allowed are increasing radii beyond r_min")
    x, v, w, _ = _check_stars(positions, velocities, whole, None)
    with announce_compiling():
        sample = _Sample(*reflex_kernels.gather(x, v, w, edges, _SUN))
    of = len(x) if n_stars is None else n_stars
    require_stars(sample.weights.size, of, whole)
    fits = []
    for i, shell in enumerate((*shells, whole)):
        require_stars(int(sample.start[i + 1]), of, shell)
        fits.append(_fit(sample, i, shell))
    return fits[-1], fits[:-1]


class _Sample(NamedTuple):
    """Stars ring by ring outwards, with their linear model and its sums within each ring's outer edge."""

    design: Float64Array  # (3, 6, n): (v_los, v_l, v_b) of each star per unit of the six velocities
    data: Float64Array  # (3, n): velocities along the line of sight, l and b
    weights: Float64Array  # (n,)
    start: NDArray[np.int64]  # (rings + 1,): number of the first star of each ring; n
    normal: Float64Array  # (rings, 3, 6, 6): sum of w design design
    right: Float64Array  # (rings, 3, 6): sum of w design data
    squares: Float64Array  # (rings, 3): sum of w data^2
    total: Float64Array  # (rings,): sum of w


def _fit(sample: _Sample, ring: int, shell: tuple[float, float]) -> Reflex:
    """Fit the stars within the outer edge of a ring, with the sandwich covariance (Huber 1967).

    That is the scatter of the stars' scores between two plain covariances.
    """
    n = int(sample.start[ring + 1])
    normal, right, squares = sample.normal[ring], sample.right[ring], sample.squares[ring]
    total, weights = float(sample.total[ring]), sample.weights[:n]
    stars_per_weight = float(weights.sum() / np.square(weights).sum())
    with announce_compiling():
        for pivot in (_PIVOT, 0.0):
            theta, variance, residual, velocities, end = reflex_kernels.alternate(
                normal, right, squares, total, pivot, MAX_STEPS
            )
            if end == reflex_kernels.NO_SCATTER:
                require_scatter(residual, squares)
            scatter = typical_scatter(variance)
            # the largest error of the travel velocity is at most the root of the trace
            spread = velocities[0, 0] + velocities[1, 1] + velocities[2, 2]
            if end == reflex_kernels.SINGULAR or not spread < 0.5 * stars_per_weight * scatter**2:
                information = np.einsum("kij,k->ij", normal, 1.0 / variance)
                open_velocities(information * stars_per_weight, scatter)
            if end != reflex_kernels.SINGULAR:
                break
        if end != reflex_kernels.SETTLED:
            raise ValueError(
                f"velocities = stars whose fit does not converge in {MAX_STEPS} steps: allowed are others"
            )
        sigma = np.sqrt(variance)
        scores = reflex_kernels.sum_scores(sample.design, sample.data, sample.weights, n, theta, sigma)
    plain = np.zeros((9, 9))
    plain[:6, :6] = velocities
    plain[6:, 6:] = np.diag(variance / (2.0 * total))
    log_likelihood = -total * (np.log(sigma).sum() + 1.5 * math.log(2 * math.pi) + 1.5)
    values = np.concatenate([theta, sigma])
    return Reflex(values, plain @ scores @ plain, plain, float(log_likelihood), n, *shell, (n, n, n))


def _check_stars(
    positions: ArrayLike, velocities: ArrayLike, shell: tuple[float, float], weights: ArrayLike | None
) -> tuple[Float64Array, Float64Array, Float64Array, float]:
    """Check the stars; return positions, velocities, weights in units of the largest within the shell, and this."""
    refuse_misaligned({"positions": positions, "velocities": velocities, "weights": weights})
    x = as_vectors("positions", positions, POSITION_NAMES, "kpc", limit=MAX_DISTANCE)
    v = as_vectors("velocities", velocities, MOTION_NAMES, "km/s", len(x), limit=MAX_SPEED)
    if weights is None:
        return x, v, np.ones(len(x)), 1.0
    w = as_floats("weights", weights, unit="", shape=(len(x),), minimum=0.0)
    inside = in_shell(np.linalg.norm(x, axis=1), *shell, w > 0, " with positive weight")
    # the scale of the weights affects only the plain covariance; tiny weights would underflow
    unit = float(w[inside].max())
    w = np.where(inside, w, 0.0) / unit
    effective = w.sum() ** 2 / np.square(w).sum()
    if not effective > MIN_STARS - 1e-9:
        raise ValueError(
            f"weights = numbers that count as {effective:.3g} stars: allowed are "
            f"weights with (sum w)^2 / sum w^2 of {MIN_STARS} or more"
        )
    return x, v, w, unit
