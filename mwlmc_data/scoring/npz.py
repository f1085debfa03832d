"""Reading arrays from a file that somebody else made: names, types and sizes first, contents after.

Nothing is unpickled, and nothing is decompressed beyond the few bytes of a header before the file is known to hold what
is wanted and no more.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.scoring.task import Array

_HEADER = 1 << 14
"""Bytes that a header may take; those of plain arrays take 128."""
_SLACK = 4
"""Times what is wanted that a file may hold and still be opened, to say what is wrong with it."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError)
"""What reading bytes that are no longer what was written may raise."""


def npz_problems(path: Path, wanted: Mapping[str, Array]) -> list[str]:
    """Say what is wrong with a file of arrays, without loading them.

    Parameters
    ----------
    path : Path
        File as `numpy.savez` writes it.
    wanted : mapping of str to Array
        What it must or may hold.

    Returns
    -------
    list of str
        Sentences, each with the value and what is allowed; empty if the arrays can be loaded.
    """
    if not path.is_file():
        return [f"there is no {path.name}; allowed: a file as numpy.savez writes it"]
    most = _SLACK * sum(array.most_bytes + _HEADER for array in wanted.values())
    size = path.stat().st_size
    if size > most:
        return [f"{path.name} has {size} bytes; allowed: {most} at most"]
    try:
        with zipfile.ZipFile(path) as archive:
            return _archive_problems(archive, wanted)
    except (*_DAMAGE, NotImplementedError) as error:
        return [f"{path.name} is no file of numpy.savez ({error})"]


def load_npz(path: Path) -> tuple[dict[str, NDArray], list[str]]:
    """Load the arrays of a file in which `npz_problems` found none.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    arrays : dict of str to ndarray
        By name.
    problems : list of str
        What is damaged; empty if all was read.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}, []
    except (*_DAMAGE, ValueError) as error:
        return {}, [f"{path.name} is damaged ({error})"]


def _archive_problems(archive: zipfile.ZipFile, wanted: Mapping[str, Array]) -> list[str]:
    found: list[str] = []
    members = archive.infolist()
    names = [member.filename.removesuffix(".npy") for member in members]
    allowed = ", ".join(wanted)
    for name, member in zip(names, members, strict=True):
        if name not in wanted or not member.filename.endswith(".npy"):
            found.append(f"there is an entry {member.filename[:80]!r} in the file; allowed: the arrays {allowed}")
        elif names.count(name) > 1:
            found.append(f"{name} comes {names.count(name)} times; allowed: once")
        else:
            found += _member_problems(archive, member, name, wanted[name])
    missing = [name for name, array in wanted.items() if array.is_required and name not in names]
    return sorted({*found, *(f"{name} is missing: {wanted[name].what}" for name in missing)})


def _member_problems(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, wanted: Array) -> list[str]:
    if member.compress_type not in _METHODS or member.flag_bits & _ENCRYPTED:
        return [f"{name} is encrypted or compressed by method {member.compress_type}; allowed: stored, or deflated (8)"]
    try:
        with archive.open(member) as stream:
            shape, dtype, length = _header(stream)
    except ValueError as error:
        return [f"{name} is no array: {error}"]
    if dtype.hasobject:
        return [f"{name} holds Python objects, which are never loaded; allowed: {' or '.join(wanted.dtypes)}"]
    found = []
    if dtype.newbyteorder("=") not in [np.dtype(allowed) for allowed in wanted.dtypes]:
        found.append(f"{name} is of type {dtype}; allowed: {' or '.join(wanted.dtypes)}")
    if shape != wanted.shape:
        found.append(f"{name} has shape {shape}; allowed: {wanted.shape}, {wanted.what}")
    expected = length + int(np.prod(shape)) * dtype.itemsize
    if not found and member.file_size != expected:
        found.append(f"{name} has {member.file_size} bytes; allowed: {expected}")
    return found


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape, type and length of the header of an array; ValueError if it is none."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"its format is {version}; allowed: (1, 0) and (2, 0)")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream, max_header_size=_HEADER)
    return shape, dtype, stream.tell()
