"""Calibration curves for the report, small enough to be stored with a score."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data import scoring
from mwlmc_data.scoring.coverage import empirical_distribution
from mwlmc_data.scoring.task import Task
from mwlmc_data.scoring.tasks.shifted import NOMINAL
from mwlmc_data.scoring.tasks.summary import FIXED

#: Levels at which the curves are evaluated.
LEVELS = np.linspace(0.0, 1.0, 51)


def compute_curves(task: Task, samples: NDArray) -> dict[str, Any]:
    """Compute the empirical distributions of what is uniform if an entry is calibrated.

    Parameters
    ----------
    task : Task
    samples : ndarray, shape (n, m, d)
        Draws for its observations.

    Returns
    -------
    dict
        n, the number of observations like the training set, or of live galaxies; ranks, by parameter; tarp; region:
        each as fractions below `LEVELS`, over the parameters whose truth every such observation has.
    """
    group = FIXED if FIXED in task.observations.groups else NOMINAL
    rows = task.observations.rows(group)
    draws, truth = samples[rows].astype(np.float64), task.observations.theta[rows].astype(np.float64)
    known = np.flatnonzero(np.isfinite(truth).all(axis=0))
    draws, truth = draws[:, :, known], truth[:, known]
    names = [task.theta_names[j] for j in known]
    ranks = scoring.rank_fractions(draws, truth)
    fractions = {
        "tarp": scoring.tarp(draws, truth).fractions,
        "region": scoring.region_coverage(draws, truth).fractions,
    }
    by_name = {name: _evaluate(ranks[:, j]) for j, name in enumerate(names)}
    return {"n": len(rows), "ranks": by_name, **{name: _evaluate(values) for name, values in fractions.items()}}


def _evaluate(values: NDArray) -> list[float]:
    return [round(float(v), 4) for v in empirical_distribution(values, LEVELS)]
