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
        The same mean for the baseline density, usually the prior: the level of no information.
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

    A density depends on the units of its argument: both densities must be of the same parameters in the
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
        If the shapes differ, or a value is not finite: a truth without any density has an infinite score,
        which the caller must report.
    """
    own = checked_vector(log_prob, "log_prob")
    base = checked_vector(baseline_log_prob, "baseline_log_prob")
    if own.shape != base.shape:
        raise ValueError(
            f"shape of baseline_log_prob = {base.shape}: allowed is that of log_prob, {own.shape}"
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
    """Return the standard error of the mean; NaN for one value, whose scatter is unknown."""
    return float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else float("nan")
