"""Networks of sets of stars: an encoder that does not depend on their order, and a mixture of Gaussians on top.

The encoder sees each star as a dozen features and pools them under an explicit mask: padding, the order of the stars
and the other sets of a batch leave the posterior unchanged. Each step of the training sees a random part of the stars,
with the logarithm of their number beside it, so that a halo is never seen twice in the same way. What is pooled varies
little from halo to halo: it is standardised by its mean and width over the training set before the first step.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import training as loop
from benchmarks.baselines.base import Draws, Effort
from benchmarks.baselines.mdn import define_network, dropout
from benchmarks.baselines.network import NetworkBaseline
from benchmarks.baselines.star_features import CHANNELS, FORMS, N_FEATURES, compute_features, pack
from benchmarks.baselines.training import Training
from benchmarks.common.sets import Learnable
from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.inference.encoding import Scores
from mwlmc_data.inference.mixture import Mixture
from mwlmc_data.scoring.star_sets import StarSets

#: Numbers that are given beside the pooled stars: the LMC's vector and the logarithm of the number of stars.
N_BESIDE = 7
#: Smallest width by which an input of the mixture is divided.
_LEAST_SPREAD = 1e-6
#: Smallest share of the stars that a step of the training sees.
LEAST_SHARE = 0.25
#: Training sets by which the inputs of the mixture are standardised.
_N_STANDARD = 1024
#: Sets that are encoded together outside the training.
_BLOCK = 128


class SetEstimator(NetworkBaseline, abc.ABC):
    """Base of the baselines with a network of sets.

    Parameters
    ----------
    effort : Effort
        How much is spent, and where.
    training : Training, optional
        Settings in place of the default.

    Attributes
    ----------
    width : int
        Numbers that the encoder gives for a set.
    hidden : tuple of int
        Units of the hidden layers on top of it.
    n_components : int
        Gaussians of the mixture.
    """

    form = "sets"
    width = 64
    hidden = (128, 128)
    n_components = 6

    def __init__(self, effort: Effort | None = None, training: Training | None = None) -> None:
        super().__init__(effort, training)
        self._scores: Scores | None = None
        self._form = self.form
        self._head: Mixture | None = None

    @classmethod
    def accepts(cls, task: Learnable) -> bool:
        """Return whether the data are sets of stars, exact or observed."""
        return task.form in FORMS

    @abc.abstractmethod
    def build_encoder(self, n_features: int) -> Any:
        """Build a module of torch that maps features (n, m, `n_features`) and a mask (n, m) to (n, `width`)."""

    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Train on the train split and keep the weights that are best on the validation split."""
        scores, device = Scores(task.prior), self.effort.device
        self._form = task.form
        data = [
            (loop.to_tensor(scores.forward(split.theta), device), loop.to_tensor(pack(split.x), device))
            for split in (task.train, task.validation)
        ]
        setting = self.training or default_training(len(task.train))

        def build() -> Any:
            net = self._build(len(task.theta_names), dropout(len(task.train))).to(device)
            net.standardise(data[0][1][:_N_STANDARD])
            return net

        self._net, self.outcome = loop.train_new(build, data[0], data[1], setting, self.effort, seed)
        self._take_head(len(task.theta_names))
        self._scores = scores

    def sample(self, x: NDArray | StarSets, n: int, seed: int = 0) -> Draws:
        """Draw scores from the mixture."""
        head, scores = self._require_fitted()
        return Draws.of(scores.inverse(head.sample(self.embed(x), n, np.random.default_rng(seed))))

    def log_prob(self, theta: NDArray, x: NDArray | StarSets, acceptance: NDArray | None = None) -> Float64Array:
        """Compute the log posterior density per unit of theta; -inf outside the support."""
        head, scores = self._require_fitted()
        return scores.log_density(head.log_prob(scores.forward(theta), self.embed(x)), theta)

    def embed(self, x: NDArray | StarSets) -> Float32Array:
        """Encode sets, shape (n, `width` + `N_BESIDE`): what the mixture depends on."""
        import torch

        self._require_fitted()
        packed = pack(x)
        with torch.no_grad():
            blocks = [
                self._net.embed(loop.to_tensor(packed[i : i + _BLOCK], self.effort.device)).cpu().numpy()
                for i in range(0, len(packed), _BLOCK)
            ]
        return np.concatenate(blocks)

    def state(self) -> dict[str, NDArray]:
        """Return the weights, and what standardises the inputs of the mixture."""
        self._require_fitted()
        return loop.state_of(self._net)

    def restore(self, task: Learnable, state: Mapping[str, NDArray]) -> None:
        """Restore what was trained on a task."""
        self._scores = Scores(task.prior)
        self._form = task.form
        self._net = self._build(len(task.theta_names), 0.0)
        loop.load_state(self._net, dict(state), self.effort.device)
        self._take_head(len(task.theta_names))

    def _build(self, d: int, drop: float) -> Any:
        head = define_network()((self.width + N_BESIDE, *self.hidden), self.n_components, d, drop)
        encoder = self.build_encoder(N_FEATURES[self._form])
        return define_set_network()(encoder, head, self.width + N_BESIDE, CHANNELS[self._form])

    def _take_head(self, d: int) -> None:
        self._head = Mixture.from_state(loop.state_of(self._net.head), d)

    def _require_fitted(self) -> tuple[Mixture, Scores]:
        if self._head is None or self._scores is None:
            raise RuntimeError("the baseline is not trained; call fit first")
        return self._head, self._scores


