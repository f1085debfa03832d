"""Angles in degrees; longitudes lie in (-180, 180] everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from mwlmc_data.arguments.arrays import as_floats
from mwlmc_data.array_types import Float64Array, FloatArray


def wrap_degrees(angle: Any) -> Float64Array:
    """Wrap angles to (-180, 180].

    Parameters
    ----------
    angle : array_like
        Angles [deg], any shape.

    Returns
    -------
    ndarray
        The same angles in (-180, 180] [deg].

    Raises
    ------
    ValueError
        If an angle is masked or not finite.

    Examples
    --------
    >>> wrap_degrees([-180.0, 190.0, 360.0]).tolist()
    [180.0, -170.0, 0.0]
    """
    wrapped = (as_floats("angle", angle, unit="deg") + 180.0) % 360.0 - 180.0
    return np.where(wrapped == -180.0, 180.0, wrapped)


def compute_longitude(x: FloatArray, y: FloatArray) -> Float64Array:
    """Longitude (-180, 180] [deg] of vectors with components `x` and `y`; 0 where both are zero."""
    longitude = np.degrees(np.arctan2(y, x))
    return np.where(longitude == -180.0, 180.0, longitude)
