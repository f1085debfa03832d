"""Stars, rows and whole simulations compiled for several processors; beside another checkout's, if one is given."""

from __future__ import annotations

import itertools
import platform
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.studies.speed.probe import Probe
from mwlmc_data.simulator.constants import FIT_R_MIN

#: Environment variables of Numba for each set of instructions; without them Numba chooses those of this machine.
SETS = {
    "this machine": {},
    "AVX2": {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2,+sse4.2,+fast-gather",
    },
    "SSE4.2": {"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": "+sse4.2"},
}
#: What is timed: moving 4,500 stars, a simulation with its halo and everything fitted, and a row of the catalogue.
WORK = ("stars", "whole", "row")
#: Quantiles of a star's error.
QUANTILES = (0.5, 0.99)


def measure(repeats: int, fast: bool, before: Path | None = None) -> dict[str, Any] | None:
    """Time each work with each set of instructions, in processes that take turns; None except on x86-64.

    Parameters
    ----------
    repeats : int
        Rounds, in each of which every process does the same new simulations.
    fast : bool
        Few simulations, and without the last set.
    before : Path, optional
        Root of another checkout to time beside this one; its stars are its own.

    Returns
    -------
    dict
        ``n`` simulations a round; ``sets``, by name: by checkout (``"now"``, ``"before"``): ``compiling`` [s], and by
        work the processor seconds of a simulation, one number per round; ``errors``, by checkout: the quantiles of the
        distances [kpc] between stars and yardstick, of ``all`` and of those ``far``, beyond 50 kpc.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    n, n_errors = (1, 1) if fast else (8, 12)
    names = list(SETS)[: 2 if fast else None]
    checkouts = {"now": {}} if before is None else {"before": {"checkout": before}, "now": {}}
    pairs = list(itertools.product(names, checkouts))
    result: dict[str, Any] = {"n": n, "n_errors": n_errors, "sets": {name: {} for name in names}, "errors": {}}
    with ExitStack() as stack:
        bar = stack.enter_context(tqdm(total=(1 + repeats) * len(pairs) + len(checkouts), desc="instructions"))
        # compiled again, apart from this machine's cached code
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mwlmc-speed-")))
        probes = {}
        for name, which in pairs:
            environment = {**SETS[name], "NUMBA_CACHE_DIR": str(folder / f"{name}-{which}")}
            probes[name, which] = stack.enter_context(Probe(environment, **checkouts[which]))
            result["sets"][name][which] = {"compiling": probes[name, which].ready(), **{work: [] for work in WORK}}
            bar.update()
        for _ in range(repeats):
            for (name, which), probe in probes.items():
                for work in WORK:
                    result["sets"][name][which][work].append(probe.simulate(n, work)["processor"] / n)
                bar.update()
        for which in checkouts:
            found = probes[names[0], which].simulate(n_errors, "errors")
            distances, far = np.array(found["distances"]), np.array(found["radii"]) > FIT_R_MIN
            stars = {"all": distances, "far": distances[far]}
            result["errors"][which] = {key: np.quantile(values, QUANTILES).tolist() for key, values in stars.items()}
            bar.update()
    return result
