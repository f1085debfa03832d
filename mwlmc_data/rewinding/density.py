"""The phase-space density from which the stars are drawn 2.2 Gyr ago: of the drawn stars, not of an ideal halo.

Stars are drawn from tables (:mod:`mwlmc_data.simulator.equilibrium`): a radius from the mass profile, a speed v from
``v^(2 - 2 beta) f1(Psi - v^2 / 2)`` with f1 a power law between the points of its grid, and a direction. Their
density is ::

    f(x, v) = A(r) L^(-2 beta) f1(E),        A(r) = n(r) r^(2 beta) / (2 pi K Z(r)),

with n the number of stars per volume, ``Z(r) = int v^(2 - 2 beta) f1 dv`` and ``K = int (1 - c^2)^(-beta) dc`` over
(-1, 1). A would be constant if f1 were exact between its grid points. It varies by 1e-3, and by 3e-2 where f1 is cut;
for a thousand stars that is a unit of the likelihood. So A is computed: at every star where f1 is cut, and at a few
radii elsewhere, where it is smooth.

The stars of a simulation have lost the last digits of their orbits, and with them L where it is small: near the radial
direction f at the rewound place says nothing (above beta = 0.6 the sum over a thousand stars is wrong by units, at 0.9
by hundreds). A likelihood therefore gives every star a known error of L (`draw_errors`), `ERROR` times r v, larger than
that of the simulation, and takes the mean of f over such errors. With an error of standard deviation sigma in both
components across the radius, L' = L + error and z = L'^2 / 2 sigma^2, ::

    mean of L^(-2 beta) = (2 sigma^2)^(-beta) Gamma(1 - beta) 1F1(beta; 1; -z),

which is L'^(-2 beta) where L' >> sigma. What follows is exact for the blurred stars, of whose orbits little is lost
where few are radial. An Osipkov-Merritt halo is smooth in L; its likelihood is that of the same blurred stars, so that
the evidences of two models can be compared. Errors depend on the digits of the star alone, not on the parameters.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial import hermite_e, legendre
from scipy.special import gammaln

from mwlmc_data.array_types import Float64Array
from mwlmc_data.simulator import nfw
from mwlmc_data.simulator.compiling import announce_compiling, inline, kernel
from mwlmc_data.simulator.distribution import LOGIT_STEP, LOGIT_TOP
from mwlmc_data.simulator.equilibrium import log_speed_density
from mwlmc_data.simulator.halo_model import HaloModel, OsipkovMerritt

#: Error given to L, in r v: a hundred times that of 99% of the simulated stars.
ERROR = 0.01
#: Distance of the knots of ln A, in cells of the grid of f1. A changes by up to 1e-4 within a cell and by less than
#: 1e-3 between knots; each knot is the mean over the phases in a cell.
_SPACING = 4
#: ln A is computed for each star within this many times the radius at which the cut of f1 ends.
_CUT_MARGIN = 2.0
#: Cells next to v = 0 in which a power of v, not E, is followed; part of Z in a cell at which the integral ends.
_NEAR, _NEGLECTED = 2, 1e-9
_NO_ERRORS = np.empty((0, 3))
# Gauss's rules on (0, 1)
_NEAR_NODES, _NEAR_WEIGHTS = (0.5 + 0.5 * legendre.leggauss(6)[0], 0.5 * legendre.leggauss(6)[1])
_NODES, _WEIGHTS = (0.5 + 0.5 * legendre.leggauss(3)[0], 0.5 * legendre.leggauss(3)[1])
# Gauss's rules for a normal number: along L', and across it, where the sign does not matter
_ALONG, _ALONG_WEIGHTS = hermite_e.hermegauss(7)
_ALONG_WEIGHTS = _ALONG_WEIGHTS / _ALONG_WEIGHTS.sum()
_ACROSS, _ACROSS_WEIGHTS = (nodes[3:] for nodes in hermite_e.hermegauss(6))
_ACROSS_WEIGHTS = _ACROSS_WEIGHTS / _ACROSS_WEIGHTS.sum()
# where f ends within this many standard deviations of L': nodes between there and as far inwards
_REACH = 6.0
_EDGE, _EDGE_WEIGHTS = legendre.leggauss(16)
_EDGE, _EDGE_WEIGHTS = 0.5 + 0.5 * _EDGE, 0.5 * _EDGE_WEIGHTS


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
def _log_a(x, inverse_r2, tables):
    """``ln (n r^(2 beta) / Z)`` at the radius x; of an Osipkov-Merritt halo, whose beta is 0, with the factor s^2."""
    return (
        _log_profile(x, tables)
        + math.log1p(x * x * inverse_r2)
        + 2.0 * tables.beta * math.log(x)
        - math.log(integrate_speeds(x, tables.beta, tables.log_f1))
    )


@inline
def make_knots(tables):
    """Room for knots of ln A, each NaN until :func:`evaluate_log_a` needs it."""
    knots = np.empty((tables.x.shape[0] - 1) // _SPACING)
    for k in range(knots.shape[0]):
        knots[k] = np.nan
    return knots


@inline
def evaluate_log_a(r, depth, inverse_r2, knots, tables):
    """`_log_a` at a star's radius r, where 1 - Psi = depth: itself where f1 is cut, else between knots."""
    if r < _CUT_MARGIN * tables.x_cut:
        return _log_a(r, inverse_r2, tables)
    place = (LOGIT_TOP - math.log((1.0 - depth) / depth)) / LOGIT_STEP / _SPACING
    k = min(max(int(place), 0), knots.shape[0] - 2)
    for j in range(k, k + 2):
        if knots[j] != knots[j]:
            grid, half = tables.x[_SPACING * j], tables.x[_SPACING * j + 1]
            half = math.sqrt(grid * half)
            knots[j] = 0.5 * (_log_a(grid, inverse_r2, tables) + _log_a(half, inverse_r2, tables))
    return knots[k] + min(max(place - k, 0.0), 1.0) * (knots[k + 1] - knots[k])


