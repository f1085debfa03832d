"""The stages in order: simulate, infer, extend, check, collect; each continues where it stopped."""

from __future__ import annotations

from pathlib import Path

from benchmarks.common.parallel import run_calls
from benchmarks.references import checks, extension, inference, results, simulations
from benchmarks.references.comparison import compare_files
from benchmarks.references.rows import Row, all_rows
from benchmarks.references.statistics import find_statistics
from mwlmc_data.workers import available_cores

STAGES = ("simulate", "infer", "extend", "check", "collect")


def main(
    out: Path,
    stage: str = "all",
    rows: int | None = None,
    workers: int | None = None,
    before: Path | None = None,
    task: str = "summary-9",
) -> None:
    """Run one stage or all.

    Parameters
    ----------
    out : Path
        Folder of the run.
    stage : str
        One of `STAGES`, or ``"all"``. Later stages use what earlier ones have finished.
    rows : int, optional
        Number of rows, the cases first; by default all.
    workers : int, optional
        Processes; by default all cores.
    before : Path, optional
        An earlier file of references, to compare the collected one with.
    task : str
        Name of the task whose data the references are given: summary-9 or summary-24.

    Raises
    ------
    ValueError
        If there is no such stage or task, or the folder holds files of other settings.
    """
    if stage not in (*STAGES, "all"):
        raise ValueError(f"stage = {stage!r}: allowed is {', '.join(STAGES)} or all")
    statistics = find_statistics(task)
    chosen, count, n = all_rows(statistics)[:rows], workers or available_cores(), statistics.n_points
    wanted = STAGES if stage == "all" else (stage,)
    if "simulate" in wanted:
        run_calls([(inference.simulate, (out, row, n)) for row in chosen], count, "simulate")
    simulated = [row for row in chosen if simulations.count_parts(out, row) >= statistics.n_least]
    if wanted != ("simulate",):
        # an interrupted extension leaves designs that have grown since they were inferred
        behind = simulated if "infer" in wanted else [row for row in simulated if inference.is_behind(out, row)]
        run_calls([(inference.make, (out, row, n)) for row in behind], count, "infer")
    if "extend" in wanted:
        for _ in range(statistics.n_parts - statistics.n_least):
            _extend(out, simulated, n, count)
    if "check" in wanted:
        checked = simulated[: statistics.n_checked]
        for _ in range(statistics.n_parts):
            run_calls([(checks.make, (out, row, n)) for row in checked], count, "check")
            checked = _extend(out, checked, n, count)
            if not checked:
                break
    if "collect" in wanted:
        print(results.collect(out, chosen, n))
        if before is not None:
            print(compare_files(before, results.path_of(out, statistics)))


def _extend(out: Path, rows: list[Row], n: int, workers: int) -> list[Row]:
    """Add a part to the design of each row that needs it, infer it again, and return these rows."""
    short = [row for row in rows if extension.is_short(out, row, n)]
    run_calls([(extension.make, (out, row, n)) for row in short], workers, "extend")
    return short
