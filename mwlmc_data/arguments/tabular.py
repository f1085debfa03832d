"""A user's table, from any library: its columns by name, as given, with units and masks.

The columns then go through :mod:`mwlmc_data.arguments.arrays`, which converts units and refuses masks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mwlmc_data.arguments.arrays import as_floats
from mwlmc_data.arguments.conversion import find_index
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.array_types import Float64Array

if TYPE_CHECKING:
    import pandas as pd

_ALLOWED = (
    "allowed is a table of pandas, arrow, polars, astropy, datasets or numpy (a structured array), "
    "a mapping of names to columns, or a list of rows"
)


def as_table(name: str, value: Any) -> dict[str, Any]:
    """Take a table from a user.

    Parameters
    ----------
    name : str
        What the user calls the argument; errors begin with it.
    value : table
        A pandas.DataFrame, pyarrow.Table (a unit in a field's metadata counts), astropy Table or QTable,
        datasets.Dataset, polars.DataFrame or anything else with an Arrow stream, a structured numpy array, a mapping of
        names to columns, or a list of rows.

    Returns
    -------
    dict of str to array_like
        Columns in the table's order, as it holds them.

    Raises
    ------
    ValueError
        If it is not a table, a name is not text or occurs twice, or a row has other columns than the first.
    """
    names, columns = _take_apart(name, value)
    found: dict[str, Any] = {}
    for key, column in zip(names, columns, strict=True):
        if not isinstance(key, str):
            raise ValueError(f"{name} has a column {shorten(key)}: allowed are column names that are text")
        if key in found:
            raise ValueError(f"{name} has the column {key!r} more than once: allowed is each name once")
        found[str(key)] = column
    refuse_misaligned({f"{name}[{key!r}]": column for key, column in found.items()})
    return found


def as_vectors(
    name: str, value: Any, names: Sequence[str], unit: str, n: int | str = "n", limit: float = math.inf
) -> Float64Array:
    """Take vectors from a user: an array, or a table of their components.

    Parameters
    ----------
    name : str
        What the user calls the argument; errors begin with it.
    value : array_like or table
        Array of shape (n, 3), or a table. Its columns are taken by name if they are called `names`, in any order; they
        are taken in the table's order if none of them is among `names`.
    names : sequence of str
        Of the three components.
    unit : str
        Of the result; quantities are converted to it.
    n : int or str
        Number of vectors; a string allows any number.
    limit : float
        Largest component allowed, in size.

    Returns
    -------
    ndarray, shape (n, 3), float64

    Raises
    ------
    ValueError
        As :func:`~mwlmc_data.arguments.arrays.as_floats`, or if only some of the columns are called as in `names`.
    """
    if not is_table(value):
        return as_floats(name, value, unit=unit, shape=(n, 3), minimum=-limit, maximum=limit)
    keys, columns = _take_apart(name, value)
    if set(names) & set(keys):
        if sorted(map(str, keys)) != sorted(names):
            raise ValueError(f"{name} = columns {', '.join(map(str, keys))}: allowed are {', '.join(names)}")
        columns = [columns[keys.index(key)] for key in names]
        keys = list(names)
    elif len(keys) != 3:
        raise ValueError(f"{name} = {len(keys)} columns: allowed are three, {', '.join(names)}")
    refuse_misaligned({f"{name}[{key!r}]": column for key, column in zip(keys, columns, strict=True)})
    parts: list[Float64Array] = []
    for key, column in zip(keys, columns, strict=True):
        size = len(parts[0]) if parts else n
        part = as_floats(f"{name}[{key!r}]", column, unit=unit, shape=(size,), minimum=-limit, maximum=limit)
        parts.append(part)
    return np.stack(parts, axis=1)


def as_row(name: str, value: Any) -> dict[str, Any]:
    """Take one row of a table from a user: a mapping of names to values, or a row of pandas, astropy or numpy.

    Raises
    ------
    ValueError
        If it is not a row.
    """
    row = _read_row(value)
    if row is None or not all(isinstance(key, str) for key in row):
        raise ValueError(f"{name} = {shorten(value)}: allowed is a row of a table, a mapping of names to values")
    return row


def refuse_misaligned(values: Mapping[str, Any]) -> None:
    """Refuse pandas objects whose indices differ: they would be paired by position, contrary to their indices.

    Parameters
    ----------
    values : mapping of str to object
        Values that belong together row by row; only pandas objects have an index.

    Raises
    ------
    ValueError
        If two of equal length have different indices.
    """
    first: tuple[str, Any] | None = None
    for name, value in values.items():
        index = find_index(value)
        if index is None:
            continue
        if first is None:
            first = name, index
        elif len(index) == len(first[1]) and not index.equals(first[1]):
            raise ValueError(
                f"{name} = rows with another index than those of {first[0]}: allowed are rows that belong together by "
                f"their index (align them: .loc[{first[0]}.index]) or arrays without one (.to_numpy())"
            )


def is_table(value: Any) -> bool:
    """Whether a value has named columns rather than numbers alone."""
    if isinstance(value, list | tuple):
        return bool(value) and _read_row(value[0]) is not None
    attributes = ("columns", "colnames", "column_names")
    has_names = isinstance(value, Mapping) or any(hasattr(value, attribute) for attribute in attributes)
    return has_names or getattr(getattr(value, "dtype", None), "names", None) is not None


def get_index(value: Any) -> pd.Index | None:
    """Row index of a pandas table, or of a mapping to pandas columns; None for others."""
    if isinstance(value, Mapping):
        return next((c.index for c in value.values() if type(c).__module__.startswith("pandas")), None)
    return value.index if _is_pandas(value) else None


def _take_apart(name: str, value: Any) -> tuple[list[Any], list[Any]]:
    """Names and columns of a table."""
    if hasattr(value, "with_format") and hasattr(value, "column_names"):  # datasets, perhaps with an index
        value = value.with_format("arrow")[:]
    if _is_pandas(value):
        return list(value.columns), [value.iloc[:, i] for i in range(value.shape[1])]
    if hasattr(value, "column_names") and hasattr(value, "column"):  # arrow
        return list(value.column_names), [_attach_unit(value.column(i), field) for i, field in enumerate(value.schema)]
    names: Any = getattr(value, "colnames", None)  # astropy
    if names is None and getattr(value, "ndim", 0) == 1:
        names = getattr(value.dtype, "names", None)  # numpy
    if names is None and isinstance(value, Mapping):
        names = list(value)
    if names is not None:
        return list(names), [value[key] for key in names]
    if isinstance(value, list | tuple):
        return _transpose_rows(name, value)
    is_row = _read_row(value) is not None
    if not is_row and (
        hasattr(value, "__arrow_c_stream__") or hasattr(value, "__dataframe__")
    ):  # polars and many others
        return _take_apart(name, _to_arrow(name, value))
    raise ValueError(f"{name} = {shorten(value)}: {_ALLOWED}")


class _WithUnit:
    """A column of arrow with its unit."""

    def __init__(self, values: Any, unit: str) -> None:
        self.values, self.unit = values, unit

    def is_null(self) -> Any:
        return self.values.is_null()

    def __len__(self) -> int:
        return len(self.values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.values.__array__(dtype)


def _attach_unit(values: Any, field: Any) -> Any:
    """Return the column with the unit from its field's metadata, where this package's files keep it."""
    unit = (field.metadata or {}).get(b"unit", b"").decode(errors="replace")
    return _WithUnit(values, unit) if unit else values


def _is_pandas(value: Any) -> bool:
    return hasattr(value, "iloc") and hasattr(value, "columns") and not hasattr(value, "colnames")  # astropy has both


def _to_arrow(name: str, value: Any) -> Any:
    import pyarrow as pa
    from pyarrow.interchange import from_dataframe

    try:
        return pa.table(value) if hasattr(value, "__arrow_c_stream__") else from_dataframe(value)
    except (TypeError, ValueError, NotImplementedError, pa.ArrowException) as error:
        raise ValueError(f"{name} = {shorten(value)}: {_ALLOWED} ({error})") from error


def _transpose_rows(name: str, value: Any) -> tuple[list[Any], list[Any]]:
    rows = [_read_row(row) for row in value]
    if not rows or any(row is None for row in rows):
        raise ValueError(f"{name} = {shorten(value)}: {_ALLOWED}")
    names = list(rows[0] or {})
    for i, row in enumerate(rows):
        if row is not None and set(row) != set(names):
            other = sorted(map(str, set(row) ^ set(names)))
            raise ValueError(f"{name}[{i}] differs from the first row in the columns {other}: allowed are equal rows")
    return names, [[row[key] for row in rows if row is not None] for key in names]


def _read_row(value: Any) -> dict[Any, Any] | None:
    """Return a row as a dict, or None if it is not a row."""
    if hasattr(value, "colnames") and hasattr(value, "table"):  # a row of astropy
        return {key: value[key] for key in value.colnames}
    if getattr(getattr(value, "dtype", None), "names", None) is not None:
        return {key: value[key] for key in value.dtype.names} if value.ndim == 0 else None
    if hasattr(value, "_asdict"):
        return value._asdict()
    is_row = isinstance(value, Mapping) or (hasattr(value, "iloc") and not hasattr(value, "columns"))
    return dict(value.items()) if is_row else None
