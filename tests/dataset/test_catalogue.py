"""Loading the table of simulations: formats, parts, columns, and what is refused."""

import dataclasses
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from astropy.table import QTable
from astropy.units import Quantity, Unit

from mwlmc_data.dataset import release, schema, store
from mwlmc_data.dataset.catalogue import load_catalogue
from mwlmc_data.storage.errors import DamagedFileError

N = 300


def made_up_columns():
    """Values that identify their row and column, so that a mix-up shows."""
    ids = np.arange(N, dtype=np.int32)
    columns = {}
    for k, column in enumerate(schema.COLUMNS):
        if column.dtype == "string":
            columns[column.name] = np.full(N, "made-up-1")
        else:
            columns[column.name] = (1000 * k + ids).astype(column.dtype)
    columns["sim_id"] = ids
    columns["split"] = schema.split_of(ids)
    return columns


@pytest.fixture(scope="module")
def columns():
    return made_up_columns()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, columns):
    folder = tmp_path_factory.mktemp("data")
    arrow_schema = schema.arrow_schema({"config": "gaussian"})
    table = pa.Table.from_arrays(
        [pa.array(columns[name], type=arrow_schema.field(name).type) for name in arrow_schema.names],
        schema=arrow_schema,
    )
    pq.write_table(table, folder / "gaussian.parquet")
    release.register(
        folder / "gaussian.parquet", config="gaussian", rows=N, seed=1, simulator_version="made-up-1"
    )
    return folder


@pytest.fixture(autouse=True)
def embedded(monkeypatch, folder):
    monkeypatch.setattr(release, "DATA_DIR", folder)


def test_pandas_is_the_default_and_has_all_rows_and_columns(columns):
    table = load_catalogue()
    assert isinstance(table, pd.DataFrame)
    assert tuple(table.columns) == schema.CATALOGUE_NAMES
    for name, values in columns.items():
        np.testing.assert_array_equal(table[name].to_numpy(), values)
        if schema.get_column(name).dtype != "string":
            assert table[name].dtype == schema.get_column(name).dtype


@pytest.mark.parametrize("format", ["pandas", "arrow", "datasets", "torch", "numpy"])
@pytest.mark.parametrize("split", [None, *schema.SPLITS])
def test_formats_agree(columns, format, split):
    pytest.importorskip({"torch": "torch", "datasets": "datasets"}.get(format, "numpy"))
    names = ["v_travel", "sim_id", "m_lmc"]
    loaded = load_catalogue(split, columns=names, format=format)
    chosen = np.ones(N, bool) if split is None else columns["split"] == split
    found = loaded.to_dict() if format == "datasets" else loaded
    found_names = found.column_names if format == "arrow" else list(found)
    assert found_names == names
    for name in names:
        values = np.asarray(found[name])
        np.testing.assert_array_equal(values, columns[name][chosen])


def test_splits_partition_the_rows():
    ids = [load_catalogue(split)["sim_id"].to_numpy() for split in schema.SPLITS]
    np.testing.assert_array_equal(np.sort(np.concatenate(ids)), np.arange(N))
    assert [len(i) for i in ids] == [N - 60, 30, 30]


def test_arrow_keeps_units_and_descriptions():
    table = load_catalogue(format="arrow")
    assert isinstance(table, pa.Table)
    for column in schema.COLUMNS:
        metadata = table.schema.field(column.name).metadata
        assert metadata[b"unit"].decode() == column.unit
        assert metadata[b"description"].decode() == column.description
    assert table.schema.metadata[b"licence"] == b"CC-BY-4.0"


def test_numpy_gives_plain_arrays():
    arrays = load_catalogue(format="numpy")
    assert set(arrays) == set(schema.CATALOGUE_NAMES)
    assert arrays["m_lmc"].dtype == np.float32
    assert arrays["n_stars_fit"].dtype == np.int32
    assert arrays["split"].dtype.kind == "U"


def test_torch_gives_writable_tensors_without_text():
    torch = pytest.importorskip("torch")
    tensors = load_catalogue("test", format="torch")
    assert set(tensors) == set(schema.CATALOGUE_NAMES) - set(schema.TEXT)
    assert tensors["m_lmc"].dtype == torch.float32
    assert tensors["sim_id"].dtype == torch.int32
    tensors["m_lmc"] += 1.0
    assert not torch.equal(tensors["m_lmc"], load_catalogue("test", format="torch")["m_lmc"])


