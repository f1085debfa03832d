"""The stars: haloes of the released simulations, from files on this machine or simulated again.

Licence of the data: CC-BY-4.0; source: simulations after Brooks et al. 2025 (arXiv:2507.10667).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.arrays import as_choice, as_flag, as_names, as_seed, as_whole
from mwlmc_data.dataset import library, live_tables, release, schema
from mwlmc_data.dataset.batches import Batch, HaloBatches

if TYPE_CHECKING:
    import datasets
    import torch

    from mwlmc_data.simulator import Halo

#: Haloes in a batch by default: a row group of the released files.
BATCH = 128


def load_halo(sim_id: int, source: str = "auto", config: str = "gaussian", version: str | None = None) -> Halo:
    """Load the stars of one released simulation.

    They come from a file on this machine (the local store in `MWLMC_DATA_DIR`, or the few haloes that the package
    embeds), or are simulated again in a tenth of a second: the same halo within the bounds of
    `mwlmc_data.dataset.sameness`, and bit-identical on the machine that made the release. Nothing is downloaded.

    Parameters
    ----------
    sim_id : int
        Number of the simulation in its set.
    source : {"auto", "store", "simulation"}
        Where the stars come from: a file if there is one, only a file, or the simulator.
    config : str
        Set of simulations: "gaussian", "flat" or "wide"; or "live", whose haloes are drawn again, in about a second, in
        the stored field of their run. The runs are in the repository, and not in the package.
    version : str, optional
        Version of the data; the package's own by default.

    Returns
    -------
    Halo
        Positions [kpc] and velocities [km/s], each (4500, 3) float32, and the simulation's `parameters`; its `source`
        says where the stars come from.

    Raises
    ------
    ValueError
        If the number, source, set or version is not allowed.
    MissingHaloError
        If `source` is "store" and no file holds the halo, it was made with another version of the simulator, or the
        run of a live one is not on this machine.
    DamagedFileError
        If a file is not that of the release.

    Examples
    --------
    >>> load_halo(7).positions.shape
    (4500, 3)
    """
    if library.is_live(config, version):
        from mwlmc_data.dataset.live_haloes import load_live_halo

        as_choice("source", source, library.SOURCES)
        return load_live_halo(sim_id, source)
    last = release.get_entry(config, version)["rows"] - 1
    ids = np.array([as_whole("sim_id", sim_id, maximum=last)])
    from mwlmc_data.simulator import Halo

    chunk, positions, velocities, parameters = library.load_one(ids, config, version, source)
    # a copy, so that the row group of many haloes can be freed
    return Halo(positions[0].copy(), velocities[0].copy(), "store" if chunk.is_stored else "simulation", parameters)


@overload
def load_haloes(
    sim_ids: Sequence[int] | NDArray[np.integer] | range | None = None,
    streaming: Literal[True] = True,
    format: Literal["numpy"] = "numpy",
    *,
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] = (),
    source: str = "auto",
    batch_size: int = BATCH,
    shuffle: int | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    version: str | None = None,
) -> HaloBatches: ...
@overload
def load_haloes(
    sim_ids: Sequence[int] | NDArray[np.integer] | range | None,
    streaming: Literal[False],
    format: Literal["numpy"] = "numpy",
    *,
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] = (),
    source: str = "auto",
    batch_size: int = BATCH,
    shuffle: int | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    version: str | None = None,
) -> Batch: ...
@overload
def load_haloes(
    sim_ids: Sequence[int] | NDArray[np.integer] | range | None = None,
    *,
    streaming: Literal[False],
    format: Literal["numpy"] = "numpy",
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] = (),
    source: str = "auto",
    batch_size: int = BATCH,
    shuffle: int | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    version: str | None = None,
) -> Batch: ...
@overload
def load_haloes(
    sim_ids: Sequence[int] | NDArray[np.integer] | range | None = None,
    streaming: Literal[True] = True,
    *,
    format: Literal["datasets"],
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] = (),
    source: str = "auto",
    batch_size: int = BATCH,
    shuffle: int | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    version: str | None = None,
) -> datasets.IterableDataset: ...
@overload
def load_haloes(
    sim_ids: Sequence[int] | NDArray[np.integer] | range | None = None,
    *,
    streaming: Literal[False],
    format: Literal["datasets"],
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] = (),
    source: str = "auto",
    batch_size: int = BATCH,
    shuffle: int | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    version: str | None = None,
) -> datasets.Dataset: ...
@overload
def load_haloes(
    sim_ids: Sequence[int] | NDArray[np.integer] | range | None = None,
    streaming: Literal[True] = True,
    *,
    format: Literal["torch"],
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] = (),
    source: str = "auto",
    batch_size: int = BATCH,
    shuffle: int | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    version: str | None = None,
) -> torch.utils.data.DataLoader[Any]: ...
@overload
def load_haloes(
    sim_ids: Sequence[int] | NDArray[np.integer] | range | None = None,
    *,
    streaming: Literal[False],
    format: Literal["torch"],
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] = (),
    source: str = "auto",
    batch_size: int = BATCH,
    shuffle: int | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    version: str | None = None,
) -> dict[str, torch.Tensor]: ...
@overload
def load_haloes(
    sim_ids: Sequence[int] | NDArray[np.integer] | range | None = None,
    streaming: bool = True,
    format: str = "numpy",
    *,
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] = (),
    source: str = "auto",
    batch_size: int = BATCH,
    shuffle: int | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    version: str | None = None,
) -> Any: ...
def load_haloes(
    sim_ids: Sequence[int] | NDArray[np.integer] | range | None = None,
    streaming: bool = True,
    format: str = "numpy",
    *,
    split: str | None = None,
    config: str = "gaussian",
    columns: Sequence[str] = (),
    source: str = "auto",
    batch_size: int = BATCH,
    shuffle: int | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    version: str | None = None,
) -> Any:
    """Load the stars of many released simulations, batch by batch or all at once.

    Parameters
    ----------
    sim_ids : sequence of int, optional
        Numbers of the simulations, in the wanted order, with repeats if there are any; by default the complete set, one
        split after the other. With several workers, the order of a torch loader is that in which they deliver. Of the
        set "live" they are those of its rows, eight of each simulation.
    streaming : bool
        Iterate batch by batch, or load all into memory (108 kB each).
    format : {"numpy", "datasets", "torch"}
        What to return, see below.
    split : str, optional
        Only those of "train", "validation" or "test"; of the set "live", of "calibration" or "test".
    config : str
        Set of simulations: "gaussian", "flat" or "wide"; or "live", whose haloes are drawn again in the stored field of
        their run, in about a second each, as `load_halo` does.
    columns : sequence of str
        Columns of the catalogue that come with the stars, such as what is to be inferred.
    source : {"auto", "store", "simulation"}
        As for `load_halo`.
    batch_size : int
        Number of haloes in a batch.
    shuffle : int, optional
        Seed of a random order, which differs from pass to pass. Files are read one row group at a time, and eight are
        mixed. All passes of a `datasets` stream have the same order, unless its own `.shuffle()` and `.set_epoch()` are
        used.
    workers : int, optional
        Processes that simulate, or that load for a torch loader; by default one per core if haloes have to be
        simulated, and none otherwise or inside another program's worker. 0 does everything in this process.
    progress : bool, optional
        Show a progress bar on standard error; by default if it is a terminal. A `datasets` stream and a torch loader
        with workers have none.
    version : str, optional
        Version of the data; the package's own by default.

    Returns
    -------
    HaloBatches, datasets.IterableDataset or torch.utils.data.DataLoader
        With `streaming`. The first and the last yield batches, dicts of sim_id (n,), positions and velocities
        (n, 4500, 3) [kpc, km/s] and the columns (n,), as NumPy arrays or tensors; the dataset yields haloes. Divide a
        stream by `split` or `sim_ids`, never by `.take()` and `.skip()` of the dataset: in a DataLoader with workers
        each worker takes or skips within its own share, so that held-out haloes come back in training.
    dict or datasets.Dataset
        Without `streaming`: one such dict of all haloes.

    Raises
    ------
    ValueError
        If an argument is not allowed.
    MissingHaloError
        If `source` is "store" and no file holds a halo, or the run of a live one is not on this machine.
    DamagedFileError
        If a file is not that of the release.
    ModuleNotFoundError
        If the format needs a library that is not installed.

    Examples
    --------
    >>> for batch in load_haloes(range(20), columns=["m_lmc"], progress=False):
    ...     print(batch["positions"].shape, batch["m_lmc"].shape)
    (20, 4500, 3) (20,)
    """
    as_choice("format", format, tuple(_FORMATS))
    batch_size, progress = as_whole("batch_size", batch_size, minimum=1), as_flag("progress", progress, allow_none=True)
    workers = None if workers is None else as_whole("workers", workers)
    shuffle = None if shuffle is None else as_seed("shuffle", shuffle)
    as_flag("streaming", streaming)
    wanted = _choose_ids(sim_ids, split, config, version)
    batches = HaloBatches(
        wanted,
        config=config,
        columns=_load_columns(columns, config, version),
        source=source,
        batch_size=batch_size,
        shuffle=shuffle,
        workers=workers,
        progress=progress,
        version=version,
    )
    return _FORMATS[format](batches, streaming)


def _choose_ids(sim_ids: Any, split: str | None, config: str, version: str | None) -> NDArray[np.int64]:
    is_live = library.is_live(config, version)
    if split is not None:
        as_choice("split", split, live_tables.SPLITS if is_live else schema.SPLITS)
    if is_live:
        from mwlmc_data.dataset.live_haloes import list_live_ids

        of_split = list_live_ids(split)
        if sim_ids is None:
            return of_split
        wanted = library.check_ids(sim_ids, config, version)
        return _keep_split(wanted, np.isin(wanted, of_split), split)
    splits = schema.SPLITS if split is None else (split,)
    if sim_ids is None:
        rows = release.get_entry(config, version)["rows"]
        return np.concatenate([schema.ids_of(part, 0, rows) for part in splits]).astype(np.int64)
    wanted = library.check_ids(sim_ids, config, version)
    return wanted if split is None else _keep_split(wanted, schema.split_of(wanted) == split, split)


def _keep_split(wanted: NDArray[np.int64], is_in: Any, split: str | None) -> NDArray[np.int64]:
    """Those of a split; refuse them if none is in it, as a loop over nothing would go unnoticed."""
    if len(wanted) and not is_in.any():
        raise ValueError(f"sim_ids = {len(wanted)} simulations, none of the split {split!r}: allowed are some of it")
    return wanted[is_in]


def _load_columns(columns: Sequence[str], config: str, version: str | None) -> Mapping[str, NDArray]:
    names = [schema.get_column(name).name for name in as_names("columns", columns)]
    text = [name for name in names if name in schema.TEXT]
    if text or len(set(names)) < len(names) or "sim_id" in names:
        raise ValueError(f"columns = {names!r}: allowed are numeric columns, each once (sim_id is always included)")
    if not names:
        return {}
    return _load_by_sim_id(config, version, tuple(names))


def _load_by_sim_id(config: str, version: str | None, names: tuple[str, ...]) -> dict[str, NDArray]:
    """Columns of the whole set, so that the row is the sim_id."""
    from mwlmc_data.dataset.catalogue import load_catalogue

    if not library.is_live(config, version):
        return load_catalogue(config=config, columns=names, version=version, format="numpy")
    table = load_catalogue(config=config, columns=("sim_id", *names), format="numpy")
    rows = table.pop("sim_id")
    columns = {name: np.zeros(rows[-1] + 1, values.dtype) for name, values in table.items()}
    for name, values in table.items():  # numbers of simulations that missed stay without a row
        columns[name][rows] = values
    return columns


def _to_numpy(batches: HaloBatches, streaming: bool) -> Any:
    return batches if streaming else batches.load_all()


def _to_datasets(batches: HaloBatches, streaming: bool) -> Any:
    from mwlmc_data.dataset.batches_datasets import as_dataset, as_iterable_dataset

    return as_iterable_dataset(batches) if streaming else as_dataset(batches.load_all())


def _to_torch(batches: HaloBatches, streaming: bool) -> Any:
    from mwlmc_data.dataset import batches_torch

    return batches_torch.as_loader(batches) if streaming else batches_torch.as_tensors(batches.load_all())


_FORMATS: dict[str, Callable[[HaloBatches, bool], Any]] = {
    "numpy": _to_numpy,
    "datasets": _to_datasets,
    "torch": _to_torch,
}
