"""Checks of the arrays that every score takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mwlmc_data.arguments.arrays import as_float, as_floats, as_whole
from mwlmc_data.array_types import Float64Array


def checked_draws(samples: ArrayLike, name: str = "samples", minimum: int = 1) -> Float64Array:
    """Return draws (n, m, d) as float64, or say what is wrong with them.

    Raises
    ------
    ValueError
        If they are not three-dimensional, empty, fewer than `minimum` per observation, or not finite.
    """
    array = as_floats(name, samples)
    if array.ndim != 3:
        raise ValueError(f"shape of {name} = {array.shape}: allowed is (observations, draws, parameters)")
    if 0 in array.shape:
        raise ValueError(f"shape of {name} = {array.shape}: allowed are sizes of at least 1")
    if array.shape[1] < minimum:
        raise ValueError(f"shape of {name} = {array.shape}: allowed is at least {minimum} draws per observation")
    return array


def checked_samples(
    samples: ArrayLike, truth: ArrayLike, minimum: int = 1
) -> tuple[Float64Array, Float64Array]:
    """Return samples (n, m, d) and truth (n, d) as float64, or say what is wrong with them.

    Raises
    ------
    ValueError
        If a shape is wrong, the two do not match, or a value is not finite.
    """
    draws = checked_draws(samples, minimum=minimum)
    known = as_floats("truth", truth)
    expected = (draws.shape[0], draws.shape[2])
    if known.shape != expected:
        raise ValueError(f"shape of truth = {known.shape}: allowed is {expected} for samples of shape {draws.shape}")
    return draws, known


def checked_pair(
    samples: ArrayLike, reference: ArrayLike, minimum: int = 2
) -> tuple[Float64Array, Float64Array]:
    """Return samples (n, m, d) and reference draws (n, k, d) as float64, or say what is wrong with them.

    Raises
    ------
    ValueError
        If a shape is wrong, the two differ in n or d, have fewer than `minimum` draws, or a value is not finite.
    """
    draws, exact = checked_draws(samples, minimum=minimum), checked_draws(reference, "reference", minimum)
    if draws.shape[0] != exact.shape[0] or draws.shape[2] != exact.shape[2]:
        raise ValueError(
            f"shape of reference = {exact.shape}: allowed is ({draws.shape[0]}, any number of draws, {draws.shape[2]}) "
            f"for samples of shape {draws.shape}"
        )
    return draws, exact


def checked_vector(values: ArrayLike, name: str, unit: str | None = None) -> Float64Array:
    """Return a finite, non-empty one-dimensional float64 array in `unit`, or raise ValueError that names it."""
    array = as_floats(name, values, unit=unit)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"shape of {name} = {array.shape}: allowed is (n,) with n at least 1")
    return array


def checked_scale(scale: ArrayLike, n_parameters: int) -> Float64Array:
    """Return the scales (d,) that parameters are divided by, all positive, or raise ValueError."""
    array = checked_vector(scale, "scale")
    if array.size != n_parameters:
        raise ValueError(f"shape of scale = {array.shape}: allowed is ({n_parameters},), one for each parameter")
    if (array <= 0).any():
        raise ValueError(f"scale = {array.min()}: allowed are positive numbers")
    return array


def checked_level(level: float) -> float:
    """Return a probability strictly between 0 and 1, or raise ValueError."""
    found = as_float("level", level)
    if not 0.0 < found < 1.0:
        raise ValueError(f"level = {level!r}: allowed is between 0 and 1, both excluded")
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
    # by the range: rounding may leave equal numbers a standard deviation of 1e-17 of them
    constant = np.argwhere(draws.max(axis=1) == draws.min(axis=1))
    if len(constant):
        row, parameter = map(int, constant[0])
        raise ValueError(
            f"{name} of observation {row}, parameter {parameter} = {draws[row, 0, parameter]} in every draw: "
            "allowed are draws that vary"
        )
    return draws.std(axis=1, ddof=1)
