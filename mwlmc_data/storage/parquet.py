"""Parquet files with a checksum for every page, which is compared when the page is read.

A hash of a whole file says what the file was when it was hashed. What has rotted since, on a disk or on the way from
it, shows in the checksum (CRC-32) of the page that is read, where the file has one: those of this package's writers
do, and say so in their metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mwlmc_data.storage.errors import DamagedFileError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MARK = {"page_checksums": "crc32"}
"""Metadata of a file that was written with `WRITING`."""
WRITING: dict[str, Any] = {"write_page_checksum": True}
"""What a writer of pyarrow is told, besides the rest."""

_END = 8
"""Bytes at the end of a file: the length of the footer, and PAR1."""
_LONGEST_FOOTER = 1 << 26


def marked(schema: pa.Schema) -> pa.Schema:
    """Give a schema whose metadata says that pages have checksums, for a file that is written with `WRITING`."""
    return schema.with_metadata({**(schema.metadata or {}), **MARK})


def has_checksums(path: Path) -> bool:
    """Tell whether a file says that its pages have checksums.

    Raises
    ------
    DamagedFileError
        If it is no Parquet file.
    """
    import pyarrow.parquet as pq

    with reading(path):
        facts = pq.read_metadata(path).metadata or {}
    return all(facts.get(name.encode()) == value.encode() for name, value in MARK.items())


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what Arrow says of a damaged file into a DamagedFileError that names it; a file that is gone stays one."""
    import pyarrow as pa

    try:
        yield
    except (FileNotFoundError, DamagedFileError):
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())
        raise DamagedFileError(path, "a whole Parquet file", f"a damaged one ({text})") from error


@contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a file; whatever is read from it is compared with the checksums of its pages, where it has them.

    Raises
    ------
    DamagedFileError
        If it is damaged, also from within.
    """
    import pyarrow.parquet as pq

    with reading(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        yield file


def facts_of(file: pq.ParquetFile) -> dict[str, str]:
    """What a file says of itself: the metadata of its schema."""
    metadata = file.schema_arrow.metadata or {}
    return {name.decode(errors="replace"): value.decode(errors="replace") for name, value in metadata.items()}


def read_table(path: Path, columns: Sequence[str] | None = None, filters: Any = None) -> pa.Table:
    """Read a table, and compare it with the checksums of its pages, where the file has them.

    Parameters
    ----------
    path : Path
        The file.
    columns : sequence of str, optional
        All by default.
    filters : optional
        Rows to read, as `pyarrow.parquet.read_table` takes them.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    DamagedFileError
        If the file is damaged.
    """
    import pyarrow.parquet as pq

    with reading(path):
        names = None if columns is None else list(columns)
        return pq.read_table(path, columns=names, filters=filters, page_checksum_verification=True)


def write_table(table: pa.Table, where: Path | pa.NativeFile, **options: Any) -> None:
    """Write a table without NaN, with a checksum for every page.

    Parameters
    ----------
    table : pyarrow.Table
        What is unknown is null.
    where : Path or pyarrow.NativeFile
        A file, or a stream.
    **options
        As `pyarrow.parquet.write_table` takes them.

    Raises
    ------
    ValueError
        If a column holds NaN.
    """
    import pyarrow.parquet as pq

    marked_table = refuse_nan(table).cast(marked(table.schema))
    pq.write_table(marked_table, where, **{"compression": "zstd"} | options | WRITING)


def refuse_nan(table: pa.Table) -> pa.Table:
    """Give a table back, unless a column holds NaN, also within lists.

    The statistics of a row group leave NaN out, so that filters of Arrow drop or keep such a row as its neighbours are.

    Raises
    ------
    ValueError
        Naming the column, the first row with NaN, and how many numbers are NaN.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for name in table.column_names:
        values, per_row = table[name], 1
        while pa.types.is_nested(values.type) and hasattr(values.type, "value_type"):
            # the longest of the lists: all are of one length where a row has to be found
            per_row *= max(1, pc.max(pc.list_value_length(values)).as_py() or 1)
            values = pc.list_flatten(values)
        if pa.types.is_floating(values.type):
            bad = pc.fill_null(pc.is_nan(values), False)
            count = pc.sum(bad).as_py() or 0
            if count:
                row = pc.index(bad, True).as_py() // per_row
                raise ValueError(
                    f"{name} = nan in row {row} ({count} of {len(bad)} numbers): allowed is null, for what is unknown"
                )
    return table


def footer_of(path: Path) -> bytes:
    """Read the end of a file: the footer that says where all is, which has no checksum of its own.

    Parameters
    ----------
    path : Path
        Any file.

    Returns
    -------
    bytes
        The footer of a Parquet file with what follows it; of another file its last bytes.
    """
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END))
        end = file.read()
        length = int.from_bytes(end[:4], "little") + _END
        file.seek(max(0, size - min(length, _LONGEST_FOOTER)))
        return file.read()
