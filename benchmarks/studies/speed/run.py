"""Run the parts in order. Nothing heavy is imported before the number of threads is set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.studies.speed import machine

#: All parts. A fast pass leaves out the last, which compiles everything several times, unless it is requested.
PARTS = ("curve", "simulation", "likelihood", "scaling", "startup", "instructions")


def main(
    out: Path,
    reference: Path | None = None,
    repeats: int = 3,
    fast: bool = False,
    parts: Sequence[str] | None = None,
    before: Path | None = None,
) -> dict[str, Any]:
    """Measure, print the tables, and write ``results.json`` and ``work_precision.png``.

    Parameters
    ----------
    out : Path
        Folder of the two files, created if missing.
    reference : Path, optional
        Folder of reference numbers, to use the stars of its case ``paper_rigid`` rather than stars drawn here.
    repeats : int
        Number of timed runs, whose medians are reported.
    fast : bool
        Few stars and tolerances: for tests, not for figures.
    parts : sequence of str, optional
        Some of :data:`PARTS`; by default all, without ``instructions`` if `fast`.
    before : Path, optional
        Root of another checkout, whose simulations are timed beside these in the part ``instructions``.

    Returns
    -------
    dict
        The contents of ``results.json``.

    Raises
    ------
    ValueError
        If a part is unknown or `repeats` is less than 1.
    FileNotFoundError
        If `reference` lacks the case, or `before` the package.
    """
    chosen = tuple(parts) if parts else PARTS[: -1 if fast else None]
    unknown = [part for part in chosen if part not in PARTS]
    if unknown:
        raise ValueError(f"parts = {unknown[0]!r}: allowed are {', '.join(PARTS)}")
    if repeats < 1:
        raise ValueError(f"repeats = {repeats}: allowed is 1 or more")
    if before is not None and not (before / "mwlmc_data" / "__init__.py").is_file():
        raise FileNotFoundError(f"before = {str(before)!r}: allowed is the root of a checkout, with mwlmc_data in it")
    machine.use_one_thread()
    from benchmarks.studies.speed import curve, instructions, likelihood, printout, scaling, simulation, startup
    from benchmarks.studies.speed.problem import draw_problem, load_problem

    out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"fast": fast, "repeats": repeats, "machine": machine.describe()}
    if "curve" in chosen:
        problem = load_problem(reference) if reference else draw_problem()
        results["curve"] = curve.measure(problem, repeats, fast)
    if "simulation" in chosen:
        results["simulation"] = simulation.measure(repeats, fast)
    if "likelihood" in chosen:
        results["likelihood"] = likelihood.measure(repeats, fast)
    if "scaling" in chosen:
        results["scaling"] = scaling.measure(repeats, fast)
    if "startup" in chosen:
        results["startup"] = startup.measure(repeats)
    if "instructions" in chosen:
        results["instructions"] = instructions.measure(repeats, fast, before)
    results["machine"]["load_at_the_end"] = machine.get_load()
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(printout.describe(results))
    if "curve" in chosen:
        from benchmarks.studies.speed.figure import work_precision

        work_precision(results["curve"]).savefig(out / "work_precision.png", dpi=150)
    return results
