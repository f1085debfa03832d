"""The SLURM example: the script that it submits, and a complete run with stand-ins for `sbatch` and `scancel`."""

import os
import shlex
import stat
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from generation.examples import slurm
from tests.helpers.stand_in_simulator import wait_for

pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed: it comes with the extra 'test'")

# In place of SLURM: a job is a process group on this machine.
SBATCH = """\
#!/bin/bash
cp "$1" {folder}/job.sh
setsid bash {folder}/job.sh > {folder}/job.log 2>&1 &
echo $! >> {folder}/jobs
echo "Submitted batch job $!"
"""
SCANCEL = """\
#!/bin/bash
kill -- "-$1"
echo "$1" >> {folder}/cancelled
"""


@pytest.fixture
def slurm_stand_in(tmp_path, monkeypatch):
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        command = folder / name
        command.write_text(text.format(folder=shlex.quote(str(folder))))
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    yield folder
    for job in jobs_in(folder / "jobs"):
        subprocess.run(["kill", "-9", "--", f"-{job}"], stderr=subprocess.DEVNULL)


def jobs_in(path):
    return path.read_text().split() if path.exists() else []


def test_the_script_requests_the_resources_and_starts_one_worker_per_core(capsys, repository):
    words = ["--cores", "8", "--memory", "3", "--walltime", "02:30:00", "--queue", "short", "--account", "galaxy"]
    assert slurm.main([*words, "--directive=--exclusive", "--print-script"]) == 0
    lines = capsys.readouterr().out.splitlines()
    asked = {line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH ")}
    assert {"-p short", "-A galaxy", "-t 02:30:00", "-n 1", "--cpus-per-task=8", "--exclusive"} <= asked
    assert any(word.startswith("--mem=2") for word in asked), asked  # 24 GB, in GiB
    assert f"export PYTHONPATH={shlex.quote(str(repository))}" in lines
    assert "export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1" in lines
    command = shlex.split(next(line for line in reversed(lines) if line))
    assert command[0] == sys.executable
    assert command[command.index("--nthreads") + 1] == "1"
    assert command[command.index("--nworkers") + 1] == "8"


@pytest.mark.slow
def test_a_run_submits_jobs_makes_the_table_and_ends_the_jobs(tmp_path, slurm_stand_in, repository):
    example = [sys.executable, "-m", "generation.examples.slurm", "--jobs", "1", "--cores", "2"]
    words = [*example, "--", "--simulations", "6", "--shard-size", "2", "--out", str(tmp_path / "run")]
    done = subprocess.run(words, cwd=repository, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "6 simulations" in done.stdout
    assert pq.read_table(tmp_path / "run" / "gaussian.parquet")["sim_id"].to_pylist() == list(range(6))
    jobs = jobs_in(slurm_stand_in / "jobs")
    assert len(jobs) == 1
    assert jobs_in(slurm_stand_in / "cancelled") == jobs
    alive = ["pgrep", "-g", jobs[0]]
    wait_for(lambda: subprocess.run(alive, capture_output=True).returncode == 1, "the job has ended", seconds=30)
