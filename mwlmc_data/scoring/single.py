"""Summaries of one posterior or one predictive distribution beside one truth or observation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mwlmc_data.arguments.angles import wrap_degrees
from mwlmc_data.arguments.arrays import as_float
from mwlmc_data.scoring.checks import checked_vector
from mwlmc_data.scoring.circular import circular_mean


@dataclass(frozen=True)
class PosteriorSummary:
    """One parameter's marginal posterior beside its truth.

    Attributes
    ----------
    p16, p50, p84, p2_5, p97_5 : float
        Percentiles of the draws, in the parameter's unit.
    mean, std : float
        Moments of the draws.
    truth : float or None
        The truth, if known.
    z : float or None
        (truth - mean) / std.
    quantile : float or None
        Fraction of draws below the truth.
    inside68, inside95 : bool or None
        Whether the truth lies within the equal-tailed interval.
    """

    p16: float
    p50: float
    p84: float
    p2_5: float
    p97_5: float
    mean: float
    std: float
    truth: float | None = None
    z: float | None = None
    quantile: float | None = None
    inside68: bool | None = None
    inside95: bool | None = None


def summarise_posterior(draws: ArrayLike, truth: float | None = None) -> PosteriorSummary:
    """Compute percentiles and moments of the draws of one parameter, and the place of its truth.

    Parameters
    ----------
    draws : array_like, shape (m,)
        Posterior draws of one parameter.
    truth : float, optional
        Its true value in the same unit.

    Returns
    -------
    PosteriorSummary

    Raises
    ------
    ValueError
        If there are fewer than two draws or one is not finite.
    """
    draws = checked_vector(draws, "draws")
    if draws.size < 2:
        raise ValueError("number of draws = 1: allowed is 2 or more")
    low95, p16, p50, p84, high95 = np.percentile(draws, [2.5, 16.0, 50.0, 84.0, 97.5]).tolist()
    mean, std = float(draws.mean()), float(draws.std(ddof=1))
    base = PosteriorSummary(p16, p50, p84, low95, high95, mean, std)
    if truth is None:
        return base
    truth = as_float("truth", truth)
    return PosteriorSummary(
        p16, p50, p84, low95, high95, mean, std,
        truth=truth,
        z=(truth - mean) / std if std > 0 else float("nan"),
        quantile=float((draws < truth).mean()),
        inside68=bool(p16 <= truth <= p84),
        inside95=bool(low95 <= truth <= high95),
    )  # fmt: skip


def predictive_tail(draws: ArrayLike, observed: float, circular: bool = False) -> float:
    """Two-sided tail probability of an observation under a predictive distribution (Gelman et al. 1996).

    Twice the smaller of the two tail fractions, each counting the observation itself as one more draw, so
    that m draws never give less than 2 / (m + 1). Angles are measured from the draws' mean direction.

    Parameters
    ----------
    draws : array_like, shape (m,)
        Predictive draws.
    observed : float
        The observation, in the same unit.
    circular : bool, default False
        Treat both as angles [deg].

    Returns
    -------
    float
        Probability in (0, 1].
    """
    unit = "deg" if circular else None
    draws, observed = checked_vector(draws, "draws", unit), as_float("observed", observed, unit=unit)
    if circular:
        centre = circular_mean(draws)
        draws, observed = wrap_degrees(draws - centre), float(wrap_degrees(observed - centre))
    below = (np.count_nonzero(draws <= observed) + 1) / (draws.size + 1)
    above = (np.count_nonzero(draws >= observed) + 1) / (draws.size + 1)
    return float(min(1.0, 2.0 * min(below, above)))
