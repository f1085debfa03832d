"""`survey-references`: reference posteriors of the task stars-survey."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.commands.options import add_workers, integer_from, split_names


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser."""
    surveys = commands.add_parser(
        "survey-references", help="make reference posteriors of test rows given surveys of their stars"
    )
    surveys.add_argument("--out", type=Path, default=Path("build/references-survey"), help="folder, which it resumes")
    surveys.add_argument(
        "--stage", type=split_names, default=["infer", "check", "collect"], help="infer, check, collect (default: all)"
    )
    surveys.add_argument("--rows", type=integer_from(1), default=20, help="number of observations (default: 20)")
    surveys.add_argument(
        "--patterns",
        type=split_names,
        default=["complete", "v_los", "proper-motions", "mixed"],
        help="of observations in which this is measured: complete, v_los, proper-motions, mixed (default: all)",
    )
    add_workers(surveys)
    surveys.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from benchmarks.survey_references import run

    run.main(options.out, options.stage, options.rows, options.workers, patterns=options.patterns)
