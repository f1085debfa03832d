"""A Gaussian about a linear regression: what the first two moments alone give."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from benchmarks.baselines.base import Baseline, Draws, Effort
from benchmarks.common.sets import Learnable
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.encoding import Inputs, Scores


class LinearGaussian(Baseline):
    """Multivariate linear regression of the normal scores on the data, its residuals Gaussian with one covariance.

    With u the scores and x the standardised data, u | x ~ N([1, x] B, C): B by least squares, C from the residuals,
    divided by the number of rows minus coefficients per column. It is exact where data and scores are jointly Gaussian.

    Parameters
    ----------
    effort : Effort
        Has no effect.
    """

    name = "linear-gaussian"
    title = "Linear-regression Gaussian"
    source = "Mardia, Kent & Bibby 1979, Multivariate Analysis, sec. 6.2"
    needs_torch = False

    def __init__(self, effort: Effort | None = None) -> None:
        super().__init__(effort)
        self._scores: Scores | None = None
        self._inputs: Inputs | None = None
        self._coefficients: NDArray = np.empty((0, 0))
        self._covariance: NDArray = np.empty((0, 0))

    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Regress on the train split; nothing is random, and nothing is chosen on the validation split."""
        self._scores, self._inputs = Scores(task.prior), Inputs.from_data(task.train.x, task.x_names)
        design, u = self._design(task.train.x), self._scores.forward(task.train.theta)
        if len(u) <= design.shape[1] + u.shape[1]:
            raise ValueError(f"rows of {task.id} = {len(u)}: allowed is more than {design.shape[1] + u.shape[1]}")
        self._coefficients = np.linalg.lstsq(design, u, rcond=None)[0]
        residuals = u - design @ self._coefficients
        self._covariance = residuals.T @ residuals / (len(u) - design.shape[1])

    def sample(self, x: NDArray, n: int, seed: int = 0) -> Draws:
        """Draw scores from the Gaussian."""
        scores, mean = self._require_fitted(), self._design(np.atleast_2d(x)) @ self._coefficients
        z = np.random.default_rng(seed).normal(size=(len(mean), n, mean.shape[1]))
        return Draws.of(scores.inverse(mean[:, None] + z @ np.linalg.cholesky(self._covariance).T))

    def log_prob(self, theta: NDArray, x: NDArray, acceptance: NDArray | None = None) -> Float64Array:
        """Compute the log posterior density per unit of theta; -inf outside the support."""
        scores = self._require_fitted()
        factor = np.linalg.cholesky(self._covariance)
        residuals = scores.forward(theta) - self._design(x) @ self._coefficients
        z = solve_triangular(factor, residuals.T, lower=True)
        log_q = -0.5 * (np.square(z) + np.log(2.0 * np.pi)).sum(axis=0) - np.log(np.diag(factor)).sum()
        return scores.log_density(log_q, theta)

    @property
    def n_parameters(self) -> int:
        """Number of coefficients and of independent elements of the covariance."""
        d = len(self._covariance)
        return self._coefficients.size + d * (d + 1) // 2

    def state(self) -> dict[str, NDArray]:
        """Return coefficients (1 + f, d), covariance (d, d), and what standardises the data."""
        self._require_fitted()
        assert self._inputs is not None
        return {"coefficients": self._coefficients, "covariance": self._covariance, **self._inputs.state()}

    def restore(self, task: Learnable, state: Mapping[str, NDArray]) -> None:
        """Restore what was fitted on a task."""
        self._scores = Scores(task.prior)
        self._inputs = Inputs.from_state(state, task.x_names)
        self._coefficients, self._covariance = np.array(state["coefficients"]), np.array(state["covariance"])

    def _design(self, x: NDArray) -> Float64Array:
        assert self._inputs is not None
        standard = self._inputs(x).astype(np.float64)
        return np.concatenate([np.ones((len(standard), 1)), standard], axis=1)

    def _require_fitted(self) -> Scores:
        if self._scores is None:
            raise RuntimeError("the baseline is not trained; call fit first")
        return self._scores
