"""Files of others, fetched from their own homes and checked against a hash; no copy of them is in the package."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from mwlmc_data.dataset.manifest import ListedFile
from mwlmc_data.dataset.store import get_data_dir
from mwlmc_data.fetching.connections import open_session
from mwlmc_data.fetching.downloading import download
from mwlmc_data.fetching.errors import FetchError
from mwlmc_data.fetching.manifest import hold_lock
from mwlmc_data.fetching.mirrors import parse
from mwlmc_data.fetching.retrying import Halt, NoMirrorHelpsError
from mwlmc_data.storage.hashing import sha256_of
from mwlmc_data.storage.homes import expand_home

#: Folder of these files, beside those of the data's versions.
FOLDER = "outside"


def fetch_outside(
    home: str,
    file: ListedFile,
    mirrors: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> Path:
    """Fetch a file of others, and verify it; one that is here already is only verified.

    Parameters
    ----------
    home : str
        Folder on the web that holds it, at a fixed revision.
    file : ListedFile
        The file: its path below the home, size and hash.
    mirrors : str, path or iterable of them, optional
        Where to fetch it from instead of its home, in the forms of `mwlmc_data.fetching.mirrors`.
    directory : path, optional
        Folder to put it in; by default one beside the local store.

    Returns
    -------
    Path
        The file, whose SHA-256 is the expected one.

    Raises
    ------
    ValueError
        If a mirror has an unknown form, or there is none.
    FetchError
        If it cannot be fetched or written.
    """
    given = home if mirrors is None else mirrors
    places = [parse(text) for text in ([given] if isinstance(given, str | os.PathLike) else given)]
    if not places:
        raise ValueError("mirrors = none: allowed is at least one")
    root = get_data_dir().parent / FOLDER if directory is None else expand_home("directory", directory)
    target, halt = root / file.name, Halt()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with hold_lock(root, file.name, halt):
            if not (target.is_file() and sha256_of(target) == file.sha256):
                with open_session() as session:
                    download(file, target, places, session, halt, lambda size: None)
    except NoMirrorHelpsError as error:
        raise FetchError(f"{home}/{file.path} cannot be fetched: {error}") from error
    except FetchError:
        raise
    except OSError as error:
        raise FetchError(f"cannot write to {str(root)!r}: {error.strerror or error}") from error
    return target
