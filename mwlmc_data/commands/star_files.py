"""Files of stars: columns of numbers by name; a damaged file is refused as a whole.

A reader takes a path and the names that the fit knows, and returns the names in the file's header and the columns with
known names. To support another kind of file, add its reader to `_READERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import pyarrow.parquet as pq

#: What a cell of text may hold in place of a number: the words that pandas and astropy write for a missing value.
_NOTHING = ("", "nan", "na", "n/a", "<na>", "null", "none", "--")


class FileColumn(NamedTuple):
    """A column as the file holds it: numbers or text, and the unit that the file states."""

    values: Any
    unit: str | None = None


class StarFile(NamedTuple):
    """A file of stars.

    Attributes
    ----------
    path : Path
        Where it is.
    columns : dict of str to FileColumn
        The columns with known names, each once.
    header : tuple of str
        The names of all columns in the file.
    """

    path: Path
    columns: dict[str, FileColumn]
    header: tuple[str, ...]

    def numbers(self, name: str, unit: str) -> np.ndarray:
        """Take a column as float64 in `unit`; NaN where a cell is empty, null or NaN.

        Raises
        ------
        ValueError
            If a cell holds something else (the message gives it and its row, counted from 0), or the file states a
            unit of another kind.
        """
        import numpy as np

        from mwlmc_data.arguments.arrays import as_floats

        column = self.columns[name]
        values = column.values
        if getattr(values, "dtype", None) == np.dtype(object):
            values = self._parsed(name, values)
        if column.unit and column.unit != unit:
            import astropy.units as u

            try:
                values = u.Quantity(np.asarray(values), column.unit)
            except (ValueError, TypeError) as error:
                raise ValueError(
                    f"{self.path}: column {name} has the unit {column.unit!r}: allowed is {unit}"
                ) from error
        return as_floats(f"{self.path}: column {name}", values, unit=unit, shape=("n",), allow_nan=True)

    def _parsed(self, name: str, text: np.ndarray) -> np.ndarray:
        import numpy as np
        import pandas as pd

        numbers = pd.to_numeric(pd.Series(text), errors="coerce").to_numpy(dtype=np.float64)
        for row in np.flatnonzero(np.isnan(numbers)):
            if str(text[row]).strip().lower() not in _NOTHING:
                raise ValueError(
                    f"{self.path}: column {name} has {text[row]!r} in row {row}: allowed is a number, or nothing"
                )
        return numbers


def read_stars(path: Path, known: Iterable[str]) -> StarFile:
    """Read the columns of a file whose names are known.

    Parameters
    ----------
    path : Path
        A file in .npz, .csv, .parquet, .fits (its first table), .ecsv or .vot (VOTable).
    known : iterable of str
        Names of columns to read; all others are left out.

    Raises
    ------
    ValueError
        If the file does not exist, is of another kind or damaged, has rows longer or shorter than its header, or holds
        a known name more than once.
    """
    if not path.is_file():
        raise ValueError(f"file = {str(path)!r}, which does not exist: allowed is a file of {', '.join(_READERS)}")
    kind = path.suffix.lower()
    if kind not in _READERS:
        raise ValueError(f"file = {str(path)!r}: allowed is a name that ends in {', '.join(_READERS)}")
    wanted = tuple(known)
    try:
        header, columns = _READERS[kind](path, wanted)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as {kind}: {error}") from error
    for name in wanted:
        if header.count(name) > 1:
            raise ValueError(f"{path} has {header.count(name)} columns {name!r}: allowed is each once")
    return StarFile(path, dict(columns), tuple(header))


def _read_npz(path: Path, wanted: tuple[str, ...]) -> tuple[list[str], Mapping[str, FileColumn]]:
    from mwlmc_data.storage.npz import load_columns, read_members

    for name, member in read_members(path).items():
        if name in wanted and len(member.shape) != 1:
            raise ValueError(f"{name} has the shape {member.shape}: allowed is (n,), a number for each star")
    columns = load_columns(path)
    return list(columns), {name: FileColumn(values) for name, values in columns.items() if name in wanted}


def _read_csv(path: Path, wanted: tuple[str, ...]) -> tuple[list[str], Mapping[str, FileColumn]]:
    """Read all cells as text: a reader that guesses types looks only at the beginning of the file."""
    from pyarrow import csv

    # With generated names the header is the first row, which makes text of the columns and keeps repeated names apart.
    table = csv.read_csv(
        path,
        read_options=csv.ReadOptions(autogenerate_column_names=True),
        convert_options=csv.ConvertOptions(strings_can_be_null=False),
    )
    header = [str(column[0]).strip() for column in table.columns]
    columns = {}
    for name, column in zip(header, table.columns, strict=True):
        if name in wanted:
            columns[name] = FileColumn(column.slice(1).to_numpy(zero_copy_only=False).astype(object))
    return header, columns


def _read_parquet(path: Path, wanted: tuple[str, ...]) -> tuple[list[str], Mapping[str, FileColumn]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        header = file.schema_arrow.names
        if b"table_meta_yaml" in (file.schema_arrow.metadata or {}):
            return _read_astropy(path, wanted)
        units = _read_footer_units(file)
        table = file.read(columns=[name for name in header if name in wanted])
    columns = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        is_text = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        values = column.to_numpy(zero_copy_only=False).astype(object) if is_text else column
        unit = (field.metadata or {}).get(b"unit")
        columns[field.name] = FileColumn(values, unit.decode() if unit else units.get(field.name))
    return header, columns


def _read_footer_units(file: pq.ParquetFile) -> dict[str, str]:
    """Read units by column from the VOTable that astropy, TOPCAT and this package write into the footer."""
    from mwlmc_data.storage.votable import CONTENT_KEY, read_units

    content = (file.metadata.metadata or {}).get(CONTENT_KEY.encode())
    if content is None:
        return {}
    try:
        return read_units(content)
    except ValueError as error:
        message = " ".join(str(error).split())[:200]
        raise ValueError(f"the VOTable in its footer cannot be read ({message})") from error


def _read_astropy(
    path: Path, wanted: tuple[str, ...], format: str = "parquet", **options: Any
) -> tuple[list[str], Mapping[str, FileColumn]]:
    """Let astropy read a file: it alone understands the units, masks and columns that it wrote."""
    import numpy as np
    from astropy.table import QTable

    try:
        table = QTable.read(path, format=format, **options)
    except Exception as error:  # its YAML parser raises errors of many types on what other programs write there
        raise ValueError(f"astropy cannot read it ({' '.join(str(error).split())[:200]})") from error
    columns = {}
    for name in table.colnames:
        if name in wanted:
            values = table[name]
            if getattr(values, "dtype", np.dtype(float)).kind in "US":
                text = np.asarray(values.filled("") if hasattr(values, "filled") else values)
                values = text.astype(str).astype(object)
            columns[name] = FileColumn(values)
    return list(table.colnames), columns


_READERS: dict[str, Callable[[Path, tuple[str, ...]], tuple[list[str], Mapping[str, FileColumn]]]] = {
    ".npz": _read_npz,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".fits": partial(_read_astropy, format="fits"),
    ".ecsv": partial(_read_astropy, format="ascii.ecsv"),
    ".vot": partial(_read_astropy, format="votable", use_names_over_ids=True),
}
