"""Scores of parameters beside those of a task, whose prior is known by draws alone."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from mwlmc_data import scoring
from mwlmc_data.scoring import metrics
from mwlmc_data.scoring.energy import mean_pair_distance
from mwlmc_data.scoring.report import Entry, Section

#: Rows of the population that stand for it, evenly chosen.
_N_POPULATION = 4096


def score(
    samples: NDArray, truth: NDArray, names: Sequence[str], scale: Sequence[float], population: NDArray
) -> Section:
    """Score draws of further parameters.

    Parameters
    ----------
    samples : ndarray, shape (n, m, k)
        Posterior draws.
    truth : ndarray, shape (n, k)
        Truths.
    names : sequence of str
        Names of the parameters.
    scale : sequence of float
        What each is divided by in the energy score.
    population : ndarray, shape (p, k)
        Draws of their prior.

    Returns
    -------
    Section
        "others": energy score, gain over the population, contraction and hits.
    """
    energy = scoring.energy_score(samples, truth, scale)
    few = population[:: max(1, len(population) // _N_POPULATION)] / scale
    of_population = cdist(truth / scale, few).mean(axis=1) - 0.5 * mean_pair_distance(few)
    without = f"lower is better; without data {of_population.mean():.4f}"
    contraction = scoring.contraction(samples, population.var(axis=0))
    entries = {
        "energy_score": metrics.mean_entry(energy, without, 4),
        "gain_over_population": metrics.paired_entry(of_population, energy, "higher is better; 0: uninformative"),
        "contraction": Entry(metrics.by_name(names, contraction), right="0: as wide as the population", digits=2),
        "hits_68": metrics.hits(samples, truth, names, 0.68),
        "hits_95": metrics.hits(samples, truth, names, 0.95),
    }
    return Section("others", entries)


def measure_gap(samples: NDArray, exact: NDArray, truth: NDArray, scale: Sequence[float]) -> Entry:
    """Energy score minus that of reference posteriors.

    Parameters
    ----------
    samples, exact : ndarray, shapes (n, m, k) and (n, p, k)
        Draws, and those of the references.
    truth : ndarray, shape (n, k)
        Truths.
    scale : sequence of float
        What each parameter is divided by.

    Returns
    -------
    Entry
        With its paired bootstrap error.
    """
    own, ideal = (scoring.energy_score(draws, truth, scale) for draws in (samples, exact))
    return metrics.paired_entry(own, ideal, "0: the best possible")
