"""Worker processes: how many, and how to start them from any program.

A child that Python's `multiprocessing` spawns first imports the main module of its parent again. In a script without
``if __name__ == "__main__":`` that runs the whole script a second time, and a program on standard input cannot be
imported at all; both end in BrokenProcessPool. The workers here run only functions of packages, so they start without
the main module.
"""

from __future__ import annotations

import functools
import io
import multiprocessing
import os
import pickle
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
        """Return the data that a child needs before it runs."""
        data = spawn.get_preparation_data(name)
        for main in ("init_main_from_name", "init_main_from_path"):
            data.pop(main, None)
        # the parent's default may be a method of one of its libraries, such as "loky"
        return {**data, "start_method": "spawn"}


_launch = getattr(Popen, _LAUNCH)
_Popen = type(
    "_Popen",
    (Popen,),
    # the code of the standard library, with the class above under the name `spawn`
    {_LAUNCH: types.FunctionType(_launch.__code__, {**_launch.__globals__, "spawn": _Spawn()})},
)


class _Process(context.SpawnProcess):
    @staticmethod
    def _Popen(process: Any) -> Any:
        return _Popen(process)


class _Context(context.SpawnContext):
    Process = _Process  # type: ignore[assignment]


#: Starts processes without the main module, and not by fork: a forked child inherits locks of the parent's threads.
CONTEXT = _Context()


def start_pool(processes: int, initializer: Callable[..., None] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """Start a pool of processes that do not need the main module, ignore Ctrl-C, and end with their parent.

    Parameters
    ----------
    processes : int
        Number of processes.
    initializer : callable, optional
        Called in each process as ``initializer(*arguments)``; like all functions that the pool runs, it must be in an
        importable module.
    *arguments
        Its arguments.

    Returns
    -------
    concurrent.futures.ProcessPoolExecutor
    """
    return ProcessPoolExecutor(processes, mp_context=CONTEXT, initializer=_start, initargs=(initializer, arguments))


def _start(initializer: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches all processes of the group; only the parent reacts
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if initializer is not None:
        initializer(*arguments)


def _die_with_parent() -> None:
    """End this process when its parent ends: a killed parent cannot stop its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _Traveller(pickle.Pickler):
    """Refuses what is defined in the main module, which a worker does not have."""

    def reducer_override(self, value: Any) -> Any:
        if getattr(value, "__module__", None) == "__main__":
            raise pickle.PicklingError
        return NotImplemented


def can_travel(value: Any) -> bool:
    """Whether a worker can be given a value: a lambda, or a function of a script or notebook, it cannot import."""
    try:
        _Traveller(io.BytesIO()).dump(value)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def available_cores() -> int:
    """Cores that this process may use, if the system reports them; otherwise all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count_processes(workers: int | None, max_useful: int) -> int:
    """Number of processes to share some work; 0 if this process does all of it.

    Inside a worker of another library (a process pool, joblib, Dask or a torch loader) the cores are already in use:
    there the default is this process alone, and a message on standard error says so, once.

    Parameters
    ----------
    workers : int, optional
        Number that the user requests; by default all cores.
    max_useful : int
        Number beyond which more processes do not help.

    Returns
    -------
    int
        0 by default in a child process, and always in a daemonic one, which may start no processes.
    """
    count = min(available_cores() if workers is None else workers, max_useful)
    if multiprocessing.current_process().daemon:
        if count > 1:
            _say("a daemonic child process, which may start no others: the work is done in it")
        return 0
    if workers is None and count > 1 and _is_child():
        _say("a child process: the work is done in it; workers=N shares it among N processes of its own")
        return 0
    return count


def _is_child() -> bool:
    # the library datasets uses `multiprocess`, a copy of the module with its own state
    modules = (sys.modules.get(name) for name in ("multiprocessing", "multiprocess"))
    return any(module is not None and module.parent_process() is not None for module in modules)


@functools.cache
def _say(where: str) -> None:
    print(f"mwlmc-data: this is {where}", file=sys.stderr, flush=True)
