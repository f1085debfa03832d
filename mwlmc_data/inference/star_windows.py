"""The region of parameters in which ln P(theta) is computed, and its points."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtr
from scipy.stats import qmc

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.inference.free_parameters import FreeParameters
from mwlmc_data.rewinding.probability import compute_coordinates
from mwlmc_data.rewinding.probability_fit import count_points
from mwlmc_data.simulator.parameters import Parameters


@dataclass(frozen=True, eq=False, repr=False)
class Window(Displayed):
    """An ellipsoid in the space of the scores.

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

    def measure(self, points: Float64Array) -> Float64Array:
        """Distances (n,) of points from the centre, 1 at the edge."""
        apart = np.linalg.solve(np.linalg.cholesky(self.covariance), (points - self.centre).T)
        return np.asarray(np.sqrt((apart**2).sum(axis=0)) / self.width)

    def make_design(self, parameters: FreeParameters, seed: tuple[int, ...], everywhere: bool) -> list[Parameters]:
        """Parameters that fill the window, its centre first.

        Parameters
        ----------
        parameters : FreeParameters
            What the scores mean.
        seed : tuple of int
            Of the points.
        everywhere : bool
            Whether to keep points that are far from the posterior in the coordinates of ln P.
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
        root = np.linalg.cholesky(self.covariance)
        points = self.centre + np.vstack([np.zeros(d), offsets]) @ root.T
        if not everywhere:
            points = points[self._are_near(parameters, points, self.centre + normal @ root.T)]
        design: list[Parameters] = []
        for point in points:
            try:
                design.append(parameters.build(point))
            except ValueError:  # masses that exclude each other
                continue
            if len(design) == wanted:
                break
        return design

    def _are_near(
        self, parameters: FreeParameters, points: Float64Array, posterior: Float64Array
    ) -> NDArray[np.bool_]:
        """Whether points (n, d) are as near to draws of the posterior in the coordinates of ln P, the first always.

        Where a coordinate is curved, as that of friction is where there is hardly any, a few standard deviations of the
        scores are many of the coordinate: no polynomial would hold from there to the posterior.
        """
        x, draws = (compute_coordinates(parameters.convert(scores), parameters.free) for scores in (points, posterior))
        centre, covariance = draws.mean(axis=0), np.atleast_2d(np.cov(draws, rowvar=False))
        apart = np.linalg.solve(np.linalg.cholesky(covariance), (x - centre).T)
        near = (apart**2).sum(axis=0) <= (1.5 * self.width) ** 2
        near[0] = True
        return np.asarray(near)
