"""What a baseline learns from: a task, or another set of simulations with the same attributes."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float64Array
from mwlmc_data.priors import Prior
from mwlmc_data.scoring.observations import Split, load_split
from mwlmc_data.scoring.tasks.summary import Summary9

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "validation", "test")


def box_of(prior: Prior) -> tuple[Float64Array, Float64Array]:
    """Return lower and upper ends of the support, shape (d,) each, in the order of the prior's parameters."""
    low, high = np.array([prior.support[name] for name in prior.parameters]).T
    return low, high


class Learnable(Protocol):
    """All that an estimator may know; every task has it.

    Attributes
    ----------
    id : str
        Name in records.
    theta_names, x_names : tuple of str
        Columns of the catalogue, in its units.
    form : str
        Form of the data: "table", "sets", "survey" or "classes", as in `mwlmc_data.scoring.task.Task`.
    train, validation : Split
        Arrays theta (n, d) and x (n, k).
    prior : Prior
        Of the parameters in their order.
    """

    @property
    def id(self) -> str:
        """See above, as for the others."""

    @property
    def theta_names(self) -> tuple[str, ...]:
        """See above."""

    @property
    def x_names(self) -> tuple[str, ...]:
        """See above."""

    @property
    def form(self) -> str:
        """See above."""

    @property
    def train(self) -> Split:
        """See above."""

    @property
    def validation(self) -> Split:
        """See above."""

    @property
    def prior(self) -> Prior:
        """See above."""


@runtime_checkable
class Calibrated(Protocol):
    """What has a few rows of the kind of its observations, beside a training set of another kind.

    Attributes
    ----------
    calibration : Split
        These rows; theta has NaN where a truth does not exist.
    """

    @property
    def calibration(self) -> Split:
        """See above."""


def fill_unknown(theta: NDArray, prior: Prior) -> NDArray:
    """Truths (n, d) with the prior's median where one does not exist, for what takes numbers alone."""
    middle = np.array([marginal.quantile(0.5) for marginal in prior.marginals.values()])
    return np.where(np.isfinite(theta), theta, middle)


class SimulationSet:
    """A set of simulations, with the parameters and data of summary-9.

    Parameters
    ----------
    config : str
        Name of the set.
    table : DataFrame, optional
        Simulations in place of the embedded ones: columns `theta_names`, `x_names`, sim_id and split.

    Raises
    ------
    ValueError
        If a split of the table has no rows, or a parameter lies outside the prior's support.
    """

    theta_names = Summary9.theta_names
    x_names = Summary9.x_names
    form = "table"

    def __init__(self, config: str, table: pd.DataFrame | None = None) -> None:
        self.config = config
        self.prior = Prior(config, self.theta_names)
        if table is not None:
            self._take(table)

    @property
    def id(self) -> str:
        """Name of the set."""
        return self.config

    def _take(self, table: pd.DataFrame) -> None:
        low, high = box_of(self.prior)
        for split in SPLITS:
            rows = table[np.asarray(table["split"] == split)]
            if len(rows) == 0:
                raise ValueError(f"rows of the {split} split = 0 of {len(table)}: allowed is 1 or more")
            theta = rows[list(self.theta_names)].to_numpy(np.float32)
            outside = ((theta < low) | (theta > high)).any(axis=1)
            if outside.any():
                raise ValueError(
                    f"theta of the {split} split = {theta[outside][0]}: allowed by the {self.config} prior is "
                    f"{low} to {high}"
                )
            x, sim_id = rows[list(self.x_names)].to_numpy(np.float32), rows["sim_id"].to_numpy(np.int32)
            # replaces what the property of that name would load
            self.__dict__[split] = Split(theta, x, sim_id)

    @cached_property
    def train(self) -> Split:
        """Simulations to learn from."""
        return self._split("train")

    @cached_property
    def validation(self) -> Split:
        """Simulations to stop by."""
        return self._split("validation")

    @cached_property
    def test(self) -> Split:
        """Simulations that nothing is learnt from."""
        return self._split("test")

    def _split(self, name: str) -> Split:
        return load_split(name, self.theta_names, self.x_names, config=self.config)
