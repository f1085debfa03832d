"""Where surveys look, as `mwlmc_data.Selection` takes it."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mwlmc_data.arguments.arrays import as_float, as_floats
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.manifest import ListedFile
from mwlmc_data.simulator.frames import ICRS_TO_GALACTIC, sky_basis, spherical_angles

#: Bounds of the Legacy Surveys [deg]: declination, and distance from the Galactic plane.
LEGACY_DECLINATION, LEGACY_LATITUDE = (-18.0, 84.0), 18.0

#: Pole of the plane of the Sagittarius stream in Galactic coordinates, and how far from the plane it is cut [deg].
SAGITTARIUS_POLE, SAGITTARIUS_WIDTH = (93.75, 13.46), 15.0

#: Map of Bystrom et al. (2025): HEALPix, nside 32, ring order, Galactic, one boolean per pixel.
_DESI_HOME = (
    "https://raw.githubusercontent.com/abystrom/apex-likelihood-fitting/a803fe4e03fa3ae4876b6cd77e7d8e0848397b35"
)
_DESI = ListedFile(
    "DESI_footprint.npy",
    "footprints",
    "all",
    12_288,
    12_416,
    "7a4dce172f42c83316d4263ebfb907e918da4f41812605b96362889a8f160ae3",
)


def in_legacy_surveys(l: ArrayLike, b: ArrayLike) -> NDArray[np.bool_]:
    """Whether directions are in the DESI Legacy Imaging Surveys, by their own rule.

    DESI observes within them. The rule is that of the surveys' description: "The sky coverage is approximately bounded
    by -18 deg < delta < +84 deg in celestial coordinates and ``|b|`` > 18 deg in Galactic coordinates"
    (github.com/legacysurvey/legacysurvey, pages/dr9/description.rst). It covers 46% of the sky. DESI's own footprint
    (`fetch_footprint`) covers 36%, and 98% of it are within the rule (``python -m benchmarks accuracy --reference
    DIR``).

    Parameters
    ----------
    l, b : array_like, shape (n,)
        Galactic longitude and latitude [deg].

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    ValueError
        If an angle is masked or not finite, b is not within 90 deg, or l and b have other shapes.

    Examples
    --------
    >>> in_legacy_surveys([0.0, 0.0, 120.0], [90.0, 0.0, -90.0]).tolist()
    [True, False, False]
    """
    longitude, latitude = _take_angles(l, b)
    declination = spherical_angles(sky_basis(longitude, latitude)[..., 0, :] @ ICRS_TO_GALACTIC)[1]
    low, high = LEGACY_DECLINATION
    return (declination > low) & (declination < high) & (np.abs(latitude) > LEGACY_LATITUDE)


def _take_angles(l: ArrayLike, b: ArrayLike) -> tuple[Float64Array, Float64Array]:
    """Galactic longitudes and latitudes [deg] of a user, of one shape."""
    longitude = as_floats("l", l, unit="deg")
    latitude = as_floats("b", b, unit="deg", minimum=-90.0, maximum=90.0)
    if longitude.shape != latitude.shape:
        raise ValueError(f"b = an array of shape {latitude.shape}: allowed is that of l, {longitude.shape}")
    return longitude, latitude


def off_sagittarius(l: ArrayLike, b: ArrayLike, width: float = SAGITTARIUS_WIDTH) -> NDArray[np.bool_]:
    """Whether directions are off the plane of the stream of the Sagittarius dwarf, as seen from the Sun.

    The plane is that of the stream's heliocentric coordinates (Majewski et al. 2003, ApJ 599, 1082; Law & Majewski
    2010, ApJ 714, 229), whose pole the Euler angles 183.75 and 76.54 deg of Galactic coordinates give (as in
    ``gala.coordinates.SagittariusLaw10``): l 93.75, b 13.46 deg. How far from it the stream reaches is our choice.

    Parameters
    ----------
    l, b : array_like, shape (n,)
        Galactic longitude and latitude [deg].
    width : float
        Smallest distance from the plane, on either side [deg].

    Returns
    -------
    ndarray of bool, shape (n,)
        ``Selection(footprint=off_sagittarius)`` takes the function.

    Raises
    ------
    ValueError
        If an angle is masked or not finite, b is not within 90 deg, l and b have other shapes, or the width is not
        between 0 and 90 deg.

    Examples
    --------
    >>> off_sagittarius([93.75, 5.6, 183.75], [13.46, -14.1, 0.0]).tolist()
    [True, False, False]
    """
    latitude = as_float("width", width, unit="deg", minimum=0.0, maximum=90.0)
    directions = sky_basis(*_take_angles(l, b))[..., 0, :]
    pole = sky_basis(*SAGITTARIUS_POLE)[0]
    return np.abs(directions @ pole) > np.sin(np.radians(latitude))


def fetch_footprint(
    mirrors: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> NDArray[np.bool_]:
    """Fetch DESI's footprint of Byström et al. (2025) from the repository of its authors.

    Its pixels are those that hold tiles of DESI's bright or dark programme.

    Parameters
    ----------
    mirrors : str, path or iterable of them, optional
        Where to fetch the file from instead, in the forms of `mwlmc_data.fetching.mirrors`.
    directory : path, optional
        Folder of the file; by default one beside the local store.

    Returns
    -------
    ndarray of bool, shape (12288,)
        HEALPix map, nside 32, ring order, Galactic; ``Selection(footprint=...)`` takes it.

    Raises
    ------
    ValueError
        If a mirror has an unknown form.
    FetchError
        If it cannot be fetched, or the file is another.
    """
    from mwlmc_data.fetching.outside import fetch_outside

    return np.load(fetch_outside(_DESI_HOME, _DESI, mirrors, directory), allow_pickle=False)
