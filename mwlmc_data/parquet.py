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

from mwlmc_data.release import DamagedFileError

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
