"""Rank calibration, coverage of intervals and contraction.

A calibrated posterior and the truth are exchangeable, so the rank of the truth among m draws is uniform
(Talts et al. 2018). Ranks detect a bias and a wrong width of each marginal. They do not detect a wrong
correlation, and a posterior that equals the prior passes: read `contraction` beside them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from mwlmc_data.arguments.arrays import as_seed, as_whole
from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.scoring.checks import checked_bins, checked_draws, checked_level, checked_samples, checked_vector


@dataclass(frozen=True, repr=False)
class RankCalibration(Displayed):
    """Ranks of the truth in its posterior, tested for uniformity parameter by parameter.

    Attributes
    ----------
    fractions : ndarray, shape (n, d)
        Randomised rank fractions, uniform in (0, 1) if calibrated.
    histogram : ndarray, shape (d, bins)
        Their counts in equal bins.
    expected : float
        Expected count of a bin.
    ks, ks_pvalue : ndarray, shape (d,)
        One-sample Kolmogorov-Smirnov distance to the uniform distribution and its p-value.
    chi2_pvalue : ndarray, shape (d,)
        p-value of Pearson's chi-squared of the histogram.
    """

    fractions: NDArray
    histogram: NDArray
    expected: float
    ks: NDArray
    ks_pvalue: NDArray
    chi2_pvalue: NDArray


def rank_fractions(samples: ArrayLike, truth: ArrayLike, seed: int = 0) -> NDArray:
    """Randomised rank fractions of the truth: (number of draws below + U) / (m + 1) (after Talts et al. 2018).

    The uniform number U spreads each of the m + 1 possible ranks over its cell, and over the cells of tied
    draws, so that the fractions of a calibrated posterior are exactly uniform, for any m.

    Parameters
    ----------
    samples : array_like, shape (n, m, d)
        Posterior draws.
    truth : array_like, shape (n, d)
        True parameters.
    seed : int
        Seed of the randomisation.

    Returns
    -------
    ndarray, shape (n, d)
        Fractions in (0, 1).
    """
    samples, truth = checked_samples(samples, truth)
    below = (samples < truth[:, None, :]).sum(axis=1)
    tied = (samples == truth[:, None, :]).sum(axis=1)
    return randomised_fractions(below, tied, samples.shape[1], np.random.default_rng(as_seed("seed", seed)))


def randomised_fractions(below: NDArray, tied: NDArray, n_draws: int, rng: np.random.Generator) -> NDArray:
    """Turn counts of draws below and tied into fractions that are uniform if the counts are exchangeable."""
    return (below + rng.uniform(size=below.shape) * (tied + 1)) / (n_draws + 1)


def rank_calibration(
    samples: ArrayLike, truth: ArrayLike, bins: int | None = None, seed: int = 0
) -> RankCalibration:
    """Test the ranks of the truth for uniformity (simulation-based calibration; Talts et al. 2018).

    Parameters
    ----------
    samples : array_like, shape (n, m, d)
        Posterior draws.
    truth : array_like, shape (n, d)
        True parameters.
    bins : int, optional
        Bins of the histogram; by default as many as leave 32 expected in each, between 4 and 20.
    seed : int
        Seed of the randomisation of the ranks.

    Returns
    -------
    RankCalibration

    Raises
    ------
    ValueError
        If shapes do not match, a value is not finite, or bins is below 2.
    """
    fractions = rank_fractions(samples, truth, seed)
    n, d = fractions.shape
    bins = checked_bins(bins, int(np.clip(n // 32, 4, 20)))
    histogram = np.stack([np.histogram(fractions[:, j], bins=bins, range=(0.0, 1.0))[0] for j in range(d)])
    tests = [stats.kstest(fractions[:, j], "uniform") for j in range(d)]
    return RankCalibration(
        fractions=fractions,
        histogram=histogram,
        expected=n / bins,
        ks=np.array([test.statistic for test in tests]),
        ks_pvalue=np.array([test.pvalue for test in tests]),
        chi2_pvalue=np.array([stats.chisquare(row).pvalue for row in histogram]),
    )


def ecdf_band(
    n: int, level: float = 0.95, points: ArrayLike | None = None, trials: int = 1000, seed: int = 0
) -> tuple[NDArray, NDArray, NDArray]:
    """Simultaneous band of the empirical distribution function of n uniform numbers.

    After Säilynoja et al. (2022, algorithm 1). The whole curve of a calibrated posterior stays inside with
    probability `level`. The pointwise level is adjusted by simulation, so the band is narrow at the ends
    where a wrong width shows, unlike one of constant height.

    Parameters
    ----------
    n : int
        Number of values in the curve.
    level : float
        Probability that the whole curve stays inside.
    points : array_like, shape (k,), optional
        Where to evaluate, in (0, 1); by default 99 equal steps.
    trials : int
        Simulated curves that set the pointwise level.
    seed : int
        Their seed.

    Returns
    -------
    points, low, high : ndarray, shape (k,)
        The band for the empirical distribution function (subtract `points` for the difference plot).
    """
    n, trials = as_whole("n", n, 1), as_whole("trials", trials, 1)
    level = checked_level(level)
    points = np.linspace(0.01, 0.99, 99) if points is None else checked_vector(points, "points")
    if points.min() <= 0 or points.max() >= 1:
        raise ValueError(
            f"points = {points.min()} to {points.max()}: allowed is between 0 and 1, both excluded"
        )
    uniform = np.sort(np.random.default_rng(as_seed("seed", seed)).uniform(size=(trials, n)), axis=1)
    counts = np.stack([np.searchsorted(row, points, side="right") for row in uniform])
    tails = np.minimum(stats.binom.cdf(counts, n, points), stats.binom.sf(counts - 1, n, points))
    pointwise = np.quantile(2.0 * tails.min(axis=1), 1.0 - level)
    low = stats.binom.ppf(pointwise / 2.0, n, points) / n
    high = stats.binom.ppf(1.0 - pointwise / 2.0, n, points) / n
    return points, low, high


def interval_coverage(samples: ArrayLike, truth: ArrayLike, level: float) -> tuple[NDArray, NDArray]:
    """Fraction of truths inside the central interval of the given level, per parameter (after Cook et al. 2006).

    The interval is that of `central_interval`, so a calibrated posterior covers at the level with any number of draws.

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
    fraction, error : ndarray, shape (d,)
        Measured coverage and its binomial standard error at the nominal level.
    """
    samples, truth = checked_samples(samples, truth)
    level = checked_level(level)
    low, high = central_interval(samples, level)
    fraction = ((truth >= low) & (truth <= high)).mean(axis=0)
    return fraction, np.full(fraction.shape, np.sqrt(level * (1 - level) / len(truth)))


def central_interval(samples: NDArray, level: float) -> Float64Array:
    """Return the ends (2, n, d) of the central interval of draws (n, m, d) that holds a further draw with `level`.

    Quantile p is at place p (m + 1) among the draws (Weibull's plotting position; Hyndman & Fan 1996, type 6): NumPy's
    default covers (m - 1) / (m + 1) times the level, a third of the error of 10,000 observations at m = 1,000.
    """
    return np.quantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=1, method="weibull")


def contraction(samples: ArrayLike, prior_variance: ArrayLike) -> NDArray:
    """Mean posterior contraction 1 - var(posterior) / var(prior), per parameter (Schad et al. 2021, eq. 7).

    Zero is a posterior as wide as the prior, which is calibrated but uninformative.

    Parameters
    ----------
    samples : array_like, shape (n, m, d)
        Posterior draws.
    prior_variance : array_like, shape (d,)
        Variance of each parameter under the prior.

    Returns
    -------
    ndarray, shape (d,)
        Mean over observations.
    """
    samples = checked_draws(samples, minimum=2)
    variance = checked_vector(prior_variance, "prior_variance")
    if samples.shape[2] != variance.size:
        raise ValueError(
            f"size of prior_variance = {variance.size}: allowed is {samples.shape[2]}, one for each parameter"
        )
    if (variance <= 0).any():
        raise ValueError(f"prior_variance = {variance.min()}: allowed are positive numbers")
    return 1.0 - samples.var(axis=1, ddof=1).mean(axis=0) / variance
