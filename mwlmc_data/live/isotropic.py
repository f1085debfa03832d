"""Isotropic equilibria: a live halo in the total potential of its galaxy.

The distribution function of a density rho in a potential Psi = -Phi, its own or another, is Eddington's (1916; Binney &
Tremaine 2008, eq. 4.46b),

    f(E) = 1 / (sqrt(8) pi^2) int_0^E rho''(Psi) dPsi / sqrt(E - Psi),

for a density that falls steeply enough at its cut that the term of the boundary vanishes. With Psi = E (1 - s^2) the
integral is ``2 sqrt(E) int_0^1 rho''(E (1 - s^2)) ds``.

The live Milky Way's halo is in equilibrium in the potential of halo, bulge and disc (the disc's mass within spheres).
The simulator's :func:`~mwlmc_data.simulator.equilibrium.equilibrium` is another thing: tracers, in the NFW halo alone.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import describe_tuple
from mwlmc_data.live.spheres import Sphere
from mwlmc_data.simulator import constants as const

#: Nodes of the integral over s, and of the tables of speeds: radii, and fractions of the stars (as their cube roots).
_N_INTEGRAL, _N_SPEED, _N_RADII, _N_SHARES = 400, 2000, 400, 1001


class Isotropic(NamedTuple):
    """An isotropic equilibrium, from which particles are drawn."""

    radius: Float64Array  # (n,): radii [kpc], from the centre outwards
    mass: Float64Array  # (n,): of the halo within them [Msun]
    depth: Float64Array  # (n,): Psi = -Phi of the total potential [km^2 s^-2]
    log_f: Float64Array  # (n,): ln f at E = Psi [Msun kpc^-3 (km/s)^-3]
    rows: Float64Array  # (rows,): radii of the table of speeds
    speeds: Float64Array  # (rows, shares): speed over the escape speed below which a share of the particles is

    def __repr__(self) -> str:
        return describe_tuple(self)


def solve_isotropic(sphere: Sphere, others: Float64Array | float = 0.0) -> Isotropic:
    """Solve for the isotropic equilibrium of a halo.

    Parameters
    ----------
    sphere : Sphere
        The halo.
    others : ndarray or float
        Mass of everything else within the sphere's radii [Msun].

    Raises
    ------
    ValueError
        If no isotropic equilibrium exists, as for a halo that is cut too sharply.
    """
    r, x = sphere.radius, np.log(sphere.radius)
    attraction = const.G * (sphere.mass + others) / r  # -dPsi / dx
    falling = CubicSpline(x, attraction).antiderivative()(x)
    depth = attraction[-1] + falling[-1] - falling
    log_density = CubicSpline(x, np.log(sphere.density))
    # k = drho / dPsi > 0, and its own derivative rho'' = k' / Psi'
    first = -sphere.density * log_density(x, 1) / attraction
    rises = first > 0
    second = np.where(rises, -first, 0.0)
    if rises.all():
        second *= CubicSpline(x, np.log(first))(x, 1) / attraction
    if not (second > 0).all():
        worst = float(r[np.argmin(second)])
        raise ValueError(
            f"halo = a density whose slope against the potential turns at {worst:.3g} kpc: "
            "allowed is one that an isotropic distribution can hold up, with a larger radius of the cut"
        )
    log_second = CubicSpline(np.log(depth[::-1]), np.log(second[::-1]))
    s, weight = np.polynomial.legendre.leggauss(_N_INTEGRAL)
    s, weight = 0.5 * (s + 1.0), 0.5 * weight
    log_psi = np.log(depth)[:, None] + np.log1p(-(s**2))
    lowest = math.log(depth[-1])
    values = np.where(log_psi > lowest, np.exp(log_second(np.maximum(log_psi, lowest))), 0.0)
    f = 2.0 * np.sqrt(depth) * (values @ weight) / (math.sqrt(8.0) * math.pi**2)
    log_f = np.log(np.maximum(f, 1e-300))
    rows = np.geomspace(r[0], r[np.searchsorted(sphere.mass, sphere.mass[-1] * (1 - 1e-12))], _N_RADII)
    speeds = _tabulate_speeds(np.interp(np.log(rows), x, depth), depth, log_f)
    return Isotropic(r, sphere.mass, depth, log_f, rows, speeds)


def _tabulate_speeds(depth_of_rows: Float64Array, depth: Float64Array, log_f: Float64Array) -> Float64Array:
    """Quantiles of the speed at each row's radius, from ``p(u) ~ u^2 f(Psi (1 - u^2))``, u the speed over escape."""
    shares = np.linspace(0.0, 1.0, _N_SHARES) ** 3  # as u^3 for slow particles
    u = np.linspace(0.0, 1.0, _N_SPEED + 1)
    log_depth = np.log(depth[::-1])
    speeds = np.empty((len(depth_of_rows), _N_SHARES))
    for i, psi in enumerate(depth_of_rows):
        log_e = np.log(psi * np.maximum(1.0 - u**2, 1e-30))
        p = u**2 * np.exp(np.interp(log_e, log_depth, log_f[::-1], left=-690.0) - log_f.max())
        total = np.r_[0.0, np.cumsum(0.5 * (p[1:] + p[:-1]))]
        speeds[i] = np.interp(shares, total / total[-1], u)
    return speeds


def draw_radii(tables: Isotropic, n: int, rng: np.random.Generator) -> Float64Array:
    """Draw n radii [kpc], one in each n-th of the mass: the mass within a radius has hardly any noise."""
    shares = (np.arange(n) + rng.random(n)) / n
    return np.exp(np.interp(shares * tables.mass[-1], tables.mass, np.log(tables.radius)))


def draw_speeds(tables: Isotropic, radii: Float64Array, rng: np.random.Generator) -> Float64Array:
    """Draw a speed [km/s] at each radius [kpc]."""
    rows, columns = tables.speeds.shape
    x = np.interp(np.log(radii), np.log(tables.rows), np.arange(rows))
    y = np.cbrt(rng.random(len(radii))) * (columns - 1)
    i, j = np.minimum(x.astype(int), rows - 2), np.minimum(y.astype(int), columns - 2)
    x, y = x - i, y - j
    low = (1.0 - y) * tables.speeds[i, j] + y * tables.speeds[i, j + 1]
    high = (1.0 - y) * tables.speeds[i + 1, j] + y * tables.speeds[i + 1, j + 1]
    return ((1.0 - x) * low + x * high) * np.sqrt(2.0 * find_depth(tables, radii))


def find_depth(tables: Isotropic, radii: Float64Array) -> Float64Array:
    """Psi = -Phi [km^2 s^-2] at radii [kpc]."""
    return np.interp(np.log(radii), np.log(tables.radius), tables.depth)
