"""The live set in the package and its runs beside it: what is copied, and what is refused before anything is."""

import pyarrow as pa
import pytest

import mwlmc_data as mw
from generation.live_embedding import embed
from generation.live_tables import LiveFiles
from mwlmc_data.dataset import live_haloes, live_tables
from mwlmc_data.dataset.library import MissingHaloError
from mwlmc_data.live.truths import load_live_misses, name_run
from mwlmc_data.storage import embedded, parquet
from mwlmc_data.storage.errors import DamagedFileError
from mwlmc_data.storage.homes import DATA_DIR
from tests.helpers.live_set import make_tables

NUMBERS = (0, 1, 4)


@pytest.fixture
def tables():
    return make_tables(NUMBERS)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Writes tables and stand-ins of runs, and embeds them."""
    package, runs = tmp_path / "package", tmp_path / "runs"
    package.mkdir()
    monkeypatch.setattr(embedded, "DATA_DIR", package)

    def put(tables, content=b"run", numbers=NUMBERS):
        folder = tmp_path / "set"
        folder.mkdir(exist_ok=True)
        for name, table in tables.items():
            parquet.write_table(table, folder / f"{name}.parquet")
        paths = [folder / name_run(number) for number in numbers]
        for path in paths:
            path.write_bytes(content)
        files = LiveFiles(*(folder / f"{name}.parquet" for name in tables), paths)
        return embed(files, package, runs)

    put.package, put.runs = package, runs
    return put


def test_tables_are_registered_and_loaded_and_runs_lie_beside(place, tables):
    written = place(tables)
    assert [path.name for path in written] == [f"{name}.parquet" for name in live_tables.TABLES]
    assert set(embedded.load_registry()) == set(live_tables.TABLES) == set(live_tables.list_embedded())
    assert embedded.load_registry()["live"]["rows"] == 24
    assert sorted(path.name for path in place.runs.iterdir()) == [name_run(number) for number in NUMBERS]
    assert mw.load_catalogue(config="live", format="arrow").equals(tables["live"])
    assert mw.load_catalogue("test", config="live")["sim_id"].tolist() == [*range(8, 16), *range(32, 40)]
    truths = mw.load_live_truths()
    assert truths["live_id"].tolist() == list(NUMBERS) and truths["log10_lambda_df"].isna().tolist() == [1, 0, 0]
    assert load_live_misses()["live_id"].tolist() == [5]
    # a set that has grown takes its place, with the same runs
    place(make_tables((*NUMBERS, 6)), numbers=(*NUMBERS, 6))
    assert len(mw.load_live_truths()) == 4 and len(list(place.runs.iterdir())) == 4


def renumbered(table, number):
    return table.set_column(0, table.field(0), [pa.array([number], "i4")])


def changed(tables, name, **facts):
    table = tables[name]
    spoilt = {fact.encode(): value.encode() for fact, value in facts.items()}
    return {**tables, name: table.replace_schema_metadata({**table.schema.metadata, **spoilt})}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: changed(t, "live", live_version="0.9.0"), r"live_version of .*live\.parquet = '0\.9\.0': allowed"),
        (lambda t: changed(t, "live-misses", simulator_version="1"), r"simulator_version of .*misses.* = '1': allowed"),
        (lambda t: changed(t, "live-frictions", config="flat"), r"config of .*frictions\.parquet = 'flat': allowed is"),
        (lambda t: {**t, "live": t["live"].drop_columns("c200")}, r"columns of .*live\.parquet = .*: allowed are"),
        (lambda t: {**t, "live": t["live"].slice(1)}, r"sim_id of the haloes = 23 numbers: allowed are 8 for each of"),
        (lambda t: {**t, "live-misses": renumbered(t["live-misses"], 4)},
         r"live_id of the misses = 4: allowed are those of simulations that missed"),
        (lambda t: make_tables((1, 2, 3)), r"runs = 3 files: allowed is one for each of the 3 simulations"),
    ],
)  # fmt: skip
def test_what_does_not_belong_is_refused_before_anything_is_written(place, tables, spoil, message):
    with pytest.raises(ValueError, match=message):
        place(spoil(tables))
    assert not list(place.package.iterdir()) and not place.runs.exists()


def test_an_empty_split_and_large_runs_are_refused(place, tables, monkeypatch):
    with pytest.raises(ValueError, match="simulations of the calibration split = 0: allowed is 1 or more"):
        place(make_tables((1, 2)), numbers=(1, 2))
    with pytest.raises(ValueError, match=r"size of .*live-00000\.npz = 200001 bytes: allowed is at most 200000"):
        place(tables, b"x" * 200_001)
    monkeypatch.setattr("generation.live_embedding.MAX_RUNS_SIZE", 8)
    with pytest.raises(ValueError, match="size of all runs = 9 bytes: allowed is at most 8"):
        place(tables)
    assert not list(place.package.iterdir())


def test_a_run_is_not_replaced_by_another(place, tables):
    place(tables)
    with pytest.raises(ValueError, match=r"live-00000\.npz = another run than .*: allowed is the same"):
        place(tables, b"other")
    assert (place.runs / name_run(0)).read_bytes() == b"run"


def test_a_halo_is_drawn_again_from_its_run_or_says_where_that_is(place, tables, tmp_path, monkeypatch):
    run = mw.load_live(DATA_DIR / "live/gc19-lmc3.npz")
    table, p = tables["live"], run.parameters
    row = {name: table.schema.get_field_index(name) for name in live_haloes._OF_A_RUN}
    for name, i in row.items():
        values = table[name].to_numpy().copy()
        values[8:16] = getattr(p, name)
        table = table.set_column(i, table.field(i), [pa.array(values)])
    run.save(tmp_path / "stored.npz")
    place({**tables, "live": table}, (tmp_path / "stored.npz").read_bytes())
    monkeypatch.setenv("MWLMC_DATA_DIR", str(tmp_path / "store"))
    monkeypatch.setattr(live_haloes, "REPOSITORY_RUNS", tmp_path / "nowhere")
    with pytest.raises(MissingHaloError, match=r"live-00001\.npz = no file in .*generation/live_runs .*copy it"):
        mw.load_halo(9, config="live")
    monkeypatch.setattr(live_haloes, "REPOSITORY_RUNS", place.runs)
    halo = mw.load_halo(9, config="live")
    assert halo.source == "live" and halo.positions.shape == (4500, 3)
    stored = table.slice(9, 1).to_pylist()[0]
    again = mw.load_live(place.runs / name_run(1)).halo(stored["beta0"], stored["r_dehnen"], seed=9)
    assert (halo.positions == again.positions).all() and halo.parameters == again.parameters
    with pytest.raises(DamagedFileError, match="the run with m200_mw"):
        mw.load_halo(0, config="live")
    with pytest.raises(MissingHaloError, match="source = 'store' of the live set: allowed is 'auto'"):
        mw.load_halo(9, source="store", config="live")
    with pytest.raises(ValueError, match=r"sim_id = 17: allowed is one of the 24 of load_catalogue\(config='live'\)"):
        mw.load_halo(17, config="live")


def test_without_the_set_loaders_say_how_to_make_it(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "DATA_DIR", tmp_path)
    for load in (lambda: mw.load_catalogue(config="live"), mw.load_live_truths, lambda: mw.load_halo(0, config="live")):
        with pytest.raises(ValueError, match=r"config = 'live': .*`python -m generation live-set .* --embed`"):
            load()
    with pytest.raises(ValueError, match="split = 'train': allowed is 'calibration', 'test'"):
        mw.load_catalogue("train", config="live")
    with pytest.raises(ValueError, match="config = 'live'"):
        mw.load_haloes(config="live")


def test_the_runs_stay_out_of_wheel_and_source_distribution(repository):
    import tomllib

    build = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert build["wheel"]["packages"] == ["mwlmc_data"] and build["sdist"]["exclude"] == ["/generation/live_runs"]
