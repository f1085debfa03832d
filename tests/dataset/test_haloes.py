"""The stars: from files, regenerated, one by one, in batches, as datasets and as tensors."""

import itertools
import json
import re

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mwlmc_data as mw
from mwlmc_data.dataset import library, release, schema, store
from mwlmc_data.dataset.sameness import compare_haloes
from mwlmc_data.storage.errors import DamagedFileError
from tests.helpers.halo_folders import copy_of_mini


@pytest.fixture(autouse=True)
def no_local_store(tmp_path, monkeypatch):
    """Only the embedded haloes exist."""
    monkeypatch.setenv(store.DATA_DIR_VARIABLE, str(tmp_path / "nothing"))


@pytest.fixture
def forbid_simulation(monkeypatch):
    def simulate(rows, seed):
        pytest.fail(f"simulated {[row['sim_id'] for row in rows]}")

    monkeypatch.setattr(library, "simulate_rows", simulate)


def numbers(batches):
    return [batch["sim_id"].tolist() for batch in batches]


def test_a_halo_of_the_package_is_read(forbid_simulation):
    halo = mw.load_halo(7)
    assert halo.source == "store"
    assert halo.positions.shape == halo.velocities.shape == (schema.N_STARS, 3)
    assert halo.positions.dtype == halo.velocities.dtype == np.float32
    halo.positions[0] = 0  # the caller owns the arrays
    assert (mw.load_halo(7).positions[0] != 0).any()


def test_the_parameters_of_a_stored_halo_need_no_catalogue(forbid_simulation, monkeypatch):
    expected = library.get_parameters(library.Chunk((7,)), "gaussian", None)
    monkeypatch.setattr(library, "_load_drawn", lambda *_: pytest.fail("read the catalogue"))
    assert mw.load_halo(7).parameters == expected


def test_a_regenerated_halo_is_the_same():
    pairs = [(mw.load_halo(i), mw.load_halo(i, source="simulation")) for i in range(0, 32, 4)]
    assert {(a.source, b.source) for a, b in pairs} == {("store", "simulation")}
    assert compare_haloes(*zip(*pairs, strict=True)).problems == []


@pytest.mark.parametrize("config", list(release.CATALOGUE_SEEDS))
def test_a_halo_without_a_file_is_simulated_and_agrees_with_its_row(config):
    sim_id = release.get_entry(config)["rows"] - 1
    halo = mw.load_halo(sim_id, config=config)
    assert halo.source == "simulation"
    row = mw.load_catalogue(config=config).iloc[sim_id]
    reflex = mw.fit_reflex(halo.positions, halo.velocities)
    vector = row[["vx_travel", "vy_travel", "vz_travel"]].to_numpy(float)
    assert reflex.vector == pytest.approx(vector, abs=0.5)
    assert reflex.n_stars == pytest.approx(row["n_stars_fit"], abs=2)


def test_other_sets_do_not_take_the_gaussian_haloes():
    assert mw.load_halo(3, config="flat").source == "simulation"
    assert (mw.load_halo(3, config="flat").positions != mw.load_halo(3).positions).any()


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((128_000,), ValueError, "sim_id = 128000: allowed is a whole number from 0 to 127999"),
        ((-1,), ValueError, "sim_id = -1"),
        ((1.5,), ValueError, r"sim_id = 1\.5: allowed is a whole number from 0 to 127999"),
        ((True,), ValueError, "sim_id = True: allowed is a whole number"),
        ((3, "disk"), ValueError, r"'disk'.*allowed is 'auto', 'store', 'simulation'"),
        ((3, "auto", "gauss"), ValueError, r"'gauss'.*allowed is 'flat', 'gaussian', 'wide'"),
        ((3, "auto", "gaussian", "0.9"), ValueError, r"version = '0\.9'"),
        ((99, "store"), LookupError, r"looked in .*mini.*sim_id 99. `mwlmc fetch haloes"),
    ],
)
def test_an_unavailable_halo(arguments, error, match):
    with pytest.raises(error, match=match):
        mw.load_halo(*arguments)


def test_the_local_store_comes_first(tmp_path, monkeypatch, forbid_simulation):
    """A damaged file in the local store shows which of the two was read."""
    monkeypatch.setenv(store.DATA_DIR_VARIABLE, str(tmp_path))
    mine = copy_of_mini(tmp_path / release.DATA_VERSION)
    (entry,) = mine.manifest.select("haloes", "test")
    assert mw.load_halo(5).source == "store"
    path = mine.path(entry)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    library._decode.cache_clear()
    with pytest.raises(DamagedFileError, match=str(path)):
        mw.load_halo(5)
    path.unlink()
    assert mw.load_halo(5).source == "store"  # that of the package


