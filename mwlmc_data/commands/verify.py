"""`mwlmc verify`: check a folder of released files."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from mwlmc_data.commands.common import add_json, print_json


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser of the command."""
    verify = commands.add_parser(
        "verify",
        help="check a folder of released files",
        description="Check hashes, schema, counts and contents of a folder of released files, and some of its haloes "
        "against the simulator. Exit status: 0 no problem, 1 problems found, 2 no such folder.",
    )
    verify.add_argument("directory", type=Path, metavar="DIR", help="a folder with a manifest.json")
    verify.add_argument("--sample", type=int, default=16, metavar="N", help="haloes to simulate (default: %(default)s)")
    verify.add_argument("--partial", action="store_true", help="files may be absent, as in a local store")
    add_json(verify)
    verify.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    from mwlmc_data.dataset.verification import verify

    found = verify(options.directory, options.sample, options.partial)
    if options.json:
        print_json({**asdict(found), "root": str(found.root)})
        return 1 if found.problems else 0
    print(f"{found.root}: data {found.data_version}, {found.files} files, {found.rows} rows, {found.bytes} bytes")
    if found.absent and options.partial:
        print(f"{len(found.absent)} files of the manifest are absent")
    if options.sample:
        print(f"{found.simulated} haloes simulated again, {found.identical} of them bit-identical")
    for problem in found.problems:
        print(f"PROBLEM: {problem}")
    print("problems found" if found.problems else "no problems")
    return 1 if found.problems else 0
