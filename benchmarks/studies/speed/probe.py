"""A separate process that simulates rows: ``python -m benchmarks.studies.speed.probe``, driven by the other modules.

It draws parameters from the prior, loads the kernels and prints ``{"ready": seconds}``. For each number n on a line of
its standard input it then simulates n more rows and prints a line of JSON: wall-clock seconds, processor seconds, and
the memory of the process. With ``--halo`` it simulates complete haloes instead of rows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SEED = 21
_ROOT = Path(__file__).resolve().parents[2]


class Probe:
    """Handle of such a process.

    Parameters
    ----------
    environment : mapping
        Variables added to those of this process.
    halo : bool
        Complete haloes instead of rows.

    Raises
    ------
    RuntimeError
        If the process fails, with its message.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, halo: bool = False) -> None:
        path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-m", "benchmarks.studies.speed.probe", *(["--halo"] if halo else [])]
        variables = {**os.environ, **(environment or {}), "PYTHONPATH": path}
        self._process = subprocess.Popen(
            command, env=variables, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def ready(self) -> float:
        """Seconds until its kernels were compiled; waits for it."""
        return float(self.answer()["ready"])

    def simulate(self, n: int) -> dict[str, Any]:
        """Simulate `n` more: ``seconds``, ``processor`` [s], and peak ``memory`` [bytes]."""
        self.ask(n)
        return self.answer()

    def ask(self, n: int) -> None:
        """Start `n` more, without waiting."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{n}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended: `answer` raises its message

    def answer(self) -> dict[str, Any]:
        """Wait for the last answer."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, said = self._process.communicate()
            raise RuntimeError(f"the simulating process ended: {said.strip() or self._process.returncode}")
        return json.loads(line)

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def memory() -> int:
    """Return the peak memory [bytes] of this process."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would report the parent's, if that was larger at the fork
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _serve(halo: bool) -> None:
    start = time.perf_counter()
    from mwlmc_data import Parameters, Prior, simulate
    from mwlmc_data.simulator.constants import N_STARS
    from mwlmc_data.simulator.many import simulate_row, stored_precision

    prior, done = Prior("gaussian"), 0

    def run(n: int) -> None:
        nonlocal done
        rows = prior.sample(n, seed=_SEED, start=done).to_dict("records")
        for i, row in enumerate(rows, start=done):
            if halo:
                simulate(stored_precision(Parameters.from_row(row)), _SEED, sim_id=i).row()
            else:
                simulate_row(({**row, "sim_id": i}, _SEED, N_STARS, "auto"))
        done += n

    run(1)
    print(json.dumps({"ready": time.perf_counter() - start}), flush=True)
    for line in sys.stdin:
        start, processor = time.perf_counter(), time.process_time()
        run(int(line))
        spent = {"seconds": time.perf_counter() - start, "processor": time.process_time() - processor}
        print(json.dumps({**spent, "memory": memory()}), flush=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--halo", action="store_true", help="complete haloes instead of rows")
    _serve(options.parse_args().halo)
