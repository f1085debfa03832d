"""The arrays of a task: its splits, its fixed observations and the validation cases.

The observations are fixed rows of the test split in the order of sim_id: every 100th has a reference posterior, and
1,000 others, every tenth from the eighth on, are what a score is the mean over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float32Array
from mwlmc_data.dataset import schema
from mwlmc_data.display import Displayed

if TYPE_CHECKING:
    from mwlmc_data.validation import Case

#: Set of simulations that the tasks are made of.
CONFIG = "gaussian"
N_SIMULATIONS = 128_000
#: Of the test rows in the order of sim_id, those with a reference posterior.
REFERENCE_ROWS = slice(None, None, 100)
#: Place of the first row that is no reference but scored; the rows of every task but the references count from it.
#: Seven because these truths look like draws from the prior at every stride in use (p of a KS test for each parameter
#: from 0.13 up). Others do not: from the sixth row on, log10_lambda_df has p = 0.006, and an exact posterior would seem
#: miscalibrated.
FIXED_START = 7
#: The 1,000 that scores are means over; none of them has a reference.
FIXED_ROWS = slice(FIXED_START, None, 10)


@dataclass(frozen=True, repr=False)
class Split(Displayed):
    """Simulations of one part of the set.

    Attributes
    ----------
    theta : ndarray, shape (n, d), float32
        Parameters in the task's units.
    x : ndarray, shape (n, k), float32
        Data.
    sim_id : ndarray, shape (n,), int32
        Numbers of the simulations.
    """

    theta: Float32Array
    x: Float32Array
    sim_id: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.sim_id)


@dataclass(frozen=True, repr=False)
class Observations(Displayed):
    """What posterior draws are handed in for.

    Attributes
    ----------
    x : ndarray, shape (n, k), float32
        Data, a row an observation.
    theta : ndarray, shape (n, d), float32
        Truths, read-only; NaN where none is quoted.
    sim_id : ndarray, shape (n,), int32
        Number of the simulation, -1 for a validation case.
    group : ndarray of str, shape (n,)
        What kind of observation each is; a score is told by group.
    """

    x: Float32Array
    theta: Float32Array
    sim_id: NDArray[np.int32]
    group: NDArray[np.str_]

    def __post_init__(self) -> None:
        # a method that standardises in place would spoil its own score
        self.theta.flags.writeable = False

    def __len__(self) -> int:
        return len(self.group)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, in their order."""
        return tuple(dict.fromkeys(self.group.tolist()))

    def rows(self, group: str) -> NDArray[np.intp]:
        """Places of the observations of one group.

        Parameters
        ----------
        group : str
            One of `groups`.

        Returns
        -------
        ndarray of int, shape (m,)

        Raises
        ------
        ValueError
            If there is no such group.
        """
        if group not in self.groups:
            raise ValueError(f"unknown group {group!r}; allowed: {', '.join(self.groups)}")
        return np.flatnonzero(self.group == group)


@dataclass(frozen=True, repr=False)
class Cases(Displayed):
    """The validation cases as rows of a task.

    Attributes
    ----------
    names, kinds : tuple of str
        Of each case.
    x : ndarray, shape (c, k), float32
        Data.
    theta : ndarray, shape (c, d), float32
        Truths, NaN where none is quoted.
    outside : tuple of tuple of str
        Data of each case beyond the prior of the LMC's place and motion; an estimator extrapolates there.
    in_support : tuple of mapping
        Sigmas of each datum from the set, as `mwlmc_data.validation.Case` tells them.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    x: Float32Array
    theta: Float32Array
    outside: tuple[tuple[str, ...], ...]
    in_support: tuple[Mapping[str, float], ...]

    def __len__(self) -> int:
        return len(self.names)

    def notes(self) -> list[str]:
        """Sentences on the cases whose LMC is outside the prior."""
        notes = []
        for name, outside, sigmas in zip(self.names, self.outside, self.in_support, strict=True):
            if outside:
                told = ", ".join(f"{datum} ({sigmas[datum]:+.0f} sigma)" for datum in outside)
                notes.append(f"{name} is outside the prior of the LMC in {told}: an amortised estimator extrapolates.")
        return notes


def test_ids(rows: slice) -> NDArray[np.int32]:
    """sim_id of some rows of the test split in the order of sim_id."""
    return schema.ids_of("test", 0, N_SIMULATIONS)[rows]


test_ids.__test__ = False  # type: ignore[attr-defined]  # no test, whatever its name


def load_split(
    split: str, theta_names: Sequence[str], x_names: Sequence[str], rows: int | None = None, config: str = CONFIG
) -> Split:
    """Load a part of the set as arrays.

    Parameters
    ----------
    split : str
        "train", "validation" or "test".
    theta_names, x_names : sequence of str
        Columns of the catalogue.
    rows : int, optional
        Only the first so many simulations.
    config : str
        Set of simulations.

    Returns
    -------
    Split
    """
    table = columns_of(split, ["sim_id", *theta_names, *x_names], config)
    return Split(stacked(table, theta_names, rows), stacked(table, x_names, rows), table["sim_id"][:rows].copy())


def columns_of(split: str, names: Sequence[str], config: str = CONFIG) -> dict[str, NDArray]:
    """Columns of one part of a set, by name."""
    from mwlmc_data.dataset.catalogue import load_catalogue

    return load_catalogue(split, config, list(dict.fromkeys(names)), format="numpy")


def test_columns(sim_ids: NDArray[np.integer], names: Sequence[str]) -> dict[str, NDArray]:
    """Columns of some test rows, in the order of `sim_ids`."""
    table = columns_of("test", ["sim_id", *names])
    places = np.searchsorted(table["sim_id"], sim_ids)
    return {name: values[places] for name, values in table.items()}


test_columns.__test__ = False  # type: ignore[attr-defined]


def stacked(table: Mapping[str, NDArray], names: Sequence[str], rows: int | None = None) -> Float32Array:
    """Columns side by side, shape (n, len(names)), float32."""
    return np.stack([table[name][:rows] for name in names], axis=1).astype(np.float32, copy=False)


def load_cases(theta_names: Sequence[str], x_names: Sequence[str]) -> Cases:
    """Load the validation cases as rows.

    Parameters
    ----------
    theta_names, x_names : sequence of str
        Names of parameters and data.

    Returns
    -------
    Cases
    """
    from mwlmc_data.validation import validation_cases

    cases: list[Case] = list(validation_cases().values())
    return Cases(
        names=tuple(case.name for case in cases),
        kinds=tuple(case.kind for case in cases),
        x=np.array([[case.observation[name] for name in x_names] for case in cases], dtype=np.float32),
        theta=np.array([[case.truth.get(name, np.nan) for name in theta_names] for case in cases], dtype=np.float32),
        outside=tuple(case.outside for case in cases),
        in_support=tuple(case.in_support for case in cases),
    )
