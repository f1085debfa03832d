"""How far an earlier file of references and a new one agree, in the terms of their certificates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.references.certificate import MAX_RERUN
from mwlmc_data.scoring.references import read_references

#: Names of the differences, each with its limit in `certificate.MAX_RERUN`, which two designs of one row must keep.
DIFFERENCES = ("distance", "shift", "spread")


def compare_draws(one: NDArray, other: NDArray) -> tuple[float, float, float]:
    """Compare draws of two posteriors by their marginals.

    Parameters
    ----------
    one, other : ndarray, shape (k, 3)
        Draws.

    Returns
    -------
    distance : float
        Largest Kolmogorov-Smirnov distance of a marginal, which is at most the total variation distance but for the
        noise of the draws.
    shift : float
        Largest difference of the means, in standard deviations of the first.
    spread : float
        Largest ratio of the variances, inverted if below one.
    """
    distance = max(float(stats.ks_2samp(a, b, method="asymp").statistic) for a, b in zip(one.T, other.T, strict=True))
    shift = np.abs(other.mean(axis=0) - one.mean(axis=0)) / one.std(axis=0)
    ratio = other.var(axis=0) / one.var(axis=0)
    return distance, float(shift.max()), float(np.maximum(ratio, 1.0 / ratio).max())


def compare_files(before: Path, now: Path) -> str:
    """Describe how two files of references differ: rows in both, their draws and the densities of their truths.

    Parameters
    ----------
    before, now : Path
        Files of references.

    Returns
    -------
    str
        Each difference's median and largest value over the rows certified in both, with the limit for two designs of
        one row, and every row beyond a limit.

    Raises
    ------
    DamagedFileError
        If one is not a file of references.
    ValueError
        If no row is certified in both.
    """
    one, other = read_references(before), read_references(now)
    there = {name: i for i, name in enumerate(other.names) if other.certified[i]}
    pairs = [(i, there[name]) for i, name in enumerate(one.names) if one.certified[i] and name in there]
    if not pairs:
        raise ValueError(f"before = {str(before)!r}: allowed is a file with references of {now} that are certified")
    names = [one.names[i] for i, _ in pairs]
    found = np.array([compare_draws(one.samples[i], other.samples[j]) for i, j in pairs])
    lines = [f"{len(pairs)} references are certified in {before} and in {now}"]
    for k, name in enumerate(DIFFERENCES):
        limit, values = getattr(MAX_RERUN, name), found[:, k]
        lines.append(f"  {name}: median {np.median(values):.3f}, largest {values.max():.3f}; two designs keep {limit}")
        beyond = [f"{names[i]} {values[i]:.3f}" for i in np.flatnonzero(values > limit)]
        lines += [f"    beyond: {', '.join(beyond)}"] if beyond else []
    nats = np.array([other.log_prob_truth[j] - one.log_prob_truth[i] for i, j in pairs])
    nats = nats[np.isfinite(nats)]
    lines.append(f"  log density of the truth: mean change {nats.mean():+.4f}, largest {np.abs(nats).max():.3f} nats")
    return "\n".join(lines)
