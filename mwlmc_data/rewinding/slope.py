"""The slope of ln P(theta) at the posterior, from many stars at few parameters.

Of a polynomial fitted to ln P over a design (:mod:`mwlmc_data.rewinding.probability`), the slope carries the noise:
with the information that n stars hold of themselves, N rewound stars leave an error of sqrt(d / N) / sqrt(n) standard
deviations of ln P over a posterior in d dimensions. The curvature is known far better. So further stars are simulated
at a few corners within the posterior's covariance, and rewound at these alone, a tenth of the cost of a star of the
design. Corners that differ in what the stars' orbits do not depend on, the anisotropy and the scale radius, share the
rewound stars; there are so many of them that the curvature in these parameters follows as well, the only one that
matters much. A function of these terms is added to the polynomial, so that the ratios at the corners are those of the
further stars; of their parts, the parts' polynomials. Their number follows from the error that a first set leaves. What
is counted among them gives the constant of ln P.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed, describe_tuple
from mwlmc_data.rewinding.bennett import solve_ratios
from mwlmc_data.rewinding.likelihood import log_densities
from mwlmc_data.rewinding.probability import N_PARTS, PassProbability, compute_coordinates
from mwlmc_data.rewinding.selection import Selection
from mwlmc_data.rewinding.simulated import (
    BLOCK,
    Count,
    DrawJob,
    Map,
    draw_counted,
    draw_first_block,
    fit_controlled_constant,
)
from mwlmc_data.simulator.parameters import Parameters

#: Blocks of stars that are simulated and rewound together.
_BLOCKS = 5
#: Stars beyond the estimate that are drawn in a second set, and the most sets.
_MARGIN, _MAX_SETS = 1.15, 4


def make_simplex(d: int) -> Float64Array:
    """Corners (d + 1, d) of a simplex about zero, whose covariance is the identity."""
    return np.asarray(helmert(d + 1).T * math.sqrt(d + 1))


def place_corners(covariance: Float64Array, of_start: NDArray[np.bool_]) -> Float64Array:
    """Offsets (k, d) of corners within a covariance (d, d), some of which differ in the stars' start alone.

    Parameters
    ----------
    covariance : ndarray, shape (d, d)
        Of the posterior.
    of_start : ndarray of bool, shape (d,)
        Which parameters the orbits do not depend on. Corners that differ in these alone are next to each other, so that
        their stars are rewound once.

    Returns
    -------
    ndarray
        The corners of a simplex in the other parameters; in place of its last, where these are at the middle, points in
        these that determine slopes and products.
    """
    order = np.argsort(of_start, kind="stable")
    n_start, d = int(of_start.sum()), len(of_start)
    n_fields, starts = d - n_start, _surround(n_start)
    score = np.zeros((n_fields + len(starts), d))
    if n_fields:
        score[: n_fields + 1, :n_fields] = make_simplex(n_fields)
        score[n_fields:, :n_fields] = score[n_fields, :n_fields]
    score[n_fields:, n_fields:] = starts
    found = np.empty_like(score)
    found[:, order] = score @ np.linalg.cholesky(covariance[np.ix_(order, order)]).T
    return found


def _surround(n: int) -> Float64Array:
    """Zero and points about it that determine a quadratic polynomial, in up to two dimensions: a pair, a pentagon."""
    if n == 0:
        return np.zeros((1, 0))
    angle = 2.0 * math.pi * np.arange(2 if n == 1 else 5) / (2 if n == 1 else 5)
    around = np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, :n]
    return np.vstack([np.zeros(n), math.sqrt(n + 1.0) * around])


@dataclass(frozen=True, eq=False, repr=False)
class Goal(Displayed):
    """How well ln P must be known over a posterior.

    Attributes
    ----------
    coordinates : ndarray, shape (m, d)
        Draws of the posterior, as :func:`~mwlmc_data.rewinding.probability.compute_coordinates` gives them.
    weights : ndarray, shape (m,)
        Of the draws, whose sum is one.
    noise : float
        Largest noise of ln P over the posterior that comes of its slope.
    most : int
        Most observed stars to rewind.
    """

    coordinates: Float64Array
    weights: Float64Array
    noise: float
    most: int


@dataclass(frozen=True, eq=False, repr=False)
class Slope(Displayed):
    """ln P at the corners, from further stars.

    Attributes
    ----------
    coordinates : ndarray, shape (k, d)
        Of the corners.
    log_p : ndarray, shape (k,)
        ln P there, up to a constant.
    of_parts : ndarray, shape (N_PARTS, k)
        The same from disjoint parts of the stars.
    level, level_error : float
        Mean of ln P over the corners, from what was counted, and its error.
    n_stars : int
        Observed stars that were rewound.
    """

    coordinates: Float64Array
    log_p: Float64Array
    of_parts: Float64Array
    level: float
    level_error: float
    n_stars: int

    def apply(self, fitted: PassProbability) -> PassProbability:
        """A fit with this slope and constant, and their errors; its number of stars is that of both."""
        found = self._tilt(fitted)
        relative = found.evaluate(self.coordinates) - found.log_p
        return replace(
            found,
            n_stars=fitted.n_stars + self.n_stars,
            log_p=self.level - float(relative.mean()),
            log_p_error=self.level_error,
        )

    def estimate_noise(self, fitted: PassProbability, goal: Goal) -> float:
        """Noise of ln P that comes of the slope alone: no further star lowers that of the fit's curvature."""
        return self._tilt(fitted.without_noise()).estimate_noise(goal.coordinates, goal.weights)

    def _tilt(self, fitted: PassProbability) -> PassProbability:
        return fitted.with_slope(self.coordinates, self.log_p, self.of_parts)

    def combine(self, other: Slope) -> Slope:
        """Join with that of other stars at the same corners."""
        n_stars = self.n_stars + other.n_stars
        share = other.n_stars / n_stars
        by_counts = self.level_error**2 / (self.level_error**2 + other.level_error**2)
        return Slope(
            coordinates=self.coordinates,
            log_p=self.log_p + share * (other.log_p - self.log_p),
            of_parts=self.of_parts + share * (other.of_parts - self.of_parts),
            level=self.level + by_counts * (other.level - self.level),
            level_error=self.level_error * math.sqrt(1.0 - by_counts),
            n_stars=n_stars,
        )

    def to_arrays(self) -> dict[str, NDArray]:
        """All of it, as arrays."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray]) -> Slope:
        """The inverse of :meth:`to_arrays`."""
        numbers: dict[str, Any] = {name: float(arrays[name]) for name in ("level", "level_error")}
        numbers["n_stars"] = int(arrays["n_stars"])
        return cls(**{**arrays, **numbers})


def measure_slope(
    fitted: PassProbability,
    corners: Sequence[Parameters],
    selection: Selection,
    goal: Goal,
    n_first: int,
    seed: tuple[int, ...],
    apply: Map = map,
    relative_errors: Float64Array | None = None,
    earlier: Slope | None = None,
) -> Slope:
    """Determine the slope and the constant of ln P from further stars.

    Parameters
    ----------
    fitted : PassProbability
        Over a design that holds the corners.
    corners : sequence of Parameters
        Around the posterior, from :func:`place_corners`.
    selection : Selection
        What is observed.
    goal : Goal
        When to end.
    n_first : int
        Observed stars of the first set, about.
    seed : tuple of int
        Of the stars.
    apply, relative_errors
        As for :func:`~mwlmc_data.rewinding.probability_fit.fit_probability`.
    earlier : Slope, optional
        At the same corners, from stars of another seed, which count too.

    Returns
    -------
    Slope

    Raises
    ------
    ValueError
        If fewer than one star in a thousand is observed.
    RuntimeError
        If the ratios are not determined.
    """
    k, n_parameters = len(corners), len(fitted.names)
    if k <= n_parameters:
        raise ValueError(f"corners = {k}: allowed are more than the {n_parameters} free parameters")
    wanted, n_stars = n_first, 0
    if earlier is not None:
        noise = earlier.estimate_noise(fitted, goal)
        if noise <= goal.noise:
            return earlier
        wanted = min(_count_wanted(earlier.n_stars, noise, goal) - earlier.n_stars, goal.most)
    n_observed = len(draw_first_block(DrawJob(corners[0], selection, BLOCK, (*seed, 0), relative_errors)))
    x = compute_coordinates({name: [getattr(p, name) for p in corners] for name in fitted.names}, fitted.names)
    rewound: list[_Rewound] = []
    for i in range(_MAX_SETS):
        n_blocks = max(math.ceil((wanted - n_stars) / (n_observed * k)), 1)
        rewound += apply(_draw_and_rewind, [
            _Work(DrawJob(corner, selection, n * BLOCK, (*seed, 1 + i, j, m), relative_errors), tuple(corners), j)
            for j, corner in enumerate(corners)
            for m, n in enumerate(_share(n_blocks, _BLOCKS))
        ])  # fmt: skip
        found = _build(rewound, fitted, x, selection)
        n_stars = found.n_stars
        together = found if earlier is None else earlier.combine(found)
        noise = together.estimate_noise(fitted, goal)
        if noise <= goal.noise or n_stars >= goal.most:
            break
        n_before = together.n_stars - n_stars
        wanted = min(_count_wanted(together.n_stars, noise, goal) - n_before, goal.most)
    return together


def _count_wanted(n_stars: int, noise: float, goal: Goal) -> int:
    """Stars that leave the wanted noise, where these leave another."""
    return math.ceil(_MARGIN * n_stars * (noise / goal.noise) ** 2)


def _build(rewound: Sequence[_Rewound], fitted: PassProbability, x: Float64Array, selection: Selection) -> Slope:
    """The slope from rewound stars of corners at coordinates x (k, d)."""
    log_p, of_parts = _solve(rewound, len(x))
    tilted = fitted.with_slope(x, log_p, of_parts)
    relative = tilted.evaluate(x) - tilted.log_p
    of_counts = np.concatenate([np.full(len(each.counts), relative[each.source]) for each in rewound])
    constant, error = fit_controlled_constant([count for each in rewound for count in each.counts], of_counts)
    level = constant + math.log(selection.fraction) + float(relative.mean())
    return Slope(x, log_p, of_parts, level, error, sum(each.log_f.shape[1] for each in rewound))


def _share(n: int, most: int) -> list[int]:
    """Parts of n, none larger than `most`."""
    return [min(most, n - i) for i in range(0, n, most)]


class _Work(NamedTuple):
    job: DrawJob
    corners: tuple[Parameters, ...]
    source: int  # corner of the job

    def __repr__(self) -> str:
        return describe_tuple(self)


class _Rewound(NamedTuple):
    log_f: Float64Array  # (k, m): ln f at each corner, of the observed stars of one
    counts: list[Count]
    source: int

    def __repr__(self) -> str:
        return describe_tuple(self)


def _draw_and_rewind(work: _Work) -> _Rewound:
    """Draw the stars of a job, and rewind them at all corners."""
    drawn, counts = draw_counted(work.job)
    stars = drawn.astype(float)
    log_f = np.array(list(log_densities(stars, work.corners)))
    # a star may be impossible at its own parameters by rounding alone
    return _Rewound(log_f[:, np.isfinite(log_f[work.source])], counts, work.source)


def _solve(rewound: Sequence[_Rewound], k: int) -> tuple[Float64Array, Float64Array]:
    """Ln P (k,) at the corners, up to a constant, from all stars, and from disjoint parts of them (N_PARTS, k)."""
    log_f = np.concatenate([each.log_f for each in rewound], axis=1)
    source = np.concatenate([np.full(each.log_f.shape[1], each.source) for each in rewound])
    part = np.concatenate([np.arange(each.log_f.shape[1]) % N_PARTS for each in rewound])

    def solve(used: NDArray[np.bool_]) -> Float64Array:
        return solve_ratios(log_f[:, used], np.bincount(source[used], minlength=k).astype(float)).log_p

    whole = solve_ratios(log_f, np.bincount(source, minlength=k).astype(float)).log_p
    return whole, np.array([solve(part == i) for i in range(N_PARTS)])
