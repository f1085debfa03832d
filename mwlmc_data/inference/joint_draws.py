"""Posterior draws of the scores, and of the LMC's present day where it has errors.

Without errors the posterior is a grid. With errors, p(theta, LMC | v) is proportional to p(theta) p(LMC) p(v | theta,
LMC), where p(LMC) is a flat prior times the errors. Pairs are drawn by importance sampling: the LMC from p(LMC), and
theta from the grid at the observed LMC, with the covariance of the measurement widened by what the errors of the LMC do
to the vector. A pair's weight is what its likelihood and prior are to the grid's density.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtri
from scipy.stats import qmc

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.inference.deconvolved import DeconvolvedLikelihood
from mwlmc_data.inference.grid import Grid
from mwlmc_data.inference.importance import count_effective, resample
from mwlmc_data.inference.present_day import PresentDay
from mwlmc_data.priors import standard_normal_log_density

#: Draws for the posterior predictive, whatever the number that the user asks for.
N_PREDICTED = 2000
#: Nodes of the LMC's errors in a density of the parameters, a power of two.
_N_NODES = 256
#: Draws of parameters and of the LMC that tell how its errors move the vector.
_N_PILOT = 500
#: Proposals of a batch for each draw, and the largest number of batches.
_BATCH, _MAX_BATCHES = 4, 10


@dataclass(frozen=True, eq=False, repr=False)
class PosteriorDraws(Displayed):
    """Draws from a posterior.

    Attributes
    ----------
    scores : ndarray, shape (n, 3)
        Scores of the parameters.
    lmc : ndarray, shape (n, 6) or (1, 6)
        The LMC's vector of each draw [kpc, km/s]; one for all if it is exact.
    predicted : tuple of ndarray, shapes (N_PREDICTED, 3), (N_PREDICTED, 6) or (6,)
        Scores and the LMC's vectors of further draws, for the posterior predictive.
    grid : Grid
        Posterior of the scores at the observed LMC, for `covariance`.
    covariance : ndarray, shape (3, 3)
        The measurement's, widened by the errors of the LMC [km^2/s^2].
    nodes : ndarray, shape (k, 6)
        Vectors of the LMC over which a density of the parameters is averaged.
    log_evidence, log_evidence_error : float
        Log density of the vector [(km/s)^-3], and its standard error.
    n_effective : float
        Number of independent draws that the proposals are worth.
    """

    scores: Float64Array
    lmc: Float64Array
    predicted: tuple[Float64Array, Float64Array]
    grid: Grid
    covariance: Float64Array
    nodes: Float64Array
    log_evidence: float
    log_evidence_error: float
    n_effective: float


def draw_posterior(
    likelihood: DeconvolvedLikelihood, vector: NDArray, covariance: NDArray, place: PresentDay, n: int, seed: int
) -> PosteriorDraws:
    """Draw the posterior.

    Parameters
    ----------
    likelihood : DeconvolvedLikelihood
    vector, covariance : ndarray, shape (3,), (3, 3)
        What was measured [km/s, km^2/s^2].
    place : PresentDay
        The LMC's present day.
    n : int
        Number of draws.
    seed : int
        Seed of the draws.

    Returns
    -------
    PosteriorDraws
    """
    at = place.vector
    grid = likelihood.grid(vector, covariance, at)
    if place.is_exact:
        return PosteriorDraws(
            scores=grid.sample(n, (seed,)),
            lmc=at[None],
            predicted=(grid.sample(N_PREDICTED, (seed, 2)), at),
            grid=grid,
            covariance=covariance,
            nodes=at[None],
            log_evidence=grid.log_evidence,
            log_evidence_error=0.0,
            n_effective=float(n),
        )
    rng = np.random.default_rng((seed, 7))
    widened = covariance + _measure_shift(likelihood, grid, place, rng, (seed, 8))
    grid = likelihood.grid(vector, widened, at)
    u, lmc, log_weight = np.empty((0, 3)), np.empty((0, 6)), np.empty(0)
    enough = max(n, N_PREDICTED)
    for batch in range(_MAX_BATCHES):
        new_u, new_lmc = grid.sample(_BATCH * enough, (seed, 9, batch)), place.draw(_BATCH * enough, rng)
        log_target = likelihood.log_likelihood(new_u, vector, covariance, new_lmc) + standard_normal_log_density(new_u)
        u, lmc = np.concatenate([u, new_u]), np.concatenate([lmc, new_lmc])
        log_weight = np.concatenate([log_weight, log_target - grid.log_density(new_u)])
        n_effective = count_effective(log_weight)
        if n_effective >= enough:
            break
    weight = np.exp(log_weight - logsumexp(log_weight))
    chosen, further = (resample(weight, k, rng) for k in (n, N_PREDICTED))
    relative = weight * len(weight)
    scores = ndtri(qmc.Sobol(6, seed=np.random.default_rng((seed, 10))).random(_N_NODES))
    return PosteriorDraws(
        scores=u[chosen],
        lmc=lmc[chosen],
        predicted=(u[further], lmc[further]),
        grid=grid,
        covariance=widened,
        nodes=place.move(scores),
        log_evidence=float(logsumexp(log_weight) - np.log(len(log_weight))),
        log_evidence_error=float(relative.std() / np.sqrt(len(relative))),
        n_effective=n_effective,
    )


def _measure_shift(
    likelihood: DeconvolvedLikelihood, grid: Grid, place: PresentDay, rng: np.random.Generator, seed: tuple[int, ...]
) -> Float64Array:
    """Covariance (3, 3) of the shift of the mean vector by the errors of the LMC [km^2/s^2]."""
    u = grid.sample(_N_PILOT, seed)
    moved, still = (_mean_vector(likelihood, u, lmc) for lmc in (place.draw(_N_PILOT, rng), place.vector))
    return np.cov((moved - still).T)


def _mean_vector(likelihood: DeconvolvedLikelihood, u: NDArray, lmc: NDArray) -> Float64Array:
    """Mean true vector (n, 3) at each of the scores (n, 3)."""
    log_weight, mean, _ = likelihood.components(u, lmc)
    return np.einsum("nk,nki->ni", np.exp(log_weight), mean)
