"""The density of the data under the model, by a flow."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from benchmarks.baselines import training as loop
from benchmarks.baselines.base import Effort
from benchmarks.baselines.training import Training
from benchmarks.detectors.base import Detector
from mwlmc_data.array_types import Float64Array


class MarginalFlow(Detector):
    """Minus the log density of the features, by a masked autoregressive flow.

    Parameters
    ----------
    effort : Effort
        How much is spent, and where.
    """

    name = "marginal-flow"
    title = "Marginal density"
    source = "Papamakarios et al. 2017, arXiv:1705.07057; sbi's diagnostics of misspecification"

    def __init__(self, effort: Effort | None = None) -> None:
        super().__init__(effort)
        self._net: Any = None

    def fit(self, train: Float64Array, validation: Float64Array, seed: int = 0) -> None:
        """Train the flow until the validation split's density no longer rises."""
        from sbi.neural_nets.factory import ZukoFlowType, marginal_nn

        device = self.effort.device
        x, held = (loop.to_tensor(part.astype(np.float32), device) for part in (train, validation))
        setting = Training(epochs=60, learning_rate=1e-3, max_batch=256, weight_decay=1e-2)

        def build() -> Any:
            return define_wrapper()(marginal_nn(ZukoFlowType.MAF, num_transforms=3, hidden_features=48)(x.cpu()))

        self._net, _ = loop.train_new(build, (x, x), (held, held), setting, self.effort, seed)
        self._net.eval()

    def compute_statistic(self, features: Float64Array) -> Float64Array:
        """Compute minus the log densities."""
        import torch

        if self._net is None:
            raise RuntimeError("the detector is not trained; call fit first")
        with torch.no_grad():
            found = self._net.loss(None, loop.to_tensor(features.astype(np.float32), self.effort.device)).cpu().numpy()
        # as far as float32 goes, what overflows is as strange as can be
        return np.nan_to_num(found.astype(np.float64), nan=1e30, posinf=1e30)


@cache
def define_wrapper() -> type[Any]:
    """Define the flow with the loss that the training loop calls; torch is imported only here."""
    from torch import nn

    class FlowOfData(nn.Module):
        def __init__(self, flow: Any) -> None:
            super().__init__()
            self.flow = flow

        def loss(self, _: Any, x: Any) -> Any:
            """Compute minus the log density of each row."""
            return self.flow.loss(x)

    return FlowOfData
