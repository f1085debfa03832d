"""The likelihood of a measured travel velocity with arbitrary errors.

A network gives the density of the true travel velocity given the parameters and the LMC: a mixture of Gaussians with
covariances S_k. It is trained on fitted vectors whose own covariance, that of a fit to one halo of stars, is removed in
closed form (extreme deconvolution: Bovy, Hogg & Roweis 2011, AnnApS 5, 1657). A measurement with covariance C then has
the density sum_k w_k N(v; mu_k, S_k + C): its errors replace the scatter of the simulated haloes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.schema import LMC_VECTOR
from mwlmc_data.display import Displayed
from mwlmc_data.inference.encoding import Inputs, Scores
from mwlmc_data.inference.grid import MAX_SCORE, Grid, axes_of, points_of
from mwlmc_data.inference.mixture import DeconvolvedMixture
from mwlmc_data.priors import Prior, standard_normal_log_density

#: Names of the Cartesian travel velocity.
TRAVEL = ("vx_travel", "vy_travel", "vz_travel")
#: Points of each axis and power of the density, for a sequence of shrinking boxes.
_LOOKS = ((15, 0.25), (17, 1.0))
#: Points of each axis of the last grid: the first of these that is fine enough.
_FINE = (32, 48, 72, 108)
#: Thickness, in points, that a flat sheet of parameters must have where its density exceeds `_DEPTH`.
_MIN_ACROSS = 6
#: The density is not evaluated more than this many nats below its maximum.
_DEPTH = 12.0


@dataclass(frozen=True, repr=False)
class DeconvolvedLikelihood(Displayed):
    """Density of the true travel velocity given the parameters and the LMC.

    Attributes
    ----------
    mixture : DeconvolvedMixture
        Mixture for the standardised vector; its network takes normal scores of the parameters and the standardised LMC.
    lmc : Inputs
        Standardises the LMC's vector.
    centre, width : ndarray, shape (3,)
        Mean and standard deviation of the fitted travel vectors of the training set [km/s].
    halo_covariance : ndarray, shape (3, 3)
        Mean covariance of the fits to the haloes of the training set [km^2/s^2], with 4,500 stars each and no
        measurement errors.
    scores : Scores
        Scores of the three parameters.
    """

    mixture: DeconvolvedMixture
    lmc: Inputs
    centre: Float64Array
    width: Float64Array
    halo_covariance: Float64Array
    scores: Scores

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray], prior: Prior) -> DeconvolvedLikelihood:
        """Restore from the arrays that `state` returns."""
        known = ("travel_centre", "travel_width", "halo_covariance")
        centre, width, halo = (np.array(state[name], dtype=np.float64) for name in known)
        mixture, lmc = DeconvolvedMixture.from_state(state, len(TRAVEL)), Inputs.from_state(state, LMC_VECTOR)
        return cls(mixture, lmc, centre, width, halo, Scores(prior))

    def state(self) -> dict[str, NDArray]:
        """Weights and standardisation as arrays by name."""
        known = {"travel_centre": self.centre, "travel_width": self.width, "halo_covariance": self.halo_covariance}
        return {**self.mixture.state(), **self.lmc.state(), **known}

    def components(self, u: NDArray, lmc: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Log weights (n, K), means (n, K, 3) [km/s] and covariances (n, K, 3, 3) of the true vector.

        Parameters
        ----------
        u : ndarray, shape (n, 3)
            Scores of the parameters.
        lmc : ndarray, shape (6,) or (n, 6)
            The LMC's vector [kpc, km/s].
        """
        log_weight, mean, factor = self.mixture.components(self._context(u, np.atleast_2d(lmc)))
        scaled = self.width[:, None] * factor
        return log_weight, self.centre + self.width * mean, scaled @ np.swapaxes(scaled, -1, -2)

    def log_likelihood(self, u: NDArray, vector: NDArray, covariance: NDArray, lmc: NDArray) -> Float64Array:
        """Log density [per (km/s)^3] of measured vectors.

        Parameters
        ----------
        u : ndarray, shape (n, 3)
            Scores of the parameters.
        vector : ndarray, shape (3,) or (n, 3)
            Travel velocities [km/s].
        covariance : ndarray, shape (3, 3) or (n, 3, 3)
            Covariance of the errors of the vectors [km^2/s^2].
        lmc : ndarray, shape (6,) or (n, 6)
            The LMC's vector [kpc, km/s].

        Returns
        -------
        ndarray, shape (n,)
        """
        z, noise = (vector - self.centre) / self.width, covariance / np.outer(self.width, self.width)
        context = self._context(u, np.atleast_2d(lmc))
        return self.mixture.log_prob(z, context, noise) - np.log(self.width).sum()

    def grid(self, vector: NDArray, covariance: NDArray, lmc: NDArray) -> Grid:
        """Compute the posterior of the scores given one measurement; its evidence is the density of the vector."""
        measured = vector, covariance, lmc
        return posterior_grid(lambda u: self.log_likelihood(u, *measured) + standard_normal_log_density(u))

    def _context(self, u: NDArray, lmc: NDArray) -> Float64Array:
        given = self.lmc(lmc)
        return np.concatenate([u, np.broadcast_to(given, (len(u), given.shape[1]))], axis=1)


def posterior_grid(log_joint: Callable[[NDArray], NDArray]) -> Grid:
    """Locate a posterior of three scores and compute its density there.

    Precise measurements leave a thin curved sheet of parameters, which a coarse grid misses. The first grid therefore
    uses the fourth root of the density; the last grid is as fine as the sheet and is evaluated only where a spline
    through the grid before it predicts any density.

    Parameters
    ----------
    log_joint : callable
        Log likelihood plus log prior (n,) of scores (n, 3).

    Returns
    -------
    Grid
        Its evidence is the integral of likelihood times prior.
    """
    box = np.array([[-MAX_SCORE, MAX_SCORE]] * 3)
    for points, power in _LOOKS:
        axes = axes_of(box, points)
        values = log_joint(points_of(axes)).reshape(points, points, points)
        box = Grid.from_log(axes, power * values).zoom(margin=1)
    for n in _FINE:
        fine, roughly = axes_of(box, n), values
        for i in range(3):
            roughly = make_interp_spline(axes[i], roughly, k=3, axis=i)(fine[i])
        inside = roughly > roughly.max() - _DEPTH
        if inside.sum() > _MIN_ACROSS * n**2:
            break
    found = np.full(inside.shape, -np.inf)
    found[inside] = log_joint(points_of(fine)[inside.ravel()])
    return Grid.from_log(fine, found)
