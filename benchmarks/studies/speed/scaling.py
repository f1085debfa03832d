"""How the cost scales with simulations, stars and cores; and the memory of a worker."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.studies.speed import machine
from benchmarks.studies.speed.probe import Probe
from mwlmc_data import Parameters, Prior, simulate, simulate_many
from mwlmc_data.simulator import compile_kernels
from mwlmc_data.workers import available_cores

_SEED = 22
#: Goals: speed-up on two cores, and growth of a worker's memory [bytes].
GOAL_TWO_CORES, GOAL_MEMORY = 1.9, 2e9


def measure(repeats: int, fast: bool) -> dict[str, Any]:
    """Measure ``simulations``, ``stars``, ``cores`` (None on a machine with one) and ``memory``."""
    compile_kernels()
    with machine.one_core():
        result = {"simulations": _simulations(repeats, fast), "stars": _stars(repeats, fast)}
    return result | {"cores": _cores(repeats, fast), "memory": _memory(fast)}


def fit_line(counts: list[int], seconds: list[float]) -> dict[str, Any]:
    """Fit a line to time against count, and measure how far the points lie from it.

    Returns
    -------
    dict
        ``counts``, ``seconds``, ``each`` (slope [s]), ``fixed`` (at zero [s]), ``off`` (largest distance of a point
        from the line, over the point).
    """
    # relative weights: a deviation of 5% counts the same at both ends
    slope, fixed = np.polyfit(counts, seconds, 1, w=1 / np.asarray(seconds))
    off = np.abs(np.polyval([slope, fixed], counts) / seconds - 1).max()
    return {"counts": counts, "seconds": seconds, "each": float(slope), "fixed": float(fixed), "off": float(off)}


def _simulations(repeats: int, fast: bool) -> dict[str, Any]:
    """Time rows in one process against their number; the same rows repeat, so that only the number differs."""
    counts = [2, 4] if fast else [16, 32, 64, 128]
    table = Prior("gaussian").sample(counts[0], seed=_SEED)
    jobs = {
        n: (lambda n=n: simulate_many(table.loc[np.arange(n) % len(table)], workers=1, progress=False)) for n in counts
    }
    return fit_line(counts, _medians(jobs, repeats, "scaling with simulations"))


def _stars(repeats: int, fast: bool) -> dict[str, Any]:
    """Time complete simulations against their number of stars."""
    counts = [1000, 2000] if fast else [1125, 2250, 4500, 9000, 18000, 36000]
    parameters = Parameters(m200_mw=9.1e11, m_lmc=2.3e11, log10_lambda_df=0.7)
    jobs = {n: (lambda n=n: simulate(parameters, n_stars=n).row()) for n in counts}
    return fit_line(counts, _medians(jobs, repeats, "scaling with stars"))


def _medians(jobs: dict[int, Any], repeats: int, name: str) -> list[float]:
    with tqdm(total=repeats * len(jobs), desc=name, unit="run", leave=False) as bar:
        seconds = machine.round_robin(jobs, repeats, bar.update).seconds
    return [float(np.median(seconds[key])) for key in jobs]


def _cores(repeats: int, fast: bool) -> dict[str, float] | None:
    """Compare rows a second of two processes at once with one alone."""
    if available_cores() < 2:
        return None
    n = 4 if fast else 64
    rates = []
    with Probe() as first, Probe() as second, tqdm(total=repeats, desc="two cores", leave=False) as bar:
        for probe in (first, second):
            probe.ready()
        for _ in range(repeats):
            alone = n / first.simulate(n)["seconds"]
            rates.append((alone, _together((first, second), n)))
            bar.update()
    one, two = np.median(rates, axis=0)
    return {"n": n, "one": float(one), "two": float(two), "gain": float(np.median([t / o for o, t in rates]))}


def _together(probes: tuple[Probe, ...], n: int) -> float:
    """Measure rows a second while all probes simulate `n` each."""
    start = time.perf_counter()
    for probe in probes:
        probe.ask(n)
    for probe in probes:
        probe.answer()
    return len(probes) * n / (time.perf_counter() - start)


def _memory(fast: bool) -> dict[str, Any]:
    """Measure the peak memory [bytes] of a worker after growing numbers of complete simulations."""
    steps = 2 if fast else 10
    n = 2 if fast else 40
    held = []
    with Probe() as probe, tqdm(total=steps, desc="memory of a worker", leave=False) as bar:
        probe.ready()
        for _ in range(steps):
            held.append(int(probe.simulate(n, "whole")["memory"]))
            bar.update()
    return {"counts": [n * (i + 1) for i in range(steps)], "bytes": held, "growth": held[-1] - held[0]}
