"""Haloes as a `datasets.Dataset` or `IterableDataset`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mwlmc_data.dataset import schema
from mwlmc_data.dataset.batches import Batch, HaloBatches
from mwlmc_data.dataset.library import Chunk
from mwlmc_data.storage.homes import allow_no_home

if TYPE_CHECKING:
    import datasets

allow_no_home("HF_HOME")


def as_iterable_dataset(batches: HaloBatches) -> datasets.IterableDataset:
    """Make a stream of haloes, one dict each; `.with_format("numpy")` or `("torch")` sets the type of their arrays.

    Parameters
    ----------
    batches : HaloBatches
        What to load; each window is a shard of the stream, so that a loader's workers share them. Every pass has the
        order of the first; `.shuffle()` and `.set_epoch()` of the stream give other orders. How `.take()` and `.skip()`
        divide the stream depends on the number of workers: divide `batches` by sim_id instead.

    Returns
    -------
    datasets.IterableDataset
    """
    import datasets

    return datasets.IterableDataset.from_generator(
        _yield_haloes,
        features=make_features(batches),
        gen_kwargs={"windows": batches.make_windows(0), "batches": _Held(batches)},
    )


class _Held:
    """Hides the batches from datasets, which divides every list among the arguments between the workers."""

    def __init__(self, batches: HaloBatches) -> None:
        self.batches = batches


def _yield_haloes(windows: list[list[Chunk]], batches: _Held) -> Iterator[dict[str, Any]]:
    for batch in batches.batches.make_batches(0, windows):
        for i in range(len(batch["sim_id"])):
            yield {name: values[i] for name, values in batch.items()}


def as_dataset(batch: Batch) -> datasets.Dataset:
    """Make an in-memory dataset from haloes in memory.

    Parameters
    ----------
    batch : dict of str to ndarray
        All haloes.

    Returns
    -------
    datasets.Dataset
    """
    import datasets
    import pyarrow as pa

    stars = {c.name for c in schema.STARS}
    arrays = {}
    for name, values in batch.items():
        if name in stars:
            flat = pa.array(np.ascontiguousarray(values).reshape(-1))
            storage = pa.ListArray.from_arrays(_make_offsets(values.shape[0] * values.shape[1], 3), flat)
            storage = pa.ListArray.from_arrays(_make_offsets(values.shape[0], values.shape[1]), storage)
            arrays[name] = pa.ExtensionArray.from_storage(_make_array2d()(), storage)
        else:
            arrays[name] = pa.array(values)
    return datasets.Dataset(datasets.table.InMemoryTable(pa.table(arrays)))


def make_features(batches: HaloBatches) -> datasets.Features:
    """Describe the features of a halo and the columns added to it."""
    import datasets

    stars = {c.name: _make_array2d() for c in schema.STARS}
    columns = {name: datasets.Value(str(values.dtype)) for name, values in batches.columns.items()}
    return datasets.Features({"sim_id": datasets.Value("int32"), **stars, **columns})


def _make_array2d() -> Any:
    import datasets

    return datasets.Array2D((schema.N_STARS, 3), "float32")


def _make_offsets(count: int, size: int) -> Any:
    import pyarrow as pa

    return pa.array(np.arange(count + 1, dtype=np.int32) * size)
