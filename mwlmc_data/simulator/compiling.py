"""How kernels are compiled: where the result is kept, for which instructions, and that the user is told.

Numba keeps compiled code beside the source, or in the user's cache folder where the installation is
read-only; where neither can be written it refuses to define a function at all. Then a folder under the
system's temporary directory is used, and where there is none either the kernels are compiled in every process, so that
a read-only container works.

Numba recompiles a kernel when the file changes that defines it, not when another does whose functions or constants it
uses: who changes those should remove the compiled code (``make clean``).
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
from numba.core.codegen import get_host_cpu_features

#: Re-association and contraction are allowed, assumptions on NaN and infinity are not: a NaN step must be seen.
FASTMATH = {"contract", "reassoc", "arcp", "nsz", "afn"}


def _choose_cache() -> bool:
    """Choose where compiled code is kept; False where no folder at all can be written."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    usual = (given, Path(__file__).parent / "__pycache__", _user_cache())
    if any(folder and _writable(Path(folder)) for folder in usual):
        return True
    try:
        # a name of one's own: code from a folder that others can write must not be run
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


def with_gather(features: str) -> str:
    """Processor features (LLVM's names) with AVX2's gather allowed, where it is there and AVX-512's is not.

    LLVM thinks AVX2's gather slow and then computes every address of a look-up apart, which keeps the star kernel
    from being vectorised at all: with it a simulation takes a third of the time (``python -m benchmarks speed``).
    """
    names = features.split(",")
    return f"{features},+fast-gather" if "+avx2" in names and "+avx512f" not in names else features


def _choose_instructions() -> None:
    """Allow gather, unless the user chose the processor or its features (numba's documented variables)."""
    config = numba.config
    if config.CPU_NAME is None and config.CPU_FEATURES is None:  # type: ignore[attr-defined]
        host = get_host_cpu_features()
        if with_gather(host) != host:
            config.CPU_FEATURES = with_gather(host)  # type: ignore[attr-defined]


_IS_KEPT = _choose_cache()
_choose_instructions()


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a numerical kernel: no GIL, cached on disk."""
    return numba.njit(cache=_IS_KEPT, nogil=True, error_model="numpy", fastmath=FASTMATH)(function)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a small function that kernels call, always merged into its caller."""
    return numba.njit(error_model="numpy", fastmath=FASTMATH, forceinline=True)(function)


class _Announcer(event.Listener):
    """Says once, on standard error, that kernels are being compiled."""

    def __init__(self) -> None:
        self.announced = False

    def on_start(self, event: event.Event) -> None:
        """Print the line at the first compilation (Numba does not fire this for code it has in its cache)."""
        if not self.announced:
            self.announced = True
            print("mwlmc-data: compiling kernels, some ten seconds, once per machine ...", file=sys.stderr, flush=True)

    def on_end(self, event: event.Event) -> None:
        """Nothing to say at the end."""


_announcer = _Announcer()


@contextlib.contextmanager
def announced() -> Iterator[None]:
    """Within this context the first compilation of the process is announced on standard error."""
    event.register("numba:compile", _announcer)
    try:
        yield
    finally:
        event.unregister("numba:compile", _announcer)
