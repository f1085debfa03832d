"""ln P(theta) of a selection at single points, with nothing fitted between them.

Over a wide posterior ln P has structure that no polynomial follows: with the mass of the Milky Way, for example, the
Magellanic Cloud's last passage comes within the 2.2 Gyr or leaves them. Observed stars of simulations with parameters
that are draws of the posterior are rewound there (:mod:`mwlmc_data.rewinding.bennett`), which gives the density of
their mixture; then in each point, where the mean of the ratio of the densities is P(theta), up to a constant that the
counts of observed stars give.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from mwlmc_data.array_types import Float64Array, FloatArray
from mwlmc_data.display import Displayed
from mwlmc_data.rewinding.likelihood import log_density_stars
from mwlmc_data.rewinding.probability import N_PARTS
from mwlmc_data.rewinding.probability_fit import DesignStars, draw_design
from mwlmc_data.rewinding.selection import Selection
from mwlmc_data.rewinding.simulated import Map, fit_constant
from mwlmc_data.simulator.parameters import Parameters


@dataclass(frozen=True, eq=False, repr=False)
class PassMixture(Displayed):
    """Observed stars of several simulations, and the density of their mixture.

    Attributes
    ----------
    stars : ndarray, shape (n, 6), float32
        Today.
    part : ndarray, shape (n,), int64
        One of `N_PARTS` disjoint parts.
    log_mixture : ndarray, shape (2, n)
        Log density of the mixture, with the ratios of P of all stars, and of the star's part.
    constant, constant_error : float
        What makes the estimates ln P, and its error.
    """

    stars: FloatArray
    part: NDArray[np.int64]
    log_mixture: Float64Array
    constant: float
    constant_error: float

    def to_arrays(self) -> dict[str, NDArray]:
        """All fields as arrays."""
        scalars = np.array([self.constant, self.constant_error])
        return {"stars": self.stars, "part": self.part, "log_mixture": self.log_mixture, "scalars": scalars}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray]) -> PassMixture:
        """The inverse of :meth:`to_arrays`."""
        return cls(arrays["stars"], arrays["part"], arrays["log_mixture"], *arrays["scalars"].tolist())

    def evaluate(self, points: Sequence[Parameters]) -> Float64Array:
        """Ln P at m points, of all stars and of the disjoint parts: shape (1 + N_PARTS, m).

        Parts are up to a constant each.
        """
        found = np.empty((1 + N_PARTS, len(points)))
        for i, point in enumerate(points):
            log_f = log_density_stars(self.stars.astype(float), point)
            found[0, i] = logsumexp(log_f - self.log_mixture[0]) + self.constant
            ratios = np.exp(log_f - self.log_mixture[1] - found[0, i])
            with np.errstate(divide="ignore"):
                found[1:, i] = np.log(np.bincount(self.part, ratios, N_PARTS))
            found[1:, i] += found[0, i]
        return found


def draw_mixture(
    components: Sequence[Parameters],
    selection: Selection,
    n_stars: int,
    seed: tuple[int, ...],
    apply: Map = map,
    relative_errors: Float64Array | None = None,
) -> PassMixture:
    """Draw observed stars of simulations.

    Parameters
    ----------
    components : sequence of Parameters
        Draws of the posterior.
    selection, n_stars, seed, apply, relative_errors
        As for :func:`~mwlmc_data.rewinding.probability_fit.fit_probability`.

    Raises
    ------
    ValueError
        If fewer than one star in a thousand is observed.
    RuntimeError
        If the ratios are not determined.
    """
    drawn = draw_design(components, selection, n_stars, seed, apply, relative_errors)
    log_p, whole = _mix(drawn, np.ones(len(drawn.source), bool))
    of_parts = np.empty_like(whole)
    for i in range(N_PARTS):
        used = drawn.part == i
        of_parts[used] = _mix(drawn, used)[1]
    constant, error = fit_constant(np.full(len(components), float(drawn.n_drawn)), drawn.counts, log_p)
    log_mixture = np.stack([whole, of_parts])
    return PassMixture(drawn.stars, drawn.part, log_mixture, constant + math.log(selection.fraction), error)


def _mix(drawn: DesignStars, used: NDArray[np.bool_]) -> tuple[Float64Array, Float64Array]:
    """Ln P at the components, up to a constant, and the log density of their mixture, from the stars used."""
    log_p = drawn.solve(used).log_p
    with np.errstate(divide="ignore"):
        log_counts = np.log(drawn.count(used))
    return log_p, logsumexp((log_counts - log_p)[:, None] + drawn.log_f[:, used], axis=0)
