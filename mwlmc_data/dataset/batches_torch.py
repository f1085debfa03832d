"""Batches of haloes as torch tensors; imported only on demand, as the core does not depend on torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from mwlmc_data.dataset.batches import Batch, HaloBatches
from mwlmc_data.workers import CONTEXT

#: Batches that each worker prepares ahead.
PREFETCHED = 4


class HaloStream(IterableDataset):
    """The batches as tensors; several workers of a loader share the windows among them.

    Parameters
    ----------
    batches : HaloBatches
        What to load.
    """

    def __init__(self, batches: HaloBatches) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        info = get_worker_info()
        if info is None:
            return map(as_tensors, iter(self.batches))
        # A worker is a separate process that lives through all passes, counts them, and simulates its own haloes.
        epoch = self.batches.begin_epoch()
        windows = self.batches.make_windows(epoch)[info.id :: info.num_workers]
        return map(as_tensors, self.batches.make_batches(epoch, windows, workers=0))


def as_loader(batches: HaloBatches) -> DataLoader:
    """Make a torch loader of batches.

    Parameters
    ----------
    batches : HaloBatches
        What to load; its `workers` become the loader's, which persist from pass to pass.

    Returns
    -------
    torch.utils.data.DataLoader
        Yields dicts of tensors: sim_id (n,), positions and velocities (n, 4500, 3), and the columns (n,).
    """
    workers = batches.workers or 0
    more: dict[str, Any] = {}
    if workers:
        more = {"prefetch_factor": PREFETCHED, "persistent_workers": True, "multiprocessing_context": CONTEXT}
    return DataLoader(HaloStream(batches), batch_size=None, num_workers=workers, **more)


def as_tensors(batch: Batch) -> dict[str, torch.Tensor]:
    """Turn the arrays of a batch into tensors, without a copy where memory is writable."""
    # Arrow's memory is read-only, tensors are writable
    return {k: torch.from_numpy(np.require(v, requirements=("C", "W"))) for k, v in batch.items()}
