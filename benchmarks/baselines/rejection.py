"""Rejection ABC: the simulations whose data come nearest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.baselines.base import Baseline, Draws, Effort
from benchmarks.common.sets import Learnable
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.encoding import Inputs
from mwlmc_data.scoring import energy_score

#: Numbers of simulations that may be kept.
_KEPT = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
#: Largest share of the training set that may be kept.
_MAX_SHARE = 0.25
#: Validation rows that choose among them.
_N_ROWS = 1000
#: Draws for each of these rows.
_N_DRAWS = 200
#: Observations looked up together.
_BLOCK = 64


class RejectionAbc(Baseline):
    """Draws with replacement from the nearest simulations, by Euclidean distance of the standardised data.

    Their number is fixed, rather than the distance within which they lie (Biau, Cérou & Guyader 2015,
    arXiv:1207.6461). It is the one with the best energy score, in standard deviations of the prior, on the validation
    split.

    Parameters
    ----------
    effort : Effort
        A fast run chooses by a fifth of the rows.

    Attributes
    ----------
    scores : dict of int to float
        Mean energy score of the validation rows for each number kept; set by `fit`.
    """

    name = "rejection-abc"
    title = "Rejection ABC"
    source = "Pritchard et al. 1999, Mol. Biol. Evol. 16, 1791; Biau, Cérou & Guyader 2015, arXiv:1207.6461"
    has_density = False
    needs_torch = False

    def __init__(self, effort: Effort | None = None) -> None:
        super().__init__(effort)
        self.scores: dict[int, float] = {}
        self._kept = 0
        self._tree: cKDTree | None = None
        self._theta: Float64Array = np.empty((0, 0))
        self._inputs: Inputs | None = None

    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Choose on the validation split how many simulations of the train split to keep."""
        self._look_up(task)
        rng = np.random.default_rng(seed)
        held, n = task.validation, len(task.train.theta)
        rows = rng.permutation(len(held.theta))[: _N_ROWS // 5 if self.effort.fast else _N_ROWS]
        candidates = [kept for kept in _KEPT if kept <= _MAX_SHARE * n] or [max(1, int(_MAX_SHARE * n))]
        scale = [marginal.std for marginal in task.prior.marginals.values()]
        total = dict.fromkeys(candidates, 0.0)
        for some in np.array_split(rows, -(-len(rows) // _BLOCK)):
            nearest = self._nearest(held.x[some], candidates[-1])
            for kept in candidates:
                draws = self._draw(nearest[:, :kept], _N_DRAWS, rng)
                total[kept] += energy_score(draws, held.theta[some], scale).sum()
        self.scores = {kept: score / len(rows) for kept, score in total.items()}
        self._kept = min(self.scores, key=lambda kept: self.scores[kept])

    def sample(self, x: NDArray, n: int, seed: int = 0) -> Draws:
        """Draw with replacement from the simulations kept for each observation."""
        rng = np.random.default_rng(seed)
        x = np.atleast_2d(x)
        blocks = [self._nearest(x[i : i + _BLOCK], self._kept) for i in range(0, len(x), _BLOCK)]
        return Draws.of(np.concatenate([self._draw(nearest, n, rng) for nearest in blocks]))

    def state(self) -> dict[str, NDArray]:
        """Return how many are kept; the simulations are the task's."""
        self._require_fitted()
        return {"kept": np.array([self._kept])}

    def restore(self, task: Learnable, state: Mapping[str, NDArray]) -> None:
        """Restore the number kept, and look up the task's simulations."""
        self._look_up(task)
        self._kept = int(state["kept"][0])

    def _look_up(self, task: Learnable) -> None:
        self._inputs = Inputs.from_data(task.train.x, task.x_names)
        self._theta = np.asarray(task.train.theta, dtype=np.float64)
        self._tree = cKDTree(self._inputs(task.train.x))

    def _nearest(self, x: NDArray, kept: int) -> NDArray[np.intp]:
        """Find the nearest rows (k, kept) of the training set, nearest first."""
        tree, inputs = self._require_fitted()
        return tree.query(inputs(x), k=np.arange(1, kept + 1))[1]

    def _draw(self, nearest: NDArray[np.intp], n: int, rng: np.random.Generator) -> Float64Array:
        chosen = rng.integers(nearest.shape[1], size=(len(nearest), n))
        return self._theta[np.take_along_axis(nearest, chosen, axis=1)]

    def _require_fitted(self) -> tuple[cKDTree, Inputs]:
        if self._tree is None or self._inputs is None:
            raise RuntimeError("the baseline is not trained; call fit first")
        return self._tree, self._inputs
