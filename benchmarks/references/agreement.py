"""How two computations of one posterior agree."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.inference.grid import Grid


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Difference of two densities on one grid.

    Attributes
    ----------
    distance : float
        Total variation distance; the best classifier is right with probability (1 + distance) / 2.
    shift : float
        Largest difference of the means, in standard deviations of the first.
    spread : float
        Largest ratio of the variances, inverted if below one.
    """

    distance: float
    shift: float
    spread: float


def compare(one: Grid, other: Grid) -> Agreement:
    """Compare two densities on the same grid."""
    (mean, covariance), (mean2, covariance2) = one.moments(), other.moments()
    variance, variance2 = np.diag(covariance), np.diag(covariance2)
    ratio = variance2 / variance
    shift = np.abs(mean2 - mean) / np.sqrt(variance)
    return Agreement(one.distance(other), float(shift.max()), float(np.maximum(ratio, 1.0 / ratio).max()))


def c2st(one: NDArray, other: NDArray, seed: int = 0, folds: int = 5) -> float:
    """Classifier two-sample test (Lopez-Paz & Oquab 2017): accuracy of a small network on samples it has not seen.

    Parameters
    ----------
    one, other : ndarray, shape (n, d)
        Samples of the two, the same number of each.
    seed, folds : int
        Seed of the networks, and number of folds of the cross-validation.

    Returns
    -------
    float
        0.5 for the same distribution, 1 for disjoint ones.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.neural_network import MLPClassifier

    both = np.concatenate([one, other])
    scaled = (both - one.mean(axis=0)) / one.std(axis=0)
    label = np.repeat([0, 1], [len(one), len(other)])
    network = MLPClassifier((10 * one.shape[1],) * 2, max_iter=1000, random_state=seed, early_stopping=True)
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return float(cross_val_score(network, scaled, label, cv=split).mean())
