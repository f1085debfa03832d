"""The stages in order: infer, check, collect; each continues where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.parallel import Call, run_calls
from benchmarks.survey_references import posterior, results
from benchmarks.survey_references.rows import list_rows, load_stars
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.scoring.reference_columns import N_SURVEY_DRAWS
from mwlmc_data.scoring.star_surveys import PATTERNS
from mwlmc_data.workers import available_cores

STAGES = ("infer", "check", "collect")
#: Rows that are computed unless others are named, and rows whose posterior is computed twice: the first that have one.
N_ROWS, N_CHECKED = 20, 4


def main(
    out: Path,
    stages: Sequence[str] = STAGES,
    rows: int = N_ROWS,
    workers: int | None = None,
    n: int = N_SURVEY_DRAWS,
    free: tuple[str, ...] = FREE,
    patterns: Sequence[str] = PATTERNS,
) -> None:
    """Run stages.

    Parameters
    ----------
    out : Path
        Folder of the run.
    stages : sequence of str
        Some of `STAGES`.
    rows : int
        Number of observations, at most 100.
    workers : int, optional
        Processes; by default all cores.
    n : int
        Draws of a posterior.
    free : tuple of str
        Free parameters; the references of the task have all six.
    patterns : sequence of str
        What is measured of the stars of these observations.

    Raises
    ------
    ValueError
        If there is no such stage, the folder holds files of other settings, or there is nothing to collect.
    """
    if unknown := [stage for stage in stages if stage not in STAGES]:
        raise ValueError(f"stage = {', '.join(unknown)}: allowed is {', '.join(STAGES)}, separated by commas")
    chosen, count = list_rows(rows, patterns), workers or available_cores()
    if {"infer", "check"} & set(stages):
        chosen = load_stars(chosen)
    if "infer" in stages:
        calls: list[Call] = [(posterior.make, (out, row, n, free)) for row in chosen]
        run_calls(calls, count, "infer", names=[row.name for row in chosen])
    if "check" in stages:
        # a row whose search ended with an error has nothing to compare with
        checked = [row for row in chosen if posterior.path_of(out, row, False).exists()][:N_CHECKED]
        again: list[Call] = [(posterior.make, (out, row, n, free, True)) for row in checked]
        run_calls(again, count, "check", names=[row.name for row in checked])
    if "collect" in stages:
        found = [each for row in chosen if (each := posterior.load(out, row, n, free)) is not None]
        if not found:
            raise ValueError(f"out = {str(out)!r}, which holds no posterior of these rows: run the stage infer first")
        path = results.write(out, found)
        missing = f"; {len(chosen) - len(found)} rows are not inferred yet" if len(found) < len(chosen) else ""
        print(f"{results.describe(found)}\n{path}: {len(found)} rows{missing}")