def test_haloes_of_another_simulator_version_are_not_simulated(monkeypatch):
    from mwlmc_data import simulator

    made_with = re.escape(release.get_entry("gaussian")["simulator_version"])
    monkeypatch.setattr(simulator, "SIMULATOR_VERSION", "2.0.0")
    assert mw.load_halo(1).source == "store"
    with pytest.raises(library.MissingHaloError, match=rf"made with simulator {made_with} and this is 2\.0\.0"):
        mw.load_halo(1, source="simulation")


def test_a_retracted_version_warns_and_names_the_erratum(tmp_path, monkeypatch):
    registry = json.loads((release.DATA_DIR / "registry.json").read_text())
    erratum = "erratum 1: the apex had its sign turned"
    registry["versions"][release.DATA_VERSION]["retracted"] = erratum
    (tmp_path / "registry.json").write_text(json.dumps(registry))
    for entry in registry["versions"][release.DATA_VERSION]["files"].values():
        (tmp_path / entry["file"]).symlink_to(release.DATA_DIR / entry["file"])
    with pytest.warns(release.RetractedVersionWarning, match=erratum):
        release.verify_embedded("flat", directory=tmp_path)
    monkeypatch.setattr(release, "DATA_DIR", tmp_path)
    with pytest.warns(release.RetractedVersionWarning, match=f"{release.DATA_VERSION} was retracted: {erratum}"):
        mw.load_halo(3)
    with pytest.warns(release.RetractedVersionWarning, match=erratum):
        mw.load_catalogue("test", config="flat")


def test_batches_come_in_the_order_asked_for(forbid_simulation):
    wanted = [31, 0, 15, 16, 2, 1, 0]
    batches = mw.load_haloes(wanted, columns=["m_lmc", "n_stars_fit"], batch_size=3)
    assert numbers(batches) == [[31, 0, 15], [16, 2, 1], [0]]
    assert len(batches) == 3
    assert repr(batches).startswith("<7 haloes of the gaussian set in order, in 3 batches of 3: sim_id")
    table = mw.load_catalogue()
    for batch in batches:
        assert set(batch) == {"sim_id", "positions", "velocities", "m_lmc", "n_stars_fit"}
        assert batch["m_lmc"].tolist() == table["m_lmc"][batch["sim_id"]].tolist()
        assert batch["n_stars_fit"].dtype == np.int32
        for i, sim_id in enumerate(batch["sim_id"]):
            assert np.array_equal(batch["positions"][i], mw.load_halo(int(sim_id)).positions)
            assert np.array_equal(batch["velocities"][i], mw.load_halo(int(sim_id)).velocities)


def test_haloes_without_a_file_are_simulated_in_their_place():
    batches = mw.load_haloes([40, 3, 39, 38], batch_size=4, workers=0)
    (batch,) = batches
    assert batch["sim_id"].tolist() == [40, 3, 39, 38]
    assert np.array_equal(batch["positions"][1], mw.load_halo(3).positions)
    assert np.array_equal(batch["positions"][3], mw.load_halo(38).positions)


def test_processes_that_simulate_change_nothing():
    wanted = range(28, 64)
    alone = mw.load_haloes(wanted, streaming=False, workers=0)
    several = mw.load_haloes(wanted, streaming=False, workers=2)
    assert all(np.array_equal(alone[name], several[name]) for name in alone)


@settings(max_examples=40)
@given(
    wanted=st.lists(st.integers(0, 31), max_size=60),
    batch_size=st.integers(1, 40),
    shuffle=st.none() | st.integers(0, 5),
)
def test_every_halo_comes_as_often_as_requested(wanted, batch_size, shuffle):
    batches = mw.load_haloes(wanted, batch_size=batch_size, shuffle=shuffle)
    got = numbers(batches)
    assert all(len(ids) == batch_size for ids in got[:-1])
    assert len(got) == len(batches)
    flat = list(itertools.chain.from_iterable(got))
    assert sorted(flat) == sorted(wanted) if shuffle is not None else flat == wanted


def test_shuffling_differs_by_pass_and_not_by_run():
    def passes(seed):
        batches = mw.load_haloes(range(32), shuffle=seed)
        return [numbers(batches)[0] for _ in range(3)]

    first, again, other = passes(1), passes(1), passes(2)
    assert first == again
    assert len({tuple(order) for order in (*first, *other)}) == 6


def test_splits_follow_each_other():
    assert mw.load_haloes(range(32), split="validation", streaming=False)["sim_id"].tolist() == list(range(10, 20))
    whole = mw.load_haloes(config="flat")
    ids = whole.sim_ids
    assert len(ids) == 4096
    assert ids[:3].tolist() == [20, 21, 22]
    assert schema.split_of(ids[-1]) == "test"


