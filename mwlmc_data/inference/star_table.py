"""A user's table of stars, as phase space in kpc and km/s, and which of them a selection can hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from mwlmc_data.arguments.arrays import as_floats
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.arguments.tabular import as_table, is_table
from mwlmc_data.array_types import Float64Array
from mwlmc_data.rewinding.selection import Selection
from mwlmc_data.simulator.reflex import MOTION_NAMES, POSITION_NAMES
from mwlmc_data.simulator.stars import Halo

_UNITS = dict.fromkeys(POSITION_NAMES, "kpc") | dict.fromkeys(MOTION_NAMES, "km/s")


def read_stars(table: Any) -> Float64Array:
    """Take stars from a user.

    Parameters
    ----------
    table : Halo, table or array_like
        A halo; a table of x, y, z [kpc], vx, vy, vz [km/s], whose other columns are ignored; or an array (n, 6).

    Returns
    -------
    ndarray, shape (n, 6)

    Raises
    ------
    ValueError
        If it is neither, a column is missing, or a number is masked, not finite or of another unit.
    """
    if isinstance(table, Halo):
        return np.hstack([table.positions, table.velocities]).astype(float)
    if not is_table(table):
        return as_floats("table", table, shape=("n", 6))
    columns = as_table("table", table)
    missing = [name for name in _UNITS if name not in columns]
    if missing:
        raise ValueError(f"table lacks {', '.join(missing)}: allowed is a table with {', '.join(_UNITS)}")
    parts: list[Float64Array] = []
    for name, unit in _UNITS.items():
        size = len(parts[0]) if parts else "n"
        parts.append(as_floats(f"table[{name!r}]", columns[name], unit=unit, shape=(size,)))
    return np.stack(parts, axis=1)


def select_stars(stars: Float64Array, selection: Any) -> tuple[Float64Array, Float64Array]:
    """Stars (m, 6) that the selection can hold, and their completeness (m,); raise ValueError if there are none."""
    if not isinstance(selection, Selection):
        raise ValueError(f"selection = {shorten(selection)}: allowed is a mwlmc_data.Selection")
    completeness = selection.compute_completeness(stars[:, :3])
    inside = completeness > 0.0
    if not inside.any():
        raise ValueError(
            f"table = {len(stars)} stars, none of them in the selection ({selection!r}): allowed is at least one"
        )
    return np.ascontiguousarray(stars[inside]), completeness[inside]
