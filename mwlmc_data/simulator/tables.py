"""Tables that the kernels read: the radial force, the disc's terms, the LMC's orbit.

The disc's terms are fitted once to the exact disc (``python -m generation disc``) and shipped in ``disc.npz``, with
the mass of bulge and ``exact - terms`` within each node of the radial table. By Gauss's theorem this difference is the
spherical mean that the terms miss; it joins the halo in the radial table at no cost.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import NamedTuple

import numpy as np

from mwlmc_data.array_types import FloatArray
from mwlmc_data.display import describe_tuple
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import nfw
from mwlmc_data.simulator.compiling import announce_compiling, inline, kernel
from mwlmc_data.simulator.equations import CELLS_PER_OCTAVE, MAX_EXPONENT, MIN_EXPONENT
from mwlmc_data.simulator.potentials import nfw_scales, nfw_shape


class Field(NamedTuple):
    """All that the star kernel needs of a simulation."""

    radial: FloatArray  # (cells, 4): cubic of G M(<r) / r^3 in each cell of r^2
    disc: FloatArray  # (terms, 3): G m [kpc km^2 s^-2], a [kpc], b [kpc]
    height: float  # h [kpc]
    orbit: FloatArray  # (n, 6, 3): quintic of the LMC's relative position in each interval of time
    t_start: float  # [kpc / (km/s)]
    dt: float
    gm_lmc: float
    a_lmc: float
    lmc: FloatArray | None = None  # (cells, 4): as `radial`, of an LMC that is no Hernquist sphere
    falls: float = 1.0  # 0 if the Milky Way stays at rest

    def __repr__(self) -> str:
        return describe_tuple(self)


class MilkyWay(NamedTuple):
    """The Milky Way's part of a :class:`Field`."""

    radial: FloatArray
    disc: FloatArray
    height: float

    def __repr__(self) -> str:
        return describe_tuple(self)


class Static(NamedTuple):
    """Tables common to all simulations: nodes of the radial table, baryonic mass within them, the disc."""

    radius: FloatArray
    baryon_mass: FloatArray
    to_cubic: FloatArray
    disc: FloatArray
    height: float

    def __repr__(self) -> str:
        return describe_tuple(self)


@functools.lru_cache(maxsize=1)
def load_static() -> Static:
    """Load the tables, once in a process."""
    with resources.files(__package__).joinpath("disc.npz").open("rb") as file, np.load(file) as data:
        disc = {name: data[name] for name in data.files}
    t = _chebyshev()
    terms = np.column_stack([const.G * disc["mass"], disc["a"], disc["b"]])
    to_cubic = np.linalg.inv(np.vander(t, 4, increasing=True))
    return Static(make_nodes(), disc["baryon_mass"], to_cubic, terms, float(disc["height"]))


def make_nodes() -> FloatArray:
    """Radii [kpc] of the four Chebyshev nodes in each cell of the radial table, shape (cells, 4)."""
    octave = 2.0 ** np.arange(MIN_EXPONENT, MAX_EXPONENT)
    lower = (octave[:, None] * (1 + np.arange(CELLS_PER_OCTAVE) / CELLS_PER_OCTAVE)).ravel()
    width = np.repeat(octave / CELLS_PER_OCTAVE, CELLS_PER_OCTAVE)
    return np.sqrt(lower[:, None] + width[:, None] * _chebyshev())


def _chebyshev() -> FloatArray:
    """Chebyshev nodes of a cell's coordinate in (0, 1)."""
    return 0.5 - 0.5 * np.cos((np.arange(4) + 0.5) * np.pi / 4)


def milky_way(m200: float, c200: float, baryons: bool = True) -> MilkyWay:
    """Tables of the Milky Way with a halo of mass `m200` [Msun] and concentration `c200`.

    Without `baryons` they describe the halo alone, the potential in which the stars are drawn in equilibrium.
    """
    static = load_static()
    r_s, m_s = nfw_scales(m200, c200)
    disc, share = (static.disc, 1.0) if baryons else (static.disc * [0.0, 1.0, 1.0], 0.0)
    with announce_compiling():
        radial = make_cubics(static.radius, static.baryon_mass, static.to_cubic, share, 1.0 / r_s, m_s)
    return MilkyWay(radial, disc, static.height)


def tabulate_nfw(r_s: float, m_s: float, end: float) -> FloatArray:
    """Cubics (cells, 4) of G M(<r) / r^3 of an NFW halo that ends at a radius.

    Parameters
    ----------
    r_s, m_s : float
        Scale radius [kpc] and scale mass [Msun].
    end : float
        Radius [kpc] beyond which there is no mass.
    """
    radius = load_static().radius
    return _fit_cubics(const.G * m_s * nfw_shape(np.minimum(radius, end) / r_s) / radius**3)


def tabulate_hernquist(gm: float, scale: float) -> FloatArray:
    """Cubics (cells, 4) of ``G M / (r (r + a)^2)``, from G M and the scale radius [kpc]."""
    radius = load_static().radius
    return _fit_cubics(gm / (radius * (radius + scale) ** 2))


def _fit_cubics(values: FloatArray) -> FloatArray:
    """Cubics (cells, 4) through values (cells, 4) at the nodes of the radial table."""
    return np.ascontiguousarray(values @ load_static().to_cubic.T)


@kernel
def make_cubics(radius, baryon_mass, to_cubic, share, inverse_scale, m_s):
    """Cubics of G M(<r) / r^3 in each cell of r^2, for a share of the baryons and an NFW halo, (cells, 4)."""
    cubics, value = np.empty(radius.shape), np.empty(4)
    for c in range(radius.shape[0]):
        for k in range(4):
            r = radius[c, k]
            mass = share * baryon_mass[c, k] + m_s * nfw.mass(r * inverse_scale)
            value[k] = const.G * mass / (r * r * r)
        for p in range(4):
            cubics[c, p] = 0.0
            for k in range(4):
                cubics[c, p] += to_cubic[p, k] * value[k]
    return cubics


def hermite_quintic(x: FloatArray, v: FloatArray, a: FloatArray, dt: float) -> FloatArray:
    """Fit quintics through position, velocity and acceleration at the ends of intervals.

    Parameters
    ----------
    x, v, a : ndarray, shape (n + 1, 3)
        Values at equidistant times.
    dt : float
        Interval.

    Returns
    -------
    ndarray, shape (n, 6, 3)
        Coefficients of increasing powers of (t - t_i) / dt.
    """
    with announce_compiling():
        return _make_quintics(*(np.ascontiguousarray(array, float) for array in (x, v, a)), dt)


@kernel
def _make_quintics(x, v, a, dt):
    quintics = np.empty((x.shape[0] - 1, 6, 3))
    for i in range(x.shape[0] - 1):
        for k in range(3):
            coefficients = quintic(
                x[i, k], dt * v[i, k], dt * dt * a[i, k], x[i + 1, k], dt * v[i + 1, k], dt * dt * a[i + 1, k]
            )
            for p in range(6):
                quintics[i, p, k] = coefficients[p]
    return quintics


@inline
def quintic(x, v, a, x_end, v_end, a_end):
    """Coefficients of the quintic on (0, 1) with these values and derivatives at both ends."""
    half = 0.5 * a
    gap, slope, bend = x_end - x - v - half, v_end - v - a, 0.5 * a_end - half
    cubic, quartic = 10.0 * gap - 4.0 * slope + bend, -15.0 * gap + 7.0 * slope - 2.0 * bend
    return x, v, half, cubic, quartic, 6.0 * gap - 3.0 * slope + bend
