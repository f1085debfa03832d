"""Tests of accuracy with random points (TARP; Lemos et al. 2023, arXiv:2302.03026).

They detect a wrong width. The reference points lie on all sides of the posterior, so a shift or a shear of it makes
some balls too large and others too small, and most of that cancels: a bias of 0.3 sigma or a missing correlation takes
thousands of observations to detect (`highest_density_coverage` and `region_coverage` need fewer). The points do not
depend on the data, so a posterior that equals the prior passes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from mwlmc_data.arguments.arrays import as_floats, as_seed
from mwlmc_data.display import Displayed
from mwlmc_data.scoring.calibration import ecdf_band, randomised_fractions
from mwlmc_data.scoring.checks import checked_bins, checked_samples
from mwlmc_data.scoring.coverage import empirical_distribution

_MODES = ("valid", "paper")
#: Numbers of samples worked on at once (2 MB: they stay in the cache).
_BLOCK = 1 << 18


@dataclass(frozen=True, repr=False)
class Tarp(Displayed):
    """The curve of expected coverage and its tests.

    Attributes
    ----------
    mode : str
        "valid" or "paper".
    credibility, coverage : ndarray, shape (k,)
        The curve: nominal credibility and the fraction of truths within it. The diagonal is right.
    fractions : ndarray, shape (n,)
        Coverage fraction of each truth, randomised in mode "valid".
    area : float
        Integral of coverage - credibility above credibility one half ("ATC", without its factor of the grid).
        Positive: too wide, conservative; negative: too narrow, overconfident. It is blind to a bias.
    ks_pvalue : float
        In mode "valid" the one-sample test of the fractions against the uniform distribution. In mode
        "paper" the two-sample test of the two gridded curves, as the paper prints it: it compares some 65
        grid points of a smooth curve as if they were data, and does not reject widths wrong by a third.
    """

    mode: str
    credibility: NDArray
    coverage: NDArray
    fractions: NDArray
    area: float
    ks_pvalue: float

    @property
    def area_error(self) -> float:
        """Standard deviation of `area` in mode "valid" over sets of n calibrated observations."""
        # the area is the mean of min(1 - u, 1/2) over uniform u, up to a constant
        return float(np.sqrt(5.0 / 192.0 / len(self.fractions)))


def draw_references(truth: ArrayLike, seed: int = 0) -> NDArray:
    """Draw a random reference point per observation, uniform in the box that the truths span.

    Parameters
    ----------
    truth : array_like, shape (n, d)
        True parameters.
    seed : int
        Seed of the draw.

    Returns
    -------
    ndarray, shape (n, d)
    """
    truth = as_floats("truth", truth)
    if truth.ndim != 2 or truth.size == 0:
        raise ValueError(f"shape of truth = {truth.shape}: allowed is (observations, parameters)")
    return np.random.default_rng(as_seed("seed", seed)).uniform(truth.min(axis=0), truth.max(axis=0), size=truth.shape)


def tarp(
    samples: ArrayLike,
    truth: ArrayLike,
    references: ArrayLike | None = None,
    mode: str = "valid",
    bins: int | None = None,
    seed: int = 0,
) -> Tarp:
    """Coverage of balls around random points, through the truth (Lemos et al. 2023, algorithm 2).

    Distances are Euclidean after each parameter is scaled by the range of the truths.

    Parameters
    ----------
    samples : array_like, shape (n, m, d)
        Posterior draws.
    truth : array_like, shape (n, d)
        True parameters.
    references : array_like, shape (n, d), optional
        Reference points; by default `draw_references` with `seed`.
    mode : {"valid", "paper"}
        "valid": randomised fractions, their exact empirical distribution, one-sample KS. "paper": the
        histogram of plain fractions over their own range, its running sum, and the two-sample KS of the
        grids, which is what Brooks et al. (2025) quote as area to curve and p-value (sbi's ``run_tarp`` and
        ``check_tarp``).
    bins : int, optional
        Bins of the curve; by default n // 10, at least 2.
    seed : int
        Seed of references and randomisation.

    Returns
    -------
    Tarp

    Raises
    ------
    ValueError
        If a shape does not match, a value is not finite, the truths of a parameter are all equal, or mode is
        unknown.
    """
    if mode not in _MODES:
        raise ValueError(f"mode = {mode!r}: allowed is {' or '.join(_MODES)}")
    samples, truth = checked_samples(samples, truth)
    references = draw_references(truth, seed) if references is None else as_floats("references", references)
    if references.shape != truth.shape:
        raise ValueError(f"shape of references = {references.shape}: allowed is that of truth, {truth.shape}")
    bins = checked_bins(bins, max(2, len(truth) // 10))
    closer, tied = _closer_draws(samples, truth, references)
    if mode == "paper":
        return _paper_curve(closer / samples.shape[1], bins)
    # a separate stream: with the seed of the references the randomisation would repeat their numbers
    rng = np.random.default_rng([as_seed("seed", seed), 1])
    return _valid_curve(randomised_fractions(closer, tied, samples.shape[1], rng), bins)


def tarp_band(n: int, credibility: ArrayLike, level: float = 0.95) -> tuple[NDArray, NDArray]:
    """Simultaneous band within which the curve of n calibrated observations stays with probability `level`.

    The curve is the empirical distribution of uniform fractions: `ecdf_band` (Säilynoja et al. 2022).

    Parameters
    ----------
    n : int
        Number of observations.
    credibility : array_like, shape (k,)
        Nominal credibilities; 0 and 1 are allowed, where the curve is fixed.
    level : float
        Probability that the whole curve stays inside.

    Returns
    -------
    low, high : ndarray, shape (k,)
        Coverage at the band's edges.

    Raises
    ------
    ValueError
        If a credibility is not a number from 0 to 1.
    """
    credibility = as_floats("credibility", credibility, shape=("k",), minimum=0.0, maximum=1.0)
    inside = (credibility > 0) & (credibility < 1)
    low, high = credibility.copy(), credibility.copy()
    if inside.any():
        _, low[inside], high[inside] = ecdf_band(n, level, credibility[inside])
    return low, high


def _closer_draws(samples: NDArray, truth: NDArray, references: NDArray) -> tuple[NDArray, NDArray]:
    """Count the draws closer to the reference than the truth is, and those exactly as far; shapes (n,)."""
    span = np.ptp(truth, axis=0)
    if len(truth) > 1 and (span <= 0).any():
        raise ValueError(
            f"all truths of parameter {int(np.argmin(span))} are equal: allowed are truths that vary"
        )
    scale = np.where(span > 0, span, 1.0)
    to_truth = np.linalg.norm((references - truth) / scale, axis=1)
    closer, tied = np.empty(len(truth), dtype=int), np.empty(len(truth), dtype=int)
    step = max(1, _BLOCK // samples[0].size)
    for start in range(0, len(truth), step):
        rows = slice(start, start + step)
        to_draws = np.linalg.norm((references[rows, None, :] - samples[rows]) / scale, axis=2)
        closer[rows] = (to_draws < to_truth[rows, None]).sum(axis=1)
        tied[rows] = (to_draws == to_truth[rows, None]).sum(axis=1)
    return closer, tied


def _valid_curve(fractions: NDArray, bins: int) -> Tarp:
    """Compute the exact empirical distribution on a fixed grid, its exact area, and the one-sample test."""
    grid = np.linspace(0.0, 1.0, bins + 1)
    area = float(np.minimum(1.0 - fractions, 0.5).mean() - 0.375)
    pvalue = float(stats.kstest(fractions, "uniform").pvalue)
    return Tarp("valid", grid, empirical_distribution(fractions, grid), fractions, area, pvalue)


def _paper_curve(fractions: NDArray, bins: int) -> Tarp:
    """Compute curve, area and p-value in the form that the paper quotes."""
    histogram, grid = np.histogram(fractions, bins=bins)
    coverage = np.concatenate([[0.0], np.cumsum(histogram) / histogram.sum()])
    middle = len(grid) // 2
    area = float(((coverage[middle:] - grid[middle:]) * (grid[1] - grid[0])).sum())
    # scipy tries the exact distribution up to 10,000 points and may give up, with a warning
    method = "auto" if bins <= 500 else "asymp"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "ks_2samp: Exact calculation unsuccessful", RuntimeWarning)
        pvalue = float(stats.ks_2samp(coverage, grid, method=method).pvalue)
    return Tarp("paper", grid, coverage, fractions, area, pvalue)
