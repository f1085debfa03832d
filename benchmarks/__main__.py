"""Command line of the benchmarks: ``python -m benchmarks --help`` lists the commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.commands import paper, references, star_studies, studies, suite, surveys
from mwlmc_data.terminal import Parser, tolerate_encodings


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = Parser(prog="python -m benchmarks", description="Train, score, measure.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for room in (paper, suite, references, surveys, studies, star_studies):
        room.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; bad input is one line on standard error and exit code 2.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words of the command line; those of the process by default.

    Returns
    -------
    int
        Exit status: 0 done, 2 bad input.
    """
    with tolerate_encodings():
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