def test_no_haloes_are_no_batches():
    assert numbers(mw.load_haloes([])) == []
    assert mw.load_haloes([], streaming=False, columns=["m_lmc"])["positions"].shape == (0, schema.N_STARS, 3)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"format": "pandas"}, r"'pandas': allowed is 'numpy', 'datasets', 'torch'"),
        ({"batch_size": 0}, "batch_size = 0: allowed is a whole number from 1 up"),
        ({"workers": -1}, "workers = -1: allowed"),
        ({"shuffle": -1}, "shuffle = -1: allowed"),
        ({"shuffle": 1, "batch_size": 2.5}, r"batch_size = 2\.5"),
        ({"shuffle": True}, "shuffle = True: allowed"),
        ({"shuffle": 1.5}, r"shuffle = 1\.5: allowed"),
        ({"workers": True}, "workers = True: allowed"),
        ({"split": "dev"}, r"'dev': allowed is 'train', 'validation', 'test'"),
        ({"columns": "m_lmc"}, r"columns = 'm_lmc': allowed is a sequence of names, such as \['m_lmc'\]"),
        ({"columns": ["mass"]}, "'mass'"),
        ({"columns": ["split"]}, "numeric"),
        ({"columns": ["m_lmc", "m_lmc"]}, "each once"),
        ({"sim_ids": [0, 128_000]}, r"sim_ids\[1\] = 128000: allowed is whole numbers from 0 to 127999"),
        ({"sim_ids": [0, -3]}, r"sim_ids\[1\] = -3: allowed"),
        ({"sim_ids": [0.5]}, r"sim_ids\[0\] = 0\.5: allowed"),
        ({"sim_ids": [True, False]}, r"sim_ids\[0\] = True"),
        ({"sim_ids": ["7"]}, r"sim_ids\[0\] = '7'"),
        ({"sim_ids": 7}, r"sim_ids = a number: allowed is the shape \(n,\)"),
        ({"sim_ids": [[1, 2]]}, r"sim_ids = an array of shape \(1, 2\)"),
        ({"sim_ids": np.ma.masked_array([8, 2], [True, False])}, "sim_ids = 1 masked or missing value of 2"),
        ({"sim_ids": pd.Series([8, None], dtype="Int64")}, "sim_ids = 1 masked or missing value of 2"),
        ({"sim_ids": np.array([1, 2]) * u.kpc}, "sim_ids = numbers in kpc: allowed is a pure number"),
        ({"source": "web"}, "'web'"),
    ],
)
def test_bad_arguments_are_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        mw.load_haloes(**arguments)


@pytest.mark.parametrize(
    "ids", [range(3), (i for i in range(3)), np.arange(3, dtype=np.uint8), pd.Index([0, 1, 2]), np.arange(3.0)]
)
def test_ids_come_in_many_forms(ids):
    assert mw.load_haloes(ids, columns=["m_lmc"], progress=False).sim_ids.tolist() == [0, 1, 2]


def test_missing_files_are_reported_before_the_first_batch():
    with pytest.raises(LookupError, match=r"1 of 2 haloes.*sim_id 32"):
        mw.load_haloes([0, 32], source="store")


def test_a_progress_bar_only_when_wanted(capsys):
    list(mw.load_haloes(range(4)))
    assert capsys.readouterr().err == ""
    list(mw.load_haloes(range(4), progress=True))
    assert "4/4" in capsys.readouterr().err


def test_as_a_stream_of_datasets(forbid_simulation):
    stream = mw.load_haloes(range(8, 24), format="datasets", columns=["v_travel"])
    rows = list(stream.with_format("numpy"))
    assert [int(row["sim_id"]) for row in rows] == list(range(8, 24))
    assert rows[3]["positions"].dtype == np.float32
    assert np.array_equal(rows[3]["positions"], mw.load_halo(11).positions)
    assert rows[3]["v_travel"] == mw.load_catalogue()["v_travel"][11]
    assert stream.features["velocities"].shape == (schema.N_STARS, 3)
    shuffled = [int(row["sim_id"]) for row in stream.shuffle(seed=1, buffer_size=16).with_format("numpy")]
    assert sorted(shuffled) == list(range(8, 24)) != shuffled


def test_passes_of_a_stream_of_datasets_are_equal_unless_it_shuffles_itself(forbid_simulation):
    stream = mw.load_haloes(range(32), format="datasets", shuffle=3)
    passes = [[row["sim_id"] for row in stream] for _ in range(2)]
    assert passes[0] == passes[1] != list(range(32))
    again = stream.shuffle(seed=1, buffer_size=8)
    first = [row["sim_id"] for row in again]
    again.set_epoch(1)
    assert sorted(first) == list(range(32)) and [row["sim_id"] for row in again] != first


