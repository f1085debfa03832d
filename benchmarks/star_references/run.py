"""The stages in order: infer, check, collect, and entry when it is named; each continues where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.parallel import run_calls
from benchmarks.star_references import checks, entry, posterior, results
from benchmarks.star_references.rows import all_rows, list_rows, load_stars
from mwlmc_data.workers import available_cores

#: Stages that are run unless others are named, and all.
DEFAULT = ("infer", "check", "collect")
STAGES = (*DEFAULT, "entry")


def main(
    out: Path,
    stages: Sequence[str] = DEFAULT,
    rows: str = "100",
    workers: int | None = None,
    earlier: Path | None = None,
) -> None:
    """Run stages.

    Parameters
    ----------
    out : Path
        Folder of the run.
    stages : sequence of str
        Some of `STAGES`. Later stages use what earlier ones have finished.
    rows : str
        Number of observations, those with a reference first; "all" for the 1,100 that an entry needs.
    workers : int, optional
        Processes; by default all cores.
    earlier : Path, optional
        Table of an earlier run, whose rows are kept. Those that are not certified and of an earlier algorithm are
        inferred again.

    Raises
    ------
    ValueError
        If there is no such stage, the number is not one, or the folder holds files of other settings.
    """
    if unknown := [stage for stage in stages if stage not in STAGES]:
        raise ValueError(f"stage = {', '.join(unknown)}: allowed is {', '.join(STAGES)}, separated by commas")
    if rows != "all" and not (rows.isdigit() and int(rows)):
        raise ValueError(f"rows = {rows}: allowed is an integer of at least 1, or all")
    wanted = list_rows()
    if rows == "all" or int(rows) > len(wanted):
        wanted = all_rows()
    chosen, count = wanted if rows == "all" else wanted[: int(rows)], workers or available_cores()
    kept = {} if earlier is None else results.read_earlier(earlier)
    missing = [row for row in chosen if row.name not in kept or not results.is_settled(kept[row.name])]
    if {"infer", "check"} & set(stages):
        stars = load_stars(chosen)
    if "infer" in stages:
        calls = [(posterior.make, (out, row, stars[row.name])) for row in missing]
        run_calls(calls, count, "infer", names=[row.name for row in missing])
    if "check" in stages:
        inferred = [row for row in chosen if posterior.path_of(out, row).exists()][: checks.N_CHECKED]
        calls = [(checks.make, (out, row, stars[row.name])) for row in inferred]
        run_calls(calls, count, "check", names=[row.name for row in inferred])
    if "collect" in stages:
        print(results.collect(out, chosen, kept=kept))
    if "entry" in stages:
        print(f"written: {entry.write(out)}")