@inline
def _log_mean_power(l2, sigma2, beta, log_gamma):
    """Logarithm of the mean of L^(-2 beta), given the square of L' = L + error and the error's variance."""
    z = 0.5 * l2 / sigma2
    total, term = 1.0, 1.0
    if z > 30.0:  # the asymptotic series of 1F1, whose terms fall up to the 28th
        for k in range(28):
            term *= (beta + k) * (beta + k) / ((k + 1.0) * z)
            total += term
            if term < 1e-13 * total:
                break
        return math.log(total) - beta * math.log(l2)
    # 1F1(beta; 1; -z) = e^-z 1F1(1 - beta; 1; z), whose terms are positive
    for k in range(200):
        term *= (1.0 - beta + k) * z / ((k + 1.0) * (k + 1.0))
        total += term
        if term < 1e-13 * total:
            break
    return math.log(total) - z + log_gamma - beta * math.log(2.0 * sigma2)


@kernel
def _evaluate(stars, errors, sizes, tables, constant, log_gamma):
    """``constant + ln A + ln f1 - 2 beta ln L`` of stars (n, 6) in kpc and km/s; -inf where a star is not bound.

    With `errors` (n, 3) the mean over errors of L of these sizes (n,), in r v; without, if their shape is (0, 3), f
    itself. `log_gamma` is that of 1 - beta.
    """
    n = stars.shape[0]
    out = np.empty(n)
    beta, log_f1 = tables.beta, tables.log_f1
    per_kpc, per_speed = 1.0 / tables.scale_radius, 1.0 / tables.scale_speed
    knots = make_knots(tables)
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
        ln_a = evaluate_log_a(r, depth, 0.0, knots, tables)
        if errors.shape[0] > 0:
            # an error of the velocity in every direction: that along the radius drops out
            sigma = sizes[i] * speed
            e, f, g = sigma * errors[i, 0], sigma * errors[i, 1], sigma * errors[i, 2]
            a, b, c = a + (y * g - z * f), b + (z * e - x * g), c + (x * f - y * e)
            sigma *= r
            power = _log_mean_power(a * a + b * b + c * c, sigma * sigma, beta, log_gamma)
        else:
            power = -beta * math.log(a * a + b * b + c * c)
        out[i] = constant + ln_a + ln_f1 + power
    return out


