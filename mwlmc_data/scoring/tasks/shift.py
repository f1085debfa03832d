"""Observations that move away from the training set step by step, to test if a method knows its limits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.dataset.schema import REFLEX
from mwlmc_data.scoring import ladders
from mwlmc_data.scoring.observations import FIXED_START, Observations, stack_columns, test_columns, test_ids
from mwlmc_data.scoring.tasks.live_rung import LIVE, WithLiveRung
from mwlmc_data.scoring.tasks.shifted import NOMINAL, ShiftedTask
from mwlmc_data.scoring.tasks.summary import Summary9, SummaryTask
from mwlmc_data.scoring.yardstick import ScoreLimit, load_limit

#: Places of the test rows, in the order of sim_id: unchanged, with noise or bias, and with changed haloes.
NOMINAL_ROWS = slice(FIXED_START, None, 20)
LADDER_ROWS = slice(FIXED_START, None, 100)
HALO_ROWS = slice(FIXED_START, None, 200)
_Part = tuple[str, NDArray, NDArray, NDArray]


class Shift(ShiftedTask):
    """Draws for rows of the test set, cases of other fidelity and ladders of noise, bias, clipped sky and infall.

    Training set, parameters and data are those of summary-9. The observations come in groups: "test", 500 rows like the
    training set; each validation case; 100 of the rows with noise and with biased v_travel; 50 whose haloes are clipped
    or fall in on one side and are refitted (`mwlmc_data.scoring.ladders`). An optional statistic is larger where an
    observation is stranger to the method, such as minus its log evidence.
    """

    name = "shift"
    theta_names = SummaryTask.theta_names
    x_names = Summary9.x_names
    scale = SummaryTask.scale

    @property
    def what(self) -> Mapping[str, str]:
        """What each rung differs in."""
        return ladders.WHAT

    def load_nominal_limit(self) -> ScoreLimit | None:
        """Load scores of a nearly exact posterior for the rows like the training set."""
        limit = load_limit()
        return None if limit is None else limit.of(self.observations.sim_id[self.observations.rows(NOMINAL)])

    def load_observations(self) -> Observations:
        """Build the observations, group by group."""
        names = [*self.theta_names, *self.x_names, *ladders.TRAVEL, *ladders.COVARIANCE]
        rows = (NOMINAL_ROWS, LADDER_ROWS, HALO_ROWS)
        nominal, ladder, halo = (test_columns(test_ids(chosen), names) for chosen in rows)
        cases, none = self.cases, np.array([-1])
        theta, x = (stack_columns(nominal, columns) for columns in (self.theta_names, self.x_names))
        parts = [(NOMINAL, nominal["sim_id"], theta, x)]
        parts += [(name, none, cases.theta[i : i + 1], cases.x[i : i + 1]) for i, name in enumerate(cases.names)]
        for name, factor in ladders.NOISE.items():
            parts.append(self._moved(name, ladder, ladders.add_noise(ladder, factor)))
        for name, shift in ladders.BIAS.items():
            parts.append(self._moved(name, ladder, ladders.add_bias(ladder, shift)))
        made = ladders.read_haloes()
        for name in ladders.HALO_GROUPS:
            vectors = {key: values[made["group"] == name] for key, values in made.items()}
            if not np.array_equal(vectors["sim_id"], halo["sim_id"]):
                raise ValueError(f"sim_id of the embedded {name!r} = {vectors['sim_id'].tolist()}: "
                                 f"allowed is {halo['sim_id'].tolist()}")  # fmt: skip
            parts.append(self._moved(name, halo, stack_columns(vectors, ladders.TRAVEL)))
        groups, ids, theta, x = zip(*parts, strict=True)
        group = np.repeat(groups, [len(part) for part in ids])
        return Observations(np.concatenate(x), np.concatenate(theta), np.concatenate(ids).astype(np.int32), group)

    def _moved(self, group: str, table: Mapping[str, NDArray], travel: NDArray) -> _Part:
        """Replace the reflex vector of rows."""
        x = stack_columns(table, self.x_names).copy()
        x[:, [self.x_names.index(name) for name in REFLEX]] = ladders.reflex_data(travel)
        return group, table["sim_id"], stack_columns(table, self.theta_names), x


class LiveShift(WithLiveRung, Shift):
    """As shift 1.0, and with a rung of galaxies that deform each other: one halo of each live simulation.

    The rung `live` has the test simulations of the set `live` whose orbit a friction reproduces, so that all its truths
    are known. The other groups are those of version 1.0, whose results stay as they are; the rung counts in the hits
    of the shifted rows and in the mean AUROC. The version needs the embedded set.
    """

    name = "shift"
    version = "1.1"

    def load_observations(self) -> Observations:
        """Build the observations of version 1.0, then those of the live rung."""
        rigid, live = super().load_observations(), self.load_rung(self.x_names)
        return Observations(
            x=np.concatenate([rigid.x, live.x]),
            theta=np.concatenate([rigid.theta, live.theta]),
            sim_id=np.concatenate([rigid.sim_id, live.sim_id]),
            group=np.concatenate([rigid.group, np.repeat(LIVE, len(live))]),
        )
