"""A mixture density network whose draws are corrected by a few rows of the kind that is observed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.base import Baseline, Draws, Effort, create
from benchmarks.common.sets import Calibrated, Learnable, fill_unknown
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.encoding import Scores

PART = "mdn"
#: Draws for the mean and the width at a calibration row.
_N_DRAWS = 1000
#: Smallest number of rows from which the three numbers of a parameter are fitted.
MIN_ROWS = 8


class LinearCalibration(Baseline):
    """Draws of a network that has learnt from the training set, moved and widened as calibration rows want it.

    In normal scores of each parameter, with m and s the mean and width of the network's draws u at a row, the truths of
    the calibration rows are regressed on m, v = a + b m. A draw u becomes a + b m + c (u - m), with c the root
    mean square of (v - a - b m) / s over the rows, divided by their number minus two. A parameter with a truth in fewer
    than 8 rows is left as it is.

    Parameters
    ----------
    effort : Effort
        How much is spent on the network.

    Attributes
    ----------
    coefficients : ndarray, shape (d, 3)
        a, b and c of each parameter.
    """

    name = "linear-calibration"
    title = "MDN, linear calibration"
    source = "Bishop 1994, Aston University report NCRG/94/004, with a linear map of its residuals"
    has_density = False
    uses_calibration = True

    @classmethod
    def list_parts(cls, seed: int) -> tuple[tuple[str, int], ...]:
        """List the network."""
        return ((PART, seed),)

    def __init__(self, effort: Effort | None = None) -> None:
        super().__init__(effort)
        self.coefficients: Float64Array = np.empty((0, 3))
        self._network: Baseline | None = None
        self._scores: Scores | None = None

    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Get the trained network (`get_trained`), and regress on the calibration rows.

        Raises
        ------
        ValueError
            If the task has no calibration split.
        """
        if not isinstance(task, Calibrated):
            raise ValueError(f"task = {task.id!r}: allowed is one with a calibration split, such as live-64")
        self._network, self._scores = self.get_trained(PART, task, seed), Scores(task.prior)
        rows = task.calibration
        u = self._scores.forward(self._network.sample(rows.x, _N_DRAWS, seed).theta)
        mean, width, truth = u.mean(axis=1), u.std(axis=1, ddof=1), self._find_scores(rows.theta)
        self.coefficients = np.array([_regress(*columns) for columns in zip(mean.T, width.T, truth.T, strict=True)])

    def sample(self, x: NDArray, n: int, seed: int = 0) -> Draws:
        """Draw from the network, and correct."""
        network, scores = self._require_fitted()
        drawn = network.sample(np.atleast_2d(x), n, seed)
        u = scores.forward(drawn.theta)
        mean = u.mean(axis=1, keepdims=True)
        a, b, c = self.coefficients.T
        return dataclasses.replace(drawn, theta=scores.inverse(a + b * mean + c * (u - mean)))

    @property
    def n_parameters(self) -> int:
        """Weights of the network, and three numbers for each parameter."""
        return self._require_fitted()[0].n_parameters + self.coefficients.size

    def state(self) -> dict[str, NDArray]:
        """Return arrays of the network, and the coefficients (d, 3)."""
        network, _ = self._require_fitted()
        return {"coefficients": self.coefficients} | {f"network.{name}": v for name, v in network.state().items()}

    def restore(self, task: Learnable, state: Mapping[str, NDArray]) -> None:
        """Restore what was trained on a task."""
        self._network, self._scores = create(PART, self.effort), Scores(task.prior)
        start = "network."
        self._network.restore(task, {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)})
        self.coefficients = np.array(state["coefficients"])

    def _find_scores(self, theta: NDArray) -> Float64Array:
        """Normal scores of truths (n, d); NaN where there is none."""
        assert self._scores is not None
        return np.where(np.isfinite(theta), self._scores.forward(fill_unknown(theta, self._scores.prior)), np.nan)

    def _require_fitted(self) -> tuple[Baseline, Scores]:
        if self._network is None or self._scores is None:
            raise RuntimeError("the baseline is not trained; call fit first")
        return self._network, self._scores


def _regress(mean: NDArray, width: NDArray, truth: NDArray) -> tuple[float, float, float]:
    """Regress truths (n,) on means (n,), and measure the residuals in widths (n,)."""
    known = np.isfinite(truth)
    n = int(known.sum())
    if n < MIN_ROWS:
        return 0.0, 1.0, 1.0
    design = np.stack([np.ones(n), mean[known]], axis=1)
    (a, b), *_ = np.linalg.lstsq(design, truth[known], rcond=None)
    residuals = (truth[known] - design @ (a, b)) / width[known]
    return float(a), float(b), float(np.sqrt(np.square(residuals).sum() / (n - 2)))
