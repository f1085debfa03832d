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
from mwlmc_data.simulator.compiling import announce_compiling, inline, kernel
from mwlmc_data.simulator.identifiability import open_velocities, typical_scatter
from mwlmc_data.simulator.reflex import (
    MAX_DISTANCE,
    MAX_SPEED,
    MAX_STEPS,
    MIN_STARS,
    MOTION_NAMES,
    POSITION_NAMES,
    ROUNDING,
    Reflex,
    as_shell,
    in_shell,
    require_scatter,
    require_stars,
)

_SUN = np.array(const.SUN_POSITION)
#: A pivot of the six equations below this fraction of the largest element is suspected of being rounding.
_PIVOT = 1e-10
#: How the alternation of :func:`_alternate` ends.
_SETTLED, _UNSETTLED, _NO_SCATTER, _SINGULAR = range(4)
#: The alternation ends when no variance changes by more than this fraction of itself.
_CHANGE = 2e-10


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
        sample = _Sample(*_gather(x, v, w, np.array(shell), _SUN))
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
        sample = _Sample(*_gather(x, v, w, edges, _SUN))
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


@inline
def _triad(x, y, z):
    """Unit vectors along the direction (x, y, z), growing longitude and growing latitude, in nine numbers."""
    in_plane = math.sqrt(x * x + y * y)
    r = math.sqrt(in_plane * in_plane + z * z)
    cos_l = x / in_plane if in_plane > 0.0 else 1.0
    sin_l = y / in_plane if in_plane > 0.0 else 0.0
    cos_b = in_plane / r if r > 0.0 else 1.0
    sin_b = z / r if r > 0.0 else 0.0
    return cos_b * cos_l, cos_b * sin_l, sin_b, -sin_l, cos_l, 0.0, -sin_b * cos_l, -sin_b * sin_l, cos_b


@inline
def _dot(a, b, begin, end):
    """Sum of the products of two rows between two columns."""
    total = 0.0
    for n in range(begin, end):
        total += a[n] * b[n]
    return total


@kernel
def _gather(x, v, w, edges, sun):
    """Compute the fields of :class:`_Sample` for the stars with positive weight, edges[0] < r < edges[-1].

    A star on an inner edge belongs to the ring beyond it.
    """
    rings = edges.shape[0] - 1
    ring, start = np.empty(x.shape[0], np.int64), np.zeros(rings + 1, np.int64)
    for i in range(x.shape[0]):
        r = math.sqrt(x[i, 0] * x[i, 0] + x[i, 1] * x[i, 1] + x[i, 2] * x[i, 2])
        ring[i] = -1
        if w[i] > 0.0 and edges[0] < r and r < edges[rings]:
            k = 0
            while k < rings - 1 and r >= edges[k + 1]:
                k += 1
            ring[i] = k
            start[k + 1] += 1
    for k in range(rings):
        start[k + 1] += start[k]
    n, place = start[rings], start.copy()
    design, data, weights = np.empty((3, 6, n)), np.empty((3, n)), np.empty(n)
    for i in range(x.shape[0]):
        if ring[i] < 0:
            continue
        m = place[ring[i]]
        place[ring[i]] += 1
        weights[m] = w[i]
        seen = _triad(x[i, 0] - sun[0], x[i, 1] - sun[1], x[i, 2] - sun[2])
        own = _triad(x[i, 0], x[i, 1], x[i, 2])
        for k in range(3):
            a, b, c = seen[3 * k], seen[3 * k + 1], seen[3 * k + 2]
            data[k, m] = a * v[i, 0] + b * v[i, 1] + c * v[i, 2]
            design[k, 0, m], design[k, 1, m], design[k, 2, m] = -a, -b, -c
            design[k, 3, m] = a * own[0] + b * own[1] + c * own[2]
            design[k, 4, m] = a * own[3] + b * own[4] + c * own[5]
            # the colatitude grows as the latitude falls
            design[k, 5, m] = -(a * own[6] + b * own[7] + c * own[8])
    normal, right = np.zeros((rings, 3, 6, 6)), np.zeros((rings, 3, 6))
    squares, total = np.zeros((rings, 3)), np.zeros(rings)
    weighted = np.empty(n)
    for k in range(3):
        for a in range(7):
            row = design[k, a] if a < 6 else data[k]
            for m in range(n):
                weighted[m] = weights[m] * row[m]
            for q in range(rings):
                if a == 6:
                    squares[q, k] = _dot(weighted, row, start[q], start[q + 1])
                    continue
                right[q, k, a] = _dot(weighted, data[k], start[q], start[q + 1])
                for b in range(a + 1):
                    normal[q, k, a, b] = normal[q, k, b, a] = _dot(weighted, design[k, b], start[q], start[q + 1])
    for q in range(rings):
        for m in range(start[q], start[q + 1]):
            total[q] += weights[m]
    for q in range(1, rings):
        total[q] += total[q - 1]
        for k in range(3):
            squares[q, k] += squares[q - 1, k]
            for a in range(6):
                right[q, k, a] += right[q - 1, k, a]
                for b in range(6):
                    normal[q, k, a, b] += normal[q - 1, k, a, b]
    return design, data, weights, start, normal, right, squares, total


