"""Atomic writes: a file is never seen half written; if it cannot be written, the error says why.

A file is written beside its final path, flushed to disk, and renamed into place; then the folder's entry is flushed as
well, so that neither a killed process nor a power cut leaves an incomplete file.
"""

from __future__ import annotations

import errno
import os
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from mwlmc_data.storage.errors import DISK_ERRORS, WriteError

#: Age [s] from which a half-written file counts as abandoned: writing one takes seconds.
STALE = 3600.0

#: Errors of file systems that cannot flush a folder.
_CANNOT = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES}


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside a file and rename over it, so that it is never seen half written, even after a power cut.

    Several processes, even on several machines, may do this for one file at once: the last one wins.

    Parameters
    ----------
    path : Path
        The file to create or replace.
    write : callable
        Called with a path; writes the file there.

    Raises
    ------
    WriteError
        If the disk is full or read-only, or permission is denied. The old file stays.
    """

    def replace(temporary: Path) -> None:
        write(temporary)
        put_on_disk(temporary)
        os.replace(temporary, path)

    _make_beside(path, replace)


def _make_beside(path: Path, make: Callable[[Path], object]) -> None:
    """Make a file by way of a temporary one beside it, which is removed."""
    # A unique name: a worker that counts as dead may still be writing the same file.
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        make(temporary)
        put_folder_on_disk(path.parent)
    except OSError as error:
        if _is_of_the_disk(error, path):
            raise WriteError(path, int(error.errno or 0)) from error
        raise
    finally:
        try:
            temporary.unlink(missing_ok=True)
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise


def write_bytes(path: Path, content: bytes) -> None:
    """Create or replace a file with this content, as `replace_file` does."""
    replace_file(path, lambda temporary: temporary.write_bytes(content))


def create_file(path: Path, content: bytes) -> bool:
    """Create a file unless it exists; of several processes that try at once, one succeeds.

    Parameters
    ----------
    path : Path
        The file to create.
    content : bytes
        Its content.

    Returns
    -------
    bool
        Whether this call created it.

    Raises
    ------
    WriteError
        If the disk is full or read-only, or permission is denied.
    """
    made = False

    def link(temporary: Path) -> None:
        nonlocal made
        temporary.write_bytes(content)
        put_on_disk(temporary)
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno == errno.EEXIST or path.exists():
                return
            os.replace(temporary, path)  # a file system without links
        made = True

    _make_beside(path, link)
    return made


def put_on_disk(path: Path) -> None:
    """Wait until the content of a file has reached the disk."""
    # Windows needs write access; a shard linked from elsewhere may be read-only.
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_folder_on_disk(folder: Path) -> None:
    """Wait until the names in a folder have reached the disk, where the system can tell."""
    if sys.platform == "win32":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, unless they exist.

    Raises
    ------
    WriteError
        If the disk is full or read-only, or permission is denied.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in DISK_ERRORS:
            raise WriteError(folder, error.errno) from error
        raise


def remove_leftovers(folder: Path) -> None:
    """Remove old half-written files that killed processes left in a folder.

    Parameters
    ----------
    folder : Path
        Where `replace_file` was used.
    """
    for temporary in folder.glob("*.tmp"):
        try:
            if time.time() - temporary.stat().st_mtime > STALE:
                temporary.unlink()
        except FileNotFoundError:
            continue  # renamed meanwhile, or removed by another run
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise


def _is_of_the_disk(error: OSError, path: Path) -> bool:
    """Whether an error comes from writing this file rather than from reading its sources."""
    is_other = error.filename is not None and Path(os.fsdecode(error.filename)).parent != path.parent
    return not isinstance(error, WriteError) and error.errno in DISK_ERRORS and not is_other
