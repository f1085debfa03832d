"""The stars of a snapshot that are fitted: without substructure, and weighted or drawn to a tracer's profile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float64Array

#: The neighbour whose distance measures the density about a star.
NEIGHBOUR = 16
#: Stars in a bin of radius whose median density is that of the smooth halo: more than a clump has, so that it does not
#: hide in its own bin.
CLUMP_STARS = 500
#: Least number of stars in a bin of radius by which a profile is measured.
BIN_STARS = 200
#: Least and largest number of bins of radius.
_MIN_BINS, _MAX_BINS = 4, 40
_ROUNDING = 1e-9


def find_clumps(positions: Float64Array, factor: float) -> NDArray[np.bool_]:
    """Find the stars in substructure: where the density is `factor` times the median of their radius.

    Parameters
    ----------
    positions : ndarray, shape (n, 3)
        About the host's centre [kpc].
    factor : float
        Density, by the distance of the 16th neighbour, over the median at the same radius: that of bins of 500 stars
        (at least three, at most 40 bins), with straight lines in log r between them.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    ValueError
        If there are fewer than 200 stars.

    Notes
    -----
    A smooth halo has such places by chance: the density from 16 neighbours scatters by a quarter, so that a factor of 4
    leaves out less than one star in 10,000 of it. A flattened halo is denser near its plane than its median.
    """
    from scipy.spatial import cKDTree

    n = len(positions)
    if n < BIN_STARS:
        raise ValueError(f"overdensity = {factor:g}: {n} stars; allowed are {BIN_STARS} stars or more")
    distance = cKDTree(positions).query(positions, k=NEIGHBOUR + 1)[0][:, -1]
    log_density = -3.0 * np.log(np.maximum(distance, 1e-12))
    log_r = 0.5 * np.log(np.maximum(np.einsum("ni,ni->n", positions, positions), 1e-24))
    parts = np.array_split(np.argsort(log_r, kind="stable"), min(max(n // CLUMP_STARS, 3), _MAX_BINS))
    middle = np.array([np.median(log_r[part]) for part in parts])
    usual = np.array([np.median(log_density[part]) for part in parts])
    # beyond the outermost bins their slopes go on
    place = np.clip(np.searchsorted(middle, log_r) - 1, 0, len(middle) - 2)
    slope = np.diff(usual) / np.maximum(np.diff(middle), 1e-12)
    return log_density - (usual[place] + slope[place] * (log_r - middle[place])) > np.log(factor)


def weigh_profile(radii: Float64Array, counts: Float64Array, scale: float, shell: tuple[float, float]) -> Float64Array:
    """Weights that give particles in a shell the profile of a tracer: Dehnen's with gamma = 1 (Dehnen 1993).

    Parameters
    ----------
    radii : ndarray, shape (n,)
        About the host's centre [kpc].
    counts : ndarray, shape (n,)
        How much each counts: its mass, or 1.
    scale : float
        Scale radius of the profile, rho ~ 1 / (r (r + scale)^3) [kpc].
    shell : tuple of float
        Range of the radii whose weights matter [kpc]; the others get 0.

    Returns
    -------
    ndarray, shape (n,)
        The profile over that of the particles themselves, times `counts`; their sum is 1.

    Raises
    ------
    ValueError
        If there are fewer than 800 particles in the shell, too few to measure their profile.

    Notes
    -----
    Both profiles are masses in bins with equal numbers of particles, so that the weights within a bin are those of its
    particles' own profile, corrected by the slope between bins. The velocities stay those of the particles: a tracer
    that is re-weighted by radius today has their anisotropy, and not that of a halo in equilibrium on its own.
    """
    inside = (radii > shell[0]) & (radii < shell[1]) & (counts > 0.0)
    n = int(inside.sum())
    n_bins = min(n // BIN_STARS, _MAX_BINS)
    if n_bins < _MIN_BINS:
        raise ValueError(
            f"r_dehnen = {scale:g}: {n} particles at {shell[0]:g} < r < {shell[1]:g} kpc; allowed are "
            f"{_MIN_BINS * BIN_STARS} or more, whose profile can be measured"
        )
    r, m = radii[inside], counts[inside]
    edges = np.unique(np.quantile(r, np.linspace(0.0, 1.0, n_bins + 1)))
    n_bins = len(edges) - 1
    place = np.clip(np.searchsorted(edges, r, side="right") - 1, 0, n_bins - 1)
    own = np.bincount(place, weights=m, minlength=n_bins)
    wanted = np.diff((edges / (edges + scale)) ** 2)
    middle = np.array([np.exp(np.mean(np.log(r[place == k]))) for k in range(n_bins)])
    log_ratio = np.interp(np.log(r), np.log(middle), np.log(wanted / own))
    weights = np.zeros(len(radii))
    weights[inside] = m * np.exp(log_ratio)
    # interpolation between bins leaves each with a little more or less than it should have
    sums = np.bincount(place, weights=weights[inside], minlength=n_bins)
    weights[inside] *= (wanted / sums)[place]
    return weights / weights.sum()


def draw_weighted(weights: Float64Array, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw n different particles, each with a probability exactly proportional to its weight (systematic sampling).

    Raises
    ------
    ValueError
        If there is none, or one would have to be drawn more than once.
    """
    if not weights.any():
        raise ValueError(f"n_stars = {n} of no particles in the selection: allowed is one that holds some")
    share = n * weights / weights.sum()
    if n == np.count_nonzero(weights) and share.max() <= 1.0 + _ROUNDING:
        return np.flatnonzero(weights)
    if share.max() > 1.0:
        most = int(weights.sum() / weights.max())
        raise ValueError(
            f"n_stars = {n}: a particle would be drawn {share.max():.3g} times; allowed are at most {most} stars of "
            f"these {int((weights > 0).sum()):,} particles"
        )
    order = rng.permutation(len(weights))
    steps = np.cumsum(share[order])
    found = np.searchsorted(steps, (np.arange(n) + rng.random()) * (steps[-1] / n), side="right")
    return np.sort(order[np.minimum(found, len(weights) - 1)])
