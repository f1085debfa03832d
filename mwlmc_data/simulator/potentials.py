"""The potentials of the model, exact and slow: the standard for the kernels.

The Milky Way is a bulge, a disc and an NFW halo; the LMC is a Hernquist sphere (sec. 2.1 of the
paper). All functions use float64 and evaluate the defining integrals. The kernels that move
stars use tables made from these functions (:mod:`mwlmc_data.simulator.tables`).
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import gammainc, k0

from mwlmc_data.arguments.arrays import as_floats
from mwlmc_data.array_types import Float64Array
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import nfw

#: Tolerance, relative to the size of a vector or a radius, for the agreement of stored and derived numbers.
AGREEMENT = 1e-5

Numbers = float | Float64Array

#: :func:`nfw_shape` of one number, which Python computes faster than NumPy.
_shape_at = getattr(nfw.mass, "py_func", nfw.mass)


# ---------------------------------------------------------------------------------------- bulge


def bulge_density(radius: ArrayLike) -> Float64Array:
    """Density of the bulge.

    ``rho = rho_0 (1 + r / 0.2)^-1.8 exp(-(r / 1.8)^2)``, normalised to 1.2e10 Msun (sec. 2.1).

    Parameters
    ----------
    radius : array_like
        Radius [kpc], any shape.

    Returns
    -------
    ndarray
        Density [Msun kpc^-3], of the shape of `radius`.
    """
    return const.BULGE_MASS / _bulge_shape_mass(np.inf) * _bulge_shape(np.asarray(radius, float))


def bulge_mass(radius: ArrayLike) -> Float64Array:
    """Mass of the bulge within a radius [Msun], by Gauss-Legendre panels (relative error below 1e-12)."""
    radius = np.asarray(radius, float)
    inside = np.array([_bulge_shape_mass(r) for r in radius.ravel()]).reshape(radius.shape)
    return const.BULGE_MASS * inside / _bulge_shape_mass(np.inf)


def _bulge_shape(radius: Float64Array) -> Float64Array:
    return (1.0 + radius / const.BULGE_SCALE) ** -const.BULGE_SLOPE * np.exp(-((radius / const.BULGE_CUT) ** 2))


# the bulge ends at 7 cut radii, where the cut-off is exp(-49)
_BULGE_EDGES = np.r_[0.0, np.geomspace(1e-3, 7 * const.BULGE_CUT, 40)]
_LEGENDRE_X, _LEGENDRE_W = np.polynomial.legendre.leggauss(16)


@functools.lru_cache(maxsize=65536)
def _bulge_shape_mass(radius: float) -> float:
    edges = np.r_[_BULGE_EDGES[_BULGE_EDGES < radius], min(radius, _BULGE_EDGES[-1])]
    r, weight = _legendre_panels(edges)
    return float(np.sum(weight * 4 * np.pi * r**2 * _bulge_shape(r)))


def _legendre_panels(edges: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Nodes and weights of the Gauss-Legendre rule on each panel between `edges`, (panels, 16) each."""
    half = 0.5 * np.diff(edges)[:, None]
    return 0.5 * (edges[1:] + edges[:-1])[:, None] + half * _LEGENDRE_X, half * _LEGENDRE_W


def bulge_acceleration(positions: ArrayLike) -> Float64Array:
    """Acceleration by the bulge at positions (n, 3) [kpc], in km^2 s^-2 kpc^-1."""
    x, radius = _positions(positions)
    return -const.G * (bulge_mass(radius) / radius**3)[:, None] * x


# ----------------------------------------------------------------------------------------- disc


class _Nodes(NamedTuple):
    near: Float64Array  # distance to the lower end of (0, 1), or on (0, inf)
    far: Float64Array  # distance to the upper end, without cancellation
    weight: Float64Array


def _tanh_sinh(n: int = 90, t_max: float = 3.3) -> _Nodes:
    """Nodes and weights of the double-exponential rule on (0, 1) (Takahasi & Mori 1974)."""
    t = np.linspace(-t_max, t_max, n)
    s = np.pi * np.sinh(t)
    weight = np.pi * np.cosh(t) / (2 + 2 * np.cosh(s)) * (t[1] - t[0])
    return _Nodes(1 / (1 + np.exp(-s)), 1 / (1 + np.exp(s)), weight)


