"""A folder on a disk that cannot be written to, even for tests that run as root, which ignores permissions."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WRITES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Folders, with the error that writing below them gives.
_refused: dict[str, int] = {}
_is_watching = False


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if not _refused or not (event in _WRITES or (event == "open" and int(arguments[2] or 0) & _FLAGS)):  # type: ignore[call-overload]
        return
    for place in arguments[:2]:
        if not isinstance(place, str | bytes | os.PathLike):
            continue
        path = Path(os.fsdecode(place)).absolute()
        for folder, number in _refused.items():
            if path.is_relative_to(folder):
                raise OSError(number, os.strerror(number), str(path))


@contextmanager
def read_only(folder: Path, number: int = errno.EROFS) -> Iterator[None]:
    """Make Python's calls that would change a folder fail, as on a disk that is read-only or full."""
    global _is_watching
    if not _is_watching:
        sys.addaudithook(_watch)
        _is_watching = True
    _refused[str(folder.absolute())] = number
    try:
        yield
    finally:
        del _refused[str(folder.absolute())]
