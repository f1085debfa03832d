"""The VOTable in the footer of a Parquet file, and what astropy can do with it."""

import io
from pathlib import Path

import astropy
import pyarrow.parquet as pq
import pytest
from astropy.io.votable import parse
from astropy.io.votable.tree import TableElement
from packaging.version import Version

from mwlmc_data.storage.votable import CONTENT_KEY, VERSION_KEY

#: Astropy has format="parquet.votable" from 7.0 on, and takes texts of a stated greatest length from 7.1 on.
IS_READ_BY_ASTROPY = Version(astropy.__version__) >= Version("7.1")
needs_reader = pytest.mark.skipif(not IS_READ_BY_ASTROPY, reason="astropy reads the footers from version 7.1 on")


def read_footer(path: Path) -> TableElement:
    """Read the description of the columns; fail if it is not a valid VOTable or of another version."""
    metadata = pq.read_metadata(path).metadata
    assert metadata[VERSION_KEY.encode()] == b"1.0"
    return parse(io.BytesIO(metadata[CONTENT_KEY.encode()]), verify="exception").get_first_table()