@kernel
def _invert_positive(matrix, pivot):
    """Invert a symmetric positive matrix by Cholesky's factors; False where a pivot is below that part of the largest.

    The factor L of ``L L^T`` is inverted in place, column by column.
    """
    n = matrix.shape[0]
    factor, largest = np.zeros((n, n)), 0.0
    for i in range(n):
        largest = max(largest, matrix[i, i])
    for i in range(n):
        for j in range(i + 1):
            rest = matrix[i, j]
            for k in range(j):
                rest -= factor[i, k] * factor[j, k]
            if i > j:
                factor[i, j] = rest / factor[j, j]
            elif rest > pivot * largest:
                factor[i, i] = math.sqrt(rest)
            else:
                return factor, False
    for j in range(n):
        factor[j, j] = 1.0 / factor[j, j]
        for i in range(j + 1, n):
            rest = 0.0
            for k in range(j, i):
                rest -= factor[i, k] * factor[k, j]
            factor[i, j] = rest / factor[i, i]
    inverse = np.empty((n, n))
    for i in range(n):
        for j in range(i + 1):
            rest = 0.0
            for k in range(i, n):
                rest += factor[k, i] * factor[k, j]
            inverse[i, j] = inverse[j, i] = rest
    return inverse, True


@inline
def _information(normal, variance, out):
    """Information of the six velocities at the given variances of the three components, (6, 6)."""
    for a in range(6):
        for b in range(6):
            out[a, b] = normal[0, a, b] / variance[0] + normal[1, a, b] / variance[1] + normal[2, a, b] / variance[2]


@kernel
def _alternate(normal, right, squares, total, pivot, max_steps):
    """Fit velocities and variances in turn.

    Returns the velocities, the variances of the three components, the sums of the squares of their residuals, the
    covariance of the velocities, and how the alternation ended. It ends early, at the variances of that step, if a
    residual is rounding or the equations are singular: in the first step, if a pivot is below that part of the largest
    element.
    """
    variance, residual = np.empty(3), squares.copy()
    for k in range(3):
        variance[k] = squares[k] / total
    theta, information, covariance = np.zeros(6), np.zeros((6, 6)), np.zeros((6, 6))
    settled = False
    for step in range(max_steps + 1):
        for k in range(3):
            if not math.isfinite(squares[k]) or squares[k] == 0.0 or residual[k] <= ROUNDING * squares[k]:
                return theta, variance, residual, covariance, _NO_SCATTER
        if step > 0:
            settled = True
            for k in range(3):
                previous, variance[k] = variance[k], residual[k] / total
                settled = settled and abs(variance[k] - previous) <= _CHANGE * variance[k]
        _information(normal, variance, information)
        covariance, is_positive = _invert_positive(information, pivot if step == 0 else 0.0)
        if not is_positive:
            return theta, variance, residual, covariance, _SINGULAR
        if settled:
            return theta, variance, residual, covariance, _SETTLED
        if step == max_steps:
            break
        for a in range(6):
            theta[a] = 0.0
            for b in range(6):
                weighted = right[0, b] / variance[0] + right[1, b] / variance[1] + right[2, b] / variance[2]
                theta[a] += covariance[a, b] * weighted
        for k in range(3):
            residual[k] = squares[k]
            for a in range(6):
                row = -2.0 * right[k, a]
                for b in range(6):
                    row += normal[k, a, b] * theta[b]
                residual[k] += row * theta[a]
    return theta, variance, residual, covariance, _UNSETTLED


@kernel
def _sum_scores(design, data, weights, n, theta, sigma):
    """Scatter of the first n stars: the sum of the outer products of their weighted scores, (9, 9)."""
    score, whitened = np.empty((9, n)), np.empty((3, n))
    for k in range(3):
        row, values, last = whitened[k], data[k], score[6 + k]
        for m in range(n):
            row[m] = values[m]
        for a in range(6):
            part, speed = design[k, a], theta[a]
            for m in range(n):
                row[m] -= speed * part[m]
        scale = 1.0 / sigma[k]
        for m in range(n):
            relative = row[m] * scale
            last[m] = weights[m] * scale * (relative * relative - 1.0)
            row[m] = weights[m] * scale * relative
    for a in range(6):
        row = score[a]
        first, second, third = design[0, a], design[1, a], design[2, a]
        u, v, w = whitened[0], whitened[1], whitened[2]
        for m in range(n):
            row[m] = first[m] * u[m] + second[m] * v[m] + third[m] * w[m]
    scatter = np.empty((9, 9))
    for a in range(9):
        for b in range(a + 1):
            scatter[a, b] = scatter[b, a] = _dot(score[a], score[b], 0, n)
    return scatter


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
            theta, variance, residual, velocities, end = _alternate(normal, right, squares, total, pivot, MAX_STEPS)
            if end == _NO_SCATTER:
                require_scatter(residual, squares)
            scatter = typical_scatter(variance)
            # the largest error of the travel velocity is at most the root of the trace
            spread = velocities[0, 0] + velocities[1, 1] + velocities[2, 2]
            if end == _SINGULAR or not spread < 0.5 * stars_per_weight * scatter**2:
                information = np.einsum("kij,k->ij", normal, 1.0 / variance)
                open_velocities(information * stars_per_weight, scatter)
            if end != _SINGULAR:
                break
        if end != _SETTLED:
            raise ValueError(
                f"velocities = stars whose fit does not converge in {MAX_STEPS} steps: allowed are others"
            )
        sigma = np.sqrt(variance)
        scores = _sum_scores(sample.design, sample.data, sample.weights, n, theta, sigma)
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
