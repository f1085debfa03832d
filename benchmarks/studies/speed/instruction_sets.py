"""The same simulation compiled for AVX2, with and without its gather, and for this machine."""

from __future__ import annotations

import platform
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.studies.speed.probe import Probe

_AVX2 = "+avx,+avx2,+fma,+bmi,+bmi2,+sse4.2"
#: Environment variables of numba for each; without them numba and this project choose.
VARIANTS = {
    "this machine": {},
    "AVX2": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": f"{_AVX2},+fast-gather"},
    "AVX2, gather left to LLVM": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": _AVX2},
}


def measure(repeats: int, fast: bool) -> dict[str, Any] | None:
    """Time a complete simulation and its compilation for each variant; None except on x86-64."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    n = 2 if fast else 16
    result: dict[str, Any] = {"n": n}
    with ExitStack() as stack, tqdm(total=(1 + repeats) * len(VARIANTS), desc="AVX2", leave=False) as bar:
        # compile again, apart from this machine's cached code
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mwlmc-speed-")))
        probes, compiling = {}, {}
        for i, (name, variables) in enumerate(VARIANTS.items()):
            environment = {**variables, "NUMBA_CACHE_DIR": str(folder / str(i))}
            probes[name] = stack.enter_context(Probe(environment, halo=True))
            compiling[name] = probes[name].ready()
            bar.update()
        seconds: dict[str, list[float]] = {name: [] for name in probes}
        for _ in range(repeats):
            for name, probe in probes.items():
                seconds[name].append(probe.simulate(n)["processor"] / n)
                bar.update()
    for name in VARIANTS:
        result[name] = {"seconds": float(np.median(seconds[name])), "compiling": compiling[name]}
    return result
