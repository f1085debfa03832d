"""What the baselines of the task `models` share: they give probabilities of models in place of draws."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import training as loop
from benchmarks.baselines.base import Baseline, Draws
from benchmarks.baselines.network import NetworkBaseline
from benchmarks.baselines.training import Training
from benchmarks.common.sets import Learnable
from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.scoring.star_sets import StarSets

#: Sets that are classified together.
_BLOCK = 128


class Classifier(Baseline, abc.ABC):
    """Base of the baselines that give probabilities."""

    form = "classes"
    has_density = False

    @abc.abstractmethod
    def classify(self, x: StarSets) -> Float64Array:
        """Compute the probabilities (k, m) of m models for k sets; each row sums to one."""

    def sample(self, x: NDArray, n: int, seed: int = 0) -> Draws:
        """Refuse: there are no parameters to draw.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(f"{self.title} gives probabilities of models: allowed is classify")


class NetworkClassifier(NetworkBaseline, Classifier, abc.ABC):
    """A network that is trained on the cross entropy.

    Parameters
    ----------
    effort : Effort
        How much is spent, and where.
    training : Training, optional
        Settings in place of the default.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers before the probabilities.
    """

    hidden = (128, 128)

    @abc.abstractmethod
    def build(self, n_classes: int) -> Any:
        """Build a module of torch with `loss(labels, x)` and `logits(x)` of packed data (n, f)."""

    @abc.abstractmethod
    def pack(self, x: StarSets) -> Float32Array:
        """Put sets into an array (n, f), as the network takes them."""

    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Train on the train split and keep the weights that are best on the validation split."""
        device = self.effort.device
        data = [
            (loop.to_tensor(split.theta, device), loop.to_tensor(self.pack(split.x), device))
            for split in (task.train, task.validation)
        ]
        setting = self.training or self.choose_training(len(task.train))

        def build() -> Any:
            net = self.build(len(task.theta_names)).to(device)
            net.standardise(data[0][1])
            return net

        self._net, self.outcome = loop.train_new(build, data[0], data[1], setting, self.effort, seed)
        self._net.eval()

    def choose_training(self, n: int) -> Training:
        """Choose settings for n simulations."""
        return Training(epochs=40, learning_rate=3e-3, weight_decay=1.0 / np.sqrt(n), fused=True)

    def classify(self, x: StarSets) -> Float64Array:
        """Compute the probabilities that the network gives."""
        import torch

        net, packed = self._require_fitted(), self.pack(x)
        with torch.no_grad():
            blocks = [
                torch.softmax(net.logits(loop.to_tensor(packed[i : i + _BLOCK], self.effort.device)).double(), dim=1)
                for i in range(0, len(packed), _BLOCK)
            ]
        return np.asarray(torch.cat(blocks).cpu().numpy())

    def state(self) -> dict[str, NDArray]:
        """Return the weights, and what standardises the data."""
        return loop.state_of(self._require_fitted())

    def restore(self, task: Learnable, state: Mapping[str, NDArray]) -> None:
        """Restore what was trained on a task."""
        self._net = self.build(len(task.theta_names))
        loop.load_state(self._net, dict(state), self.effort.device)
        self._net.eval()

    def _require_fitted(self) -> Any:
        if self._net is None:
            raise RuntimeError("the baseline is not trained; call fit first")
        return self._net


@cache
def define_head() -> type[Any]:
    """Define layers that end in logits, as a module of torch, which is imported only here."""
    import torch
    from torch import nn

    class LogitHead(nn.Module):
        def __init__(self, width: int, hidden: tuple[int, ...], n_classes: int, drop: float = 0.1) -> None:
            super().__init__()
            layers: list[nn.Module] = []
            for size in hidden:
                layers += [nn.Linear(width, size), nn.SiLU(), nn.Dropout(drop)]
                width = size
            self.layers = nn.Sequential(*layers, nn.Linear(width, n_classes))

        def logits(self, x: Any) -> Any:
            """Compute logits (n, m) of data (n, f)."""
            return self.layers(x)

        def loss(self, labels: Any, x: Any) -> Any:
            """Compute the cross entropy of each row."""
            return -(labels * torch.log_softmax(self.logits(x), dim=1)).sum(dim=1)

    return LogitHead
