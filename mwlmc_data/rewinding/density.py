"""The phase-space density from which the stars are drawn 2.2 Gyr ago: of the drawn stars, not of an ideal halo.

Stars are drawn from tables (:mod:`mwlmc_data.simulator.equilibrium`): a radius from the mass profile, a speed v from
``v^(2 - 2 beta) f1(Psi - v^2 / 2)`` with f1 a power law between the points of its grid, and a direction. Their
density is ::

    f(x, v) = A(r) L^(-2 beta) f1(E),        A(r) = n(r) r^(2 beta) / (2 pi K Z(r)),

with n the number of stars per volume, ``Z(r) = int v^(2 - 2 beta) f1 dv`` and ``K = int (1 - c^2)^(-beta) dc`` over
(-1, 1). A would be constant if f1 were exact between its grid points. It varies by 1e-3, and by 3e-2 where f1 is cut;
for a thousand stars that is a unit of the likelihood. So A is computed: at every star where f1 is cut, and at a few
radii elsewhere, where it is smooth.

L^(-2 beta) of a nearly radial star asks for more digits of L than the kernel of the simulator has: a star of the
simulation has lost them already, so no rewinding brings them back. Velocities within `RADIAL` (its sine) of the radial
direction, inwards or outwards, are therefore taken together: there f is its mean over the directions of that cap, as if
it were known only that the direction belongs to it. This mean is a density as well, with the same normalisation, and
exact for what it says of a star. It costs information where many stars are radial: 5% of the stars are in the caps at
beta0 = 0.6, 40% at 0.9.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial import legendre
from scipy.special import beta as beta_function
from scipy.special import betainc, gammaln

from mwlmc_data.array_types import Float64Array
from mwlmc_data.simulator import nfw
from mwlmc_data.simulator.compiling import announce_compiling, inline, kernel
from mwlmc_data.simulator.distribution import LOGIT_STEP, LOGIT_TOP
from mwlmc_data.simulator.equilibrium import Equilibrium, log_speed_density

#: L / (r v) below which f is its mean over directions: a hundred times the error that 99% of the stars have.
RADIAL = 0.03
#: Distance of the knots of ln A, in cells of the grid of f1. A changes by up to 1e-4 within a cell and by less than
#: 1e-3 between knots; each knot is the mean over the phases in a cell.
_SPACING = 4
#: ln A is computed for each star within this many times the radius at which the cut of f1 ends.
_CUT_MARGIN = 2.0
#: Cells next to v = 0 in which a power of v, not E, is followed; part of Z in a cell at which the integral ends.
_NEAR, _NEGLECTED = 2, 1e-9
# Gauss's rules on (0, 1)
_NEAR_NODES, _NEAR_WEIGHTS = (0.5 + 0.5 * legendre.leggauss(6)[0], 0.5 * legendre.leggauss(6)[1])
_NODES, _WEIGHTS = (0.5 + 0.5 * legendre.leggauss(3)[0], 0.5 * legendre.leggauss(3)[1])


@inline
def _f1(cell, w, log_f1):
    """f1 in a cell of its grid as the speeds are drawn: a power law; linear where it falls to zero."""
    last = min(cell, log_f1.shape[0] - 2)
    w += cell - last
    low, high = log_f1[last], log_f1[last + 1]
    if low > -np.inf and high > -np.inf:
        return math.exp(low + w * (high - low))
    low, high = math.exp(low), math.exp(high)
    return low + min(w, 1.0) * (high - low)


@kernel
def integrate_speeds(x, beta, log_f1):
    """``Z = int v^(2 - 2 beta) f1(Psi - v^2 / 2) dv`` over all speeds at the radius x, in NFW units."""
    depth = nfw.depth(x)
    # near v = 0, y = v^kappa is followed: v^(2 - 2 beta) dv = y^power dy / kappa, with 0 <= power <= 2
    kappa = 3.0 - 2.0 * beta if beta > 0.3 else 1.0
    power = (3.0 - 2.0 * beta) / kappa - 1.0
    position = (LOGIT_TOP - math.log((1.0 - depth) / depth)) / LOGIT_STEP
    first = max(math.floor(position), 0)
    total, near = 0.0, 0.0  # near: y at the edge of the cell next to v = 0
    cell = first
    while True:
        added = 0.0
        if cell < first + _NEAR:
            edge = 1.0 / (1.0 + math.exp(LOGIT_TOP - LOGIT_STEP * (cell + 1)))  # 1 - E there
            # at a point of the grid, rounding may put the edge of the first cell at v = 0
            far = (2.0 * (edge - depth)) ** (0.5 * kappa) if edge > depth else 0.0
            for k in range(6 if far > near else 0):
                y = near + _NEAR_NODES[k] * (far - near)
                v = y ** (1.0 / kappa)
                unbound = depth + 0.5 * v * v
                w = (LOGIT_TOP - math.log((1.0 - unbound) / unbound)) / LOGIT_STEP - cell
                added += _NEAR_WEIGHTS[k] * (far - near) / kappa * y**power * _f1(cell, w, log_f1)
            near = far
        else:
            for k in range(3):
                unbound = 1.0 / (1.0 + math.exp(LOGIT_TOP - LOGIT_STEP * (cell + _NODES[k])))
                v2 = 2.0 * (unbound - depth)
                f1 = _f1(cell, _NODES[k], log_f1)
                added += _WEIGHTS[k] * LOGIT_STEP * unbound * (1.0 - unbound) * v2 ** (0.5 - beta) * f1
        total += added
        cell += 1
        if cell > first + _NEAR and total > 0.0 and added < _NEGLECTED * total:
            return total
        if cell > 4 * log_f1.shape[0]:
            return total


@inline
def _log_profile(x, tables):
    """``ln n(x)``: stars per unit of volume in NFW units, of the profile from which the radii are drawn."""
    sum_ = x + tables.b
    mass = 2.0 * x * tables.b / (sum_ * sum_ * sum_)  # dM / dx
    if tables.x[0] < x < tables.x_cut:
        low, high = 0, tables.x.shape[0] - 1
        while high - low > 1:
            middle = (low + high) // 2
            if tables.x[middle] <= x:
                low = middle
            else:
                high = middle
        mass += (tables.excess[high] - tables.excess[low]) / (math.log(tables.x[high] / tables.x[low]) * x)
    total = 1.0 + tables.excess[tables.x.shape[0] - 1]
    return math.log(mass / (4.0 * math.pi * x * x * total))


@inline
def _log_a(x, tables):
    """``ln (n r^(2 beta) / Z)`` at the radius x."""
    return (
        _log_profile(x, tables)
        + 2.0 * tables.beta * math.log(x)
        - math.log(integrate_speeds(x, tables.beta, tables.log_f1))
    )


@kernel
def _evaluate(stars, tables, constant, log_cap):
    """``constant + ln A + ln f1 - 2 beta ln L`` of stars (n, 6) in kpc and km/s; -inf where a star is not bound.

    `log_cap` is the logarithm of the mean of (L / r v)^(-2 beta) within `RADIAL`.
    """
    n, size = stars.shape[0], tables.x.shape[0]
    out = np.empty(n)
    beta, log_f1 = tables.beta, tables.log_f1
    per_kpc, per_speed = 1.0 / tables.scale_radius, 1.0 / tables.scale_speed
    inner = _CUT_MARGIN * tables.x_cut
    n_knots = (size - 1) // _SPACING
    knots = np.empty(n_knots)
    for k in range(n_knots):
        knots[k] = np.nan
    for i in range(n):
        x, y, z = stars[i, 0] * per_kpc, stars[i, 1] * per_kpc, stars[i, 2] * per_kpc
        u, v, w = stars[i, 3] * per_speed, stars[i, 4] * per_speed, stars[i, 5] * per_speed
        r = math.sqrt(x * x + y * y + z * z)
        speed = math.sqrt(u * u + v * v + w * w)
        depth = nfw.depth(r)
        # anisotropy 1 leaves out the power of v
        ln_f1 = log_speed_density(max(speed, 1e-150), depth, 1.0, log_f1)
        if not ln_f1 > -np.inf or r == 0.0:
            out[i] = -np.inf
            continue
        a, b, c = y * w - z * v, z * u - x * w, x * v - y * u
        if r < inner:
            ln_a = _log_a(r, tables)
        else:
            place = (LOGIT_TOP - math.log((1.0 - depth) / depth)) / LOGIT_STEP / _SPACING
            k = min(max(int(place), 0), n_knots - 2)
            for j in range(k, k + 2):
                if knots[j] != knots[j]:
                    grid, half = tables.x[_SPACING * j], tables.x[_SPACING * j + 1]
                    knots[j] = 0.5 * (_log_a(grid, tables) + _log_a(math.sqrt(grid * half), tables))
            ln_a = knots[k] + min(max(place - k, 0.0), 1.0) * (knots[k + 1] - knots[k])
        l2, rv2 = a * a + b * b + c * c, r * r * speed * speed
        power = -beta * math.log(l2) if l2 > RADIAL * RADIAL * rv2 else log_cap - beta * math.log(rv2)
        out[i] = constant + ln_a + ln_f1 + power
    return out


def log_start_density(stars: Float64Array, tables: Equilibrium) -> Float64Array:
    """Compute the log density from which :func:`~mwlmc_data.simulator.equilibrium.draw_stars` draws.

    Parameters
    ----------
    stars : ndarray, shape (n, 6)
        Positions [kpc] and velocities [km/s] 2.2 Gyr ago, relative to the Milky Way's centre.
    tables : Equilibrium
        Of the halo.

    Returns
    -------
    ndarray, shape (n,)
        ln f [kpc^-3 (km/s)^-3], normalised to one star, its mean over directions where L < `RADIAL` r v; -inf where no
        star is drawn.
    """
    beta = tables.beta
    # K = sqrt(pi) Gamma(1 - beta) / Gamma(3/2 - beta)
    log_k = 0.5 * math.log(math.pi) + gammaln(1.0 - beta) - gammaln(1.5 - beta)
    # int_0^s s^(1 - 2 beta) / sqrt(1 - s^2) ds over the cap, divided by its solid angle 1 - sqrt(1 - s^2)
    cap = 0.5 * beta_function(1.0 - beta, 0.5) * betainc(1.0 - beta, 0.5, RADIAL**2)
    log_cap = float(np.log(cap / (1.0 - math.sqrt(1.0 - RADIAL**2))))
    units = 3.0 * math.log(tables.scale_radius * tables.scale_speed)
    with announce_compiling():
        return _evaluate(stars, tables, float(-math.log(2.0 * math.pi) - log_k - units), log_cap)
