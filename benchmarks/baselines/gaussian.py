"""A network that returns a Gaussian, for the learnt parts of the importance correction."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import training as loop
from benchmarks.baselines.base import Effort
from benchmarks.baselines.training import Trained, Training
from mwlmc_data.array_types import Float64Array

#: Rows evaluated at a time.
_CHUNK = 50_000
#: Numbers y (n, d) and inputs (n, f), both standardised.
Pair = tuple[NDArray, NDArray]


class ConditionalGaussian:
    """Gaussian density of y (d) given inputs (f), with a full covariance; the standard normal before training.

    Parameters
    ----------
    n_inputs, d : int
        f and d.
    hidden : int
        Units of each of three layers.

    Attributes
    ----------
    outcome : Trained
        How the training went.
    """

    def __init__(self, n_inputs: int, d: int, hidden: int) -> None:
        self.outcome = Trained()
        self._net = _define_network()(n_inputs, d, hidden)

    def fit(self, training: Pair, validation: Pair, setting: Training, effort: Effort) -> None:
        """Train by the likelihood of y, and keep the weights that are best on the validation rows."""
        data = [(loop.to_tensor(y), loop.to_tensor(x)) for y, x in (training, validation)]
        self.outcome = loop.train(self._net, data[0], data[1], effort.shorten(setting), effort.progress)

    def log_density(self, y: NDArray, x: NDArray) -> Float64Array:
        """Compute the log density (n,) of y (n, d)."""
        import torch

        pairs = zip(loop.to_tensor(y).split(_CHUNK), loop.to_tensor(x).split(_CHUNK), strict=True)
        with torch.no_grad():
            parts = [self._net.loss(*pair) for pair in pairs]
        return -torch.cat(parts).numpy().astype(np.float64)

    def marginals(self, x: NDArray) -> tuple[Float64Array, Float64Array]:
        """Return means and widths (n, d); the widths neglect correlations and are right where d = 1."""
        import torch

        with torch.no_grad():
            mean, log_scale, _ = self._net(loop.to_tensor(x))
        return mean.numpy().astype(np.float64), np.exp(-log_scale.numpy().astype(np.float64))

    def state(self) -> dict[str, NDArray]:
        """Return the weights."""
        return loop.state_of(self._net)

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Restore the weights."""
        loop.load_state(self._net, dict(state))


@cache
def _define_network() -> Any:
    """Define the network's class when it is first needed, because torch takes seconds to import."""
    import torch
    from torch import nn

    class Gaussian(nn.Module):
        def __init__(self, n_inputs: int, d: int, hidden: int) -> None:
            super().__init__()
            self.sizes = (d, d, d * (d - 1) // 2)
            layers = [(nn.Linear(a, b), nn.SiLU()) for a, b in itertools.pairwise((n_inputs, hidden, hidden, hidden))]
            last = nn.Linear(hidden, sum(self.sizes))
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.body = nn.Sequential(*itertools.chain(*layers), last)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            """Return the mean, and of the whitening matrix the log diagonal and the lower triangle, row by row."""
            return self.body(x).split(self.sizes, dim=1)

        def loss(self, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            """Compute the negative log density of each row of y."""
            mean, log_scale, below = self(x)
            rest = y - mean
            z = list((rest * log_scale.exp()).unbind(dim=1))
            for row, column, element in zip(*np.tril_indices(len(z), -1), below.unbind(dim=1), strict=True):
                z[row] = z[row] + element * rest[:, column]
            square = torch.stack(z).square().sum(dim=0)
            return 0.5 * square - log_scale.sum(dim=1) + 0.5 * len(z) * float(np.log(2.0 * np.pi))

    return Gaussian
