"""`references`, `star-references` and `embed`: what is made here and shipped with the package."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.commands.options import add_workers, integer_from, split_names


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parsers."""
    references = commands.add_parser("references", help="make reference posteriors of fixed test rows and of the cases")
    references.add_argument(
        "--task", default="summary-9", help="whose data are given: summary-9 (default), summary-9-50-100, summary-24"
    )
    references.add_argument(
        "--out", type=Path, help="folder of the run, which it resumes (default: build/references, with -50-100 or -24)"
    )
    references.add_argument("--stage", default="all", help="simulate, infer, extend, check, collect or all (default)")
    references.add_argument(
        "--rows", type=integer_from(1), help="only this many rows, the cases first (default: all)"
    )
    references.add_argument(
        "--before", type=Path, metavar="FILE", help="earlier references.parquet, to compare the collected one with"
    )
    add_workers(references)
    references.set_defaults(run=_references)

    stars = commands.add_parser("star-references", help="make reference posteriors of test rows given their stars")
    stars.add_argument("--out", type=Path, default=Path("build/references-stars"), help="folder, which it resumes")
    stars.add_argument(
        "--stage",
        type=split_names,
        default=["infer", "check", "collect"],
        help="infer, check, collect (default: these), and entry: the exact likelihood as a submission",
    )
    stars.add_argument("--rows", default="100", help="number of observations (default: the 100 references), or all")
    add_workers(stars)
    stars.add_argument(
        "--earlier", type=Path, metavar="FILE", help="table of an earlier run, whose certified rows are kept"
    )
    stars.set_defaults(run=_star_references)

    embed = commands.add_parser("embed", help="put reference posteriors and trained networks into the package")
    embed.add_argument(
        "--run", type=Path, dest="folder", help="a run of the suite, for the limit that scores can reach"
    )
    embed.add_argument(
        "--networks",
        type=Path,
        metavar="DIR",
        help="folder of the networks of `infer`; those it lacks are trained there first",
    )
    embed.add_argument(
        "--references",
        type=Path,
        nargs="+",
        default=[],
        dest="files",
        metavar="FILE",
        help="references.parquet, or that with -50-100, -24, -stars or -survey before the dot",
    )
    embed.set_defaults(run=_embed)


def _references(options: argparse.Namespace) -> None:
    from benchmarks.references import run
    from benchmarks.references.statistics import find_statistics

    out = options.out or Path("build") / find_statistics(options.task).file
    run.main(out, options.stage, options.rows, options.workers, options.before, options.task)


def _star_references(options: argparse.Namespace) -> None:
    from benchmarks.star_references import run

    run.main(options.out, options.stage, options.rows, options.workers, options.earlier)


def _embed(options: argparse.Namespace) -> None:
    from benchmarks.embedded import embed

    embed.main(options.networks, options.files, options.folder)
