"""What flow matching and score estimation share: a vector field of sbi that carries noise to the posterior."""

from __future__ import annotations

import abc
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import training as loop
from benchmarks.baselines.base import Draws
from benchmarks.baselines.flow import Flow
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.encoding import Scores

#: Observations drawn together, by one solution of the equation for all their draws.
_BLOCK = 50
#: Pieces of the time, each solved separately: in one piece the solver's first step spans it all and hides its error.
_PIECES = 4
#: The same in a fast run.
_FEWER_PIECES = 2
#: Error that a step may have, for the worst draw [scores].
_TOLERANCE = 3e-3
#: The same for the log density; sbi's default is a hundred times larger.
_TOLERANCE_OF_DENSITY = 1e-4


class VectorField(Flow, abc.ABC):
    """A vector field of sbi on normal scores of the prior, trained with our own loop.

    An ordinary differential equation along the field maps noise to draws. Solved backwards with the trace of the
    field's Jacobian, which is exact in three dimensions, it gives the density (Chen et al. 2018, arXiv:1806.07366,
    eq. 8). Both use sbi's adaptive solver (Dormand-Prince), for many observations at once.
    """

    validate_with = 5

    def sample(self, x: NDArray, n: int, seed: int = 0) -> Draws:
        """Draw from the posterior, which cannot leave the prior's support."""
        import torch

        self._require_fitted()
        x = np.atleast_2d(x)
        blocks = []
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            for i in range(0, len(x), _BLOCK):
                pieces = self._pieces(x[i : i + _BLOCK], _TOLERANCE)
                values = pieces[-1].base.sample((n,))
                for piece in reversed(pieces):
                    values = piece.transform.inv(values)
                blocks.append(values.transpose(0, 1).cpu().numpy().astype(np.float64))
        return Draws.of(self._from_flow(np.concatenate(blocks)))

    def log_prob(self, theta: NDArray, x: NDArray, acceptance: NDArray | None = None) -> Float64Array:
        """Compute the log posterior density per unit of theta; no mass lies outside, so `acceptance` has no effect."""
        import torch

        task = self._require_fitted()[1]
        theta = np.asarray(theta, dtype=np.float64)
        values, log_volume = self._tensor(theta), 0.0
        with torch.no_grad():
            pieces = self._pieces(np.atleast_2d(x), _TOLERANCE_OF_DENSITY)
            for piece in pieces:
                values, change = piece.transform.call_and_ladj(values)
                log_volume = log_volume + change
            log_q = (pieces[-1].base.log_prob(values) + log_volume).cpu().numpy().astype(np.float64)
        return Scores(task.prior).log_density(log_q, theta)

    def _pieces(self, x: NDArray, tolerance: float) -> list[Any]:
        """Build sbi's neural ordinary differential equation over pieces of the time, from the data to the noise."""
        from sbi.samplers.ode_solvers import build_neural_ode

        net, _, inputs = self._require_fitted()
        given, fixed = loop.to_tensor(inputs(x), self.effort.device), (net.mean_base, net.std_base, net.condition_shape)
        n = _FEWER_PIECES if self.effort.fast else _PIECES
        ends = np.square(np.linspace(net.t_min**0.5, net.t_max**0.5, n + 1)).tolist()
        return [
            build_neural_ode(net.ode_fn, net, *fixed, t_min=start, t_max=end, atol=tolerance, rtol=tolerance)(given)
            for start, end in pairwise(ends)
        ]

    def _options(self) -> dict[str, Any]:
        """Return options of sbi's builder: scores and data are standardised already, and SiLU is faster than GELU."""
        from torch import nn

        return {"z_score_theta": "none", "z_score_x": "none", "activation": nn.SiLU, **self.network}

    @abc.abstractmethod
    def _build(self, theta: Any, x: Any) -> Any:
        """Build sbi's estimator of the field."""
