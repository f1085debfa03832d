"""Haloes of the set `live`: drawn again in the stored field of their simulation, where its file is at hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.arrays import as_ids, as_whole
from mwlmc_data.array_types import Float32Array
from mwlmc_data.dataset import live_tables, store
from mwlmc_data.dataset.catalogue import load_catalogue
from mwlmc_data.dataset.outer import select_outer
from mwlmc_data.live.simulation import LiveSimulation, load_live
from mwlmc_data.live.truths import FOLDER, REPOSITORY_RUNS, load_run_hashes, name_run, verify_run

if TYPE_CHECKING:
    from mwlmc_data.simulator import Halo


class LiveRecipe(NamedTuple):
    """What a halo is drawn from: the file of its run, with its hash, and its own parameters."""

    sim_id: int
    run: Path
    sha256: str
    beta0: float
    r_dehnen: float  # kpc


def load_live_halo(sim_id: int, source: str) -> Halo:
    """Draw a halo of the set `live` again.

    Parameters
    ----------
    sim_id : int
        Number of a row of ``load_catalogue(config="live")``.
    source : {"auto", "store", "simulation"}
        As for :func:`~mwlmc_data.load_halo`; no file holds stars of this set.

    Returns
    -------
    Halo
        Its `source` is "live".

    Raises
    ------
    ValueError
        If the package does not embed the set, it has no such row, or the run's file is of another version.
    MissingHaloError
        If `source` is "store", or the file of the run is not on this machine.
    DamagedFileError
        If a table or the file of the run is not the embedded one.
    """
    ids = check_live_ids("sim_id", [as_whole("sim_id", sim_id)])
    (halo,) = _draw(find_recipes(ids, source))
    return halo


def list_live_ids(split: str | None = None) -> NDArray[np.int64]:
    """Numbers of all haloes of the set, one split after the other, or those of one split."""
    table = load_catalogue(config=live_tables.NAME, columns=("sim_id", "split"), format="numpy")
    splits = live_tables.SPLITS if split is None else (split,)
    return np.concatenate([table["sim_id"][table["split"] == part] for part in splits]).astype(np.int64)


def check_live_ids(name: str, sim_ids: object) -> NDArray[np.int64]:
    """Return the numbers as an array, or raise a ValueError that gives the first one without a row."""
    wanted, known = as_ids(name, sim_ids), list_live_ids()
    if odd := wanted[~np.isin(wanted, known)].tolist():
        raise ValueError(
            f"{name} = {odd[0]}: allowed is one of the {len(known)} of load_catalogue(config='live'), which lacks "
            "those of simulations that missed"
        )
    return wanted


def find_recipes(sim_ids: NDArray[np.int64], source: str) -> list[LiveRecipe]:
    """Find what haloes are drawn from; the files of the runs are there, and are hashed when they are read.

    Parameters
    ----------
    sim_ids : integer array of shape (n,)
        Numbers of rows of the set.
    source : {"auto", "store", "simulation"}
        As for :func:`~mwlmc_data.load_haloes`.

    Returns
    -------
    list of LiveRecipe

    Raises
    ------
    MissingHaloError
        If `source` is "store", or the file of a run is not on this machine.
    DamagedFileError
        If a table is not the embedded one.
    """
    if source == "store" and len(sim_ids):
        raise store.MissingHaloError(
            f"source = 'store' of the live set: allowed is 'auto' or 'simulation', which draw halo {sim_ids[0]} again"
        )
    hashes = load_run_hashes()
    table = load_catalogue(config=live_tables.NAME, columns=("sim_id", "beta0", "r_dehnen"), format="numpy")
    numbers = sim_ids // live_tables.HALOES
    runs = {number: _find_run(number) for number in dict.fromkeys(numbers.tolist())}
    rows = np.searchsorted(table["sim_id"], sim_ids)
    return [
        LiveRecipe(sim_id, runs[number], hashes[number], float(table["beta0"][row]), float(table["r_dehnen"][row]))
        for sim_id, number, row in zip(sim_ids.tolist(), numbers.tolist(), rows, strict=True)
    ]


def draw_haloes(recipes: list[LiveRecipe]) -> tuple[Float32Array, Float32Array]:
    """Draw haloes: positions [kpc] and velocities [km/s], each (n, 4500, 3).

    Raises
    ------
    DamagedFileError
        If the file of a run is not the embedded one.
    """
    haloes = list(_draw(recipes))
    return np.stack([halo.positions for halo in haloes]), np.stack([halo.velocities for halo in haloes])


def draw_outer_stars(recipes: list[LiveRecipe]) -> Iterator[Float32Array]:
    """Draw haloes, and yield the stars (n, 6) beyond 50 kpc of each, as `made.simulate_outer_stars` does of others.

    Raises
    ------
    DamagedFileError
        If the file of a run is not the embedded one.
    """
    for halo in _draw(recipes):
        yield select_outer(np.concatenate([halo.positions, halo.velocities], axis=1))


def _draw(recipes: list[LiveRecipe]) -> Iterator[Halo]:
    """Draw haloes; a run is loaded once for those of it that follow each other."""
    live: LiveSimulation | None = None
    loaded: Path | None = None
    for recipe in recipes:
        if live is None or recipe.run != loaded:
            live, loaded = load_live(verify_run(recipe.run, recipe.sha256)), recipe.run
        yield live.halo(recipe.beta0, recipe.r_dehnen, seed=recipe.sim_id)


def has_runs() -> bool:
    """Whether the files of all runs of the embedded set are on this machine."""
    try:
        for live_id in load_run_hashes():
            _find_run(live_id)
    except store.MissingHaloError:
        return False
    return True


def _find_run(live_id: int) -> Path:
    name = name_run(live_id)
    homes = [REPOSITORY_RUNS]
    try:
        homes.insert(0, store.get_data_dir() / FOLDER)
    except ValueError:  # no local store without a home folder
        pass
    for home in homes:
        if (home / name).is_file():
            return home / name
    raise store.MissingHaloError(
        f"{name} = no file in {' or '.join(map(str, homes))}: allowed is the run of this halo, which is in the "
        "repository's folder generation/live_runs and not in the package; copy it into one of these folders"
    )
