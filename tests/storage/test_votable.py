"""The footer that tells astronomers' tools what the columns of a file are."""

import base64
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io.votable import parse
from astropy.table import Table

from mwlmc_data.storage import parquet, votable
from tests.helpers.footers import IS_READ_BY_ASTROPY, needs_reader, read_footer

SAID = {"unit": "Msun", "description": 'Mass of the "halo" <b> & more, λ', "ucd": "phys.mass"}


def described(**columns):
    """A table whose columns all have the metadata of a mass."""
    fields = [pa.field(name, values.type, metadata=SAID) for name, values in columns.items()]
    facts = {"title": "A title", "config": "flat", "note": 'a "quoted" <note>'}
    return pa.table(list(columns.values()), schema=pa.schema(fields, metadata=facts))


def metadata_of(path):
    return pq.read_metadata(path).metadata


@needs_reader
def test_what_is_written_is_what_astropy_reads(tmp_path):
    table = described(
        flag=pa.array([True, False, True]),
        short=pa.array([1, -2, 3], pa.int16()),
        count=pa.array([1, 2, 3], pa.int32()),
        big=pa.array([2**53 + 1, 2**62, -(2**62)]),
        mass=pa.array([1.5, 2.5, 3.5], pa.float32()),
        fine=pa.array([0.1, 0.2, 1e300]),
        text=pa.array(["", "λ", "longest"]),
        vector=pa.array([[1.0, 2], [3, 4], [5, 6]], pa.list_(pa.float32(), 2)),
    )
    path = tmp_path / "table.parquet"
    parquet.write_table(table, path)
    assert [field.name for field in read_footer(path).fields] == table.column_names
    with pytest.warns(match="Using longest string"):
        read = Table.read(path, format="parquet.votable")
    assert read.colnames == table.column_names
    for name in table.column_names:
        assert read[name].description == SAID["description"]
        assert read[name].meta["ucd"] == "phys.mass"
        assert read[name].unit == "solMass" or name in ("flag", "text")
        assert np.array_equal(read[name], table[name].to_pylist())
        assert read[name].dtype.kind == {"flag": "b", "text": "U"}.get(name, read[name].dtype.kind)
    assert read["big"].dtype == np.int64


def test_the_document_is_a_valid_votable_of_one_table_without_data():
    text = votable.describe(described(mass=pa.array([1.0])).schema, {})
    found = parse(io.BytesIO(text.encode()), verify="exception")
    (resource,) = found.resources
    assert resource.description == "A title"
    assert {info.name: info.value for info in resource.infos} == {"config": "flat", "note": 'a "quoted" <note>'}
    (table,) = resource.tables
    assert table.name == "flat" and "<DATA" not in text


def test_the_fastest_dimension_comes_first():
    kind = pa.list_(pa.list_(pa.float32(), 3), 4500)
    text = votable.describe(pa.schema([pa.field("positions", kind)]), {})
    assert 'datatype="float" arraysize="3x4500"' in text


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.uint64(), pa.int8(), pa.list_(pa.string(), 2)])
def test_what_readers_lose_is_not_written(tmp_path, kind):
    table = pa.table({"odd": pa.nulls(1, kind)})
    with pytest.raises(TypeError, match="type of column odd"):
        parquet.write_table(table, tmp_path / "table.parquet")
    assert not (tmp_path / "table.parquet").exists()


def test_columns_taken_out_of_a_file_do_not_keep_the_metadata_of_all(tmp_path):
    """A table that is written again is described again: the footer of another table never travels with it."""
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    parquet.write_table(described(mass=pa.array([1.0]), count=pa.array([1])), first)
    table = parquet.read_table(first).select(["count"])
    assert all(b"IVOA" not in name for name in table.schema.metadata)
    pq.write_table(table, second)
    assert all(b"IVOA" not in name for name in metadata_of(second))
    parquet.write_table(table, second)
    assert [field.name for field in read_footer(second).fields] == ["count"]


def test_parts_of_files_do_not_take_their_footers_along(tmp_path):
    """A table put together of shards is described once, whatever the shards' own footers say."""
    shard, merged = tmp_path / "shard.parquet", tmp_path / "merged.parquet"
    table = pa.table({"text": ["a"]})
    parquet.write_table(table, shard)
    parts = []
    for _ in range(2):
        with parquet.open_file(shard) as file:
            parts.append(file.read())
    whole = pa.concat_tables(parts)
    assert b"IVOA.VOTable-Parquet.content" in whole.schema.metadata
    parquet.write_table(whole, merged)
    assert metadata_of(merged)[votable.CONTENT_KEY.encode()].count(b"<VOTABLE") == 1
    assert b"&lt;VOTABLE" not in metadata_of(merged)[votable.CONTENT_KEY.encode()]
    content = pq.read_metadata(merged).metadata[b"ARROW:schema"]
    assert b"IVOA" not in base64.b64decode(content)
    marks = [path.read_bytes().count(b"page_checksums") for path in (shard, merged)]
    assert marks[0] == marks[1], "a schema that has the mark gets no second one"


def test_texts_of_several_parts_share_the_greatest_length(tmp_path):
    path, schema = tmp_path / "table.parquet", pa.schema([("text", pa.string())])
    with parquet.writer(path, schema) as write:
        for text in ("a", "abcde", "abc"):
            write(pa.table({"text": [text]}, schema=schema))
    assert b'arraysize="5*"' in metadata_of(path)[votable.CONTENT_KEY.encode()]
    if IS_READ_BY_ASTROPY:
        with pytest.warns(match="Using longest string"):
            assert Table.read(path, format="parquet.votable")["text"].tolist() == ["a", "abcde", "abc"]
