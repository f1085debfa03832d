"""The compiled passes of the reflex fit: sums over the stars, the alternation, the scatter of the scores.

Arrays hold one star a column, so that the sums over the stars become vectors of the machine.
"""

from __future__ import annotations

import math

import numpy as np

from mwlmc_data.simulator.compiling import inline, kernel
from mwlmc_data.simulator.reflex import ROUNDING

#: How the alternation of :func:`alternate` ends.
SETTLED, UNSETTLED, NO_SCATTER, SINGULAR = range(4)
#: The alternation ends when no variance changes by more than this fraction of itself.
_CHANGE = 2e-10


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
def gather(x, v, w, edges, sun):
    """Compute the fields of ``reflex_fit._Sample`` for the stars with positive weight, edges[0] < r < edges[-1].

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
def invert_positive(matrix, pivot):
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
def alternate(normal, right, squares, total, pivot, max_steps):
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
                return theta, variance, residual, covariance, NO_SCATTER
        if step > 0:
            settled = True
            for k in range(3):
                previous, variance[k] = variance[k], residual[k] / total
                settled = settled and abs(variance[k] - previous) <= _CHANGE * variance[k]
        _information(normal, variance, information)
        covariance, is_positive = invert_positive(information, pivot if step == 0 else 0.0)
        if not is_positive:
            return theta, variance, residual, covariance, SINGULAR
        if settled:
            return theta, variance, residual, covariance, SETTLED
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
    return theta, variance, residual, covariance, UNSETTLED


@kernel
def sum_scores(design, data, weights, n, theta, sigma):
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
