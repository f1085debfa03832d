"""Haloes of the set `live`: drawn again in the stored field of their simulation, where its file is at hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mwlmc_data.arguments.arrays import as_choice, as_whole
from mwlmc_data.dataset import library, live_tables, schema, store
from mwlmc_data.dataset.catalogue import load_catalogue
from mwlmc_data.live.simulation import LiveSimulation, load_live
from mwlmc_data.live.truths import FOLDER, REPOSITORY_RUNS, name_run
from mwlmc_data.storage.errors import DamagedFileError

if TYPE_CHECKING:
    from mwlmc_data.simulator import Halo

#: Numbers by which the run of a row is known.
_OF_A_RUN = ("m200_mw", "m_lmc", *schema.LMC_VECTOR)


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
        If the file is not that of the row's run.
    """
    as_choice("source", source, library.SOURCES)
    number = as_whole("sim_id", sim_id)
    names = ("sim_id", *_OF_A_RUN, "beta0", "r_dehnen")
    table = load_catalogue(config=live_tables.NAME, columns=names, format="numpy")
    found = np.flatnonzero(table["sim_id"] == number)
    if not len(found):
        raise ValueError(
            f"sim_id = {number}: allowed is one of the {len(table['sim_id'])} of load_catalogue(config='live'), "
            "which lacks those of simulations that missed"
        )
    if source == "store":
        raise library.MissingHaloError(
            f"source = 'store' of the live set: allowed is 'auto' or 'simulation', which draw halo {number} again"
        )
    row = {name: float(values[found[0]]) for name, values in table.items()}
    live = _load_run(number // live_tables.HALOES, row)
    return live.halo(row["beta0"], row["r_dehnen"], seed=number)


def _load_run(live_id: int, row: Mapping[str, Any]) -> LiveSimulation:
    """Load the run of a row, and check that it is that run."""
    path = _find_run(live_id)
    live = load_live(path)
    for name in _OF_A_RUN:
        value = float(getattr(live.parameters, name))
        if not np.isclose(value, row[name], rtol=1e-4, atol=1e-4):
            raise DamagedFileError(path, f"the run with {name} {row[name]:.6g}", f"one with {value:.6g}")
    return live


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
    raise library.MissingHaloError(
        f"{name} = no file in {' or '.join(map(str, homes))}: allowed is the run of this halo, which is in the "
        "repository's folder generation/live_runs and not in the package; copy it into one of these folders"
    )
