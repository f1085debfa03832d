"""Particles of a live galaxy at its start: quiet, and lighter where their noise would move the disc.

Quiet: each particle has a mirror image with the opposite position and velocity, so that the galaxy has no momentum and
no dipole, whose weakly damped sloshing would move the disc by several km/s; and each n-th of the mass has one radius.

Lighter: a body of 7e10 Msun among particles of mass m reaches a velocity of about ``sigma sqrt(m / M)``, of the
particles that come near it. Those are known by their pericentre. Of the others one in ``HEAVY`` is kept, with as many
times the mass.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.display import describe_tuple
from mwlmc_data.live.isotropic import Isotropic, draw_radii, draw_speeds, find_depth

#: Particles whose pericentre lies within this radius [kpc] are light; others weigh this many times more.
LIGHT_RADIUS, HEAVY = 20.0, 8
#: Particles that estimate the share of the light ones.
_TRIAL = 20_000


class Particles(NamedTuple):
    """Particles of a galaxy about its own centre."""

    positions: Float64Array  # (n, 3) [kpc]
    velocities: Float64Array  # (n, 3) [km/s]
    masses: Float32Array  # (n,) [Msun]

    def __repr__(self) -> str:
        return describe_tuple(self)


def draw_particles(
    tables: Isotropic, n: int, rng: np.random.Generator, light_radius: float = 0.0
) -> Particles:
    """Draw about n particles of an isotropic equilibrium.

    Parameters
    ----------
    tables : Isotropic
        The equilibrium.
    n : int
        Number of particles; with a `light_radius` the number drawn differs from it by a percent or so.
    rng : numpy.random.Generator
        Stream of random numbers.
    light_radius : float
        Pericentre [kpc] within which particles are light; 0 for particles of equal mass.

    Returns
    -------
    Particles
        The halo's whole mass, in pairs (x, v) and (-x, -v).
    """
    pairs = n // 2
    if light_radius > 0.0:
        share = _is_light(tables, *_draw_motion(tables, _TRIAL, rng), light_radius).mean()
        pairs = round(pairs / (share + (1.0 - share) / HEAVY))
    radii, speeds, cosines = _draw_motion(tables, pairs, rng)
    masses = np.full(pairs, tables.mass[-1] / (2 * pairs))
    if light_radius > 0.0:
        light = _is_light(tables, radii, speeds, cosines, light_radius)
        heavy = np.flatnonzero(~light)  # in the order of radius: every HEAVY-th keeps their profile
        groups = np.array_split(heavy, max(len(heavy) // HEAVY, 1))
        kept = np.array([group[rng.integers(len(group))] for group in groups if len(group)], int)
        sizes = np.array([len(group) for group in groups if len(group)])
        masses[kept] *= sizes
        chosen = np.sort(np.concatenate([np.flatnonzero(light), kept]))
        radii, speeds, cosines, masses = radii[chosen], speeds[chosen], cosines[chosen], masses[chosen]
    outwards = rng.normal(size=(len(radii), 3))
    outwards /= np.linalg.norm(outwards, axis=1)[:, None]
    across = np.cross(outwards, rng.normal(size=(len(radii), 3)))
    across /= np.linalg.norm(across, axis=1)[:, None]
    x = radii[:, None] * outwards
    v = speeds[:, None] * (cosines[:, None] * outwards + np.sqrt(1.0 - cosines**2)[:, None] * across)
    return Particles(np.concatenate([x, -x]), np.concatenate([v, -v]), np.tile(masses, 2).astype(np.float32))


def _draw_motion(
    tables: Isotropic, n: int, rng: np.random.Generator
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Radii, speeds, and cosines of the angle between the velocity and the radius."""
    radii = draw_radii(tables, n, rng)
    return radii, draw_speeds(tables, radii, rng), rng.uniform(-1.0, 1.0, n)


def _is_light(
    tables: Isotropic, radii: Float64Array, speeds: Float64Array, cosines: Float64Array, light_radius: float
) -> np.ndarray:
    """Whether the orbit comes within `light_radius`: the particle is there, or its radial energy there is positive."""
    energy = 0.5 * speeds**2 - find_depth(tables, radii)
    momentum2 = (radii * speeds) ** 2 * (1.0 - cosines**2)
    depth = find_depth(tables, np.array([light_radius]))[0]
    reaches = 2.0 * (energy + depth) > momentum2 / light_radius**2
    return (radii < light_radius) | reaches
