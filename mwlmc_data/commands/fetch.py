"""`mwlmc fetch`: download files of the release into the local store."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from mwlmc_data.commands.common import add_json, print_json


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser of the command."""
    fetch = commands.add_parser("fetch", help="download files of the release and verify them")
    fetch.add_argument(
        "config",
        nargs="?",
        default="haloes",
        metavar="CONFIG",
        help="such as haloes, gaussian or validation, or all (default: %(default)s)",
    )
    fetch.add_argument("--split", help="train, validation or test (default: all)")
    fetch.add_argument("--sims", metavar="A:B", help="only files with haloes of sim_id A to before B")
    fetch.add_argument(
        "--mirror",
        action="append",
        metavar="MIRROR",
        help="doi:10.5281/zenodo.N, hf:OWNER/NAME[@REVISION], a URL or a folder; may be repeated "
        "(default: MWLMC_MIRRORS, else the registered ones)",
    )
    fetch.add_argument(
        "--directory", type=Path, metavar="DIR", help="folder of the files (default: in MWLMC_DATA_DIR, else the cache)"
    )
    fetch.add_argument("--version", help="version of the data (default: the package's own)")
    fetch.add_argument("--jobs", type=int, default=4, help="files to fetch at the same time (default: %(default)s)")
    fetch.add_argument("--quiet", action="store_true", help="show no progress")
    add_json(fetch)
    fetch.set_defaults(run=_fetch)


def _fetch(options: argparse.Namespace) -> int:
    sim_ids = None if options.sims is None else _parse_range(options.sims)
    from mwlmc_data.dataset.release import DATA_VERSION
    from mwlmc_data.fetching import FetchError, fetch_files
    from mwlmc_data.fetching.errors import format_size

    try:
        fetched = fetch_files(
            None if options.config == "all" else options.config,
            split=options.split,
            sim_ids=sim_ids,
            mirrors=options.mirror,
            directory=options.directory,
            version=options.version,
            jobs=options.jobs,
            progress=not options.quiet,
        )
    except FetchError as error:
        # The input was right, so status 1.
        raise RuntimeError(str(error)) from error
    files = [
        {"path": str(file.path), "bytes": file.bytes, "verified": "now" if file.is_hashed else "before"}
        for file in fetched
    ]
    total, old = sum(file.bytes for file in fetched), [file for file in fetched if not file.is_hashed]
    if options.json:
        print_json({"data_version": options.version or DATA_VERSION, "files": files, "bytes": total})
    else:
        for file in fetched:
            print(file.path)
        print(f"{len(fetched)} files, {format_size(total)}, {len(fetched) - len(old)} verified now")
        if old:
            print(
                f"{len(old)} were verified before and are unchanged since in size, time and footer; "
                "`mwlmc verify --partial DIR` hashes all of them again"
            )
    return 0


def _parse_range(text: str) -> range:
    """Read A:B."""
    match = re.fullmatch(r"(\d+):(\d+)", text)
    if match is None or int(match[1]) >= int(match[2]):
        raise ValueError(f"--sims = {text!r}: allowed is A:B with integers 0 <= A < B")
    return range(int(match[1]), int(match[2]))
