"""Frames: the sky, the Sun and the Galactocentric axes.

Galactocentric axes are right-handed and parallel to those of Galactic (l, b): x points from the Sun
to the centre, y along the rotation (l = 90 deg), z to the north Galactic pole. There is no tilt between
the two systems (astropy's Galactocentric frame tilts by 0.15 deg by default). In these axes the disc rotates with
negative v_phi. The Sun is at (-8.3, 0, 0.02) kpc and moves with (11.1, 244.24, 7.24) km/s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mwlmc_data.arguments.angles import compute_longitude
from mwlmc_data.arguments.arrays import as_floats, as_vector
from mwlmc_data.array_types import Float64Array
from mwlmc_data.simulator import constants as const


def _icrs_to_galactic() -> Float64Array:
    """Rotation matrix from ICRS to Galactic axes: the IAU 1958 pole and node in J2000 (0.03 arcsec off astropy's)."""
    pole_ra, pole_dec, pole_l = np.radians([192.8594812065348, 27.12825118085622, 122.9319185680026])

    def z(a: float) -> Float64Array:
        return np.array([[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1.0]])

    def y(a: float) -> Float64Array:
        return np.array([[np.cos(a), 0, -np.sin(a)], [0, 1.0, 0], [np.sin(a), 0, np.cos(a)]])

    return z(np.pi - pole_l) @ y(np.pi / 2 - pole_dec) @ z(pole_ra)


#: Rows are the Galactic axes in ICRS components.
ICRS_TO_GALACTIC = _icrs_to_galactic()


def sky_basis(longitude: ArrayLike, latitude: ArrayLike) -> Float64Array:
    """Unit vectors along the line of sight, increasing longitude and increasing latitude.

    Parameters
    ----------
    longitude, latitude : array_like, shape (...)
        Angles [deg].

    Returns
    -------
    ndarray, shape (..., 3, 3)
        ``[..., k, :]`` is the Cartesian vector of k = (line of sight, longitude, latitude).
    """
    lon, lat = (
        np.radians(as_floats(name, angle, unit="deg"))
        for name, angle in (("longitude", longitude), ("latitude", latitude))
    )
    sin_l, cos_l, sin_b, cos_b = np.sin(lon), np.cos(lon), np.sin(lat), np.cos(lat)
    basis = np.zeros((*(cos_b * cos_l).shape, 3, 3))
    basis[..., 0, 0], basis[..., 0, 1], basis[..., 0, 2] = cos_b * cos_l, cos_b * sin_l, sin_b
    basis[..., 1, 0], basis[..., 1, 1] = -sin_l, cos_l
    basis[..., 2, 0], basis[..., 2, 1], basis[..., 2, 2] = -sin_b * cos_l, -sin_b * sin_l, cos_b
    return basis


def spherical_angles(vectors: ArrayLike) -> tuple[Float64Array, Float64Array]:
    """Longitude (-180, 180] and latitude [deg] of vectors (..., 3)."""
    v = _vectors("vectors", vectors, 3)
    return compute_longitude(v[..., 0], v[..., 1]), np.degrees(np.arctan2(v[..., 2], np.hypot(v[..., 0], v[..., 1])))


def galactocentric_basis(positions: ArrayLike) -> Float64Array:
    """Unit vectors e_r, e_phi, e_theta at Galactocentric positions (n, 3); theta is the colatitude.

    Returns
    -------
    ndarray, shape (n, 3, 3)
        ``[:, k, :]`` is the Cartesian vector of k = (r, phi, theta).
    """
    basis = sky_basis(*spherical_angles(as_floats("positions", positions, unit="kpc")))
    basis[..., 2, :] *= -1.0
    return basis


#: Arguments of :func:`sky_to_galactocentric` and their units.
_SKY_UNITS = (
    ("ra", "deg"),
    ("dec", "deg"),
    ("distance", "kpc"),
    ("v_los", "km/s"),
    ("pm_ra", "mas/yr"),
    ("pm_dec", "mas/yr"),
)


def sky_to_galactocentric(
    ra: ArrayLike, dec: ArrayLike, distance: ArrayLike, v_los: ArrayLike, pm_ra: ArrayLike, pm_dec: ArrayLike
) -> Float64Array:
    """Galactocentric phase-space from ICRS observables.

    Parameters
    ----------
    ra, dec : array_like, shape (...)
        ICRS position [deg].
    distance : array_like
        Heliocentric distance [kpc].
    v_los : array_like
        Heliocentric line-of-sight velocity [km/s].
    pm_ra, pm_dec : array_like
        Proper motion [mas/yr]; `pm_ra` includes cos(dec).

    Returns
    -------
    ndarray, shape (..., 6)
        Position [kpc] and velocity [km/s].

    Raises
    ------
    ValueError
        If a number is masked, not finite or has an incompatible unit.
    """
    given = (ra, dec, distance, v_los, pm_ra, pm_dec)
    ra, dec, d, v, mu_a, mu_d = np.broadcast_arrays(
        *(as_floats(name, value, unit=unit) for (name, unit), value in zip(_SKY_UNITS, given, strict=True))
    )
    basis = sky_basis(ra, dec) @ ICRS_TO_GALACTIC.T
    tangential = const.KMS_PER_MASYR_KPC * d
    speeds = np.stack([v, tangential * mu_a, tangential * mu_d], axis=-1).astype(float)
    velocity = np.einsum("...k,...ki->...i", speeds, basis) + const.SUN_VELOCITY
    return np.concatenate([d[..., None] * basis[..., 0, :] + const.SUN_POSITION, velocity], axis=-1)


def galactocentric_to_sky(phase_space: ArrayLike) -> Float64Array:
    """Inverse of :func:`sky_to_galactocentric`.

    Parameters
    ----------
    phase_space : array_like, shape (..., 6)
        Position [kpc] and velocity [km/s].

    Returns
    -------
    ndarray, shape (..., 6)
        ra in [0, 360), dec [deg], distance [kpc], v_los [km/s], pm_ra (with cos dec), pm_dec [mas/yr].

    Raises
    ------
    ValueError
        If a number is masked or not finite, or the last axis has another length.
    """
    w = _vectors("phase_space", phase_space, 6)
    heliocentric = (w[..., :3] - const.SUN_POSITION) @ ICRS_TO_GALACTIC
    velocity = (w[..., 3:] - const.SUN_VELOCITY) @ ICRS_TO_GALACTIC
    distance = np.linalg.norm(heliocentric, axis=-1)
    ra, dec = spherical_angles(heliocentric)
    speeds = np.einsum("...ki,...i->...k", sky_basis(ra, dec), velocity)
    tangential = (const.KMS_PER_MASYR_KPC * distance)[..., None]
    ra = ra % 360.0
    # a negative angle smaller than the spacing of floats at 360 becomes 360
    place = np.stack([np.where(ra == 360.0, 0.0, ra), dec, distance, speeds[..., 0]], axis=-1)
    return np.concatenate([place, speeds[..., 1:] / tangential], axis=-1)


def heliocentric_basis(positions: ArrayLike, sun_position: ArrayLike = const.SUN_POSITION) -> Float64Array:
    """Unit vectors e_los, e_l, e_b at Galactocentric positions (n, 3), as seen from the Sun: (n, 3, 3)."""
    sun = as_vector("sun_position", sun_position, 3, unit="kpc")
    return sky_basis(*spherical_angles(as_floats("positions", positions, unit="kpc") - sun))


def _vectors(name: str, value: ArrayLike, size: int) -> Float64Array:
    """Check vectors with `size` components; raise ValueError for other shapes."""
    array = as_floats(name, value)
    if array.ndim == 0 or array.shape[-1] != size:
        raise ValueError(f"{name} = an array of shape {array.shape}: allowed is the shape (..., {size})")
    return array
