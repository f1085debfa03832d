"""A check of a reference by importance sampling, with simulations in place of the conditional model.

Points of theta and the nuisances are drawn from the prior and kept with a probability proportional to the reference's
likelihood to the power 1/9, a Gaussian three times as wide. Each kept point is simulated k times with fresh stars.
Given the parameters, the travel vector is Gaussian with the covariance C of the reflex fits, so the mean of the k is
N(mu, C / k), and

    N(observation; mean of the k, (1 - 1/k) C)

has the expectation N(observation; mu, C): an unbiased estimate of the likelihood that does not take mu from the
conditional model (pseudo-marginal importance sampling, Andrieu & Roberts 2009). The model only places the points. The
differences between the k, in which the mean cancels, test that C is right and the noise Gaussian.

Where the data determine the nuisances as well, almost no draw of the prior would be kept. There the points are draws of
several Student t's around the reference, as wide as the posterior in all six parameters, and C is that of the model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import logsumexp

from benchmarks.common.features import SCALE
from benchmarks.references import draws
from benchmarks.references.design import CONFIG, DIMENSIONS
from benchmarks.references.gaussianity import mardia_kurtosis
from benchmarks.references.rows import Row
from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.inference.grid import Grid
from mwlmc_data.inference.proposals import fit_mixture
from mwlmc_data.priors import ENCLOSED_MASS, MARGINALS

#: Factor by which the likelihood is widened.
WIDENED = 3.0
N_POOL = 32_768
#: Average number of points kept.
N_KEPT = 7_500
#: Factor on the covariances of the parts of a proposal around a reference on draws: where these follow a curved
#: posterior, twice as many points count as of one part that is as wide as it.
STRETCHED = 1.2


@dataclasses.dataclass(frozen=True)
class Proposals:
    """Points to simulate.

    Attributes
    ----------
    points : ndarray, shape (n, 6), float32
        Columns `design.DIMENSIONS`.
    probability : ndarray, shape (n,)
        Probability with which each was kept; the density of their proposal over the prior's, if they have one.
    n_pool : int
        Draws of the prior that they were selected from, or of the proposal.
    """

    points: NDArray
    probability: NDArray
    n_pool: int


def prior_points(n: int, seed: tuple[int, ...]) -> Float32Array:
    """Draw all six parameters from the prior, shape (n, 6), as a catalogue rounds them."""
    u = np.random.default_rng(seed).uniform(size=(n, len(DIMENSIONS)))
    values = np.empty(u.shape, dtype=np.float32)
    for i, name in enumerate(DIMENSIONS):
        if name == "m_lmc_8p7":
            values[:, i] = ENCLOSED_MASS.quantile(u[:, i], values[:, 0].astype(float))
        else:
            values[:, i] = MARGINALS[CONFIG][name].quantile(u[:, i])
    return values


def propose(
    log_density: Callable[[NDArray], NDArray], seed: tuple[int, ...], n_pool: int = N_POOL, n_kept: int = N_KEPT
) -> Proposals:
    """Choose the points to simulate.

    Parameters
    ----------
    log_density : callable
        Log density of the observation given points (n, 6), by the conditional model.
    seed : tuple of int
    n_pool, n_kept : int
        Draws of the prior, and average number to keep.

    Returns
    -------
    Proposals
    """
    pool = prior_points(n_pool, (*seed, 0))
    logs = log_density(pool) / WIDENED**2
    weight = np.exp(logs - logs.max())
    low, high = 0.0, 1e12
    for _ in range(200):  # bisection for the factor that keeps the right number on average
        factor = 0.5 * (low + high) if high < 1e12 else max(1.0, 2.0 * low)
        if np.minimum(1.0, factor * weight).sum() < min(n_kept, 0.999 * n_pool):
            low = factor
        else:
            high = factor
    probability = np.minimum(1.0, high * weight)
    kept = np.random.default_rng((*seed, 1)).uniform(size=n_pool) < probability
    return Proposals(pool[kept], probability[kept], n_pool)


def propose_around(row: Row, found: draws.Drawn, seed: tuple[int, ...], n: int) -> Proposals:
    """Choose points around a posterior on draws: n of several Student t's, without the prior's far tails."""
    fitted = fit_mixture(found.scores, found.weights, draws.N_PARTS, np.random.default_rng((*seed, 1)))
    proposal = fitted.widen(STRETCHED, np.zeros((found.scores.shape[1],) * 2))
    cloud = draws.Cloud.draw(row, proposal, n, seed, lambda points: np.empty((len(points), 0)))
    return Proposals(cloud.points.astype(np.float32), np.exp(-cloud.log_ratio), len(cloud.points))


@dataclasses.dataclass(frozen=True)
class ImportanceCheck:
    """Agreement of a reference with importance sampling.

    Attributes
    ----------
    effective : float
        Effective sample size, (sum of weights)^2 / sum of squared weights.
    shift, shift_error : tuple of three float
        Mean minus the reference's, in its standard deviations, and the standard error of that.
    spread : tuple of three float
        Variance over the reference's.
    distribution : tuple of three float
        Kolmogorov-Smirnov p-values for each marginal, at the effective sample size.
    evidence, evidence_error : float
        Log evidence minus the reference's, and its standard error.
    noise_scale, noise_scale_p : float
        Mean square of the whitened differences of replicates over its expectation, and its p-value.
    noise_kurtosis, noise_kurtosis_p : float
        Mardia's kurtosis of them over that of a Gaussian, and its p-value.
    """

    effective: float
    shift: tuple[float, ...]
    shift_error: tuple[float, ...]
    spread: tuple[float, ...]
    distribution: tuple[float, ...]
    evidence: float
    evidence_error: float
    noise_scale: float
    noise_scale_p: float
    noise_kurtosis: float
    noise_kurtosis_p: float


def check(
    reference: Grid | draws.Drawn, proposals: Proposals, observed: NDArray, data: NDArray, matrices: NDArray
) -> ImportanceCheck:
    """Weight simulations and compare them with a reference.

    Parameters
    ----------
    reference : Grid or Drawn
    proposals : Proposals
        n points.
    observed : ndarray, shape (d,)
        The observation.
    data : ndarray, shape (n, k, d)
        Numbers of k simulations of each point.
    matrices : ndarray, shape (n, d, d)
        Covariance of the numbers at each point.

    Returns
    -------
    ImportanceCheck
    """
    log_weight = log_likelihoods(observed, data, matrices) - np.log(proposals.probability)
    log_total = float(logsumexp(log_weight))
    w = np.exp(log_weight - log_total)
    effective = float(1.0 / np.square(w).sum())
    theta = proposals.points[:, :3] / SCALE
    mean, covariance = reference.moments()
    sigma = np.sqrt(np.diag(covariance))
    found = w @ theta
    error = np.sqrt(np.square(w) @ np.square(theta - found))
    spread = (w @ np.square(theta - found)) / sigma**2
    differences = whitened_differences(data, matrices)
    scale = np.square(differences).sum()
    p_scale = float(stats.chi2.cdf(scale, differences.size))
    kurtosis, p_kurtosis = mardia_kurtosis(differences)
    return ImportanceCheck(
        effective=effective,
        shift=tuple(((found - mean) / sigma).tolist()),
        shift_error=tuple((error / sigma).tolist()),
        spread=tuple(spread.tolist()),
        distribution=tuple(_weighted_ks(reference.cumulative(i, theta[:, i]), w) for i in range(3)),
        evidence=log_total - float(np.log(proposals.n_pool)) - reference.log_evidence,
        evidence_error=float(np.sqrt(np.square(w).sum())),
        noise_scale=float(scale / differences.size),
        noise_scale_p=2.0 * min(p_scale, 1.0 - p_scale),
        noise_kurtosis=kurtosis,
        noise_kurtosis_p=p_kurtosis,
    )


def log_likelihoods(observed: NDArray, data: NDArray, matrices: NDArray) -> Float64Array:
    """Return logarithms (n,) of unbiased estimates of the likelihood from k simulations of each of n points.

    Raises
    ------
    ValueError
        If there is only one simulation of each point.
    """
    k, d = data.shape[1:]
    if k < 2:
        raise ValueError(f"simulations of each point = {k}: allowed is 2 or more")
    factor = np.linalg.cholesky((1.0 - 1.0 / k) * matrices)
    z = np.linalg.solve(factor, (observed - data.mean(axis=1))[..., None])[..., 0]
    log_root = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    return -0.5 * np.square(z).sum(axis=1) - log_root - 0.5 * d * np.log(2.0 * np.pi)


def whitened_differences(data: NDArray, matrices: NDArray) -> Float64Array:
    """Whiten the differences (n, d) of each point's first two simulations: standard Gaussian if C is right."""
    difference = (data[:, 0] - data[:, 1]) / np.sqrt(2.0)
    return np.linalg.solve(np.linalg.cholesky(matrices), difference[..., None])[..., 0]


def as_matrices(covariances: NDArray) -> Float64Array:
    """Build symmetric matrices (n, 3, 3) from their upper triangles (n, 6)."""
    return covariances[:, [[0, 1, 2], [1, 3, 4], [2, 4, 5]]]


def _weighted_ks(fractions: NDArray, w: NDArray) -> float:
    """Return the Kolmogorov-Smirnov p-value for weighted fractions that should be uniform."""
    order = np.argsort(fractions)
    after = np.cumsum(w[order])
    statistic = max(np.abs(after - fractions[order]).max(), np.abs(after - w[order] - fractions[order]).max())
    return float(stats.kstwobign.sf(statistic * np.sqrt(1.0 / np.square(w).sum())))
