"""Processes that share work: how many, and started so that any program may use them.

A child that Python's `multiprocessing` spawns first imports the main module of its parent again. In a script without
``if __name__ == "__main__":`` that runs the whole script a second time, and a program on standard input cannot be
imported at all: both end in BrokenProcessPool. What the workers here run lies in packages, so that they start without
the main module.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import context, spawn
from typing import Any

if sys.platform == "win32":
    from multiprocessing.popen_spawn_win32 import Popen

    _LAUNCH = "__init__"
else:
    from multiprocessing.popen_spawn_posix import Popen

    _LAUNCH = "_launch"


class _Spawn:
    """The module `multiprocessing.spawn`, but a child is prepared without the main module."""

    def __getattr__(self, name: str) -> Any:
        return getattr(spawn, name)

    @staticmethod
    def get_preparation_data(name: str) -> dict[str, Any]:
        """Return what a child sets up before it runs."""
        data = spawn.get_preparation_data(name)
        for main in ("init_main_from_name", "init_main_from_path"):
            data.pop(main, None)
        # the parent's default may be a method that only its own libraries know, such as "loky"
        return {**data, "start_method": "spawn"}


_launch = getattr(Popen, _LAUNCH)
_Popen = type(
    "_Popen",
    (Popen,),
    # the standard library's own code, which finds the class above under the name `spawn`
    {_LAUNCH: types.FunctionType(_launch.__code__, {**_launch.__globals__, "spawn": _Spawn()})},
)


class _Process(context.SpawnProcess):
    @staticmethod
    def _Popen(process: Any) -> Any:
        return _Popen(process)


class _Context(context.SpawnContext):
    Process = _Process  # type: ignore[assignment]


CONTEXT = _Context()
"""Starts processes without the main module. Not by fork: a forked child inherits the locks of the parent's threads."""


def start_pool(processes: int, initializer: Callable[..., None] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """Make a pool of processes that need no main module, leave Ctrl-C to their parent, and end when it does.

    Parameters
    ----------
    processes : int
        How many.
    initializer : callable, optional
        Called in each process as ``initializer(*arguments)``; like all that the pool runs, it lies in a module that
        can be imported.
    *arguments
        Its arguments.

    Returns
    -------
    concurrent.futures.ProcessPoolExecutor
    """
    return ProcessPoolExecutor(processes, mp_context=CONTEXT, initializer=_start, initargs=(initializer, arguments))


def _start(initializer: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches the whole group; the parent alone decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if initializer is not None:
        initializer(*arguments)


def _die_with_parent() -> None:
    """End this process when its parent is gone: one that was killed cannot tell its workers to stop."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def available_cores() -> int:
    """Cores that this process may use, where the system tells; else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes_for(workers: int | None, most: int) -> int:
    """How many processes are to share some work; 0 where all of it is to be done in this one.

    In somebody else's worker (of a process pool, joblib, Dask or a torch loader) the cores are taken already: there
    the default is this process alone, and a sentence on standard error says so, once.

    Parameters
    ----------
    workers : int, optional
        What the user asked for; by default all cores.
    most : int
        More are of no use.

    Returns
    -------
    int
        0 by default in a child process, and always in a daemonic one, which may start no processes.
    """
    count = min(available_cores() if workers is None else workers, most)
    if multiprocessing.current_process().daemon:
        if count > 1:
            _say("a daemonic child process, which may start no others: the work is done in it")
        return 0
    if workers is None and count > 1 and _is_child():
        _say("a child process: the work is done in it; workers=N shares it among N processes of its own")
        return 0
    return count


def _is_child() -> bool:
    # `multiprocess`, which the library datasets maps with, is a copy of the module with a state of its own
    modules = (sys.modules.get(name) for name in ("multiprocessing", "multiprocess"))
    return any(module is not None and module.parent_process() is not None for module in modules)


@functools.cache
def _say(where: str) -> None:
    print(f"mwlmc-data: this is {where}", file=sys.stderr, flush=True)
