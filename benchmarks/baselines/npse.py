"""Neural posterior score estimation."""

from __future__ import annotations

from typing import Any, ClassVar

from benchmarks.baselines.training import Training
from benchmarks.baselines.vector_field import VectorField

#: Time at which the diffusion is left: its noise is 0.033 of the prior's width, and what comes before costs most.
MIN_TIME = 0.01


class Npse(VectorField):
    """Score of the posterior at every level of noise, of a diffusion that preserves the variance.

    Draws come from the probability flow, the ordinary differential equation with the same marginals as the diffusion
    (Song et al. 2021, arXiv:2011.13456, eq. 13): it needs a tenth of the steps of the stochastic one, and it alone
    gives a density. The noise rises to beta = 20, so that none of the posterior is left in the noise that it starts
    from: sbi's 10 leaves 8% of its mean.
    """

    name = "npse"
    title = "NPSE, score estimation"
    source = "Geffner et al. 2023, arXiv:2209.14249; Sharrock et al. 2024, arXiv:2210.04872"
    network: ClassVar = {"model": "mlp", "sde_type": "vp", "beta_max": 20.0, "hidden_features": 64, "num_layers": 4}
    default = Training(epochs=40, learning_rate=3e-3, most_batch=1000, least_steps=2000)

    def _build(self, theta: Any, x: Any) -> Any:
        from sbi.neural_nets import posterior_score_nn

        net = posterior_score_nn(**self._options())(theta, x)
        net.t_min = MIN_TIME
        return net.to(self.effort.device)
