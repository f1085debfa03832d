"""Bulge and disc of a live Milky Way: one rigid body that moves.

Its force is that of the rigid simulator, from the same tables (:func:`mwlmc_data.simulator.equations.milky_way`
without a halo). It is moved by the opposite of its own pulls on the particles, so that momentum is conserved exactly
and no particle near the centre, where the expansion's own gradient is noise, can kick it.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from mwlmc_data.array_types import Float64Array, FloatArray
from mwlmc_data.display import describe_tuple
from mwlmc_data.live.moments import BLOCK
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.compiling import announce_compiling, kernel
from mwlmc_data.simulator.engines.lane_functions import exp_minus, log1p_small
from mwlmc_data.simulator.equations import radial_factor
from mwlmc_data.simulator.potentials import bulge_mass, disc_mass, hernquist_mass
from mwlmc_data.simulator.tables import load_static, make_cubics

#: Radius [kpc] beyond which the exact integrals of bulge and disc have reached their whole mass.
_EDGE = 200.0
#: Nodes of the potential's table.
_N_POTENTIAL = 4000


class Body(NamedTuple):
    """Bulge and disc."""

    radial: FloatArray  # (cells, 4): cubics of G M / r^3, as of ``tables.Field``
    disc: FloatArray  # (terms, 3): G m [kpc km^2 s^-2], a [kpc], b [kpc]
    height: float  # [kpc]
    mass: float  # [Msun]
    radius: Float64Array  # (n,): radii [kpc] of the next two
    enclosed: Float64Array  # (n,): mass within a sphere [Msun]
    potential: Float64Array  # (n,): of what `radial` holds [km^2 s^-2]

    def __repr__(self) -> str:
        return describe_tuple(self)


@functools.lru_cache(maxsize=1)
def make_body() -> Body:
    """The bulge and the disc of the simulator (sec. 2.1 of Brooks et al. 2025)."""
    static = load_static()
    radius = _radii()
    inside = radius < _EDGE
    enclosed = np.full(radius.shape, const.BULGE_MASS + const.DISC_MASS)
    enclosed[inside] = bulge_mass(radius[inside]) + disc_mass(radius[inside])
    return _assemble(static.baryon_mass, static.disc, static.height, const.BULGE_MASS + const.DISC_MASS, enclosed)


def make_hernquist_body(bulge: float, scale: float, disc: float, length: float) -> Body:
    """A Hernquist bulge, and the simulator's disc stretched to another length and mass.

    Parameters
    ----------
    bulge, scale : float
        Mass [Msun] and scale radius [kpc] of the bulge.
    disc, length : float
        Mass [Msun] and scale length [kpc] of the disc. Its height is 0.13 lengths, as the simulator's.
    """
    static, stretch, share = load_static(), length / const.DISC_SCALE_LENGTH, disc / const.DISC_MASS
    # what the disc's terms miss, as a function of radius
    known = static.radius.ravel()
    bulge_known = np.full(known.shape, const.BULGE_MASS)
    bulge_known[known < _EDGE] = bulge_mass(known[known < _EDGE])
    missing = CubicSpline(np.log(known), static.baryon_mass.ravel() - bulge_known)
    at = np.clip(static.radius / stretch, known[0], known[-1])
    baryons = hernquist_mass(static.radius.astype(float), bulge, scale) + share * missing(np.log(at))
    terms = static.disc * [share, stretch, stretch]
    radius = _radii()
    enclosed = hernquist_mass(radius, bulge, scale) + share * disc_mass(np.minimum(radius / stretch, _EDGE))
    return _assemble(baryons, terms, static.height * stretch, bulge + disc, enclosed)


def _radii() -> Float64Array:
    return np.geomspace(1e-4, 1e4, _N_POTENTIAL)


def _assemble(
    baryons: FloatArray, disc: FloatArray, height: float, mass: float, enclosed: Float64Array
) -> Body:
    static, radius = load_static(), _radii()
    with announce_compiling():
        radial = make_cubics(static.radius, baryons, static.to_cubic, 1.0, 1.0, 0.0)
        factor = _evaluate_radial(radius, radial)
    # Phi = -int_r^inf g r dr = -int g r^2 dln r; beyond the table the mass is all within
    falling = CubicSpline(np.log(radius), factor * radius**2).antiderivative()
    outermost = factor[-1] * radius[-1] ** 2
    potential = falling(np.log(radius)) - falling(np.log(radius[-1])) - outermost
    return Body(radial, disc, height, mass, radius, enclosed, potential)


@kernel
def _evaluate_radial(radius, radial):
    """G M / r^3 of the cubics; a kernel, as the inlined function would be compiled again in every process."""
    out = np.empty(radius.shape[0])
    for i in range(radius.shape[0]):
        out[i] = radial_factor(radius[i] * radius[i], radial)
    return out


def evaluate_body_potential(body: Body, offsets: Float64Array) -> Float64Array:
    """Potential of the body [km^2 s^-2] at offsets (n, 3) [kpc] from its centre, for energies."""
    z = np.abs(offsets[:, 2])
    R2 = offsets[:, 0] ** 2 + offsets[:, 1] ** 2
    e = np.exp(-z / body.height)
    s, sech2 = z + 2.0 * body.height * np.log1p(e), 4.0 * e / (1.0 + e) ** 2
    potential = np.interp(0.5 * np.log(R2 + z * z + 1e-12), np.log(body.radius), body.potential)
    for gm, a, b in body.disc:
        potential -= gm / np.sqrt(R2 + (a + s + b * sech2) ** 2)
    return potential


@kernel
def kick_by_body(positions, velocities, masses, spans, centre, radial, disc, height):
    """Add to velocities the body's acceleration times a span for each particle.

    Parameters
    ----------
    positions, velocities : ndarray, shape (n, 3)
        Positions [kpc] and velocities [km/s]; these are changed.
    masses, spans : ndarray of float32, shape (n,)
        Masses [Msun] and durations [kpc / (km/s)].
    centre : ndarray, shape (3,)
        Of the body [kpc].
    radial, disc, height
        Of a :class:`Body`.

    Returns
    -------
    tuple of float
        Momentum given to the particles [Msun km/s]: its opposite is the body's.
    """
    f32 = np.float32
    x, y, z = np.empty(BLOCK, f32), np.empty(BLOCK, f32), np.empty(BLOCK, f32)
    R2, s, sech2 = np.empty(BLOCK, f32), np.empty(BLOCK, f32), np.empty(BLOCK, f32)
    tanh, slope = np.empty(BLOCK, f32), np.empty(BLOCK, f32)
    in_plane, vertical = np.empty(BLOCK, f32), np.empty(BLOCK, f32)
    px, py, pz = 0.0, 0.0, 0.0
    one, two = f32(1.0), f32(2.0)
    h, per_h = f32(height), f32(1.0 / height)
    for begin in range(0, positions.shape[0], BLOCK):
        n = min(BLOCK, positions.shape[0] - begin)
        for i in range(n):
            x[i] = positions[begin + i, 0] - centre[0]
            y[i] = positions[begin + i, 1] - centre[1]
            z[i] = positions[begin + i, 2] - centre[2]
        for i in range(n, BLOCK):
            x[i], y[i], z[i] = 1.0, 1.0, 1.0
        for i in range(BLOCK):
            R2[i] = x[i] * x[i] + y[i] * y[i]
            g = f32(radial_factor(R2[i] + z[i] * z[i], radial))
            in_plane[i], vertical[i] = g, g * z[i]
        for i in range(BLOCK):
            u = abs(z[i]) * per_h
            e = exp_minus(u)
            s[i] = (u + two * log1p_small(e)) * h
            t = (one - e) / (one + e)
            sech2[i] = one - t * t
            tanh[i] = t if z[i] > f32(0.0) else -t
            slope[i] = -sech2[i] * tanh[i] * per_h
        for j in range(disc.shape[0]):
            gm, a, b = f32(disc[j, 0]), f32(disc[j, 1]), f32(disc[j, 2])
            for i in range(BLOCK):
                q = a + s[i] + b * sech2[i]
                inverse = one / (R2[i] + q * q)
                f = gm * inverse * np.sqrt(inverse)
                in_plane[i] += f
                vertical[i] += f * q * (tanh[i] + b * slope[i])
        for i in range(n):
            k = begin + i
            vx = -np.float64(spans[k]) * in_plane[i] * x[i]
            vy = -np.float64(spans[k]) * in_plane[i] * y[i]
            vz = -np.float64(spans[k]) * vertical[i]
            velocities[k, 0] += vx
            velocities[k, 1] += vy
            velocities[k, 2] += vz
            px += masses[k] * vx
            py += masses[k] * vy
            pz += masses[k] * vz
    return px, py, pz


def find_enclosed(body: Body, radius: Float64Array) -> Float64Array:
    """Mass of the body within radii [kpc], in Msun."""
    return np.interp(np.log(radius), np.log(body.radius), body.enclosed)
