"""Deep sets: each star on its own through one network, then the mean."""

from __future__ import annotations

from functools import cache
from typing import Any

from benchmarks.baselines.set_estimator import SetEstimator


class DeepSets(SetEstimator):
    """A network of each star, the mean over the stars, and a mixture of Gaussians given that mean."""

    name = "deepsets"
    title = "Deep sets with a mixture"
    source = "Zaheer et al. 2017, arXiv:1703.06114"

    def build_encoder(self, n_features: int) -> Any:
        """Build the network of a star and the mean."""
        return define_encoder()(n_features, self.width)


@cache
def define_encoder() -> type[Any]:
    """Define the encoder as a module of torch, which is imported only here."""
    import torch
    from torch import nn

    class MeanEncoder(nn.Module):
        def __init__(self, n_features: int, width: int) -> None:
            super().__init__()
            self.star = nn.Sequential(
                nn.Linear(n_features, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)
            )

        def forward(self, features: Any, mask: Any) -> Any:
            weight = mask.to(features.dtype) / mask.sum(dim=1, keepdim=True)
            return torch.einsum("nm,nmw->nw", weight, self.star(features))

    return MeanEncoder
