"""Run the shards of a generation on a Dask cluster.

One task makes one shard. The workers write into the folder of the run, which every machine must see under the same
path, and return only a number. A shard whose worker dies goes to another worker; an error of the simulator is not
retried and ends the run. Rows have the same bytes on processors of one kind.

``distributed`` is imported late, as a run on one machine does not need it.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import itertools
import logging
import pickle
import socket
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mwlmc_data
from generation.pool import MakeShard, Progress, RunShards
from mwlmc_data.storage.hashing import sha256_of

#: Shards submitted at a time: enough for any cluster, and the scheduler's memory stays constant.
WINDOW = 1000
#: How long to wait for the number of a finished shard before looking at the next [s].
FETCH_SECONDS = 5.0

START = "start it with `python -m dask worker` in the folder of the checkout"
SHARE = "the folder of the run must be on a file system that all machines share"


class ClusterSetupError(ValueError):
    """The cluster cannot be used: no scheduler, no library, or a machine that differs; the message says which."""


class ClusterLostError(RuntimeError):
    """The cluster failed during a run; finished shards stay."""


@dataclass(frozen=True)
class Expected:
    """What every worker must have: the same folder of the run, and the same software.

    Parameters
    ----------
    mark : Path
        Absolute path of a file of the run.
    digest : str
        SHA-256 of the file.
    versions : dict
        Name and version of everything that affects the values of a row.
    """

    mark: Path
    digest: str
    versions: dict[str, str]

    def find_faults(self) -> str:
        """Find what differs in this process, in words; empty if nothing does."""
        faults = []
        try:
            if sha256_of(self.mark) != self.digest:
                faults.append(f"{self.mark} is another file there than here: {SHARE}")
        except OSError as error:
            faults.append(f"{error}: {SHARE}")
        found = get_versions()
        faults += [
            f"{name} is {found.get(name)!r} there and {version!r} here"
            for name, version in self.versions.items()
            if found.get(name) != version
        ]
        return "; ".join(faults)


def get_versions() -> dict[str, str]:
    """Return the versions of the simulator, the package and the libraries that affect the values of a row."""
    from mwlmc_data.simulator import SIMULATOR_VERSION

    libraries = {name: importlib.metadata.version(name) for name in ("numpy", "scipy", "numba")}
    return {"simulator": SIMULATOR_VERSION, "mwlmc_data": mwlmc_data.__version__, **libraries}


@contextmanager
def open_cluster(scheduler: str, mark: Path, timeout: float = 30.0) -> Iterator[RunShards]:
    """Connect to a cluster and check its workers.

    Parameters
    ----------
    scheduler : str
        Address of the scheduler, for example ``tcp://10.0.0.1:8786``.
    mark : Path
        Absolute path of a file in the folder of the run; every worker must see the same file.
    timeout : float
        How long to try to reach the scheduler [s].

    Yields
    ------
    callable
        Runs shards, like `generation.pool.run_shards` without the number of processes. Besides what `make_shard` raises
        it may raise ClusterLostError, and ClusterSetupError for a worker that joins later.

    Raises
    ------
    ClusterSetupError
        If the library is missing, no scheduler answers, or a worker sees another folder or has other versions.
    """
    # The errors below explain what goes wrong; the library's log would add its own tracebacks.
    log = logging.getLogger("distributed.client")
    client = _connect(scheduler, timeout)
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        # Closing drops the client's tasks: waiting ones are forgotten, running ones finish their shard.
        with client:
            expected = Expected(mark, sha256_of(mark), get_versions())
            _check(client, scheduler, expected)
            yield partial(_run_shards, client, expected)
    finally:
        log.setLevel(level)


def _connect(scheduler: str, timeout: float) -> Any:
    if not timeout > 0:
        raise ValueError(f"timeout = {timeout!r}: allowed is more than 0 s")
    try:
        from distributed import Client
    except ImportError as error:
        raise ClusterSetupError(
            f'a cluster needs the package distributed ({error}): pip install "mwlmc-data[generation]"'
        ) from error
    try:
        asyncio.run(_reach(scheduler, timeout))
        return Client(scheduler, timeout=timeout, set_as_default=False)
    except OSError as error:
        raise ClusterSetupError(f"no Dask scheduler answers at {scheduler} within {timeout:g} s") from error
    except (ValueError, ImportError) as error:
        raise ClusterSetupError(f"the Dask scheduler {scheduler} cannot be used: {error}") from error


async def _reach(scheduler: str, timeout: float) -> None:
    """Exchange a greeting, for which a Client would wait for ever from another kind of server, such as a web server."""
    from distributed import Security
    from distributed.comm import connect

    security = Security().get_connection_args("client")
    comm = await asyncio.wait_for(connect(scheduler, timeout=timeout, **security), timeout)
    await comm.close()


def _check(client: Any, scheduler: str, expected: Expected) -> None:
    """Refuse a cluster with a worker that cannot do the work."""
    answers = client.run(*_wrap(_find_faults, expected), on_error="return")
    if not answers:
        print(f"the scheduler {scheduler} has no worker yet: waiting for the first", file=sys.stderr)
    faults = []
    for worker, answer in answers.items():
        if isinstance(answer, OSError):
            continue  # the worker died meanwhile
        if isinstance(answer, Exception):
            faults.append(f"worker {worker} cannot load the program: {answer}; {START}")
        elif answer:
            faults.append(f"worker {worker} {answer}")
    if faults:
        others = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise ClusterSetupError(faults[0] + others)


def _find_faults(expected: Expected) -> str:
    faults = expected.find_faults()
    return faults and f"on {socket.gethostname()}: {faults}"


class _Call:
    """A call that runs where its pickle is loaded."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def _wrap(function: Callable[..., Any], *arguments: Any) -> tuple[Callable[[bytes], Any], bytes]:
    """Wrap a call so that the program is loaded when the task runs, not when its message is read.

    Then a worker without the program raises an error instead of hanging, and the scheduler needs only Dask.
    """
    import cloudpickle

    return pickle.loads, cloudpickle.dumps(_Call(function, *arguments))


