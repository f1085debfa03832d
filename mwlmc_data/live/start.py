"""Where a live run starts: the models of both galaxies, their equilibria and their particles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import describe_tuple
from mwlmc_data.live.body import Body, find_enclosed, make_body
from mwlmc_data.live.drawing import LIGHT_RADIUS, Particles, draw_particles
from mwlmc_data.live.isotropic import solve_isotropic
from mwlmc_data.live.spheres import Sphere, hernquist_sphere, nfw_sphere
from mwlmc_data.live.state import State
from mwlmc_data.simulator.parameters import Parameters

#: Share of the particles that are the LMC's.
LMC_SHARE = 0.23


class Galaxies(NamedTuple):
    """The two galaxies before they meet."""

    halo: Sphere  # the Milky Way's live halo
    body: Body  # its bulge and disc
    lmc: Sphere | None

    def __repr__(self) -> str:
        return describe_tuple(self)


def make_galaxies(parameters: Parameters) -> Galaxies:
    """Make the galaxies of the simulator's parameters: NFW halo, bulge and disc; Hernquist LMC."""
    halo = nfw_sphere(parameters.m200_mw, parameters.c200)
    return Galaxies(halo, make_body(), hernquist_sphere(parameters.m_lmc, parameters.a_lmc))


def start_state(
    galaxies: Galaxies,
    relative: Float64Array | None,
    particles: int,
    rng: np.random.Generator,
    tracers: Float64Array | None = None,
) -> State:
    """Draw the particles of both galaxies, the Milky Way at rest at the origin.

    Parameters
    ----------
    galaxies : Galaxies
        The models.
    relative : ndarray, shape (6,), or None
        Phase space of the LMC relative to the Milky Way [kpc, km/s]; None if there is no LMC.
    particles : int
        Number of particles in all, within a percent or so.
    rng : numpy.random.Generator
        Stream of random numbers.
    tracers : ndarray, shape (n, 6), optional
        Massless stars about the Milky Way [kpc, km/s].
    """
    halo = solve_isotropic(galaxies.halo, find_enclosed(galaxies.body, galaxies.halo.radius))
    has_lmc = galaxies.lmc is not None and relative is not None
    n_lmc = round(LMC_SHARE * particles) if has_lmc else 0
    parts = [draw_particles(halo, particles - n_lmc, rng, LIGHT_RADIUS)]
    centre = np.full(6, np.nan)
    if galaxies.lmc is not None and relative is not None:
        centre = np.array(relative, float)
        own = draw_particles(solve_isotropic(galaxies.lmc), n_lmc, rng)
        parts.append(Particles(own.positions + centre[:3], own.velocities + centre[3:], own.masses))
    stars = np.empty((0, 6)) if tracers is None else np.asarray(tracers, float)
    parts.append(Particles(stars[:, :3], stars[:, 3:], np.zeros(len(stars), np.float32)))
    counts = [len(part.masses) for part in parts]
    ends = (counts[0], sum(counts[:-1]), sum(counts))
    x, v, masses = (np.ascontiguousarray(np.concatenate(arrays)) for arrays in zip(*parts, strict=True))
    return State(x, v, masses, np.arange(len(masses), dtype=np.int32), ends, np.zeros(6), centre)
