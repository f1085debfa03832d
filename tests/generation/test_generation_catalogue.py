"""Making the catalogue in processes: its bytes, its shards, its errors, and embedding it in the package."""

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest

import mwlmc_data
from generation.catalogue import SimulationFailedError, embed
from generation.plan import RunMismatchError
from mwlmc_data import Prior
from mwlmc_data.dataset import release, schema
from mwlmc_data.dataset.catalogue import load_catalogue
from tests.helpers.stand_in_simulator import make, plan_for


def test_the_file_holds_the_schema_the_draws_and_the_results(tmp_path, stand_in):
    table = pq.read_table(make(plan_for(tmp_path / "run"), stand_in))
    assert table.schema.names == list(schema.CATALOGUE_NAMES)
    frame = table.to_pandas()
    assert frame["sim_id"].tolist() == list(range(50))
    np.testing.assert_array_equal(frame["split"], schema.split_of(np.arange(50)))
    draws = Prior("gaussian").sample(50, seed=20250710)
    for name in schema.DRAWN:
        np.testing.assert_array_equal(frame[name], draws[name])
    expected = np.random.default_rng([20250710, 33]).normal(size=len(schema.COLUMNS)) * 100
    assert frame["v_travel"][33] == np.float32(expected[schema.CATALOGUE_NAMES.index("v_travel")])
    assert table.schema.field("m_lmc").metadata[b"unit"] == b"Msun"
    assert {k: table.schema.metadata[k] for k in (b"config", b"seed", b"simulator_version")} == {
        b"config": b"gaussian",
        b"seed": b"20250710",
        b"simulator_version": b"stand-in-1",
    }


def test_the_file_is_compressed_as_the_design_says(tmp_path, stand_in):
    metadata = pq.ParquetFile(make(plan_for(tmp_path / "run"), stand_in)).metadata
    for i, column in enumerate(schema.COLUMNS):
        chunk = metadata.row_group(0).column(i)
        assert chunk.compression == "ZSTD"
        if column.dtype == "float32":
            assert "BYTE_STREAM_SPLIT" in chunk.encodings
            assert not chunk.has_dictionary_page
        assert chunk.has_column_index
        assert chunk.has_offset_index


@pytest.mark.parametrize(("shard_size", "workers"), [(1, 1), (7, 1), (50, 1), (200, 1), (7, 2), (16, 3)])
def test_bytes_do_not_depend_on_shards_or_processes(tmp_path, stand_in, whole, shard_size, workers):
    plan = plan_for(tmp_path / "run", shard_size=shard_size)
    assert make(plan, stand_in, workers).read_bytes() == whole


def test_a_finished_run_simulates_nothing_again(tmp_path, stand_in, whole):
    plan = plan_for(tmp_path / "run")
    make(plan, stand_in)
    assert stand_in.made() == list(range(50))
    assert make(plan, stand_in).read_bytes() == whole
    assert stand_in.made() == []


def test_a_run_continues_where_it_stopped(tmp_path, stand_in, whole):
    plan = plan_for(tmp_path / "run")
    with pytest.raises(SimulationFailedError):
        make(plan, stand_in.but(fails_at=40))
    assert set(stand_in.made()) >= set(range(32))
    assert make(plan, stand_in).read_bytes() == whole
    assert stand_in.made() == list(range(32, 50)), "the two finished shards should stay"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_draw_is_named_with_its_values(tmp_path, stand_in, workers):
    with pytest.raises(SimulationFailedError) as caught:
        make(plan_for(tmp_path / "run"), stand_in.but(fails_at=21), workers)
    draw = Prior("gaussian").sample(1, seed=20250710, start=21)
    message = str(caught.value)
    assert "sim_id = 21 " in message
    for name in schema.DRAWN:
        assert re.search(rf"'{name}': {re.escape(repr(float(draw[name][0])))}\b", message), name
    assert not (tmp_path / "run" / "gaussian.parquet").exists()


def test_a_result_that_is_not_finite_is_an_error(tmp_path, stand_in):
    with pytest.raises(SimulationFailedError, match=r"v_travel.*'sim_id': .*5"):
        make(plan_for(tmp_path / "run"), stand_in.but(nan_at=5))


def damage_bytes(path):
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:500])


def remove_the_hash(path):
    path.with_name(path.name + ".sha256").unlink()


def remove(path):
    path.unlink()


def put_another_shard_there(path):
    """A valid shard with a valid hash, but another number of rows."""
    last = path.with_name("00003.parquet")
    for suffix in ("", ".sha256"):
        path.with_name(path.name + suffix).write_bytes(last.with_name(last.name + suffix).read_bytes())


