"""Scores for observations unlike the training set, to test if an estimator knows its limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.scoring.calibration import central_interval
from mwlmc_data.scoring.checks import (
    checked_draws,
    checked_level,
    checked_samples,
    checked_scale,
    checked_vector,
    varying_std,
)
from mwlmc_data.scoring.coverage import binomial_interval

#: Logarithm of the determinant of a correlation matrix below which draws count as lying in a plane.
_FLAT = -33.0


def z_of_truth(samples: ArrayLike, truth: ArrayLike) -> Float64Array:
    """Distance of the truth from the posterior mean in posterior standard deviations (Schad et al. 2021).

    Its square has mean 1 over observations if mean and width are right (for m draws 1 + 1/m, times (m - 1)/(m - 3) of
    a Gaussian). It is positive where the posterior lies too low.

    Parameters
    ----------
    samples : array_like, shape (n, m, d)
        Posterior draws, at least 2 an observation.
    truth : array_like, shape (n, d)
        True parameters.

    Returns
    -------
    ndarray, shape (n, d)

    Raises
    ------
    ValueError
        If shapes do not match, a value is not finite, or draws are all equal.
    """
    draws, known = checked_samples(samples, truth, minimum=2)
    return (known - draws.mean(axis=1)) / varying_std(draws, "samples")


@dataclass(frozen=True, repr=False)
class Hits(Displayed):
    """Truths inside central intervals, per parameter.

    Attributes
    ----------
    level : float
        Nominal level of the intervals.
    inside : ndarray of bool, shape (n, d)
        Whether each truth is inside.
    count : ndarray of int, shape (d,)
        Number of truths inside, out of n.
    fraction, low, high : ndarray, shape (d,)
        count / n and its exact 95% binomial interval: the posterior is wrong where `level` lies outside.
    """

    level: float
    inside: NDArray[np.bool_]
    count: NDArray[np.int64]
    fraction: Float64Array
    low: Float64Array
    high: Float64Array


def hits(samples: ArrayLike, truth: ArrayLike, level: float) -> Hits:
    """Count the truths inside the central interval of a level, with errors valid for few observations.

    `interval_coverage` returns the same fractions with the error at the nominal level; here the interval is exact
    (Clopper & Pearson 1934) and around the count, so it holds for eight cases as for ten thousand rows.

    Parameters
    ----------
    samples : array_like, shape (n, m, d)
        Posterior draws.
    truth : array_like, shape (n, d)
        True parameters.
    level : float
        Nominal level, e.g. 0.68.

    Returns
    -------
    Hits
    """
    draws, known = checked_samples(samples, truth)
    level = checked_level(level)
    lower, upper = central_interval(draws, level)
    inside = (known >= lower) & (known <= upper)
    count = inside.sum(axis=0)
    low, high = binomial_interval(count, len(known))
    return Hits(level, inside, count, count / len(known), low, high)


def log_volume(samples: ArrayLike, scale: ArrayLike, allow_flat: bool = False) -> Float64Array:
    """Half the log determinant of the posterior covariance (generalised variance; Wilks 1932) of each observation.

    A statistic for `detection_auroc` that any entry has: an entry that knows its limits answers a shifted
    observation with a larger volume.

    Parameters
    ----------
    samples : array_like, shape (n, m, d)
        Posterior draws, more than d an observation.
    scale : array_like, shape (d,)
        What each parameter is divided by, in its unit.
    allow_flat : bool
        Give draws that lie in a plane the smallest volume that rounding can tell from it, instead of refusing them.

    Returns
    -------
    ndarray, shape (n,)
        In nats; a Gaussian posterior of unit standard deviations in units of `scale` has 0.

    Raises
    ------
    ValueError
        If a shape is wrong, a value is not finite, or the draws of an observation lie in a plane.
    """
    draws = checked_draws(samples)
    m, d = draws.shape[1:]
    unit = checked_scale(scale, d)
    if m <= d:
        raise ValueError(f"shape of samples = {draws.shape}: allowed is more draws than parameters")
    std = varying_std(draws, "samples")
    standard = (draws - draws.mean(axis=1, keepdims=True)) / std[:, None]
    correlation = np.einsum("nmi,nmj->nij", standard, standard) / (m - 1)
    sign, log_determinant = np.linalg.slogdet(correlation)
    # rounding gives draws in a plane a determinant of about the precision, of either sign
    is_flat = (sign <= 0) | (log_determinant < _FLAT)
    log_determinant = np.where(is_flat, _FLAT, log_determinant)
    flat = np.flatnonzero(is_flat)
    if flat.size and not allow_flat:
        raise ValueError(f"samples of observation {int(flat[0])} lie in a plane: allowed are draws in {d} directions")
    return np.log(std / unit).sum(axis=1) + 0.5 * log_determinant


@dataclass(frozen=True)
class Auroc:
    """Area under the receiver operating characteristic: the chance that a shifted row has the larger statistic.

    Attributes
    ----------
    value : float
        One half: the shift is not detected; 1: every shifted row is above every nominal one; below one half: the
        statistic falls where it should rise.
    error : float
        Standard error (DeLong et al. 1988); zero where the two do not overlap, unlike `low` and `high`.
    low, high : float
        95% interval (Newcombe 2006, method 5), with some width at 0 and 1 too.
    """

    value: float
    error: float
    low: float
    high: float


def detection_auroc(statistic_shifted: ArrayLike, statistic_nominal: ArrayLike) -> Auroc:
    """How well a statistic separates shifted from nominal observations (Mann & Whitney 1947; DeLong et al. 1988).

    Errors assume rows drawn independently. Where the shifted rows are changed copies of the nominal ones, the two
    statistics are correlated, and the errors are too large rather than too small.

    Parameters
    ----------
    statistic_shifted : array_like, shape (a,)
        Statistic of shifted observations, at least 2. It should be larger there: the volume of the posterior, or
        minus the log evidence.
    statistic_nominal : array_like, shape (b,)
        The same statistic of observations like those of the training set, at least 2. Ties count one half.

    Returns
    -------
    Auroc

    Raises
    ------
    ValueError
        If a shape is wrong, there are fewer than 2 of either, or a value is not finite.
    """
    shifted = checked_vector(statistic_shifted, "statistic_shifted")
    nominal = checked_vector(statistic_nominal, "statistic_nominal")
    for name, array in (("statistic_shifted", shifted), ("statistic_nominal", nominal)):
        if array.size < 2:
            raise ValueError(f"size of {name} = 1: allowed is 2 or more")
    a, b = shifted.size, nominal.size
    above, below = compute_placements(shifted, nominal)
    value = float(above.mean())
    error = float(np.sqrt(above.var(ddof=1) / a + below.var(ddof=1) / b))
    return Auroc(value, error, *_newcombe(value, a, b))


def compute_placements(shifted: NDArray, nominal: NDArray) -> tuple[Float64Array, Float64Array]:
    """Compute for each row the fraction of the other kind that it exceeds, or that exceeds it (DeLong 1988, eq. 4).

    Parameters
    ----------
    shifted, nominal : ndarray, shape (a,) and (b,)
        A statistic of both kinds.

    Returns
    -------
    above, below : ndarray, shape (a,) and (b,)
        The mean of either is the area under the curve; a row contributes its own value minus that mean, over a or b.
    """
    a, b = len(shifted), len(nominal)
    together = stats.rankdata(np.concatenate([shifted, nominal]))
    above = (together[:a] - stats.rankdata(shifted)) / b
    return above, 1.0 - (together[a:] - stats.rankdata(nominal)) / a


def _newcombe(value: float, a: int, b: int, level: float = 0.95) -> tuple[float, float]:
    """Return an interval of an area under the curve that keeps its width at 0 and 1 (Newcombe 2006, method 5)."""
    z, pairs = stats.norm.isf((1 - level) / 2), (a + b) / 2 - 1

    def misfit(area: float, sign: float) -> float:
        spread = area * (1 - area) * (1 + pairs * (1 - area) / (2 - area) + pairs * area / (1 + area)) / (a * b)
        return area + sign * z * np.sqrt(spread) - value

    # at 0 and 1 the value itself also solves the equation; the end is the other solution
    low = 0.0 if value == 0 else optimize.brentq(misfit, 0.0, min(value, 1 - 1e-9), args=(1.0,))
    high = 1.0 if value == 1 else optimize.brentq(misfit, max(value, 1e-9), 1.0, args=(-1.0,))
    return float(low), float(high)
