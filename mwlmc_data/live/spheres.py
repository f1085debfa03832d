"""Spherical haloes: density and mass on a grid of radii, smoothly cut.

Neither profile has a finite extent, and the NFW profile has no finite mass. A live halo needs both, so its density is
the profile's times ``exp(-(r / r_cut)^4)``. Within half of r_cut that takes at most 6% off the density and less off
the mass; beyond, a rigid halo of the simulator has mass that a live one has not. The normalisation stays that of the
profile, so that ``m200_mw`` and ``m_lmc`` mean what they mean there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import describe_tuple
from mwlmc_data.simulator.potentials import nfw_scales

#: Radii [kpc] at which the live Milky Way's and the live LMC's halo are cut: beyond where the stars of a catalogue's
#: fit and the LMC of 2.2 Gyr ago are, and beyond what the Milky Way leaves of the LMC.
MW_CUT, LMC_CUT = 700.0, 400.0
#: Steepness of the cut.
_STEEPNESS = 4
#: Inner end of the grid [kpc] and its spacing in ln r; it ends where the cut is e^-200.
_INNER, _SPACING, _LEAST = 1e-4, 0.01, 200.0


class Sphere(NamedTuple):
    """A spherical density on a grid of radii, equidistant in ln r."""

    radius: Float64Array  # [kpc]
    density: Float64Array  # [Msun kpc^-3]
    mass: Float64Array  # within the radius [Msun]

    def __repr__(self) -> str:
        return describe_tuple(self)


def make_grid(cut: float) -> Float64Array:
    """Radii [kpc] of the grid of a halo that is cut at `cut` [kpc], equidistant in ln r."""
    return np.exp(np.arange(np.log(_INNER), np.log(cut * _LEAST ** (1.0 / _STEEPNESS)), _SPACING))


def cut_sphere(radius: Float64Array, density: Float64Array, cut: float) -> Sphere:
    """Cut a density with the inner slope -1 on the grid, and integrate its mass."""
    density = density * np.exp(-((radius / cut) ** _STEEPNESS))
    shell = CubicSpline(np.log(radius), 4.0 * np.pi * radius**3 * density)
    centre = 2.0 * np.pi * radius[0] ** 3 * density[0]
    return Sphere(radius, density, centre + shell.antiderivative()(np.log(radius)))


def nfw_sphere(m200: float, c200: float, cut: float = MW_CUT) -> Sphere:
    """The NFW halo of mass `m200` [Msun] and concentration `c200`, cut at `cut` [kpc]."""
    r_s, m_s = nfw_scales(m200, c200)
    radius = make_grid(cut)
    x = radius / r_s
    return cut_sphere(radius, m_s / (4.0 * np.pi * r_s**3) / (x * (1.0 + x) ** 2), cut)


def hernquist_sphere(mass: float, scale: float, cut: float = LMC_CUT) -> Sphere:
    """The Hernquist sphere of total mass `mass` [Msun] and scale radius `scale` [kpc], cut at `cut` [kpc]."""
    radius = make_grid(cut)
    x = radius / scale
    return cut_sphere(radius, mass / (2.0 * np.pi * scale**3) / (x * (1.0 + x) ** 3), cut)
