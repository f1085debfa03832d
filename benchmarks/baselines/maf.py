"""The paper's estimator: neural posterior estimation with a masked autoregressive flow."""

from __future__ import annotations

from typing import Any, ClassVar

from benchmarks.baselines.base import Effort
from benchmarks.baselines.flow import Flow, Sampler
from benchmarks.baselines.inverse import MafSampler
from benchmarks.baselines.training import Training


class Maf(Flow):
    """Masked autoregressive flow, five transforms of 50 hidden units (Brooks et al. 2025, sec. 3).

    As in the paper, it is a density of the parameters themselves, so that part of its mass lies outside the prior; that
    part is cut off, measured and reported.

    Parameters
    ----------
    effort : Effort
        How much is spent, and where.
    training : Training, optional
        Settings in place of the default.
    bounded : bool
        Use normal scores of the prior, so that no mass lies outside.
    """

    name = "maf"
    title = "NPE, MAF (as the paper)"
    source = "Papamakarios et al. 2017, arXiv:1705.07057; Brooks et al. 2025, arXiv:2507.10667, sec. 3"
    network: ClassVar[dict[str, Any]] = {"model": "maf", "hidden_features": 50, "num_transforms": 5}
    default = Training()

    def __init__(self, effort: Effort | None = None, training: Training | None = None, bounded: bool = False) -> None:
        super().__init__(effort, training)
        self.bounded = bounded

    def _sampler(self, net: Any) -> Sampler:
        return MafSampler(net.net).sample
