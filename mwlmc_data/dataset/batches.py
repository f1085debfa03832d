"""Batches of haloes: their order, who reads or simulates them, and how they are cut."""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float32Array
from mwlmc_data.dataset import library
from mwlmc_data.dataset.library import Chunk
from mwlmc_data.display import html_table
from mwlmc_data.workers import count_processes, start_pool

#: Row groups of files that are mixed when shuffling: 1,000 haloes, 110 MB.
MIXED = 8

#: Batches that are prepared ahead.
READY = 4

Stars = tuple[Float32Array, Float32Array]
Batch = dict[str, NDArray[Any]]


@dataclasses.dataclass(repr=False)
class HaloBatches:
    """Haloes batch by batch; each iteration is a new pass.

    Attributes
    ----------
    sim_ids : ndarray, shape (n,)
        Numbers of the haloes, in the order of a pass that is not shuffled.
    config, source, version
        As for `mwlmc_data.load_haloes`.
    columns : mapping of str to ndarray
        Columns of the whole catalogue that are added to each batch.
    batch_size : int
        Haloes in a batch; the last batch may have fewer.
    shuffle : int or None
        Seed of the order.
    workers : int or None
        Processes that simulate.
    progress : bool or None
        Whether to show a progress bar.
    epoch : int
        Passes begun so far; each has its own order.
    """

    sim_ids: NDArray[np.int64]
    config: str
    columns: Mapping[str, NDArray[Any]]
    source: str
    batch_size: int
    shuffle: int | None = None
    workers: int | None = None
    progress: bool | None = None
    version: str | None = None
    epoch: int = 0

    def __post_init__(self) -> None:
        # reports what is missing now rather than at the first batch
        library.locate(self.sim_ids, self.config, self.version, self.source)

    def __repr__(self) -> str:
        order = "in order" if self.shuffle is None else f"shuffled with seed {self.shuffle}"
        columns = "".join(f", {name}" for name in self.columns)
        return (
            f"<{len(self.sim_ids)} haloes of the {self.config} set {order}, in {len(self)} batches of "
            f"{self.batch_size}: sim_id, positions, velocities{columns}>"
        )

    def _repr_html_(self) -> str:
        rows = [
            ("haloes", f"{len(self.sim_ids):,} of the {self.config} set"),
            ("order", "as given" if self.shuffle is None else f"shuffled with seed {self.shuffle}"),
            ("batches", f"{len(self):,} of {self.batch_size} haloes"),
            ("each has", ", ".join(["sim_id", "positions [kpc]", "velocities [km/s]", *self.columns])),
        ]
        return html_table("HaloBatches", rows)

    def __len__(self) -> int:
        return -(-len(self.sim_ids) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        epoch = self.begin_epoch()
        return self._show(_run_ahead(self.make_batches(epoch, self.make_windows(epoch))))

    def begin_epoch(self) -> int:
        """Begin a pass: count it and return its number."""
        self.epoch += 1
        return self.epoch - 1

    def load_all(self) -> Batch:
        """Load all haloes as one batch, in memory."""
        n, begin = len(self.sim_ids), 0
        none = self._make_batch(np.empty(0, np.int64), *_make_no_stars())
        whole = {name: np.empty((n, *values.shape[1:]), values.dtype) for name, values in none.items()}
        for batch in self:
            end = begin + len(batch["sim_id"])
            for name, values in batch.items():
                whole[name][begin:end] = values
            begin = end
        return whole

    def make_windows(self, epoch: int) -> list[list[Chunk]]:
        """Group the chunks of one pass into windows, in order; the haloes of a window are mixed when shuffling."""
        if self.shuffle is None:
            return [[chunk] for chunk in library.make_chunks(self.sim_ids, self.config, self.version, self.source)]
        rng = np.random.default_rng([self.shuffle, epoch])
        places = library.locate(self.sim_ids, self.config, self.version, self.source)
        # one number per row group, and one for each halo to be simulated
        blocks = np.stack([places.place, np.where(places.place < 0, np.arange(len(places.place)), places.group)])
        # NumPy 2.0.0 gives the inverse a second axis
        block = np.unique(blocks, axis=1, return_inverse=True)[1].reshape(-1)
        order = np.argsort(rng.permutation(block.max(initial=-1) + 1)[block], kind="stable")
        chunks = list(library.gather(self.sim_ids[order], places.take(order)))
        return [chunks[i : i + MIXED] for i in range(0, len(chunks), MIXED)]

    def make_batches(self, epoch: int, windows: Iterable[list[Chunk]], workers: int | None = None) -> Iterator[Batch]:
        """Read or simulate the chunks of these windows and cut them into batches."""
        rng = np.random.default_rng([0 if self.shuffle is None else self.shuffle, epoch, 1])
        rest = self._make_batch(np.empty(0, np.int64), *_make_no_stars())
        waiting: list[Batch] = []
        for ids, positions, velocities in self._load(list(windows), workers):
            order = slice(None) if self.shuffle is None else rng.permutation(len(ids))
            waiting.append(self._make_batch(ids[order], positions[order], velocities[order]))
            if sum(len(part["sim_id"]) for part in waiting) < self.batch_size:
                continue
            rest = _join(waiting)
            n_full = len(rest["sim_id"]) // self.batch_size * self.batch_size
            for start in range(0, n_full, self.batch_size):
                yield {name: values[start : start + self.batch_size] for name, values in rest.items()}
            waiting = [{name: values[n_full:] for name, values in rest.items()}]
        last = _join(waiting) if waiting else rest
        if len(last["sim_id"]):
            yield last

    def _load(
        self, windows: list[list[Chunk]], workers: int | None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray, NDArray]]:
        """Load numbers, positions and velocities of each window, ahead of use."""
        with ExitStack() as stack:
            pool = self._start_pool(windows, workers, stack)
            reader = stack.enter_context(ThreadPoolExecutor(1))
            ahead = 2 if pool is None else 2 * pool[1]
            begun: deque[tuple[list[Chunk], list[Future[Stars]]]] = deque()
            stack.callback(lambda: [future.cancel() for _, futures in begun for future in futures])
            for window in windows:
                begun.append((window, [self._submit(chunk, pool[0] if pool else reader, reader) for chunk in window]))
                if len(begun) > ahead:
                    yield _gather(*begun.popleft())
            while begun:
                yield _gather(*begun.popleft())

    def _submit(self, chunk: Chunk, simulator: Executor, reader: Executor) -> Future[Stars]:
        if chunk.is_stored:
            return reader.submit(library.load_chunk, chunk, self.config, self.version, self.source)
        return simulator.submit(library.plan_chunk(chunk, self.config, self.version))

    def _start_pool(
        self, windows: list[list[Chunk]], workers: int | None, stack: ExitStack
    ) -> tuple[ProcessPoolExecutor, int] | None:
        """Start processes for the chunks to be simulated, if there are at least two."""
        todo = sum(not chunk.is_stored for window in windows for chunk in window)
        if todo < 2:
            return None
        count = count_processes(self.workers if workers is None else workers, todo)
        if count < 1:
            return None
        from mwlmc_data.simulator import compile_kernels

        compile_kernels()
        pool = start_pool(count)
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        return pool, count

    def _make_batch(self, ids: NDArray[np.int64], positions: NDArray, velocities: NDArray) -> Batch:
        batch: Batch = {"sim_id": ids.astype(np.int32), "positions": positions, "velocities": velocities}
        return batch | {name: values[ids] for name, values in self.columns.items()}

    def _show(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        from tqdm import tqdm

        shown = sys.stderr.isatty() if self.progress is None else self.progress
        with tqdm(total=len(self.sim_ids), unit="halo", desc="haloes", file=sys.stderr, disable=not shown) as bar:
            for batch in batches:
                bar.update(len(batch["sim_id"]))
                yield batch


def _run_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Make batches in a thread, a few ahead, so that training does not wait for them."""
    ready: queue.Queue[tuple[Batch | None, BaseException | None]] = queue.Queue(READY)
    stopped = threading.Event()

    def put(item: tuple[Batch | None, BaseException | None]) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                return ready.put(item, timeout=0.1)

    def work() -> None:
        try:
            for batch in batches:
                put((batch, None))
                if stopped.is_set():
                    break
            put((None, None))
        except BaseException as error:
            put((None, error))
        finally:
            batches.close()  # type: ignore[attr-defined]

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            batch, error = ready.get()
            if error is not None:
                raise error
            if batch is None:
                return
            yield batch
    finally:
        # also if the consumer stops early
        stopped.set()
        thread.join()


def _gather(chunks: list[Chunk], futures: list[Future[Stars]]) -> tuple[NDArray[np.int64], NDArray, NDArray]:
    stars = [future.result() for future in futures]
    ids = np.concatenate([chunk.sim_ids for chunk in chunks]).astype(np.int64)
    if len(stars) == 1:
        return ids, *stars[0]
    return ids, np.concatenate([s[0] for s in stars]), np.concatenate([s[1] for s in stars])


def _join(batches: list[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _make_no_stars() -> Stars:
    from mwlmc_data.dataset import schema

    empty = np.empty((0, schema.N_STARS, 3), np.float32)
    return empty, empty.copy()
