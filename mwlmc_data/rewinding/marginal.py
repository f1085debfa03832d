"""The likelihood of observed stars: the integral of f over all that a star may truly be, by draws at a pivot.

Of each star weighted points (:mod:`mwlmc_data.rewinding.proposal`) become k draws w_j from its posterior at
parameters theta_0, the pivot. The density of its data at other parameters is then ::

    Z(theta) = Z(theta_0) sum_j a_j f_theta(w_j) / f_theta_0(w_j),

with weights a_j of sum one. A plain mean of so few ratios has an error that adds up over the stars. The a_j are
therefore calibrated (Deville & Sarndal 1992, J. Am. Stat. Assoc. 87, 376, their case of raking): they are the weights
nearest to equal ones with which the k draws give what m points give at some parameters around the pivot. These m are
chosen from many more, most of which are improbable at the pivot and rewound there alone. Their number does not depend
on what they show: if the stars whose points turn out to be worth little had new ones, Z would be too low, since few
that have met the peak of f are worth little.

The error of a star's L (:mod:`mwlmc_data.rewinding.density`) is one for all its draws, as it is an error of the star.
It is larger than that of an exact star where the data say less of L: without it, single draws that are nearly radial at
some parameters outweigh all others (f rises as L^(-2 beta): above beta = 1/2 the ratios would have no variance). The
posterior is that of stars with this error too, which is small beside that of the data. It must be small beside v as
well: the selection's probability is that of stars without it, and it changes the number of stars at a place and speed,
summed over all directions, by 0.4% at beta0 = 0.9 (by 4% if it were three times as large).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.rewinding.density import ERROR, draw_errors
from mwlmc_data.rewinding.likelihood import log_density_stars
from mwlmc_data.rewinding.observed import ObservedStars
from mwlmc_data.rewinding.proposal import TruthDraws, draw_phase_space
from mwlmc_data.simulator.constants import KMS_PER_MASYR_KPC
from mwlmc_data.simulator.parameters import Parameters

#: Error given to L, in r v: this part of the error that the data leave, between `ERROR` and the largest.
_BLUR, MAX_BLUR = 0.3, 0.05
#: Points of a star for each of its draws, and the fewest; those from which each of them is chosen.
_POINTS, _FEWEST, _FIRST = 16, 512, 16
#: Part of them that is chosen whatever f: where f is 0 at the pivot, it may not be elsewhere.
_ANYWHERE = 0.1
#: Points that are drawn together.
_TOGETHER = 500_000
#: Ridge of the calibration, its Newton steps, and the largest step.
_RIDGE, _STEPS, _LONGEST = 1e-3, 12, 2.0


@dataclass(frozen=True, eq=False, repr=False)
class StarDraws(Displayed):
    """Draws of the true phase space of n observed stars.

    Attributes
    ----------
    phase_space : ndarray, shape (n, k, 6)
        Galactocentric [kpc, km/s].
    log_weight : ndarray, shape (n, k)
        The density of the data of a star is the sum over draws of ``exp(log_weight) f(phase_space)``, per steradian,
        kpc, km/s and mas/yr.
    errors : ndarray, shape (n, 3)
        Of the stars' L, as :func:`~mwlmc_data.rewinding.density.draw_errors` gives them.
    sizes : ndarray, shape (n,)
        Their standard deviations, in r v.
    effective : ndarray, shape (n,)
        Effective number of points from which Z at the pivot was computed; 0 where none was possible.
    """

    phase_space: Float64Array
    log_weight: Float64Array
    errors: Float64Array
    sizes: Float64Array
    effective: Float64Array

    def __len__(self) -> int:
        return len(self.log_weight)

    @classmethod
    def join(cls, parts: Sequence[StarDraws]) -> StarDraws:
        """Draws of all the stars of several parts, in order."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def to_arrays(self) -> dict[str, Float64Array]:
        """The arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def set(self, places: NDArray[np.intp], others: StarDraws) -> None:
        """Put other draws of the stars at these places."""
        for name, values in others.to_arrays().items():
            getattr(self, name)[places] = values

    def log_density(self, parameters: Parameters) -> Float64Array:
        """Log density (n,) of the data of each star; -inf where none of its draws is possible.

        The logarithm of a mean of few draws is too low by half the mean's relative variance, more so the farther from
        the pivot; that is added, or a search would stay at its pivot.
        """
        n, k = self.log_weight.shape
        blur = np.repeat(self.errors, k, axis=0), np.repeat(self.sizes, k)
        values = log_density_stars(self.phase_space.reshape(-1, 6), parameters, *blur)
        terms = values.reshape(n, k) + self.log_weight
        with np.errstate(divide="ignore"):
            log_mean = logsumexp(terms, axis=1, keepdims=True)
        parts = np.exp(terms - np.where(np.isfinite(log_mean), log_mean, 0.0))
        variance = np.maximum(k * np.einsum("nk,nk->n", parts, parts) - 1.0, 0.0) / (k - 1)
        return np.asarray(log_mean[:, 0] + 0.5 * variance)


def draw_simply(stars: ObservedStars, dispersion: float, k: int, seed: tuple[int, ...]) -> StarDraws:
    """Draw from a simple halo, where nothing is known of the parameters: k draws of each star."""
    draws = draw_phase_space(stars, dispersion, k, seed)
    log_weight = draws.log_weight - math.log(draws.log_weight.shape[1])
    return StarDraws(draws.phase_space, log_weight, *_draw_blur(stars, dispersion), np.full(len(stars), float(k)))


def draw_at_pivots(
    stars: ObservedStars,
    pivots: Sequence[Parameters],
    dispersion: float,
    k: int,
    seed: tuple[int, ...],
) -> StarDraws:
    """Draw from the posterior of each star at a pivot.

    Parameters
    ----------
    stars : ObservedStars
        The stars.
    pivots : sequence of Parameters
        theta_0, and those around it: of their mixture the points are drawn, and at each the draws are calibrated.
    dispersion : float
        Of the velocities of the simple halo from which points are drawn [km/s].
    k : int
        Number of draws of each star.
    seed : tuple of int
        Of the draws.

    Returns
    -------
    StarDraws
        Those of a star that is impossible at the pivot are of the simple halo.
    """
    m = max(_POINTS * k, _FEWEST)
    parts = np.array_split(np.arange(len(stars)), math.ceil(len(stars) * _FIRST * m / _TOGETHER))
    jobs = [(stars[places], pivots, dispersion, k, m, (*seed, 1, i)) for i, places in enumerate(parts)]
    found = StarDraws.join([_draw_weighted(*job) for job in jobs])
    impossible = np.flatnonzero(found.effective == 0.0)
    if len(impossible):  # at the pivot, and perhaps not elsewhere
        found.set(impossible, draw_simply(stars[impossible], dispersion, k, (*seed, 0)))
    return found


def _draw_weighted(
    stars: ObservedStars,
    mixture: Sequence[Parameters],
    dispersion: float,
    k: int,
    m: int,
    seed: tuple[int, ...],
) -> StarDraws:
    """As `draw_at_pivots`, from m points of each star; where none is possible, weights and effective number are 0."""
    blur = _draw_blur(stars, dispersion)
    points = draw_phase_space(stars, dispersion, _FIRST * m, seed)
    # at the pivot, and where the peak of f is highest
    anchors = dict.fromkeys((mixture[0], max(mixture, key=lambda p: p.beta0)))
    chance, possible = _mix(*_weigh(points, list(anchors), blur))
    effective = possible / np.maximum(np.einsum("nm,nm->n", chance, chance), 1e-300)
    chance = (1.0 - _ANYWHERE) * chance + _ANYWHERE / chance.shape[1]
    points, _ = _choose(points, chance, m, (*seed, 1))
    p, is_possible = _weigh(points, mixture, blur)
    chance, _ = _mix(p, is_possible)
    points, chosen = _choose(points, chance, k, (*seed, 2))
    ratios = np.take_along_axis(p / np.maximum(chance, 1e-300), chosen[None], axis=2)
    log_a = calibrate(np.moveaxis(ratios, 0, 2), is_possible.T.astype(float))
    return StarDraws(points.phase_space, points.log_weight + log_a, *blur, effective)


def _choose(
    points: TruthDraws, chance: Float64Array, k: int, seed: tuple[int, ...]
) -> tuple[TruthDraws, NDArray[np.intp]]:
    """Choose k of the points (n, m) by their chances, of sum one, weigh them anew, and give their places (n, k)."""
    chosen = _resample(chance, k, np.random.default_rng(seed))
    # a star without a possible point is drawn again
    log_chance = np.log(np.maximum(np.take_along_axis(chance, chosen, axis=1), 1e-300))
    log_weight = np.take_along_axis(points.log_weight, chosen, axis=1) - math.log(chance.shape[1]) - log_chance
    phase_space = np.take_along_axis(points.phase_space, chosen[:, :, None], axis=1)
    return TruthDraws(phase_space, log_weight), chosen


def _weigh(
    points: TruthDraws, mixture: Sequence[Parameters], blur: tuple[Float64Array, Float64Array]
) -> tuple[Float64Array, NDArray[np.bool_]]:
    """Probability of each point (p, n, m) under each of the parameters, and for which of them a star is possible."""
    n, m = points.log_weight.shape
    flat, repeated = points.phase_space.reshape(-1, 6), [np.repeat(each, m, axis=0) for each in blur]
    log_joint = np.array([log_density_stars(flat, p, *repeated).reshape(n, m) for p in mixture]) + points.log_weight
    with np.errstate(divide="ignore"):
        log_z = logsumexp(log_joint, axis=2) - math.log(m)
    possible = np.isfinite(log_z)
    p = np.exp(log_joint - np.where(possible, log_z, 0.0)[:, :, None]) * possible[:, :, None] / m
    return p, possible


def _mix(p: Float64Array, possible: NDArray[np.bool_]) -> tuple[Float64Array, NDArray[np.bool_]]:
    """Probability of each point (n, m) under the mixture of the parameters for which its star is possible, if any."""
    chance = p.sum(axis=0) / np.maximum(possible.sum(axis=0), 1)[:, None]
    return chance, np.asarray(possible.any(axis=0))


def calibrate(values: Float64Array, wanted: Float64Array) -> Float64Array:
    """Log weights (n, k), nearest to equal ones, with which the means of values (n, k, j) are those wanted (n, j).

    They are ``exp(lambda h)`` of the values h less those wanted, up to a constant: the minimum over lambda of
    ``ln mean exp(lambda h)``, which is convex, found by Newton's method with a small ridge. The ridge leaves values
    that cannot be reached as near as they come.
    """
    n, _, size = values.shape
    h = values - wanted[:, None]
    scale = np.maximum(values.std(axis=1), 1e-12)
    h /= scale[:, None]
    multiplier = np.zeros((n, size))
    for _ in range(_STEPS):
        log_a = np.einsum("nkj,nj->nk", h, multiplier)
        a = np.exp(log_a - logsumexp(log_a, axis=1, keepdims=True))
        mean = np.einsum("nk,nkj->nj", a, h)
        apart = h - mean[:, None]
        curvature = np.einsum("nk,nki,nkj->nij", a, apart, apart, optimize=True) + _RIDGE * np.eye(size)
        step = np.linalg.solve(curvature, (mean + _RIDGE * multiplier)[..., None])[..., 0]
        length = np.sqrt(np.maximum(np.einsum("nj,nij,nj->n", step, curvature, step), 0.0))
        multiplier -= step * np.minimum(1.0, _LONGEST / np.maximum(length, 1e-300))[:, None]
    log_a = np.einsum("nkj,nj->nk", h, multiplier)
    return np.asarray(log_a - logsumexp(log_a, axis=1, keepdims=True))


def _resample(weights: Float64Array, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Places (n, k) of draws by systematic resampling."""
    n, m = weights.shape
    below = np.cumsum(weights, axis=1)
    below /= np.maximum(below[:, -1:], 1e-300)
    u = (rng.random((n, 1)) + np.arange(k)) / k
    row = np.arange(n)[:, None]
    places = np.searchsorted((below + row).ravel(), (u + row).ravel()).reshape(n, k) - m * row
    return np.clip(places, 0, m - 1)


def _draw_blur(stars: ObservedStars, dispersion: float) -> tuple[Float64Array, Float64Array]:
    """Errors of L (n, 3), those of a star at the observed place, and their sizes (n,)."""
    errors = draw_errors(np.concatenate([stars.positions, np.zeros((len(stars), 3))], axis=1))
    across = KMS_PER_MASYR_KPC * stars.distance * np.hypot(stars.e_pm_l, stars.e_pm_b) / dispersion
    unknown = np.where(stars.measured[:, 1:].all(axis=1), np.hypot(across, stars.e_distance), np.inf)
    return errors, np.clip(_BLUR * unknown, ERROR, MAX_BLUR)