@inline
def _stretched_density(v2, l2, depth, inverse_r2, log_f1):
    """f(Q) of a star with the squares of its speed and of its angular momentum; zero where it is not bound in Q."""
    return math.exp(log_speed_density(max(math.sqrt(v2 + l2 * inverse_r2), 1e-150), depth, 1.0, log_f1))


@inline
def _integrate_to_edge(v2, along, sigma, l2_max, depth, inverse_r2, log_f1):
    """Mean of f(Q) over the errors of L near the L at which f ends: from there inwards, along L' and across it."""
    if not l2_max > 0.0:
        return 0.0
    total, width = 0.0, min(math.sqrt(l2_max) / sigma, _REACH)
    for k in range(_EDGE.shape[0]):
        across = width * _EDGE[k]
        top = math.sqrt(max(l2_max - (across * sigma) ** 2, 0.0))
        length = min(2.0 * top, min(top, along + _REACH * sigma) - min(top, along) + _REACH * sigma)
        part = 0.0
        for j in range(_EDGE.shape[0]):
            l_along = top - length * _EDGE[j]
            t = (l_along - along) / sigma
            f = _stretched_density(v2, l_along * l_along + (across * sigma) ** 2, depth, inverse_r2, log_f1)
            part += _EDGE_WEIGHTS[j] * math.exp(-0.5 * t * t) * f
        total += _EDGE_WEIGHTS[k] * math.exp(-0.5 * across * across) * part * length / sigma
    return total * width / math.pi  # both signs across


@kernel
def _evaluate_stretched(stars, errors, sizes, tables, inverse_r2, constant):
    """As `_evaluate`, of an Osipkov-Merritt halo; `inverse_r2` is 1 / r_a^2 in NFW units.

    The mean of f(Q) over the errors of L is a sum over Gauss's nodes along L' and across it.
    """
    n = stars.shape[0]
    out = np.empty(n)
    log_f1 = tables.log_f1
    per_kpc, per_speed = 1.0 / tables.scale_radius, 1.0 / tables.scale_speed
    knots = make_knots(tables)
    for i in range(n):
        x, y, z = stars[i, 0] * per_kpc, stars[i, 1] * per_kpc, stars[i, 2] * per_kpc
        u, v, w = stars[i, 3] * per_speed, stars[i, 4] * per_speed, stars[i, 5] * per_speed
        r2, v2 = x * x + y * y + z * z, u * u + v * v + w * w
        r, speed = math.sqrt(r2), math.sqrt(v2)
        depth = nfw.depth(r)
        a, b, c = y * w - z * v, z * u - x * w, x * v - y * u
        mean = 0.0
        if errors.shape[0] > 0:
            sigma = sizes[i] * speed
            e, f, g = sigma * errors[i, 0], sigma * errors[i, 1], sigma * errors[i, 2]
            a, b, c = a + (y * g - z * f), b + (z * e - x * g), c + (x * f - y * e)
            along, sigma = math.sqrt(a * a + b * b + c * c), sigma * r
            l2_max = (2.0 * (1.0 - depth) - v2) / inverse_r2 if inverse_r2 > 0.0 else np.inf
            if l2_max < (along + _REACH * sigma) ** 2:
                mean = _integrate_to_edge(v2, along, sigma, l2_max, depth, inverse_r2, log_f1)
            else:
                for j in range(_ALONG.shape[0]):
                    for k in range(_ACROSS.shape[0]):
                        l2 = (along + sigma * _ALONG[j]) ** 2 + (sigma * _ACROSS[k]) ** 2
                        weight = _ALONG_WEIGHTS[j] * _ACROSS_WEIGHTS[k]
                        mean += weight * _stretched_density(v2, l2, depth, inverse_r2, log_f1)
        else:
            mean = _stretched_density(v2, a * a + b * b + c * c, depth, inverse_r2, log_f1)
        if not mean > 0.0 or r == 0.0:
            out[i] = -np.inf
        else:
            out[i] = constant + evaluate_log_a(r, depth, inverse_r2, knots, tables) + math.log(mean)
    return out