def test_a_stream_of_datasets_is_shared_by_workers_that_simulate():
    data = pytest.importorskip("torch.utils.data")
    # Stored haloes alternate with others: each is a window, and one of the two workers gets all that must be simulated.
    wanted = [32, 0, 33, 1, 34, 2, 35, 3]
    stream = mw.load_haloes(wanted, format="datasets").with_format("torch")
    loader = data.DataLoader(stream, batch_size=None, num_workers=2, multiprocessing_context="spawn")
    rows = {int(row["sim_id"]): row["positions"].numpy() for row in loader}
    assert sorted(rows) == sorted(wanted)
    for sim_id in (3, 34):
        assert np.array_equal(rows[sim_id], mw.load_halo(sim_id).positions)


#: Stored haloes whose row group changes from one to the next, so that each is a shard of a stream by itself.
SCATTERED = [sim_id for trio in zip(range(10), range(10, 20), range(20, 30), strict=True) for sim_id in trio]


def passed(stream, workers):
    """The sim_id of the haloes that a DataLoader gets from a stream."""
    data = pytest.importorskip("torch.utils.data")
    context = "spawn" if workers else None
    # without the stars, which take longest to pass between processes
    stream = stream.remove_columns(["positions", "velocities"]).with_format("torch")
    loader = data.DataLoader(stream, batch_size=None, num_workers=workers, multiprocessing_context=context)
    return [int(row["sim_id"]) for row in loader]


@pytest.mark.parametrize("workers", [0, 2])
def test_streams_of_datasets_are_divided_cleanly_by_split_and_by_sim_ids(workers, forbid_simulation):
    held_out = mw.load_haloes(SCATTERED, format="datasets", split="test")
    rest = mw.load_haloes([i for i in SCATTERED if i >= 10], format="datasets")
    assert sorted(passed(held_out, workers)) == list(range(10))
    assert sorted(passed(rest, workers)) == list(range(10, 30))


def test_take_and_skip_divide_a_stream_by_the_workers_of_the_loader(forbid_simulation):
    """Why the documentation says to divide by split or sim_ids: datasets takes and skips within each worker's share."""
    stream = mw.load_haloes([*range(10), *SCATTERED[1:3]], format="datasets")
    held_out = passed(stream.take(8), workers=0)
    assert held_out == list(range(8))
    assert sorted(passed(stream.skip(8), workers=0)) == [8, 9, 10, 20]
    # each of two workers skips four of its own: half of those held out come back, and 10 is lost
    assert sorted(passed(stream.skip(8), workers=2)) == [4, 5, 6, 7, 8, 9, 20]


def test_as_a_dataset_in_memory():
    dataset = mw.load_haloes(range(5), streaming=False, format="datasets", columns=["m_lmc"]).with_format("numpy")
    assert dataset.num_rows == 5
    assert np.array_equal(dataset[4]["velocities"], mw.load_halo(4).velocities)
    assert dataset[4]["m_lmc"] == mw.load_catalogue()["m_lmc"][4]


@pytest.mark.parametrize("workers", [None, 2])
def test_as_a_torch_loader(workers):
    torch = pytest.importorskip("torch")
    loader = mw.load_haloes(range(40), format="torch", columns=["m_lmc"], batch_size=8, shuffle=0, workers=workers)
    passes = [list(loader) for _ in range(2)]
    for batches in passes:
        assert sorted(torch.cat([batch["sim_id"] for batch in batches]).tolist()) == list(range(40))
    orders = [torch.cat([batch["sim_id"] for batch in batches]).tolist() for batches in passes]
    assert orders[0] != orders[1]
    batch = passes[0][0]
    assert batch["positions"].shape == (8, schema.N_STARS, 3)
    assert batch["positions"].dtype == batch["m_lmc"].dtype == torch.float32
    for i, sim_id in enumerate(batch["sim_id"].tolist()):
        assert np.array_equal(batch["positions"][i].numpy(), mw.load_halo(sim_id).positions)


def test_all_at_once_as_tensors():
    torch = pytest.importorskip("torch")
    whole = mw.load_haloes(range(6), streaming=False, format="torch")
    assert whole["velocities"].shape == (6, schema.N_STARS, 3)
    whole["velocities"] += 1  # tensors may be written to
    assert torch.isfinite(whole["velocities"]).all()
    assert np.array_equal(mw.load_halo(5).velocities + np.float32(1), whole["velocities"][5].numpy())


def test_simulations_of_which_none_is_in_the_split_are_refused():
    assert mw.load_haloes([1, 2, 30], split="test", progress=False).sim_ids.tolist() == [1, 2]
    with pytest.raises(ValueError, match="sim_ids = 2 simulations, none of the split 'train': allowed are some of it"):
        mw.load_haloes([1, 2], split="train")
    with pytest.raises(ValueError, match="streaming = 'no': allowed is"):
        mw.load_haloes([1, 2], streaming="no")
    with pytest.raises(ValueError, match=r"split = 'Test': allowed is .*do you mean 'test'"):
        schema.count_ids("Test", 0, 1280)
