"""Fits ln P(theta) over a design of parameters (:mod:`mwlmc_data.rewinding.probability`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from mwlmc_data.array_types import Float64Array, FloatArray
from mwlmc_data.display import Displayed
from mwlmc_data.rewinding.bennett import Ratios, solve_ratios
from mwlmc_data.rewinding.likelihood import log_density_stars
from mwlmc_data.rewinding.probability import (
    N_PARTS,
    PassProbability,
    compute_coordinates,
    count_coefficients,
    expand,
    square_distances,
)
from mwlmc_data.rewinding.selection import Selection
from mwlmc_data.rewinding.simulated import BLOCK, DrawJob, Map, draw_first_block, draw_job, fit_constant
from mwlmc_data.simulator.parameters import Parameters

#: Points of a design for each coefficient of the polynomial.
POINTS_PER_COEFFICIENT = 2
#: The probability is refused if chance gives a larger disagreement with the counts more rarely than this, or if fewer
#: effective stars than this determine the ratio at a point.
MIN_AGREEMENT, MIN_EFFECTIVE = 1e-4, 100.0
#: Second derivatives of ln P in two coordinates are at most the product of these numbers, the last for parameters that
#: are not listed. Of shells without a footprint they are at most 0.4 in ln r_dehnen, 0.1 in beta0, and 0.03 in others
#: and between two (``python -m benchmarks selection``).
_BENDS, _BEND = {"r_dehnen": 1.0, "beta0": 1.0}, 0.5
#: Size of a term of the sum over all stars of the data [nats] below which it is left out, one scale of the design from
#: its centre: two standard deviations of the posterior in each coordinate, for which it is a quarter.
_NEGLIGIBLE = 0.2
#: Size of the constant and the slopes of a wide design, which may be anything; that of its cubes in that of its
#: products. Sizes of the products, and of the misfit, among which the likeliest are chosen.
_FREE, _CUBES = 10.0, 0.5
_PRODUCTS, _MISFITS = np.geomspace(1e-3, 1.0, 16), np.array([0.0, *np.geomspace(1e-3, 0.05, 7)])
#: Least noise of ln P at a point: far below what any number of stars needs.
_LEAST_NOISE = 1e-8
#: Width of a posterior in scales of the design; the error with more terms over that with fewer, below which they are
#: fitted.
_POSTERIOR, _BETTER = 0.5, 0.9


def count_points(n_free: int) -> int:
    """Number of points of a design for this number of free parameters."""
    return POINTS_PER_COEFFICIENT * count_coefficients(n_free) + 8


def fit_probability(
    design: Sequence[Parameters],
    names: Sequence[str],
    selection: Selection,
    n_stars: int,
    seed: tuple[int, ...],
    apply: Map = map,
    relative_errors: Float64Array | None = None,
    wide: bool = False,
    n_data: int | None = None,
) -> PassProbability:
    """Compute ln P over a design of parameters.

    Parameters
    ----------
    design : sequence of Parameters
        Points, at least as many as :func:`~mwlmc_data.rewinding.probability.count_coefficients`, the first at the
        centre.
    names : sequence of str
        Parameters that vary among them.
    selection : Selection
        What is observed.
    n_stars : int
        Observed stars to draw, about, in all points together.
    seed : tuple of int
        Of the stars.
    apply : callable
        `map`, or that of a pool.
    relative_errors : ndarray, shape (m,), optional
        Errors of ln distance, of which each star has one at random: the selection acts on distances with errors.
    wide : bool
        Whether the design has a wide range: the polynomial then has the cubes of the coordinates too, and its products
        and cubes are drawn to zero as far as their noise wants it. Without that their noise adds up to some tenths at
        the edge, where few points are.
    n_data : int, optional
        Number of stars for whose likelihood ln P is wanted: products of coordinates that should not matter to them are
        left out, whose coefficients would be noise, unless the misfit says that they do, or even cubes. By default, and
        for a wide design, all are fitted.

    Returns
    -------
    PassProbability

    Raises
    ------
    ValueError
        If fewer than one star in a thousand is observed.
    RuntimeError
        If the ratios are not determined, or contradict the counts.
    """
    drawn = draw_design(design, selection, n_stars, seed, apply, relative_errors)
    whole = drawn.solve(np.ones(len(drawn.source), bool))
    effective = float(whole.effective.min())
    if effective < MIN_EFFECTIVE:
        raise RuntimeError(
            f"the selection's probability is not determined: the effective number of stars is {effective:.3g} at a "
            f"point, and the largest share of a star {whole.largest:.2g}; allowed are {MIN_EFFECTIVE:g} or more"
        )
    x = compute_coordinates({name: [getattr(p, name) for p in design] for name in names}, names)
    solved = _Solved(
        names=tuple(names),
        coordinates=x,
        log_p=whole.log_p,
        of_parts=np.array([drawn.solve(drawn.part == i).log_p for i in range(N_PARTS)]),
        effective=effective,
        largest=whole.largest,
        counts=drawn.counts,
        n_drawn=drawn.n_drawn,
        n_stars=len(drawn.source),
        fraction=selection.fraction,
    )
    found = solved.fit_best(wide, n_data)
    if found.agreement < MIN_AGREEMENT:
        raise RuntimeError(
            "the selection's probability contradicts counted stars: chance gives a larger difference with probability "
            f"{found.agreement:.1g}; allowed is {MIN_AGREEMENT:g} or more ({found!r})"
        )
    return found


@dataclass(frozen=True, eq=False, repr=False)
class DesignStars(Displayed):
    """Observed stars of simulations at the K points of a design.

    Attributes
    ----------
    stars : ndarray, shape (n, 6), float32
        Today.
    log_f : ndarray, shape (K, n)
        Log density of each at all points.
    source, part : ndarray, shape (n,), int64
        Point of which a star is, and one of `N_PARTS` disjoint parts.
    counts : ndarray, shape (K,)
        Observed stars of the `n_drawn` of each point.
    n_drawn : int
    """

    stars: FloatArray
    log_f: Float64Array
    source: NDArray[np.int64]
    part: NDArray[np.int64]
    counts: Float64Array
    n_drawn: int

    def count(self, used: NDArray[np.bool_]) -> Float64Array:
        """Number (K,) of stars of each point, of those used."""
        return np.bincount(self.source[used], minlength=len(self.counts)).astype(float)

    def solve(self, used: NDArray[np.bool_]) -> Ratios:
        """The ratios of P at the points, from the stars used."""
        return solve_ratios(self.log_f[:, used], self.count(used))


def draw_design(
    design: Sequence[Parameters],
    selection: Selection,
    n_stars: int,
    seed: tuple[int, ...],
    apply: Map,
    relative_errors: Float64Array | None,
) -> DesignStars:
    """Draw observed stars at the points of a design, and rewind them in all; arguments as for `fit_probability`."""
    k = len(design)
    first = draw_first_block(DrawJob(design[0], selection, BLOCK, (*seed, k), relative_errors))
    n_drawn = math.ceil(n_stars / k * BLOCK / len(first))
    stars = list(apply(
        draw_job, [DrawJob(p, selection, n_drawn, (*seed, i), relative_errors) for i, p in enumerate(design)]
    ))
    counts = np.array([len(s) for s in stars], float)
    together = np.concatenate(stars)
    log_f = np.array(list(apply(_evaluate, [(together, p) for p in design])))
    source = np.repeat(np.arange(k), counts.astype(int))
    # a star may be impossible at its own parameters by rounding alone
    possible = np.isfinite(log_f[source, np.arange(len(source))])
    source = source[possible]
    part = np.concatenate([np.arange(n) for n in np.bincount(source, minlength=k)]) % N_PARTS
    return DesignStars(together[possible], log_f[:, possible], source, part, counts, n_drawn)


@dataclass(frozen=True, eq=False, repr=False)
class _Solved(Displayed):
    """The ratios of P at the K points of a design."""

    names: tuple[str, ...]
    coordinates: Float64Array  # (K, d)
    log_p: Float64Array  # (K,), up to a constant
    of_parts: Float64Array  # (N_PARTS, K), the same from disjoint parts of the stars
    effective: float
    largest: float
    counts: Float64Array  # (K,), observed stars of those drawn
    n_drawn: int
    n_stars: int
    fraction: float

    def fit_best(self, wide: bool, n_data: int | None) -> PassProbability:
        """Fit the polynomial without the products that should not matter, or one with more terms if clearly better.

        Over a wide design all terms may matter; they are shrunk instead.

        The bounds of the products hold for most haloes. Where they do not, as in some with strong friction and radial
        orbits, the polynomial's misfit shows it, and so where it wants cubes.
        """
        x = self.coordinates
        if wide:
            return self._fit(None, True)
        found = self._fit(_choose_terms(self.names, x.std(axis=0), n_data), False)
        if n_data is None:
            return found
        draws, weights = x[0] + _POSTERIOR * (x - x[0]), np.full(len(x), 1.0 / len(x))
        for is_cubic in (False, True):
            other = self._fit(np.ones(expand(x[:1], is_cubic).shape[1], bool), is_cubic)
            if other.estimate_error(draws, weights) < _BETTER * found.estimate_error(draws, weights):
                found = other
        return found

    def _fit(self, kept: NDArray[np.bool_] | None, cubic: bool) -> PassProbability:
        """Fit some terms of the polynomial, or all of a cubic, shrunk."""
        x, k = self.coordinates, len(self.coordinates)
        scale = x.std(axis=0)
        scaled = (x - x[0]) / scale
        terms, squared = expand(scaled, cubic), square_distances(scaled)
        if kept is None:
            inverse = _shrink(terms, self.log_p, self.of_parts, squared, len(scale))
        else:
            inverse = np.zeros((terms.shape[1], k))
            inverse[kept] = np.linalg.pinv(terms[:, kept])
        coefficients, of_parts = inverse @ self.log_p, self.of_parts @ inverse.T
        residual = self.log_p - terms @ coefficients
        misfit = _estimate_misfit(
            residual,
            self.of_parts - of_parts @ terms.T,
            np.eye(k) - terms @ inverse,
            squared,
        )
        relative = (terms - terms[0]) @ coefficients
        log_p, error = fit_constant(np.full(k, float(self.n_drawn)), self.counts, relative)
        return PassProbability(
            names=self.names,
            n_points=k,
            n_stars=self.n_stars,
            residual=math.sqrt(float((residual**2).sum()) / max(k - np.trace(terms @ inverse), 1.0)),
            misfit=misfit,
            agreement=_compare_counts(self.counts, self.n_drawn, relative),
            effective=self.effective,
            largest=self.largest,
            log_p=log_p + math.log(self.fraction),
            log_p_error=error,
            _centre=x[0],
            _scale=scale,
            _coefficients=coefficients,
            _of_parts=of_parts,
        )


def _estimate_misfit(
    residual: Float64Array, of_parts: Float64Array, projector: Float64Array, squared: Float64Array
) -> float:
    """Size of what a polynomial lacks, for each unit of the squared distance from the centre.

    Where the true function is the polynomial and independent departures of size m times the squared distance, the
    expected square of a residual is m^2 (projector^2) (squared^2), beside its noise. Points of large noise count less.

    Parameters
    ----------
    residual : ndarray, shape (k,)
    of_parts : ndarray, shape (N_PARTS, k)
        Those of fits to disjoint parts of the stars.
    projector : ndarray, shape (k, k)
        From departures to residuals.
    squared : ndarray, shape (k,)
        Squared distances of the points from the centre.
    """
    noise2, floored = _estimate_noise(of_parts)
    expected = projector**2 @ squared**2
    weight = 1.0 / floored
    misfit2 = float(weight @ (residual**2 - noise2) / (weight @ expected))
    return math.sqrt(max(misfit2, 0.0))


def _estimate_noise(of_parts: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Squares (k,) of the noise of the mean over parts (N_PARTS, k), and the same with a floor.

    The noise is itself known from few parts: none counts as better than half of the points.
    """
    noise2 = np.square(of_parts - of_parts.mean(axis=0)).sum(axis=0) / (N_PARTS * (N_PARTS - 1))
    return noise2, np.maximum(noise2, max(float(np.median(noise2)), _LEAST_NOISE**2))


