"""Checks of the arrays that every score takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def checked_samples(samples: ArrayLike, truth: ArrayLike) -> tuple[NDArray, NDArray]:
    """Return samples (n, m, d) and truth (n, d) as float64, or say what is wrong with them.

    Raises
    ------
    ValueError
        If a shape is wrong, the two do not match, or a value is not finite.
    """
    samples = np.asarray(samples, dtype=np.float64)
    truth = np.asarray(truth, dtype=np.float64)
    if samples.ndim != 3:
        raise ValueError(f"samples have shape {samples.shape}; allowed: (observations, draws, parameters)")
    expected = (samples.shape[0], samples.shape[2])
    if truth.shape != expected:
        raise ValueError(f"truth has shape {truth.shape}; samples of shape {samples.shape} need {expected}")
    if 0 in samples.shape:
        raise ValueError(f"samples have shape {samples.shape}; every size must be at least 1")
    for name, array in (("samples", samples), ("truth", truth)):
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            place = tuple(map(int, bad[0]))
            raise ValueError(f"{name} hold {array[place]} at {place}; allowed: finite numbers")
    return samples, truth


def checked_vector(values: ArrayLike, name: str) -> NDArray:
    """Return a finite, non-empty one-dimensional float64 array, or raise ValueError that names it."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"{name} has shape {values.shape}; allowed: (n,) with n at least 1")
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ValueError(f"{name} holds {values[bad[0]]} at {int(bad[0])}; allowed: finite numbers")
    return values


def checked_level(level: float) -> float:
    """Return a probability strictly between 0 and 1, or raise ValueError."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is {level!r}; allowed: between 0 and 1, both excluded")
    return float(level)
