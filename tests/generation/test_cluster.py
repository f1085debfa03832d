"""The catalogue made on a Dask cluster: a real scheduler, real workers, and their deaths."""

import contextlib
import os
import subprocess
import sys

import numpy as np
import pytest

from generation import catalogue, cluster, shards
from generation.catalogue import SimulationFailedError
from generation.cluster import ClusterLostError, ClusterSetupError
from tests.helpers.stand_in_simulator import finished_shards, make, plan_for, rows_of, wait_for_shards

pytest.importorskip("distributed", reason="distributed is not installed: it comes with the extra 'generation'")

DRIVER = """
import pathlib, sys
from tests.helpers.stand_in_simulator import StandInSimulator, make, plan_for

out, calls = map(pathlib.Path, sys.argv[1:3])
make(plan_for(out, shard_size=4), StandInSimulator(calls, delay=float(sys.argv[4])), scheduler=sys.argv[3])
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory, repository):
    from tests.helpers.dask_cluster import DaskCluster

    started = DaskCluster(tmp_path_factory.mktemp("dask"), repository)
    yield started
    started.stop()


@pytest.fixture
def dask(running):
    """A cluster with two workers that nothing restarts."""
    alive = [p for p in running.processes[1:] if p.poll() is None]
    running.workers = alive + [running.add_worker() for _ in range(2 - len(alive))]
    running.wait_for_workers(2)
    running.wait_until_idle()
    return running


@pytest.fixture
def start_client(tmp_path, stand_in, repository):
    """Function that starts a slow run on a cluster, in a separate process."""
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER)
    started = []

    def start(out, address, delay=0.3):
        process = subprocess.Popen(
            [sys.executable, str(driver), str(out), str(stand_in.calls), address, str(delay)],
            cwd=repository,
            env=os.environ | {"PYTHONPATH": str(repository)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("shard_size", "window"), [(4, 3), (7, 1000), (200, 1000)])
def test_the_bytes_equal_those_of_one_process(tmp_path, stand_in, whole, dask, shard_size, window, monkeypatch):
    monkeypatch.setattr(cluster, "WINDOW", window)
    plan = plan_for(tmp_path / "run", shard_size=shard_size)
    assert make(plan, stand_in, scheduler=dask.address).read_bytes() == whole
    assert stand_in.made() == list(range(50))


def test_the_folder_may_be_a_relative_path(tmp_path, stand_in, whole, dask, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = plan_for(type(tmp_path)("run"))
    assert make(plan, stand_in, scheduler=dask.address).read_bytes() == whole


def test_a_run_of_processes_continues_on_a_cluster(tmp_path, stand_in, whole, dask):
    plan = plan_for(tmp_path / "run")
    with pytest.raises(SimulationFailedError):
        make(plan, stand_in.but(fails_at=40))
    stand_in.made()
    assert make(plan, stand_in, scheduler=dask.address).read_bytes() == whole
    assert stand_in.made() == list(range(32, 50))


def test_the_bar_moves_shard_by_shard(tmp_path, stand_in, dask, capsys):
    catalogue.make_catalogue(plan_for(tmp_path / "run"), stand_in, scheduler=dask.address)
    assert "50/50" in capsys.readouterr().err


def test_a_dying_worker_costs_only_its_shard(tmp_path, stand_in, whole, dask, start_client):
    out = tmp_path / "run"
    client = start_client(out, dask.address)
    wait_for_shards(out, client)
    dask.workers[0].kill()
    _, stderr = client.communicate(timeout=60)
    assert client.returncode == 0, stderr
    assert (out / "gaussian.parquet").read_bytes() == whole
    twice = [i for i, n in enumerate(np.bincount(stand_in.made())) if n > 1]
    assert len({i // 4 for i in twice}) <= 1, "more than the shard in progress was repeated"


def test_a_killed_client_continues(tmp_path, stand_in, whole, dask, start_client):
    out = tmp_path / "run"
    client = start_client(out, dask.address)
    wait_for_shards(out, client)
    client.kill()
    client.wait()
    dask.wait_until_idle()
    finished = finished_shards(out)
    assert 2 <= len(finished) < 13, "the workers continued without the client"
    stand_in.made()
    assert make(plan_for(out, shard_size=4), stand_in, scheduler=dask.address).read_bytes() == whole
    assert set(stand_in.made()) == set(range(50)) - rows_of(finished)


def test_a_dying_scheduler_is_an_error_and_the_run_continues_elsewhere(
    tmp_path, stand_in, whole, dask, start_cluster, start_client
):
    out = tmp_path / "run"
    doomed = start_cluster()
    doomed.add_worker()
    client = start_client(out, doomed.address)
    wait_for_shards(out, client, at_least=1)
    doomed.scheduler.kill()
    _, stderr = client.communicate(timeout=60)
    assert client.returncode != 0
    assert stderr.strip().splitlines()[-1].startswith("generation.cluster.ClusterLostError: the scheduler was lost")
    assert make(plan_for(out, shard_size=4), stand_in, scheduler=dask.address).read_bytes() == whole


def test_a_shard_that_kills_its_workers_ends_the_run(tmp_path, stand_in, start_cluster):
    dask = start_cluster(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
    dask.add_worker()
    # The scheduler also suspects the next shard, which waited at the same worker.
    with pytest.raises(ClusterLostError, match=r"shard-0000[23]-\w+.*died.*Finished shards are kept"):
        make(plan_for(tmp_path / "run"), stand_in.but(dies_at=40), scheduler=dask.address)
    assert finished_shards(tmp_path / "run") == [0, 1]


def test_a_failing_draw_is_named_and_not_tried_again(tmp_path, stand_in, dask):
    failing = stand_in.but(fails_at=21)
    messages = []
    for name, options in (("local", {}), ("cluster", {"scheduler": dask.address})):
        with pytest.raises(SimulationFailedError, match=r"sim_id = 21 cannot be simulated") as caught:
            make(plan_for(tmp_path / name), failing, **options)
        messages.append(str(caught.value))
        dask.wait_until_idle()
        assert stand_in.made().count(21) == 1
    assert messages[0] == messages[1]


def test_a_worker_that_cannot_write_says_so(tmp_path, stand_in, dask):
    with pytest.raises(OSError, match="no space left on device"):
        make(plan_for(tmp_path / "run"), stand_in.but(full_at=21), scheduler=dask.address)


def test_a_worker_with_another_version_is_refused(tmp_path, stand_in, dask, monkeypatch):
    monkeypatch.setattr(cluster, "get_versions", lambda: {"simulator": "of tomorrow"})
    with pytest.raises(ClusterSetupError, match=r"^worker tcp://127.*: simulator is '.*' there and 'of tomorrow' here"):
        make(plan_for(tmp_path / "run"), stand_in, scheduler=dask.address)
    assert stand_in.made() == []


def seen_elsewhere(mark, digest, versions):
    return Expected(mark.with_name("elsewhere.json"), digest, versions)


def seen_otherwise(mark, digest, versions):
    return Expected(mark, "of another file", versions)


Expected = cluster.Expected


@pytest.mark.parametrize("asked", ["at the start", "at each shard"])
@pytest.mark.parametrize(
    ("seen", "named"), [(seen_elsewhere, "No such file.*elsewhere.json"), (seen_otherwise, "run.json is another file")]
)
def test_a_worker_that_does_not_share_the_folder_is_refused(tmp_path, stand_in, dask, monkeypatch, seen, named, asked):
    monkeypatch.setattr(cluster, "Expected", seen)
    if asked == "at each shard":
        monkeypatch.setattr(cluster, "_check", lambda *arguments: None)
    with pytest.raises(ClusterSetupError, match=rf"^worker tcp://127.*{named}.* all machines share"):
        make(plan_for(tmp_path / "run"), stand_in, scheduler=dask.address)
    assert stand_in.made() == []


@pytest.mark.parametrize("asked", ["at the start", "at each shard"])
def test_a_worker_without_the_program_is_refused(tmp_path, stand_in, start_cluster, monkeypatch, asked):
    # An editable installation is found from everywhere, so another module in the worker's folder hides it.
    (tmp_path / "generation.py").write_text("raise ModuleNotFoundError(\"No module named 'generation'\")\n")
    dask = start_cluster()
    dask.add_worker(cwd=tmp_path)
    dask.wait_for_workers(1)
    if asked == "at each shard":
        monkeypatch.setattr(cluster, "_check", lambda *arguments: None)
    with pytest.raises(ClusterSetupError, match=r"worker.* cannot load the program: .*No module named.*checkout"):
        make(plan_for(tmp_path / "run"), stand_in, scheduler=dask.address)


def test_a_run_waits_for_its_first_worker(tmp_path, stand_in, whole, start_cluster, start_client):
    dask = start_cluster()
    client = start_client(tmp_path / "run", dask.address, delay=0)
    assert client.stderr.readline() == f"the scheduler {dask.address} has no worker yet: waiting for the first\n"
    dask.add_worker()
    _, stderr = client.communicate(timeout=60)
    assert client.returncode == 0, stderr
    assert (tmp_path / "run" / "gaussian.parquet").read_bytes() == whole


@contextlib.contextmanager
def elsewhere(scheduler, mark, timeout):
    """A cluster whose results never arrive."""
    yield lambda make_shard, arguments, shards, progress: None


def test_shards_that_never_arrive_are_an_error(tmp_path, stand_in, monkeypatch):
    monkeypatch.setattr(shards, "open_cluster", elsewhere)
    monkeypatch.setattr(shards, "PATIENCE", 0.5)
    with pytest.raises(ClusterLostError, match=r"made 4 shards, the first of them .*00000.parquet, .* not visible"):
        make(plan_for(tmp_path / "run"), stand_in, scheduler="tcp://127.0.0.1:1")


def test_a_finished_run_needs_no_cluster(tmp_path, stand_in, whole):
    plan = plan_for(tmp_path / "run")
    make(plan, stand_in)
    assert make(plan, stand_in, scheduler="tcp://127.0.0.1:1").read_bytes() == whole
