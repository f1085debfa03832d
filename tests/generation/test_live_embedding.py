"""The live set in the package and its runs beside it: what is copied, and what is refused before anything is."""

import numpy as np
import pyarrow as pa
import pytest

import mwlmc_data as mw
from generation.live_embedding import embed
from generation.live_tables import LiveFiles
from mwlmc_data.dataset import library, live_haloes, live_tables
from mwlmc_data.dataset.made import load_made
from mwlmc_data.dataset.schema import LMC_VECTOR
from mwlmc_data.dataset.store import MissingHaloError
from mwlmc_data.live.truths import load_live_misses, name_run
from mwlmc_data.scoring.tasks.stars_shift import RECIPE, StarsShift
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
    large = b"x" * 200_001
    with pytest.raises(ValueError, match=r"size of .*live-00000\.npz = 200001 bytes: allowed is at most 200000"):
        place(make_tables(NUMBERS, large), large)
    monkeypatch.setattr("generation.live_embedding.MAX_RUNS_SIZE", 8)
    with pytest.raises(ValueError, match="size of all runs = 9 bytes: allowed is at most 8"):
        place(tables)
    assert not list(place.package.iterdir())


def test_a_run_is_not_replaced_by_another(place, tables):
    place(tables)
    with pytest.raises(ValueError, match=r"live-00000\.npz = another run than .*: allowed is the same"):
        place(make_tables(NUMBERS, b"other"), b"other")
    with pytest.raises(ValueError, match=r"SHA-256 of .*live-00000\.npz = [0-9a-f]{64}: allowed is [0-9a-f]{64}"):
        place(tables, b"other")
    with pytest.raises(ValueError, match=r"live-00004\.npz = a run that the set lacks: allowed is a set that has all"):
        place(make_tables(NUMBERS[:2]), numbers=NUMBERS[:2])
    assert (place.runs / name_run(0)).read_bytes() == b"run"


@pytest.fixture
def run(tmp_path):
    """The file of a real run, which stands in for all of a set."""
    path = tmp_path / "stored.npz"
    mw.load_live(DATA_DIR / "live/gc19-lmc3.npz").save(path)
    return path.read_bytes()


def test_a_halo_is_drawn_again_from_its_run_or_says_where_that_is(place, run, tmp_path, monkeypatch):
    place(make_tables(NUMBERS, run), run)
    monkeypatch.setenv("MWLMC_DATA_DIR", str(tmp_path / "store"))
    monkeypatch.setattr(live_haloes, "REPOSITORY_RUNS", tmp_path / "nowhere")
    missing = r"live-00001\.npz = no file in .*generation/live_runs .*copy it"
    for load in (lambda: mw.load_halo(9, config="live"), lambda: mw.load_haloes([9], config="live")):
        with pytest.raises(MissingHaloError, match=missing):
            load()
    monkeypatch.setattr(live_haloes, "REPOSITORY_RUNS", place.runs)
    halo = mw.load_halo(9, config="live")
    assert halo.source == "live" and halo.positions.shape == (4500, 3)
    row = mw.load_catalogue(config="live").set_index("sim_id").loc[9]
    again = mw.load_live(place.runs / name_run(1)).halo(float(row["beta0"]), float(row["r_dehnen"]), seed=9)
    assert (halo.positions == again.positions).all() and halo.parameters == again.parameters
    for load in (lambda **more: mw.load_halo(9, **more), lambda **more: mw.load_haloes([9], **more)):
        with pytest.raises(MissingHaloError, match="source = 'store' of the live set: allowed is 'auto'"):
            load(source="store", config="live")
    allowed = r"allowed is one of the 24 of load_catalogue\(config='live'\), which lacks those of simulations"
    with pytest.raises(ValueError, match=f"sim_id = 17: {allowed}"):
        mw.load_halo(17, config="live")
    with pytest.raises(ValueError, match=f"sim_ids = 17: {allowed}"):
        mw.load_haloes([9, 17], config="live")


def test_a_damaged_run_is_named(place, run, tmp_path, monkeypatch):
    place(make_tables(NUMBERS, run), run)
    monkeypatch.setenv("MWLMC_DATA_DIR", str(tmp_path / "store"))
    monkeypatch.setattr(live_haloes, "REPOSITORY_RUNS", place.runs)
    path = place.runs / name_run(0)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    for load in (mw.load_halo, lambda sim_id, config: mw.load_haloes([sim_id], streaming=False, config=config)):
        with pytest.raises(DamagedFileError, match=r"live-00000\.npz is not .*git checkout -- generation/live_runs"):
            load(0, config="live")


