"""The negative log posterior of the truth: the proper score of an estimator that has a density."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mwlmc_data.scoring.checks import checked_vector


@dataclass(frozen=True)
class LogScore:
    """Mean negative log posterior of the truth, in nats, beside that of a baseline.

    Attributes
    ----------
    mean : float
        Mean over observations of -log q(truth | data); lower is better.
    error : float
        Standard error of the mean.
    baseline : float
        The same mean for the baseline density, most often the prior: the line of no information.
    gain, gain_error : float
        Mean of the paired difference baseline - estimator and its standard error.
    n : int
        Number of observations.
    """

    mean: float
    error: float
    baseline: float
    gain: float
    gain_error: float
    n: int


def negative_log_posterior(log_prob: ArrayLike, baseline_log_prob: ArrayLike) -> LogScore:
    """Mean negative log posterior of the truth (Lueckmann et al. 2021, sec. 2.2) with paired errors.

    A density changes with the units of its argument: both densities must be over the same parameters in the
    same units. The gain does not depend on them.

    Parameters
    ----------
    log_prob : array_like, shape (n,)
        log q(truth_i | data_i) [nats]. It must be normalised over the prior's support.
    baseline_log_prob : array_like, shape (n,)
        log density of the baseline at the same truths [nats].

    Returns
    -------
    LogScore

    Raises
    ------
    ValueError
        If the shapes differ, or a value is not finite: a truth given no density at all is an infinite score,
        and it is for the caller to say so.
    """
    own = checked_vector(log_prob, "log_prob")
    base = checked_vector(baseline_log_prob, "baseline_log_prob")
    if own.shape != base.shape:
        raise ValueError(
            f"log_prob has shape {own.shape}, baseline_log_prob {base.shape}; they must be equal"
        )
    difference = own - base
    return LogScore(
        mean=float(-own.mean()),
        error=_standard_error(own),
        baseline=float(-base.mean()),
        gain=float(difference.mean()),
        gain_error=_standard_error(difference),
        n=own.size,
    )


def _standard_error(values: np.ndarray) -> float:
    """Return the standard error of the mean; NaN for one value, whose scatter nobody knows."""
    return float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else float("nan")
