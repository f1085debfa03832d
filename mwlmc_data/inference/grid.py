"""A density of three parameters on a grid, linear between its points."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.display import Displayed

WIDEST = 5.2
"""Normal scores of parameters beyond it are cut (`mwlmc_data.inference.encoding`)."""
_TAIL = 1e-5  # probability that `Grid.zoom` leaves out on either side of a marginal


@dataclasses.dataclass(frozen=True, repr=False)
class Grid(Displayed):
    """A normalised density on a rectilinear grid.

    Attributes
    ----------
    axes : tuple of three ndarray
        Rising coordinates of the points, of n numbers each.
    density : ndarray, shape (n, n, n)
        At the points; linear in each coordinate between them, zero outside.
    log_evidence : float
        Logarithm of what the density was divided by.
    """

    axes: tuple[NDArray, ...]
    density: NDArray
    log_evidence: float

    @classmethod
    def from_log(cls, axes: tuple[NDArray, ...], log_values: NDArray) -> Grid:
        """Normalise a density that is given by its logarithm."""
        top = log_values.max()
        blank = cls(axes, np.exp(log_values - top), 0.0)
        norm = blank.masses.sum()
        return cls(axes, blank.density / norm, float(top + np.log(norm)))

    @property
    def masses(self) -> NDArray[np.float64]:
        """Probability that belongs to each point of the grid."""
        w = [trapezoid(axis) for axis in self.axes]
        return self.density * w[0][:, None, None] * w[1][None, :, None] * w[2]

    def marginal(self, i: int) -> NDArray[np.float64]:
        """Density of one parameter at its grid points."""
        return self.masses.sum(axis=_others(i)) / trapezoid(self.axes[i])

    def cumulative(self, i: int, values: NDArray) -> NDArray[np.float64]:
        """Marginal distribution function of one parameter at `values`."""
        axis, density = self.axes[i], self.marginal(i)
        spacing = np.diff(axis)
        whole = np.r_[0.0, np.cumsum(0.5 * (density[1:] + density[:-1]) * spacing)]
        k = np.clip(np.searchsorted(axis, values) - 1, 0, len(axis) - 2)
        t = np.clip((values - axis[k]) / spacing[k], 0.0, 1.0)
        part = spacing[k] * (density[k] * t + 0.5 * (density[k + 1] - density[k]) * t * t)
        return (whole[k] + part) / whole[-1]

    def interval(self, i: int, probability: float) -> tuple[float, float]:
        """Ends of the central interval of one parameter."""
        values = np.linspace(self.axes[i][0], self.axes[i][-1], 8192)
        tail = 0.5 * (1.0 - probability)
        low, high = np.interp([tail, 1.0 - tail], self.cumulative(i, values), values)
        return float(low), float(high)

    def zoom(self, margin: int = 3) -> NDArray[np.float64]:
        """Box (3, 2) that ends so many points outside all but a hundred-thousandth of each marginal on either side."""
        box = np.empty((3, 2))
        for i, axis in enumerate(self.axes):
            cumulative = self.cumulative(i, axis)
            # the second may come before the first: all the mass is between two points then
            first, last = np.flatnonzero(cumulative > _TAIL)[0], np.flatnonzero(cumulative < 1.0 - _TAIL)[-1]
            box[i] = axis[max(first - margin, 0)], axis[min(last + margin, len(axis) - 1)]
        return box

    def moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Means (3,) and covariance (3, 3)."""
        masses = self.masses
        marginals = [masses.sum(axis=_others(i)) for i in range(3)]
        mean = np.array([m @ a for m, a in zip(marginals, self.axes, strict=True)])
        centred = [a - m for a, m in zip(self.axes, mean, strict=True)]
        covariance = np.diag([m @ c**2 for m, c in zip(marginals, centred, strict=True)])
        for i, j in ((0, 1), (0, 2), (1, 2)):
            covariance[i, j] = covariance[j, i] = centred[i] @ masses.sum(axis=3 - i - j) @ centred[j]
        return mean, covariance

    def sample(self, n: int, seed: tuple[int, ...]) -> NDArray[np.float64]:
        """Draw from the density, shape (n, 3): a point of the grid, then a place in one of the cells around it."""
        rng = np.random.default_rng(seed)
        cumulative = np.cumsum(self.masses.ravel())
        drawn = np.searchsorted(cumulative, rng.uniform(size=n) * cumulative[-1])
        columns = []
        for axis, at in zip(self.axes, np.unravel_index(drawn, self.density.shape), strict=True):
            spacing = np.r_[0.0, np.diff(axis), 0.0]  # a point at an end has a cell on one side only
            left, right = spacing[at], spacing[at + 1]
            # The density is linear: the point's share falls linearly to zero at its neighbours.
            offset = 1.0 - np.sqrt(rng.uniform(size=n))
            columns.append(axis[at] + np.where(rng.uniform(size=n) * (left + right) < left, -left, right) * offset)
        return np.stack(columns, axis=1)

    def distance(self, other: Grid) -> float:
        """Total variation distance from a density on the same points.

        The best classifier of draws from the two is right with probability (1 + distance) / 2.
        """
        return float(0.5 * np.abs(self.masses - other.masses).sum())


def trapezoid(axis: NDArray) -> NDArray[np.float64]:
    """Weights of the trapezoidal rule."""
    spacing = np.diff(axis)
    return 0.5 * (np.r_[spacing, 0.0] + np.r_[0.0, spacing])


def axes_of(box: NDArray, n: int) -> tuple[NDArray, ...]:
    """Axes of n points each between the ends of a box (3, 2)."""
    return tuple(np.linspace(low, high, n) for low, high in box)


def points_of(axes: tuple[NDArray, ...]) -> NDArray[np.float64]:
    """Points (n^3, 3) of a grid."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def _others(i: int) -> tuple[int, ...]:
    return tuple(j for j in range(3) if j != i)
