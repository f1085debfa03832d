"""The likelihood of theta: the conditional model's density of an observation, averaged over the nuisances.

The average uses Gauss-Legendre nodes in the quantiles of the nuisances' prior, so that the dependence of m_lmc_8p7 on
m_lmc is exact. Theta is in units of `benchmarks.common.features.SCALE` here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from benchmarks.common.features import SCALE
from benchmarks.references.conditional import Conditional
from benchmarks.references.design import CONFIG, THETA
from mwlmc_data.array_types import Float64Array
from mwlmc_data.priors import ENCLOSED_MASS, MARGINALS

#: Nodes in the quantiles of m_lmc_8p7, beta0 and r_dehnen.
QUADRATURE = (8, 3, 2)
#: More nodes, to test the average and for a single theta: where the pair's past depends steeply on m_lmc_8p7, 24 nodes
#: leave 0.3 in single log densities, 48 leave 0.05.
FINE = (48, 4, 3)
ROUGH = (5, 2, 2)
_CHUNK = 20_000

#: Maps points (n, 4) of `history.ORBITAL` to the Milky Way's past (n, h).
Histories = Callable[[NDArray], NDArray]


@dataclasses.dataclass(frozen=True)
class Nodes:
    """Values of theta with the orbits for their likelihood.

    Attributes
    ----------
    theta : ndarray, shape (k, 3)
    quadrature : tuple of int
        Nodes in each nuisance.
    histories : ndarray, shape (k q, h)
        The Milky Way's past for each theta and each of the q enclosed masses.
    """

    theta: NDArray
    quadrature: tuple[int, int, int]
    histories: NDArray

    @classmethod
    def at(cls, theta: NDArray, quadrature: tuple[int, int, int], histories: Histories) -> Nodes:
        """Integrate the orbits at theta (k, 3)."""
        return cls(theta, quadrature, histories(_orbital(theta, quadrature[0])))

    def log_likelihood(self, model: Conditional, travel: NDArray) -> Float64Array:
        """Compute the log likelihood (k,) of a travel vector (3,) [per (km/s)^3], averaged over the nuisances."""
        (_, w_enclosed), (u_beta, w_beta), (u_scale, w_scale) = (legendre(n) for n in self.quadrature)
        halo = MARGINALS[CONFIG]
        beta, scale = halo["beta0"].quantile(u_beta), halo["r_dehnen"].quantile(u_scale)
        orbital = _orbital(self.theta, self.quadrature[0])
        inner = np.stack([a.ravel() for a in np.meshgrid(beta, scale, indexing="ij")], axis=1)
        log_inner = np.log(np.outer(w_beta, w_scale)).ravel()
        found = np.empty(len(orbital))
        step = max(1, _CHUNK // len(inner))
        for i in range(0, len(orbital), step):
            part, past = orbital[i : i + step], self.histories[i : i + step]
            points = np.concatenate([np.repeat(part, len(inner), axis=0), np.tile(inner, (len(part), 1))], axis=1)
            log_density = model.log_density(travel, points, np.repeat(past, len(inner), axis=0))
            found[i : i + step] = logsumexp(log_density.reshape(len(part), -1) + log_inner, axis=1)
        return logsumexp(found.reshape(len(self.theta), -1) + np.log(w_enclosed), axis=1)


def log_prior(i: int, values: NDArray) -> Float64Array:
    """Compute the log prior density of the i-th parameter, whose values may pass a wall by rounding."""
    marginal = MARGINALS[CONFIG][THETA[i]]
    return marginal.log_pdf(np.clip(values * SCALE[i], marginal.low, marginal.high)) + np.log(SCALE[i])


def _orbital(theta: NDArray, n_enclosed: int) -> Float64Array:
    """Combine theta, in the catalogue's units, with the quadrature's enclosed masses into points (k q, 4)."""
    u, _ = legendre(n_enclosed)
    scaled = np.repeat(theta * SCALE, n_enclosed, axis=0)
    enclosed = ENCLOSED_MASS.quantile(np.tile(u, len(theta)), scaled[:, 0])
    return np.concatenate([scaled, enclosed[:, None]], axis=1)


def legendre(n: int) -> tuple[Float64Array, Float64Array]:
    """Return Gauss-Legendre nodes and weights on (0, 1)."""
    x, w = np.polynomial.legendre.leggauss(n)
    return 0.5 * (x + 1.0), 0.5 * w
