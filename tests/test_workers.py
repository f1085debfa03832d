"""Processes that share work, in every kind of program: all kinds of scripts, and workers of other libraries."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest

import mwlmc_data as mw
from mwlmc_data import workers

#: A module that the programs below import.
JOB = """
import os

import mwlmc_data as mw
from mwlmc_data import workers

def work(workers=None):
    table = mw.simulate_many(mw.Prior("gaussian").sample(16, seed=1), progress=False, workers=workers)
    loaded = [b["sim_id"].tolist() for b in mw.load_haloes(range(1000, 1010), progress=False, workers=workers)]
    return [float(table["v_travel"].sum()), loaded]

def processes():
    workers.available_cores = lambda: 8
    return workers.count_processes(None, 100)

def start():
    workers.available_cores = lambda: 8
    with workers.start_pool(workers.count_processes(2, 100)) as pool:
        return pool.submit(os.getpid).result() != os.getpid()
"""
#: Programs without a guard, which run once and share their work among processes.
UNGUARDED = "print('once')\nimport job\nprint(job.start())\n"
README = """
print("once")
from mwlmc_data import workers
start, started = workers.start_pool, []
workers.start_pool = lambda count: started.append(count) or start(count)

import job
print(job.work(2), started)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "job.py").write_text(JOB)
    return tmp_path


@pytest.fixture(scope="module")
def answer():
    table = mw.simulate_many(mw.Prior("gaussian").sample(16, seed=1), progress=False, workers=1)
    return [float(table["v_travel"].sum()), [list(range(1000, 1010))]]


def run(folder, *words, text=None, **environment):
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])} | environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


HOW = {
    "a file": lambda folder: (["program.py"], None),
    "standard input": lambda folder: (["-"], UNGUARDED),
    "-c": lambda folder: (["-c", UNGUARDED], None),
    "-m": lambda folder: (["-m", "program"], None),
    "-m of a package": lambda folder: (["-m", "package"], None),
    "runpy": lambda folder: (["-c", "import runpy; runpy.run_path('program.py', run_name='__main__')"], None),
    "interactive": lambda folder: (["-i", "-q"], UNGUARDED),
}


@pytest.mark.parametrize("how", HOW)
def test_a_program_without_a_guard_runs_once_and_has_other_processes(folder, how):
    (folder / "program.py").write_text(UNGUARDED)
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").touch()
    (folder / "package" / "__main__.py").write_text(UNGUARDED)
    words, text = HOW[how](folder)
    done = run(folder, *words, text=text)
    assert done.stdout.split() == ["once", "True"]
    assert "Error" not in done.stderr


def test_a_script_without_a_guard_simulates_and_loads_in_several_processes(folder, answer):
    (folder / "program.py").write_text(README)
    assert run(folder, "program.py").stdout == f"once\n{answer} [2, 2]\n"


def test_a_torch_loader_with_workers_in_a_script_without_a_guard(folder):
    pytest.importorskip("torch")
    text = """
        print("once")
        import mwlmc_data as mw
        loader = mw.load_haloes(range(8, 40), format="torch", columns=["m_lmc"], batch_size=8, workers=2)
        print(sorted(i for batch in loader for i in batch["sim_id"].tolist()) == list(range(8, 40)))
    """
    done = run(folder, "-", text=textwrap.dedent(text))
    assert done.stdout.split() == ["once", "True"]


#: Programs that call `work` in a worker process of another library, and print its answer.
PLACES = {
    "a pool, spawned": """
        import multiprocessing
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.apply(work))
    """,
    "a pool, forked": """
        import multiprocessing
        with multiprocessing.get_context("fork").Pool(1) as pool:
            print(pool.apply(work))
    """,
    "a process, spawned": """
        import concurrent.futures, multiprocessing
        with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            print(pool.submit(work).result())
    """,
    "a process, from a server": """
        import concurrent.futures, multiprocessing
        with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("forkserver")) as pool:
            print(pool.submit(work).result())
    """,
    "joblib": """
        import joblib
        print(joblib.Parallel(2)(joblib.delayed(work)() for _ in range(2))[0])
    """,
    "Dask": """
        from distributed import Client, LocalCluster
        with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
            print(Client(cluster).submit(work).result())
    """,
    "a torch loader": """
        import torch.utils.data
        class Rows(torch.utils.data.Dataset):
            __len__ = lambda self: 1
            __getitem__ = lambda self, i: work()
        print(next(iter(torch.utils.data.DataLoader(Rows(), batch_size=None, num_workers=1))))
    """,
    "datasets": """
        import datasets
        rows = datasets.Dataset.from_dict({"i": [0, 1]})
        print(rows.map(lambda row: {"answer": work()}, num_proc=2)[0]["answer"])
    """,
}
NEEDED = {"joblib": "joblib", "Dask": "distributed", "a torch loader": "torch", "datasets": "datasets"}


