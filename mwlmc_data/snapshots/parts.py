"""The files of one snapshot: found, opened, and checked to be all of it and nothing else."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mwlmc_data.arguments.messages import shorten
from mwlmc_data.storage.homes import expand_home

_SUFFIXES = (".hdf5", ".h5")
_NUMBERED = re.compile(r"^(?P<base>.+)\.(?P<number>\d+)\.(hdf5|h5)$")
#: Names of a particle's position, velocity, mass and identifier; SWIFT's black holes have a mass of another name.
POSITIONS, VELOCITIES, IDS = "Coordinates", "Velocities", "ParticleIDs"
MASSES = ("Masses", "DynamicalMasses")


def import_h5py() -> Any:
    """Import h5py; raise ImportError, with the extra to install, if it is not installed."""
    try:
        return importlib.import_module("h5py")
    except ImportError as error:
        raise ImportError(f'snapshots in files need h5py ({error}): pip install "mwlmc-data[snapshots]"') from error


def find_parts(path: Any) -> list[Path]:
    """Find the files of a snapshot.

    Parameters
    ----------
    path : path-like or sequence of path-like
        A file; a folder with the parts of one snapshot; the name of numbered parts without their numbers and suffix
        (``snapdir_600/snapshot_600``); or all the files.

    Returns
    -------
    list of Path
        Sorted by the number in their names.

    Raises
    ------
    ValueError
        If it is none of these, a folder has no such file or those of several snapshots, or a file is given twice.
    FileNotFoundError
        If there is no such file.
    """
    if isinstance(path, str | os.PathLike):
        paths = _expand(expand_home("path", path))
    elif isinstance(path, Sequence) and path and all(isinstance(item, str | os.PathLike) for item in path):
        paths = [expand_home("path", item) for item in path]
    else:
        raise ValueError(f"path = {shorten(path)}: allowed is a file, a folder of parts, or a list of files")
    for item in paths:
        if not item.is_file():
            raise FileNotFoundError(f"path = {str(item)!r}: there is no such file")
    if len({item.resolve() for item in paths}) < len(paths):
        raise ValueError(f"path = {len(paths)} files, some of them given twice: allowed is each part once")
    return sorted(paths, key=lambda item: (get_number(item) if get_number(item) is not None else -1, item.name))


def get_number(path: Path) -> int | None:
    """Number of a part in the name of its file; None if it has none."""
    match = _NUMBERED.match(path.name)
    return int(match["number"]) if match else None


def _expand(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(item for item in path.iterdir() if item.suffix in _SUFFIXES and item.is_file())
        if not found:
            raise ValueError(f"path = {str(path)!r}, a folder without HDF5 files: allowed is a folder of parts")
        bases = {match["base"] if (match := _NUMBERED.match(item.name)) else item.stem for item in found}
        parts = [item for item in found if get_number(item) is not None]
        # beside its parts, SWIFT writes a virtual file with their common name
        if len(bases) > 1 or (len(found) > 1 and not parts):
            names = ", ".join(sorted(bases)[:4])
            raise ValueError(f"path = {str(path)!r}, with the snapshots {names}: allowed is a folder of one snapshot")
        return parts or found
    if not path.exists():
        pattern = re.compile(re.escape(path.name) + r"\.\d+\.(hdf5|h5)$")
        folder = path.parent if path.parent.is_dir() else None
        found = sorted(item for item in folder.iterdir() if pattern.match(item.name)) if folder else []
        return found or [path]
    return [path]


@contextlib.contextmanager
def open_parts(paths: Sequence[Path]) -> Iterator[list[Any]]:
    """Open the files of a snapshot; raise ValueError if one is cut, no HDF5 file, or no snapshot."""
    h5py = import_h5py()
    with contextlib.ExitStack() as stack:
        files = []
        for path in paths:
            try:
                file = stack.enter_context(h5py.File(path, "r"))
            except OSError as error:
                raise ValueError(
                    f"path = {str(path)!r}: allowed is a whole HDF5 file; this one is cut or of another format "
                    f"({error})"
                ) from error
            if "Header" not in file or "NumPart_ThisFile" not in file["Header"].attrs:
                raise ValueError(
                    f"path = {str(path)!r}, without the numbers of particles (Header, NumPart_ThisFile): allowed is a "
                    "snapshot of GIZMO, Gadget-4 or SWIFT"
                )
            files.append(file)
        yield files


def get_attribute(file: Any, group: str, *names: str) -> Any:
    """First attribute of these names in a group of a file, as a scalar where it has one element; None if none."""
    if group not in file:
        return None
    attributes = file[group].attrs
    for name in names:
        if name in attributes:
            value = attributes[name]
            value = value.decode(errors="replace") if isinstance(value, bytes) else value
            array = np.asarray(value)
            return array.ravel()[0].item() if array.size == 1 else array
    return None


def get_number_of(file: Any, group: str, *names: str) -> float | None:
    """The same as a number; text that is a number counts."""
    value = get_attribute(file, group, *names)
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{where(file)}: {group}, {names[0]} = {shorten(value)}: allowed is a number") from None


def where(file: Any) -> str:
    """The file's name for a message."""
    return f"path = {str(file.filename)!r}"