def _exp_sinh(n: int = 90, t_min: float = -3.3, t_max: float = 2.0) -> _Nodes:
    """The double-exponential rule on (0, inf), for integrands that decay exponentially."""
    t = np.linspace(t_min, t_max, n)
    node = np.exp(0.5 * np.pi * np.sinh(t))
    return _Nodes(node, np.full(n, np.inf), node * 0.5 * np.pi * np.cosh(t) * (t[1] - t[0]))


_FINITE, _INFINITE = _tanh_sinh(), _exp_sinh()


def disc_density(positions: ArrayLike) -> Float64Array:
    """Density of the disc at positions (n, 3) [kpc], in Msun kpc^-3.

    ``rho = M / (4 pi Rd^2 2h) exp(-R / Rd) sech^2(z / 2h)``, Rd = 3 kpc, h = 0.4 kpc (sec. 2.1).
    """
    x, _ = _positions(positions)
    radial = np.exp(-np.hypot(x[:, 0], x[:, 1]) / const.DISC_SCALE_LENGTH)
    surface = const.DISC_MASS / (2 * np.pi * const.DISC_SCALE_LENGTH**2) * radial
    return surface * _disc_vertical(x[:, 2])


def _disc_vertical(z: Float64Array) -> Float64Array:
    """``sech^2(z / 2h) / 4h``, the vertical profile of unit integral, without overflow."""
    e = np.exp(-np.abs(z) / const.DISC_SCALE_HEIGHT)
    return e / (const.DISC_SCALE_HEIGHT * (1 + e) ** 2)


def disc_mass(radius: ArrayLike) -> Float64Array:
    """Mass [Msun] of the disc within a sphere about its centre (relative error below 1e-12).

    Of the sheet at height z the sphere holds what lies within ``R = sqrt(r^2 - z^2)``: of an exponential disc the
    fraction ``1 - (1 + R / Rd) exp(-R / Rd)``, which is the regularised incomplete gamma function P(2, R / Rd).

    Parameters
    ----------
    radius : array_like
        Radius [kpc], any shape.

    Returns
    -------
    ndarray
        Mass [Msun], of the shape of `radius`.
    """
    radius = np.asarray(radius, float)
    return np.array([_disc_mass_within(r) for r in radius.ravel().tolist()]).reshape(radius.shape)


# heights between which the vertical profile is smooth; the last panel ends at the sphere
_DISC_EDGES = np.r_[0.0, const.DISC_SCALE_HEIGHT * np.geomspace(0.05, 40.0, 24)]


@functools.lru_cache(maxsize=1024)
def _disc_mass_within(radius: float) -> float:
    if radius == 0.0:
        return 0.0
    heights = np.r_[_DISC_EDGES[_DISC_EDGES < radius], radius]
    # z = r sin(angle), so that nothing is singular where the sphere ends
    angle, weight = _legendre_panels(np.arcsin(heights / radius))
    z, R = radius * np.sin(angle), radius * np.cos(angle)
    within = gammainc(2.0, R / const.DISC_SCALE_LENGTH)
    return 2 * const.DISC_MASS * float(np.sum(weight * R * _disc_vertical(z) * within))


