"""Gravity of one galaxy: a multipole expansion on a radial grid.

About a centre, with the moments of :mod:`mwlmc_data.live.moments` summed from the inside (A_lm) and from the outside
(B_lm), the potential on a node r is exact for every (l, m) (Binney & Tremaine 2008, eq. 2.95):

    phi_lm (r) = -4 pi G / (2 l + 1) [r^(-l-1) A_lm + r^l B_lm],
    phi_lm'(r) = -4 pi G / (2 l + 1) [-(l + 1) r^(-l-2) A_lm + l r^(l-1) B_lm].

Between nodes R and R' the product sqrt(r) phi_lm is the cubic with these values and slopes in the coordinate

    t = (r - R) / (r + R) * (R' + R) / (R' - R),

which is nearly ln r: the powers r^(l + 1/2) and r^(-l - 1/2) of a vacuum are then nearly cubics, and the force of a
mass within is exact to 1e-5. Of phi_0 the constant ``phi_0 + r phi_0'`` at R', which is the potential of the mass
beyond, is taken out first and kept beside the cubic: it has no force. The potential and the force are continuous, and
the mass within a node is exact. The spacing of the nodes and l_max smooth as the softening length of a tree code does.
Within the first node phi_0 is quadratic and phi_l grows as r^l, at most as r^3; beyond the last there are l = 0, 1 and
2 in vacuum.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.display import describe_tuple
from mwlmc_data.live.harmonics import count_pairs, find_l_max, make_polynomials, make_recurrence
from mwlmc_data.live.moments import sum_moments
from mwlmc_data.live.radial_bins import N_BINS, N_NODES, NODES
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.compiling import announce_compiling, kernel

#: Largest l by default: 4 and 6 give the same reflex to the noise of a run, and 6 costs little more.
L_MAX = 6
#: Coefficients of a cell's polynomial for each m and power of z: four powers of t, for cosine and sine.
CELL = 8

_NODES = NODES


class Expansion(NamedTuple):
    """The field of one galaxy at one time."""

    centre: Float64Array  # (3,) [kpc]
    potential: Float64Array  # (nodes, pairs, 2): phi_lm on the nodes [km^2 s^-2]
    slope: Float64Array  # (nodes, pairs, 2): its derivative [km^2 s^-2 kpc^-1]
    cells: Float32Array  # (bins, pairs * CELL + 1): the polynomials that the kernels evaluate, and a constant

    def __repr__(self) -> str:
        return describe_tuple(self)


def expand(
    positions: Float64Array, masses: Float32Array, centre: Float64Array, l_max: int = L_MAX
) -> Expansion:
    """Expand particles about a centre.

    Parameters
    ----------
    positions : ndarray, shape (n, 3)
        Positions [kpc].
    masses : ndarray of float32, shape (n,)
        Masses [Msun].
    centre : ndarray, shape (3,)
        Where to expand [kpc].
    l_max : int
        Largest l.

    Returns
    -------
    Expansion
    """
    pairs = count_pairs(l_max)
    inner, outer = np.empty((2, N_BINS, pairs, 2))
    potential, slope = np.empty((2, N_NODES, pairs, 2))
    with announce_compiling():
        sum_moments(positions, masses, centre, l_max, make_recurrence(l_max), inner, outer)
        _solve_nodes(inner, outer, l_max, potential, slope)
    return restore(centre, potential, slope)


def restore(centre: Float64Array, potential: Float64Array, slope: Float64Array) -> Expansion:
    """Make an expansion from its values and slopes on the nodes."""
    l_max = find_l_max(potential.shape[1])
    cells = np.empty((N_BINS, potential.shape[1] * CELL + 1), np.float32)
    with announce_compiling():
        fill_cells(potential, slope, l_max, make_polynomials(l_max), cells)
    return Expansion(np.array(centre, float), potential, slope, cells)


@kernel
def _solve_nodes(inner, outer, l_max, potential, slope):
    """Potential and slope on the nodes from the moments of the bins."""
    n = N_NODES
    for l in range(l_max + 1):
        scale = -4.0 * math.pi * const.G / (2 * l + 1)
        for m in range(l + 1):
            pair = l * (l + 1) // 2 + m
            for part in range(2):
                within = 0.0  # A_lm r^-l
                for k in range(n):
                    if k > 0:
                        within *= (_NODES[k - 1] / _NODES[k]) ** l
                    within += inner[k, pair, part]
                    potential[k, pair, part] = scale * within / _NODES[k]
                    slope[k, pair, part] = -scale * (l + 1) * within / _NODES[k] ** 2
                beyond = outer[n, pair, part]  # B_lm r^(l + 1)
                for k in range(n - 1, -1, -1):
                    if k < n - 1:
                        beyond = (beyond + outer[k + 1, pair, part]) * (_NODES[k] / _NODES[k + 1]) ** (l + 1)
                    potential[k, pair, part] += scale * beyond / _NODES[k]
                    slope[k, pair, part] += scale * l * beyond / _NODES[k] ** 2


@kernel
def fill_cells(potential, slope, l_max, polynomials, cells):
    """Polynomials of each bin in z and in its radial coordinate t, with the harmonics' own multiplied in.

    In a bin the part of the potential with m is ``sum_j z^j (C_mj(t) Re (x + i y)^m + D_mj(t) Im (x + i y)^m)``, C and
    D cubics: with l summed up here, a particle pays for (m, j) once instead of for l, m and the harmonics' recurrence.
    """
    n = N_NODES
    cubic = np.empty(4)
    for k in range(cells.shape[0]):
        for i in range(cells.shape[1]):
            cells[k, i] = 0.0
    for k in range(n + 1):
        for l in range(l_max + 1):
            for m in range(l + 1):
                pair = l * (l + 1) // 2 + m
                for part in range(2):
                    for power in range(4):
                        cubic[power] = 0.0
                    if k == 0:
                        value = potential[0, pair, part]
                        if l == 0:
                            bend = 0.5 * slope[0, pair, part] * _NODES[0]
                            cubic[0], cubic[2] = value - bend, bend
                        else:
                            cubic[min(l, 3)] = value
                    elif k == n:
                        if l < 3:
                            cubic[l + 1] = potential[n - 1, pair, part]
                    else:
                        bottom, top = _NODES[k - 1], _NODES[k]
                        constant = 0.0
                        if l == 0 and part == 0:
                            constant = potential[k, pair, part] + top * slope[k, pair, part]
                            cells[k, cells.shape[1] - 1] = polynomials[0, 0] * constant
                        low = (potential[k - 1, pair, part] - constant) * math.sqrt(bottom)
                        high = (potential[k, pair, part] - constant) * math.sqrt(top)
                        left = slope[k - 1, pair, part] * math.sqrt(bottom) + 0.5 * low / bottom
                        right = slope[k, pair, part] * math.sqrt(top) + 0.5 * high / top
                        left *= 2.0 * bottom * (top - bottom) / (top + bottom)
                        right *= 0.5 * (top - bottom) * (top + bottom) / bottom
                        cubic[0], cubic[1] = low, left
                        cubic[2] = 3.0 * (high - low) - 2.0 * left - right
                        cubic[3] = 2.0 * (low - high) + left + right
                    # m-th group, powers of z from the highest
                    for j in range(l - m + 1):
                        before = m * (l_max + 1) - m * (m - 1) // 2  # groups of smaller m have l_max + 1 - m' members
                        place = (before + l_max - m - j) * CELL + part * 4
                        for power in range(4):
                            cells[k, place + power] += polynomials[pair, j] * cubic[power]