def default_training(n: int) -> Training:
    """Return settings for n simulations: small steps, because a thousand sets are few, and cheap ones."""
    batch = int(np.clip(n // 40, 25, 128))
    return Training(epochs=60, learning_rate=2e-3, batch=batch, weight_decay=3.0 / math.sqrt(n), fused=True)


@cache
def define_set_network() -> type[Any]:
    """Define the network as a module of torch, which is imported only here."""
    import torch
    from torch import nn

    class SetNetwork(nn.Module):
        centre: torch.Tensor
        spread: torch.Tensor

        def __init__(self, encoder: Any, head: Any, width: int, channels: int = CHANNELS["sets"]) -> None:
            super().__init__()
            self.encoder, self.head, self.channels = encoder, head, channels
            self.register_buffer("centre", torch.zeros(width))
            self.register_buffer("spread", torch.ones(width))

        def standardise(self, x: Any) -> None:
            """Standardise the inputs of the head by packed sets, as the encoder is now."""
            with torch.no_grad():
                found = torch.cat([self.pool(block) for block in x.split(_BLOCK)])
                self.centre, self.spread = found.mean(dim=0), found.std(dim=0).clamp(min=_LEAST_SPREAD)
                # the number of stars may be the same in all of them, and other ones are seen in the training
                self.centre[-1], self.spread[-1] = 0.0, 1.0

        def embed(self, x: Any, share: float = 1.0) -> Any:
            """Encode packed sets as inputs of the head; with a share below 1 a random part of them."""
            return (self.pool(x, share) - self.centre) / self.spread

        def pool(self, x: Any, share: float = 1.0) -> Any:
            """Pool the stars of packed sets, and put the LMC's vector and the logarithm of their number beside them."""
            n, c = len(x), self.channels
            m = (x.shape[1] - 6) // (c + 1)
            stars, mask, lmc = x[:, : c * m].view(n, m, c), x[:, c * m : (c + 1) * m] > 0.5, x[:, (c + 1) * m :]
            kept = torch.randperm(m)[: math.ceil(share * m)].to(x.device) if share < 1.0 else None
            if kept is not None and bool(mask[:, kept].any(dim=1).all()):
                stars, mask = stars[:, kept], mask[:, kept]
            pooled = self.encoder(compute_features(stars, lmc), mask)
            return torch.cat([pooled, lmc, torch.log(mask.sum(dim=1, keepdim=True) / 1024.0)], dim=1)

        def loss(self, u: Any, x: Any) -> Any:
            """Compute the negative log density of each row."""
            if self.training:
                share = LEAST_SHARE + (1.0 - LEAST_SHARE) * float(torch.rand(()))
                return self.head.loss(u, self.embed(x, share))
            blocks = zip(u.split(_BLOCK), x.split(_BLOCK), strict=True)
            return torch.cat([self.head.loss(own, self.embed(sets)) for own, sets in blocks])

    return SetNetwork