def disc_acceleration(positions: ArrayLike) -> Float64Array:
    """Acceleration by the disc, integrated directly over razor-thin sheets.

    A razor-thin exponential disc of central surface density S0 has the potential
    ``-(4 G S0 / Rd) int_0^inf a K0(a / Rd) arcsin(a / A) da`` with
    ``A = (sqrt(z^2 + (R + a)^2) + sqrt(z^2 + (R - a)^2)) / 2`` (Binney & Tremaine 2008, eq. 2.167).
    Its gradient is taken analytically and averaged over the sheets' heights with the weight
    ``sech^2(z' / 2h) / 4h``; both integrals use double-exponential rules that end at the
    singular point a = R, z' = z.

    Parameters
    ----------
    positions : array_like, shape (n, 3)
        Positions [kpc], the disc in the plane z = 0.

    Returns
    -------
    ndarray, shape (n, 3)
        Acceleration [km^2 s^-2 kpc^-1], accurate to 1e-9 of its magnitude. A point takes milliseconds.

    Raises
    ------
    ValueError
        If `positions` has another shape or is not finite.
    """
    x, _ = _positions(positions)
    cylindrical = np.hypot(x[:, 0], x[:, 1])
    radial, vertical = np.array(
        [_disc_point(R, z) for R, z in zip(cylindrical, np.abs(x[:, 2]), strict=True)]
    ).T
    unit = x[:, :2] / np.where(cylindrical > 0, cylindrical, 1.0)[:, None]
    return np.column_stack([radial[:, None] * unit, np.sign(x[:, 2]) * vertical])


def _disc_point(R: float, z: float) -> tuple[float, float]:
    """Radial and vertical acceleration by the disc at R >= 0, z >= 0."""
    h, Rd = const.DISC_SCALE_HEIGHT, const.DISC_SCALE_LENGTH
    # heights of the sheets: above the point, between point and plane, below the plane
    sheets = [(-h * _INFINITE.near, z + h * _INFINITE.near, h * _INFINITE.weight)]
    if z > 0:
        sheets.append((z * _FINITE.near, z * _FINITE.far, z * _FINITE.weight))
    sheets.append((z + h * _INFINITE.near, -h * _INFINITE.near, h * _INFINITE.weight))
    offset = np.concatenate([s[0] for s in sheets])[:, None]  # z - z', no cancellation
    weight_z = np.concatenate([s[2] * _disc_vertical(s[1]) for s in sheets])
    # radii a of the homoeoids: within R, and beyond
    rings = [(R * _FINITE.near, R * _FINITE.far, R * _FINITE.weight)] if R > 0 else []
    rings.append((R + Rd * _INFINITE.near, -Rd * _INFINITE.near, Rd * _INFINITE.weight))
    a = np.concatenate([s[0] for s in rings])
    gap = np.concatenate([s[1] for s in rings])  # R - a, no cancellation
    weight_a = np.concatenate([s[2] for s in rings]) * a * k0(a / Rd)
    u = gap * (R + a) + offset**2
    q = np.hypot(u, 2 * a * offset)
    # P = A^2 - a^2 = (q + u) / 2 and P' = (q - u) / 2 with P P' = (a offset)^2: the larger gives the smaller
    large = 0.5 * (q + np.abs(u))
    small = (a * offset) ** 2 / large
    p, p_prime = np.where(u > 0, large, small), np.where(u > 0, small, large)
    radial = a * R * np.sqrt(p) / ((a * a + p) * q)
    vertical = np.sign(offset) * np.sqrt(p_prime) / q
    scale = -4 * const.G * const.DISC_MASS / (2 * np.pi * Rd**3)
    along_R, along_z = (float(np.einsum("z,za,a->", weight_z, f, weight_a)) for f in (radial, vertical))
    return scale * along_R, scale * along_z


# --------------------------------------------------------------------------- NFW halo, Hernquist LMC


def nfw_shape(x: ArrayLike) -> Float64Array:
    """``ln(1 + x) - x / (1 + x)``, the NFW mass in units of 4 pi rho_s r_s^3, accurate also for small x."""
    x = np.asarray(x, float)
    difference = np.log1p(x) - x / (1 + x)
    is_small = x < 0.02
    if not is_small.any():
        return difference
    # the difference cancels for small x: series x^2 (1/2 - 2x/3 + 3x^2/4 - ...), coefficients k / (k + 1)
    small = np.minimum(x, 0.02)
    series = sum((-1) ** (k + 1) * (k / (k + 1)) * small ** (k + 1) for k in range(1, 10))
    return np.where(is_small, series, difference)


def virial_radius(m200: ArrayLike) -> Float64Array:
    """Radius [kpc] within which the mean density is 200 times critical (H0 = 69.32 km/s/Mpc)."""
    return (np.asarray(m200, float) / (4 / 3 * np.pi * 200 * const.RHO_CRITICAL)) ** (1 / 3)


