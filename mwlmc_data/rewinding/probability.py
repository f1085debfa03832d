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

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed, number
from mwlmc_data.rewinding.likelihood import OF_START
from mwlmc_data.simulator.parameters import Parameters

#: Number of disjoint parts of the stars from which the error is computed.
N_PARTS = 8
#: Fields of a fit that are numbers and arrays.
_SCALARS = ("n_points", "n_stars", "residual", "misfit", "agreement", "effective", "largest", "log_p", "log_p_error")
_ARRAYS = ("centre", "scale", "coefficients", "of_parts")


def count_coefficients(n_free: int) -> int:
    """Number of coefficients of a quadratic polynomial."""
    return (n_free + 1) * (n_free + 2) // 2


_Change = Callable[[Float64Array], Float64Array]
#: Friction below this part of Chandrasekhar's hardly matters.
_WEAK = 0.1
#: Coordinates in which ln P is smooth, and their inverses; a parameter that is not listed is its own coordinate.
_COORDINATES: dict[str, tuple[_Change, _Change]] = {
    **{name: (np.log, np.exp) for name in ("m200_mw", "m_lmc", "m_lmc_8p7", "r_dehnen")},
    "log10_lambda_df": (lambda x: np.log(_WEAK + 10.0**x), lambda y: np.log10(np.exp(y) - _WEAK)),
}


def compute_coordinates(values: Mapping[str, ArrayLike], names: Sequence[str]) -> Float64Array:
    """Coordinates (n, d) in which ln P is smooth, of parameters with these names and n values each."""
    columns = {name: np.atleast_1d(np.asarray(values[name], float)) for name in names}
    return np.stack([_COORDINATES[name][0](x) if name in _COORDINATES else x for name, x in columns.items()], axis=1)


def invert_coordinates(coordinates: Float64Array, names: Sequence[str]) -> dict[str, Float64Array]:
    """Parameters (n,) by name from their coordinates (n, d); not finite where there are none."""
    columns = dict(zip(names, coordinates.T, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {name: _COORDINATES[name][1](y) if name in _COORDINATES else y for name, y in columns.items()}


def expand(x: Float64Array, cubic: bool) -> Float64Array:
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
        squared = square_distances((coordinates - self._centre) / self._scale)
        misfit = self.misfit * math.sqrt(float(weights @ squared**2))
        return math.hypot(self.estimate_noise(coordinates, weights), misfit)

    def estimate_noise(self, coordinates: Float64Array, weights: Float64Array) -> float:
        """The part of :meth:`estimate_error` that more stars would remove: root mean square over draws and parts."""
        return estimate_noise(self._terms(coordinates) @ self._of_parts.T, weights)

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
        terms = expand((coordinates - self._centre) / self._scale, is_cubic)
        terms[:, 0] = 0.0  # ln P is given at the centre
        return terms


def estimate_noise(of_parts: Float64Array, weights: Float64Array) -> float:
    """Noise of ln P over a posterior, beyond a constant: root mean square over draws (m,), by parts (m, N_PARTS)."""
    values = of_parts - weights @ of_parts
    apart = values - values.mean(axis=1, keepdims=True)
    noise2 = float(weights @ (apart**2).sum(axis=1)) / (N_PARTS * (N_PARTS - 1))
    return math.sqrt(noise2)


def square_distances(scaled: Float64Array) -> Float64Array:
    """Mean square (n,) of scaled coordinates (n, d)."""
    return np.asarray(np.square(scaled).mean(axis=1))
