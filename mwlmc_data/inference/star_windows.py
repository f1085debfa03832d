"""The region of parameters in which ln P(theta) is computed, and its points."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtr
from scipy.stats import qmc

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.inference.free_parameters import LARGEST_SCORE, FreeParameters
from mwlmc_data.inference.proposals import compute_moments, square_apart
from mwlmc_data.rewinding.probability import invert_coordinates
from mwlmc_data.rewinding.probability_fit import count_points
from mwlmc_data.simulator.parameters import Parameters

#: Points of a window after which a search for those that the prior allows is given up.
_MOST_TRIED = 65_536


@dataclass(frozen=True, eq=False, repr=False)
class Window(Displayed):
    """An ellipsoid in the coordinates of ln P (:func:`~mwlmc_data.rewinding.probability.compute_coordinates`).

    In these, and not in the prior's scores, ln P is smooth: where there is hardly any friction, its logarithm may
    change by standard deviations of a posterior before ln P or the stars notice.

    Attributes
    ----------
    centre, covariance : ndarray, shapes (d,) and (d, d)
        Of the posterior found so far.
    width : float
        Half-width in its standard deviations.
    """

    centre: Float64Array
    covariance: Float64Array
    width: float

    def measure(self, coordinates: Float64Array) -> Float64Array:
        """Distances (n,) of points from the centre, 1 at the edge."""
        root = np.linalg.cholesky(self.covariance)
        return np.asarray(np.sqrt(square_apart(coordinates, self.centre, root)) / self.width)

    def make_design(self, parameters: FreeParameters, seed: tuple[int, ...], denser: int = 1) -> list[Parameters]:
        """Parameters that fill the window as far as the prior allows them, its centre first.

        Parameters
        ----------
        parameters : FreeParameters
            Which are free, and their prior.
        seed : tuple of int
            Of the points.
        denser : int
            How many times the least number of points there are.

        Raises
        ------
        RuntimeError
            If the prior allows too few points there.
        """
        wanted = denser * count_points(len(self.centre))
        design = _build(parameters, self.centre[None])
        if not design:
            raise RuntimeError("the mean of the posterior that was found is impossible")
        # powers of two, as Sobol's sequence wants; one is enough for those that are left out in most cases
        engine = qmc.MultivariateNormalQMC(np.zeros(len(self.centre)), seed=np.random.default_rng(seed))
        n, n_tried = 2 ** math.ceil(math.log2(16 * wanted)), 0
        while len(design) < wanted:
            if n_tried >= _MOST_TRIED:
                raise RuntimeError(
                    f"the prior allows {len(design)} of {n_tried:,} points around the posterior: allowed are {wanted} "
                    "or more"
                )
            design += _build(parameters, self._place(engine.random(n)), wanted - len(design))
            n_tried += n
        return design

    def _place(self, normal: Float64Array) -> Float64Array:
        """Points (n, d) that fill the window, from standard normal ones."""
        d, squared = len(self.centre), (normal**2).sum(axis=1)
        # in more than three dimensions denser towards the centre than uniform
        radius = self.width * chdtr(d, squared) ** max(1.0 / 3.0, 1.0 / d)
        return self.centre + (normal * (radius / np.sqrt(squared))[:, None]) @ np.linalg.cholesky(self.covariance).T


def _build(parameters: FreeParameters, coordinates: Float64Array, most: int | None = None) -> list[Parameters]:
    """Parameters at coordinates (n, d) of ln P, the first so many that are possible and within the prior's support."""
    values = invert_coordinates(coordinates, parameters.free)
    real = np.all([np.isfinite(x) for x in values.values()], axis=0)
    scores = parameters.compute_scores({name: x[real] for name, x in values.items()})
    found: list[Parameters] = []
    for score in scores[(np.abs(scores) < LARGEST_SCORE).all(axis=1)]:
        if len(found) == most:
            break
        with contextlib.suppress(ValueError):  # masses that exclude each other
            found.append(parameters.build(score))
    return found


def fit_window(coordinates: Float64Array, weights: Float64Array, width: float) -> Window:
    """The window around draws of a posterior.

    Parameters
    ----------
    coordinates : ndarray, shape (n, d)
        As :func:`~mwlmc_data.rewinding.probability.compute_coordinates` gives them.
    weights : ndarray, shape (n,)
        Whose sum is one. A draw without weight may have no coordinates.
    width : float
        Half-width in standard deviations.
    """
    chosen = weights > 0.0
    return Window(*compute_moments(coordinates[chosen], weights[chosen]), width)
