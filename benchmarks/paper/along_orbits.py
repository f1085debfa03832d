"""Stellar haloes of rigid galaxies whose LMC follows the published centre-of-mass orbit of a live run.

Such an orbit holds no stars. Here the LMC is moved along it, and stars from the simulator's equilibrium feel the rigid
Milky Way and LMC and the Milky Way's fall towards the LMC. What then differs from a rigid simulation is the orbit
alone, which friction, stripping and deformation have shaped.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from benchmarks.paper.published import PublishedOrbit
from mwlmc_data import Halo, Parameters
from mwlmc_data.simulator.constants import GYR_PER_TIME_UNIT
from mwlmc_data.simulator.engines.lanes import integrate_lanes
from mwlmc_data.simulator.engines.start import TOLERANCE, start_stars
from mwlmc_data.simulator.parameters import place_lmc
from mwlmc_data.simulator.streams import halo_stream
from mwlmc_data.simulator.tables import Field, hermite_quintic

#: Points of the LMC's path for each row of the file.
_FINER = 4


def draw_halo(orbit: PublishedOrbit, parameters: Parameters, n_stars: int, seed: int) -> Halo:
    """Draw a halo at the start of an orbit, and move it to the orbit's last row.

    Parameters
    ----------
    orbit : PublishedOrbit
        Its last row is the present day.
    parameters : Parameters
        Galaxies and stars; the LMC's present day is that of the orbit instead.
    n_stars, seed : int
        Of the halo.

    Returns
    -------
    Halo
        With the parameters of the orbit's present day.
    """
    there = place_lmc(parameters, orbit.relative[-1])
    _, field, stars = start_stars(there, n_stars, halo_stream(seed, 0))
    moved = integrate_lanes(stars, follow(field, orbit), TOLERANCE)[0].astype(np.float32)
    return Halo(moved[:, :3], moved[:, 3:], "simulation", there)


def follow(field: Field, orbit: PublishedOrbit) -> Field:
    """The same field with an LMC that follows an orbit from its first row to its last.

    A cubic spline through the positions gives the path. Its slope differs from the published velocities by 6 to 10 km/s
    (rms): the positions scatter by some tenths of a kpc, which the stars do not notice.
    """
    time = (orbit.time - orbit.time[-1]) / GYR_PER_TIME_UNIT
    path = CubicSpline(time, orbit.relative[:, :3])
    fine = np.linspace(time[0], 0.0, _FINER * (len(time) - 1) + 1)
    dt = float(fine[1] - fine[0])
    quintics = hermite_quintic(path(fine), path(fine, 1), path(fine, 2), dt)
    return field._replace(orbit=quintics, t_start=float(time[0]), dt=dt)
