"""Mixture density network: a small network predicts the parameters of a mixture of Gaussians.

Only training needs torch: the trained network is evaluated with NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import training as loop
from benchmarks.baselines.base import Draws, Effort
from benchmarks.baselines.network import NetworkBaseline
from benchmarks.baselines.training import Trained, Training
from benchmarks.common.sets import Learnable
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.encoding import Inputs, Scores
from mwlmc_data.inference.mixture import MAX_LOG_DIAGONAL, Mixture, count_outputs


class Mdn(NetworkBaseline):
    """Mixture of Gaussians with full covariances, on normal scores of the prior.

    Parameters
    ----------
    effort : Effort
        How much is spent, and where.
    training : Training, optional
        Settings in place of the default, whose weight decay and dropout rise as the number of simulations falls.

    Attributes
    ----------
    hidden : tuple of int
        Units of each hidden layer.
    n_components : int
        Gaussians.
    """

    name = "mdn"
    title = "NPE, mixture density network"
    source = "Bishop 1994, Aston University report NCRG/94/004"
    hidden = (128, 128, 128)
    n_components = 8

    def __init__(self, effort: Effort | None = None, training: Training | None = None) -> None:
        super().__init__(effort, training)
        self._scores: Scores | None = None
        self._inputs: Inputs | None = None
        self._mixture: Mixture | None = None

    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Train on the train split and keep the weights that are best on the validation split."""
        scores, inputs, device = Scores(task.prior), Inputs.from_data(task.train.x, task.x_names), self.effort.device
        data = [
            (loop.to_tensor(scores.forward(split.theta), device), loop.to_tensor(inputs(split.x), device))
            for split in (task.train, task.validation)
        ]
        setting = self.training or default_training(len(task.train))
        self._mixture, self.outcome = train_mixture(data, self.hidden, self.n_components, setting, self.effort, seed)
        self._scores, self._inputs = scores, inputs

    def sample(self, x: NDArray, n: int, seed: int = 0) -> Draws:
        """Draw scores from the mixture."""
        mixture, scores, inputs = self._require_fitted()
        return Draws.of(scores.inverse(mixture.sample(inputs(np.atleast_2d(x)), n, np.random.default_rng(seed))))

    def log_prob(self, theta: NDArray, x: NDArray, acceptance: NDArray | None = None) -> Float64Array:
        """Compute the log posterior density per unit of theta; -inf outside the support."""
        mixture, scores, inputs = self._require_fitted()
        return scores.log_density(mixture.log_prob(scores.forward(theta), inputs(x)), theta)

    @property
    def n_parameters(self) -> int:
        """Number of trained weights."""
        return self._require_fitted()[0].size

    def state(self) -> dict[str, NDArray]:
        """Return the weights, as `Mixture.of` takes them, and what standardises the data."""
        mixture, _, inputs = self._require_fitted()
        return {**inputs.state(), **mixture.state()}

    def restore(self, task: Learnable, state: Mapping[str, NDArray]) -> None:
        """Restore what was trained on a task, without torch."""
        self._scores = Scores(task.prior)
        self._inputs = Inputs.from_state(state, task.x_names)
        self._mixture = Mixture.from_state({name: np.array(v) for name, v in state.items()}, len(task.theta_names))

    def _require_fitted(self) -> tuple[Mixture, Scores, Inputs]:
        if self._mixture is None or self._scores is None or self._inputs is None:
            raise RuntimeError("the baseline is not trained; call fit first")
        return self._mixture, self._scores, self._inputs


def train_mixture(
    data: Sequence[loop.Pair], hidden: Sequence[int], n_components: int, setting: Training, effort: Effort, seed: int
) -> tuple[Mixture, Trained]:
    """Train a mixture of values (n, d) conditional on data (n, f), given a pair for training and one for validation.

    Returns
    -------
    mixture : Mixture
        With the weights that are best on the validation pair.
    outcome : Trained
    """
    values, given = data[0]

    def build() -> Any:
        return define_network()((given.shape[1], *hidden), n_components, values.shape[1], dropout(len(values)))

    net, outcome = loop.train_new(build, data[0], data[1], setting, effort, seed)
    return Mixture.from_state(loop.state_of(net), values.shape[1]), outcome


def default_training(n: int) -> Training:
    """Return settings for n simulations, near the best weight decay of 0.01 to 10 at 1,000, 10,000 and 108,000."""
    return Training(epochs=40, learning_rate=5e-3, max_batch=1000, weight_decay=50.0 / math.sqrt(n))


def dropout(n: int) -> float:
    """Return the dropout rate for n simulations; 0.16 at 1,000."""
    return min(0.2, 5.0 / math.sqrt(n))


@cache
def define_network() -> type[Any]:
    """Define `Mixture` as a module of torch, which is imported only here."""
    import torch
    from torch import nn

    class MixtureModule(nn.Module):
        def __init__(self, sizes: tuple[int, ...], n_components: int, d: int, drop: float) -> None:
            super().__init__()
            ends = (*sizes[1:], n_components * count_outputs(d))
            self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, ends, strict=True))
            self.drop, self.d = nn.Dropout(drop), d
            self.below = np.tril_indices(d, -1)

        def gaussians(self, x: Any) -> tuple[Any, Any, Any, Any]:
            """Return logits (n, K), means, log diagonal and lower triangle of L (n, K, d ...)."""
            d, h = self.d, self.layers[0](x)
            for layer in list(self.layers)[1:]:
                h = layer(self.drop(nn.functional.silu(h)))
            out = h.view(len(h), -1, count_outputs(d))
            logit, mean, log_diagonal, below = out.split([1, d, d, d * (d - 1) // 2], dim=-1)
            return logit[..., 0], mean, MAX_LOG_DIAGONAL * torch.tanh(log_diagonal / MAX_LOG_DIAGONAL), below

        def loss(self, u: Any, x: Any) -> Any:
            """Compute the negative log density of each row."""
            logit, mean, log_diagonal, below = self.gaussians(x)
            away = u[:, None] - mean
            row, column = (torch.as_tensor(i, device=u.device) for i in self.below)
            z = (torch.exp(log_diagonal) * away).index_add(-1, row, below * away[..., column])
            log_normal = (log_diagonal - 0.5 * (z.square() + math.log(2.0 * math.pi))).sum(dim=-1)
            return -torch.logsumexp(torch.log_softmax(logit, dim=-1) + log_normal, dim=-1)

    return MixtureModule
