"""Conversion between the units of a task and the inputs of a network.

Data are standardised, angles as unit vectors. Parameters become normal scores of their prior, u = Phi^-1(F(theta)): the
prior is then the standard normal, no value can leave its support, and an untrained estimator is correct if it returns a
standard normal. Densities follow from the prior's own, p(theta) = q(u) p_prior(theta) / phi(u).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.priors import SCORE_EDGE, Prior, standard_normal_log_density
from mwlmc_data.simulator.frames import sky_basis

APEX = ("l_apex", "b_apex")


def expand(x: NDArray, x_names: Sequence[str]) -> Float64Array:
    """Replace the two angles of the apex by its unit vector; keep the other data.

    Parameters
    ----------
    x : ndarray, shape (n, k)
        Columns `x_names`, in the catalogue's units.
    x_names : sequence of str
        Names of the data.

    Returns
    -------
    ndarray, shape (n, k) or (n, k + 1)
        The unit vector comes last.

    Raises
    ------
    ValueError
        If the shape is wrong, or a value is not finite.
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != len(x_names):
        raise ValueError(f"x = an array of shape {x.shape}: allowed is the shape (n, {len(x_names)})")
    if not np.isfinite(x).all():
        at = np.argwhere(~np.isfinite(x))[0]
        raise ValueError(f"{x_names[at[1]]}[{at[0]}] = {x[tuple(at)]}: allowed are finite numbers")
    if not set(APEX) <= set(x_names):
        return x
    rest = [i for i, name in enumerate(x_names) if name not in APEX]
    l, b = (x[:, list(x_names).index(name)] for name in APEX)
    return np.concatenate([x[:, rest], sky_basis(l, b)[:, 0]], axis=1)


def travel_vectors(reflex: NDArray) -> Float64Array:
    """Cartesian vectors (n, 3) [km/s] from speeds [km/s] and apices l, b [deg], (n, 3)."""
    speed, l, b = np.asarray(reflex, dtype=np.float64).T
    return speed[:, None] * sky_basis(l, b)[:, 0]


@dataclass(frozen=True, repr=False)
class Inputs(Displayed):
    """Standardisation of a network's input data.

    Attributes
    ----------
    x_names : tuple of str
        Names of the data, in order.
    centre, width : ndarray, shape (f,)
        Mean and standard deviation of the training set.
    """

    x_names: tuple[str, ...]
    centre: Float64Array
    width: Float64Array

    @classmethod
    def from_data(cls, x: NDArray, x_names: Sequence[str]) -> Inputs:
        """Standardise by a training set (n, k)."""
        expanded = expand(x, x_names)
        return cls(tuple(x_names), expanded.mean(axis=0), np.maximum(expanded.std(axis=0), 1e-12))

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray], x_names: Sequence[str]) -> Inputs:
        """Restore from the arrays that `state` returns; other arrays are ignored."""
        return cls(tuple(x_names), np.array(state["x_centre"]), np.array(state["x_width"]))

    def state(self) -> dict[str, NDArray]:
        """Centre and width as arrays by name."""
        return {"x_centre": self.centre, "x_width": self.width}

    def __call__(self, x: NDArray) -> Float32Array:
        """Standardise data (n, k) to (n, f)."""
        return ((expand(x, self.x_names) - self.centre) / self.width).astype(np.float32)


@dataclass(frozen=True)
class Scores:
    """Normal scores of parameters under their prior.

    Attributes
    ----------
    prior : Prior
        Prior of independent parameters.
    """

    prior: Prior

    def forward(self, theta: NDArray) -> Float64Array:
        """Scores (..., d) of parameters (..., d)."""
        return self.prior.to_normal_scores(theta)

    def inverse(self, u: NDArray) -> Float64Array:
        """Parameters (..., d) of scores (..., d), inside the support."""
        end = -ndtri(SCORE_EDGE)
        values = ndtr(np.clip(np.asarray(u, dtype=np.float64), -end, end))
        marginals = self.prior.marginals.values()
        return np.stack([marginal.quantile(values[..., i]) for i, marginal in enumerate(marginals)], axis=-1)

    def log_density(self, log_q: NDArray, theta: NDArray) -> Float64Array:
        """Log density [per unit of theta] of parameters (n, d) from that of their scores, shape (n,)."""
        log_prior = np.atleast_1d(self.prior.log_prob(np.asarray(theta, dtype=np.float64)))
        return log_q - standard_normal_log_density(self.forward(theta)) + log_prior