@pytest.mark.parametrize("damage", [damage_bytes, truncate, remove_the_hash, remove, put_another_shard_there])
def test_a_damaged_shard_is_made_again(tmp_path, stand_in, whole, damage):
    plan = plan_for(tmp_path / "run")
    make(plan, stand_in)
    stand_in.made()
    damage(tmp_path / "run" / "shards" / "00001.parquet")
    assert make(plan, stand_in).read_bytes() == whole
    assert stand_in.made() == list(range(16, 32))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"config": "flat"}, r"config is 'gaussian' there and 'flat' now"),
        ({"seed": 5}, r"seed is '20250710' there and '5' now"),
        ({"shard_size": 8}, r"shard_size is 16 there and 8 now"),
        (
            {"simulator_version": "stand-in-2"},
            r"simulator_version is 'stand-in-1' there and 'stand-in-2' now",
        ),
    ],
)
def test_another_run_in_the_folder_is_an_error_that_names_the_difference(tmp_path, stand_in, changes, named):
    plan = plan_for(tmp_path / "run")
    make(plan, stand_in)
    with pytest.raises(RunMismatchError, match=named):
        make(plan_for(plan.out, **changes), stand_in)


def test_another_schema_is_named_by_its_columns(tmp_path, stand_in):
    plan = plan_for(tmp_path / "run")
    make(plan, stand_in)
    path = plan.out / "run.json"
    pins = json.loads(path.read_text())
    pins["schema"]["m_lmc"] = "float64 Msun"
    path.write_text(json.dumps(pins))
    with pytest.raises(RunMismatchError, match=r"schema is \{'m_lmc': 'float64 Msun'\} there") as caught:
        make(plan, stand_in)
    assert "m200_mw" not in str(caught.value)


def test_a_run_may_grow(tmp_path, stand_in, whole):
    make(plan_for(tmp_path / "run", simulations=32), stand_in)
    stand_in.made()
    assert make(plan_for(tmp_path / "run"), stand_in).read_bytes() == whole
    assert stand_in.made() == list(range(32, 50))


def test_the_simulator_version_must_be_that_of_the_run(tmp_path, stand_in):
    with pytest.raises(RuntimeError, match="stand-in-1"):
        make(plan_for(tmp_path / "run", simulator_version="another"), stand_in)


@pytest.mark.parametrize(
    "changes", [{"simulations": 0}, {"shard_size": 0}, {"seed": -1}, {"config": "narrow"}], ids=str
)
def test_bad_plans_are_refused(tmp_path, changes):
    with pytest.raises(ValueError, match=str(next(iter(changes.values())))):
        plan_for(tmp_path, **changes)


def test_zero_workers_are_refused(tmp_path, stand_in):
    with pytest.raises(ValueError, match="workers = 0"):
        make(plan_for(tmp_path / "run"), stand_in, workers=0)


def test_embedding_registers_what_the_package_then_loads(tmp_path, stand_in, monkeypatch):
    plan = plan_for(tmp_path / "run")
    made = make(plan, stand_in)
    monkeypatch.setattr(release, "DATA_DIR", tmp_path / "data")
    target = embed(plan)
    assert target.read_bytes() == made.read_bytes()
    assert release.get_entry("gaussian")["rows"] == 50
    assert release.get_entry("gaussian")["simulator_version"] == "stand-in-1"
    assert len(load_catalogue("test")) == 10


def test_fewer_simulations_than_there_are_replace_nothing(tmp_path, stand_in, monkeypatch):
    """A run with fewer would drop what was made, and a smaller set what tasks rely on."""
    plan = plan_for(tmp_path / "run")
    made = make(plan, stand_in)
    content = made.read_bytes()
    with pytest.raises(RunMismatchError, match="other shards"):
        make(plan_for(tmp_path / "run", simulations=plan.simulations - 3), stand_in)
    assert made.read_bytes() == content
    monkeypatch.setattr(release, "DATA_DIR", tmp_path / "data")
    embed(plan)
    smaller = plan_for(tmp_path / "other", simulations=plan.simulations - 3)
    make(smaller, stand_in)
    with pytest.raises(ValueError, match=f"allowed are {plan.simulations} or more"):
        embed(smaller)


def test_only_the_seed_of_the_release_is_embedded(tmp_path, stand_in):
    plan = plan_for(tmp_path / "run", seed=4)
    make(plan, stand_in)
    with pytest.raises(ValueError, match="20250710"):
        embed(plan, tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("config", "simulations"), [("gaussian", 128_000), ("flat", 4_096)])
def test_the_simulator_takes_the_most_extreme_draws_of_the_release(config, simulations):
    draws = Prior(config).sample(simulations, seed=release.CATALOGUE_SEEDS[config]).astype(float)
    draws["compactness"] = draws["m_lmc_8p7"] / draws["m_lmc"]
    extreme = sorted({f(draws[name]) for name in draws for f in (np.argmin, np.argmax)})
    for row in draws.iloc[extreme].drop(columns="compactness").to_dict("records"):
        parameters = mwlmc_data.Parameters.from_row(row)
        assert parameters.c200 > 0
        assert parameters.a_lmc > 0
