"""Mass and density from the stored coefficients of a live field, by Gauss's and Poisson's equations."""

from __future__ import annotations

import math

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

from mwlmc_data.array_types import Float64Array
from mwlmc_data.live.field import LiveField
from mwlmc_data.live.harmonics import evaluate_harmonics, find_l_max
from mwlmc_data.live.radial_bins import NODES
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.potentials import virial_radius

_LOG_NODES = np.log(NODES)


def find_mass(field: LiveField, galaxy: int, radius: Float64Array, row: int = -1) -> Float64Array:
    """Mass [Msun] of a galaxy's particles within radii of its centre: ``r^2 dphi/dr / G`` of the monopole.

    Parameters
    ----------
    field : LiveField
        Of a run.
    galaxy : int
        0 for the Milky Way's live halo (without bulge and disc), 1 for all that was the LMC.
    radius : ndarray, shape (n,)
        Radii [kpc], from 0.5 to 2,048.
    row : int
        Time, as a row of the field; today by default.

    Returns
    -------
    ndarray, shape (n,)
    """
    slope = field.slope[galaxy, row, :, 0, 0].astype(float)
    mass = NODES**2 * slope / (math.sqrt(4.0 * math.pi) * const.G)
    return CubicSpline(_LOG_NODES, mass)(np.log(np.asarray(radius, float)))


def find_m200(field: LiveField, row: int = -1) -> float:
    """M200 [Msun] of the Milky Way's live halo: as `m200_mw`, the halo alone against 200 times the critical density."""

    def excess(log_radius: float) -> float:
        # the radius that belongs to a mass, over the radius that holds it
        mass = float(find_mass(field, 0, np.exp(np.array([log_radius])), row)[0])
        return float(virial_radius(mass)) - math.exp(log_radius)

    radius = np.exp([brentq(excess, math.log(50.0), math.log(1000.0))])
    return float(find_mass(field, 0, radius, row)[0])


def find_density(field: LiveField, galaxy: int, positions: Float64Array, row: int = -1) -> Float64Array:
    """Density [Msun kpc^-3] of a galaxy's particles, smoothed as the expansion does.

    ``4 pi G rho_lm = phi_lm'' + 2 phi_lm' / r - l (l + 1) phi_lm / r^2``, with the second derivative of a spline.

    Parameters
    ----------
    field : LiveField
        Of a run.
    galaxy : int
        0 for the Milky Way's live halo (without bulge and disc), 1 for all that was the LMC.
    positions : ndarray, shape (n, 3)
        In the field's frame [kpc], 0.5 to 2,048 kpc from the galaxy's centre.
    row : int
        Time, as a row of the field; today by default.

    Returns
    -------
    ndarray, shape (n,)
    """
    potential, slope = (array[galaxy, row].astype(float) for array in (field.potential, field.slope))
    l_max = find_l_max(potential.shape[1])
    l = np.concatenate([np.full(k + 1, k) for k in range(l_max + 1)])[:, None]
    # r^2 phi' is a mass, which a spline in ln r follows; its derivative is r (r^2 phi'' + 2 r phi')
    mass_like = CubicSpline(_LOG_NODES, NODES[:, None, None] ** 2 * slope)
    offsets = positions - (field.body_path, field.lmc_path)[galaxy][row, :3]
    radius = np.linalg.norm(offsets, axis=1)
    cube = (radius**3)[:, None, None]
    depth = CubicSpline(_LOG_NODES, potential)(np.log(radius))
    terms = mass_like(np.log(radius), 1) / cube - l * (l + 1) * depth / (radius**2)[:, None, None]
    harmonics = evaluate_harmonics(offsets / radius[:, None], l_max)
    return (terms * harmonics).sum((1, 2)) / (4.0 * math.pi * const.G)
