"""Parameters from the rows of a user's table: known columns, numbers in every cell, no contradictions.

A catalogue holds more than the drawn parameters: `c200`, `a_lmc` and `coulomb_log` follow from the masses, and the
LMC's present day is given twice, on the sky and as a Galactocentric vector. Changing one column of a row makes the
others stale. This module compares them, to the precision in which they are stored.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.arrays import as_choice, as_floats, as_ids, check_names
from mwlmc_data.arguments.messages import refuse
from mwlmc_data.arguments.tabular import as_row, as_table, get_index
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset import schema
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.frames import galactocentric_to_sky, sky_to_galactocentric
from mwlmc_data.simulator.limits import CARTESIAN_NAMES, LIMITS, SKY_NAMES, rounded_limits
from mwlmc_data.simulator.physics import PHYSICS_NAME, require_standard, take_physics
from mwlmc_data.simulator.potentials import (
    AGREEMENT,
    concentration,
    concentration_follows,
    coulomb_logarithm,
    lmc_scale_radius,
    scale_radius_follows,
)

if TYPE_CHECKING:
    import pandas as pd

#: Parameters that have no default.
NEEDED = ("m200_mw", "m_lmc", "log10_lambda_df")
#: Parameters that determine the masses of the galaxies within a radius.
_MASSES = ("m200_mw", "c200", "m_lmc", "m_lmc_8p7", "a_lmc")
#: Columns with the mass of a galaxy within a radius, such as `name_masses` names them.
_ENCLOSED = re.compile(r"m_(mw|lmc)_\d+(p\d+)?")
#: Results, which are not parameters.
_RESULTS = (*(n for n in schema.CATALOGUE_NAMES if n not in LIMITS), *(c.name for c in schema.STARS))
#: Parameters first, as a message about an unknown column lists the first few.
_KNOWN = ("sim_id", *LIMITS, PHYSICS_NAME, *(n for n in _RESULTS if n != "sim_id"))
#: Columns that only a simulated row has.
_SIMULATED = frozenset(_RESULTS) - {"sim_id", "split"}

Columns = dict[str, Float64Array]


def read_table(name: str, table: Any, derived: str) -> tuple[list[dict[str, float]], NDArray[np.int64] | None]:
    """Read the rows of a table as arguments of :class:`~mwlmc_data.Parameters`, and their sim_id, if any.

    Raises
    ------
    ValueError
        As for :func:`~mwlmc_data.simulate_many`; the message names the column and the row.
    """
    columns = as_table(name, table)
    check_names(name, columns, _KNOWN, NEEDED)
    _require_standard(name, columns)
    numbers = _read_numbers(name, {c: values for c, values in columns.items() if c in LIMITS})
    rows = _choose_numbers(name, numbers, derived, is_simulated=not _SIMULATED.isdisjoint(columns), given=columns)
    ids = _ids(name, columns, get_index(table))
    if ids is not None and len(ids) != len(rows):
        raise ValueError(f"{name}['sim_id'] = {len(ids)} numbers: allowed is one for each of the {len(rows)} rows")
    return rows, ids


def _read_numbers(name: str, columns: dict[str, Any], limited: bool = False) -> Columns:
    """Read parameters of all rows in their units, `limited` to their allowed range."""
    numbers: Columns = {}
    size: int | str = "n"
    for column, values in columns.items():
        low, high = rounded_limits(column) if limited else (-math.inf, math.inf)
        unit = LIMITS[column][2]
        place = f"{name}[{column!r}]"
        numbers[column] = as_floats(place, values, unit=unit, shape=(size,), minimum=low, maximum=high)
        size = len(numbers[column])
    return numbers


def read_masses(name: str, table: Any, derived: str) -> tuple[Columns, pd.Index | None]:
    """Read what determines the mass of each galaxy within a radius, and the index of a pandas table.

    Parameters
    ----------
    name : str
        What the user calls the table.
    table : table
        As for :func:`~mwlmc_data.simulate_many`, but of the parameters only m200_mw, m_lmc, and m_lmc_8p7 or a_lmc are
        needed, and only these and c200 are read.
    derived : {"checked", "given"}
        As for :func:`~mwlmc_data.simulate_many`.

    Returns
    -------
    columns : dict of str to ndarray of shape (n,)
        m200_mw, m_lmc [Msun], c200, a_lmc [kpc].
    index : pandas.Index or None

    Raises
    ------
    ValueError
        As for :func:`~mwlmc_data.simulate_many`, or if the table has neither m_lmc_8p7 nor a_lmc.
    """
    columns = {c: values for c, values in as_table(name, table).items() if c in LIMITS or not _ENCLOSED.fullmatch(c)}
    check_names(name, columns, _KNOWN, ("m200_mw", "m_lmc"))
    _require_standard(name, columns)
    if not {"a_lmc", "m_lmc_8p7"} & set(columns):
        raise ValueError(f"{name} lacks a_lmc and m_lmc_8p7: {_NO_SCALE}")
    numbers = _read_numbers(name, {c: columns[c] for c in _MASSES if c in columns}, limited=True)
    is_simulated = not _SIMULATED.isdisjoint(columns)
    return _choose_masses(name, numbers, derived, is_simulated), get_index(table)


def _require_standard(name: str, columns: dict[str, Any]) -> None:
    """Refuse a table with rows of another physics than the standard one: its functions know no other."""
    for physics in columns.get(PHYSICS_NAME, ()):
        require_standard(f"a row of {name}", take_physics(physics))


_NO_SCALE = (
    "allowed is a table with one of them, which gives the LMC's scale radius. Draws of a posterior have neither: add "
    "m_lmc_8p7, measured or drawn from its prior given each m_lmc (mwlmc_data.priors.ENCLOSED_MASS.quantile(u, m_lmc), "
    "with u uniform in 0 to 1)"
)


def _choose_masses(name: str, numbers: Columns, derived: str, is_simulated: bool) -> Columns:
    """Select or compute c200 and a_lmc of each row as :class:`~mwlmc_data.Parameters` does, or raise ValueError."""
    counts, again = _compare(name, numbers, derived, is_simulated)
    for column, stale in again.items():
        _warn_if(name, numbers, column, stale)
    m200, m_lmc = numbers["m200_mw"], numbers["m_lmc"]
    empty, never = np.full(len(m200), np.nan), np.zeros(len(m200), dtype=bool)
    c200, a_lmc = numbers.get("c200", empty).copy(), numbers.get("a_lmc", empty).copy()
    missing = ~counts.get("c200", never)
    c200[missing] = [concentration(mass) for mass in m200[missing].tolist()]
    missing = ~counts.get("a_lmc", never)
    if missing.any():
        inner = numbers["m_lmc_8p7"]
        bad = missing & (inner >= m_lmc)
        if bad.any():
            refuse(f"{name}['m_lmc_8p7']", inner, bad, "less than m_lmc in its row")
        a_lmc[missing] = lmc_scale_radius(m_lmc[missing], inner[missing])
        low, high = rounded_limits("a_lmc")
        as_floats(f"a_lmc from the masses of {name}", a_lmc, unit="kpc", minimum=low, maximum=high)
    return {"m200_mw": m200, "c200": c200, "m_lmc": m_lmc, "a_lmc": a_lmc}


def _ids(name: str, columns: dict[str, Any], index: pd.Index | None) -> NDArray[np.int64] | None:
    """Take the column sim_id, or the index level of that name; None if there is neither."""
    column = as_ids(f"{name}['sim_id']", columns["sim_id"]) if "sim_id" in columns else None
    if index is None or "sim_id" not in index.names:
        return column
    level = as_ids(f"{name}.index['sim_id']", index.get_level_values("sim_id"))
    if column is not None and not np.array_equal(column, level):
        raise ValueError(f"{name} = a column and an index sim_id that differ: allowed is one of the two, or both alike")
    return level


def read_row(row: Any, derived: str) -> dict[str, Any]:
    """Read one row as arguments of Parameters; see :meth:`~mwlmc_data.Parameters.from_row`."""
    cells = as_row("row", row)
    check_names("row", cells, _KNOWN, NEEDED)
    numbers = {
        column: as_floats(f"row[{column!r}]", value, unit=LIMITS[column][2], shape=()).reshape(1)
        for column, value in cells.items()
        if column in LIMITS
    }
    found = _choose_numbers("row", numbers, derived, is_simulated=not _SIMULATED.isdisjoint(cells), given=cells)[0]
    return found if PHYSICS_NAME not in cells else {**found, PHYSICS_NAME: take_physics(cells[PHYSICS_NAME])}


def _choose_numbers(
    name: str, numbers: Columns, derived: str, is_simulated: bool, given: dict[str, Any]
) -> list[dict[str, float]]:
    """Select the numbers that count in each row, or raise ValueError."""
    counts, again = _compare(name, numbers, derived, is_simulated)
    for column, stale in again.items():
        _warn_if(name, numbers, column, stale)
    n = len(numbers[NEEDED[0]])
    _choose_present_day(name, numbers, counts)
    if "coulomb_log" in given:
        _check_coulomb_log(name, numbers, counts, given["coulomb_log"])
    columns = {column: values.tolist() for column, values in numbers.items()}
    return [{c: values[i] for c, values in columns.items() if counts[c][i]} for i in range(n)]


def _compare(
    name: str, numbers: Columns, derived: str, is_simulated: bool
) -> tuple[dict[str, NDArray[np.bool_]], dict[str, NDArray[np.bool_]]]:
    """Find where each number counts, and where c200 and a_lmc are computed again; or raise ValueError."""
    as_choice("derived", derived, ("checked", "given"))
    counts = {column: np.ones(len(values), dtype=bool) for column, values in numbers.items()}
    again = {}
    if derived == "checked":
        for column, stale in _stale(numbers).items():
            if not is_simulated and column == "a_lmc" and stale.any():
                raise ValueError(f"{_contradiction(name, numbers, column, stale)}: {_FREE}")
            if is_simulated:
                counts[column] &= ~stale
                again[column] = stale
    elif "a_lmc" in numbers and "m_lmc_8p7" in numbers:  # m_lmc_8p7 is computed again where a_lmc contradicts it
        low, high = rounded_limits("m_lmc_8p7")
        masses = numbers["m_lmc_8p7"]
        counts["m_lmc_8p7"] &= ~(_stale(numbers)["a_lmc"] & (masses >= low) & (masses <= high))
    return counts, again


_FREE = "allowed is m_lmc_8p7 or a_lmc, or derived='given', by which a_lmc counts"


def _stale(numbers: Columns) -> dict[str, NDArray[np.bool_]]:
    """Find where c200 and a_lmc do not follow from the masses in their row."""
    found = {}
    if "c200" in numbers:
        with np.errstate(all="ignore"):  # masses out of range are refused later, by name
            found["c200"] = ~concentration_follows(numbers["m200_mw"], numbers["c200"], AGREEMENT)
    if "a_lmc" in numbers and "m_lmc_8p7" in numbers:
        found["a_lmc"] = ~scale_radius_follows(*(numbers[m] for m in ("m_lmc", "m_lmc_8p7", "a_lmc")))
    return found


def _contradiction(name: str, numbers: Columns, column: str, stale: NDArray[np.bool_]) -> str:
    """Describe the first stale value, what it should be, and how many there are."""
    i = int(np.argmax(stale))
    source = ("m200_mw",) if column == "c200" else ("m_lmc", "m_lmc_8p7")
    masses = [float(numbers[s][i]) for s in source]
    try:
        right = f"{concentration(*masses) if column == 'c200' else lmc_scale_radius(*masses):.6g}"
    except ValueError:  # no concentration for this mass
        right = "none"
    said = " and ".join(f"{s} = {m:.6g}" for s, m in zip(source, masses, strict=True))
    others = f" (and {stale.sum() - 1} more of {len(stale)})" if stale.sum() > 1 else ""
    place = f"{name}[{column!r}][{i}]" if name != "row" else f"{name}[{column!r}]"
    return f"{place} = {numbers[column][i]:.6g}{others} where {said} give {right}"


def _warn_if(name: str, numbers: Columns, column: str, stale: NDArray[np.bool_]) -> None:
    if stale.any():
        what = f"{_contradiction(name, numbers, column, stale)}: it is computed again; derived='given' keeps it"
        _warn(what)


def _warn(what: str) -> None:
    warnings.warn(what, UserWarning, stacklevel=6)


def _check_coulomb_log(name: str, numbers: Columns, counts: dict[str, NDArray[np.bool_]], given: Any) -> None:
    """Warn if a Coulomb logarithm does not follow from the scale radius: it is a result, not a parameter."""
    place = f"{name}['coulomb_log']"
    if "a_lmc" not in numbers:
        return
    values = as_floats(place, given).reshape(-1)
    expected = np.array([coulomb_logarithm(a) if a > 0 else np.nan for a in numbers["a_lmc"]])
    stale = counts["a_lmc"] & (np.abs(values - expected) > 10 * AGREEMENT)
    if stale.any():
        i = int(np.argmax(stale))
        _warn(f"{place} = {values[i]:.6g} in row {i} where a_lmc gives {expected[i]:.6g}: it is computed again")


def _choose_present_day(name: str, numbers: Columns, counts: dict[str, NDArray[np.bool_]]) -> None:
    """Choose sky or vector in each row: the sky, which is what was drawn, unless only the vector was changed.

    If the two disagree, the one that was changed has fewer numbers that differ: a new `x_lmc` leaves the other five
    components in agreement with the sky, but changes all numbers on the sky. If this does not decide which one was
    changed, it is an error.
    """
    sky, vector = ([m for m in names if m in numbers] for names in (SKY_NAMES, CARTESIAN_NAMES))
    if (sky or vector) and len(sky) < 6 and len(vector) < 6:
        names, got = (SKY_NAMES, sky) if sky else (CARTESIAN_NAMES, vector)
        missing = ", ".join(m for m in names if m not in got)
        raise ValueError(f"{name} lacks {missing}: allowed is all of the LMC's present day or none of it")
    if not (sky and vector):
        return
    off_vector, off_sky = _differences(numbers, sky, vector)
    if len(sky) < 6 or len(vector) < 6:
        unclear, moved = (off_vector | off_sky).any(axis=1), np.full(off_sky.shape[0], len(sky) < 6)
        apart = unclear
    else:
        apart, changes = off_vector.any(axis=1), off_vector.sum(axis=1) - off_sky.sum(axis=1)
        unclear, moved = apart & (changes == 0), apart & (changes < 0)
    if unclear.any():
        i = int(np.argmax(unclear))
        where = f"row {i}" if name != "row" else "it"
        raise ValueError(
            f"{name} = the LMC at two places in {where}, by {', '.join(vector)} and by {', '.join(sky)}: "
            "allowed is one of the two, or both if they agree"
        )
    for i in np.flatnonzero(apart)[:1]:
        (new, off), old = ((CARTESIAN_NAMES, off_vector), "sky") if moved[i] else ((SKY_NAMES, off_sky), "vector")
        rows = f" in {int(apart.sum())} of {off_sky.shape[0]} rows (the first is row {i})" if name != "row" else ""
        changed = ", ".join(m for m, is_off in zip(new, off[i], strict=True) if is_off)
        _warn(
            f"{name} = the LMC at two places{rows}: {changed} changed and {', '.join(new)} count, "
            f"the {old} does not"
        )
    for columns, which in ((sky, ~moved), (vector, moved)):
        for column in columns:
            counts[column] &= which


def _differences(
    numbers: Columns, sky: Sequence[str], vector: Sequence[str]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find which components of the vector and of the sky disagree with the other of the two in each row, (n, 6)."""
    n = len(numbers[NEEDED[0]])
    off_vector, off_sky = np.zeros((n, 6), dtype=bool), np.zeros((n, 6), dtype=bool)
    if len(sky) == 6:
        expected = sky_to_galactocentric(*(numbers[m] for m in SKY_NAMES))
        sizes = np.repeat(np.linalg.norm(expected.reshape(n, 2, 3), axis=2), 3, axis=1)
        for k, m in enumerate(CARTESIAN_NAMES):
            if m in vector:
                off_vector[:, k] = np.abs(numbers[m] - expected[:, k]) > AGREEMENT * sizes[:, k]
    if len(vector) == 6:
        place = np.stack([numbers[m] for m in CARTESIAN_NAMES], axis=-1)
        expected = galactocentric_to_sky(place)
        speed = np.linalg.norm(place[:, 3:] - const.SUN_VELOCITY, axis=1)
        angle = np.full(n, np.degrees(AGREEMENT))
        motion = AGREEMENT * speed / (const.KMS_PER_MASYR_KPC * expected[:, 2])
        sizes = np.stack([angle, angle, AGREEMENT * expected[:, 2], AGREEMENT * speed, motion, motion], axis=-1)
        for k, m in enumerate(SKY_NAMES):
            if m in sky:
                apart = np.abs(numbers[m] - expected[:, k])
                off_sky[:, k] = (np.minimum(apart, 360.0 - apart) if m == "ra_lmc" else apart) > sizes[:, k]
    return off_vector, off_sky
