"""Metrics as entries of a report: their names, and what a right answer is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.spatial.distance import cdist

from mwlmc_data import scoring
from mwlmc_data.array_types import Float64Array
from mwlmc_data.priors import Prior
from mwlmc_data.scoring.energy import mean_pair_distance
from mwlmc_data.scoring.report import Entry

_PRIOR_DRAWS, _PRIOR_SEED = 4096, 20250713


def by_name(names: Sequence[str], values: ArrayLike) -> dict[str, float]:
    """Map parameters to their numbers."""
    return dict(zip(names, np.asarray(values, dtype=float).tolist(), strict=True))


def mean_entry(values: NDArray, right: str, digits: int = 3) -> Entry:
    """Make an entry of the mean over observations and its standard error."""
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
    return Entry(float(values.mean()), error, right, digits)


def paired_entry(score: NDArray, other: NDArray, right: str, digits: int = 4) -> Entry:
    """Make an entry of the mean of score - other and its paired bootstrap error."""
    found = scoring.paired_difference(score, other)
    return Entry(found.mean, found.error, right, digits)


def prior_draws(prior: Prior, n: int = _PRIOR_DRAWS, seed: int = _PRIOR_SEED) -> Float64Array:
    """Draw (n, d) from a prior, reproducibly."""
    table = prior.sample(n, seed)
    return np.stack([table[name].to_numpy(dtype=np.float64) for name in prior.parameters], axis=1)


def prior_variance(prior: Prior) -> Float64Array:
    """Return the variance of each parameter of a prior."""
    return np.array([marginal.std**2 for marginal in prior.marginals.values()])


def prior_energy(prior: Prior, truth: NDArray, scale: Sequence[float]) -> Float64Array:
    """Compute the energy score of the prior at each truth, shape (n,); all observations share the draws."""
    draws = prior_draws(prior) / scale
    to_truth = cdist(np.asarray(truth, dtype=np.float64) / scale, draws).mean(axis=1)
    return to_truth - 0.5 * mean_pair_distance(draws)


def contraction(samples: NDArray, prior: Prior, names: Sequence[str]) -> Entry:
    """Make an entry of the contraction of each parameter."""
    found = scoring.contraction(samples, prior_variance(prior))
    return Entry(by_name(names, found), right="0: as wide as the prior, which is uninformative", digits=2)


def hits(samples: NDArray, truth: NDArray, names: Sequence[str], level: float) -> Entry:
    """Make an entry of the share of truths within the central interval of a level, and its error at that level."""
    fraction, error = scoring.interval_coverage(samples, truth, level)
    return Entry(by_name(names, fraction), by_name(names, error), f"{level:g}; less: overconfident", 3)


def calibration(samples: NDArray, truth: NDArray, names: Sequence[str], prior: Prior) -> dict[str, Entry]:
    """Test calibration over observations like the training set.

    Parameters
    ----------
    samples : ndarray, shape (n, m, d)
        Posterior draws.
    truth : ndarray, shape (n, d)
        Truths.
    names : sequence of str
        Names of the parameters.
    prior : Prior
        Their prior, for the share of draws outside it.

    Returns
    -------
    dict of str to Entry
    """
    ranks = scoring.rank_calibration(samples, truth)
    curve = scoring.tarp(samples, truth)
    regions = scoring.region_coverage(samples, truth)
    outside = ~np.isfinite(prior.log_prob(samples.reshape(-1, samples.shape[2])))
    marginals = prior.marginals.values()
    own = [stats.kstest(truth[:, j], m.cdf).pvalue for j, m in enumerate(marginals)]
    uniform = "above 0.05; small: not calibrated"
    return {
        "prior_ks_pvalue": Entry(
            by_name(names, own), right="the prior's value with these truths: read the next beside it", is_pvalue=True
        ),
        "rank_ks_pvalue": Entry(by_name(names, ranks.ks_pvalue), right=uniform, is_pvalue=True),
        "rank_chi2_pvalue": Entry(by_name(names, ranks.chi2_pvalue), right=uniform, is_pvalue=True),
        "hits_68": hits(samples, truth, names, 0.68),
        "hits_95": hits(samples, truth, names, 0.95),
        "tarp_ks_pvalue": Entry(curve.ks_pvalue, right=uniform, is_pvalue=True),
        "tarp_area": Entry(curve.area, curve.area_error, "0; above: too wide, below: too narrow; blind to a bias", 4),
        "region_ks_pvalue": Entry(regions.ks_pvalue, right=uniform, is_pvalue=True),
        "region_area": Entry(regions.area, regions.area_error, "0; above: conservative, below: overconfident", 4),
        "outside_prior": mean_entry(outside.reshape(samples.shape[:2]).mean(axis=1), "0: share of draws", 4),
    }


def against_reference(
    samples: NDArray, reference: NDArray, names: Sequence[str], scale: Sequence[float]
) -> dict[str, Entry]:
    """Measure distances to reference posteriors of the same observations.

    Parameters
    ----------
    samples, reference : ndarray, shape (n, m, d) and (n, k, d)
        Draws.
    names : sequence of str
        Names of the parameters.
    scale : sequence of float
        Scale of the energy distance.

    Returns
    -------
    dict of str to Entry
    """
    error = scoring.mean_error(samples, reference)
    ratio = scoring.variance_ratio(samples, reference)
    noise = np.sqrt(1 / samples.shape[1] + 1 / reference.shape[1])
    return {
        "references": Entry(float(len(samples)), right="observations with a certified reference", digits=0),
        "energy_distance": mean_entry(scoring.energy_distance(samples, reference, scale), "0", 4),
        "mmd": mean_entry(scoring.mmd(samples, reference), "0", 4),
        "mean_error_rms": Entry(
            by_name(names, np.sqrt(np.square(error).mean(axis=0))), right=f"{noise:.2f}: the draws' own noise", digits=2
        ),
        "variance_ratio": Entry(
            by_name(names, np.exp(np.log(ratio).mean(axis=0))), right="1; less: too narrow", digits=2
        ),
    }


def truth_entries(samples: NDArray, truth: NDArray, names: Sequence[str]) -> dict[str, Entry]:
    """Locate one observation's truth in its draws, for each parameter whose truth is known.

    Parameters
    ----------
    samples : ndarray, shape (1, m, d)
        Draws.
    truth : ndarray, shape (1, d)
        NaN if unknown.
    names : sequence of str
        Names of the parameters.

    Returns
    -------
    dict of str to Entry
        `z`, and `hits_68`, `hits_95` as 0 or 1; NaN where the truth is unknown.
    """
    known = np.isfinite(truth[0])
    found: Mapping[str, NDArray] = {name: np.full(truth.shape[1], np.nan) for name in ("z", "hits_68", "hits_95")}
    if known.any():
        draws, right = samples[:, :, known], truth[:, known]
        found["z"][known] = scoring.z_of_truth(draws, right)[0]
        for name, level in (("hits_68", 0.68), ("hits_95", 0.95)):
            found[name][known] = scoring.hits(draws, right, level).inside[0]
    return {
        name: Entry(by_name(names, values), right=right, digits=digits)
        for (name, values), right, digits in zip(found.items(), ("0 +- 1", "1", "1"), (1, 0, 0), strict=True)
    }
