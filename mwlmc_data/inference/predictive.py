"""How unusual a measurement is under the model: its p-value and its distance from the posterior predictive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.deconvolved import DeconvolvedLikelihood
from mwlmc_data.inference.encoding import Scores
from mwlmc_data.inference.grid import Grid

#: Number of data drawn from the prior predictive for a p-value; its inverse is the smallest p-value resolved.
N_PREDICTIVE = 1000
#: Points of the prior over which evidences are averaged, a power of two.
_N_NODES = 2048
#: Draws of the LMC's vector for a p-value, if it has errors.
N_PLACES = N_PREDICTIVE + _N_NODES
#: Number of data whose densities are in memory at once.
_BLOCK = 64


def p_value(
    likelihood: DeconvolvedLikelihood, vector: NDArray, covariance: NDArray, lmc: NDArray, seed: tuple[int, ...]
) -> float:
    """Fraction of data from the prior predictive, for this LMC and covariance, whose evidence is not greater.

    Parameters
    ----------
    likelihood : DeconvolvedLikelihood
    vector, covariance : ndarray, shape (3,), (3, 3)
        What was measured [km/s, km^2/s^2].
    lmc : ndarray, shape (6,) or (N_PLACES, 6)
        The LMC's vector [kpc, km/s], or draws of it: one for each of the data, and one for each node of the evidence.
    seed : tuple of int
        Seed of the draws.

    Returns
    -------
    float
        k / N_PREDICTIVE, where 0 means less than 1 / N_PREDICTIVE. Uniformly distributed for data drawn from the model.

    Notes
    -----
    The prior predictive p-value of Box (1980, JRSS A 143, 383): the evidence p(v | LMC) is the test statistic, the
    mean of the likelihood over the prior, computed here on a randomly shifted Sobol sequence. The parameters of the
    data are drawn independently of that sequence.
    """
    rng = np.random.default_rng((*seed, 1))
    of_data, of_nodes = (lmc, lmc) if lmc.ndim == 1 else (lmc[:N_PREDICTIVE], lmc[N_PREDICTIVE:])
    data = draw_vectors(likelihood, rng.normal(size=(N_PREDICTIVE, 3)), covariance, of_data, rng)
    nodes = (qmc.Sobol(3, scramble=False).random(_N_NODES) + rng.uniform(size=3)) % 1.0
    evidence = log_evidence(likelihood, np.vstack([vector, data]), covariance, of_nodes, ndtri(nodes))
    return float(np.mean(evidence[1:] <= evidence[0]))


def draw_vectors(
    likelihood: DeconvolvedLikelihood, u: NDArray, covariance: NDArray | None, lmc: NDArray, rng: np.random.Generator
) -> Float64Array:
    """Draw a vector (n, 3) [km/s] at each of the scores u (n, 3), with noise of that covariance, or true ones."""
    log_weight, mean, true = likelihood.components(u, lmc)
    chosen = (np.cumsum(np.exp(log_weight), axis=1) < rng.uniform(size=(len(u), 1))).sum(axis=1)
    rows, chosen = np.arange(len(u)), np.minimum(chosen, log_weight.shape[1] - 1)
    factor = np.linalg.cholesky(true[rows, chosen] + (0.0 if covariance is None else covariance))
    return mean[rows, chosen] + np.einsum("nij,nj->ni", factor, rng.normal(size=(len(u), 3)))


def log_evidence(
    likelihood: DeconvolvedLikelihood, vectors: NDArray, covariance: NDArray, lmc: NDArray, u: NDArray
) -> Float64Array:
    """Log of the mean likelihood over scores u (m, 3) for each vector (n, 3), all with one covariance; (n,)."""
    log_weight, mean, true = likelihood.components(u, lmc)
    precision = np.linalg.inv(true + covariance).reshape(-1, 3, 3)
    mean = mean.reshape(-1, 3) - likelihood.centre
    # a Gaussian's exponent is linear in 1, v_i and v_i v_j: one matrix product gives them all
    pulled = np.einsum("kij,kj->ki", precision, mean)
    constant = log_weight.ravel() + 0.5 * np.linalg.slogdet(precision)[1] - 0.5 * (pulled * mean).sum(axis=1)
    linear = np.concatenate([constant[:, None], pulled, -0.5 * precision.reshape(-1, 9)], axis=1).T
    away = vectors - likelihood.centre
    powers = np.concatenate(
        [np.ones((len(away), 1)), away, (away[:, :, None] * away[:, None]).reshape(-1, 9)], axis=1
    )
    found = [_log_sum(powers[i : i + _BLOCK] @ linear) for i in range(0, len(powers), _BLOCK)]
    return np.concatenate(found) - np.log(len(u)) - 1.5 * np.log(2.0 * np.pi)


def _log_sum(logs: NDArray) -> Float64Array:
    """Logarithm of the sum over each row of `logs`, which it overwrites; three times faster than logsumexp."""
    top = logs.max(axis=1, keepdims=True)
    logs -= top
    return top[:, 0] + np.log(np.exp(logs, out=logs).sum(axis=1))


def predictive_distance(
    likelihood: DeconvolvedLikelihood, u: NDArray, vector: NDArray, covariance: NDArray, lmc: NDArray
) -> float:
    """Distance of a measurement from its posterior predictive, joint in the three velocities [sigma].

    Parameters
    ----------
    likelihood, vector, covariance
        As for `p_value`.
    u : ndarray, shape (n, 3)
        Scores drawn from the posterior.
    lmc : ndarray, shape (6,) or (n, 6)
        The LMC's vector, or that of each draw.

    Returns
    -------
    float
        The Mahalanobis distance from the mean of the posterior predictive, whose covariance includes the errors: 95% of
        data that the model describes are closer than 2.8 in three dimensions.
    """
    mean, spread = predict_vector(likelihood, u, lmc)
    away = vector - mean
    return float(np.sqrt(away @ np.linalg.solve(spread + covariance, away)))


def predict_vector(likelihood: DeconvolvedLikelihood, u: NDArray, lmc: NDArray) -> tuple[NDArray, NDArray]:
    """Mean (3,) and covariance (3, 3) of the true vector over scores (n, 3)."""
    log_weight, mean, true = likelihood.components(u, lmc)
    weight = np.exp(log_weight) / len(u)
    centre = np.einsum("nk,nki->i", weight, mean)
    away = mean - centre
    return centre, np.einsum("nk,nkij->ij", weight, true + away[..., :, None] * away[..., None, :])


def marginal_distances(one: Grid, of_one: Scores, other: Grid, of_other: Scores) -> dict[str, float]:
    """Total variation distance between the marginals of two posteriors, by parameter.

    Parameters
    ----------
    one, other : Grid
        Posteriors of the same parameters.
    of_one, of_other : Scores
        Definition of the scores of each.
    """
    edges = np.linspace(-6.0, 6.0, 4001)[:, None] * np.ones(3)
    same = of_other.forward(of_one.inverse(edges))
    found = {}
    for i, name in enumerate(of_one.prior.parameters):
        masses = [np.diff(grid.cumulative(i, at[:, i])) for grid, at in ((one, edges), (other, same))]
        found[name] = float(0.5 * np.abs(masses[0] - masses[1]).sum())
    return found
