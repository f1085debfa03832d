"""Summaries of the stars in radial bins, and a network that gives probabilities of models."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from benchmarks.baselines.bins_mdn import NAMES, summarise
from benchmarks.baselines.classifier import NetworkClassifier, define_head
from mwlmc_data.array_types import Float32Array
from mwlmc_data.scoring.star_sets import StarSets


class BinsClassifier(NetworkClassifier):
    """A small network given means and dispersions of velocities in five radial bins, as in `bins-mdn`."""

    name = "bins-classifier"
    title = "Radial bins with a classifier"
    source = "Radev et al. 2021, arXiv:2004.10629; bins after Brooks et al. 2026, arXiv:2603.08788"

    def build(self, n_classes: int) -> Any:
        """Build the network."""
        return define_network()(len(NAMES), self.hidden, n_classes)

    def pack(self, x: StarSets) -> Float32Array:
        """Summarise sets."""
        return np.ascontiguousarray(summarise(x), np.float32)


@cache
def define_network() -> type[Any]:
    """Define the network as a module of torch, which is imported only here."""
    import torch

    class BinsNetwork(define_head()):  # type: ignore[misc]
        centre: torch.Tensor
        spread: torch.Tensor

        def __init__(self, width: int, hidden: tuple[int, ...], n_classes: int) -> None:
            super().__init__(width, hidden, n_classes)
            self.register_buffer("centre", torch.zeros(width))
            self.register_buffer("spread", torch.ones(width))

        def standardise(self, x: Any) -> None:
            """Standardise the data by a training set."""
            self.centre, self.spread = x.mean(dim=0), x.std(dim=0).clamp(min=1e-6)

        def logits(self, x: Any) -> Any:
            return super().logits((x - self.centre) / self.spread)

    return BinsNetwork
