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

import math
from typing import NamedTuple

import numpy as np
from scipy.special import gamma as gamma_function

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import describe_tuple
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import distribution, nfw
from mwlmc_data.simulator.compiling import announce_compiling, inline, kernel
from mwlmc_data.simulator.distribution import LOGIT_STEP, LOGIT_TOP
from mwlmc_data.simulator.potentials import nfw_scales


class Equilibrium(NamedTuple):
    """Tables of an equilibrium halo in NFW units, on the grid of logit(Psi), from the centre outwards."""

    beta: float
    b: float  # r_dehnen / r_s
    x: Float64Array  # radius of the grid points
    f1: Float64Array  # distribution function at E = Psi(x)
    log_f1: Float64Array  # its logarithm, -inf where it is zero
    excess: Float64Array  # mass within x that the cut of f1 adds to the Dehnen profile (total mass 1)
    x_cut: float  # radius beyond which it adds no more
    log_bound: Float64Array  # bound on ln(v^(2 - 2 beta) f1) over the speeds at x
    scale_radius: float  # [kpc]
    scale_speed: float  # sqrt(G M_s / r_s) [km/s]

    def __repr__(self) -> str:
        return describe_tuple(self)


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
    tables = distribution.make_tables()
    with announce_compiling():
        signed = distribution.invert(beta, 2.0 * beta - distribution.GAMMA, b, tables)
        constant = 1.0 / (gamma_function(1.5 - beta) * gamma_function(0.5 + beta))
        excess = distribution.sum_excess(signed, beta, b, constant, tables)
        f1 = np.maximum(signed, 0.0)
        with np.errstate(divide="ignore"):
            log_f1 = np.log(f1)
        bound = distribution.find_bound(log_f1, beta, tables)
    x_cut = float(tables.x[np.argmax(excess == excess[-1])])
    return Equilibrium(beta, b, tables.x, f1, log_f1, excess, x_cut, bound, r_s, math.sqrt(const.G * m_s / r_s))


@inline
def log_speed_density(v, depth, beta, log_f1):
    """``ln(v^(2 - 2 beta) f1(Psi - v^2 / 2))``, the distribution of the speed where ``1 - Psi = depth``."""
    kinetic = 0.5 * v * v
    binding = 1.0 - depth - kinetic
    if binding <= 0.0 or v <= 0.0:
        return -np.inf
    position = (LOGIT_TOP - math.log(binding / (depth + kinetic))) / LOGIT_STEP
    i = min(max(int(position), 0), log_f1.shape[0] - 2)
    w = position - i
    low, high = log_f1[i], log_f1[i + 1]
    if low > -np.inf and high > -np.inf:  # power law between and beyond the grid points
        return (2.0 - 2.0 * beta) * math.log(v) + low + w * (high - low)
    between = math.exp(low) + min(w, 1.0) * (math.exp(high) - math.exp(low))
    return (2.0 - 2.0 * beta) * math.log(v) + math.log(between) if between > 0.0 else -np.inf


@inline
def _dehnen_mass(x, b):
    """Mass within x of the Dehnen profile with gamma = 1 and the total mass 1."""
    inside = x / (x + b)
    return inside * inside


@inline
def _dehnen_radius(mass, b):
    """Radius that contains this mass of the Dehnen profile."""
    root = math.sqrt(mass)
    return b * root / (1.0 - root)


@inline
def _radius(u, b, x_grid, excess, x_cut):
    """Radius that contains the fraction u of the stars: of the Dehnen profile and the excess within x_cut."""
    last = x_grid.shape[0] - 1
    mass = u * (1.0 + excess[last])
    outer = mass - excess[last]
    if outer > 0.0:
        x = _dehnen_radius(outer, b)
        if x >= x_cut:
            return x
    if mass <= _dehnen_mass(x_grid[0], b):  # the excess is zero at the first grid point
        return _dehnen_radius(mass, b)
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        if _dehnen_mass(x_grid[middle], b) + excess[middle] < mass:
            low = middle
        else:
            high = middle
    # within a cell the excess is linear in ln x, and the mass grows with it: Newton's method, kept within the cell
    inner, width = x_grid[low], math.log(x_grid[high] / x_grid[low])
    slope = (excess[high] - excess[low]) / width
    left, right, t = 0.0, width, 0.5 * width
    for _ in range(60):
        x = inner * math.exp(t)
        dehnen = _dehnen_mass(x, b)
        missing = mass - dehnen - excess[low] - slope * t
        if missing > 0.0:
            left = t
        else:
            right = t
        step = missing / (2.0 * dehnen * b / (x + b) + slope)
        t += step
        if not (left <= t and t <= right):
            t = 0.5 * (left + right)
        if abs(step) < 1e-13:
            break
    return inner * math.exp(t)


