"""Stars that differ from those of the training set, to test if a method of stars knows its limits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mwlmc_data.dataset import schema
from mwlmc_data.dataset.made import Recipe, load_made
from mwlmc_data.scoring import star_ladders
from mwlmc_data.scoring.observations import (
    FIXED_START,
    LaterObservations,
    Observations,
    Split,
    stack_columns,
    test_columns,
    test_ids,
)
from mwlmc_data.scoring.star_sets import StarSets
from mwlmc_data.scoring.tasks.shifted import NOMINAL, ShiftedTask
from mwlmc_data.scoring.tasks.stars import N_STARS, StarsBudget10000, StarsTask

#: Places of the test rows, in the order of sim_id: unchanged, and in each rung.
NOMINAL_ROWS = slice(FIXED_START, None, 20)
RUNG_ROWS = slice(FIXED_START, None, 200)
RECIPE = Recipe(
    "stars-shift", 1, star_ladders.reduce_rungs, {"n_max": N_STARS}, simulate=star_ladders.simulate_rungs
)


class StarsShift(ShiftedTask):
    """Draws for the stars of test haloes, and of haloes with other stars, wrong distances, errors or another physics.

    Training set, parameters and data are those of stars-budget-10000, whose haloes follow the rigid standard model and
    have no errors. The observations come in groups: "test", 500 rows like the training set; and 50 of them in each of
    13 rungs (`mwlmc_data.scoring.star_ladders`): with unrelated stars, a stream, another profile of the stars, wrong
    distances, errors of measurement, and in three other physics. An optional statistic is larger where an observation
    is stranger to the method.
    """

    name = "stars-shift"
    form = "sets"
    on_demand = True
    budget = StarsBudget10000.budget
    theta_names = StarsTask.theta_names
    x_names = StarsTask.x_names
    scale = StarsTask.scale

    _describe_data = StarsTask._describe_data

    @property
    def what(self) -> Mapping[str, str]:
        """What each rung differs in."""
        return star_ladders.WHAT

    def load_split(self, name: str, rows: int | None = None) -> Split:
        """Load the first rows of a part of the set: those of the tasks of stars."""
        split = StarsBudget10000().load_split(name, rows)
        return Split(split.theta, split.x, split.sim_id)

    def load_observations(self) -> Observations:
        """Build the observations, group by group."""
        ids = [test_ids(NOMINAL_ROWS), *[test_ids(RUNG_ROWS)] * len(star_ladders.WHAT)]
        group = np.repeat([NOMINAL, *star_ladders.WHAT], [len(part) for part in ids])
        together = np.concatenate(ids)
        theta = stack_columns(test_columns(together, ["sim_id", *self.theta_names]), self.theta_names)
        return LaterObservations(self._make_stars, theta, together, group)

    def _make_stars(self) -> StarSets:
        plain, changed = test_ids(NOMINAL_ROWS), test_ids(RUNG_ROWS)
        tables = [test_columns(ids, ["sim_id", *schema.LMC_VECTOR]) for ids in (plain, changed)]
        nominal = StarsBudget10000().make_data(plain, tables[0])
        lmc = stack_columns(tables[1], schema.LMC_VECTOR)
        made = load_made(RECIPE, changed)
        sets = [nominal, *(StarSets(made[f"stars-{name}"], made[f"mask-{name}"], lmc) for name in star_ladders.WHAT)]
        parts = zip(*((each.stars, each.mask, each.lmc) for each in sets), strict=True)
        return StarSets(*(np.concatenate(arrays) for arrays in parts))

