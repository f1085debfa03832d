"""Results that a study keeps in files, each with what made it: versions in a JSON, or a hash in its name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def hash_facts(*facts: Any) -> str:
    """Hash of what a result depends on, for the name of its file: of numbers and text, and tuples of them."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]


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
