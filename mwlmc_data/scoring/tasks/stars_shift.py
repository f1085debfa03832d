"""Stars that differ from those of the training set, to test if a method of stars knows its limits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mwlmc_data.dataset import live_tables, schema
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
from mwlmc_data.scoring.star_sets import StarSets, join_sets
from mwlmc_data.scoring.tasks.live_rung import LIVE, WithLiveRung
from mwlmc_data.scoring.tasks.shifted import NOMINAL, ShiftedTask
from mwlmc_data.scoring.tasks.stars import N_STARS, StarsBudget10000, StarsTask
from mwlmc_data.scoring.tasks.stars import RECIPE as LIVE_RECIPE

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
        return join_sets(self._list_sets())

    def _list_sets(self) -> list[StarSets]:
        """The stars of each group."""
        plain, changed = test_ids(NOMINAL_ROWS), test_ids(RUNG_ROWS)
        tables = [test_columns(ids, ["sim_id", *schema.LMC_VECTOR]) for ids in (plain, changed)]
        nominal = StarsBudget10000().make_data(plain, tables[0])
        lmc = stack_columns(tables[1], schema.LMC_VECTOR)
        made = load_made(RECIPE, changed)
        return [
            nominal,
            *(StarSets(made[f"stars-{name}"], made[f"mask-{name}"], lmc) for name in star_ladders.WHAT),
        ]


class LiveStarsShift(WithLiveRung, StarsShift):
    """As stars-shift 1.0, and with a rung of galaxies that deform each other: one halo of each live simulation.

    The rung `live` has the stars of the same haloes as that of shift 1.1, drawn in the stored fields of their runs, in
    a second or two each. The other groups are those of version 1.0. The version needs the embedded set `live`, and its
    data the files of the runs, which are in the repository.
    """

    name = "stars-shift"
    version = "1.1"

    @classmethod
    def is_available(cls) -> bool:
        """Whether this package embeds the set `live`, and the runs are on this machine."""
        from mwlmc_data.dataset.live_haloes import has_runs

        return super().is_available() and has_runs()

    def load_observations(self) -> Observations:
        """Build the observations of version 1.0, then those of the live rung."""
        rigid, live = super().load_observations(), self.load_rung(schema.LMC_VECTOR)

        def make_stars() -> StarSets:
            made = load_made(LIVE_RECIPE, live.sim_id, live_tables.NAME)
            return join_sets([*self._list_sets(), StarSets(made["stars"], made["mask"], live.x)])

        return LaterObservations(
            make_stars,
            theta=np.concatenate([rigid.theta, live.theta]),
            sim_id=np.concatenate([rigid.sim_id, live.sim_id]),
            group=np.concatenate([rigid.group, np.repeat(LIVE, len(live))]),
        )
