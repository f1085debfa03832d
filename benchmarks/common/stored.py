"""Results that a study keeps as JSON, a file each, with the versions of what made them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_stored(path: Path, what: str, versions: list[Any]) -> dict[str, Any]:
    """Read a file.

    Parameters
    ----------
    path : Path
        Of a JSON object with an entry ``versions``.
    what : str
        What the file holds, for the message.
    versions : list
        Those of a file that would be written now.

    Raises
    ------
    ValueError
        If the file is of other versions.
    """
    stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if stored["versions"] != versions:
        found = f"{path} = {what} of versions {stored['versions']}"
        raise ValueError(f"{found}: allowed is {versions}; a new folder computes all again")
    return stored
