"""Defaults of the functions that make shards, minimum values of a plan, and how a worker counts and stops."""

import inspect
import multiprocessing

import pytest

from generation import catalogue, cluster, haloes, pool, shards
from generation.haloes import HaloPlan
from generation.plan import Plan
from generation.pool import ShardsStoppedError
from mwlmc_data.simulator import SIMULATOR_VERSION

MACHINES = {"workers": 1, "progress": True, "scheduler": None, "timeout": 30.0}


def defaults_of(function):
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


@pytest.mark.parametrize("function", [catalogue.make_catalogue, haloes.make_haloes, shards.make_shards])
def test_defaults_of_the_functions_that_make_shards(function):
    assert defaults_of(function) == MACHINES


def test_fixed_numbers():
    assert (cluster.WINDOW, cluster.FETCH_SECONDS) == (1000, 5.0)
    assert (catalogue.SLICE, shards.PATIENCE) == (16, 120.0)
    assert defaults_of(cluster.open_cluster) == {"timeout": 30.0}


def plan(tmp_path, **changes):
    settings = {"config": "gaussian", "simulations": 10, "seed": 1, "shard_size": 4, "simulator_version": "1"}
    return Plan(out=tmp_path, **(settings | changes))


@pytest.mark.parametrize(("name", "least"), [("simulations", 1), ("shard_size", 1), ("seed", 0)])
def test_minimum_values_of_a_plan(tmp_path, name, least):
    assert getattr(plan(tmp_path, **{name: least}), name) == least
    with pytest.raises(ValueError, match=name):
        plan(tmp_path, **{name: least - 1})


def test_a_shard_of_haloes_holds_one_or_more(tmp_path):
    plan = HaloPlan(tmp_path, "gaussian", range(8, 22), 1, SIMULATOR_VERSION)
    assert plan.n_shards == 14 and all(len(plan.rows(i)) == 1 for i in range(14))


@pytest.mark.parametrize(
    ("simulations", "size", "rows"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 4, [3]), (2, 1, [1, 1])]
)
def test_shards_divide_the_simulations(tmp_path, simulations, size, rows):
    made = plan(tmp_path, simulations=simulations, shard_size=size)
    assert made.n_shards == len(rows)
    assert [len(made.rows(i)) for i in range(len(rows))] == rows
    assert [i for shard in range(len(rows)) for i in made.rows(shard)] == list(range(simulations))
    assert made.shard_path(2).name == "00002.parquet" and made.hash_path(12).name == "00012.parquet.sha256"


def test_a_worker_counts_its_simulations_and_stops_on_request():
    context = multiprocessing.get_context("spawn")
    made, stop, seen = context.Value("q", 0), context.Event(), []

    def make_shard(first, shard, advance):
        seen.append((first, shard))
        advance(3)
        advance(2)

    pool._start_worker(make_shard, ("plan",), made, stop)
    pool._work(7)
    assert seen == [("plan", 7)] and made.value == 5
    stop.set()
    with pytest.raises(ShardsStoppedError):
        pool._work(8)
    assert seen == [("plan", 7), ("plan", 8)] and made.value == 8
