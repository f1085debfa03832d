"""Options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def integer_from(minimum: int) -> Callable[[str], int]:
    """Return a reader of integers from `minimum` up, so that a bad one is refused before any work."""

    def read(text: str) -> int:
        if not text.lstrip("-").isdigit() or int(text) < minimum:
            raise argparse.ArgumentTypeError(f"{text!r}: allowed is an integer of at least {minimum}")
        return int(text)

    return read


def split_names(text: str) -> list[str]:
    """Split names at their commas."""
    return text.split(",")


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the option that chooses a set of simulations."""
    parser.add_argument("--config", default="gaussian", help="set of simulations (default: %(default)s)")


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add the seed, 0 by default."""
    parser.add_argument("--seed", type=integer_from(0), default=0)


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add the number of processes."""
    parser.add_argument("--workers", type=integer_from(1), help="processes (default: all cores)")


def add_stars(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the reference posteriors given stars."""
    parser.add_argument(
        "--stars", type=Path, default=Path("build/references-stars"), help="run of star-references"
    )


def add_references(parser: argparse.ArgumentParser) -> None:
    """Add the folders of the reference posteriors given stars and given 24 numbers."""
    add_stars(parser)
    parser.add_argument(
        "--numbers", type=Path, default=Path("build/references-24"), help="run of references --task summary-24"
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the folder of a run of the suite that is read."""
    parser.add_argument(
        "--run", type=Path, default=Path("build/suite"), dest="folder", help="a run of the suite (default: %(default)s)"
    )
