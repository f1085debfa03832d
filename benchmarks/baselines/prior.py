"""The prior: what an estimator scores that has learnt nothing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.base import Baseline, Draws, Effort
from benchmarks.common.sets import Learnable
from mwlmc_data.array_types import Float64Array
from mwlmc_data.scoring.star_sets import StarSets


class PriorDraws(Baseline):
    """Draws from the prior, fresh ones for each observation.

    Parameters
    ----------
    effort : Effort
        Has no effect.
    """

    name = "prior"
    title = "Prior"
    source = "Brooks et al. 2025, arXiv:2507.10667, Table 1"
    needs_torch = False
    uses_simulations = False
    form = None

    def __init__(self, effort: Effort | None = None) -> None:
        super().__init__(effort)
        self._task: Learnable | None = None

    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Take the prior of the task and ignore its simulations."""
        self._task = task

    def sample(self, x: NDArray, n: int, seed: int = 0) -> Draws:
        """Draw from the prior."""
        # not `Prior.sample`: with the seed of a release it would draw the very parameters that were simulated
        rng = np.random.default_rng(seed)
        marginals = self._require_fitted().prior.marginals.values()
        shape = (len(x) if isinstance(x, StarSets) else len(np.atleast_2d(x)), n)
        return Draws.of(np.stack([marginal.quantile(rng.random(shape)) for marginal in marginals], axis=-1))

    def log_prob(self, theta: NDArray, x: NDArray, acceptance: NDArray | None = None) -> Float64Array:
        """Compute the log density of the prior per unit of theta, whatever the data."""
        return np.atleast_1d(self._require_fitted().prior.log_prob(np.asarray(theta, dtype=np.float64)))

    def state(self) -> dict[str, NDArray]:
        """Return nothing: nothing was learnt."""
        self._require_fitted()
        return {}

    def restore(self, task: Learnable, state: Mapping[str, NDArray]) -> None:
        """Take the prior of the task."""
        self._task = task

    def _require_fitted(self) -> Learnable:
        if self._task is None:
            raise RuntimeError("the baseline is not trained; call fit first")
        return self._task
