"""The Galactocentric frame of this package as one of astropy's."""

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
        Coordinates transformed to it have x, y, z [kpc] and v_x, v_y, v_z [km/s] as here: the Sun at (-8.3, 0, 0.02)
        kpc with (11.1, 244.24, 7.24) km/s, axes parallel to those of Galactic l and b.

    Notes
    -----
    Astropy's default frame has another Sun, and its plane is tilted by 0.15 deg against the Galactic one, because it
    sees the centre at l = b = 0 from a Sun that stands above the plane. Without a tilt the centre is seen where the
    Sun's 20 pc put it, at l = 0, b = -0.138 deg and 8.300024 kpc: so it is here. The roll brings the z axis to the pole
    of the Galactic frame. Places and velocities are then those of the Galactic frame to rounding, both ways.

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
    # The Sun's azimuth is zero, so that the centre is seen at l = 0.
    centre = SkyCoord(0.0 * u.rad, latitude * u.rad, frame="galactic").icrs
    pole = SkyCoord(0.0 * u.deg, 90.0 * u.deg, frame="galactic").icrs
    return Galactocentric(
        galcen_coord=centre.frame,
        galcen_distance=distance * u.kpc,
        z_sun=sun[2] * u.kpc,
        galcen_v_sun=CartesianDifferential(*(const.SUN_VELOCITY * u.km / u.s)),
        roll=(Galactocentric.get_roll0() + centre.position_angle(pole)).wrap_at(180 * u.deg),
    )
