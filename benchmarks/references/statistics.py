"""Which numbers of a halo a reference posterior is conditioned on, beside the LMC's position and velocity."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from mwlmc_data import get_task
from mwlmc_data.array_types import Float32Array
from mwlmc_data.dataset.schema import LMC_VECTOR, REFLEX, Column
from mwlmc_data.scoring import references
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.many import simulate_row

#: Seed of the references' stars and designs, unlike all of the catalogues' (`release.CATALOGUE_SEEDS`).
SEED = 20250720
#: The reflex motion as a vector, whose covariance the fit to a halo gives.
TRAVEL = ("vx_travel", "vy_travel", "vz_travel")
COVARIANCES = ("cov_vx_vx", "cov_vx_vy", "cov_vx_vz", "cov_vy_vy", "cov_vy_vz", "cov_vz_vz")


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Numbers of a halo that a task gives.

    Attributes
    ----------
    file : str
        Name of the file of references, without its ending.
    names : tuple of str
        Columns of a catalogue's row, the travel vector first: of all stars beyond 50 kpc, or of a shell.
    """

    file: str
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def fix_nuisances(self) -> bool:
        """Whether they determine the nuisances, so that the posterior is computed on draws of all six parameters.

        The travel vector alone leaves the nuisances where the prior has them: a posterior of three parameters on a
        grid, averaged over few values of them.
        """
        return len(self.names) > len(TRAVEL)

    @property
    def n_points(self) -> int:
        """Simulations of a row's first design: around a posterior, fewer tell as much as over the whole prior."""
        return 1024 if self.fix_nuisances else 2048

    @property
    def n_parts(self) -> int:
        """Designs that a row may have: the mean of more numbers takes more simulations around the posterior."""
        return 4 if self.fix_nuisances else 3

    @property
    def n_least(self) -> int:
        """Designs that a row has at least: where the data determine the nuisances, one around its posterior too."""
        return 2 if self.fix_nuisances else 1

    @property
    def replicates(self) -> int:
        """Simulations of each point of the importance sampling.

        The mean of k has a noise of its own, so that the logarithm of the likelihood has one, whose variance is half of
        the number of numbers for k = 4 and a fourteenth of it for k = 16. Of three rows, 2 to 8 of a hundred points
        counted with 16, and 26 to 44 would have counted without this noise.
        """
        return 32 if self.fix_nuisances else 2

    @property
    def n_weighed(self) -> int:
        """Points of the importance sampling around a posterior on draws."""
        return 750

    @property
    def n_checked(self) -> int:
        """Number of rows that are checked with further simulations; the first, the validation cases among them.

        Those of the other statistics are made by the same recipe, and fewer of them show it.
        """
        return 32 if self == REFLEX_MOTION else 10

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the file of references."""
        return references.TABLES[self.file]

    @property
    def label(self) -> list[str] | None:
        """What files of simulations record; None for the travel vector of all stars alone."""
        return None if self.names == TRAVEL else list(self.names)

    @property
    def covariances(self) -> tuple[str, ...]:
        """Columns of the travel vector's covariance."""
        shell = self.names[0].removeprefix(TRAVEL[0])
        return tuple(f"{name}{shell}" for name in COVARIANCES)

    def simulate(self, row: dict[str, Any]) -> Float32Array:
        """Simulate the numbers and the covariances of the travel vector (k + 6,); NaN where that fails."""
        try:
            found = simulate_row((row, SEED, const.N_STARS, "numba"))
        except (ValueError, RuntimeError, FloatingPointError):
            return np.full(len(self) + len(COVARIANCES), np.nan, dtype=np.float32)
        return np.array([found[name] for name in (*self.names, *self.covariances)], dtype=np.float32)


#: The reflex motion of summary-9, of the tasks with its data, and of the validation cases.
REFLEX_MOTION = Statistics(references.NAME, TRAVEL)


def find_statistics(task_name: str) -> Statistics:
    """Find what a task conditions on.

    Parameters
    ----------
    task_name : str
        Name of a task.

    Returns
    -------
    Statistics

    Raises
    ------
    ValueError
        If there is no such task, or its data are not the LMC's vector, the reflex motion (in a shell of stars as a
        vector) and further columns of the catalogue for which a file of references is described.
    """
    task = get_task(task_name)
    name = task.reference_name
    if name is None or task.on_demand:
        raise ValueError(
            f"task = {task_name!r}: allowed is one with data of summary-9, summary-9-50-100 or summary-24"
        )
    motion = TRAVEL if set(REFLEX) <= set(task.x_names) else ()
    return Statistics(name, (*motion, *(x for x in task.x_names if x not in (*LMC_VECTOR, *REFLEX))))
