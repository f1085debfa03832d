"""Checks of the arrays that every score takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mwlmc_data.arguments.arrays import as_float, as_floats, as_whole
from mwlmc_data.array_types import Float64Array


def checked_draws(samples: ArrayLike, name: str = "samples", least: int = 1) -> Float64Array:
    """Return draws (n, m, d) as float64, or say what is wrong with them.

    Raises
    ------
    ValueError
        If they are not three-dimensional, empty, fewer than `least` an observation, or not finite.
    """
    array = as_floats(name, samples)
    if array.ndim != 3:
        raise ValueError(f"{name} have shape {array.shape}; allowed: (observations, draws, parameters)")
    if 0 in array.shape:
        raise ValueError(f"{name} have shape {array.shape}; every size must be at least 1")
    if array.shape[1] < least:
        raise ValueError(f"{name} have shape {array.shape}; allowed: at least {least} draws an observation")
    return array


def checked_samples(
    samples: ArrayLike, truth: ArrayLike, least: int = 1
) -> tuple[Float64Array, Float64Array]:
    """Return samples (n, m, d) and truth (n, d) as float64, or say what is wrong with them.

    Raises
    ------
    ValueError
        If a shape is wrong, the two do not match, or a value is not finite.
    """
    draws = checked_draws(samples, least=least)
    known = as_floats("truth", truth)
    expected = (draws.shape[0], draws.shape[2])
    if known.shape != expected:
        raise ValueError(f"truth has shape {known.shape}; samples of shape {draws.shape} need {expected}")
    return draws, known


def checked_pair(
    samples: ArrayLike, reference: ArrayLike, least: int = 2
) -> tuple[Float64Array, Float64Array]:
    """Return samples (n, m, d) and reference draws (n, k, d) as float64, or say what is wrong with them.

    Raises
    ------
    ValueError
        If a shape is wrong, the two differ in n or d, have fewer than `least` draws, or a value is not finite.
    """
    draws, exact = checked_draws(samples, least=least), checked_draws(reference, "reference", least)
    if draws.shape[0] != exact.shape[0] or draws.shape[2] != exact.shape[2]:
        raise ValueError(
            f"reference has shape {exact.shape}; samples of shape {draws.shape} need "
            f"({draws.shape[0]}, any number of draws, {draws.shape[2]})"
        )
    return draws, exact


def checked_vector(values: ArrayLike, name: str, unit: str | None = None) -> Float64Array:
    """Return a finite, non-empty one-dimensional float64 array in `unit`, or raise ValueError that names it."""
    array = as_floats(name, values, unit=unit)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}; allowed: (n,) with n at least 1")
    return array


def checked_scale(scale: ArrayLike, n_parameters: int) -> Float64Array:
    """Return the scales (d,) that parameters are divided by, all positive, or raise ValueError."""
    array = checked_vector(scale, "scale")
    if array.size != n_parameters:
        raise ValueError(f"scale has shape {array.shape}; allowed: ({n_parameters},), one for each parameter")
    if (array <= 0).any():
        raise ValueError(f"scale holds {array.min()}; allowed: positive numbers")
    return array


def checked_level(level: float) -> float:
    """Return a probability strictly between 0 and 1, or raise ValueError."""
    found = as_float("level", level)
    if not 0.0 < found < 1.0:
        raise ValueError(f"level is {level!r}; allowed: between 0 and 1, both excluded")
    return found


def checked_bins(bins: int | None, default: int) -> int:
    """Return the number of bins, 2 or more, or raise ValueError."""
    return as_whole("bins", default if bins is None else bins, 2)


def varying_std(draws: NDArray, name: str) -> Float64Array:
    """Return the standard deviation of draws (n, m, d) over m, shape (n, d), or name the draws that do not vary.

    Raises
    ------
    ValueError
        If all draws of a parameter are equal: nothing can be measured in units of their scatter.
    """
    # The range and not the standard deviation tells: that of equal numbers may come out at 1e-17 of them.
    constant = np.argwhere(draws.max(axis=1) == draws.min(axis=1))
    if len(constant):
        row, parameter = map(int, constant[0])
        raise ValueError(
            f"all {name} of observation {row}, parameter {parameter} are {draws[row, 0, parameter]}; "
            "allowed: draws that vary"
        )
    return draws.std(axis=1, ddof=1)
