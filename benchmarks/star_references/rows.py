"""The observations of the stars' tasks: the first 1,024 stars beyond 50 kpc of test rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from benchmarks.references.from_stars import ObservedHalo, read_haloes
from benchmarks.references.rows import spread
from mwlmc_data import get_task
from mwlmc_data.array_types import Float64Array
from mwlmc_data.scoring.observations import test_columns
from mwlmc_data.scoring.tasks.stars import StarsTask
from mwlmc_data.scoring.tasks.summary import FIXED, REFERENCE
from mwlmc_data.simulator.limits import CARTESIAN_NAMES, SKY_NAMES

#: A task of stars; all of them have the same observations.
TASK = "stars-budget-1000"
#: Seed of the posteriors' draws.
SEED = 20250815


@dataclasses.dataclass(frozen=True)
class StarRow(ObservedHalo):
    """An observation; `lmc` is the LMC's present day on the sky, as simulated.

    Attributes
    ----------
    group : str
        "reference" or "fixed", as in the task.
    vector : tuple of float
        x_lmc ... vz_lmc [kpc, km/s].
    """

    group: str
    vector: tuple[float, ...]


def list_rows(group: str = REFERENCE) -> list[StarRow]:
    """List the observations of a group, spread over their numbers, so that part of a run is useful."""
    seen = get_task(TASK).observations
    places = seen.rows(group)
    haloes = read_haloes(seen.sim_id[places], places, SKY_NAMES, CARTESIAN_NAMES)
    return spread([StarRow(**fields, group=group, vector=tuple(vector.values())) for fields, vector in haloes])


def all_rows() -> list[StarRow]:
    """List all observations, those with a reference first."""
    return [*list_rows(REFERENCE), *list_rows(FIXED)]


def load_stars(rows: Sequence[StarRow]) -> dict[str, Float64Array]:
    """Load the stars of observations by name, (m, 6) [kpc, km/s]; they are simulated if the store lacks them."""
    task = get_task(TASK)
    assert isinstance(task, StarsTask)
    found: dict[str, Float64Array] = {}
    for group in (FIXED, REFERENCE):
        wanted = {row.sim_id: row.name for row in rows if row.group == group}
        if not wanted:
            continue
        ids = task.observations.sim_id[task.observations.rows(group)]  # whole groups, as the store's files hold them
        sets = task.make_data(ids, test_columns(ids, list(CARTESIAN_NAMES)))
        for i, sim_id in enumerate(ids.tolist()):
            if sim_id in wanted:
                found[wanted[sim_id]] = sets.stars[i][sets.mask[i]].astype(np.float64)
    return found
