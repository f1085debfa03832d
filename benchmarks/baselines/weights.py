"""Weighted draws: their evidence, their effective number, and resampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from mwlmc_data.array_types import Float64Array

#: Number of effective draws below which weights are tempered.
MIN_EFFECTIVE = 10.0


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

    theta: Float64Array
    log_weight: Float64Array

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

    def tempered(self) -> Weighed:
        """Raise weights to the greatest power up to 1 that leaves `MIN_EFFECTIVE` effective draws.

        One repeated draw is no posterior. Far from the training set this yields a distribution between the proposals
        and the corrected posterior, like a bridge of sequential Monte Carlo (Del Moral et al. 2006). Where fewer
        proposals have any weight, those weigh the same; fewer than 10 `MIN_EFFECTIVE` proposals stay as they are.
        """
        possible = np.isfinite(self.log_weight)
        if not possible.any():
            return Weighed(self.theta, np.zeros(len(self.theta)))
        if self.effective >= MIN_EFFECTIVE or len(self.theta) < 10 * MIN_EFFECTIVE:
            return self
        if possible.sum() <= MIN_EFFECTIVE:
            return Weighed(self.theta, np.where(possible, 0.0, np.log(1e-3)))
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self._power(middle).effective >= MIN_EFFECTIVE else (low, middle)
        return self._power(low)

    def _power(self, exponent: float) -> Weighed:
        possible = np.isfinite(self.log_weight)
        relative = np.where(possible, self.log_weight, 0.0) - self.log_weight[possible].max()
        return Weighed(self.theta, np.where(possible, exponent * relative, -np.inf))

    def resample(self, n: int, rng: np.random.Generator) -> Float64Array:
        """Draw n by systematic resampling (Kitagawa 1996), in random order, with weights tempered where few count.

        Returns
        -------
        ndarray, shape (n, d)
        """
        log_weight = self.tempered().log_weight
        upper = np.cumsum(np.exp(log_weight - logsumexp(log_weight)))
        wanted = (np.arange(n) + rng.random()) / n * upper[-1]
        return self.theta[rng.permutation(np.searchsorted(upper, wanted, side="right"))]