def _shrink(
    terms: Float64Array, log_p: Float64Array, of_parts: Float64Array, squared: Float64Array, d: int
) -> Float64Array:
    """The map (c, k) from ln P at k points to the coefficients of a cubic, whose products and cubes are shrunk.

    They count as Gaussian numbers about zero. Their size, and that of the misfit, are those of the largest marginal
    likelihood (MacKay 1992, Neural Comput. 4, 415); without noise the map is nearly that of least squares.

    Parameters
    ----------
    terms : ndarray, shape (k, c)
        As :func:`~mwlmc_data.rewinding.probability.expand` gives them with cubes.
    log_p : ndarray, shape (k,)
        Up to a constant.
    of_parts : ndarray, shape (N_PARTS, k)
        The same from disjoint parts of the stars.
    squared : ndarray, shape (k,)
        Squared distances of the points from the centre.
    d : int
        Number of coordinates.
    """
    _, noise2 = _estimate_noise(of_parts - of_parts.mean(axis=1, keepdims=True))
    y = log_p - log_p.mean()

    def solve(product: float, misfit: float) -> tuple[float, Float64Array]:
        size = np.repeat([_FREE, product, _CUBES * product], [1 + d, d * (d + 1) // 2, d])
        weight = 1.0 / np.sqrt(noise2 + (misfit * squared) ** 2)
        u, s, vt = np.linalg.svd(weight[:, None] * terms * size, full_matrices=False)
        kept = s**2 / (1.0 + s**2)
        chi2 = float(np.square(weight * y).sum() - kept @ np.square(u.T @ (weight * y)))
        log_likelihood = -0.5 * chi2 - 0.5 * float(np.log1p(s**2).sum()) + float(np.log(weight).sum())
        return log_likelihood, size[:, None] * ((vt.T * (s / (1.0 + s**2))) @ u.T) * weight

    fits = (solve(product, misfit) for product in _PRODUCTS for misfit in _MISFITS)
    return max(fits, key=lambda fit: fit[0])[1]


def _choose_terms(names: Sequence[str], scale: Float64Array, n_data: int | None) -> NDArray[np.bool_]:
    """Terms of the polynomial that are fitted, of a design with these scales of its coordinates."""
    d = len(scale)
    kept = np.ones(count_coefficients(d), bool)
    if n_data is not None:
        bend = scale * np.array([_BENDS.get(name, _BEND) for name in names])
        size = n_data * np.outer(bend, bend)
        kept[1 + d : count_coefficients(d)] = size[np.triu_indices(d)] > _NEGLIGIBLE
    return kept


def _compare_counts(counts: Float64Array, n_drawn: int, relative: Float64Array) -> float:
    """Probability that counts of observed stars differ by more from the ratios of P than they do, by chance."""
    log_p, error = fit_constant(np.full(len(counts), float(n_drawn)), counts, relative)
    if error == 0.0:
        return 1.0
    p = np.minimum(np.exp(log_p + relative), 1.0 - 1e-12)
    chi2 = float(((counts - n_drawn * p) ** 2 / (n_drawn * p * (1.0 - p))).sum())
    return float(chdtrc(len(counts) - 1, chi2))


def _evaluate(job: tuple[FloatArray, Parameters]) -> Float64Array:
    stars, parameters = job
    return log_density_stars(stars.astype(float), parameters)
