"""The schema of the data: columns (`columns`), splits (`splits`), and the Arrow schemas made from them.

The metadata of the Parquet files, the dataset card, the checks of column names and the documentation derive from
`COLUMNS`. Conventions that hold for all columns:

* units are kpc, km/s, Msun, degrees, mas/yr and Gyr; an empty unit means a pure number;
* the Galactocentric frame is right-handed with the Sun at (-8.3, 0, 0.02) kpc moving with
  (11.1, 244.24, 7.24) km/s, its axes parallel to Galactic l and b (x from the Sun towards the Galactic
  centre, z towards the north Galactic pole), so that the disc rotates with negative v_phi;
* the travel velocity is that of the Milky Way's disc relative to the stellar halo, and the apex is its
  direction.

This module imports pyarrow only when it makes a schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mwlmc_data.dataset.columns import (
    CATALOGUE_NAMES,
    COLUMNS,
    DERIVED,
    DRAWN,
    GROUPS,
    HALO_COLUMNS,
    LMC_VECTOR,
    N_STARS,
    REFLEX,
    STARS,
    TEXT,
    Column,
)
from mwlmc_data.dataset.splits import (
    BUDGETS,
    N_HELD_OUT,
    SPLIT_PERIOD,
    SPLITS,
    count_ids,
    ids_of,
    split_of,
)

__all__ = [
    "BUDGETS",
    "CATALOGUE_NAMES",
    "COLUMNS",
    "DERIVED",
    "DRAWN",
    "GROUPS",
    "HALO_COLUMNS",
    "LICENCE",
    "LMC_VECTOR",
    "N_HELD_OUT",
    "N_STARS",
    "REFLEX",
    "SOURCE",
    "SPLITS",
    "SPLIT_PERIOD",
    "STARS",
    "TEXT",
    "TITLE",
    "Column",
    "arrow_schema",
    "count_ids",
    "get_column",
    "get_input_unit",
    "halo_schema",
    "ids_of",
    "markdown_table",
    "split_of",
    "table_schema",
]

if TYPE_CHECKING:
    import pyarrow

TITLE = "Rigid Milky Way-LMC simulations with the reflex motion of the stellar halo"
LICENCE = "CC-BY-4.0"
SOURCE = "Simulations after Brooks et al. 2025 (arXiv:2507.10667), made with mwlmc-data"

_BY_NAME = {c.name: c for c in COLUMNS}


def get_column(name: str) -> Column:
    """Look up one column.

    Parameters
    ----------
    name : str
        Name of a column.

    Returns
    -------
    Column

    Raises
    ------
    ValueError
        If there is no such column.
    """
    if name not in _BY_NAME:
        raise ValueError(f"column = {name!r}: allowed is {', '.join(CATALOGUE_NAMES)}")
    return _BY_NAME[name]


def get_input_unit(name: str) -> str | None:
    """Unit in which a user gives a column: dex for a logarithm, None where the schema does not know the name."""
    if name not in _BY_NAME:
        return None
    return "dex" if name.startswith("log10_") else _BY_NAME[name].unit


def arrow_schema(metadata: Mapping[str, str] | None = None) -> pyarrow.Schema:
    """Build the schema of the table of simulations for Arrow and Parquet.

    Parameters
    ----------
    metadata : mapping of str to str, optional
        Facts about one file (configuration, seed, simulator_version) beside the title, licence and source.

    Returns
    -------
    pyarrow.Schema
        Each field carries its unit, description and UCD as metadata.
    """
    return table_schema(COLUMNS, metadata)


def halo_schema(metadata: Mapping[str, str] | None = None) -> pyarrow.Schema:
    """Build the schema of the haloes for Arrow and Parquet: a row a halo, its simulation and its stars.

    Parameters
    ----------
    metadata : mapping of str to str, optional
        Facts about one file (configuration, seed, simulator_version) beside the title, licence and source.

    Returns
    -------
    pyarrow.Schema
        `HALO_COLUMNS`; positions and velocities are fixed-size lists, `N_STARS` of 3 numbers.
    """
    return table_schema(HALO_COLUMNS, metadata)


def table_schema(columns: Sequence[Column], metadata: Mapping[str, str] | None = None) -> pyarrow.Schema:
    """Build the schema of a published table for Arrow and Parquet.

    Parameters
    ----------
    columns : sequence of Column
        Of the table.
    metadata : mapping of str to str, optional
        Facts about one file beside the title, licence and source.

    Returns
    -------
    pyarrow.Schema
        Each field carries its unit, description and UCD as metadata; arrays are lists of one size, within each other.
    """
    import pyarrow as pa

    types = {"int32": pa.int32(), "float32": pa.float32(), "string": pa.string(), "bool": pa.bool_()}
    fields = []
    for c in columns:
        kind = types[c.base]
        for size in reversed(c.shape):
            kind = pa.list_(kind, size)
        said = {"unit": c.unit, "description": c.description, "ucd": c.ucd}
        fields.append(pa.field(c.name, kind, nullable=c.nullable, metadata=said))
    return pa.schema(fields, metadata={"title": TITLE, "licence": LICENCE, "source": SOURCE, **(metadata or {})})


def markdown_table(columns: Sequence[Column] = COLUMNS) -> str:
    """Render columns as a table in Markdown.

    Parameters
    ----------
    columns : sequence of Column
        Those of the catalogue by default.

    Returns
    -------
    str
        A header and one line a column.
    """
    lines = ["| Column | Type | Unit | Meaning |", "|---|---|---|---|"]
    lines += [f"| `{c.name}` | {c.dtype} | {c.unit or '-'} | {c.description} |" for c in columns]
    return "\n".join(lines) + "\n"
