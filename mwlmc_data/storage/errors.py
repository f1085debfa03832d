"""Errors of files, and the exit status that a program returns for each."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from mwlmc_data.storage.homes import DATA_DIR

#: Errors of the disk or its permissions, whatever the request: full, at a limit, read-only, failing, forbidden.
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM}


class WriteError(OSError):
    """A file or folder cannot be written: the disk is full or read-only, or permission is denied.

    Parameters
    ----------
    path : Path
        The file.
    number : int
        The system's error number, such as `errno.ENOSPC`.
    """

    def __init__(self, path: Path | str, number: int) -> None:
        super().__init__(number, f"cannot write {str(path)!r}: {os.strerror(number)}")
        self.path = path

    def __str__(self) -> str:
        return str(self.strerror)

    def __reduce__(self) -> tuple[type[WriteError], tuple[Path | str, int]]:
        # for a pool of processes, which pickles what is raised
        return type(self), (self.path, int(self.errno or 0))


class DamagedFileError(OSError):
    """A data file is missing or does not match its description in the registry.

    Parameters
    ----------
    path : Path
        The file.
    expected, found : str
        What the registry lists and what is there, in words with the hashes.
    way : str, optional
        What helps; by default to reinstall the package, or to fetch or make a file outside it again.
    """

    def __init__(self, path: Path, expected: str, found: str, way: str = "") -> None:
        is_embedded = Path(path).is_relative_to(DATA_DIR)
        usual = "Reinstall the package to restore it" if is_embedded else "Remove it, then fetch or regenerate it"
        super().__init__(f"{path} is not the file of the release: expected {expected}, found {found}. {way or usual}.")
        self.path, self.expected, self.found, self.way = path, expected, found, way

    def __reduce__(self) -> tuple[type[DamagedFileError], tuple[Path, str, str, str]]:
        # for a pool of processes, which pickles what is raised
        return type(self), (self.path, self.expected, self.found, self.way)


def exit_status(error: OSError) -> int:
    """Exit status of a program that ends with a system error.

    Parameters
    ----------
    error : OSError
        The error.

    Returns
    -------
    int
        1 if a disk is full or read-only, or data are damaged: the input was right. 2 for bad input, such as the name of
        a missing file.
    """
    is_ours = isinstance(error, WriteError | DamagedFileError)
    return 1 if is_ours or error.errno in DISK_ERRORS - {errno.EACCES, errno.EPERM} else 2
