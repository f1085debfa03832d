"""Minimum-distance summaries: in place of what was measured, the summaries whose stars would look most like these.

A network predicts the mean of random Fourier features over the stars of a set from its summaries. For an observation
the summaries are sought at which the prediction is nearest to the mean over its own stars: this distance is a maximum
mean discrepancy, which a few stars of another kind change by no more than their share, however far away they are. Its
square, in units of the prediction's errors, is added to the distance of the summaries from those of the training set:
what the stars do not determine stays as the model has it. Draws are those of the baseline "bins-mdn" given the
summaries found. Nothing of it is retrained.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import training as loop
from benchmarks.baselines.base import Draws, Effort
from benchmarks.baselines.bins_mdn import BinsMdn, summarise
from benchmarks.baselines.mdn import Mdn
from benchmarks.baselines.network import NetworkBaseline
from benchmarks.baselines.training import Training
from benchmarks.common.sets import Learnable
from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.dataset.schema import LMC_VECTOR
from mwlmc_data.scoring.star_sets import StarSets

PART = "bins-mdn"
#: Frequencies of the features, and the radius [kpc] and speed [km/s] in which a star counts.
_N_FREQUENCIES, _RADIUS, _SPEED = 256, 70.0, 120.0
#: Width of the frequencies: one over the width of the Gaussian kernel, in units of the standardised star.
_FREQUENCY = 0.5
#: Summaries that are not sought but taken as measured: the LMC's vector.
_N_KNOWN = len(LMC_VECTOR)
_HIDDEN, _N_STEPS, _RATE = (128, 128), 300, 0.03
#: Added to the variances of the standardised summaries, of which one is a sum of others.
_RIDGE = 1e-3
#: What is learnt and stored beside the network's weights.
_ARRAYS = ("frequency", "phase", "centre", "spread", "start", "embedding", "inverse", "weight")


class MinimumDistance(NetworkBaseline):
    """Summaries in radial bins of the model that are nearest to the observed stars, and the mixture of `bins-mdn`.

    Its statistic is the distance that is left.

    Parameters
    ----------
    effort : Effort
        How much is spent, and where.
    """

    name = "minimum-distance"
    title = "Minimum-distance summaries"
    source = "Khoo et al. 2026, arXiv:2602.09161; Rahimi & Recht 2007, NIPS 20"
    form = "sets"

    @classmethod
    def list_parts(cls, seed: int) -> tuple[tuple[str, int], ...]:
        """List the baseline that draws."""
        return ((PART, seed),)

    def __init__(self, effort: Effort | None = None) -> None:
        super().__init__(effort)
        self._part: BinsMdn | None = None
        self._arrays: dict[str, NDArray] = {}

    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Get the trained mixture, and learn the means of the features given the summaries."""
        import torch

        self._take_part(task, seed)
        rng = np.random.default_rng(seed)
        self._arrays = {
            "frequency": _FREQUENCY * rng.standard_normal((7, _N_FREQUENCIES)),
            "phase": 2.0 * np.pi * rng.random(_N_FREQUENCIES),
        }
        summaries = [summarise(split.x).astype(np.float64) for split in (task.train, task.validation)]
        self._arrays |= {"centre": summaries[0].mean(axis=0), "spread": np.maximum(summaries[0].std(axis=0), 1e-9)}
        means = [self._embed(split.x) for split in (task.train, task.validation)]
        device = self.effort.device
        data = [
            (loop.to_tensor(mean, device), loop.to_tensor(self._scale(s), device))
            for mean, s in zip(means, summaries, strict=True)
        ]
        # where a search may start
        kept = rng.permutation(len(means[0]))[:2000]
        self._arrays |= {"start": self._scale(summaries[0][kept]), "embedding": means[0][kept]}
        setting = Training(epochs=60, learning_rate=3e-3, max_batch=256, weight_decay=1e-3, fused=True)
        self._net, self.outcome = loop.train_new(self._build, data[0], data[1], setting, self.effort, seed)
        self._net.eval()
        with torch.no_grad():
            rest = (self._net.layers(data[1][1]) - data[1][0]).cpu().numpy().astype(np.float64)
        covariance = rest.T @ rest / len(rest)
        scaled = self._scale(summaries[0]).astype(np.float64)
        inverse = np.linalg.pinv(np.cov(scaled, rowvar=False) + _RIDGE * np.eye(scaled.shape[1]), hermitian=True)
        # noise in as many directions as it would have with equal variances
        weight = np.trace(covariance) / np.square(covariance).sum()
        self._arrays |= {"inverse": inverse, "weight": np.array([weight])}

    def sample(self, x: NDArray | StarSets, n: int, seed: int = 0) -> Draws:
        """Draw from the mixture given the summaries found."""
        part = self._require_fitted()
        summaries, distance = self.find_summaries(x)
        drawn = Mdn.sample(part, summaries, n, seed)
        return Draws(drawn.theta, drawn.acceptance, drawn.complete, distance)

    def log_prob(self, theta: NDArray, x: NDArray | StarSets, acceptance: NDArray | None = None) -> Float64Array:
        """Compute the log posterior density per unit of theta given the summaries found."""
        part = self._require_fitted()
        return Mdn.log_prob(part, theta, self.find_summaries(x)[0])

    def find_summaries(self, x: NDArray | StarSets) -> tuple[Float32Array, Float64Array]:
        """Find the summaries (k, f) of sets whose stars would be nearest, and the distances (k,) that are left."""
        import torch

        self._require_fitted()
        known = self._scale(summarise(x))[:, :_N_KNOWN]
        observed = self._embed(x)
        start, embedding = self._arrays["start"], self._arrays["embedding"]
        gaps = (observed**2).sum(axis=1)[:, None] + (embedding**2).sum(axis=1) - 2.0 * observed @ embedding.T
        first = start[gaps.argmin(axis=1), _N_KNOWN:]
        device = self.effort.device
        target, fixed = loop.to_tensor(observed, device), loop.to_tensor(known, device)
        sought = loop.to_tensor(first, device).clone().requires_grad_(True)
        inverse = loop.to_tensor(self._arrays["inverse"].astype(np.float32), device)
        weight = float(self._arrays["weight"][0])
        with torch.enable_grad():
            optimiser = torch.optim.Adam([sought], lr=_RATE)
            rate = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, _N_STEPS)
            for _ in range(_N_STEPS):
                optimiser.zero_grad()
                s = torch.cat([fixed, sought], dim=1)
                # summaries of the model: those that the training set has
                ((s @ inverse * s).sum(dim=1) + weight * self._net.loss(target, s)).sum().backward()
                optimiser.step()
                rate.step()
        with torch.no_grad():
            found = torch.cat([fixed, sought], dim=1)
            distance = self._net.loss(target, found).sqrt().cpu().numpy()
        scaled = found.cpu().numpy().astype(np.float64)
        return (scaled * self._arrays["spread"] + self._arrays["centre"]).astype(np.float32), distance.astype(float)

    @property
    def n_parameters(self) -> int:
        """Number of trained weights, those of the mixture included."""
        return super().n_parameters + self._require_fitted().n_parameters

    def state(self) -> dict[str, NDArray]:
        """Return the features, what standardises the summaries, the weights, and the seed of the mixture."""
        self._require_fitted()
        weights = {f"net.{name}": values for name, values in loop.state_of(self._net).items()}
        return {**self._arrays, **weights, "seed": np.array([self._seed])}

    def restore(self, task: Learnable, state: Mapping[str, NDArray]) -> None:
        """Restore what was learnt, and get the mixture."""
        self._take_part(task, int(state["seed"][0]))
        self._arrays = {name: np.array(state[name]) for name in _ARRAYS}
        self._net = self._build()
        weights = {name.removeprefix("net."): values for name, values in state.items() if name.startswith("net.")}
        loop.load_state(self._net, weights, self.effort.device)

    def _take_part(self, task: Learnable, seed: int) -> None:
        part = self.get_trained(PART, task, seed)
        assert isinstance(part, BinsMdn)
        self._part, self._seed = part, seed

    def _build(self) -> Any:
        return define_predictor()(len(self._arrays["centre"]), _HIDDEN, _N_FREQUENCIES)

    def _scale(self, summaries: NDArray) -> Float32Array:
        return ((summaries - self._arrays["centre"]) / self._arrays["spread"]).astype(np.float32)

    def _embed(self, x: NDArray | StarSets) -> Float32Array:
        """Mean of the features over the stars of each set, (n, `_N_FREQUENCIES`)."""
        if not isinstance(x, StarSets):
            raise TypeError(f"x = {type(x).__name__}: allowed is a StarSets, as in the tasks of stars")
        frequency, phase = (self._arrays[name].astype(np.float32) for name in ("frequency", "phase"))
        means = []
        for stars, mask in zip(x.stars, x.mask, strict=True):
            features = np.cos(_describe(stars[mask]) @ frequency + phase)
            means.append(features.mean(axis=0) * np.sqrt(2.0 / _N_FREQUENCIES))
        return np.array(means, np.float32)

    def _require_fitted(self) -> BinsMdn:
        if self._part is None or self._net is None:
            raise RuntimeError("the baseline is not trained; call fit first")
        return self._part


def _describe(stars: Float32Array) -> Float32Array:
    """Direction, ln of the radius, and velocity of stars (n, 6), of order one: (n, 7)."""
    radius = np.linalg.norm(stars[:, :3], axis=1, keepdims=True)
    parts = [1.7 * stars[:, :3] / radius, 2.0 * np.log(radius / _RADIUS), stars[:, 3:] / np.float32(_SPEED)]
    return np.concatenate(parts, axis=1).astype(np.float32)


@cache
def define_predictor() -> type[Any]:
    """Define the network that predicts the features' means, as a module of torch, which is imported only here."""
    from torch import nn

    class FeaturePredictor(nn.Module):
        def __init__(self, width: int, hidden: tuple[int, ...], n_features: int) -> None:
            super().__init__()
            layers: list[nn.Module] = []
            for size in hidden:
                layers += [nn.Linear(width, size), nn.SiLU()]
                width = size
            self.layers = nn.Sequential(*layers, nn.Linear(width, n_features))

        def loss(self, means: Any, summaries: Any) -> Any:
            """Compute the squared distance of the prediction from the means of each row."""
            return (self.layers(summaries) - means).square().sum(dim=1)

    return FeaturePredictor
