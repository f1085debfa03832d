"""A conjugate Gaussian problem: every property of its posterior is a formula, and each defect is put in by hand."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import multivariate_normal, norm

PRIOR_STD = np.array([1.0, 2.0, 0.5])
NOISE_STD = np.array([0.8, 1.6, 0.4])
#: Data are theta plus noise of this covariance; the prior is independent.
NOISE_CORRELATION = np.array([[1.0, 0.8, -0.6], [0.8, 1.0, -0.5], [-0.6, -0.5, 1.0]])

DEFECTS = {
    "exact": {},
    "narrow": {"width": 0.9},
    "wide": {"width": 1.5},
    "biased": {"bias": 0.3},
    "uncorrelated": {"correlated": False},
}


def posterior_covariance():
    """Covariance for every observation, (prior precision + noise precision) inverted, and the noise precision."""
    noise = NOISE_CORRELATION * np.outer(NOISE_STD, NOISE_STD)
    return np.linalg.inv(np.diag(PRIOR_STD**-2) + np.linalg.inv(noise)), np.linalg.inv(noise)


@dataclass(eq=False)
class Problem:
    """Observations with their truths, the exact posterior, and an entry's posterior, possibly with a defect."""

    truth: np.ndarray
    samples: np.ndarray
    reference: np.ndarray
    log_prob_samples: np.ndarray
    log_prob_truth: np.ndarray
    exact_log_prob_truth: np.ndarray
    prior_log_prob_truth: np.ndarray


def conjugate(n, m, seed, width=1.0, bias=0.0, correlated=True, k=None):
    """Draw n observations, m draws of the entry and k of the exact posterior for each.

    `width` multiplies the standard deviations, `bias` moves the mean in units of them, and without `correlated` the
    marginals stay exact but uncorrelated.
    """
    rng = np.random.default_rng(seed)
    covariance, precision = posterior_covariance()
    std = np.sqrt(np.diag(covariance))
    truth = rng.normal(0.0, PRIOR_STD, (n, 3))
    noise = rng.multivariate_normal(np.zeros(3), np.linalg.inv(precision), n)
    exact_mean = (truth + noise) @ precision @ covariance
    mean = exact_mean + bias * std
    spoilt = width**2 * (covariance if correlated else np.diag(std**2))
    samples = mean[:, None] + rng.standard_normal((n, m, 3)) @ np.linalg.cholesky(spoilt).T
    reference = exact_mean[:, None] + rng.standard_normal((n, k or m, 3)) @ np.linalg.cholesky(covariance).T
    own = multivariate_normal(np.zeros(3), spoilt)
    return Problem(
        truth=truth,
        samples=samples,
        reference=reference,
        log_prob_samples=own.logpdf(samples - mean[:, None]),
        log_prob_truth=own.logpdf(truth - mean),
        exact_log_prob_truth=multivariate_normal(np.zeros(3), covariance).logpdf(truth - exact_mean),
        prior_log_prob_truth=norm.logpdf(truth, 0.0, PRIOR_STD).sum(axis=1),
    )
