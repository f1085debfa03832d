"""`mwlmc info`: versions, embedded files, tasks and columns."""

from __future__ import annotations

import argparse

from mwlmc_data.commands.common import add_json, print_json
from mwlmc_data.dataset import schema
from mwlmc_data.storage.errors import DamagedFileError


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser of the command."""
    info = commands.add_parser("info", help="versions, embedded files, tasks and columns")
    add_json(info)
    info.set_defaults(run=_info)


def _info(options: argparse.Namespace) -> int:
    from mwlmc_data import __version__
    from mwlmc_data.dataset import library, release
    from mwlmc_data.dataset.store import DATA_DIR_VARIABLE, describe_store
    from mwlmc_data.scoring.task import list_tasks
    from mwlmc_data.simulator import SIMULATOR_VERSION

    registry, files = release.load_registry(), []
    for config, entry in registry.get(release.DATA_VERSION, {}).get("files", {}).items():
        try:
            release.verify_embedded(config)
            state = "verified"
        except DamagedFileError as error:
            state = str(error)
        files.append({"version": release.DATA_VERSION, "config": config, **entry, "state": state})
    known = {
        version: {"embedded": version == release.DATA_VERSION, "retracted": record["retracted"]}
        for version, record in registry.items()
    }
    folders = [
        {"path": str(home.root), "present": len(home.list_present()), "files": len(home.manifest.files)}
        for home in library.list_stores()
    ]
    columns = [
        {"name": c.name, "dtype": c.dtype, "unit": c.unit, "description": c.description}
        for c in schema.COLUMNS
    ]
    if options.json:
        versions = {
            "package": __version__,
            "data": release.DATA_VERSION,
            "simulator": SIMULATOR_VERSION,
        }
        content = {"versions": versions, "known": known, "files": files, "folders": folders}
        print_json({**content, "tasks": list_tasks(), "columns": columns})
    else:
        print(f"mwlmc-data {__version__}, data {release.DATA_VERSION}, simulator {SIMULATOR_VERSION}\n")
        print("Embedded files" if files else "No embedded files")
        for f in files:
            print(
                f"  {f['version']} {f['config']}: {f['rows']} simulations, {f['bytes']} bytes, "
                f"seed {f['seed']}"
            )
            print(f"    SHA-256 {f['sha256']}: {f['state']}")
        for version, facts in known.items():
            if not facts["embedded"]:
                print(f"  {version}: not embedded; `mwlmc fetch all --version {version}` gets it")
            if facts["retracted"]:
                print(f"  {version} was RETRACTED: {facts['retracted']}")
        print("\nFolders with haloes")
        for folder in folders:
            print(f"  {folder['path']}: {folder['present']} of {folder['files']} files")
        print(f"  the local store is {describe_store()}; set {DATA_DIR_VARIABLE} for another")
        print("\nTasks")
        tasks = list_tasks()
        for name, question in tasks.items():
            print(f"  {name:<{max(map(len, tasks))}} {question}")
        print("\nColumns")
        for c in schema.COLUMNS:
            print(f"  {c.name:<20} {c.unit or '-':<7} {c.description}")
    return 0 if all(f["state"] == "verified" for f in files) else 1
