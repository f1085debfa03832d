"""No published table holds NaN and no writer of tables writes it: some filters of Arrow lose such rows."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from benchmarks.suite import models
from generation import haloes
from mwlmc_data.commands.common import write_halo
from mwlmc_data.dataset import library, release, schema
from mwlmc_data.scoring import ladders
from mwlmc_data.simulator import SIMULATOR_VERSION, Halo
from mwlmc_data.storage import parquet
from mwlmc_data.storage.parquet import write_table
from mwlmc_data.validation import validation_schema, validation_table

TABLES = sorted(release.DATA_DIR.rglob("*.parquet"))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_no_embedded_table_holds_nan(path):
    table = parquet.read_table(path)
    assert table.num_rows > 0
    parquet.refuse_nan(table)


def test_all_tables_are_checked():
    names = {path.stem for path in TABLES}
    assert {*release.CATALOGUE_SEEDS, "references", "shift"} <= names
    assert sum(name.startswith("haloes-") for name in names) == 3


def test_the_validation_cases_hold_nulls_and_no_nan():
    table = validation_table()
    parquet.refuse_nan(table)
    assert table["truth_c200"].null_count > 0


def test_no_embedded_network_holds_nan():
    paths = sorted(release.DATA_DIR.glob("*.safetensors"))
    assert len(paths) >= 2
    for path in paths:
        assert all(np.isfinite(values).all() for values in models.read_arrays(path).values())


@pytest.mark.parametrize("of", [schema.arrow_schema, schema.halo_schema, validation_schema])
def test_a_numeric_column_is_complete_or_holds_unknown_truths(of):
    assert [field.name for field in of() if field.nullable and not field.name.startswith("truth_")] == []


@pytest.mark.parametrize("config", release.CATALOGUE_SEEDS)
@pytest.mark.parametrize("name", ["v_travel", "l_apex", "mean_v_r", "m_lmc"])
def test_a_filter_finds_the_same_rows_in_the_file_and_in_memory(config, name):
    path = release.verify_embedded(config)
    table = pq.read_table(path, columns=["sim_id", name])
    middle = float(np.median(table[name]))
    for wanted in (~(pc.field(name) < middle), ~(pc.field(name) > middle), pc.field(name) != middle):
        from_file = pq.read_table(path, columns=["sim_id"], filters=wanted)
        assert from_file["sim_id"].equals(table.filter(wanted)["sim_id"])


class TestRefuseNan:
    def test_names_the_column_the_row_and_how_many(self):
        table = pa.table({"a": [1.0, 2.0, 3.0], "v": pa.array([None, np.nan, np.nan], pa.float32())})
        with pytest.raises(ValueError, match=r"^v = nan in row 1 \(2 of 3 numbers\): allowed is null"):
            parquet.refuse_nan(table)

    @pytest.mark.parametrize("row", [0, 3])
    def test_within_lists(self, row):
        stars = np.zeros((5, 4, 3), np.float32)
        stars[row, 2, 1] = np.nan
        inner = pa.FixedSizeListArray.from_arrays(pa.array(stars.reshape(-1)), 3)
        table = pa.table({"positions": pa.FixedSizeListArray.from_arrays(inner, 4)})
        with pytest.raises(ValueError, match=rf"^positions = nan in row {row} \(1 of 60"):
            parquet.refuse_nan(table)
        with pytest.raises(ValueError, match=r"^positions = nan"):
            parquet.refuse_nan(table.cast(pa.schema({"positions": pa.list_(pa.list_(pa.float32()))})))

    def test_takes_numbers_infinities_text_and_nulls(self):
        table = pa.table({"a": [1, None], "b": [np.inf, -np.inf], "c": ["nan", None], "d": [[1.0, None], None]})
        assert parquet.refuse_nan(table) is table
        assert parquet.refuse_nan(table.slice(0, 0)).num_rows == 0


class TestWriters:
    def test_of_the_catalogues(self, tmp_path):
        path = tmp_path / "a.parquet"
        write_table(pa.table({"sim_id": [1], "v_travel": [1.5]}), path)
        assert parquet.has_checksums(path)
        with pytest.raises(ValueError, match=r"^v_travel = nan"):
            write_table(pa.table({"sim_id": [1], "v_travel": [np.nan]}), tmp_path / "b.parquet")
        assert not (tmp_path / "b.parquet").exists()

    def test_of_the_stars(self, tmp_path, monkeypatch):
        def broken(rows, seed):
            stars = np.ones((2, len(rows), schema.N_STARS, 3), np.float32)
            stars[1, -1, 7, 2] = np.nan
            return stars[0], stars[1]

        monkeypatch.setattr(library, "simulate_rows", broken)
        plan = haloes.HaloPlan(tmp_path, "gaussian", range(4), 4, SIMULATOR_VERSION)
        plan.shard_path(0).parent.mkdir()
        with pytest.raises(ValueError, match=r"^velocities = nan in row 3 "):
            haloes.make_shard(plan, 0, lambda count: None)
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    def test_of_the_observations_that_moved_away(self, tmp_path):
        made = dict(ladders.read_haloes())
        made["vx_travel"] = np.where(np.arange(len(made["sim_id"])) == 5, np.nan, made["vx_travel"])
        with pytest.raises(ValueError, match=r"^vx_travel = nan in row 5 "):
            ladders.write_haloes(made, tmp_path)

    @pytest.mark.parametrize("suffix", ["npz", "parquet"])
    def test_of_a_users_halo(self, suffix, tmp_path):
        positions = np.ones((6, 3), np.float32)
        positions[2, 0] = np.nan
        with pytest.raises(ValueError, match=r"^positions\[2, 0\] = nan: "):
            write_halo(Halo(positions, np.ones((6, 3), np.float32)), tmp_path / f"a.{suffix}", {})

    def test_of_networks(self, tmp_path):
        path = tmp_path / "a.safetensors"
        with pytest.raises(ValueError, match=r"^net\.weight\[1, 0\] = nan: allowed is a number"):
            models.write(path, {"net.weight": np.array([[1.0, 2.0], [np.nan, 3.0]])}, {})
        assert not path.exists()
