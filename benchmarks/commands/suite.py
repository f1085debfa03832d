"""`suite`, `suite-report` and `leaderboard`: the competition."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.commands.options import add_run, add_workers, integer_from, split_names


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parsers."""
    suite = commands.add_parser("suite", help="train and score all baselines in the tasks")
    suite.add_argument("--list", action="store_true", help="list the tasks and the baselines, and run nothing")
    suite.add_argument("--out", type=Path, default=Path("build/suite"), help="folder of the run, which it resumes")
    suite.add_argument("--fast", action="store_true", help="a quick look: few epochs, one seed, no scores to quote")
    suite.add_argument("--tasks", type=split_names, help="tasks to run, by commas, or board (default), stars or live")
    suite.add_argument("--baselines", type=split_names, help="baselines to run, separated by commas (default: all)")
    suite.add_argument("--seeds", type=integer_from(1), help="in the tasks with a budget (default: 3, or 1 if fast)")
    add_workers(suite)
    suite.add_argument("--device", help="of torch (default: a GPU if there is one)")
    suite.set_defaults(run=_suite)

    report = commands.add_parser("suite-report", help="draw the report of a run of the suite")
    add_run(report)
    report.add_argument("--reference", type=Path, help="folder of published orbits to fit (gc19/, fire/)")
    report.add_argument("--no-simulations", action="store_true", help="leave out the figures that need the simulator")
    report.set_defaults(run=_suite_report)

    board = commands.add_parser("leaderboard", help="rewrite the leaderboard (Markdown, HTML) from the stored results")
    board.add_argument("--run", type=Path, dest="folder", help="first take over the results of this run of the suite")
    board.add_argument("--add", type=Path, nargs="+", default=[], metavar="DIR", help="first score these submissions")
    board.set_defaults(run=_leaderboard)


def _suite(options: argparse.Namespace) -> None:
    if options.list:
        print(_lists())
        return
    from benchmarks.suite import plan

    plan.main(
        options.out, options.fast, options.tasks, options.baselines, options.seeds, options.workers, options.device
    )


def _lists() -> str:
    """Tasks and baselines, a line each."""
    from benchmarks.baselines.base import list_baselines
    from mwlmc_data import list_tasks

    lists = {"Tasks": list_tasks(), "Baselines": list_baselines()}
    width = max(len(name) for found in lists.values() for name in found)
    blocks = (
        "\n".join([title, *(f"  {name:<{width}} {line}" for name, line in found.items())])
        for title, found in lists.items()
    )
    return "\n\n".join(blocks)


def _suite_report(options: argparse.Namespace) -> None:
    from benchmarks.suite import report

    path = report.write(options.folder, simulate=not options.no_simulations, orbits=options.reference)
    print(f"written: {path}")


def _leaderboard(options: argparse.Namespace) -> None:
    from benchmarks import leaderboard, leaderboard_page

    leaderboard_page.write(leaderboard.main(options.folder, options.add))
