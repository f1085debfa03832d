"""Where the simulations behind a reference posterior lie: a quasi-random design of parameters and nuisances.

Six numbers vary at a fixed present day of the LMC: theta = (`m_lmc`, `m200_mw`, `log10_lambda_df`), which is inferred,
and the nuisances (`m_lmc_8p7`, `beta0`, `r_dehnen`), which are averaged over. Each follows an equal mixture of the
prior and a uniform distribution over the prior's central range, so that a model fitted to the simulations does not
extrapolate where a posterior reaches into the prior's tail. The points are a scrambled Sobol sequence (Owen 1998).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtr, ndtr, ndtri
from scipy.stats import qmc

from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.priors import ENCLOSED_MASS, MARGINALS, Normal, Uniform

#: Raised when the points of a design change.
DESIGN_VERSION = 1
#: Set of simulations whose prior the references use.
CONFIG = "gaussian"
THETA = ("m_lmc", "m200_mw", "log10_lambda_df")
NUISANCES = ("m_lmc_8p7", "beta0", "r_dehnen")
DIMENSIONS = (*THETA, *NUISANCES)
#: Probability of the central range that the design's uniform half covers.
CENTRAL = 0.999
_BISECTIONS = 60


def draw_design(n: int, seed: tuple[int, ...]) -> tuple[Float64Array, Float32Array]:
    """Draw the points of a design.

    Parameters
    ----------
    n : int
        Number of points, a power of two.
    seed : tuple of int
        Seed of the scrambling.

    Returns
    -------
    unit : ndarray, shape (n, 6)
        In the open unit cube.
    values : ndarray, shape (n, 6), float32
        The columns `DIMENSIONS` in the catalogue's units.

    Raises
    ------
    ValueError
        If `n` is not a power of two.
    """
    if n < 1 or n & (n - 1):
        raise ValueError(f"n = {n!r}: allowed is a power of two")
    sampler = qmc.Sobol(len(DIMENSIONS), scramble=True, rng=np.random.default_rng(seed))
    unit = np.clip(sampler.random(n), 2.0**-40, 1.0 - 2.0**-40)
    return unit, from_unit(unit)


def from_unit(unit: NDArray) -> Float32Array:
    """Map points of the unit cube to parameters, rounded as a catalogue stores them.

    Parameters
    ----------
    unit : ndarray, shape (n, 6)
        Probabilities of the design's distribution, in the order of `DIMENSIONS`.

    Returns
    -------
    ndarray, shape (n, 6), float32
    """
    values = np.empty(unit.shape, dtype=np.float32)
    for i, name in enumerate(DIMENSIONS):
        if name == "m_lmc_8p7":
            given = values[:, DIMENSIONS.index("m_lmc")].astype(np.float64)
            law = ENCLOSED_MASS
            cut: NDArray | float = law.fraction * given
            values[:, i] = _half_quantile(unit[:, i], law.loc, law.scale, law.low, cut)
            continue
        marginal = MARGINALS[CONFIG][name]
        if isinstance(marginal, Normal):
            values[:, i] = _half_quantile(unit[:, i], marginal.loc, marginal.scale, marginal.low, marginal.high)
        else:
            values[:, i] = marginal.quantile(unit[:, i])
    return values


def draw_around(
    mean: NDArray, covariance: NDArray, width: float, n: int, seed: tuple[int, ...]
) -> tuple[Float64Array, Float64Array]:
    """Draw quasi-random points in an ellipsoid, denser towards its centre than uniform.

    Parameters
    ----------
    mean, covariance : ndarray, shapes (d,) and (d, d)
        Centre of the ellipsoid, and its shape.
    width : float
        Its half-axes, in standard deviations.
    n : int
        Number of points, a power of two.
    seed : tuple of int
        Seed of the scrambling.

    Returns
    -------
    unit, points : ndarray, shape (n, d)
        In the open unit cube, and the points.
    """
    d = len(mean)
    sampler = qmc.Sobol(d, scramble=True, rng=np.random.default_rng(seed))
    unit = np.clip(sampler.random(n), 2.0**-40, 1.0 - 2.0**-40)
    normal = ndtri(unit)
    squared = np.square(normal).sum(axis=1)
    radius = width * chdtr(d, squared) ** (1.0 / 3.0)
    return unit, mean + (normal * (radius / np.sqrt(squared))[:, None]) @ np.linalg.cholesky(covariance).T


def central_box() -> Float64Array:
    """Return the central range of the prior of theta that the design's uniform half covers, shape (3, 2)."""
    tail = 0.5 * (1.0 - CENTRAL)
    ranges = []
    for name in THETA:
        marginal = MARGINALS[CONFIG][name]
        ends = np.array([0.0, 1.0]) if isinstance(marginal, Uniform) else np.array([tail, 1.0 - tail])
        ranges.append(marginal.quantile(ends))
    return np.array(ranges)


def _half_quantile(u: NDArray, loc: float, scale: float, low: float, high: float | NDArray) -> Float64Array:
    """Invert an equal mixture of a truncated Gaussian and a uniform over its central range, by bisection."""
    below, above = ndtr((low - loc) / scale), ndtr((high - loc) / scale)
    tail = 0.5 * (1.0 - CENTRAL)
    cut = Normal(loc, scale, low, high)  # type: ignore[arg-type]
    first, last = cut.quantile(np.full_like(u, tail)), cut.quantile(np.full_like(u, 1.0 - tail))
    left, right = np.full_like(u, low), np.minimum(np.full_like(u, 1.0) * high, loc + 12.0 * scale)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (left + right)
        gaussian = (ndtr((middle - loc) / scale) - below) / (above - below)
        probability = 0.5 * gaussian + 0.5 * np.clip((middle - first) / (last - first), 0.0, 1.0)
        left, right = np.where(probability < u, middle, left), np.where(probability < u, right, middle)
    return 0.5 * (left + right)