def test_torch_refuses_text_that_is_asked_for():
    with pytest.raises(ValueError, match=r"'split'.*numeric.*text"):
        load_catalogue(columns=["m_lmc", "split"], format="torch")


def test_astropy_gives_quantities_descriptions_and_facts(columns):
    table = load_catalogue("test", format="astropy")
    assert isinstance(table, QTable) and tuple(table.colnames) == schema.CATALOGUE_NAMES
    rows = columns["split"] == "test"
    for c in schema.COLUMNS:
        found = table[c.name]
        assert found.info.description == c.description and found.info.meta == {"ucd": c.ucd}
        assert isinstance(found, Quantity) == (c.dtype == "float32")
        assert np.array_equal(getattr(found, "value", found), np.asarray(columns[c.name])[rows])
        assert c.dtype == "string" or found.dtype == c.dtype
    assert table["m_lmc"].unit == "Msun" and table["cov_vx_vx"].unit == "km2/s2" and table["beta0"].unit == ""
    assert table.meta["config"] == "gaussian" and table.meta["licence"] == "CC-BY-4.0"
    table["m_lmc"][0] = 1e11 * Unit("Msun")  # its own memory


def test_polars_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ModuleNotFoundError, match="needs the package polars: pip install polars"):
        load_catalogue(format="polars")


def test_polars_gives_its_table(columns):
    polars = pytest.importorskip("polars")
    table = load_catalogue("test", format="polars")
    assert isinstance(table, polars.DataFrame) and tuple(table.columns) == schema.CATALOGUE_NAMES
    assert table["m_lmc"].to_numpy().tolist() == columns["m_lmc"][columns["split"] == "test"].tolist()


def test_datasets_keeps_types_and_works_with_torch():
    datasets = pytest.importorskip("datasets")
    pytest.importorskip("torch")
    dataset = load_catalogue("validation", format="datasets")
    assert isinstance(dataset, datasets.Dataset)
    assert dataset.features["m_lmc"].dtype == "float32"
    assert dataset.features["split"].dtype == "string"
    assert tuple(dataset.with_format("torch", columns=["m_lmc", "v_travel"])[:5]["m_lmc"].shape) == (5,)


@pytest.mark.parametrize(
    ("arguments", "named", "allowed"),
    [
        ({"split": "training"}, "'training'", "'train', 'validation', 'test'"),
        ({"config": "wide"}, "'wide'", "gaussian"),
        ({"columns": ["m_lmc", "m_smc"]}, "'m_smc'", "m_lmc"),
        ({"columns": "m_lmc"}, "'m_lmc'", "sequence"),
        ({"columns": []}, r"\[\]", "at least one"),
        ({"columns": ["m_lmc", "m_lmc"]}, "m_lmc", "each once"),
        ({"version": "7.7.7"}, r"'7\.7\.7'", release.DATA_VERSION),
        ({"format": "csv"}, "'csv'", "'pandas', 'arrow', 'datasets', 'torch', 'numpy'"),
    ],
)
def test_bad_input_is_named_with_what_is_allowed(arguments, named, allowed):
    with pytest.raises(ValueError, match=f"{named}.*{allowed}"):
        load_catalogue(**arguments)


def test_version_may_be_named():
    assert len(load_catalogue(version=release.DATA_VERSION, columns=["sim_id"])) == N


