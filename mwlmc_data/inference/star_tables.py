"""Stars as a user gives them to `infer_stars`: exact phase space or observables with errors, and their selection."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from mwlmc_data.arguments.tabular import as_table, is_table
from mwlmc_data.array_types import Float64Array
from mwlmc_data.rewinding.likelihood import EXACT_RADIUS
from mwlmc_data.rewinding.observed import (
    COLUMNS,
    ERROR_COLUMNS,
    ObservedStars,
    is_observed,
    refuse_near,
    take_observed,
)
from mwlmc_data.rewinding.rewind import take_table
from mwlmc_data.rewinding.selection import Selection, find_selected

#: Columns that hold errors.
_ERROR = re.compile(r"^(e|err|error|sigma|sig|std|unc)_|_(e|err|error|errors|sigma|std|unc|uncertainty)$")


def take_selected(table: Any, selection: Any) -> tuple[Float64Array | ObservedStars, int, Float64Array]:
    """Take stars from a user, and leave out those outside the selection.

    Parameters
    ----------
    table, selection
        As for :func:`~mwlmc_data.infer_stars`.

    Returns
    -------
    stars : ndarray, shape (n, 6), or ObservedStars
        Stars in the selection; observed ones in an order of their own.
    n_given : int
        Number of all stars of the table.
    completeness : ndarray, shape (n,)
        Of the selection where each is seen.

    Raises
    ------
    ValueError
        If stars or selection are not such, or no star is in the selection.
    """
    if isinstance(selection, Selection) and selection.r_min < EXACT_RADIUS:
        raise ValueError(
            f"selection = {selection!r}: allowed is r_min = {EXACT_RADIUS:g} kpc or more; stars within have made "
            "dozens of orbits since the start, and their density is not exact"
        )
    if is_observed(table):
        observed = take_observed(table)
        # the draws depend on the places of the stars, the answer must not
        observed = observed[np.lexsort(observed.to_array().T)]
        completeness = find_selected(observed.positions, selection)
        inside = completeness > 0.0
        refuse_near(observed[inside], selection)
        return observed[inside], len(observed), completeness[inside]
    _refuse_errors(table)
    given = take_table("table", table)
    completeness = find_selected(given[:, :3], selection)
    inside = completeness > 0.0
    return np.ascontiguousarray(given[inside]), len(given), completeness[inside]


def _refuse_errors(table: Any) -> None:
    """Refuse positions and velocities with errors of measurement, which would be ignored."""
    columns = as_table("table", table) if is_table(table) else {}
    if found := [name for name in columns if _ERROR.search(name.lower())]:
        raise ValueError(
            f"table holds {found[0]!r}: allowed are exact positions and velocities, or observables with their errors "
            f"({', '.join(COLUMNS)}, {', '.join(ERROR_COLUMNS.values())})"
        )
