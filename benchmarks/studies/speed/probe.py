"""A separate process that simulates, driven by the other modules.

It draws parameters from the prior, loads the kernels and prints ``{"ready": seconds}``. For each line ``WHAT n`` of its
standard input it does n more of this work and prints a line of JSON: wall-clock seconds, processor seconds, and the
memory of the process. WHAT is ``row``; ``whole``, a simulation with its halo and everything fitted; ``stars``, whose
time is that of moving the stars alone; or ``errors``, which adds the distances [kpc] of the moved stars to the same
stars moved by the yardstick, and their radii.

The file also runs with the package of another checkout, whose names it uses only as far as both have them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SEED = 21
_ROOT = Path(__file__).resolve().parents[3]


class Probe:
    """Handle of such a process.

    Parameters
    ----------
    environment : mapping
        Variables added to those of this process.
    checkout : Path, optional
        Root of the checkout whose package it uses; by default this one.

    Raises
    ------
    RuntimeError
        If the process fails, with its message.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, checkout: Path = _ROOT) -> None:
        path = os.pathsep.join([str(checkout), *filter(None, [os.environ.get("PYTHONPATH")])])
        # -P: the folder of this file has modules of common names
        command = [sys.executable, "-P", __file__]
        variables = {**os.environ, **(environment or {}), "PYTHONPATH": path}
        self._process = subprocess.Popen(
            command, env=variables, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def ready(self) -> float:
        """Seconds until its kernels were compiled; waits for it."""
        return float(self.answer()["ready"])

    def simulate(self, n: int, what: str = "row") -> dict[str, Any]:
        """Simulate `n` more: ``seconds``, ``processor`` [s], and peak ``memory`` [bytes]."""
        self.ask(n, what)
        return self.answer()

    def ask(self, n: int, what: str = "row") -> None:
        """Start `n` more, without waiting."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{what} {n}\n")
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


def _serve() -> None:
    start = time.perf_counter()
    import numpy as np

    from mwlmc_data import Parameters, Prior, simulate
    from mwlmc_data.simulator.constants import N_STARS
    from mwlmc_data.simulator.engines.lanes import integrate_lanes
    from mwlmc_data.simulator.engines.start import TOLERANCE, TOLERANCE_FLOAT64, start_stars
    from mwlmc_data.simulator.equations import integrate_stars
    from mwlmc_data.simulator.many import simulate_row, stored_precision
    from mwlmc_data.simulator.streams import halo_stream

    def row(drawn: dict[str, Any], i: int) -> None:
        simulate_row(({**drawn, "sim_id": i}, _SEED, N_STARS, "auto"))

    def whole(drawn: dict[str, Any], i: int) -> None:
        simulate(stored_precision(Parameters.from_row(drawn)), _SEED, sim_id=i).row()

    def begin(drawn: dict[str, Any], i: int) -> tuple[Any, Any]:
        parameters = stored_precision(Parameters.from_row(drawn))
        return start_stars(parameters, N_STARS, halo_stream(_SEED, i))[1:]

    def move(field: Any, stars: Any) -> Any:
        return integrate_lanes(stars, field, TOLERANCE)[0]

    def answer(what: str, rows: list[dict[str, Any]], first: int) -> dict[str, Any]:
        jobs: list[Any] = [(drawn, i) for i, drawn in enumerate(rows, start=first)]
        function: Any = {"row": row, "whole": whole}.get(what, move)
        if function is move:
            jobs = [begin(*job) for job in jobs]
        begun, processor = time.perf_counter(), time.process_time()
        results = [function(*job) for job in jobs]
        found: dict[str, Any] = {
            "seconds": time.perf_counter() - begun,
            "processor": time.process_time() - processor,
        }
        if what == "errors":
            distances, radii = [], []
            for (field, stars), moved in zip(jobs, results, strict=True):
                integrate_stars(stars, field.t_start, 0.0, field, TOLERANCE_FLOAT64)
                distances.append(np.linalg.norm(moved[:, :3] - stars[:, :3], axis=1))
                radii.append(np.linalg.norm(stars[:, :3], axis=1))
            found |= {"distances": np.concatenate(distances).tolist(), "radii": np.concatenate(radii).tolist()}
        return found | {"memory": memory()}

    prior, done = Prior("gaussian"), 0
    answer("row", prior.sample(1, seed=_SEED).to_dict("records"), 0)
    print(json.dumps({"ready": time.perf_counter() - start}), flush=True)
    for line in sys.stdin:
        what, count = line.split()
        rows = prior.sample(int(count), seed=_SEED, start=done).to_dict("records")
        print(json.dumps(answer(what, rows, done)), flush=True)
        done += len(rows)


if __name__ == "__main__":
    _serve()
