"""Tests in a forked process, which has numpy and its kin loaded and runs the mutant in a copy of the checkout."""

from __future__ import annotations

import importlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

#: Loaded once, before the forks. Nothing of the checkout: a fork loads that from its copy.
LIBRARIES = (
    "numpy", "scipy.stats", "scipy.optimize", "scipy.integrate", "scipy.interpolate", "scipy.spatial", "scipy.special",
    "pandas", "pyarrow.parquet", "numba", "pytest", "pytest_timeout", "hypothesis", "hypothesis.strategies",
    "requests", "pooch", "filelock", "tqdm", "astropy.units", "astropy.coordinates", "coverage",
)  # fmt: skip
OWN = ("mwlmc_data", "generation", "benchmarks", "tests", "examples")
KILLED_BY_TIME = -1000
#: Of a fork that failed outside the tests: it says nothing about a mutant.
FAILED = 70


def preload() -> None:
    """Load the libraries with one thread each."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    for name in LIBRARIES:
        importlib.import_module(name)


def copy_checkout(root: Path, tree: Path) -> None:
    """Copy what git tracks and does not ignore, where it has changed; kernels compiled in the copy stay."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        source, target = root / name, tree / name
        if not source.is_file():
            target.unlink(missing_ok=True)
        elif not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def forked(function: Callable[[], int], log: Path, cpu_seconds: float, seconds: float) -> int:
    """Status of a function called in a forked process of its own group; `KILLED_BY_TIME` where it used up its time."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = FAILED
        try:
            os.setsid()
            file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(file, 1)
            os.dup2(file, 2)
            resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds) + 1, int(cpu_seconds) + 2))
            status = function()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    deadline = time.monotonic() + seconds
    try:
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                break
            if time.monotonic() > deadline:
                os.killpg(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return KILLED_BY_TIME
            time.sleep(0.01)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # processes that the tests may have started
    code = os.waitstatus_to_exitcode(status)
    return KILLED_BY_TIME if code in (-signal.SIGXCPU, -signal.SIGKILL) else code


def enter(tree: Path, is_compiled: bool) -> None:
    """Make this process one that runs the copy: its modules, its folder, and the kernels compiled or interpreted."""
    import numba

    for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
        del sys.modules[name]
    here = Path.cwd().resolve()
    sys.path[:] = [str(tree), *(p for p in sys.path if p and Path(p).resolve() not in (here, tree))]
    os.chdir(tree)
    os.environ |= {"PYTHONPATH": str(tree), "CI": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    sys.dont_write_bytecode = True
    numba.config.DISABLE_JIT = not is_compiled
    os.environ["NUMBA_DISABLE_JIT"] = "0" if is_compiled else "1"


def run_pytest(tree: Path, tests: Sequence[str], plugins: Sequence[Any] = (), options: Sequence[str] = ()) -> int:
    """Run tests of the copy in this process; as pytest's status."""
    import pytest

    fixed = [f"--rootdir={tree}", "-q", "-p", "no:cacheprovider", "--color=no", "--tb=line"]
    return int(pytest.main([*fixed, *options, *tests], plugins=list(plugins)))


class Chosen:
    """Plugin that runs some of the tests that are found, in the order in which they are given."""

    def __init__(self, tests: Sequence[str]) -> None:
        self.place = {name: i for i, name in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Leave out the others; a name as an argument would be misread where its parameters hold colons."""
        found = [item for item in items if item.nodeid in self.place]
        items[:] = sorted(found, key=lambda item: self.place[item.nodeid])


def run_chosen(tree: Path, tests: Sequence[str]) -> int:
    """Run tests by their names until one fails; as pytest's status."""
    files = list(dict.fromkeys(name.partition("::")[0] for name in tests))
    return run_pytest(tree, files, [Chosen(tests)], ["-x", "--timeout=0"])


class Measured:
    """Plugin that notes which lines each test runs, and each fixture, and how long it takes."""

    def __init__(self, tree: Path, modules: Sequence[str], out: Path) -> None:
        import coverage

        self.tree, self.out = tree, out
        self.cover = coverage.Coverage(data_file=None, config_file=False, include=[str(tree / m) for m in modules])
        self.tests: dict[str, dict[str, Any]] = {}
        self.kept: dict[str, float] = {}

    def __enter__(self) -> Measured:
        self.cover.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cover.stop()
        data = self.cover.get_data()
        lines: dict[str, dict[str, list[str]]] = {}
        for file in data.measured_files():
            by_line = data.contexts_by_lineno(file)
            lines[Path(file).relative_to(self.tree).as_posix()] = {str(n): sorted(set(c)) for n, c in by_line.items()}
        self.out.write_text(json.dumps({"tests": self.tests, "lines": lines, "kept": self.kept}), encoding="utf-8")

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.tests[report.nodeid]["passed"] &= report.passed


def _now() -> float:
    """Processor time of this process and its children [s], since other programs run too; waiting counts a little."""
    return sum(os.times()[:4]) + 0.1 * time.monotonic()


#: A test that takes longer than this [s] is not asked about mutants: interpreted kernels take minutes for some.
LONGEST = 40.0


def measure(tree: Path, modules: Sequence[str], tests: Sequence[str], out: Path, is_compiled: bool) -> int:
    """Run tests with their lines noted; see `Measured`."""
    import pytest

    if is_compiled:
        from mwlmc_data.simulator.simulation import compile_kernels

        compile_kernels()

    class Hooks(Measured):
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(self, item: Any) -> Any:
            self.cover.switch_context(item.nodeid)
            known = self.tests.setdefault(item.nodeid, {"seconds": 0.0, "passed": True, "fixtures": []})
            known["fixtures"] = sorted(getattr(item, "fixturenames", ()))
            self.current = item.nodeid
            self.apart, start = 0.0, _now()
            result = yield
            known["seconds"] = round(_now() - start - self.apart, 4)
            return result

        @pytest.hookimpl(wrapper=True)
        def pytest_fixture_setup(self, fixturedef: Any) -> Any:
            is_kept, start, before = fixturedef.scope != "function", _now(), self.apart
            if is_kept:
                self.cover.switch_context(f"fixture {fixturedef.argname}")
            try:
                return (yield)
            finally:
                self.cover.switch_context(self.current)
                if is_kept:  # the time that the first test waits for a fixture is not its own
                    self.kept[fixturedef.argname] = round(_now() - start - (self.apart - before), 4)
                    self.apart = before + _now() - start

    with Hooks(tree, modules, out) as plugin:
        status = run_pytest(tree, tests, [plugin], [f"--timeout={LONGEST:g}", "--timeout-method=signal"])
    return status
