"""How two computations of one posterior agree."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np

from mwlmc_data.array_types import Float64Array


class Density(Protocol):
    """A posterior on a grid or on draws."""

    def moments(self) -> tuple[Float64Array, Float64Array]:
        """Means and covariance of theta."""

    def distance(self, other: Any) -> float:
        """Distance from another on the same grid or draws."""


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Difference of two densities on one grid, or on the same draws.

    Attributes
    ----------
    distance : float
        Total variation distance; the best classifier is right with probability (1 + distance) / 2. On draws, the
        largest difference of the marginal distribution functions.
    shift : float
        Largest difference of the means, in standard deviations of the first.
    spread : float
        Largest ratio of the variances, inverted if below one.
    """

    distance: float
    shift: float
    spread: float


def flatten_agreement(name: str, found: Agreement | None) -> dict[str, float | None]:
    """Numbers of an agreement by the names of their columns; None where it was not computed."""
    names = [field.name for field in dataclasses.fields(Agreement)]
    return {f"{name}_{part}": None if found is None else getattr(found, part) for part in names}


def compare(one: Density, other: Density) -> Agreement:
    """Compare two densities on the same grid, or on the same draws."""
    (mean, covariance), (mean2, covariance2) = one.moments(), other.moments()
    variance, variance2 = np.diag(covariance), np.diag(covariance2)
    ratio = variance2 / variance
    shift = np.abs(mean2 - mean) / np.sqrt(variance)
    return Agreement(one.distance(other), float(shift.max()), float(np.maximum(ratio, 1.0 / ratio).max()))
