"""Arrays that this machine makes from the stars of released simulations, and keeps in the local store.

A recipe reduces the stars of a halo, all or those beyond 50 kpc, to arrays of fixed shapes. The stars are simulated
again: the same within the bounds of `mwlmc_data.dataset.sameness`, and the same bytes on one kind of processor. Every
hundred haloes are a file in the folder `made` of the local store. A run that was interrupted goes on with the next
file; a file that is damaged, or of another simulator, other data or another recipe, is made again.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import as_completed
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float32Array
from mwlmc_data.dataset import library, release, store
from mwlmc_data.dataset.outer import select_outer
from mwlmc_data.display import Displayed, describe_tuple
from mwlmc_data.storage import embedded
from mwlmc_data.storage.npz import NpzError, load_members, read_members, replace_npz
from mwlmc_data.workers import count_processes, start_pool

#: Subfolder of the local store.
FOLDER = "made"
#: Haloes in a file: two or three seconds of work.
BLOCK = 100
_SIM_ID, _IDENTITY = "sim_id", "identity"

#: Arrays of several haloes by name.
Arrays = dict[str, NDArray]


def simulate_outer_stars(
    rows: list[dict[str, Any]], seed: int, physics: str = "standard"
) -> Iterator[Float32Array]:
    """Simulate the haloes of catalogue rows, without the stars that end within 50 kpc.

    Parameters
    ----------
    rows : list of dict
        sim_id and drawn parameters of each, as `mwlmc_data.dataset.library.get_recipe` gives them.
    seed : int
        Seed of the set.
    physics : str
        Physics of the simulations, as in `mwlmc_data.Parameters`.

    Yields
    ------
    ndarray, shape (n, 6), float32
        Positions [kpc] and velocities [km/s] of the stars with Galactocentric r > 50 kpc, in the order of the halo; of
        the standard physics with the bits of `mwlmc_data.load_halo`.
    """
    for stars in _simulate(rows, seed, outskirts=True, physics=physics):
        yield select_outer(stars)


class NumberedHalo(NamedTuple):
    """All stars of a halo, and its number."""

    sim_id: int
    stars: Float32Array  # (n, 6) [kpc, km/s], in their order, which is random

    def __repr__(self) -> str:
        return describe_tuple(self)


def simulate_haloes(rows: list[dict[str, Any]], seed: int) -> Iterator[NumberedHalo]:
    """Simulate the whole haloes of catalogue rows, which takes twice the time of `simulate_outer_stars`."""
    for row, stars in zip(rows, _simulate(rows, seed, outskirts=False), strict=True):
        yield NumberedHalo(int(row["sim_id"]), stars)


def _simulate(
    rows: list[dict[str, Any]], seed: int, outskirts: bool, physics: str = "standard"
) -> Iterator[Float32Array]:
    """Simulate the haloes of rows; with `outskirts` stars that end within 50 kpc may stay where they were."""
    from mwlmc_data.simulator import constants
    from mwlmc_data.simulator.many import job_parameters, name_errors
    from mwlmc_data.simulator.simulation import run_simulation

    for row in rows:
        with name_errors(row):
            parameters, sim_id = job_parameters({**row, "physics": physics}), int(row["sim_id"])
            halo = run_simulation(parameters, seed, constants.N_STARS, "auto", sim_id, outskirts=outskirts).halo
        yield np.concatenate([halo.positions, halo.velocities], axis=1)


@dataclass(frozen=True, repr=False)
class Recipe(Displayed):
    """What is made of each halo.

    Attributes
    ----------
    name : str
        Name of the folder.
    version : int
        Raised when the same stars give other arrays.
    reduce : callable
        Takes what `simulate` yields for a halo, by default its stars beyond 50 kpc, (n, 6) float32 [kpc, km/s], and
        `options`; returns arrays by name, of the same shapes for every halo. It is a function of an importable module,
        because other processes run it.
    options : mapping
        Further arguments of `reduce`, as JSON can hold them.
    simulate : callable, optional
        Takes rows of the catalogue and the seed of the set, and yields what `reduce` takes for each; a function of an
        importable module, or a `functools.partial` of one; by default `simulate_outer_stars`. Not for the set "live",
        whose haloes are drawn in the stored fields of its runs.
    """

    name: str
    version: int
    reduce: Callable[..., Arrays]
    options: Mapping[str, Any] = field(default_factory=dict)
    simulate: Callable[[list[dict[str, Any]], int], Iterator[Any]] | None = None


def load_made(
    recipe: Recipe,
    sim_ids: NDArray[np.integer],
    config: str = "gaussian",
    workers: int | None = None,
    progress: bool | None = None,
) -> Arrays:
    """Load the arrays of haloes, and make those that are not in the local store.

    Parameters
    ----------
    recipe : Recipe
        What is made of each halo.
    sim_ids : integer array of shape (n,)
        Numbers of the haloes. Lists that begin with the same hundreds share their files.
    config : str
        Set of simulations, or "live".
    workers : int, optional
        Processes that simulate; by default all cores.
    progress : bool, optional
        Show a progress bar on standard error; by default if it is a terminal.

    Returns
    -------
    dict of str to ndarray, shape (n, ...)
        In the order of `sim_ids`.

    Raises
    ------
    ValueError
        If a number is not in the set or there is none, or this user has no folder for a store.
    MissingHaloError
        If the set was made with another version of the simulator, which gives other stars, or the run of a live halo is
        not on this machine.
    WriteError
        If the disk is full or read-only. What was written before stays.
    """
    ids = library.check_ids(sim_ids, config, None)
    if not len(ids):
        raise ValueError("sim_ids = 0 numbers: allowed is 1 or more")
    identity, folder = _identify(recipe, config), store.get_data_dir() / FOLDER / recipe.name
    whole: Arrays = {}
    missing: list[int] = []
    for start in range(0, len(ids), BLOCK):
        block = ids[start : start + BLOCK]
        found = _read(_get_path(folder, config, block), block, identity)
        if found is None:
            missing.append(start)
        else:
            _fill(whole, found, start, len(ids))
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        blocks = {start: ids[start : start + BLOCK] for start in missing}
        for start, made in _make(recipe, blocks, config, workers, progress):
            _write(_get_path(folder, config, blocks[start]), made, blocks[start], identity)
            _fill(whole, made, start, len(ids))
    return whole


def _fill(whole: Arrays, part: Arrays, start: int, n: int) -> None:
    """Put the arrays of a block into those of all haloes."""
    for name, values in part.items():
        if name not in whole:
            whole[name] = np.empty((n, *values.shape[1:]), values.dtype)
        whole[name][start : start + len(values)] = values


def _make(
    recipe: Recipe,
    blocks: Mapping[int, NDArray[np.int64]],
    config: str,
    workers: int | None,
    progress: bool | None,
) -> Iterator[tuple[int, Arrays]]:
    """Make blocks, and yield each as it is finished."""
    from tqdm import tqdm

    from mwlmc_data.simulator import compile_kernels

    chunks = {start: library.Chunk(tuple(ids.tolist())) for start, ids in blocks.items()}
    jobs = {start: _plan(recipe, chunk, config) for start, chunk in chunks.items()}
    shown = sys.stderr.isatty() if progress is None else progress
    total = sum(map(len, blocks.values()))
    count = count_processes(workers, len(jobs))
    with tqdm(total=total, unit="halo", desc=recipe.name, file=sys.stderr, disable=not shown) as bar:
        if count <= 1:
            for start, job in jobs.items():
                yield start, _make_block(recipe, job)
                bar.update(len(blocks[start]))
            return
        compile_kernels()
        with start_pool(count) as pool:
            try:
                begun = {pool.submit(_make_block, recipe, job): start for start, job in jobs.items()}
                for future in as_completed(begun):
                    start = begun.pop(future)
                    yield start, future.result()
                    bar.update(len(blocks[start]))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _plan(recipe: Recipe, chunk: library.Chunk, config: str) -> Callable[[], Iterator[Any]]:
    """Return a call, which another process may make, that yields what the recipe reduces."""
    if library.is_live(config, None):
        if recipe.simulate is not None:
            raise ValueError(f"config = {config!r} with recipe = {recipe.name!r}: allowed is a recipe of outer stars")
        from mwlmc_data.dataset.live_haloes import draw_outer_stars, find_recipes

        return partial(draw_outer_stars, find_recipes(np.asarray(chunk.sim_ids, np.int64), "simulation"))
    return partial(recipe.simulate or simulate_outer_stars, *library.get_recipe(chunk, config, None))


def _make_block(recipe: Recipe, simulate: Callable[[], Iterator[Any]]) -> Arrays:
    made = [recipe.reduce(halo, **recipe.options) for halo in simulate()]
    return {name: np.stack([arrays[name] for arrays in made]) for name in made[0]}


def _identify(recipe: Recipe, config: str) -> bytes:
    """Return all that the arrays depend on beside the numbers of the haloes."""
    is_live = library.is_live(config, None)
    entry = embedded.load_registry()[config] if is_live else release.get_entry(config, None)
    names = ("sha256", "simulator_version") if is_live else ("sha256", "seed", "simulator_version")
    content = {
        "recipe": recipe.name,
        "version": recipe.version,
        "options": dict(recipe.options),
        "config": config,
        **{name: entry[name] for name in names},
    }
    return json.dumps(content, sort_keys=True).encode()


def _get_path(folder: Path, config: str, ids: NDArray[np.int64]) -> Path:
    """Return the file of a block, named after its first number and the hash of all."""
    digest = hashlib.sha256(",".join(map(str, ids.tolist())).encode()).hexdigest()[:12]
    return folder / f"{config}-{ids[0]:06d}-{digest}.npz"


def _read(path: Path, ids: NDArray[np.int64], identity: bytes) -> Arrays | None:
    """Read the arrays of a block; None if there is no such file, or it is damaged or of another identity."""
    if not path.is_file():
        return None
    try:
        arrays = load_members(path, read_members(path).values())
    except NpzError:
        return None
    found, numbers = arrays.pop(_IDENTITY, None), arrays.pop(_SIM_ID, None)
    if found is None or numbers is None or found.tobytes() != identity or not np.array_equal(numbers, ids):
        return None
    return arrays if all(len(values) == len(ids) for values in arrays.values()) else None


def _write(path: Path, arrays: Arrays, ids: NDArray[np.int64], identity: bytes) -> None:
    replace_npz(path, {**arrays, _SIM_ID: ids, _IDENTITY: np.frombuffer(identity, np.uint8)})
