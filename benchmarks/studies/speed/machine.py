"""The machine: what it is, how many threads are used, and clocks that treat all competitors alike."""

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
_FEATURES = ("avx", "avx2", "fma", "avx512f", "avx512dq", "avx512vl", "fast-gather", "neon", "sve")
Key = TypeVar("Key", bound=Hashable)


def one_thread() -> None:
    """Ask every library that reads an environment variable for one thread; those already loaded do not look again."""
    for name in _THREADS:
        os.environ[name] = "1"


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Within this context the thread, and those it starts, stay on one core where the system can see to that."""
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
    """What :func:`round_robin` measured.

    Attributes
    ----------
    seconds : dict of list of float
        Processor time of each round, of all threads together.
    results : dict
        What each job returned in the first round.
    waiting : float
        Wall-clock over processor time of all jobs: 1 on a quiet machine.
    """

    seconds: dict[Key, list[float]]
    results: dict[Key, Any]
    waiting: float


def round_robin(
    jobs: Mapping[Key, Callable[[], Any]], repeats: int, done: Callable[[], Any] = lambda: None
) -> Timing[Key]:
    """Time jobs in turn, all once before any a second time, so that other load on the machine hits all alike.

    The clock is the processor time of this process: it does not run while another process has the core, and runs twice
    as fast where a library has two threads at work.

    Parameters
    ----------
    jobs : mapping
        What to call, by name.
    repeats : int
        Rounds.
    done : callable
        Called after each job, for a progress bar.
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
    """Processor, its vector instructions as the compiler sees them, versions, and the load before anything ran."""
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
        "load_at_the_start": load(),
    }


def load() -> float | None:
    """Average number of busy processes in the last minute, this one among them; None where the system does not say."""
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
    try:  # not installed from a package: agama built by hand, this project run from a clone
        module = importlib.import_module(package.replace("-", "_"))
        return str(module.__version__).partition(" compiled")[0]
    except (ImportError, AttributeError):
        return None
