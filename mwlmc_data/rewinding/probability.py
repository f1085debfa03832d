"""The probability P(theta) that a star of a halo is observed, as a smooth function of the parameters.

The likelihood of n observed stars holds n ln P(theta), so that ln P is needed to about 0.1 / n. Counting simulated
stars does not reach that. Here simulations with K different parameters theta_k are drawn, the observed stars of all are
rewound in all K, and the ratios of the P_k follow from the densities (:mod:`mwlmc_data.rewinding.bennett`). They are
fitted with a quadratic polynomial in coordinates in which ln P is nearly linear; over a wide design it has cubes too.
The same with disjoint parts of the stars gives the error; the counts of observed stars, which the ratios do not use,
give a test, and the constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from mwlmc_data.array_types import Float64Array, FloatArray
from mwlmc_data.display import Displayed, number
from mwlmc_data.rewinding.bennett import Ratios, solve_ratios
from mwlmc_data.rewinding.likelihood import OF_START, log_density_stars
from mwlmc_data.rewinding.selection import Selection
from mwlmc_data.rewinding.simulated import BLOCK, DrawJob, Map, draw_first_block, draw_job, fit_constant
from mwlmc_data.simulator.parameters import Parameters

#: Number of disjoint parts of the stars from which the error is computed.
N_PARTS = 8
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

#: Fields of a fit that are numbers and arrays.
_SCALARS = ("n_points", "n_stars", "residual", "misfit", "agreement", "effective", "largest", "log_p", "log_p_error")
_ARRAYS = ("centre", "scale", "coefficients", "of_parts")


def count_coefficients(n_free: int) -> int:
    """Number of coefficients of a quadratic polynomial."""
    return (n_free + 1) * (n_free + 2) // 2


def count_points(n_free: int) -> int:
    """Number of points of a design for this number of free parameters."""
    return POINTS_PER_COEFFICIENT * count_coefficients(n_free) + 8


#: Coordinates in which ln P is smooth; a parameter that is not listed is its own coordinate. Friction below a tenth of
#: Chandrasekhar's hardly matters.
_COORDINATES: dict[str, Callable[[Float64Array], Float64Array]] = {
    "m200_mw": np.log,
    "m_lmc": np.log,
    "m_lmc_8p7": np.log,
    "r_dehnen": np.log,
    "log10_lambda_df": lambda x: np.log(0.1 + 10.0**x),
}


def compute_coordinates(values: Mapping[str, ArrayLike], names: Sequence[str]) -> Float64Array:
    """Coordinates (n, d) in which ln P is smooth, of parameters with these names and n values each."""
    columns = {name: np.atleast_1d(np.asarray(values[name], float)) for name in names}
    return np.stack([_COORDINATES[name](x) if name in _COORDINATES else x for name, x in columns.items()], axis=1)


def _expand(x: Float64Array, cubic: bool) -> Float64Array:
    """Terms (n, c) of a quadratic polynomial in x (n, d), and the cubes of its coordinates."""
    d = x.shape[1]
    squares = [x[:, i] * x[:, j] for i in range(d) for j in range(i, d)]
    return np.stack([np.ones(len(x)), *x.T, *squares, *(x.T**3 if cubic else ())], axis=1)


@dataclass(frozen=True, eq=False, repr=False)
class PassProbability(Displayed):
    """ln P(theta) of a selection near some parameters, with its error.

    Attributes
    ----------
    names : tuple of str
        Parameters on which it depends; the others are held.
    n_points, n_stars : int
        Points of the design, and observed stars that were rewound in each.
    residual : float
        Standard deviation of ln P about the polynomial, for the degrees of freedom.
    misfit : float
        What the polynomial lacks at a point whose coordinates are on average one scale of the design from the centre,
        and more stars would not mend: the excess of its residuals over the noise of the disjoint parts.
    agreement : float
        Probability that counts disagree with the fit by more than they do, by chance.
    effective : float
        Smallest effective number of stars of a point.
    largest : float
        Largest share of one star in the estimate of a point.
    log_p, log_p_error : float
        ln P at the centre of the design, from the counts, and its error.
    """

    names: tuple[str, ...]
    n_points: int
    n_stars: int
    residual: float
    misfit: float
    agreement: float
    effective: float
    largest: float
    log_p: float
    log_p_error: float
    _centre: Float64Array  # (d,), of the coordinates
    _scale: Float64Array  # (d,)
    _coefficients: Float64Array  # (c,)
    _of_parts: Float64Array  # (N_PARTS, c)

    def _summary(self) -> str:
        return (
            f"ln P {number(self.log_p)} ± {number(self.log_p_error, 2)} at the centre of {self.n_points} points; "
            f"{self.n_stars:,} stars; residual {number(self.residual, 2)}; agreement {number(self.agreement, 2)}"
        )

    def to_arrays(self) -> dict[str, NDArray]:
        """All but the names, as arrays."""
        scalars = [getattr(self, name) for name in _SCALARS]
        arrays = {name: getattr(self, "_" + name) for name in _ARRAYS}
        return {"scalars": np.array(scalars, float), **arrays}

    @classmethod
    def from_arrays(cls, names: Sequence[str], arrays: Mapping[str, NDArray]) -> PassProbability:
        """The inverse of :meth:`to_arrays`."""
        scalars: dict[str, Any] = dict(zip(_SCALARS, arrays["scalars"].tolist(), strict=True))
        scalars |= {name: int(scalars[name]) for name in ("n_points", "n_stars")}
        fields = scalars | {"_" + name: arrays[name] for name in _ARRAYS}
        return cls(names=tuple(names), **fields)

    def log_probability(self, parameters: Parameters) -> float:
        """Ln P at these parameters.

        Parameters
        ----------
        parameters : Parameters
            Within the design, which is not checked.

        Returns
        -------
        float
        """
        return float(self.evaluate(compute_coordinates(parameters.to_numbers(), self.names))[0])

    def evaluate(self, coordinates: Float64Array) -> Float64Array:
        """Ln P (n,) at coordinates (n, d), from :func:`compute_coordinates`."""
        return self.log_p + self._terms(coordinates) @ self._coefficients

    def estimate_error(self, coordinates: Float64Array, weights: Float64Array) -> float:
        """Error of ln P over a posterior, beyond a constant: its noise, and the misfit of the polynomial.

        What the polynomial lacks are products and powers: towards the centre they fall as the square of the distance at
        least.

        Parameters
        ----------
        coordinates : ndarray, shape (n, d)
            Of draws.
        weights : ndarray, shape (n,)
            Of the draws, whose sum is one.

        Returns
        -------
        float
        """
        squared = _square_distances((coordinates - self._centre) / self._scale)
        misfit = self.misfit * math.sqrt(float(weights @ squared**2))
        return math.hypot(self.estimate_noise(coordinates, weights), misfit)

    def estimate_noise(self, coordinates: Float64Array, weights: Float64Array) -> float:
        """The part of :meth:`estimate_error` that more stars would remove: root mean square over draws and parts."""
        values = self._terms(coordinates) @ self._of_parts.T
        values -= weights @ values
        apart = values - values.mean(axis=1, keepdims=True)
        noise2 = float(weights @ (apart**2).sum(axis=1)) / (N_PARTS * (N_PARTS - 1))
        return math.sqrt(noise2)

    def without_noise(self) -> PassProbability:
        """The same as if it were exact but for its misfit."""
        return replace(self, _of_parts=np.tile(self._coefficients, (N_PARTS, 1)))

    def with_slope(self, coordinates: Float64Array, log_p: Float64Array, of_parts: Float64Array) -> PassProbability:
        """The same with another slope, so that the differences of ln P at some points are those given.

        Of the products, those that are fitted of parameters on which the stars' orbits do not depend (`OF_START`)
        follow too.

        Parameters
        ----------
        coordinates : ndarray, shape (k, d)
            Of the points of `mwlmc_data.rewinding.slope.place_corners`, or d + 1 in no plane if no product follows.
        log_p : ndarray, shape (k,)
            ln P there, up to a constant.
        of_parts : ndarray, shape (N_PARTS, k)
            The same from disjoint parts of the stars.
        """
        terms, chosen = self._terms(coordinates), self._list_refined()
        plane = np.hstack([np.ones((len(terms), 1)), terms[:, chosen]])
        given = np.vstack([log_p, of_parts])
        coefficients = np.vstack([self._coefficients, self._of_parts])
        missing = given.T - terms @ coefficients.T
        coefficients[:, chosen] += np.linalg.lstsq(plane, missing, rcond=None)[0][1:].T
        return replace(self, _coefficients=coefficients[0], _of_parts=coefficients[1:])

    def _list_refined(self) -> list[int]:
        """Places of the slopes among the terms, and of the fitted products of parameters of the stars' start."""
        d = len(self.names)
        products = [1 + d + k for k, (i, j) in enumerate(zip(*np.triu_indices(d), strict=True))
                    if {self.names[i], self.names[j]} <= set(OF_START)]  # fmt: skip
        return [*range(1, d + 1), *(k for k in products if self._coefficients[k] != 0.0)]

    def _terms(self, coordinates: Float64Array) -> Float64Array:
        is_cubic = len(self._coefficients) > count_coefficients(len(self._centre))
        terms = _expand((coordinates - self._centre) / self._scale, is_cubic)
        terms[:, 0] = 0.0  # ln P is given at the centre
        return terms


