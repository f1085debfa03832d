"""Flow matching posterior estimation."""

from __future__ import annotations

from typing import Any, ClassVar

from benchmarks.baselines.training import Training
from benchmarks.baselines.vector_field import VectorField


class Fmpe(VectorField):
    """A network learns the mean velocity of straight paths from noise to the posterior (rectified flow, as in sbi).

    It learns the velocity minus that of a standard normal, which is what the prior is in its own scores.
    """

    name = "fmpe"
    title = "FMPE, flow matching"
    source = "Wildberger et al. 2023, arXiv:2305.17161; Lipman et al. 2023, arXiv:2210.02747"
    network: ClassVar = {"model": "mlp", "hidden_features": 64, "num_layers": 4, "gaussian_baseline": True}
    default = Training(epochs=40, learning_rate=3e-3, max_batch=1000, min_steps=2000)

    def _build(self, theta: Any, x: Any) -> Any:
        from sbi.neural_nets import posterior_flow_nn

        return posterior_flow_nn(**self._options())(theta, x).to(self.effort.device)
