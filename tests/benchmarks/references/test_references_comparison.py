"""An earlier file of references beside a new one."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from benchmarks.references.comparison import compare_draws, compare_files
from mwlmc_data.scoring import references
from mwlmc_data.storage import embedded


@pytest.fixture(scope="module")
def embedded_file():
    return embedded.verify_file(references.NAME)


def test_differences_are_those_of_the_draws():
    rng = np.random.default_rng(1)
    one = rng.standard_normal((20_000, 3))
    assert compare_draws(one, one) == (0.0, 0.0, 1.0)
    distance, shift, spread = compare_draws(one, one * [1.0, 1.0, 1.2] + [0.0, 0.3, 0.0])
    assert distance == pytest.approx(0.119, abs=0.01)  # 2 Phi(0.15) - 1
    assert shift == pytest.approx(0.3, abs=0.01) and spread == pytest.approx(1.44, abs=0.001)


def test_a_file_agrees_with_itself_and_a_moved_row_is_named(embedded_file, tmp_path):
    same = compare_files(embedded_file, embedded_file)
    assert "shift: median 0.000, largest 0.000" in same and "beyond" not in same
    table = pq.read_table(embedded_file)
    at = next(i for i, row in enumerate(table["certified"].to_pylist()) if row)
    name, place = "samples_m_lmc", table.column_names.index("samples_m_lmc")
    draws = table[name].to_pylist()
    draws[at] = (np.array(draws[at]) * 1.5).tolist()
    moved = table.set_column(place, table.schema.field(name), pa.chunked_array([pa.array(draws, table[name].type)]))
    pq.write_table(moved, tmp_path / "moved.parquet")
    found = compare_files(embedded_file, tmp_path / "moved.parquet")
    assert f"beyond: {table['name'][at].as_py()} " in found


def test_files_without_a_common_certified_row_are_refused(embedded_file, tmp_path):
    table = pq.read_table(embedded_file)
    pq.write_table(table.filter(pc.invert(table["certified"])), tmp_path / "none.parquet")
    with pytest.raises(ValueError, match=r"before = .*none.parquet.*: allowed is a file with references"):
        compare_files(tmp_path / "none.parquet", embedded_file)