def in_place(folder, place, call):
    pytest.importorskip(NEEDED.get(place, "numpy"))
    body = textwrap.indent(textwrap.dedent(PLACES[place]), "    ")
    (folder / "program.py").write_text(f"from job import {call} as work\n\nif __name__ == '__main__':\n{body}")
    done = run(folder, "program.py", HF_HOME=str(folder / "cache"))
    return done.stdout, re.findall("mwlmc-data: this is a .*", done.stderr)


@pytest.mark.parametrize("place", PLACES)
def test_in_a_worker_of_another_library_the_work_stays_there_with_a_warning(folder, place):
    out, reported = in_place(folder, place, "processes")
    assert out == "0\n"
    assert 1 <= len(reported) <= 2  # once per process, of which joblib and datasets have two
    assert all("child process" in line and "in it" in line for line in reported)


def test_a_daemonic_process_simulates_and_loads(folder, answer):
    assert in_place(folder, "a pool, spawned", "work")[0] == f"{answer}\n"


@pytest.mark.parametrize("place", ["a process, spawned", "joblib"])
def test_a_daemonic_process_starts_others_on_request(folder, place):
    assert in_place(folder, place, "start") == ("True\n", [])


def test_what_a_worker_cannot_import_does_not_travel():
    def north(l, b):
        return b > 0.0

    assert workers.can_travel([1.0, os.getpid]) and not workers.can_travel([lambda l, b: b > 0.0])
    north.__module__, north.__qualname__ = "__main__", "north"  # as in a script or a notebook
    assert not workers.can_travel({"footprint": north})


def test_a_footprint_of_a_script_is_applied_in_the_script(tmp_path):
    text = """
        import numpy as np
        import mwlmc_data as mw
        from mwlmc_data.inference.free_parameters import FreeParameters
        from mwlmc_data.inference.measurement import read_lmc
        from mwlmc_data.inference.star_likelihood import StarLikelihood
        from mwlmc_data.rewinding.simulated import DrawJob, draw_job

        def north(l, b):
            return b > 0.0

        held = {"m200_mw": 1e12, "m_lmc": 1e11, "log10_lambda_df": 0.0, "r_dehnen": 12.0}
        p, free = mw.Parameters(**held), FreeParameters("gaussian", ["beta0"], {**held, **read_lmc(None)})
        jobs = lambda footprint: [DrawJob(p, mw.Selection(footprint=footprint), 2000, (i,)) for i in range(2)]
        with StarLikelihood(np.array([[60.0, 0.0, 0.0, 0.0, 90.0, 0.0]]), free, 2) as likelihood:
            a, b, c = (list(likelihood.apply(draw_job, jobs(f))) for f in (north, lambda l, b: b > 0.0, None))
        print(all(np.array_equal(*pair) for pair in zip(a, b)), 0 < len(a[0]) < len(c[0]))
    """
    (tmp_path / "program.py").write_text(textwrap.dedent(text))
    assert run(tmp_path, "program.py").stdout == "True True\n"


def test_a_worker_ends_with_its_parent(tmp_path):
    text = """
        import os, time
        from mwlmc_data.workers import start_pool
        pool = start_pool(1)
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(600)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as program:
        worker = int(program.stdout.readline())
        os.kill(worker, signal.SIGINT)  # Ctrl-C is for the parent to handle
        time.sleep(0.5)
        os.kill(worker, 0)
        program.kill()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and _alive(worker):
            time.sleep(0.05)
    assert not _alive(worker)


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_number_of_processes(monkeypatch):
    monkeypatch.setattr(workers, "available_cores", lambda: 8)
    assert workers.count_processes(None, 100) == 8
    assert workers.count_processes(None, 3) == workers.count_processes(5, 3) == 3
    assert workers.count_processes(12, 100) == 12
    assert workers.count_processes(0, 100) == 0