def nfw_scales(m200: float, c200: float) -> tuple[float, float]:
    """Scale radius [kpc] and scale mass ``4 pi rho_s r_s^3`` [Msun] of an NFW halo.

    Parameters
    ----------
    m200 : float
        Mass [Msun] within the virial radius (200 times critical).
    c200 : float
        Concentration, virial radius over scale radius.
    """
    return float(virial_radius(m200) / c200), float(m200 / nfw_shape(c200))


def nfw_mass(radius: Numbers, m200: Numbers, c200: Numbers, r200: Numbers | None = None) -> Float64Array:
    """Mass [Msun] of an NFW halo within a radius.

    Parameters
    ----------
    radius : float or ndarray
        Radius [kpc].
    m200, c200 : float or ndarray
        Mass [Msun] within the virial radius (200 times critical) and concentration.
    r200 : float or ndarray, optional
        Virial radius [kpc], if it is known already.
    """
    scaled = radius * c200 / (virial_radius(m200) if r200 is None else r200)
    return m200 * nfw_shape(scaled) / nfw_shape(c200)


def nfw_acceleration(positions: ArrayLike, m200: float, c200: float) -> Float64Array:
    """Acceleration by the NFW halo at positions (n, 3) [kpc], in km^2 s^-2 kpc^-1."""
    x, radius = _positions(positions)
    r_s, m_s = nfw_scales(m200, c200)
    return -const.G * m_s * (nfw_shape(radius / r_s) / radius**3)[:, None] * x


def hernquist_mass(radius: Numbers, mass: Numbers, scale: Numbers) -> Any:
    """Mass ``M r^2 / (r + a)^2`` [Msun] of a Hernquist sphere within a radius [kpc].

    Parameters
    ----------
    radius : float or ndarray
        Radius [kpc]; at 8.7 kpc this is the inverse of :func:`lmc_scale_radius`.
    mass, scale : float or ndarray
        Total mass [Msun] and scale radius [kpc].
    """
    return mass / (1.0 + scale / radius) ** 2


def hernquist_acceleration(positions: ArrayLike, mass: float, scale: float) -> Float64Array:
    """Acceleration ``-G M x / (r (r + a)^2)`` by a Hernquist sphere, (n, 3) [km^2 s^-2 kpc^-1]."""
    x, radius = _positions(positions)
    return -const.G * mass * x / (radius * (radius + scale) ** 2)[:, None]


def milky_way_acceleration(positions: ArrayLike, m200: float, c200: float) -> Float64Array:
    """Acceleration by bulge, disc and halo at positions (n, 3) [kpc], in km^2 s^-2 kpc^-1."""
    return bulge_acceleration(positions) + disc_acceleration(positions) + nfw_acceleration(positions, m200, c200)


# ---------------------------------------------------------------------------- derived parameters


@functools.lru_cache(maxsize=1)
def _halo_mass_at_the_sun() -> float:
    """NFW mass [Msun] within 8.3 kpc that, with the baryons, gives the circular speed of 235 km/s (sec. 2.1)."""
    radius = const.CIRCULAR_SPEED_RADIUS
    point = np.array([[radius, 0.0, 0.0]])
    baryons = -(bulge_acceleration(point) + disc_acceleration(point))[0, 0]
    return (const.CIRCULAR_SPEED**2 / radius - baryons) * radius**2 / const.G


@functools.lru_cache(maxsize=256)
def concentration(m200: float) -> float:
    """Concentration that makes the circular speed 235 km/s at 8.3 kpc (sec. 2.1).

    Parameters
    ----------
    m200 : float
        Halo mass [Msun], 1e11 to 1e13.

    Returns
    -------
    float
        c200, between 5.8 (at 1e13 Msun) and 247 (at 1e11 Msun).

    Raises
    ------
    ValueError
        If no concentration gives this speed (for a halo lighter than about 6e10 Msun).
    """
    needed, scale = _halo_mass_at_the_sun() / m200, const.CIRCULAR_SPEED_RADIUS / float(virial_radius(m200))

    def excess(log_c: float) -> float:
        c200 = math.exp(log_c)
        return _shape_at(scale * c200) / _shape_at(c200) - needed

    low, high = math.log(1e-2), math.log(1e6)
    if excess(high) < 0 or excess(low) > 0:
        raise ValueError(
            f"m200_mw = {m200!r} Msun, for which no NFW concentration gives {const.CIRCULAR_SPEED:g} km/s at "
            f"{const.CIRCULAR_SPEED_RADIUS:g} kpc: allowed are 1e11 to 1e13 Msun"
        )
    return math.exp(brentq(excess, low, high, xtol=1e-13, rtol=1e-14))


