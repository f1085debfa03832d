"""The observations of the stars' tasks: the first 1,024 stars beyond 50 kpc of test rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.references.rows import spread
from mwlmc_data import get_task
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.scoring.observations import test_columns
from mwlmc_data.scoring.tasks.stars import StarsTask
from mwlmc_data.scoring.tasks.summary import FIXED, REFERENCE
from mwlmc_data.simulator.limits import CARTESIAN_NAMES, SKY_NAMES

#: A task of stars; all of them have the same observations.
TASK = "stars-budget-1000"
#: Seed of the posteriors' draws.
SEED = 20250815


@dataclasses.dataclass(frozen=True)
class StarRow:
    """An observation.

    Attributes
    ----------
    name : str
        ``"test-"`` and the sim_id.
    sim_id : int
        Of the test row.
    group : str
        "reference" or "fixed", as in the task.
    number : int
        Place among the task's observations; key of the random numbers.
    lmc : mapping
        The LMC's present day on the sky, as simulated.
    vector : tuple of float
        x_lmc ... vz_lmc [kpc, km/s].
    truth : mapping
        The six parameters by name.
    """

    name: str
    sim_id: int
    group: str
    number: int
    lmc: Mapping[str, float]
    vector: tuple[float, ...]
    truth: Mapping[str, float]


def list_rows(group: str = REFERENCE) -> list[StarRow]:
    """List the observations of a group, spread over their numbers, so that part of a run is useful."""
    seen = get_task(TASK).observations
    places = seen.rows(group)
    table = test_columns(seen.sim_id[places], [*SKY_NAMES, *CARTESIAN_NAMES, *FREE])
    found = []
    for i, place in enumerate(places.tolist()):
        lmc, vector, truth = (
            {name: float(table[name][i]) for name in names} for names in (SKY_NAMES, CARTESIAN_NAMES, FREE)
        )
        sim_id = int(seen.sim_id[place])
        found.append(StarRow(f"test-{sim_id:06d}", sim_id, group, place, lmc, tuple(vector.values()), truth))
    return spread(found)


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
