"""Files that are never seen half written, and what is said where they cannot be written.

A file is written beside its place, put on the disk, and renamed into its place; then the folder's entry is put on the
disk as well, so that neither a killed process nor a power cut leaves a file that is there and is not whole.
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

#: Age [s] from which a half-written file is nobody's any more: writing one takes seconds.
STALE = 3600.0

#: Answers of file systems that cannot put a folder on the disk.
_CANNOT = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES}


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside a file and rename over it, so that it is never seen half written, also after a power cut.

    Several processes, also of several machines, may do this for one file at once: the last one's stays.

    Parameters
    ----------
    path : Path
        The file to make or replace.
    write : callable
        Writes the file at the path that it is given.

    Raises
    ------
    WriteError
        If the disk is full or read-only, or the file is forbidden. What was there stays.
    """

    def replace(temporary: Path) -> None:
        write(temporary)
        put_on_disk(temporary)
        os.replace(temporary, path)

    _make_beside(path, replace)


def _make_beside(path: Path, make: Callable[[Path], object]) -> None:
    """Make a file by way of another one beside it, of which nothing is left."""
    # A name of its own: a worker that was given up for dead may be writing the same file.
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
    """Make or replace a file with this content, as `replace_file`."""
    replace_file(path, lambda temporary: temporary.write_bytes(content))


def create_file(path: Path, content: bytes) -> bool:
    """Make a file unless it is there; of several processes that do so at once, one makes it.

    Parameters
    ----------
    path : Path
        The file to make.
    content : bytes
        What it holds.

    Returns
    -------
    bool
        Whether it was made.

    Raises
    ------
    WriteError
        If the disk is full or read-only, or the file is forbidden.
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
    # Windows wants the right to write, a shard that is linked from elsewhere may be read-only.
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_folder_on_disk(folder: Path) -> None:
    """Wait until the names in a folder have reached the disk, where the system can say so."""
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
    """Make a folder and those above it, unless it is there.

    Raises
    ------
    WriteError
        If the disk is full or read-only, or the folder is forbidden.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in DISK_ERRORS:
            raise WriteError(folder, error.errno) from error
        raise


def remove_leftovers(folder: Path) -> None:
    """Remove the half-written files that killed processes left in a folder, once they are old.

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
            continue  # it was renamed meanwhile, or another run removed it
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise


def _is_of_the_disk(error: OSError, path: Path) -> bool:
    """Whether an error is one of writing this file, and not of what is read for it."""
    is_other = error.filename is not None and Path(os.fsdecode(error.filename)).parent != path.parent
    return not isinstance(error, WriteError) and error.errno in DISK_ERRORS and not is_other