# Taylor series of cos and sin to rounding on [-pi / 4, pi / 4]
_C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8 = ((-1.0) ** k / math.factorial(2 * k) for k in range(1, 9))
_S1, _S2, _S3, _S4, _S5, _S6, _S7, _S8 = ((-1.0) ** k / math.factorial(2 * k + 1) for k in range(1, 9))


@inline
def _turn(u):
    """Cosine and sine of the fraction u of a turn, 0 <= u < 1: exact reduction to an eighth, then the series."""
    quarter = int(4.0 * u + 0.5)
    angle = 2.0 * math.pi * (u - 0.25 * quarter)
    a2 = angle * angle
    c = 1.0 + a2 * (
        _C1 + a2 * (_C2 + a2 * (_C3 + a2 * (_C4 + a2 * (_C5 + a2 * (_C6 + a2 * (_C7 + a2 * _C8))))))
    )
    s = angle + angle * a2 * (
        _S1 + a2 * (_S2 + a2 * (_S3 + a2 * (_S4 + a2 * (_S5 + a2 * (_S6 + a2 * (_S7 + a2 * _S8))))))
    )
    if quarter & 1:
        c, s = -s, c
    return (-c, -s) if quarter & 2 else (c, s)


@kernel
def _draw(rng, n, tables):
    """Draw n stars in turn from the stream `rng`; also return how often the bound was exceeded.

    The order of the random numbers is part of the data: with another one every star of every set is another.
    """
    out = np.empty((n, 6))
    exceeded = 0
    # named here: taken from the tuple in the loop, each array would be counted each time
    x_grid, excess, log_f1, log_bound = tables.x, tables.excess, tables.log_f1, tables.log_bound
    beta, b, x_cut = tables.beta, tables.b, tables.x_cut
    r_unit, v_unit = tables.scale_radius, tables.scale_speed
    shape = 1.0 / (1.0 - beta)
    last = x_grid.shape[0] - 1
    for i in range(n):
        x = _radius(rng.random(), b, x_grid, excess, x_cut)
        depth = nfw.depth(x)
        # the grid point next beyond x
        above = int(max((LOGIT_TOP - math.log((1.0 - depth) / depth)) / LOGIT_STEP + 1.0, 0.0))
        bound = log_bound[min(above, last)]
        escape = math.sqrt(2.0 * (1.0 - depth))
        # speed by rejection under the bound
        while True:
            v = escape * rng.random()
            density = log_speed_density(v, depth, beta, log_f1)
            if density > bound:
                exceeded += 1
            u = rng.random()
            if u == 0.0 or math.log(u) + bound <= density:
                break
        # (1 + cos eta) / 2 ~ Beta(1 - beta, 1 - beta), eta the angle to the radius (Joehnk 1964)
        while True:
            p, q = math.exp(shape * math.log(rng.random())), math.exp(shape * math.log(rng.random()))
            if 0.0 < p + q <= 1.0:
                break
        part = v / (p + q)
        v_r, v_t = part * (p - q), part * 2.0 * math.sqrt(p * q)
        cos_t = 2.0 * rng.random() - 1.0
        sin_t = math.sqrt(1.0 - cos_t * cos_t)
        cos_p, sin_p = _turn(rng.random())
        cos_s, sin_s = _turn(rng.random())
        v_theta, v_phi = v_t * cos_s, v_t * sin_s
        r, speed = r_unit * x, v_unit
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
