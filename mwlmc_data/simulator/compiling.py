"""How kernels are compiled: where the result is kept, and a notice to the user.

Numba keeps compiled code beside the source, or in the user's cache folder where the installation is read-only; if it
can write to neither, it refuses to define the function. This module then offers a folder under the system's temporary
directory. If that is not writable either, every process compiles the kernels itself, so that a
read-only container still works.

Numba recompiles a kernel when the file that defines it changes, but not when a file whose functions or constants it
uses does. After such a change, remove the compiled code with ``make clean``.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
from numba.core import event

#: Re-association and contraction are allowed; assumptions about NaN and infinity are not, as a NaN step must be seen.
FASTMATH = {"contract", "reassoc", "arcp", "nsz", "afn"}


def _choose_cache() -> bool:
    """Choose where compiled code is kept; return False if no folder can be written to."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    usual = (given, Path(__file__).parent / "__pycache__", _user_cache())
    if any(folder and _writable(Path(folder)) for folder in usual):
        return True
    try:
        # a folder per user: code that others could have written must not run
        name = f"mwlmc-data-{os.getuid() if hasattr(os, 'getuid') else getpass.getuser()}"
        folder = Path(tempfile.gettempdir()) / name
        folder.mkdir(mode=0o700, exist_ok=True)
        if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
            folder = Path(tempfile.mkdtemp(prefix=name + "-"))
    except OSError:
        return False
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    return _writable(folder)


def _user_cache() -> Path | None:
    """The user's cache folder, where Numba finds it; None for a user without a home, as in some containers."""
    folder = os.path.expanduser(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    return Path(folder, "numba") if os.path.isabs(folder) else None


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


_IS_KEPT = _choose_cache()


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a numerical kernel: no GIL, cached on disk."""
    return numba.njit(cache=_IS_KEPT, nogil=True, error_model="numpy", fastmath=FASTMATH)(function)


def inline(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a small function that is always merged into the kernel that calls it."""
    return numba.njit(error_model="numpy", fastmath=FASTMATH, forceinline=True)(function)


class _Announcer(event.Listener):
    """Announces once, on standard error, that kernels are being compiled."""

    def __init__(self) -> None:
        self.announced = False

    def on_start(self, event: event.Event) -> None:
        """Print the line at the first compilation; Numba does not fire this event for cached code."""
        if not self.announced:
            self.announced = True
            print("mwlmc-data: compiling kernels, about ten seconds, once per machine ...", file=sys.stderr, flush=True)

    def on_end(self, event: event.Event) -> None:
        """Do nothing at the end."""


_announcer = _Announcer()


@contextlib.contextmanager
def announce_compiling() -> Iterator[None]:
    """Announce, on standard error, the first compilation that happens in this context."""
    event.register("numba:compile", _announcer)
    try:
        yield
    finally:
        event.unregister("numba:compile", _announcer)
