"""Coverage of highest-density regions, with and without densities.

The fraction of draws in denser places than the truth is the credibility of the smallest region that holds it;
for a calibrated posterior it is uniform. Regions are centred on the posterior, so a bias leaves the truth outside
like a narrow posterior does: a negative area means "overconfident" and cannot tell the two apart.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from mwlmc_data.arguments.arrays import as_choice, as_floats, as_seed
from mwlmc_data.arguments.messages import refuse
from mwlmc_data.array_types import Float64Array
from mwlmc_data.scoring.calibration import randomised_fractions
from mwlmc_data.scoring.checks import checked_bins, checked_samples, varying_std
from mwlmc_data.scoring.coverage import Coverage, coverage_of


def highest_density_coverage(
    log_prob_samples: ArrayLike, log_prob_truth: ArrayLike, bins: int | None = None, seed: int = 0
) -> Coverage:
    """Expected coverage of highest-density regions (Hermans et al. 2022).

    `Coverage.area` is positive for a conservative posterior and negative for an overconfident or biased one; a
    missing correlation counts as conservative. A posterior that equals the prior passes.

    Parameters
    ----------
    log_prob_samples : array_like, shape (n, m)
        Log density of each posterior draw at its own observation. Any constant of an observation cancels.
    log_prob_truth : array_like, shape (n,)
        Log density of the truth. Minus infinity is allowed: no region holds such a truth.
    bins : int, optional
        Steps of the curve; by default n // 10, at least 2.
    seed : int
        Seed of the randomisation.

    Returns
    -------
    Coverage

    Raises
    ------
    ValueError
        If shapes do not match, a value is not a number, a draw has no density, or bins is below 2.
    """
    draws = as_floats("log_prob_samples", log_prob_samples)
    right = as_floats("log_prob_truth", log_prob_truth, allow_infinite=True)
    if draws.ndim != 2 or draws.size == 0:
        raise ValueError(f"shape of log_prob_samples = {draws.shape}: allowed is (observations, draws)")
    if right.shape != draws.shape[:1]:
        raise ValueError(
            f"shape of log_prob_truth = {right.shape}: allowed is ({len(draws)},) for log_prob_samples of {draws.shape}"
        )
    if (right == np.inf).any():
        refuse("log_prob_truth", right, right == np.inf, "finite numbers and minus infinity")
    denser, tied = (draws > right[:, None]).sum(axis=1), (draws == right[:, None]).sum(axis=1)
    return _coverage(denser, tied, draws.shape[1], bins, seed)


def region_coverage(
    samples: ArrayLike,
    truth: ArrayLike,
    regions: str = "neighbours",
    bins: int | None = None,
    seed: int = 0,
) -> Coverage:
    """Expected coverage of regions made from the draws alone, for entries without a density.

    The truth and the m draws are pooled, whitened with the covariance of the pool, and ordered by a number that treats
    all alike, so that the truth's place is uniform for a calibrated posterior with any m, whatever the quality of the
    regions (a conformal argument; Vovk et al. 2005). "ellipsoid": Mahalanobis distance; of a Gaussian posterior these
    are the regions of highest density. "neighbours": distance to the k-th nearest of the pool, k = sqrt(m): a density
    estimate (Loftsgaarden & Quesenberry 1965) that follows any shape, with edges blurred at walls.

    Parameters
    ----------
    samples : array_like, shape (n, m, d)
        Posterior draws, more than d an observation.
    truth : array_like, shape (n, d)
        True parameters.
    regions : {"neighbours", "ellipsoid"}
        Shape of the regions.
    bins : int, optional
        Steps of the curve; by default n // 10, at least 2.
    seed : int
        Seed of the randomisation.

    Returns
    -------
    Coverage
        `area` is positive for a conservative posterior, negative for an overconfident or biased one.

    Raises
    ------
    ValueError
        If shapes do not match, a value is not finite, the draws are too few or all equal, or regions is unknown.
    """
    as_choice("regions", regions, tuple(_REMOTENESS))
    draws, known = checked_samples(samples, truth)
    n, m, d = draws.shape
    if m <= d:
        raise ValueError(f"shape of samples = {draws.shape}: allowed is more draws than parameters")
    varying_std(draws, "samples")
    closer, tied = np.empty(n, dtype=int), np.empty(n, dtype=int)
    for i in range(n):
        remote = _REMOTENESS[regions](_whitened(np.concatenate([known[i : i + 1], draws[i]])))
        closer[i], tied[i] = (remote[1:] < remote[0]).sum(), (remote[1:] == remote[0]).sum()
    return _coverage(closer, tied, m, bins, seed)


def _coverage(denser: NDArray, tied: NDArray, n_draws: int, bins: int | None, seed: int) -> Coverage:
    """Turn counts of draws in denser places into the curve."""
    fractions = randomised_fractions(denser, tied, n_draws, np.random.default_rng(as_seed("seed", seed)))
    return coverage_of(fractions, checked_bins(bins, max(2, len(fractions) // 10)))


def _whitened(points: NDArray) -> Float64Array:
    """Whiten points (k, d); directions without extent are left out."""
    # unit variance first: in their own units parameters may differ by 1e20 in variance
    standard = (points - points.mean(axis=0)) / points.std(axis=0)
    variance, axes = np.linalg.eigh(standard.T @ standard / len(points))
    kept = variance > 1e-12 * variance[-1]
    return standard @ axes[:, kept] / np.sqrt(variance[kept])


def _mahalanobis(points: NDArray) -> Float64Array:
    """Compute the squared distance of whitened points from their mean."""
    return np.square(points).sum(axis=1)


def _neighbour_distance(points: NDArray) -> Float64Array:
    """Distance of each point to its k-th nearest other, k the root of their number; inf if far above the first's."""
    k = max(1, round(np.sqrt(len(points) - 1)))
    tree = cKDTree(points)
    # the nearest of all is the point itself
    first = tree.query(points[0], k=[k + 1])[0][0]
    # with room for rounding, also where the first's is zero: what is near it is compared by the caller
    return tree.query(points, k=[k + 1], distance_upper_bound=1.01 * first + 1e-100)[0][:, 0]


_REMOTENESS: dict[str, Callable[[NDArray], Float64Array]] = {
    "neighbours": _neighbour_distance,
    "ellipsoid": _mahalanobis,
}