@kernel
def _hash_positions(stars):
    """Three normal numbers for each star (n, 6), from the digits of its position as float32."""
    out = np.empty((stars.shape[0], 3))
    numbers = np.empty(4)
    digits = np.empty(3, np.float32)
    for i in range(stars.shape[0]):
        for m in range(3):
            digits[m] = stars[i, m]
        bits = digits.view(np.int32)
        seed = np.uint64(0)
        for m in range(3):
            seed = _mix(seed ^ np.uint64(np.uint32(bits[m])))
        for m in range(4):
            seed = _mix(seed)
            numbers[m] = (np.float64(seed >> np.uint64(11)) + 0.5) * 2.0**-53
        # Box & Muller 1958
        for m in range(2):
            size = math.sqrt(-2.0 * math.log(numbers[2 * m]))
            out[i, 2 * m] = size * math.cos(2.0 * math.pi * numbers[2 * m + 1])
            if m == 0:
                out[i, 1] = size * math.sin(2.0 * math.pi * numbers[1])
    return out


@inline
def _mix(x):
    """A step of the generator SplitMix64 (Steele et al. 2014)."""
    x += np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def draw_errors(stars: Float64Array) -> Float64Array:
    """Draw the errors of stars (n, 6) of today: normal numbers (n, 3), the same whenever the star is the same.

    They are the components of the error of the velocity 2.2 Gyr ago, in units of its standard deviation.
    """
    with announce_compiling():
        return _hash_positions(stars)


def log_start_density(
    stars: Float64Array,
    tables: HaloModel,
    errors: Float64Array | None = None,
    sizes: float | Float64Array = ERROR,
) -> Float64Array:
    """Compute the log density from which :func:`~mwlmc_data.simulator.halo_model.draw_halo` draws.

    Parameters
    ----------
    stars : ndarray, shape (n, 6)
        Positions [kpc] and velocities [km/s] 2.2 Gyr ago, relative to the Milky Way's centre.
    tables : Equilibrium or OsipkovMerritt
        Of the halo.
    errors : ndarray, shape (n, 3), optional
        From :func:`draw_errors` of the same stars today: the density is that of blurred stars.
    sizes : float or ndarray, shape (n,)
        Standard deviations of the errors of L, in r v.

    Returns
    -------
    ndarray, shape (n,)
        ln f [kpc^-3 (km/s)^-3], normalised to one star; -inf where no star is drawn.
    """
    blur = (_NO_ERRORS, np.empty(0)) if errors is None else (errors, np.full(len(stars), sizes, float))
    if isinstance(tables, OsipkovMerritt):
        return _log_osipkov_merritt(stars, tables, blur)
    beta = tables.beta
    # K = sqrt(pi) Gamma(1 - beta) / Gamma(3/2 - beta)
    log_gamma = float(gammaln(1.0 - beta))
    log_k = 0.5 * math.log(math.pi) + log_gamma - gammaln(1.5 - beta)
    units = 3.0 * math.log(tables.scale_radius * tables.scale_speed)
    constant = float(-math.log(2.0 * math.pi) - log_k - units)
    with announce_compiling():
        return _evaluate(stars, *blur, tables, constant, log_gamma)


def _log_osipkov_merritt(
    stars: Float64Array, tables: OsipkovMerritt, blur: tuple[Float64Array, Float64Array]
) -> Float64Array:
    """The same of an Osipkov-Merritt halo."""
    isotropic = tables.isotropic
    units = 3.0 * math.log(isotropic.scale_radius * isotropic.scale_speed)
    inverse_r2 = tables.inverse_r2 * isotropic.scale_radius**2
    with announce_compiling():
        return _evaluate_stretched(stars, *blur, isotropic, inverse_r2, -math.log(4.0 * math.pi) - units)
