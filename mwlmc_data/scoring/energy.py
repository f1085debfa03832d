"""The energy score, and its gap to another entry with a paired bootstrap error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist, pdist

from mwlmc_data.arguments.arrays import as_seed, as_whole
from mwlmc_data.array_types import Float64Array
from mwlmc_data.scoring.checks import checked_level, checked_pair, checked_samples, checked_scale, checked_vector

#: Distances held at once (8 MB), whatever the number of draws.
_BLOCK = 1 << 20


def energy_score(samples: ArrayLike, truth: ArrayLike, scale: ArrayLike) -> Float64Array:
    """Energy score E|X - y| - E|X - X'| / 2 of each observation (Gneiting & Raftery 2007, sec. 4.3).

    Lower is better; only the exact posterior minimises its mean over observations, so it detects a wrong width,
    a bias and a wrong correlation, though the last weakly. Distances are Euclidean after
    each parameter is divided by `scale`. The second mean runs over all pairs of different draws, so that the
    score is unbiased in the number of draws (the "fair" score, Ferro 2014): entries with few and with many
    draws are comparable, and the score of one observation may come out slightly negative.

    Parameters
    ----------
    samples : array_like, shape (n, m, d)
        Posterior draws, at least 2 an observation.
    truth : array_like, shape (n, d)
        True parameters.
    scale : array_like, shape (d,)
        What each parameter is divided by, in its unit; fixed by the task, so that scores are comparable.

    Returns
    -------
    ndarray, shape (n,)
        In units of `scale`.

    Raises
    ------
    ValueError
        If shapes do not match, a value is not finite, there are fewer than 2 draws, or a scale is not
        positive.
    """
    draws, known = checked_samples(samples, truth, minimum=2)
    unit = checked_scale(scale, draws.shape[2])
    score = np.empty(len(draws))
    for i, (row, right) in enumerate(zip(draws, known, strict=True)):
        scaled = row / unit
        score[i] = np.linalg.norm(scaled - right / unit, axis=1).mean() - 0.5 * mean_pair_distance(scaled)
    return score


def energy_distance(samples: ArrayLike, reference: ArrayLike, scale: ArrayLike) -> Float64Array:
    """Gap of the expected energy score to the reference posterior, observation by observation.

    E|X - Y| - E|X - X'| / 2 - E|Y - Y'| / 2 for draws X of the entry and Y of the reference: half the energy
    distance (Székely & Rizzo 2013), zero for equal distributions and positive otherwise. If the truth is
    drawn from the reference, this is the mean of the entry's `energy_score` minus that of the reference, without
    the scatter due to the single truth of each observation. Unbiased, so for the exact posterior it scatters
    around zero, to both sides.

    Parameters
    ----------
    samples : array_like, shape (n, m, d)
        Posterior draws, at least 2 an observation.
    reference : array_like, shape (n, k, d)
        Draws of the reference posteriors of the same observations, at least 2.
    scale : array_like, shape (d,)
        What each parameter is divided by, as in `energy_score`.

    Returns
    -------
    ndarray, shape (n,)
        In units of `scale`.
    """
    draws, exact = checked_pair(samples, reference)
    unit = checked_scale(scale, draws.shape[2])
    gap = np.empty(len(draws))
    for i, (row, right) in enumerate(zip(draws / unit, exact / unit, strict=True)):
        within = 0.5 * (mean_pair_distance(row) + mean_pair_distance(right))
        gap[i] = _sum_of_distances(row, right) / (len(row) * len(right)) - within
    return gap


def mean_pair_distance(points: NDArray) -> float:
    """Average the Euclidean distance over all pairs of different points (m, d), in blocks."""
    m = len(points)
    step = max(1, _BLOCK // m)
    total = 0.0
    for start in range(0, m, step):
        block = points[start : start + step]
        total += pdist(block).sum() + cdist(block, points[start + step :]).sum()
    return float(2.0 * total / (m * (m - 1)))


def _sum_of_distances(first: NDArray, second: NDArray) -> float:
    """Sum the distances of every point of (m, d) to every one of (k, d), in blocks."""
    step = max(1, _BLOCK // len(second))
    return float(sum(cdist(first[i : i + step], second).sum() for i in range(0, len(first), step)))


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences of a score, and its uncertainty.

    Attributes
    ----------
    mean : float
        Mean over observations of score - reference score. For scores that are better when lower, positive is
        worse than the reference.
    error : float
        Standard deviation of that mean over the bootstrap.
    low, high : float
        Percentile interval of the bootstrap at the given level.
    n : int
        Number of observations.
    """

    mean: float
    error: float
    low: float
    high: float
    n: int


def paired_difference(
    score: ArrayLike, reference_score: ArrayLike, seed: int = 0, n_bootstrap: int = 2000, level: float = 0.95
) -> Difference:
    """Gap of a score to that of another entry on the same observations (paired bootstrap; Efron & Tibshirani 1993).

    Observations are resampled, each with both its scores, so that what makes an observation hard for everyone
    cancels. It applies to `energy_score` and to the negative log posterior alike.

    Parameters
    ----------
    score, reference_score : array_like, shape (n,)
        Scores of the same observations in the same order, at least 2.
    seed : int
        Seed of the bootstrap.
    n_bootstrap : int
        Resampled sets, at least 2.
    level : float
        Level of the interval.

    Returns
    -------
    Difference

    Raises
    ------
    ValueError
        If the shapes differ, there are fewer than 2 observations, a value is not finite, or a number is out
        of range.
    """
    own, other = checked_vector(score, "score"), checked_vector(reference_score, "reference_score")
    if own.shape != other.shape:
        raise ValueError(f"shape of reference_score = {other.shape}: allowed is that of score, {own.shape}")
    if own.size < 2:
        raise ValueError("number of scores = 1: allowed is 2 or more")
    n_bootstrap = as_whole("n_bootstrap", n_bootstrap, 2)
    level = checked_level(level)
    difference, rng = own - other, np.random.default_rng(as_seed("seed", seed))
    # one set at a time: the memory of one, and numbers that do not depend on a block size
    means = np.array([difference[rng.integers(own.size, size=own.size)].mean() for _ in range(n_bootstrap)])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Difference(float(difference.mean()), float(means.std(ddof=1)), float(low), float(high), own.size)
