"""Numbers of HEALPix pixels in the ring scheme (Gorski et al. 2005, ApJ 622, 759, sec. 4.1 and 5)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float64Array

#: Largest number of pixels along a side of one of the twelve base pixels.
MAX_NSIDE = 8192


def get_nside(n_pixels: int) -> int:
    """Pixels along a side of a base pixel in a map of `n_pixels` = 12 nside^2; 0 if there is no such map."""
    nside = math.isqrt(n_pixels // 12)
    return nside if 12 * nside * nside == n_pixels and nside <= MAX_NSIDE else 0


def find_pixels(nside: int, longitude: Float64Array, latitude: Float64Array) -> NDArray[np.int64]:
    """Number of the pixel that holds each direction.

    Parameters
    ----------
    nside : int
        Pixels along a side of a base pixel.
    longitude, latitude : ndarray, shape (n,)
        Angles [deg].

    Returns
    -------
    ndarray, shape (n,), int64
        In ring order, from the north pole.
    """
    z = np.sin(np.radians(latitude))
    turn = np.mod(longitude, 360.0) / 90.0
    turn = np.where(turn >= 4.0, 0.0, turn)
    # the belt between the latitudes of sin b = 2/3: diagonals that rise and fall
    rising = np.floor(nside * (0.5 + turn - 0.75 * z)).astype(np.int64)
    falling = np.floor(nside * (0.5 + turn + 0.75 * z)).astype(np.int64)
    ring = nside + 1 + rising - falling
    place = np.mod((rising + falling - nside + 2 - (ring & 1)) >> 1, 4 * nside)
    belt = 2 * nside * (nside - 1) + (ring - 1) * 4 * nside + place
    # the caps; cos b keeps the digits near a pole
    part = turn - np.floor(turn)
    width = nside * np.sqrt(3.0) * np.cos(np.radians(latitude)) / np.sqrt(1.0 + np.abs(z))
    last = np.maximum(width, 0.0)
    j = np.floor(part * last).astype(np.int64)
    k = np.floor((1.0 - part) * last).astype(np.int64)
    ring = np.minimum(j + k + 1, nside)
    place = np.minimum(np.floor(turn * ring).astype(np.int64), 4 * ring - 1)
    north = 2 * ring * (ring - 1) + place
    south = 12 * nside * nside - 2 * ring * (ring + 1) + place
    return np.where(np.abs(z) <= 2.0 / 3.0, belt, np.where(z > 0.0, north, south))