def count_particles(file: Any) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of particles by type in this file, and in all files of the snapshot."""
    attributes = file["Header"].attrs
    here = np.atleast_1d(attributes["NumPart_ThisFile"]).astype(np.int64)
    if "NumPart_Total" not in attributes:
        raise ValueError(f"{where(file)}, without Header, NumPart_Total: allowed is a file with it")
    total = np.atleast_1d(attributes["NumPart_Total"]).astype(np.int64)
    if "NumPart_Total_HighWord" in attributes:
        high = np.atleast_1d(attributes["NumPart_Total_HighWord"]).astype(np.int64)
        total = total + (high[: len(total)] << 32)
    return here, total


def check_parts(files: Sequence[Any]) -> None:
    """Refuse files that are not all parts of one snapshot.

    Raises
    ------
    ValueError
        If parts are missing or belong to different snapshots; the message says which.
    """
    first = files[0]
    wanted = int(get_number_of(first, "Header", "NumFilesPerSnapshot") or 1)
    totals = count_particles(first)[1]
    for file in files[1:]:
        for name in ("Time", "Redshift", "BoxSize"):
            one, other = (get_attribute(item, "Header", name) for item in (first, file))
            if not np.array_equal(np.asarray(one), np.asarray(other)):
                raise ValueError(
                    f"path = files of two snapshots: Header, {name} is {one} in {Path(first.filename).name} and "
                    f"{other} in {Path(file.filename).name}: allowed are the parts of one snapshot"
                )
        if not np.array_equal(count_particles(file)[1], totals):
            raise ValueError(
                f"path = files of two snapshots: NumPart_Total differs between {Path(first.filename).name} and "
                f"{Path(file.filename).name}: allowed are the parts of one snapshot"
            )
    if len(files) != wanted:
        numbers = {get_number(Path(file.filename)) for file in files}
        missing = [k for k in range(wanted) if k not in numbers] if None not in numbers else []
        which = f" (missing: {', '.join(map(str, missing[:8]))}{', ...' * (len(missing) > 8)})" if missing else ""
        raise ValueError(
            f"path = {len(files)} of the {wanted} files of the snapshot{which}: allowed is all of them, as a folder, "
            "a list, or their name without number and suffix"
        )


def check_counts(files: Sequence[Any], kinds: Sequence[int]) -> None:
    """Refuse files that hold fewer or more particles of these types than the snapshot has."""
    counts = [count_particles(file) for file in files]
    total = counts[0][1]
    for kind in kinds:
        here = sum(int(count[0][kind]) if kind < len(count[0]) else 0 for count in counts)
        wanted = int(total[kind]) if kind < len(total) else 0
        if here != wanted:
            raise ValueError(
                f"path = {len(files)} files with {here:,} particles of type {kind}: allowed is all {wanted:,} of the "
                "snapshot (Header, NumPart_Total)"
            )


def check_sources(file: Any, dataset: Any) -> None:
    """Refuse a virtual dataset whose files are missing: HDF5 would read zeros in their place, without an error."""
    if not dataset.is_virtual:
        return
    folder = Path(file.filename).parent
    names = {source.file_name for source in dataset.virtual_sources()} - {"."}
    missing = sorted(name for name in names if not (folder / name).is_file())
    if missing:
        raise ValueError(
            f"{where(file)}, a virtual file without its parts {', '.join(missing[:4])}: allowed is a virtual file with "
            "all of them in its folder"
        )