def _run_shards(
    client: Any,
    expected: Expected,
    make_shard: MakeShard,
    arguments: tuple[Any, ...],
    shards: Iterable[int],
    progress: Progress,
) -> None:
    from distributed import CancelledError, KilledWorker, as_completed

    run = uuid.uuid4().hex

    def submit(shard: int) -> Any:
        name = f"shard-{shard:05d}-{run}"  # unique: Dask does not repeat a task of the same name
        return client.submit(*_wrap(_make, expected, make_shard, arguments, shard), key=name, pure=False)

    waiting = iter(shards)
    tasks = as_completed([submit(shard) for shard in itertools.islice(waiting, WINDOW)], loop=client.loop)
    try:
        for task in tasks:
            try:
                made = task.result(timeout=FETCH_SECONDS)
            except TimeoutError:
                if task.status == "error":
                    raise  # the shard's own
                # The worker died with the number in its memory, and the task runs again on another, if there is one.
                # Other events, such as a shard that kills its workers, must not wait for that.
                tasks.add(task)
                continue
            progress.advance(made)
            for shard in itertools.islice(waiting, 1):
                tasks.add(submit(shard))
    except ImportError as error:
        raise ClusterSetupError(f"a worker that joined later cannot load the program: {error}; {START}") from error
    except KilledWorker as error:
        raise ClusterLostError(f"{error} Finished shards are kept.") from error
    except (CancelledError, OSError) as error:
        if task.status == "error":
            raise  # the shard's own, a full disk for example
        raise ClusterLostError(
            "the scheduler was lost or dropped the tasks: finished shards are kept"
        ) from error


def _make(expected: Expected, make_shard: MakeShard, arguments: tuple[Any, ...], shard: int) -> int:
    """Make a shard on a worker; return the number of simulations made."""
    # Checked for every shard, because a worker may join during the run.
    if faults := _find_faults(expected):
        from distributed import get_worker

        raise ClusterSetupError(f"worker {get_worker().address} {faults}")
    made = 0

    def count(n: int) -> None:
        nonlocal made
        made += n

    make_shard(*arguments, shard, count)
    return made
