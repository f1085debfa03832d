"""`mwlmc cite`: how to cite the paper, the data and the software."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser of the command."""
    cite = commands.add_parser("cite", help="how to cite the paper, the data and the software")
    cite.add_argument("--style", default="bibtex", help="bibtex or text (default: %(default)s)")
    cite.set_defaults(run=_cite)


def _cite(options: argparse.Namespace) -> int:
    from mwlmc_data.citation import cite

    print(cite(options.style))
    return 0
