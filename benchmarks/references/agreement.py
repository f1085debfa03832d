"""How two computations of one posterior agree."""

from __future__ import annotations

import dataclasses

import numpy as np

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
