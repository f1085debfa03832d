"""`mwlmc score`: check a submission and score it."""

from __future__ import annotations

import argparse
from pathlib import Path

from mwlmc_data.commands.common import add_json, print_json
from mwlmc_data.terminal import add_out, check_out


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser of the command."""
    score = commands.add_parser(
        "score",
        help="check a submission to the benchmark and score it",
        description="Check a directory with manifest.json and samples.npz and print its report. Exit status: 0 scored, "
        "1 not a valid submission (every problem is printed), 2 no such directory.",
    )
    score.add_argument("directory", type=Path, metavar="DIR", help="a submission")
    add_out(score, (".json", ".txt"), "write the report")
    add_json(score)
    score.set_defaults(run=_score)


def _score(options: argparse.Namespace) -> int:
    check_out(options)
    from mwlmc_data.scoring.submission import SubmissionError, read_submission

    try:
        submission = read_submission(options.directory)
    except SubmissionError as error:
        if options.json:
            print_json({"problems": list(error.problems)})
        else:
            for problem in error.problems:
                print(f"PROBLEM: {problem}")
            print(f"{options.directory} is not a valid submission")
        return 1
    report = submission.score()
    if options.out is not None:
        report.write(options.out)
    if options.json:
        print_json(report.to_dict())
    else:
        print(report)
    return 0
