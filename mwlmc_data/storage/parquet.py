"""Parquet files with a checksum for every page, which is compared when the page is read.

A hash of a file describes it at the time of hashing. Later bit rot, on the disk or on the way from it, shows in the
checksum (CRC-32) of the page that is read, if the file has checksums: the files of this package do, and record it in
their metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mwlmc_data.storage import votable
from mwlmc_data.storage.errors import DamagedFileError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

#: Metadata of a file that was written with `WRITING`.
MARK = {"page_checksums": "crc32"}
#: Rows in a row group; fixed, because the bytes of a file depend on it.
ROW_GROUP = 8192
#: Options of every pyarrow writer here.
WRITING: dict[str, Any] = {"write_page_checksum": True}

#: Bytes at the end of a file: the length of the footer, and PAR1.
_END = 8
_MAX_FOOTER = 1 << 26


def mark_schema(schema: pa.Schema) -> pa.Schema:
    """Return a schema whose metadata records that pages have checksums, for a file written with `WRITING`.

    The description for astronomers' tools that `pyarrow.parquet.ParquetFile.read` adds from a footer is left out, as it
    describes another file.
    """
    left_out = {name.encode() for name in (votable.VERSION_KEY, votable.CONTENT_KEY, *MARK)}
    facts = {name: value for name, value in (schema.metadata or {}).items() if name not in left_out}
    return schema.with_metadata({**facts, **MARK})


def has_checksums(path: Path) -> bool:
    """Whether a file's metadata record that its pages have checksums.

    Raises
    ------
    DamagedFileError
        If it is not a Parquet file.
    """
    import pyarrow.parquet as pq

    with report_damage(path):
        facts = pq.read_metadata(path).metadata or {}
    return all(facts.get(name.encode()) == value.encode() for name, value in MARK.items())


@contextmanager
def report_damage(path: Path) -> Iterator[None]:
    """Turn Arrow's errors of a damaged file into a DamagedFileError that names it; FileNotFoundError passes."""
    import pyarrow as pa

    try:
        yield
    except (FileNotFoundError, DamagedFileError):
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())
        raise DamagedFileError(path, "an intact Parquet file", f"a damaged one ({text})") from error


@contextmanager
def open_file(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a file; pages are compared with their checksums, if they have them, when they are read.

    Raises
    ------
    DamagedFileError
        If it is damaged, whenever that shows while it is open.
    """
    import pyarrow.parquet as pq

    with report_damage(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        yield file


def facts_of(file: pq.ParquetFile) -> dict[str, str]:
    """Metadata of a file's schema, as text."""
    return decode_facts(file.schema_arrow)


def decode_facts(schema: pa.Schema) -> dict[str, str]:
    """Decode the metadata of a schema to text."""
    metadata = schema.metadata or {}
    return {name.decode(errors="replace"): value.decode(errors="replace") for name, value in metadata.items()}


def read_table(path: Path, columns: Sequence[str] | None = None, filters: Any = None) -> pa.Table:
    """Read a table, comparing pages with their checksums if the file has them.

    Parameters
    ----------
    path : Path
        The file.
    columns : sequence of str, optional
        Columns to read; all by default.
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

    with report_damage(path):
        names = None if columns is None else list(columns)
        return pq.read_table(path, columns=names, filters=filters, page_checksum_verification=True)


@contextmanager
def writer(
    where: Path | pa.NativeFile, schema: pa.Schema, row_group: int = ROW_GROUP, **options: Any
) -> Iterator[Callable[[pa.Table], None]]:
    """Open a file to be written in parts: the only way in which this project writes Parquet.

    Every page has a checksum, and the footer describes the columns to astronomers' tools (`votable`). Equal tables give
    equal bytes.

    Parameters
    ----------
    where : Path or pyarrow.NativeFile
        A file, or a stream.
    schema : pyarrow.Schema
        Columns, with `unit`, `description` and `ucd` as metadata of the fields.
    row_group : int
        Largest number of rows in a row group.
    **options
        Further options of `pyarrow.parquet.ParquetWriter`.

    Yields
    ------
    callable
        Writes a table of this schema; raises ValueError if a column holds NaN.

    Raises
    ------
    TypeError
        If a VOTable has no type for a column.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    schema = mark_schema(schema)
    text = [field.name for field in schema if pa.types.is_string(field.type)]
    lengths = dict.fromkeys(text, 0)
    # Real numbers are hardly ever repeated, so a dictionary would only cost space.
    settings = {"compression": "zstd", "compression_level": 3, "use_dictionary": text, "write_page_index": True}
    encoding = {"column_encoding": _encodings(schema)}
    votable.footer_metadata(schema, lengths)  # refuses what it cannot describe, before anything is written
    with pq.ParquetWriter(where, schema, **settings, **encoding, **options, **WRITING) as file:

        def write(table: pa.Table) -> None:
            for name in text:
                lengths[name] = max(lengths[name], pc.max(pc.utf8_length(table[name])).as_py() or 0)
            file.write_table(refuse_nan(table).cast(schema), row_group_size=row_group)

        yield write
        # Only in the footer: as metadata of the schema it would stay with tables that have lost columns.
        file.add_key_value_metadata(votable.footer_metadata(schema, lengths))


def write_table(table: pa.Table, where: Path | pa.NativeFile, row_group: int = ROW_GROUP) -> None:
    """Write a table as `writer` does.

    Parameters
    ----------
    table : pyarrow.Table
        Table, with null for unknown values.
    where : Path or pyarrow.NativeFile
        A file, or a stream.
    row_group : int
        Largest number of rows in a row group.

    Raises
    ------
    ValueError
        If a column holds NaN.
    TypeError
        If a VOTable has no type for a column.
    """
    refuse_nan(table)  # before a file is created
    with writer(where, table.schema, row_group) as write:
        write(table)


def _encodings(schema: pa.Schema) -> dict[str, str]:
    """Choose encodings by column path: real numbers compress better when split into bytes."""
    import pyarrow as pa

    encodings = {}
    for field in schema:
        kind, path = field.type, field.name
        while pa.types.is_fixed_size_list(kind):
            kind, path = kind.value_type, f"{path}.list.element"
        if pa.types.is_floating(kind):
            encodings[path] = "BYTE_STREAM_SPLIT"
        elif path == "sim_id":
            encodings[path] = "DELTA_BINARY_PACKED"
    return encodings


def refuse_nan(table: pa.Table) -> pa.Table:
    """Return a table unchanged, unless a column holds NaN, also within lists.

    The statistics of a row group ignore NaN, so that Arrow filters keep or drop a row with NaN by its neighbours.

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
            # the longest list: all have one length wherever a row has to be found
            per_row *= max(1, pc.max(pc.list_value_length(values)).as_py() or 1)
            values = pc.list_flatten(values)
        if pa.types.is_floating(values.type):
            bad = pc.fill_null(pc.is_nan(values), False)
            count = pc.sum(bad).as_py() or 0
            if count:
                row = pc.index(bad, True).as_py() // per_row
                raise ValueError(
                    f"{name} = nan in row {row} ({count} of {len(bad)} numbers): allowed is null for unknown values"
                )
    return table


def read_footer(path: Path) -> bytes:
    """Read the footer of a file, its table of contents, which has no checksum of its own.

    Parameters
    ----------
    path : Path
        Any file.

    Returns
    -------
    bytes
        Footer and end of a Parquet file; the last bytes of any other file.
    """
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END))
        end = file.read()
        length = int.from_bytes(end[:4], "little") + _END
        file.seek(max(0, size - min(length, _MAX_FOOTER)))
        return file.read()
