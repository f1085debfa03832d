"""A mixture of Gaussians whose parameters a small network gives (Bishop 1994), evaluated with NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

STEEPEST = 7.0
"""Log-diagonals stay within +-7: widths of a thousandth to a thousand of the prior's."""


@dataclass(frozen=True)
class Mixture:
    """The trained network: dense layers with SiLU between them, h -> h sigmoid(h).

    The last layer gives 1 + 2 d + d (d - 1) / 2 numbers for each of K components, one component after another: the
    logit of its weight; its mean, d; the logarithms of the diagonal of L, d, of which 7 tanh(value / 7) is taken; the
    elements of L below the diagonal, row by row. L is lower triangular and L (u - mean) standard normal, so that
    the precision is L^T L.

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
    def of(cls, state: Mapping[str, NDArray], d: int) -> Mixture:
        """Take ``layers.i.weight`` and ``layers.i.bias`` from a state."""
        n = sum(name.startswith("layers.") for name in state) // 2
        return cls(tuple((state[f"layers.{i}.weight"], state[f"layers.{i}.bias"]) for i in range(n)), d)

    def state(self) -> dict[str, NDArray]:
        """What `of` takes."""
        found: dict[str, NDArray] = {}
        for i, (weight, bias) in enumerate(self.layers):
            found |= {f"layers.{i}.weight": weight, f"layers.{i}.bias": bias}
        return found

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(weight.size + bias.size for weight, bias in self.layers)

    def components(self, x: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Log weights (n, K), means (n, K, d) and L (n, K, d, d) for what they are conditional on, (n, f)."""
        # in the precision of the weights, in which it was trained: half the time of doubles
        d, h = self.d, np.asarray(x, dtype=self.layers[0][0].dtype)
        for i, (weight, bias) in enumerate(self.layers):
            h = (h * expit(h) if i else h) @ weight.T + bias
        each = h.astype(np.float64).reshape(len(h), -1, outputs(d))
        logit, mean, log_diagonal, below = np.split(each, [1, 1 + d, 1 + 2 * d], axis=-1)
        factor = np.zeros((*mean.shape, d))
        factor[..., np.arange(d), np.arange(d)] = np.exp(STEEPEST * np.tanh(log_diagonal / STEEPEST))
        factor[(..., *np.tril_indices(d, -1))] = below
        return logit[..., 0] - logsumexp(logit[..., 0], axis=1, keepdims=True), mean, factor

    def log_prob(self, u: NDArray, x: NDArray) -> NDArray[np.float64]:
        """Log density (n,) of values (n, d)."""
        log_weight, mean, factor = self.components(x)
        z = np.einsum("nkij,nkj->nki", factor, u[:, None] - mean)
        log_diagonal = np.log(np.diagonal(factor, axis1=-2, axis2=-1))
        each = log_weight + (log_diagonal - 0.5 * (np.square(z) + np.log(2.0 * np.pi))).sum(axis=-1)
        return logsumexp(each, axis=1)

    def sample(self, x: NDArray, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw n values (k, n, d) for each row."""
        log_weight, mean, factor = self.components(x)
        spread = np.linalg.inv(factor)
        u = np.empty((len(x), n, self.d))
        for i in range(len(x)):
            chosen = rng.choice(mean.shape[1], size=n, p=np.exp(log_weight[i]))
            u[i] = mean[i, chosen] + np.einsum("nij,nj->ni", spread[i, chosen], rng.normal(size=(n, self.d)))
        return u


def outputs(d: int) -> int:
    """Numbers that describe one Gaussian of d dimensions and its weight."""
    return 1 + 2 * d + d * (d - 1) // 2
