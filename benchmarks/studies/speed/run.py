"""The benchmark's parts in their order. Nothing heavy is imported before the number of threads is set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.studies.speed import machine

#: All parts. A fast pass leaves out the last, which compiles everything twice, unless it is named.
PARTS = ("curve", "simulation", "scaling", "avx2")


def main(
    out: Path, reference: Path | None = None, repeats: int = 3, fast: bool = False, parts: Sequence[str] | None = None
) -> dict[str, Any]:
    """Measure, print the tables, and write ``results.json`` and ``work_precision.png``.

    Parameters
    ----------
    out : Path
        Folder of the two files, made if need be.
    reference : Path, optional
        Folder of reference numbers: the curve then uses the stars of its case ``paper_rigid``, else stars drawn here.
    repeats : int
        Timed runs of everything; medians are reported.
    fast : bool
        Few stars, few tolerances: for tests, the figures mean little.
    parts : sequence of str, optional
        Some of :data:`PARTS`; by default all, without ``avx2`` if `fast`.

    Returns
    -------
    dict
        What is written into ``results.json``.

    Raises
    ------
    ValueError
        If a part is unknown or `repeats` is less than 1.
    FileNotFoundError
        If `reference` lacks the case.
    """
    chosen = tuple(parts) if parts else PARTS[: 3 if fast else 4]
    unknown = [part for part in chosen if part not in PARTS]
    if unknown:
        raise ValueError(f"parts = {unknown[0]!r}: allowed are {PARTS}")
    if repeats < 1:
        raise ValueError(f"repeats = {repeats}: allowed is 1 or more")
    machine.one_thread()
    from benchmarks.studies.speed import curve, instruction_sets, report, scaling, simulation
    from benchmarks.studies.speed.problem import drawn_problem, reference_problem

    out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"fast": fast, "repeats": repeats, "machine": machine.describe()}
    if "curve" in chosen:
        problem = reference_problem(reference) if reference else drawn_problem()
        results["curve"] = curve.measure(problem, repeats, fast)
    if "simulation" in chosen:
        results["simulation"] = simulation.measure(repeats, fast)
    if "scaling" in chosen:
        results["scaling"] = scaling.measure(repeats, fast)
    if "avx2" in chosen:
        results["avx2"] = instruction_sets.measure(repeats, fast)
    results["machine"]["load_at_the_end"] = machine.load()
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(report.text(results))
    if "curve" in chosen:
        from benchmarks.studies.speed.figure import work_precision

        work_precision(results["curve"]).savefig(out / "work_precision.png", dpi=150)
    return results