def fit_probability(
    design: Sequence[Parameters],
    names: Sequence[str],
    selection: Selection,
    n_stars: int,
    seed: tuple[int, ...],
    apply: Map = map,
    relative_errors: Float64Array | None = None,
    cubic: bool = False,
    n_data: int | None = None,
) -> PassProbability:
    """Compute ln P over a design of parameters.

    Parameters
    ----------
    design : sequence of Parameters
        Points, at least as many as :func:`count_coefficients`; the first is the centre.
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
    cubic : bool
        Whether the polynomial has the cubes of the coordinates, for a design of wide range.
    n_data : int, optional
        Number of stars for whose likelihood ln P is wanted: products of coordinates that cannot matter to them are left
        out, whose coefficients would be noise. By default all are fitted.

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
    log_f, source = log_f[:, possible], source[possible]
    part = np.concatenate([np.arange(n) for n in np.bincount(source, minlength=k)]) % N_PARTS

    def solve(used: NDArray[np.bool_]) -> Ratios:
        return solve_ratios(log_f[:, used], np.bincount(source[used], minlength=k).astype(float))

    whole = solve(np.ones(len(source), bool))
    effective = float(whole.effective.min())
    if effective < MIN_EFFECTIVE:
        raise RuntimeError(
            f"the selection's probability is not determined: the effective number of stars is {effective:.3g} at a "
            f"point, and the largest share of a star {whole.largest:.2g}; allowed are {MIN_EFFECTIVE:g} or more"
        )
    x = compute_coordinates({name: [getattr(p, name) for p in design] for name in names}, names)
    scale = x.std(axis=0)
    terms = _expand((x - x[0]) / scale, cubic)
    kept = _choose_terms(names, scale, terms.shape[1], n_data)
    inverse = np.zeros((terms.shape[1], k))
    inverse[kept] = np.linalg.pinv(terms[:, kept])
    log_p_parts = np.array([solve(part == i).log_p for i in range(N_PARTS)])
    coefficients, of_parts = inverse @ whole.log_p, log_p_parts @ inverse.T
    freedom = max(k - int(kept.sum()), 1)
    residual = whole.log_p - terms @ coefficients
    misfit = _estimate_misfit(
        residual,
        log_p_parts - of_parts @ terms.T,
        np.eye(k) - terms @ inverse,
        _square_distances((x - x[0]) / scale),
    )
    relative = (terms - terms[0]) @ coefficients
    agreement = _compare_counts(counts, n_drawn, relative)
    log_p, error = fit_constant(np.full(k, float(n_drawn)), counts, relative)
    found = PassProbability(
        names=tuple(names),
        n_points=k,
        n_stars=len(source),
        residual=math.sqrt(float((residual**2).sum()) / freedom),
        misfit=misfit,
        agreement=agreement,
        effective=effective,
        largest=whole.largest,
        log_p=log_p + math.log(selection.fraction),
        log_p_error=error,
        _centre=x[0],
        _scale=scale,
        _coefficients=coefficients,
        _of_parts=of_parts,
    )
    if found.agreement < MIN_AGREEMENT:
        raise RuntimeError(
            "the selection's probability contradicts counted stars: chance gives a larger difference with probability "
            f"{found.agreement:.1g}; allowed is {MIN_AGREEMENT:g} or more ({found!r})"
        )
    return found


def _square_distances(scaled: Float64Array) -> Float64Array:
    """Mean square (n,) of scaled coordinates (n, d)."""
    return np.asarray(np.square(scaled).mean(axis=1))


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
    noise2 = np.square(of_parts - of_parts.mean(axis=0)).sum(axis=0) / (N_PARTS * (N_PARTS - 1))
    expected = projector**2 @ squared**2
    # the noise is itself known from few parts: none counts as better than half of the points
    weight = 1.0 / np.maximum(noise2, np.median(noise2))
    misfit2 = float(weight @ (residual**2 - noise2) / (weight @ expected))
    return math.sqrt(max(misfit2, 0.0))


def _choose_terms(names: Sequence[str], scale: Float64Array, n_terms: int, n_data: int | None) -> NDArray[np.bool_]:
    """Terms of the polynomial that are fitted, of a design with these scales of its coordinates."""
    kept, d = np.ones(n_terms, bool), len(scale)
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
