"""Draws with weights: their evidence, their effective number, and equal draws made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp


@dataclass(frozen=True)
class Weighed:
    """Proposals with weights.

    Attributes
    ----------
    theta : ndarray, shape (m, d)
        In the task's units.
    log_weight : ndarray, shape (m,)
        Logarithm of prior times likelihood over the proposals' density; -inf allowed.
    """

    theta: NDArray[np.float64]
    log_weight: NDArray[np.float64]

    @property
    def log_evidence(self) -> float:
        """Logarithm of the mean weight."""
        return float(logsumexp(self.log_weight) - np.log(len(self.log_weight)))

    @property
    def effective(self) -> float:
        """Effective number of draws, (sum w)^2 / sum w^2 (Kong 1992); 0 where no proposal has any weight."""
        if not np.isfinite(self.log_weight).any():
            return 0.0
        return float(np.exp(2.0 * logsumexp(self.log_weight) - logsumexp(2.0 * self.log_weight)))

    def resample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw n by systematic resampling (Kitagawa 1996), in random order; unweighted where no proposal has weight.

        Returns
        -------
        ndarray, shape (n, d)
        """
        log_weight = self.log_weight if self.effective else np.zeros(len(self.log_weight))
        upper = np.cumsum(np.exp(log_weight - logsumexp(log_weight)))
        wanted = (np.arange(n) + rng.random()) / n * upper[-1]
        return self.theta[rng.permutation(np.searchsorted(upper, wanted, side="right"))]
