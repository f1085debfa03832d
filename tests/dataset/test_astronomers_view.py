"""Every embedded table as the tools of astronomers see it: units, descriptions and UCDs beside equal values."""

import itertools
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.io.votable.ucd import check_ucd
from astropy.table import Table

from generation.rewriting import rewrite
from mwlmc_data.dataset import live_tables, release, schema, store
from mwlmc_data.scoring import ladders, references, yardstick
from mwlmc_data.storage import embedded, parquet, votable
from mwlmc_data.validation import VALIDATION_COLUMNS, validation_schema
from tests.helpers.footers import IS_READ_BY_ASTROPY, needs_reader, read_footer

COLUMNS = {
    "gaussian": schema.COLUMNS,
    "flat": schema.COLUMNS,
    "wide": schema.COLUMNS,
    **references.list_embedded(),
    "shift": ladders.COLUMNS,
    "yardstick": yardstick.COLUMNS,
    **live_tables.list_embedded(),
}
TABLES = sorted(release.DATA_DIR.rglob("*.parquet"))
READABLE = [path for path in TABLES if path.parent == release.DATA_DIR]
CHANGED_UNITS = {"Msun": "solMass", "km2/s2": "km**2/s**2"}


def columns_of(path):
    return COLUMNS.get(path.stem, schema.HALO_COLUMNS)


def test_every_embedded_table_is_looked_at():
    assert {path.stem for path in READABLE} == set(COLUMNS)
    assert len(TABLES) - len(READABLE) == len(schema.SPLITS)  # haloes


@needs_reader
@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_the_footer_describes_the_columns_of_the_schema(path):
    table = read_footer(path)
    columns, stored = columns_of(path), pq.read_schema(path)
    assert [field.name for field in table.fields] == [c.name for c in columns] == stored.names
    kinds = {"int32": "int", "float32": "float", "string": "unicodeChar", "bool": "boolean"}
    for field, c in zip(table.fields, columns, strict=True):
        assert field.description == c.description
        assert field.ucd == c.ucd != "" and check_ucd(c.ucd, check_controlled_vocabulary=True), c.name
        assert (field.unit or "") == (units.Unit(CHANGED_UNITS.get(c.unit, c.unit), format="vounit") if c.unit else "")
        assert field.datatype == kinds[c.base]
        if c.base != "string":
            assert (field.arraysize or "") == "x".join(map(str, reversed(c.shape)))
        said = stored.field(c.name).metadata
        assert (said[b"unit"].decode(), said[b"description"].decode(), said[b"ucd"].decode()) == (
            c.unit,
            c.description,
            c.ucd,
        )


@needs_reader
@pytest.mark.filterwarnings("ignore:No table..len")
@pytest.mark.parametrize("path", READABLE, ids=lambda path: path.stem)
def test_astropy_reads_units_and_equal_values(path):
    if path.stem == "gaussian":
        pytest.skip("as flat, but 128,000 rows of text take astropy six seconds")
    read, stored = Table.read(path, format="parquet.votable"), pq.read_table(path)
    for c in columns_of(path):
        assert read[c.name].unit == (units.Unit(c.unit) if c.unit else None)
        assert read[c.name].description == c.description and read[c.name].meta["ucd"] == c.ucd
        values = stored[c.name].to_numpy() if not c.shape else np.array(stored[c.name].to_pylist(), np.float32)
        found = np.asarray(read[c.name])
        assert found.shape == (len(stored), *c.shape)
        if c.base == "string":
            assert found.tolist() == values.tolist()
        else:
            assert found.dtype == c.base and np.array_equal(found, values, equal_nan=c.nullable)


def test_astropy_reads_a_halo_file_but_for_its_stars():
    """It knows no lists within lists; what it can read has equal values."""
    path = release.DATA_DIR / "mini/haloes/haloes-test-00000-of-00001.parquet"
    with pytest.raises(NotImplementedError, match="fixed_size_list"):
        Table.read(path, format="parquet.votable" if IS_READ_BY_ASTROPY else "parquet")
    read = Table.read(path, format="parquet", exclude_names=[c.name for c in schema.STARS])
    assert read["m_lmc"].tolist() == pq.read_table(path)["m_lmc"].to_pylist()


def test_only_reals_may_be_unknown():
    """Readers turn an integer with one null into a real number, and lose the null of a text."""
    for path in TABLES:
        table = pq.read_table(path)
        for c in columns_of(path):
            assert table[c.name].null_count == 0 or c.nullable, (path, c.name)
    assert all(c.nullable == c.name.startswith("truth_") for c in VALIDATION_COLUMNS)
    with pytest.raises(ValueError, match="nullable of column count = True: allowed for float32 only"):
        schema.Column("count", "int32", "", "A count", nullable=True)


def test_the_tables_of_live_galaxies_have_ucds():
    for c in itertools.chain(*live_tables.TABLES.values()):
        assert c.ucd and check_ucd(c.ucd, check_controlled_vocabulary=True), c.name


def test_the_validation_cases_have_ucds():
    for c in VALIDATION_COLUMNS:
        assert c.ucd and check_ucd(c.ucd, check_controlled_vocabulary=True), c.name
        assert validation_schema().field(c.name).metadata[b"ucd"].decode() == c.ucd


def test_tables_are_rewritten_with_the_same_values_and_registered(tmp_path):
    """What `python -m generation rewrite` does, on files that lack the footer; the large sets are left out."""
    folder = tmp_path / "data"
    shutil.copytree(release.DATA_DIR, folder, ignore=shutil.ignore_patterns("gaussian.*", "wide.*", "*.safetensors"))
    registry = (folder / "registry.json").read_text()
    entries = release.load_registry(folder)[release.DATA_VERSION]["files"]
    plain = {}
    for path in folder.rglob("*.parquet"):
        plain[path] = pq.read_table(path)
        if path.stem == "flat":
            bare = plain[path].cast(pa.schema([field.remove_metadata() for field in plain[path].schema]))
            pq.write_table(bare.replace_schema_metadata(plain[path].schema.metadata), path)
    (folder / "registry.json").write_text('{"versions": {}}')
    facts = {name: entries["flat"][name] for name in ("rows", "seed", "simulator_version")}
    release.register(folder / "flat.parquet", config="flat", **facts)
    written = rewrite(folder)
    assert {path.name for path in written} == {path.name for path in plain}
    for path, table in plain.items():
        again = pq.read_table(path)
        assert again.equals(table) and dict(again.schema.metadata) == dict(table.schema.metadata), path
        assert [field.metadata for field in again.schema] == [field.metadata for field in table.schema], path
        assert votable.CONTENT_KEY.encode() in pq.read_metadata(path).metadata
    assert release.verify_embedded("flat", directory=folder)
    assert embedded.verify_file("references", folder) and embedded.verify_file("shift", folder)
    halo_store = store.Store(folder / "mini")
    assert [halo_store.verify(entry).stat().st_size for entry in halo_store.manifest.files]
    assert registry != (folder / "registry.json").read_text()


def test_a_table_of_other_columns_is_not_rewritten(tmp_path):
    parquet.write_table(pa.table({"sim_id": pa.array([1], pa.int32())}), tmp_path / "flat.parquet")
    release.register(tmp_path / "flat.parquet", config="flat", rows=1, seed=1, simulator_version="1.0.0")
    before = (tmp_path / "flat.parquet").read_bytes()
    with pytest.raises(ValueError, match=r"columns = \['sim_id'\]: allowed are"):
        rewrite(tmp_path)
    assert (tmp_path / "flat.parquet").read_bytes() == before
