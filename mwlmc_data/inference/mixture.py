"""A mixture density network (Bishop 1994), evaluated with NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed

#: Bound on the absolute log-diagonal: widths between 1/1000 and 1000 times that of the standardised values.
MAX_LOG_DIAGONAL = 7.0


@dataclass(frozen=True, repr=False)
class MixtureNetwork(Displayed):
    """The trained network: dense layers with SiLU, h -> h sigmoid(h), between them.

    The last layer gives 1 + 2 d + d (d - 1) / 2 numbers for each of K components, one component after another: the
    logit of its weight; its mean (d); the logarithms of the diagonal of L (d), bounded by 7 tanh(value / 7); the
    elements of L below the diagonal, row by row. L is lower triangular; the subclasses define its meaning.

    Attributes
    ----------
    layers : tuple of pairs of ndarray
        Weight (out, in) and bias (out,) of each layer.
    d : int
        Dimensions of the Gaussians.
    """

    layers: tuple[tuple[NDArray, NDArray], ...]
    d: int

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray], d: int) -> Self:
        """Take ``layers.i.weight`` and ``layers.i.bias`` from a state."""
        n = sum(name.startswith("layers.") for name in state) // 2
        return cls(tuple((state[f"layers.{i}.weight"], state[f"layers.{i}.bias"]) for i in range(n)), d)

    def state(self) -> dict[str, NDArray]:
        """Arrays by name, as `from_state` takes them."""
        found: dict[str, NDArray] = {}
        for i, (weight, bias) in enumerate(self.layers):
            found |= {f"layers.{i}.weight": weight, f"layers.{i}.bias": bias}
        return found

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(weight.size + bias.size for weight, bias in self.layers)

    def components(self, x: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Log weights (n, K), means (n, K, d) and L (n, K, d, d), given the conditioning data (n, f)."""
        # in the precision of the weights, as in training; takes half the time of doubles
        d, h = self.d, np.asarray(x, dtype=self.layers[0][0].dtype)
        for i, (weight, bias) in enumerate(self.layers):
            h = (h * expit(h) if i else h) @ weight.T + bias
        each = h.astype(np.float64).reshape(len(h), -1, count_outputs(d))
        logit, mean, log_diagonal, below = np.split(each, [1, 1 + d, 1 + 2 * d], axis=-1)
        factor = np.zeros((*mean.shape, d))
        factor[..., np.arange(d), np.arange(d)] = np.exp(MAX_LOG_DIAGONAL * np.tanh(log_diagonal / MAX_LOG_DIAGONAL))
        factor[(..., *np.tril_indices(d, -1))] = below
        return logit[..., 0] - logsumexp(logit[..., 0], axis=1, keepdims=True), mean, factor


class Mixture(MixtureNetwork):
    """The density of the training values: L (u - mean) is standard normal, and L^T L the precision."""

    def log_prob(self, u: NDArray, x: NDArray) -> Float64Array:
        """Log density (n,) of values (n, d)."""
        log_weight, mean, factor = self.components(x)
        z = np.einsum("nkij,nkj->nki", factor, u[:, None] - mean)
        log_diagonal = np.log(np.diagonal(factor, axis1=-2, axis2=-1))
        each = log_weight + (log_diagonal - 0.5 * (np.square(z) + np.log(2.0 * np.pi))).sum(axis=-1)
        return logsumexp(each, axis=1)

    def sample(self, x: NDArray, n: int, rng: np.random.Generator) -> Float64Array:
        """Draw n values (k, n, d) for each row."""
        log_weight, mean, factor = self.components(x)
        spread = np.linalg.inv(factor)
        u = np.empty((len(x), n, self.d))
        for i in range(len(x)):
            chosen = rng.choice(mean.shape[1], size=n, p=np.exp(log_weight[i]))
            u[i] = mean[i, chosen] + np.einsum("nij,nj->ni", spread[i, chosen], rng.normal(size=(n, self.d)))
        return u


class DeconvolvedMixture(MixtureNetwork):
    """The density of true values, trained on noisy ones (Bovy, Hogg & Roweis 2011, AnnApS 5, 1657).

    The covariance of a component is S = L L^T, never narrower than `MAX_LOG_DIAGONAL` allows. A value with Gaussian
    noise of covariance C follows the mixture whose components have the covariances S + C.
    """

    def log_prob(self, u: NDArray, x: NDArray, noise: NDArray) -> Float64Array:
        """Log density (n,) of values (n, d) or (d,) with noise of covariance (n, d, d) or (d, d)."""
        log_weight, mean, factor = self.components(x)
        covariance = factor @ np.swapaxes(factor, -1, -2) + (noise if noise.ndim == 2 else noise[:, None])
        away = np.asarray(u, dtype=np.float64)[..., None, :] - mean
        return logsumexp(log_weight + log_gaussian(away, covariance), axis=1)


def log_gaussian(away: NDArray, covariance: NDArray) -> Float64Array:
    """Log density (...) of Gaussians at a distance (..., d) from their means, with covariances (..., d, d).

    The Cholesky factor and the triangular solution are written out by row: for many small matrices this is ten times
    faster than calling LAPACK for each.
    """
    d = away.shape[-1]
    factor = np.empty((*np.broadcast_shapes(covariance.shape[:-2], away.shape[:-1]), d, d))
    z = np.empty(factor.shape[:-1])
    total = np.zeros(factor.shape[:-2])
    for i in range(d):
        for j in range(i):
            done = (factor[..., i, :j] * factor[..., j, :j]).sum(axis=-1)
            factor[..., i, j] = (covariance[..., i, j] - done) / factor[..., j, j]
        factor[..., i, i] = np.sqrt(covariance[..., i, i] - np.square(factor[..., i, :i]).sum(axis=-1))
        z[..., i] = (away[..., i] - (factor[..., i, :i] * z[..., :i]).sum(axis=-1)) / factor[..., i, i]
        total -= 0.5 * (np.square(z[..., i]) + np.log(2.0 * np.pi)) + np.log(factor[..., i, i])
    return total


def count_outputs(d: int) -> int:
    """Number of outputs that describe one Gaussian of d dimensions and its weight."""
    return 1 + 2 * d + d * (d - 1) // 2
