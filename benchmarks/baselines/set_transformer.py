"""Set transformer: stars attend to a few inducing points and those to the stars."""

from __future__ import annotations

from functools import cache
from typing import Any

from benchmarks.baselines.set_estimator import SetEstimator


class SetTransformer(SetEstimator):
    """Two blocks of induced attention, pooling by attention, and a mixture of Gaussians given the result.

    Attributes
    ----------
    inducing : int
        Inducing points of a block.
    heads : int
        Heads of the attention.
    """

    name = "set-transformer"
    title = "Set transformer with a mixture"
    source = "Lee et al. 2019, arXiv:1810.00825"
    inducing = 16
    heads = 4

    def build_encoder(self, n_features: int) -> Any:
        """Build the blocks and the pooling."""
        return define_encoder()(n_features, self.width, self.inducing, self.heads)


@cache
def define_encoder() -> type[Any]:
    """Define the encoder as a module of torch, which is imported only here."""
    import torch
    from torch import nn

    class Attention(nn.Module):
        """Queries attend to keys; the layer norm is of each element, so that sets do not see each other."""

        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.attend = nn.MultiheadAttention(width, heads, batch_first=True)
            self.first, self.last = nn.LayerNorm(width), nn.LayerNorm(width)
            self.mix = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

        def forward(self, queries: Any, keys: Any, hidden: Any = None) -> Any:
            seen, _ = self.attend(queries, keys, keys, key_padding_mask=hidden, need_weights=False)
            h = self.first(queries + seen)
            return self.last(h + self.mix(h))

    class AttentionEncoder(nn.Module):
        def __init__(self, n_features: int, width: int, inducing: int, heads: int) -> None:
            super().__init__()
            self.start = nn.Linear(n_features, width)
            self.points = nn.ParameterList(nn.Parameter(0.1 * torch.randn(inducing, width)) for _ in range(2))
            self.gather = nn.ModuleList(Attention(width, heads) for _ in range(2))
            self.spread = nn.ModuleList(Attention(width, heads) for _ in range(2))
            self.seed = nn.Parameter(0.1 * torch.randn(1, width))
            self.pool = Attention(width, heads)

        def forward(self, features: Any, mask: Any) -> Any:
            h, hidden = self.start(features), ~mask
            for points, gather, spread in zip(self.points, self.gather, self.spread, strict=True):
                h = spread(h, gather(points.expand(len(h), -1, -1), h, hidden))
            return self.pool(self.seed.expand(len(h), -1, -1), h, hidden)[:, 0]

    return AttentionEncoder