def concentration_follows(m200: Numbers, c200: Numbers, tolerance: float) -> Any:
    """Whether concentrations agree with :func:`concentration`, to a fraction of the halo's mass within 8.3 kpc."""
    mass = nfw_mass(const.CIRCULAR_SPEED_RADIUS, m200, c200)
    return np.abs(mass / _halo_mass_at_the_sun() - 1.0) <= tolerance


def lmc_scale_radius(m_lmc: Numbers, m_lmc_8p7: Numbers) -> Any:
    """Hernquist scale radius [kpc] from the mass within 8.7 kpc: ``a = 8.7 (sqrt(M / M_enc) - 1)``.

    Parameters
    ----------
    m_lmc, m_lmc_8p7 : float
        Total mass and mass within 8.7 kpc [Msun], the second smaller than the first.
    """
    return const.LMC_ENCLOSED_RADIUS * (np.sqrt(m_lmc / m_lmc_8p7) - 1.0)


def nfw_lmc(m_lmc: float, m_lmc_8p7: float) -> tuple[float, float, float]:
    """NFW halo with the mass `m_lmc` within its virial radius and `m_lmc_8p7` within 8.7 kpc.

    Parameters
    ----------
    m_lmc, m_lmc_8p7 : float
        Masses [Msun].

    Returns
    -------
    r_s, m_s, r_200 : float
        Scale radius [kpc], scale mass ``4 pi rho_s r_s^3`` [Msun] and virial radius [kpc].

    Raises
    ------
    ValueError
        If no concentration from 0.01 to 1e9 gives these masses.
    """
    r_200 = float(virial_radius(m_lmc))
    within, part = const.LMC_ENCLOSED_RADIUS / r_200, m_lmc_8p7 / m_lmc

    def excess(log_c: float) -> float:
        c = math.exp(log_c)
        return _shape_at(within * c) / _shape_at(c) - part

    low, high = math.log(1e-2), math.log(1e9)
    if within >= 1.0 or excess(high) < 0 or excess(low) > 0:
        raise ValueError(
            f"m_lmc_8p7 = {m_lmc_8p7:g} Msun: allowed is a mass that an NFW halo of m_lmc = {m_lmc:g} Msun can have "
            "within 8.7 kpc"
        )
    c = math.exp(brentq(excess, low, high, xtol=1e-13, rtol=1e-14))
    return r_200 / c, m_lmc / float(_shape_at(c)), r_200


def scale_radius_follows(m_lmc: Numbers, m_lmc_8p7: Numbers, a_lmc: Numbers) -> Any:
    """Whether scale radii [kpc] agree with :func:`lmc_scale_radius`, to the precision of stored numbers."""
    with np.errstate(all="ignore"):  # masses out of range are refused by name
        expected = lmc_scale_radius(m_lmc, m_lmc_8p7)
        return np.abs(a_lmc - expected) <= AGREEMENT * (expected + const.LMC_ENCLOSED_RADIUS)


def coulomb_logarithm(a_lmc: Numbers) -> Any:
    """``max(0, ln(100 kpc / 1.6 a))`` (eq. 7); a negative value would turn friction into thrust."""
    return np.maximum(0.0, np.log(const.FRICTION_B_MAX / (const.FRICTION_B_MIN_SCALE * a_lmc)))


def _positions(positions: ArrayLike) -> tuple[Float64Array, Float64Array]:
    x = as_floats("positions", positions, unit="kpc", shape=("n", 3))
    return x, np.linalg.norm(x, axis=1)
