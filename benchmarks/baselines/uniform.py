"""Equal probabilities of all models: what a classifier scores that has learnt nothing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.base import Effort
from benchmarks.baselines.classifier import Classifier
from benchmarks.common.sets import Learnable
from mwlmc_data.array_types import Float64Array
from mwlmc_data.scoring.star_sets import StarSets


class EqualProbabilities(Classifier):
    """The prior of the models.

    Parameters
    ----------
    effort : Effort
        Has no effect.
    """

    name = "uniform"
    title = "Equal probabilities"
    source = "Good 1952, J. R. Stat. Soc. B 14, 107"
    needs_torch = False
    uses_simulations = False

    def __init__(self, effort: Effort | None = None) -> None:
        super().__init__(effort)
        self._n_classes = 0

    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Count the models."""
        self._n_classes = len(task.theta_names)

    def classify(self, x: StarSets) -> Float64Array:
        """Return equal probabilities."""
        if not self._n_classes:
            raise RuntimeError("the baseline is not trained; call fit first")
        return np.full((len(x), self._n_classes), 1.0 / self._n_classes)

    def state(self) -> dict[str, NDArray]:
        """Return nothing: nothing was learnt."""
        return {}

    def restore(self, task: Learnable, state: Mapping[str, NDArray]) -> None:
        """Count the models."""
        self.fit(task)