def test_haloes_come_in_batches_with_their_columns(place, run, tmp_path, monkeypatch):
    place(make_tables(NUMBERS, run), run)
    monkeypatch.setenv("MWLMC_DATA_DIR", str(tmp_path / "store"))
    monkeypatch.setattr(live_haloes, "REPOSITORY_RUNS", place.runs)
    wanted = [33, 0, 9]
    batches = mw.load_haloes(wanted, config="live", columns=["m_lmc", "n_stars_fit"], batch_size=2, workers=0)
    found = list(batches)
    assert [batch["sim_id"].tolist() for batch in found] == [[33, 0], [9]]
    table = mw.load_catalogue(config="live").set_index("sim_id")
    for name in ("m_lmc", "n_stars_fit"):
        assert np.concatenate([batch[name] for batch in found]).tolist() == table[name].loc[wanted].tolist()
    halo = mw.load_halo(9, config="live")
    assert (found[1]["positions"][0] == halo.positions).all() and (found[1]["velocities"][0] == halo.velocities).all()
    # splits are by simulation, calibration first
    assert mw.load_haloes(config="live").sim_ids.tolist() == [*range(8), *range(8, 16), *range(32, 40)]
    assert mw.load_haloes(wanted, config="live", split="test").sim_ids.tolist() == [33, 9]
    with pytest.raises(ValueError, match="split = 'train': allowed is 'calibration', 'test'"):
        mw.load_haloes(config="live", split="train")
    # processes draw the same stars
    monkeypatch.setattr(library, "SIMULATED", 1)
    pooled = mw.load_haloes([0, 9], False, config="live", workers=2)
    assert pooled["sim_id"].tolist() == [0, 9] and (pooled["positions"][1] == halo.positions).all()


def test_without_the_set_loaders_say_how_to_make_it(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "DATA_DIR", tmp_path)
    loaders = [mw.load_live_truths, lambda: mw.load_halo(0, config="live")]
    loaders += [lambda load=load: load(config="live") for load in (mw.load_catalogue, mw.load_haloes)]
    for load in loaders:
        with pytest.raises(ValueError, match=r"config = 'live': .*`python -m generation live-set .* --embed`"):
            load()
    with pytest.raises(ValueError, match="split = 'train': allowed is 'calibration', 'test'"):
        mw.load_catalogue("train", config="live")


def test_the_runs_stay_out_of_wheel_and_source_distribution(repository):
    import tomllib

    build = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert build["wheel"]["packages"] == ["mwlmc_data"]
    assert build["sdist"]["exclude"] == ["/generation/live_runs", "/benchmarks/unfinished"]


def test_stars_of_live_haloes_are_a_rung_and_kept_in_the_store(place, run, tmp_path, monkeypatch):
    place(make_tables(NUMBERS, run), run)
    monkeypatch.setenv("MWLMC_DATA_DIR", str(tmp_path / "store"))
    monkeypatch.setattr(live_haloes, "REPOSITORY_RUNS", place.runs)
    with monkeypatch.context() as patch:
        patch.setattr(live_haloes, "REPOSITORY_RUNS", tmp_path / "nowhere")
        assert mw.get_task("stars-shift").version == "1.0" and mw.get_task("shift").version == "1.1"
    plain = mw.get_task("stars-shift@1.0").observations
    monkeypatch.setattr(StarsShift, "_list_sets", lambda self: [])  # those of rigid haloes take minutes
    task = mw.get_task("stars-shift")
    seen, n = task.observations, len(plain)
    assert task.id == "stars-shift@1.1" and seen.groups == (*plain.groups, "live")
    assert np.array_equal(seen.sim_id[:n], plain.sim_id) and np.array_equal(seen.theta[:n], plain.theta)
    assert seen.sim_id[n:].tolist() == [8, 32], "the first haloes of the test simulations that a friction reproduces"
    assert not set(task.simulations[n:]) & set(plain.sim_id)
    halo = mw.load_halo(32, config="live")
    outer = np.linalg.norm(halo.positions.astype(float), axis=1) > 50.0
    assert seen.x.mask.all() and len(seen.x) == 2
    assert np.array_equal(seen.x.stars[1], np.c_[halo.positions, halo.velocities][outer][:1024])
    row = mw.load_catalogue(config="live").set_index("sim_id").loc[32]
    assert np.array_equal(seen.x.lmc[1], row[list(LMC_VECTOR)].to_numpy(np.float32))
    monkeypatch.setattr(live_haloes, "draw_outer_stars", None)
    assert np.array_equal(mw.get_task("stars-shift").observations.x.stars, seen.x.stars)
    with pytest.raises(ValueError, match="config = 'live' with recipe = 'stars-shift': allowed is a recipe of outer"):
        load_made(RECIPE, seen.sim_id[n:], "live")
