"""What the versions of shifted tasks share that have a rung of live galaxies."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.dataset import live_tables
from mwlmc_data.scoring.live_rows import load_live_split
from mwlmc_data.scoring.observations import Split
from mwlmc_data.scoring.tasks.shifted import ShiftedTask

#: Group of the haloes of live simulations.
LIVE = "live"
WHAT_LIVE = "haloes of galaxies that deform each other and lose mass, with real friction"


class WithLiveRung(ShiftedTask):
    """A rung of galaxies that deform each other, after those of another version; it needs the embedded set `live`."""

    def __init__(self) -> None:
        super().__init__()
        live_tables.verify_table(asked=f"task = {self.id!r}")

    @classmethod
    def is_available(cls) -> bool:
        """Whether this package embeds the set `live`."""
        return bool(live_tables.list_embedded())

    @property
    def what(self) -> Mapping[str, str]:
        """What each rung differs in."""
        return {**super().what, LIVE: WHAT_LIVE}  # type: ignore[safe-super]

    @property
    def simulations(self) -> NDArray[np.integer]:
        """Number of the independent simulation of each observation; those of the live set are below -1."""
        ids = self.observations.sim_id
        return np.where(self.observations.group == LIVE, -2 - ids, ids)

    def load_rung(self, x_names: tuple[str, ...]) -> Split:
        """Load the rung: the first halo of each test simulation whose orbit a friction reproduces, and columns of it.

        Raises
        ------
        ValueError
            If there is no such simulation.
        """
        live = load_live_split("test", self.theta_names, x_names, haloes=1)
        known = np.isfinite(live.theta).all(axis=1)
        if not known.any():
            raise ValueError("test simulations of the live set whose orbit a friction reproduces = 0: allowed is 1 up")
        return Split(live.theta[known], live.x[known], live.sim_id[known])
