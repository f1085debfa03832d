"""`python -m generation catalogue --scheduler ADDRESS`: its errors, and a run with the real simulator."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from generation import __main__ as program
from tests.helpers.stand_in_simulator import finished_shards, wait_for, wait_for_shards

pytest.importorskip("distributed", reason="distributed is not installed: it comes with the extra 'generation'")


def words(out, *more):
    return [str(word) for word in ("catalogue", "--simulations", 4, "--out", out, *more)]


def the_one_line(capsys):
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1, error
    return error


@pytest.fixture
def nobody():
    """An address of this machine at which nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"tcp://127.0.0.1:{port}"


def test_without_a_scheduler_it_ends_with_one_line_and_status_2(tmp_path, capsys, nobody):
    more = ["--scheduler", nobody, "--scheduler-timeout", 0.5]
    assert program.main(words(tmp_path / "run", *more)) == 2
    assert the_one_line(capsys) == f"error: no Dask scheduler answers at {nobody} within 0.5 s"


def test_a_server_that_is_not_a_scheduler_ends_with_one_line_and_status_2(tmp_path, capsys):
    """It accepts the connection and answers nothing that Dask understands."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert program.main(words(tmp_path / "run", "--scheduler", address, "--scheduler-timeout", 0.5)) == 2
    assert the_one_line(capsys) == f"error: no Dask scheduler answers at {address} within 0.5 s"


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--scheduler", "ftp://127.0.0.1:1"], "ftp://127.0.0.1:1 cannot be used"),
        (["--scheduler", "node7"], "node7 cannot be used: missing port number"),
        (["--scheduler", "tcp://127.0.0.1:1", "--scheduler-timeout", 0], r"timeout = 0.0: allowed is more than 0 s"),
    ],
)
def test_bad_addresses_end_with_one_line_and_status_2(tmp_path, capsys, more, named):
    assert program.main(words(tmp_path / "run", *more)) == 2
    assert named in the_one_line(capsys)


def test_without_the_library_the_error_names_the_extra(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert program.main(words(tmp_path / "run", "--scheduler", "tcp://127.0.0.1:1")) == 2
    assert 'pip install "mwlmc-data[generation]"' in the_one_line(capsys)


def test_processes_and_a_cluster_exclude_each_other(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        program.main(words(tmp_path / "run", "--workers", 2, "--scheduler", "tcp://127.0.0.1:1"))
    assert ended.value.code == 2
    assert "not allowed with argument --workers" in capsys.readouterr().err


@pytest.mark.slow
def test_the_program_survives_ctrl_c_and_the_death_of_a_worker(tmp_path, start_cluster, repository):
    """With the real simulator: interrupted, then continued while a worker is killed, it makes the one file."""
    command = [sys.executable, "-m", "generation", "catalogue", "--simulations", "64", "--shard-size", "4", "--out"]
    dask = start_cluster()
    for _ in range(2):
        dask.add_worker(nanny=True)
    dask.wait_for_workers(2)
    out = tmp_path / "cluster"

    def start():
        words = [*command, str(out), "--scheduler", dask.address]
        return subprocess.Popen(words, cwd=repository, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    first = start()
    wait_for_shards(out, first, at_least=1)
    first.send_signal(signal.SIGINT)
    _, stderr = first.communicate(timeout=30)
    assert first.returncode == 130, stderr
    assert stderr.strip().splitlines()[-1].startswith("interrupted: finished shards are kept")
    dask.wait_until_idle()
    kept = finished_shards(out)
    assert 1 <= len(kept) < 16
    second = start()
    wait_for_shards(out, second, at_least=len(kept) + 1)
    victim, *_ = dask.wait_for_workers(2)
    os.kill(victim, signal.SIGKILL)
    stdout, stderr = second.communicate(timeout=120)
    assert second.returncode == 0, stderr
    assert "64 simulations" in stdout
    assert "64/64" in stderr

    alone = subprocess.run([*command, str(tmp_path / "alone"), "--workers", "1"], cwd=repository, capture_output=True)
    assert alone.returncode == 0, alone.stderr
    assert (out / "gaussian.parquet").read_bytes() == (tmp_path / "alone" / "gaussian.parquet").read_bytes()
    wait_for(lambda: victim not in dask.wait_for_workers(2), "the killed worker was started afresh")
