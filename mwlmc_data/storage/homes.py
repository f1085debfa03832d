"""Users without a home folder: a container may run as a number that no account has."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

#: Folder of the embedded files and their registry.
DATA_DIR = Path(__file__).parents[1] / "data"


def allow_no_home(*variables: str) -> None:
    """Let a library be imported that keeps settings and a cache in the home folder, where there is none.

    Astropy 8 then fails to be imported, and datasets makes a folder called ``~`` in the current one. A new, empty
    folder takes the place of theirs; it goes when the process ends.

    Parameters
    ----------
    *variables : str
        Environment variables that name the folders of the library; one that is set is left alone.
    """
    missing = [name for name in variables if not os.environ.get(name)]
    if missing and not os.path.isabs(os.path.expanduser("~")):
        folder = tempfile.mkdtemp(prefix="mwlmc-data-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ.update(dict.fromkeys(missing, folder))


def expand_home(name: str, path: str | os.PathLike[str]) -> Path:
    """Return a path with its ~ replaced.

    Parameters
    ----------
    name : str
        What the user calls the path; the error begins with it.
    path : str or path
        The path.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If it begins with ~ and the user has no home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{name} = {str(path)!r}: allowed is a path without ~, as no home folder is known") from error


def find_user_cache() -> Path | None:
    """Folder of this package in the user's cache; None where there is no home for one."""
    import pooch

    try:
        folder = Path(pooch.os_cache("mwlmc-data"))
    except RuntimeError:
        return None
    # without a home the tilde stays, and would name a folder below the current one
    return folder if folder.is_absolute() else None
