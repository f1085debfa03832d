"""Stars in equilibrium: the stellar halo before the LMC arrives.

The stars follow a Dehnen profile of inner slope gamma = 1 in the NFW potential alone, with constant velocity
anisotropy beta (sec. 2.2 of the paper):

    f(E, L) = L^(-2 beta) f1(E),        rho(r) r^(2 beta) = K int_0^Psi f1(E) (Psi - E)^(1/2 - beta) dE

(Cuddeford 1991; Binney & Tremaine 2008, sec. 4.3.2), with Psi = -Phi. Fractional differentiation of order
3/2 - beta inverts this, with one formula for every beta in (-1/2, 3/2):

    f1(E) ~ int_0^E (E - Psi)^(beta - 1/2) g''(Psi) dPsi,        g(Psi) = rho r^(2 beta).

All quantities are in units of the NFW halo, x = r / r_s and Psi = ln(1 + x) / x (in G M_s / r_s), so that f1 depends
only on b = r_dehnen / r_s and beta. For beta > gamma / 2 the inversion is negative near the centre (An & Evans 2006);
there f1 is set to zero, and radii are drawn from the density of the resulting f1, so that the drawn stars are
stationary in the NFW potential.

The simulation then moves the stars in the potential of bulge, disc and halo. Even without an LMC this makes them
contract, at about 5 km/s at 300 to 1,000 kpc, which ``python -m benchmarks equilibrium`` measures.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from scipy.special import gamma as gamma_function

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import describe_tuple
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.compiling import announce_compiling, inline, kernel
from mwlmc_data.simulator.potentials import nfw_scales

#: Inner slope of the stars' density profile.
GAMMA = 1.0
#: Grid of the tables: equidistant in logit(Psi) = ln(Psi / (1 - Psi)), from x = 1e-6 to 1e9.
_LOGIT_TOP, _LOGIT_STEP, _N_GRID = 14.5, 0.125, 260
#: Safety factor on the maximum of the speed distribution, as the maximum may lie between grid points.
_ENVELOPE = 1.1
_LEGENDRE_X, _LEGENDRE_W = np.polynomial.legendre.leggauss(8)


class Equilibrium(NamedTuple):
    """Tables of an equilibrium halo in NFW units, on the grid of logit(Psi), from the centre outwards."""

    beta: float
    b: float  # r_dehnen / r_s
    x: Float64Array  # radius of the grid points
    f1: Float64Array  # distribution function at E = Psi(x)
    excess: Float64Array  # mass within x that the cut of f1 adds to the Dehnen profile (total mass 1)
    envelope: Float64Array  # bound on v^(2 - 2 beta) f1 over the speeds at x
    scale_radius: float  # [kpc]
    scale_speed: float  # sqrt(G M_s / r_s) [km/s]

    def __repr__(self) -> str:
        return describe_tuple(self)


@inline
def _depth(x):
    """``1 - Psi = 1 - ln(1 + x) / x`` without cancellation at small x."""
    if x > 0.03:
        return 1.0 - math.log1p(x) / x
    series = 1.0 / 12.0
    for k in range(11, 1, -1):
        series = 1.0 / k - x * series
    return x * series


@inline
def _depth_and_mass(x):
    """``1 - Psi`` and ``m = ln(1 + x) - x / (1 + x)``, without cancellation at small x."""
    if x > 0.03:
        log = math.log1p(x)
        return 1.0 - log / x, log - x / (1.0 + x)
    series = 10.0 / 11.0
    for k in range(10, 1, -1):
        series = (k - 1.0) / k - x * series
    return _depth(x), x * x * series


@kernel
def _invert(x_grid, beta, b, nodes, weights):
    """Signed f1 at E = Psi(x): the integral over s = ln(x' / x) > 0, in panels that widen away from the singular end.

    The integrand is ``(E - Psi)^(beta - 1/2) g'' |dPsi / ds|`` with ``g = x^(2 beta - gamma) (x + b)^(gamma - 4)`` and

        g'' |dPsi / d ln x| = (g / q) (p^2 + p' - p q' / q),    p = d ln g / d ln x,    q = -dPsi / d ln x = m(x) / x,

    where primes are d / d ln x. In sigma with s = sigma^power, power = 1 / (beta + 1/2), it is smooth at 0. The nodes
    in sigma, and hence x' / x and its powers, are the same for every x.
    """
    power = 1.0 / (beta + 0.5)
    n_panels = 0
    left, right = 0.0, 0.05
    while left**power < 25.0:
        n_panels += 1
        left, right = right, right * 1.6
    n = n_panels * nodes.shape[0]
    stretch, weight, growth = np.empty(n), np.empty(n), np.empty(n)
    left, right = 0.0, 0.05
    slope = 2.0 * beta - GAMMA
    for panel in range(n_panels):
        half = 0.5 * (right - left)
        for k in range(nodes.shape[0]):
            sigma = left + half * (1.0 + nodes[k])
            s = sigma**power
            i = panel * nodes.shape[0] + k
            stretch[i] = math.exp(s)
            weight[i] = half * weights[k] * power * s / sigma
            growth[i] = math.exp(slope * s)
        left, right = right, right * 1.6
    f1 = np.empty(x_grid.shape[0])
    for i in range(x_grid.shape[0]):
        depth, total = _depth(x_grid[i]), 0.0
        for k in range(n):
            x = x_grid[i] * stretch[k]
            depth_there, mass = _depth_and_mass(x)
            inverse = 1.0 / (x + b)
            p = slope - (4.0 - GAMMA) * x * inverse
            dp = -(4.0 - GAMMA) * x * b * inverse * inverse
            q = mass / x
            dq = x / ((1.0 + x) * (1.0 + x)) - q
            g = growth[k] * inverse * inverse * inverse  # without the factor x_grid^slope; gamma - 4 = -3
            curvature = g / q * (p * p + dp - p * dq / q)
            total += weight[k] * (depth_there - depth) ** (beta - 0.5) * curvature
        f1[i] = total * x_grid[i] ** slope
    return f1


@kernel
def _excess_mass(x_grid, f1, beta, b, constant):
    """Mass within x that is added by setting negative f1 to zero, in units of the Dehnen profile's mass.

    ``d(rho) x^(2 beta) = constant * int |f1| (Psi - E)^(1/2 - beta) dE`` over the energies with f1 < 0, with f1
    constant between grid points and the power integrated exactly.
    """
    n = x_grid.shape[0]
    excess = np.zeros(n)
    power = 1.5 - beta
    previous = 0.0
    for i in range(n):
        depth, density = _depth(x_grid[i]), 0.0
        for j in range(i, n - 1):
            if f1[j] >= 0.0 and f1[j + 1] >= 0.0:
                continue
            removed = -0.5 * (min(f1[j], 0.0) + min(f1[j + 1], 0.0))
            inner, outer = _depth(x_grid[j]) - depth, _depth(x_grid[j + 1]) - depth
            density += constant * removed * (outer**power - max(inner, 0.0) ** power) / power
        # d(mass) / d ln x = 2 b x^3 rho, trapezoids in ln x
        current = 2.0 * b * x_grid[i] ** (3.0 - 2.0 * beta) * density
        if i > 0:
            excess[i] = excess[i - 1] + 0.5 * (current + previous) * math.log(x_grid[i] / x_grid[i - 1])
        previous = current
    return excess


@kernel
def _bound(x_grid, f1, beta):
    """Maximum of ``v^(2 - 2 beta) f1`` over the grid's energies at each radius and its two neighbours."""
    n = x_grid.shape[0]
    depth = np.empty(n)
    peak = np.zeros(n)
    for i in range(n):
        depth[i] = _depth(x_grid[i])
    for i in range(n):
        for j in range(i + 1, n):
            if f1[j] > 0.0:
                peak[i] = max(peak[i], (2.0 * (depth[j] - depth[i])) ** (1.0 - beta) * f1[j])
    bound = np.empty(n)
    for i in range(n):
        bound[i] = max(peak[i], peak[max(i - 1, 0)], peak[min(i + 1, n - 1)]) * _ENVELOPE
    return bound


@functools.lru_cache(maxsize=1)
def _grid() -> Float64Array:
    """Radii x at which logit(Psi(x)) takes equidistant values, by Newton's method in ln x."""
    logit = _LOGIT_TOP - _LOGIT_STEP * np.arange(_N_GRID)
    table = np.linspace(-16, 24, 4001)
    psi = np.log1p(np.exp(table)) / np.exp(table)
    depth = np.where(table < -7, np.exp(table) / 2 - np.exp(2 * table) / 3, 1 - psi)
    ln_x = np.interp(-logit, np.log(depth / psi), table)
    for _ in range(4):
        x = np.exp(ln_x)
        psi = np.log1p(x) / x
        depth = np.where(x < 1e-3, x / 2 - x**2 / 3 + x**3 / 4 - x**4 / 5, 1 - psi)
        slope = (psi - 1 / (1 + x)) / (psi * depth)  # -d logit / d ln x
        ln_x += (np.log(psi / depth) - logit) / slope
    return np.exp(ln_x)


def equilibrium(m200: float, c200: float, beta: float, r_dehnen: float) -> Equilibrium:
    """Compute the tables from which the stars of a halo are drawn.

    Parameters
    ----------
    m200, c200 : float
        Mass [Msun] and concentration of the NFW halo.
    beta : float
        Velocity anisotropy, 0 to 0.9.
    r_dehnen : float
        Scale radius of the stars' profile [kpc].
    """
    r_s, m_s = nfw_scales(m200, c200)
    b = r_dehnen / r_s
    x = _grid()
    with announce_compiling():
        signed = _invert(x, beta, b, _LEGENDRE_X, _LEGENDRE_W)
        constant = 1.0 / (gamma_function(1.5 - beta) * gamma_function(0.5 + beta))
        excess = _excess_mass(x, signed, beta, b, constant)
        f1 = np.maximum(signed, 0.0)
        bound = _bound(x, f1, beta)
    return Equilibrium(beta, b, x, f1, excess, bound, r_s, math.sqrt(const.G * m_s / r_s))


@inline
def _speed_density(v, depth, beta, f1):
    """``v^(2 - 2 beta) f1(Psi - v^2 / 2)``, the distribution of the speed where ``1 - Psi = depth``."""
    kinetic = 0.5 * v * v
    binding = 1.0 - depth - kinetic
    if binding <= 0.0 or v <= 0.0:
        return 0.0
    position = (_LOGIT_TOP - math.log(binding / (depth + kinetic))) / _LOGIT_STEP
    i = min(max(int(position), 0), f1.shape[0] - 2)
    w = position - i
    if f1[i] > 0.0 and f1[i + 1] > 0.0:  # power law between and beyond the grid points
        return v ** (2.0 - 2.0 * beta) * f1[i] * (f1[i + 1] / f1[i]) ** w
    return v ** (2.0 - 2.0 * beta) * (f1[i] + min(w, 1.0) * (f1[i + 1] - f1[i]))


@inline
def _mass(x, b, x_grid, excess):
    """Unnormalised mass within x: the Dehnen profile (gamma = 1) and the excess near the centre."""
    inside = x / (x + b)
    mass = inside * inside
    if excess[-1] > 0.0:
        i = np.searchsorted(x_grid, x)
        if i >= x_grid.shape[0]:
            mass += excess[-1]
        elif i > 0:
            w = math.log(x / x_grid[i - 1]) / math.log(x_grid[i] / x_grid[i - 1])
            mass += excess[i - 1] + w * (excess[i] - excess[i - 1])
    return mass


@inline
def _radius(u, b, x_grid, excess):
    """Radius that contains the fraction u of the stars."""
    total = 1.0 + excess[-1]
    dehnen = u * total - excess[-1]  # outside the excess the profile is Dehnen's
    if dehnen > 0.0:
        root = math.sqrt(dehnen)
        x = b * root / (1.0 - root)
        if excess[-1] == 0.0 or _mass(x, b, x_grid, excess) >= u * total * (1.0 - 1e-9):
            return x
    low, high = math.log(x_grid[0]) - 10.0, math.log(x_grid[-1])
    for _ in range(50):
        middle = 0.5 * (low + high)
        if _mass(math.exp(middle), b, x_grid, excess) < u * total:
            low = middle
        else:
            high = middle
    return math.exp(0.5 * (low + high))


@kernel
def _draw(rng, n, tables):
    """Draw n stars in turn from the stream `rng`; also return how often the bound was exceeded."""
    out = np.empty((n, 6))
    exceeded = 0
    shape = 1.0 / (1.0 - tables.beta)
    for i in range(n):
        x = _radius(rng.random(), tables.b, tables.x, tables.excess)
        depth = _depth(x)
        bound = tables.envelope[min(max(np.searchsorted(tables.x, x), 0), tables.x.shape[0] - 1)]
        escape = math.sqrt(2.0 * (1.0 - depth))
        # speed by rejection under the bound
        while True:
            v = escape * rng.random()
            density = _speed_density(v, depth, tables.beta, tables.f1)
            if density > bound:
                exceeded += 1
            if rng.random() * bound <= density:
                break
        # (1 + cos eta) / 2 ~ Beta(1 - beta, 1 - beta), eta the angle to the radius (Joehnk 1964)
        while True:
            p, q = rng.random() ** shape, rng.random() ** shape
            if 0.0 < p + q <= 1.0:
                break
        v_r = v * (p - q) / (p + q)
        v_t = v * 2.0 * math.sqrt(p * q) / (p + q)
        cos_t = 2.0 * rng.random() - 1.0
        sin_t = math.sqrt(1.0 - cos_t * cos_t)
        phi, psi = 2.0 * math.pi * rng.random(), 2.0 * math.pi * rng.random()
        cos_p, sin_p = math.cos(phi), math.sin(phi)
        v_theta, v_phi = v_t * math.cos(psi), v_t * math.sin(psi)
        r, speed = tables.scale_radius * x, tables.scale_speed
        out[i, 0], out[i, 1], out[i, 2] = r * sin_t * cos_p, r * sin_t * sin_p, r * cos_t
        out[i, 3] = speed * (v_r * sin_t * cos_p + v_theta * cos_t * cos_p - v_phi * sin_p)
        out[i, 4] = speed * (v_r * sin_t * sin_p + v_theta * cos_t * sin_p + v_phi * cos_p)
        out[i, 5] = speed * (v_r * cos_t - v_theta * sin_t)
    return out, exceeded


def draw_stars(tables: Equilibrium, n_stars: int, rng: np.random.Generator) -> Float64Array:
    """Draw stars of an equilibrium halo.

    Stars are drawn in turn from one stream, so the first m stars are the same for every n_stars >= m.

    Parameters
    ----------
    tables : Equilibrium
        From :func:`equilibrium`.
    n_stars : int
        Number of stars.
    rng : numpy.random.Generator
        Stream of random numbers.

    Returns
    -------
    ndarray, shape (n_stars, 6)
        Positions [kpc] and velocities [km/s].

    Raises
    ------
    RuntimeError
        If the speed distribution exceeded its tabulated bound (the draw would be biased).
    """
    with announce_compiling():
        stars, exceeded = _draw(rng, n_stars, tables)
    if exceeded:
        raise RuntimeError(
            f"the bound on the speeds was exceeded {exceeded} times for beta0 = {tables.beta:g}, "
            f"r_dehnen / r_s = {tables.b:g}: the stars would be biased"
        )
    return stars
