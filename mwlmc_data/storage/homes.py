"""Home folders, and users without one: a container may run under a user id that has no account."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

#: Folder of the embedded files and their registry.
DATA_DIR = Path(__file__).parents[1] / "data"


def allow_no_home(*variables: str) -> None:
    """Make a library importable that needs a home folder for its settings and cache, if there is none.

    Without one, importing astropy 8 fails, and datasets makes a folder called ``~`` in the current folder. They get a
    new, empty folder instead, which is removed when the process ends.

    Parameters
    ----------
    *variables : str
        Environment variables that name the library's folders; those already set stay as they are.
    """
    missing = [name for name in variables if not os.environ.get(name)]
    if missing and not os.path.isabs(os.path.expanduser("~")):
        folder = tempfile.mkdtemp(prefix="mwlmc-data-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ.update(dict.fromkeys(missing, folder))


def expand_home(name: str, path: str | os.PathLike[str]) -> Path:
    """Replace the ~ of a path by the home folder.

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
        If it is not a path, or begins with ~ and the user has no home folder.
    """
    if not isinstance(path, str) and not (isinstance(path, os.PathLike) and isinstance(path.__fspath__(), str)):
        raise ValueError(f"{name} = {repr(path)[:80]}: allowed is a path")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{name} = {str(path)!r}: allowed is a path without ~, as no home folder is known") from error


def find_user_cache() -> Path | None:
    """Folder of this package in the user's cache; None if the user has no home folder."""
    import pooch

    try:
        folder = Path(pooch.os_cache("mwlmc-data"))
    except RuntimeError:
        return None
    # without a home folder the tilde stays, and would name a folder in the current one
    return folder if folder.is_absolute() else None
