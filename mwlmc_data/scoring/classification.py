"""Scores of probabilities of several models, one of which is true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float64Array

#: A probability below this counts as this: a truth that was excluded costs 23 nats rather than everything.
FLOOR = 1e-10
#: Bins of the probability in the calibration error, and sets of labels that are drawn for its p-value.
_N_BINS, _N_SETS, _SEED = 10, 1000, 20250714


def log_scores(probabilities: NDArray, truth: NDArray) -> Float64Array:
    """Compute minus the logarithm of the true model's probability (Good 1952), in nats.

    Parameters
    ----------
    probabilities : ndarray, shape (n, m)
        Of m models for each observation; each row sums to one.
    truth : ndarray, shape (n, m)
        One for the true model, zero for the others.

    Returns
    -------
    ndarray, shape (n,)
        Lower is better; ln m for equal probabilities.
    """
    return -np.log(np.maximum((probabilities * truth).sum(axis=1), FLOOR))


def brier_scores(probabilities: NDArray, truth: NDArray) -> Float64Array:
    """Compute the squared distance of the probabilities from the truth (Brier 1950), shape (n,); between 0 and 2."""
    return np.square(probabilities - truth).sum(axis=1)


@dataclass(frozen=True)
class Reliability:
    """Whether frequencies are as the probabilities say.

    Attributes
    ----------
    error : float
        Calibration error: mean difference, in size, between probability and frequency in bins of probability, weighted
        by the number of probabilities in each.
    expected : float
        Its mean if the probabilities are right: it is never zero for few observations.
    pvalue : float
        Share of sets of labels, drawn with the probabilities, whose error is at least as large.
    """

    error: float
    expected: float
    pvalue: float


def measure_reliability(probabilities: NDArray, truth: NDArray) -> Reliability:
    """Measure the calibration error of all classes, and compare it with that of labels drawn with the probabilities.

    The comparison is consistency resampling (Broecker & Smith 2007, Weather and Forecasting 22, 651).

    Parameters
    ----------
    probabilities, truth : ndarray, shape (n, m)
        As for `log_scores`.
    """
    place = np.minimum((probabilities * _N_BINS).astype(int), _N_BINS - 1).ravel()
    expected = np.bincount(place, probabilities.ravel(), _N_BINS)

    def measure(labels: NDArray) -> float:
        found = np.bincount(place, labels.ravel(), _N_BINS)
        return float(np.abs(found - expected).sum() / probabilities.size)

    rng = np.random.default_rng(_SEED)
    edges = np.cumsum(probabilities, axis=1)
    edges[:, -1] = np.inf
    classes = np.arange(probabilities.shape[1])
    drawn = np.array(
        [
            measure((edges <= rng.random((len(edges), 1))).sum(axis=1)[:, None] == classes)
            for _ in range(_N_SETS)
        ]
    )
    own = measure(truth)
    return Reliability(own, float(drawn.mean()), float((drawn >= own - 1e-12).mean()))
