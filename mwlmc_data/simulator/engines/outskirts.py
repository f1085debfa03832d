"""The stars that a catalogue's row needs: those that can end where the reflex motion is fitted.

Most of the time of a simulation is spent on stars deep in the Milky Way, none of which ends beyond 50 kpc unless the
LMC lifts it there. The LMC lifts stars that come near it, so the criterion compares two radii: r(E), which a star could
reach in the Milky Way alone with its initial energy, and p, the LMC's pericentre within the 2.2 Gyr (or 50 kpc if that
is smaller). ``python -m benchmarks outskirts`` moves all stars of draws of every set and prints the smallest r(E) / p
of the stars that end beyond 50 kpc: at least 0.67 in 1,000 simulations of each set (``--seed 3``), and below 0.76 in
one of a thousand of the flat set, below 0.80 in one of a thousand of the others.

Stars with r(E) < 0.6 p are therefore left out, and the next ones are watched: if one with r(E) < 0.7 p ends beyond
35 kpc, the stars left out are moved as well. A star's result does not depend on which other stars are moved, so the
fit equals that of the complete halo to the bit.
"""

from __future__ import annotations

import numpy as np

from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.engines.lanes import integrate_lanes
from mwlmc_data.simulator.orbit import Orbit
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.potentials import nfw_scales
from mwlmc_data.simulator.tables import Field

#: In units of the pericentre: r(E) below which stars are left out, and below which they are watched.
LEFT_OUT, WATCHED = 0.6, 0.7
#: Radius [kpc] that no watched star may exceed today.
ALARM = 35.0
#: Plummer radii [kpc] of the bulge and the disc, accurate enough for an estimate of r(E).
_BULGE_RADIUS, _DISC_RADIUS = 0.5, 3.5


def potential_estimate(radius: Float64Array, parameters: Parameters) -> Float64Array:
    """Potential of the Milky Way [km^2/s^2] at radii [kpc]: the NFW halo, bulge and disc as Plummer spheres."""
    r_s, m_s = nfw_scales(parameters.m200_mw, parameters.c200)
    bulge = const.BULGE_MASS / np.hypot(radius, _BULGE_RADIUS)
    disc = const.DISC_MASS / np.hypot(radius, _DISC_RADIUS)
    return -const.G * (m_s * np.log1p(radius / r_s) / radius + bulge + disc)


def energy_estimate(stars: Float64Array, parameters: Parameters) -> Float64Array:
    """Energy [km^2/s^2] of stars (n, 6) in that potential."""
    radius = np.sqrt(np.einsum("ni,ni->n", stars[:, :3], stars[:, :3]))
    return 0.5 * np.einsum("ni,ni->n", stars[:, 3:], stars[:, 3:]) + potential_estimate(radius, parameters)


def integrate_outskirts(
    stars: Float64Array, parameters: Parameters, orbit: Orbit, field: Field, tolerance: float
) -> Float32Array:
    """Move the stars that can end beyond 50 kpc from the start of the orbit to today.

    Parameters
    ----------
    stars : ndarray, shape (n, 6)
        Positions [kpc] and velocities [km/s] relative to the Milky Way's centre at the start.
    parameters : Parameters
        The simulation.
    orbit, field
        From :func:`~mwlmc_data.simulator.orbit.build_field`.
    tolerance : float
        As for :func:`~mwlmc_data.simulator.engines.lanes.integrate_lanes`.

    Returns
    -------
    ndarray, shape (m, 6), float32
        These stars today, m <= n, in their original order.

    Raises
    ------
    RuntimeError
        If a star does not arrive.
    """
    reach = min(orbit.pericentre, const.FIT_R_MIN)
    energy = energy_estimate(stars, parameters)
    left_out, watched = potential_estimate(np.array([LEFT_OUT, WATCHED]) * reach, parameters)
    needed = energy > left_out
    moved = integrate_lanes(stars[needed], field, tolerance)[0]
    radius2 = np.einsum("ni,ni->n", moved[:, :3], moved[:, :3])
    if not (radius2[energy[needed] < watched] > ALARM**2).any():
        return moved
    all_stars = np.empty(stars.shape, np.float32)
    all_stars[needed] = moved
    all_stars[~needed] = integrate_lanes(stars[~needed], field, tolerance)[0]
    return all_stars
