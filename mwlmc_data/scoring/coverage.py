"""Expected coverage: how often regions of a stated credibility hold the truth, as a curve with its band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from mwlmc_data.arguments.arrays import as_floats, as_whole
from mwlmc_data.arguments.messages import refuse
from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.scoring.checks import checked_level, checked_vector


@dataclass(frozen=True, repr=False)
class Coverage(Displayed):
    """Coverage fractions of the truths and their curve.

    Attributes
    ----------
    fractions : ndarray, shape (n,)
        Credibility of the smallest region that holds the truth, randomised: uniform in (0, 1) if calibrated.
    credibility, coverage : ndarray, shape (k,)
        The curve: nominal credibility and the fraction of truths within it. The diagonal is right.
    ks_pvalue : float
        One-sample Kolmogorov-Smirnov test of the fractions against the uniform distribution.
    """

    fractions: Float64Array
    credibility: Float64Array
    coverage: Float64Array
    ks_pvalue: float

    @property
    def deviation(self) -> float:
        """Mean of the fractions minus one half. Negative: conservative; positive: overconfident."""
        return float(self.fractions.mean() - 0.5)

    @property
    def area(self) -> float:
        """Integral of coverage - credibility, minus `deviation`. Positive: conservative; negative: overconfident."""
        return -self.deviation

    @property
    def area_error(self) -> float:
        """Standard deviation of `area` and `deviation` over sets of n calibrated observations."""
        return float(np.sqrt(1.0 / 12.0 / len(self.fractions)))


def coverage_of(fractions: NDArray, bins: int) -> Coverage:
    """Evaluate coverage fractions (n,) at bins + 1 credibilities from 0 to 1, and test them."""
    grid = np.linspace(0.0, 1.0, bins + 1)
    pvalue = float(stats.kstest(fractions, "uniform").pvalue)
    return Coverage(fractions, grid, empirical_distribution(fractions, grid), pvalue)


def empirical_distribution(values: NDArray, points: NDArray) -> Float64Array:
    """Return the fraction of values (n,) at or below each of the points (k,)."""
    return np.searchsorted(np.sort(values), points, side="right") / len(values)


def coverage_band(
    fractions: ArrayLike, credibility: ArrayLike, level: float = 0.95
) -> tuple[Float64Array, Float64Array]:
    """Pointwise band of the measured curve over other sets of observations.

    The curve at one credibility is a binomial fraction, so its exact interval (Clopper & Pearson 1934) replaces the
    bootstrap over observations of Lemos et al. (2023), which has no width where the curve is 0 or 1. For the band
    that holds the complete curve of a calibrated posterior see `tarp_band`.

    Parameters
    ----------
    fractions : array_like, shape (n,)
        Coverage fractions of TARP or of highest-density regions.
    credibility : array_like, shape (k,)
        Where to evaluate, in [0, 1].
    level : float
        Level of the interval at each credibility.

    Returns
    -------
    low, high : ndarray, shape (k,)

    Raises
    ------
    ValueError
        If a value is not finite or outside [0, 1].
    """
    values, points = checked_vector(fractions, "fractions"), checked_vector(credibility, "credibility")
    for name, array in (("fractions", values), ("credibility", points)):
        if array.min() < 0 or array.max() > 1:
            raise ValueError(f"{name} = {array.min()} to {array.max()}: allowed is between 0 and 1")
    inside = np.searchsorted(np.sort(values), points, side="right")
    return binomial_interval(inside, values.size, level)


def binomial_interval(count: ArrayLike, n: int, level: float = 0.95) -> tuple[Float64Array, Float64Array]:
    """Exact interval of a fraction from `count` hits in n trials (Clopper & Pearson 1934), at `level` or above.

    Parameters
    ----------
    count : array_like of int
        Hits in n trials, any shape.
    n : int
        Number of trials.
    level : float
        Level of the interval.

    Returns
    -------
    low, high : ndarray
        Of the shape of count.

    Raises
    ------
    ValueError
        If n is below 1 or a count is outside 0 to n.
    """
    n = as_whole("n", n, 1)
    seen = as_floats("count", count)
    if seen.size == 0:
        raise ValueError(f"count = nothing: allowed is a whole number from 0 to {n}")
    bad = (seen < 0) | (seen > n) | (seen != np.floor(seen))
    if bad.any():
        refuse("count", seen, bad, f"a whole number from 0 to {n}")
    tail = (1.0 - checked_level(level)) / 2.0
    # a beta distribution with a shape of zero has no quantile: there the end is the edge itself
    low = np.where(seen == 0, 0.0, stats.beta.ppf(tail, np.maximum(seen, 1), n - seen + 1))
    high = np.where(seen == n, 1.0, stats.beta.isf(tail, seen + 1, np.maximum(n - seen, 1)))
    return low, high
