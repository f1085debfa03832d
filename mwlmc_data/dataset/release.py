"""Releases of the data: versions, files and their hashes.

The registry, `data/registry.json`, lists for every version of the data the files that the package embeds, each with
its SHA-256, size and number of rows. A file is compared with its entry before it is read, so a damaged, truncated or
replaced file is an error and never data. The registry also holds the SHA-256 of the published folder's manifest, the
mirrors that hold the folder, and the erratum of a retracted version.

Versions: PATCH if the same values are written differently, MINOR if columns or cases are added, MAJOR if values change.
"""

from __future__ import annotations

import copy
import json
import warnings
from pathlib import Path
from typing import Any

from mwlmc_data.storage.errors import DamagedFileError
from mwlmc_data.storage.hashing import sha256_of
from mwlmc_data.storage.homes import DATA_DIR
from mwlmc_data.storage.writing import write_bytes

#: Version of the data that this package embeds.
DATA_VERSION = "1.0.0"

#: Seed of each set of the release; it fixes the draws and, with sim_id, the stars.
CATALOGUE_SEEDS: dict[str, int] = {"gaussian": 20250710, "flat": 20250711, "wide": 20250712}


_EMPTY: dict[str, Any] = {"files": {}, "manifest": None, "mirrors": [], "retracted": None}


class RetractedVersionWarning(UserWarning):
    """The loaded version of the data was retracted; the warning gives the erratum."""


def load_registry(directory: Path | None = None) -> dict[str, dict[str, dict[str, Any]]]:
    """Read the registry.

    Parameters
    ----------
    directory : Path, optional
        Folder of the files; the package's by default.

    Returns
    -------
    dict
        Version -> `files` (configuration -> entry with file, sha256, bytes, rows, seed and simulator_version),
        `manifest` (SHA-256 of the published folder's manifest, None before publication), `mirrors` (list of places of
        publication) and `retracted` (None, or the erratum in a sentence). Empty if there is no registry yet.

    Raises
    ------
    DamagedFileError
        If the registry is not valid JSON of the expected form.
    """
    path = _get_directory(directory) / "registry.json"
    if not path.exists():
        return {}
    try:
        versions = json.loads(path.read_text(encoding="utf-8"))["versions"]
        return {version: {name: record[name] for name in _EMPTY} for version, record in versions.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(path, "a registry of versions", f"other text ({error!r})") from error


def get_record(version: str | None = None, directory: Path | None = None) -> dict[str, Any]:
    """Look up the registry's record of one version, and warn if it was retracted.

    Parameters
    ----------
    version : str, optional
        Version of the data; `DATA_VERSION` by default.
    directory : Path, optional
        Folder of the files; the package's by default.

    Returns
    -------
    dict
        The version's files, manifest, mirrors and retracted, as `load_registry` returns them.

    Warns
    -----
    RetractedVersionWarning
        If the version was retracted; the warning gives the erratum.

    Raises
    ------
    ValueError
        If the version is not in the registry.
    """
    version = DATA_VERSION if version is None else version
    registry = load_registry(directory)
    if version not in registry:
        known = ", ".join(map(repr, registry)) or "none yet"
        raise ValueError(f"version = {version!r}: allowed is {known} (versions of the data)")
    record = registry[version]
    if record["retracted"]:
        warnings.warn(
            f"data version {version} was retracted: {record['retracted']}", RetractedVersionWarning, stacklevel=2
        )
    return record


def get_entry(config: str, version: str | None = None, directory: Path | None = None) -> dict[str, Any]:
    """Look up the registry's entry for one file.

    Parameters
    ----------
    config : str
        Configuration, such as "gaussian".
    version : str, optional
        Version of the data; `DATA_VERSION` by default.
    directory : Path, optional
        Folder of the files; the package's by default.

    Returns
    -------
    dict
        The entry: file, sha256, bytes, rows, seed and simulator_version.

    Raises
    ------
    ValueError
        If the version or the configuration is not in the registry.
    """
    files = get_record(version, directory)["files"]
    if config not in files:
        known = ", ".join(map(repr, files))
        shown = DATA_VERSION if version is None else version
        raise ValueError(f"config = {config!r}: allowed is {known} (in data version {shown})")
    return files[config]


def verify_embedded(config: str, version: str | None = None, directory: Path | None = None) -> Path:
    """Find an embedded file and check it against its hash.

    Parameters
    ----------
    config : str
        Configuration, such as "gaussian".
    version : str, optional
        Version of the data; `DATA_VERSION` by default.
    directory : Path, optional
        Folder of the files; the package's by default.

    Returns
    -------
    Path
        The file, with the bytes of the release.

    Raises
    ------
    ValueError
        If the version or the configuration is not in the registry.
    DamagedFileError
        If the file is missing or has the wrong hash.
    """
    entry = get_entry(config, version, directory)
    path = _get_directory(directory) / entry["file"]
    if not path.is_file():
        raise DamagedFileError(path, f"SHA-256 {entry['sha256']}", "no such file")
    found = sha256_of(path)
    if found != entry["sha256"]:
        expected = f"SHA-256 {entry['sha256']} ({entry['bytes']} bytes)"
        raise DamagedFileError(path, expected, f"{found} ({path.stat().st_size} bytes)")
    return path


def register(
    path: Path,
    *,
    config: str,
    rows: int,
    seed: int,
    simulator_version: str,
    version: str | None = None,
) -> dict[str, Any]:
    """Enter a file into the registry in the same folder.

    Parameters
    ----------
    path : Path
        An existing file in the folder of the registry, which is created if it is missing.
    config : str
        Set of simulations in the file.
    rows : int
        Number of simulations in it.
    seed : int
        Seed of the set.
    simulator_version : str
        Version of the simulator that made the set.
    version : str, optional
        Version of the data; `DATA_VERSION` by default.

    Returns
    -------
    dict
        The new entry.
    """
    version = DATA_VERSION if version is None else version
    versions = load_registry(path.parent)
    entry = {
        "file": path.name,
        "sha256": sha256_of(path),
        "bytes": path.stat().st_size,
        "rows": rows,
        "seed": seed,
        "simulator_version": simulator_version,
    }
    versions.setdefault(version, copy.deepcopy(_EMPTY))["files"][config] = entry
    text = json.dumps({"versions": versions}, indent=2, sort_keys=True)
    write_bytes(path.parent / "registry.json", f"{text}\n".encode())
    return entry


def _get_directory(directory: Path | None) -> Path:
    return DATA_DIR if directory is None else directory
