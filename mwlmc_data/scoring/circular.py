"""Circular statistics of angles in degrees."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mwlmc_data.arguments.angles import wrap_degrees
from mwlmc_data.arguments.arrays import as_floats
from mwlmc_data.scoring.checks import checked_vector


def circular_mean(angle: ArrayLike) -> float:
    """Direction of the mean unit vector of angles (Mardia & Jupp 2000, sec. 2.2.1).

    Parameters
    ----------
    angle : array_like, shape (n,)
        Angles [deg].

    Returns
    -------
    float
        Mean direction in (-180, 180] [deg].
    """
    radians = np.radians(checked_vector(angle, "angle", "deg"))
    return float(wrap_degrees(np.degrees(np.arctan2(np.sin(radians).mean(), np.cos(radians).mean()))))


def circular_percentiles(angle: ArrayLike, percent: ArrayLike = (16, 50, 84)) -> NDArray:
    """Percentiles of angles, measured from their mean direction so that the bulk does not wrap around.

    The mean direction is that of the summed unit vectors (Mardia & Jupp 2000, sec. 2.2.1).

    Parameters
    ----------
    angle : array_like, shape (n,)
        Angles [deg].
    percent : array_like, shape (k,)
        Percentiles wanted, 0 to 100.

    Returns
    -------
    ndarray, shape (k,)
        Percentiles [deg]. Continuous around the mean direction, so they may leave (-180, 180].
    """
    centre = circular_mean(angle)
    offsets = wrap_degrees(checked_vector(angle, "angle", "deg") - centre)
    return centre + np.percentile(offsets, as_floats("percent", percent, minimum=0.0, maximum=100.0))
