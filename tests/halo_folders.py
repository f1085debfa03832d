"""Folders of haloes for tests: parts of the mini set under other settings, which cost nothing to make."""

from __future__ import annotations

import shutil
from pathlib import Path

from mwlmc_data import library, store


def copy_of_mini(root: Path) -> store.Store:
    """Copy the embedded haloes to a folder that may be damaged."""
    shutil.copytree(library.MINI, root, ignore=shutil.ignore_patterns(".*"))
    return store.Store(root)
