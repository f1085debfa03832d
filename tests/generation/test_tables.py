"""How tables are written: a release fixes their bytes."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mwlmc_data.storage.parquet import ROW_GROUP, write_table


def chunks_of(path):
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    chunks = [groups[0].column(i) for i in range(groups[0].num_columns)]
    return {chunk.path_in_schema: chunk for chunk in chunks}, [group.num_rows for group in groups]


def test_every_type_is_encoded_in_its_own_way(tmp_path):
    n = ROW_GROUP + 5
    columns = {"sim_id": np.arange(n, dtype=np.int32), "mass": np.linspace(1, 2, n), "split": ["test", "train"] * n}
    columns["split"] = columns["split"][:n]
    path = tmp_path / "table.parquet"
    write_table(pa.table(columns), path)
    chunks, rows = chunks_of(path)
    assert rows == [8192, 5]
    assert "DELTA_BINARY_PACKED" in chunks["sim_id"].encodings and not chunks["sim_id"].has_dictionary_page
    assert "BYTE_STREAM_SPLIT" in chunks["mass"].encodings and not chunks["mass"].has_dictionary_page
    assert chunks["split"].has_dictionary_page
    assert all(chunk.compression == "ZSTD" and chunk.has_column_index for chunk in chunks.values())
    assert pq.read_table(path).to_pydict() == pa.table(columns).to_pydict()


def test_a_table_without_sim_id(tmp_path):
    path = tmp_path / "table.parquet"
    write_table(pa.table({"name": ["a", "b"], "value": [0.5, 2.0]}), path)
    assert pq.read_table(path).to_pydict() == {"name": ["a", "b"], "value": [0.5, 2.0]}


def test_nan_is_refused(tmp_path):
    with pytest.raises(ValueError, match="value"):
        write_table(pa.table({"value": [0.5, float("nan")]}), tmp_path / "table.parquet")
