"""The hashes of the complete Gaussian set's stars: the files are 12 GB, and only their hashes are in the repository."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping
from pathlib import Path

from generation.cluster import get_versions
from mwlmc_data.dataset.manifest import ListedFile
from mwlmc_data.storage.writing import write_bytes

#: The hashes, as ``sha256sum -c`` reads them in the folder of a run; comments say with what the files were made.
SUMS = Path(__file__).with_name("haloes.sha256")


def format_sums(hashes: Mapping[str, str]) -> str:
    """Format the hashes of files by their path, sorted, as ``sha256sum -c`` reads them."""
    return "".join(f"{hashes[path]}  {path}\n" for path in sorted(hashes))


def write_sums(files: Iterable[ListedFile], where: Path = SUMS) -> None:
    """Write the hashes of files.

    Parameters
    ----------
    files : iterable of ListedFile
        The shards of a complete set.
    where : Path
        File to write.
    """
    libraries = get_versions() | {"pyarrow": importlib.metadata.version("pyarrow")}
    made_with = ", ".join(f"{name} {version}" for name, version in libraries.items())
    hashes = {entry.path: entry.sha256 for entry in files}
    write_bytes(where, f"# made on a processor with AVX-512, with {made_with}\n{format_sums(hashes)}".encode())


def read_sums(where: Path = SUMS) -> dict[str, str]:
    """Read hashes, by the path of the file in the folder of a run."""
    lines = [line for line in where.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {path: digest for digest, path in (line.split("  ", 1) for line in lines)}


def compare_sums(files: Iterable[ListedFile], where: Path = SUMS) -> str:
    """Say how many of the files of a run are those whose hashes are kept; empty if none is known by its path."""
    kept = read_sums(where)
    same = [entry.sha256 == kept[entry.path] for entry in files if entry.path in kept]
    if not same:
        return ""
    text = f"{sum(same)} of {len(same)} files have the hashes of generation/{where.name}"
    return text if all(same) else f"{text}; other processors and packages round and pack differently (mwlmc verify)"