def test_a_damaged_file_is_never_read(monkeypatch, tmp_path, folder):
    """A changed number in valid Parquet, and a truncated file: both are refused by the hash."""
    (tmp_path / "registry.json").write_bytes((folder / "registry.json").read_bytes())
    monkeypatch.setattr(release, "DATA_DIR", tmp_path)
    content = (folder / "gaussian.parquet").read_bytes()
    (tmp_path / "gaussian.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedFileError):
        load_catalogue()
    table = pq.read_table(folder / "gaussian.parquet")
    changed = table.set_column(5, table.schema.field(5), pa.array(np.zeros(N, np.float32)))
    pq.write_table(changed, tmp_path / "gaussian.parquet")
    with pytest.raises(DamagedFileError):
        load_catalogue()


def test_budgets_are_nested_and_begin_the_training_split(monkeypatch):
    monkeypatch.setattr(schema, "BUDGETS", (10, 50))
    whole = load_catalogue("train", columns=["sim_id"], format="numpy")["sim_id"]
    for budget in (10, 50):
        part = load_catalogue("train", columns=["sim_id"], format="numpy", budget=budget)["sim_id"]
        assert np.array_equal(part, whole[:budget])


@pytest.mark.parametrize(("split", "budget"), [("train", 999), ("test", 1000), (None, 1000), ("train", 0)])
def test_other_budgets_are_refused(split, budget):
    reported = rf"budget = {budget} of the split {split!r}.*1000, 10000, 100000, of the split 'train'"
    with pytest.raises(ValueError, match=reported):
        load_catalogue(split, budget=budget)


def test_a_budget_beyond_the_set_is_refused():
    with pytest.raises(ValueError, match=r"budget = 1000: allowed are at most \d+ for the gaussian set"):
        load_catalogue("train", budget=1000)


@pytest.fixture
def other_version(tmp_path, monkeypatch, folder):
    """Another version of the data: registered, and its files by split in the local store."""
    registered = tmp_path / "package"
    registered.mkdir()
    for name in ("registry.json", "gaussian.parquet"):
        (registered / name).write_bytes((folder / name).read_bytes())
    path = registered / "gaussian.parquet"
    release.register(path, config="gaussian", rows=N, seed=1, simulator_version="0", version="0.9.0")
    monkeypatch.setattr(release, "DATA_DIR", registered)
    monkeypatch.setenv(store.DATA_DIR_VARIABLE, str(tmp_path / "store"))
    root = tmp_path / "store" / "0.9.0"
    (root / "gaussian").mkdir(parents=True)
    table, entries = pq.read_table(path), []
    for split in schema.SPLITS:
        part = table.filter(pc.equal(table["split"], split))
        name = f"gaussian/gaussian-{split}.parquet"
        pq.write_table(part, root / name)
        entries.append(store.describe_file(root, name, "gaussian", split, part.num_rows))
    manifest = store.Manifest("0.9.0", "0", {"gaussian": 1}, tuple(entries))
    (root / store.MANIFEST).write_text(manifest.to_json())
    return root


def test_another_version_is_loaded_from_the_local_store(other_version, columns):
    whole = load_catalogue(version="0.9.0", columns=["m_lmc", "sim_id"], format="numpy")
    assert list(whole) == ["m_lmc", "sim_id"]
    assert np.array_equal(whole["sim_id"], columns["sim_id"])
    assert np.array_equal(whole["m_lmc"], columns["m_lmc"])
    test = load_catalogue("test", version="0.9.0", columns=["b_apex"], format="numpy")
    assert np.array_equal(test["b_apex"], columns["b_apex"][schema.split_of(columns["sim_id"]) == "test"])


def test_a_version_with_fewer_columns_gives_those_it_has(other_version, columns):
    """As a MINOR version adds columns."""
    manifest = store.Store(other_version).manifest
    added = {"m_mw_50", "cov_vx_vx_50_100"}
    entries = []
    for entry in manifest.files:
        path = other_version / entry.path
        pq.write_table(pq.read_table(path).drop_columns(sorted(added)), path)
        entries.append(store.describe_file(other_version, entry.path, "gaussian", entry.split, entry.rows))
    text = dataclasses.replace(manifest, files=tuple(entries)).to_json()
    (other_version / store.MANIFEST).write_text(text)
    whole = load_catalogue(version="0.9.0")
    assert list(whole) == [name for name in schema.CATALOGUE_NAMES if name not in added]
    assert np.array_equal(whole["m_lmc_50"], columns["m_lmc_50"])
    assert "m_mw_50" not in load_catalogue("test", version="0.9.0", format="numpy")
    with pytest.raises(ValueError, match=r"columns = m_mw_50: allowed in data version 0\.9\.0 are sim_id, split"):
        load_catalogue(version="0.9.0", columns=["m_mw_50", "m_lmc"])


def test_another_version_that_was_not_fetched_is_named(other_version):
    (other_version / "gaussian" / "gaussian-test.parquet").unlink()
    assert len(load_catalogue("train", version="0.9.0")) == (schema.split_of(np.arange(N)) == "train").sum()
    with pytest.raises(FileNotFoundError, match=r"0\.9\.0 is not in this .*mwlmc fetch gaussian --version 0\.9\.0"):
        load_catalogue(version="0.9.0")
