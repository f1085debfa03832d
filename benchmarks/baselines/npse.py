"""Neural posterior score estimation."""

from __future__ import annotations

from typing import Any, ClassVar

from benchmarks.baselines.training import Training
from benchmarks.baselines.vector_field import VectorField

#: Time at which the diffusion stops, with noise of 0.033 of the prior's width: earlier times cost the most.
MIN_TIME = 0.01


class Npse(VectorField):
    """Score of the posterior at every noise level of a variance-preserving diffusion.

    Draws come from the probability flow, the ordinary differential equation with the same marginals as the diffusion
    (Song et al. 2021, arXiv:2011.13456, eq. 13): it needs a tenth of the steps of the stochastic one, and only it has a
    density. The noise rises to beta = 20, so that the initial noise keeps nothing of the posterior: with sbi's 10 it
    keeps 8% of the mean.
    """

    name = "npse"
    title = "NPSE, score estimation"
    source = "Geffner et al. 2023, arXiv:2209.14249; Sharrock et al. 2024, arXiv:2210.04872"
    network: ClassVar = {"model": "mlp", "sde_type": "vp", "beta_max": 20.0, "hidden_features": 64, "num_layers": 4}
    default = Training(epochs=40, learning_rate=3e-3, max_batch=1000, min_steps=2000)

    def _build(self, theta: Any, x: Any) -> Any:
        from sbi.neural_nets import posterior_score_nn

        net = posterior_score_nn(**self._options())(theta, x)
        net.t_min = MIN_TIME
        return net.to(self.effort.device)
