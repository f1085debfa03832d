"""Results of a long computation by number, kept in a file, so that an interrupted run continues where it stopped.

The computation asks for its results in a fixed order. What the file holds is returned, the rest is computed and added.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.storage.npz import NpzError, load_members, read_members, replace_npz

Results = dict[str, NDArray]
_KEY = "key"


class Checkpoint:
    """Results in a file; in memory alone without one.

    Parameters
    ----------
    path : Path or None
        The file, which need not exist.
    key : str
        Hash of all that the results depend on, hexadecimal.

    Raises
    ------
    ValueError
        If the file cannot be read, or belongs to other settings.
    WriteError
        If the file cannot be written.
    """

    def __init__(self, path: Path | None, key: str) -> None:
        self._path, self._key = path, np.frombuffer(bytes.fromhex(key), np.uint8)
        self._results: list[Results] = []
        self._asked = 0
        if path is not None and path.exists():
            self._results = self._read(path)
        else:
            self._write()  # a path that cannot be written is found before the work

    def get(self, compute: Callable[[], Results]) -> Results:
        """Return the next result, computed unless the file held it."""
        if self._asked == len(self._results):
            self._results.append(compute())
            self._write()
        self._asked += 1
        return self._results[self._asked - 1]

    def _write(self) -> None:
        if self._path is None:
            return
        arrays = {f"{i}/{name}": value for i, held in enumerate(self._results) for name, value in held.items()}
        replace_npz(self._path, {_KEY: self._key, **arrays})

    def _read(self, path: Path) -> list[Results]:
        members = read_members(path)
        arrays = load_members(path, members.values())
        key = arrays.pop(_KEY, np.empty(0, np.uint8))
        if not np.array_equal(key, self._key):
            raise ValueError(
                f"resume = {str(path)!r}: allowed is a file of the same stars, settings and versions, or one that does "
                "not exist yet"
            )
        results: dict[int, Results] = {}
        for name, value in arrays.items():
            number, _, inner = name.partition("/")
            if not number.isdigit():
                raise NpzError(path, [f"there is an array {name[:80]!r}: allowed are those that a run wrote"])
            results.setdefault(int(number), {})[inner] = value
        return [results[i] for i in sorted(results)]
