"""Rows of the set `live` as arrays of a task, with the truths of their simulations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.live_tables import HALOES, NAME
from mwlmc_data.scoring.observations import Split, columns_of, stack_columns

if TYPE_CHECKING:
    import pandas as pd

#: The parameter whose truth is fitted to the orbit, where one exists; the row's own is the first guess of a start.
FRICTION = "log10_lambda_df"


def load_live_split(split: str, theta_names: Sequence[str], x_names: Sequence[str], haloes: int = HALOES) -> Split:
    """Load a part of the set.

    Parameters
    ----------
    split : str
        "calibration" or "test".
    theta_names, x_names : sequence of str
        Parameters and data: columns of the catalogue.
    haloes : int
        Haloes of each simulation, the first.

    Returns
    -------
    Split
        In the order of sim_id. Masses are those of the rows: of the LMC the total mass of the sphere that it began as,
        of the Milky Way M200 before the two met. The friction is the one that fits the orbit, NaN where none does.

    Raises
    ------
    ValueError
        If this package does not embed the set.
    DamagedFileError
        If a file is missing or is not the embedded one.
    """
    table = columns_of(split, ["sim_id", *theta_names, *x_names], NAME)
    rows = np.flatnonzero(table["sim_id"] % HALOES < haloes)
    table = {name: values[rows] for name, values in table.items()}
    if FRICTION in theta_names:
        from mwlmc_data.live.truths import load_live_truths

        table[FRICTION] = find_truths(load_live_truths(), FRICTION, table["sim_id"] // HALOES)
    theta, x = (stack_columns(table, names) for names in (theta_names, x_names))
    return Split(theta, x, table["sim_id"].copy())


def find_truths(truths: pd.DataFrame, name: str, live_ids: NDArray) -> Float64Array:
    """Find a truth of `mwlmc_data.load_live_truths` for the simulation of each halo, (n,); NaN where it has none."""
    return truths.set_index("live_id")[name].loc[live_ids].to_numpy(dtype=np.float64)
