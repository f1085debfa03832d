"""Neural posterior estimation with a neural spline flow."""

from __future__ import annotations

from typing import Any, ClassVar

from benchmarks.baselines.flow import Flow
from benchmarks.baselines.training import Training


class Nsf(Flow):
    """Neural spline flow, five transforms, on normal scores of the prior."""

    name = "nsf"
    title = "NPE, neural spline flow"
    source = "Durkan et al. 2019, arXiv:1906.04032"
    network: ClassVar[dict[str, Any]] = {"model": "nsf", "hidden_features": 64, "num_transforms": 5, "num_bins": 8}
    default = Training(epochs=12, learning_rate=5e-3, max_batch=1000, weight_decay=1e-3)
