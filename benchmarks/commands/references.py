"""`references` and `embed`: what is made here and shipped with the package."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.commands.options import add_workers, integer_from


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parsers."""
    references = commands.add_parser("references", help="make reference posteriors of fixed test rows and of the cases")
    references.add_argument(
        "--out", type=Path, default=Path("build/references"), help="folder of the run, which it resumes"
    )
    references.add_argument("--stage", default="all", help="simulate, infer, extend, check, collect or all (default)")
    references.add_argument(
        "--rows", type=integer_from(1), help="only this many rows, the cases first (default: all 103)"
    )
    references.add_argument(
        "--before", type=Path, metavar="FILE", help="earlier references.parquet, to compare the collected one with"
    )
    add_workers(references)
    references.set_defaults(run=_references)

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
    embed.add_argument("--references", type=Path, dest="file", help="references.parquet of a run of references")
    embed.set_defaults(run=_embed)


def _references(options: argparse.Namespace) -> None:
    from benchmarks.references import run

    run.main(options.out, options.stage, options.rows, options.workers, options.before)


def _embed(options: argparse.Namespace) -> None:
    from benchmarks.embedded import embed

    embed.main(options.networks, options.file, options.folder)
