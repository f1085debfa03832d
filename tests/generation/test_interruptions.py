"""A run that is killed or interrupted at any moment continues to the same bytes and leaves nothing in the way."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from mwlmc_data.storage import writing
from mwlmc_data.storage.writing import replace_file
from tests.helpers.stand_in_simulator import finished_shards, make, plan_for, rows_of, wait_for, wait_for_shards

DRIVER = """
import pathlib, sys
from tests.helpers.stand_in_simulator import StandInSimulator, make, plan_for

if __name__ == "__main__":
    out, calls = map(pathlib.Path, sys.argv[1:])
    make(plan_for(out, shard_size=4), StandInSimulator(calls, delay=0.3), workers=2)
"""


@pytest.fixture
def start(tmp_path, stand_in, repository):
    """Function that starts a slow run of two workers in its own process group."""
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER)
    started = []

    def start(out):
        process = subprocess.Popen(
            [sys.executable, str(driver), str(out), str(stand_in.calls)],
            cwd=repository,
            env=os.environ | {"PYTHONPATH": str(repository)},
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        # The group may outlive its first process, which some tests check.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_until_gone(group):
    def is_gone():
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        return False

    wait_for(is_gone, "the run's processes have all ended", seconds=20)


@pytest.mark.parametrize("whom", ["all its processes", "the first alone"])
def test_a_killed_run_continues_to_the_same_bytes(tmp_path, stand_in, whole, start, whom):
    out = tmp_path / "killed"
    process = start(out)
    wait_for_shards(out, process)
    if whom == "all its processes":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    wait_until_gone(process.pid)
    finished = finished_shards(out)
    assert 2 <= len(finished) < 13
    assert not (out / "gaussian.parquet").exists()
    stand_in.made()
    assert make(plan_for(out, shard_size=4), stand_in).read_bytes() == whole
    assert set(stand_in.made()) == set(range(50)) - rows_of(finished)


def test_ctrl_c_stops_soon_and_leaves_no_process(tmp_path, stand_in, whole, start):
    out = tmp_path / "interrupted"
    process = start(out)
    wait_for_shards(out, process)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=20) != 0
    wait_until_gone(process.pid)
    assert [path for path in out.rglob("*.tmp")] == []
    assert make(plan_for(out, shard_size=4), stand_in).read_bytes() == whole


def test_old_partial_files_of_a_killed_process_are_removed(tmp_path, stand_in, whole):
    plan = plan_for(tmp_path / "run")
    (plan.out / "shards").mkdir(parents=True)
    leftovers = [plan.out / "run.json.0a.tmp", plan.out / "shards" / "00001.parquet.0b.tmp"]
    fresh = plan.out / "shards" / "00002.parquet.0c.tmp"  # another process may still be writing it
    for path in (*leftovers, fresh):
        path.write_bytes(b"half")
    for path in leftovers:
        os.utime(path, (time.time() - 2 * writing.STALE,) * 2)
    assert make(plan, stand_in).read_bytes() == whole
    assert list(plan.out.rglob("*.tmp")) == [fresh]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")

    def fail(temporary):
        temporary.write_text("half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        replace_file(path, fail)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "before"


def test_two_writers_of_one_file_do_not_interfere(tmp_path):
    path, both = tmp_path / "file", threading.Barrier(2, timeout=20)

    def write(text):
        def slowly(temporary):
            temporary.write_text(text[:3])
            both.wait()  # now both are halfway
            temporary.write_text(text)
            both.wait()

        replace_file(path, slowly)

    other = threading.Thread(target=write, args=("second",))
    other.start()
    write("first")
    other.join()
    assert path.read_text() in ("first", "second")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_two_runs_in_one_folder_make_the_same_bytes(tmp_path, stand_in, whole, start):
    """This happens if a worker that was presumed dead still writes: shards are made twice at about the same time."""
    out = tmp_path / "run"
    runs = [start(out), start(out)]
    for run in runs:
        _, stderr = run.communicate(timeout=120)
        assert run.returncode == 0, stderr
        assert (out / "gaussian.parquet").read_bytes() == whole
    assert list(out.rglob("*.tmp")) == []
    stand_in.made()
    assert make(plan_for(out, shard_size=4), stand_in).read_bytes() == whole
    assert stand_in.made() == [], "a shard remains that does not agree with its hash"
