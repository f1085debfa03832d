"""The posterior by way of a learnt likelihood: a mixture of Gaussians for the travel velocity, and a grid.

The LMC's present day is drawn independently of the parameters, so that p(theta | x) is proportional to
p(theta) p(travel | theta, LMC): only the reflex motion needs a likelihood, as its Cartesian vector [km/s], which has no
wrap. In three dimensions the posterior then needs no sampler (neural likelihood estimation: Papamakarios et al. 2019,
arXiv:1805.07226): it is computed on a grid of the prior's normal scores, in shrinking boxes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.schema import REFLEX
from mwlmc_data.display import Displayed
from mwlmc_data.inference.encoding import Inputs, Scores, travel_vectors
from mwlmc_data.inference.grid import MAX_SCORE, Grid, axes_of, points_of
from mwlmc_data.inference.mixture import Mixture
from mwlmc_data.priors import Prior, standard_normal_log_density

#: Points of each axis at which the network is evaluated, for a sequence of shrinking boxes.
_POINTS = (11, 13, 21)
#: Points of each axis of the final grid, to which the last evaluation is interpolated by a spline.
_FINE = 48


@dataclass(frozen=True, repr=False)
class TravelLikelihood(Displayed):
    """Density of the travel velocity given the parameters and the LMC, and the posterior that follows.

    Attributes
    ----------
    mixture : Mixture
        Mixture for the standardised vector; its network takes normal scores of the parameters and the standardised LMC.
    rest : Inputs
        Standardisation of the data other than the reflex motion.
    centre, width : ndarray, shape (3,)
        Mean and standard deviation of the travel vector in the training set [km/s].
    scores : Scores
        Scores of the three parameters.
    x_names : tuple of str
        Names of the data in order, including the reflex motion.
    """

    mixture: Mixture
    rest: Inputs
    centre: Float64Array
    width: Float64Array
    scores: Scores
    x_names: tuple[str, ...]

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray], prior: Prior, x_names: Sequence[str]) -> TravelLikelihood:
        """Restore from the arrays that `state` returns."""
        rest = Inputs.from_state(state, rest_of(x_names))
        centre, width = (np.array(state[f"travel_{name}"]) for name in ("centre", "width"))
        return cls(Mixture.from_state(state, len(REFLEX)), rest, centre, width, Scores(prior), tuple(x_names))

    def state(self) -> dict[str, NDArray]:
        """Weights and standardisation as arrays by name."""
        standard = {"travel_centre": self.centre, "travel_width": self.width}
        return {**self.mixture.state(), **self.rest.state(), **standard}

    def grid(self, row: NDArray) -> Grid:
        """Compute the posterior of the scores given one observation (k,); its evidence is the density of the vector."""
        box = np.array([[-MAX_SCORE, MAX_SCORE]] * 3)
        for points in _POINTS:
            axes = axes_of(box, points)
            values = self.log_joint(points_of(axes), row[None]).reshape(points, points, points)
            box = Grid.from_log(axes, values).zoom(margin=1)
        fine = axes_of(box, _FINE)
        for i in range(3):
            values = make_interp_spline(axes[i], values, k=3, axis=i)(fine[i])
        return Grid.from_log(fine, values)

    def log_joint(self, u: NDArray, x: NDArray) -> Float64Array:
        """Log likelihood [per (km/s)^3] and log prior [per score] of scores (n, 3) with data (n, k) or (1, k)."""
        travel, rest = split(x, self.x_names)
        context = np.concatenate([u, np.broadcast_to(self.rest(rest), (len(u), rest.shape[1]))], axis=1)
        z = np.broadcast_to((travel - self.centre) / self.width, (len(u), 3))
        return self.mixture.log_prob(z, context) - np.log(self.width).sum() + standard_normal_log_density(u)

    def log_prob(self, theta: NDArray, x: NDArray, log_evidence: NDArray | float) -> Float64Array:
        """Log posterior density [per unit of theta] of parameters (n, 3) with data (n, k) or (1, k)."""
        return self.scores.log_density(self.log_joint(self.scores.forward(theta), x) - log_evidence, theta)


def rest_of(x_names: Sequence[str]) -> tuple[str, ...]:
    """Names of the data other than the reflex motion."""
    return tuple(name for name in x_names if name not in REFLEX)


def split(x: NDArray, x_names: Sequence[str]) -> tuple[Float64Array, Float64Array]:
    """Split data into travel vectors (n, 3) [km/s] and the other data (n, k - 3)."""
    names, x = list(x_names), np.asarray(x, dtype=np.float64)
    reflex, rest = (x[:, [names.index(name) for name in part]] for part in (REFLEX, rest_of(names)))
    return travel_vectors(reflex), rest
