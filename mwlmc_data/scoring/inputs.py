"""Checks of submitted arrays: shapes and types, and whether the numbers are plausible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.arrays import as_floats
from mwlmc_data.arguments.conversion import refuse_masked
from mwlmc_data.array_types import Float64Array
from mwlmc_data.priors import Prior
from mwlmc_data.scoring.density import neighbour_log_density

#: Share of draws inside the prior below which their units must be wrong.
_MIN_INSIDE = 0.01
#: Allowed mean difference of the densities of the truths from those of the draws around them [nats]. Baselines have
#: -0.15 (score estimation from 1,000 simulations) to +0.06 (``python -m benchmarks refusals``). Densities that are too
#: low only hurt an entry's own score, so the limit is wider there.
_MIN_NATS, _MAX_NATS = -0.5, 0.25
#: Widths of the draws within which a truth counts as among them, and the number of such truths required.
_AMONG, _MIN_AMONG = 2.0, 10
#: Largest deficit of a single truth [nats]: far from all draws the density from neighbours falls too slowly.
_MAX_BELOW = 2.0


@dataclass(frozen=True)
class Array:
    """An array that an entry may or must contain.

    Attributes
    ----------
    shape : tuple of int
        Its shape.
    dtypes : tuple of str
        Types that a submission may store it in.
    what : str
        What it holds.
    is_required : bool
        Whether a score needs it.
    is_draws : bool
        Whether it holds posterior draws, (rows, draws, parameters).
    """

    shape: tuple[int, ...]
    dtypes: tuple[str, ...]
    what: str
    is_required: bool = False
    is_draws: bool = False

    @property
    def max_bytes(self) -> int:
        """Size in memory in the widest of the types."""
        return int(np.prod(self.shape)) * max(np.dtype(name).itemsize for name in self.dtypes)


def take_arrays(given: Mapping[str, Any]) -> tuple[dict[str, Float64Array], list[str]]:
    """Convert arrays from a user to numbers, or describe what is wrong with them.

    Parameters
    ----------
    given : mapping of str to array_like
        By name.

    Returns
    -------
    arrays : dict of str to ndarray
        Arrays of numbers, which may be infinite or NaN (`find_array_problems` refuses those).
    problems : list of str
        Sentences on the others: tables, masked, with a unit, ragged, of text, or overflowing their precision.
    """
    arrays, problems = {}, []
    for name, value in given.items():
        is_half = getattr(value, "dtype", None) == np.float16
        try:
            refuse_masked(name, value)
            if hasattr(value, "columns"):
                raise ValueError(f"{name} = a table with named columns: allowed is an array of numbers (.to_numpy())")
            arrays[name] = as_floats(name, value, allow_nan=not is_half, allow_infinite=not is_half)
        except ValueError as error:
            problems.append(str(error))
    return arrays, problems


def find_array_problems(task: str, wanted: Mapping[str, Array], arrays: Mapping[str, NDArray]) -> list[str]:
    """Find what is wrong with the names, types, shapes and values of arrays.

    Parameters
    ----------
    task : str
        Name of the task, for the sentences.
    wanted : mapping of str to Array
        Required and optional arrays.
    arrays : mapping of str to ndarray
        Submitted arrays.

    Returns
    -------
    list of str
        Sentences, each with the value and what is allowed.
    """
    allowed = ", ".join(wanted)
    found = [f"array {name!r} in {task}: allowed is {allowed}" for name in arrays if name not in wanted]
    for name, array in wanted.items():
        if name in arrays:
            found += _one_problem(name, array, arrays[name])
        elif array.is_required:
            found.append(f"{name} is missing: {array.what}")
    return found


def _one_problem(name: str, wanted: Array, array: NDArray) -> list[str]:
    if array.dtype.kind not in "fiu":
        return [f"type of {name} = {array.dtype}: allowed are real numbers"]
    if array.shape != wanted.shape:
        return [f"shape of {name} = {array.shape}: allowed is {wanted.shape}, {wanted.what}"]
    bad = ~np.isfinite(array)
    if bad.any():
        place = tuple(map(int, np.argwhere(bad)[0]))
        return [f"{name} at {place} = {array[place]}, {int(bad.sum())} such in total: allowed are finite numbers"]
    return []


def find_draw_problems(name: str, draws: NDArray, prior: Prior) -> list[str]:
    """Find draws (n, m, d) that do not vary, or whose units are not the prior's."""
    if found := find_still_draws(name, draws, prior.parameters):
        return found
    inside = np.isfinite(prior.log_prob(draws.reshape(-1, draws.shape[-1]))).mean()
    if inside >= _MIN_INSIDE:
        return []
    middle = ", ".join(f"{value:.4g}" for value in np.median(draws, axis=(0, 1)))
    units = ", ".join(f"{n} {low:g} to {high:g}" for n, (low, high) in prior.support.items())
    return [f"{name} with {inside:.1%} of the draws inside the prior and medians {middle}: allowed is {units}"]


def find_still_draws(name: str, draws: NDArray, names: Sequence[str]) -> list[str]:
    """Find draws (n, m, d) that do not vary."""
    still = np.argwhere(draws.max(axis=1) == draws.min(axis=1))
    if not len(still):
        return []
    row, parameter = map(int, still[0])
    stated = f"{names[parameter]} of row {row} = {draws[row, 0, parameter]} in every draw"
    return [f"{name}: {stated}, {len(still)} such in total: allowed are draws that vary"]


def find_density_problems(samples: NDArray, log_prob_truth: NDArray, truth: NDArray, prior: Prior) -> list[str]:
    """Find densities that do not match the draws: from other units or other draws, or too high."""
    among, everywhere = measure_density_excess(samples, log_prob_truth, truth, prior)
    highest = float(np.fmax(among, everywhere))
    if not (highest > _MAX_NATS or among < _MIN_NATS):
        return []
    mean = highest if highest > _MAX_NATS else among
    return [
        f"log_prob_truth = {mean:+.2f} nats from the density of the draws around the truths, on average: allowed is "
        f"{_MIN_NATS:g} to {_MAX_NATS:+g}, for normalised densities per unit of {', '.join(prior.parameters)}, as of "
        "task.prior.log_prob"
    ]


def measure_density_excess(
    samples: NDArray, log_prob_truth: NDArray, truth: NDArray, prior: Prior
) -> tuple[float, float]:
    """Measure how far densities lie above those of the draws around the truths [nats].

    Parameters
    ----------
    samples, log_prob_truth, truth : ndarray, shape (n, m, d), (n,) and (n, d)
        Draws, submitted log densities of the truths, and the truths.
    prior : Prior
        Of the parameters.

    Returns
    -------
    among : float
        Mean over the truths within two widths of their draws, where neighbours give the density to 0.1 nats; NaN if
        there are fewer than ten.
    everywhere : float
        Mean over all, with deficits clipped: a density that is too high anywhere raises it.
    """
    near, distance = neighbour_log_density(samples, truth, prior)
    excess, is_among = log_prob_truth - near, distance < _AMONG
    known = np.isfinite(excess)
    among = float(excess[known & is_among].mean()) if (known & is_among).sum() >= _MIN_AMONG else float("nan")
    everywhere = float(np.maximum(excess[known], -_MAX_BELOW).mean()) if known.any() else float("nan")
    return among, everywhere
