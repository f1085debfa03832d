"""Observed stars for tests: errors of one size for all, and tables as a user has them."""

import numpy as np
import pandas as pd

from mwlmc_data.rewinding.observed import COLUMNS, ERROR_COLUMNS, ObservedStars


def make_errors(n, distance, v_los, pm, corr=0.0, missing=()):
    """Errors of n stars, relative in distance; `missing` are the places of v_los, pm_l, pm_b that no star has."""
    motions = np.zeros((3, n))
    motions[list(missing)] = np.nan
    errors = (np.full(n, float(value)) for value in (distance, v_los, pm, pm, corr))
    return ObservedStars(np.zeros(n), np.zeros(n), np.ones(n), *motions, *errors)


def to_table(stars):
    """A DataFrame of a user."""
    table = pd.DataFrame({name: getattr(stars, name) for name in COLUMNS})
    for name, column in ERROR_COLUMNS.items():
        table[column] = stars.corr if name == "corr" else getattr(stars, f"e_{name}")
    return table.assign(err_distance=stars.e_distance * stars.distance)
