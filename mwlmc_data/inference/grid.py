"""A density of three parameters on a grid, interpolated linearly."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed

#: Normal scores of parameters are cut at this absolute value (`mwlmc_data.inference.encoding`).
MAX_SCORE = 5.2
#: Probability that `Grid.zoom` leaves out on either side of a marginal.
_TAIL = 1e-5


@dataclasses.dataclass(frozen=True, repr=False)
class Grid(Displayed):
    """A normalised density on a rectilinear grid.

    Attributes
    ----------
    axes : tuple of three ndarray
        Increasing coordinates of the points, n numbers each.
    density : ndarray, shape (n, n, n)
        Density at the points; linear in each coordinate between them, zero outside.
    log_evidence : float
        Logarithm of the normalisation that the density was divided by.
    """

    axes: tuple[NDArray, ...]
    density: NDArray
    log_evidence: float

    @classmethod
    def from_log(cls, axes: tuple[NDArray, ...], log_values: NDArray) -> Grid:
        """Normalise a density given by its logarithm."""
        top = log_values.max()
        blank = cls(axes, np.exp(log_values - top), 0.0)
        norm = blank.masses.sum()
        return cls(axes, blank.density / norm, float(top + np.log(norm)))

    @property
    def masses(self) -> Float64Array:
        """Probability assigned to each point of the grid."""
        w = [trapezoid(axis) for axis in self.axes]
        return self.density * w[0][:, None, None] * w[1][None, :, None] * w[2]

    def marginal(self, i: int) -> Float64Array:
        """Density of one parameter at its grid points."""
        return self.masses.sum(axis=_others(i)) / trapezoid(self.axes[i])

    def cumulative(self, i: int, values: NDArray) -> Float64Array:
        """Marginal distribution function of one parameter at `values`."""
        axis, density = self.axes[i], self.marginal(i)
        spacing = np.diff(axis)
        total = np.r_[0.0, np.cumsum(0.5 * (density[1:] + density[:-1]) * spacing)]
        k = np.clip(np.searchsorted(axis, values) - 1, 0, len(axis) - 2)
        t = np.clip((values - axis[k]) / spacing[k], 0.0, 1.0)
        part = spacing[k] * (density[k] * t + 0.5 * (density[k + 1] - density[k]) * t * t)
        return (total[k] + part) / total[-1]

    def interval(self, i: int, probability: float) -> tuple[float, float]:
        """Ends of the central interval of one parameter."""
        values = np.linspace(self.axes[i][0], self.axes[i][-1], 8192)
        tail = 0.5 * (1.0 - probability)
        low, high = np.interp([tail, 1.0 - tail], self.cumulative(i, values), values)
        return float(low), float(high)

    def zoom(self, margin: int = 3) -> Float64Array:
        """Box (3, 2) that holds all but 1e-5 of each marginal on either side, extended by `margin` points."""
        box = np.empty((3, 2))
        for i, axis in enumerate(self.axes):
            cumulative = self.cumulative(i, axis)
            # last may precede first: then all the mass lies between two points
            first, last = np.flatnonzero(cumulative > _TAIL)[0], np.flatnonzero(cumulative < 1.0 - _TAIL)[-1]
            box[i] = axis[max(first - margin, 0)], axis[min(last + margin, len(axis) - 1)]
        return box

    def moments(self) -> tuple[Float64Array, Float64Array]:
        """Means (3,) and covariance (3, 3)."""
        masses = self.masses
        marginals = [masses.sum(axis=_others(i)) for i in range(3)]
        mean = np.array([m @ a for m, a in zip(marginals, self.axes, strict=True)])
        centred = [a - m for a, m in zip(self.axes, mean, strict=True)]
        covariance = np.diag([m @ c**2 for m, c in zip(marginals, centred, strict=True)])
        for i, j in ((0, 1), (0, 2), (1, 2)):
            covariance[i, j] = covariance[j, i] = centred[i] @ masses.sum(axis=3 - i - j) @ centred[j]
        return mean, covariance

    def sample(self, n: int, seed: tuple[int, ...]) -> Float64Array:
        """Draw from the density, shape (n, 3): a point of the grid, then a position in one of the cells around it."""
        rng = np.random.default_rng(seed)
        cumulative = np.cumsum(self.masses.ravel())
        drawn = np.searchsorted(cumulative, rng.uniform(size=n) * cumulative[-1])
        columns = []
        for axis, at in zip(self.axes, np.unravel_index(drawn, self.density.shape), strict=True):
            spacing = np.r_[0.0, np.diff(axis), 0.0]  # a point at an end has a cell on one side only
            left, right = spacing[at], spacing[at + 1]
            # the point's share of the linear density falls to zero at its neighbours
            offset = 1.0 - np.sqrt(rng.uniform(size=n))
            columns.append(axis[at] + np.where(rng.uniform(size=n) * (left + right) < left, -left, right) * offset)
        return np.stack(columns, axis=1)

    def log_density(self, points: NDArray) -> Float64Array:
        """Log density (n,) of points (n, 3), as `sample` draws them; -inf outside the grid."""
        from scipy.interpolate import RegularGridInterpolator

        found = RegularGridInterpolator(self.axes, self.density, bounds_error=False, fill_value=0.0)(points)
        with np.errstate(divide="ignore"):
            return np.log(found)

    def distance(self, other: Grid) -> float:
        """Total variation distance from another density on the same points.

        The best classifier of draws from the two is correct with probability (1 + distance) / 2.
        """
        return float(0.5 * np.abs(self.masses - other.masses).sum())


def trapezoid(axis: NDArray) -> Float64Array:
    """Weights of the trapezoidal rule."""
    spacing = np.diff(axis)
    return 0.5 * (np.r_[spacing, 0.0] + np.r_[0.0, spacing])


def axes_of(box: NDArray, n: int) -> tuple[NDArray, ...]:
    """Axes of n points each between the ends of a box (3, 2)."""
    return tuple(np.linspace(low, high, n) for low, high in box)


def points_of(axes: tuple[NDArray, ...]) -> Float64Array:
    """Points (n^3, 3) of a grid."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def _others(i: int) -> tuple[int, ...]:
    return tuple(j for j in range(3) if j != i)
