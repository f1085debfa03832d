"""The machine: its description, the number of threads, and clocks that treat all competitors alike."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_PACKAGES = ("mwlmc-data", "numpy", "scipy", "numba", "llvmlite", "agama", "gala", "galpy")
_FEATURES = ("avx", "avx2", "fma", "avx512f", "avx512dq", "avx512vl", "neon", "sve")
Key = TypeVar("Key", bound=Hashable)


def use_one_thread() -> None:
    """Ask every library that reads an environment variable for one thread; libraries already loaded do not notice."""
    for name in _THREADS:
        os.environ[name] = "1"


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Keep this thread and those it starts on one core within this context, where the system supports it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@dataclasses.dataclass(frozen=True)
class Timing(Generic[Key]):
    """Result of :func:`round_robin`.

    Attributes
    ----------
    seconds : dict of list of float
        Processor time of each round, summed over threads.
    results : dict
        What each job returned in the first round.
    waiting : float
        Ratio of wall-clock to processor time of all jobs: 1 on a quiet machine.
    """

    seconds: dict[Key, list[float]]
    results: dict[Key, Any]
    waiting: float


def round_robin(
    jobs: Mapping[Key, Callable[[], Any]], repeats: int, done: Callable[[], Any] = lambda: None
) -> Timing[Key]:
    """Time jobs in turn, each once before any a second time, so that other load on the machine affects all alike.

    The clock is the processor time of this process: it stops while another process has the core, and runs twice as fast
    while a library uses two threads.

    Parameters
    ----------
    jobs : mapping
        Functions to call, by name.
    repeats : int
        Rounds.
    done : callable
        Function to call after each job, for a progress bar.
    """
    seconds: dict[Key, list[float]] = {key: [] for key in jobs}
    results: dict[Key, Any] = {}
    wall = 0.0
    for _ in range(repeats):
        for key, job in jobs.items():
            begun, start = time.perf_counter(), time.process_time()
            result = job()
            seconds[key].append(time.process_time() - start)
            wall += time.perf_counter() - begun
            results.setdefault(key, result)
            done()
    return Timing(seconds, results, wall / sum(map(sum, seconds.values())))


def describe() -> dict[str, Any]:
    """Describe processor, vector instructions as the compiler sees them, versions, and the load before anything ran."""
    import llvmlite.binding

    features = llvmlite.binding.get_host_cpu_features()
    return {
        "cpu": _cpu(),
        "cpu_of_the_compiler": os.environ.get("NUMBA_CPU_NAME") or llvmlite.binding.get_host_cpu_name(),
        "features": [name for name in _FEATURES if features.get(name)],
        "cores": _cores(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
        "load_at_the_start": get_load(),
    }


def get_load() -> float | None:
    """Return the average number of busy processes in the last minute, this one included; None if unknown."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        pass
    try:  # not installed as a package: agama built by hand, this project run from a clone
        module = importlib.import_module(package.replace("-", "_"))
        return str(module.__version__).partition(" compiled")[0]
    except (ImportError, AttributeError):
        return None
