"""Errors by bootstrap over groups of rows: rows of one group, such as haloes of one simulation, are not independent."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import describe_tuple

_SEED, _RESAMPLES = 20250713, 1000


class GroupedMean(NamedTuple):
    """Means of columns and what the bootstrap over groups makes of them."""

    mean: Float64Array  # (k,), NaN where no value is known
    resampled: Float64Array  # (resamples, k), NaN where a resample holds no known value

    def __repr__(self) -> str:
        return describe_tuple(self)


def average_groups(values: NDArray, groups: NDArray, n_resamples: int = _RESAMPLES) -> GroupedMean:
    """Average over rows, and over rows of resampled groups (Field & Welsh 2007, J. R. Stat. Soc. B 69, 369).

    Parameters
    ----------
    values : ndarray, shape (n, k)
        Numbers of each row; NaN where one is not known, which is left out.
    groups : ndarray of int, shape (n,)
        Group of each row.
    n_resamples : int
        Number of resamples; they are the same at every call with the same groups.

    Returns
    -------
    GroupedMean
    """
    places, counts = _place(groups, n_resamples)
    known = np.isfinite(values)
    sums, numbers = (np.zeros((counts.shape[1], values.shape[1])) for _ in range(2))
    np.add.at(sums, places, np.where(known, values, 0.0))
    np.add.at(numbers, places, known)
    with np.errstate(invalid="ignore"):
        return GroupedMean(sums.sum(axis=0) / numbers.sum(axis=0), (counts @ sums) / (counts @ numbers))


def average_squares(squares: NDArray, groups: NDArray) -> GroupedMean:
    """Root of the averages (`average_groups`) of squares (n, k)."""
    mean, resampled = average_groups(squares, groups)
    return GroupedMean(np.sqrt(mean), np.sqrt(resampled))


def find_errors(resampled: NDArray) -> Float64Array:
    """Standard error (k,) of statistics from their resamples (b, k); NaN where fewer than two are known."""
    known = np.isfinite(resampled)
    errors = [column[k].std(ddof=1) if k.sum() > 1 else np.nan for column, k in zip(resampled.T, known.T, strict=True)]
    return np.array(errors)


def resample_statistic(
    statistic: Callable[[NDArray[np.intp]], NDArray], groups: NDArray, n_resamples: int = _RESAMPLES
) -> Float64Array:
    """Compute statistics of the rows of resampled groups, for those that are no means.

    Parameters
    ----------
    statistic : callable
        Returns the statistics (k,) of rows (m,), of which some repeat.
    groups : ndarray of int, shape (n,)
        Group of each row.
    n_resamples : int
        Number of resamples.

    Returns
    -------
    ndarray, shape (n_resamples, k)
    """
    places, counts = _place(groups, n_resamples)
    return np.array([statistic(np.repeat(np.arange(len(groups)), drawn[places])) for drawn in counts])


class GroupedComparison(NamedTuple):
    """Estimates beside a truth: pairs of a number and its error by bootstrap over groups."""

    correlation: tuple[float, float]  # coefficient of the two
    ratio: tuple[float, float]  # median of estimate / truth
    scatter: tuple[float, float]  # half the width of the central 68% of ln(estimate / truth)

    def __repr__(self) -> str:
        return describe_tuple(self)


def compare(estimate: NDArray, truth: NDArray, groups: NDArray) -> GroupedComparison:
    """Compare positive estimates (n,) with positive truths (n,)."""

    def measure(rows: NDArray[np.intp]) -> Float64Array:
        low, median, high = np.percentile(estimate[rows] / truth[rows], [16.0, 50.0, 84.0])
        return np.array([median, 0.5 * np.log(high / low)])

    value, error = measure(np.arange(len(estimate))), find_errors(resample_statistic(measure, groups))
    (ratio, scatter) = ((float(v), float(e)) for v, e in zip(value, error, strict=True))
    return GroupedComparison(correlate(estimate, truth, groups), ratio, scatter)


def correlate(estimate: NDArray, truth: NDArray, groups: NDArray) -> tuple[float, float]:
    """Correlation coefficient of estimates (n,) and truths (n,), and its error; NaN where one of them is constant."""

    def measure(rows: NDArray[np.intp]) -> Float64Array:
        x, y = (values[rows] - values[rows].mean() for values in (estimate, truth))
        size = np.sqrt((x @ x) * (y @ y))
        return np.array([x @ y / size if size > 0.0 else np.nan])

    value, error = measure(np.arange(len(estimate))), find_errors(resample_statistic(measure, groups))
    return float(value[0]), float(error[0])


def _place(groups: NDArray, n_resamples: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Place of each row's group (n,), and how often each resample holds each group (b, g)."""
    known, places = np.unique(groups, return_inverse=True)
    g = len(known)
    if g < 2:  # nothing is learnt of the scatter between groups
        return places, np.ones((1, g), dtype=np.int64)
    return places, np.random.default_rng(_SEED).multinomial(g, np.full(g, 1.0 / g), n_resamples)
