"""The region of parameters in which ln P(theta) is computed, and its points."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtr
from scipy.stats import qmc

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.inference.free_parameters import LARGEST_SCORE, FreeParameters
from mwlmc_data.inference.proposals import square_apart
from mwlmc_data.rewinding.probability import invert_coordinates
from mwlmc_data.rewinding.probability_fit import count_points
from mwlmc_data.simulator.parameters import Parameters


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

    def make_design(self, parameters: FreeParameters, seed: tuple[int, ...]) -> list[Parameters]:
        """Parameters that fill the window as far as the prior allows them, its centre first.

        Parameters
        ----------
        parameters : FreeParameters
            Which are free, and their prior.
        seed : tuple of int
            Of the points.
        """
        d = len(self.centre)
        wanted = count_points(d)
        engine = qmc.MultivariateNormalQMC(np.zeros(d), seed=np.random.default_rng(seed))
        # a power of two, as Sobol's sequence wants, and enough for those that are left out
        normal = engine.random(2 ** math.ceil(math.log2(16 * wanted)))
        squared = (normal**2).sum(axis=1)
        # denser towards the centre than uniform
        radius = self.width * chdtr(d, squared) ** (1.0 / 3.0)
        offsets = normal * (radius / np.sqrt(squared))[:, None]
        coordinates = self.centre + np.vstack([np.zeros(d), offsets]) @ np.linalg.cholesky(self.covariance).T
        values = invert_coordinates(coordinates, parameters.free)
        real = np.all([np.isfinite(x) for x in values.values()], axis=0)
        scores = parameters.compute_scores({name: x[real] for name, x in values.items()})
        design: list[Parameters] = []
        for score in scores[(np.abs(scores) < LARGEST_SCORE).all(axis=1)]:
            try:
                design.append(parameters.build(score))
            except ValueError:  # masses that exclude each other
                continue
            if len(design) == wanted:
                break
        return design


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
    coordinates, weights = coordinates[chosen], weights[chosen]
    centre = weights @ coordinates
    apart = coordinates - centre
    return Window(centre, (apart * weights[:, None]).T @ apart, width)
