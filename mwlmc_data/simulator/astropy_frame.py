"""The Galactocentric frame of this package as an astropy frame."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from mwlmc_data.simulator import constants as const
from mwlmc_data.storage.homes import allow_no_home

if TYPE_CHECKING:
    from astropy.coordinates import Galactocentric


@functools.cache
def galactocentric_frame() -> Galactocentric:
    """Astropy's Galactocentric frame with the Sun and the axes of this package.

    Returns
    -------
    astropy.coordinates.Galactocentric
        Coordinates transformed to it have the x, y, z [kpc] and v_x, v_y, v_z [km/s] of this package: the Sun at
        (-8.3, 0, 0.02) kpc, moving with (11.1, 244.24, 7.24) km/s, and axes parallel to those of Galactic l and b.

    Notes
    -----
    Astropy's default frame has a different Sun, and its plane is tilted by 0.15 deg against the Galactic plane, because
    it puts the centre at l = b = 0 as seen from a Sun above the plane. This frame has no tilt, so the Sun's height of
    20 pc puts the centre at l = 0, b = -0.138 deg and 8.300024 kpc. The roll aligns the z axis with the Galactic pole.
    Positions and velocities then agree with those of the Galactic frame to rounding, in both directions.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> SkyCoord(l=0, b=90, distance=10, unit=("deg", "deg", "kpc"), frame="galactic").transform_to(
    ...     galactocentric_frame()
    ... ).z
    <Quantity 10.02 kpc>
    """
    allow_no_home("ASTROPY_CONFIG_DIR", "ASTROPY_CACHE_DIR")
    import astropy.units as u
    from astropy.coordinates import CartesianDifferential, Galactocentric, SkyCoord

    sun = np.array(const.SUN_POSITION)
    distance = float(np.linalg.norm(sun))
    latitude = float(np.arcsin(-sun[2] / distance))
    # the Sun's azimuth is zero, so the centre lies at l = 0
    centre = SkyCoord(0.0 * u.rad, latitude * u.rad, frame="galactic").icrs
    pole = SkyCoord(0.0 * u.deg, 90.0 * u.deg, frame="galactic").icrs
    return Galactocentric(
        galcen_coord=centre.frame,
        galcen_distance=distance * u.kpc,
        z_sun=sun[2] * u.kpc,
        galcen_v_sun=CartesianDifferential(*(const.SUN_VELOCITY * u.km / u.s)),
        roll=(Galactocentric.get_roll0() + centre.position_angle(pole)).wrap_at(180 * u.deg),
    )
