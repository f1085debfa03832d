"""The configs of a release, their columns and files, and how tables are written: one form for all that is not stars."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from mwlmc_data.dataset import release, schema
from mwlmc_data.storage import parquet
from mwlmc_data.validation import VALIDATION_COLUMNS

#: Columns of every config of the published folder.
CONFIG_COLUMNS: dict[str, tuple[schema.Column, ...]] = {
    **dict.fromkeys(release.CATALOGUE_SEEDS, schema.COLUMNS),
    "haloes": schema.HALO_COLUMNS,
    "validation": VALIDATION_COLUMNS,
}

#: Rows in a row group; fixed, because the bytes of a file depend on it.
ROW_GROUP = 8192


def splits_of(config: str) -> tuple[str, ...]:
    """Parts of a config: the validation cases are for the test alone."""
    return ("test",) if config == "validation" else schema.SPLITS


def files_of(config: str, split: str) -> str:
    """Where the files of one part lie in the published folder: a path, of haloes a glob pattern."""
    return f"{config}/{config}-{split}{'-*' if config == 'haloes' else ''}.parquet"


def write_table(table: pa.Table, where: Path | pa.NativeFile) -> None:
    """Write a table as Parquet, always the same bytes for the same table.

    Parameters
    ----------
    table : pyarrow.Table
        Columns of numbers and text.
    where : Path or pyarrow.NativeFile
        A file, or a stream.

    Raises
    ------
    ValueError
        If a column holds NaN.
    """
    reals = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    encoding = dict.fromkeys(reals, "BYTE_STREAM_SPLIT")
    if "sim_id" in table.column_names:
        encoding["sim_id"] = "DELTA_BINARY_PACKED"
    parquet.write_table(
        table,
        where,
        row_group_size=ROW_GROUP,
        compression_level=3,
        # A real number hardly ever comes twice: a dictionary would only cost.
        use_dictionary=[field.name for field in table.schema if pa.types.is_string(field.type)],
        column_encoding=encoding,
        write_page_index=True,
    )


def read_split(config: str, split: str) -> pa.Table:
    """Read one part of an embedded set, with the metadata of the whole.

    Parameters
    ----------
    config, split : str
        Such as "gaussian" and "test".

    Returns
    -------
    pyarrow.Table
        In the order of sim_id.

    Raises
    ------
    DamagedFileError
        If the embedded file is not the one of the release.
    RuntimeError
        If its columns are not those of the schema.
    """
    table = parquet.read_table(release.verify_embedded(config), filters=[("split", "=", split)])
    if not table.schema.equals(schema.arrow_schema(), check_metadata=False):
        raise RuntimeError(f"the embedded {config} set has other columns than the schema: {table.schema.names}")
    return table
