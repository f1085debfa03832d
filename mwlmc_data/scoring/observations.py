"""The arrays of a task: its splits, its fixed observations and the validation cases.

The observations are fixed rows of the test split in the order of sim_id: every 100th has a reference posterior, and
scores are means over 1,000 others, every tenth from the eighth on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float32Array
from mwlmc_data.dataset import schema
from mwlmc_data.display import Displayed

if TYPE_CHECKING:
    from mwlmc_data.validation import Case

#: Set of simulations behind the tasks.
CONFIG = "gaussian"
N_SIMULATIONS = 128_000
#: Test rows with a reference posterior, in the order of sim_id.
REFERENCE_ROWS = slice(None, None, 100)
#: Place of the first scored row that has no reference, from which every task counts its rows. It is seven because these
#: truths look like draws from the prior at every stride in use (p of a KS test for each parameter from 0.13 up). Others
#: do not: from the sixth row on, log10_lambda_df has p = 0.006, and an exact posterior would seem miscalibrated.
FIXED_START = 7
#: The 1,000 rows that scores are means over; none of them has a reference.
FIXED_ROWS = slice(FIXED_START, None, 10)


@dataclass(frozen=True, repr=False)
class Split(Displayed):
    """Simulations of one part of the set.

    Attributes
    ----------
    theta : ndarray, shape (n, d), float32
        Parameters in the task's units.
    x : ndarray, shape (n, k), float32
        Data; a `mwlmc_data.scoring.star_sets.StarSets` where the task's form is "sets".
    sim_id : ndarray, shape (n,), int32
        Numbers of the simulations.
    others : ndarray, shape (n, l), float32, or None
        Parameters beside those to infer, where the task names some.
    """

    theta: Float32Array
    x: Any
    sim_id: NDArray[np.int32]
    others: Float32Array | None = None

    def __len__(self) -> int:
        return len(self.sim_id)


@dataclass(frozen=True, repr=False)
class Observations(Displayed):
    """The observations to infer from.

    Attributes
    ----------
    x : ndarray, shape (n, k), float32
        Data, a row for each observation; a `mwlmc_data.scoring.star_sets.StarSets` where the task's form is "sets".
    theta : ndarray, shape (n, d), float32
        Truths, read-only; NaN where none is quoted.
    sim_id : ndarray, shape (n,), int32
        Number of the simulation, -1 for a validation case.
    group : ndarray of str, shape (n,)
        Kind of each observation; scores are reported by group.
    others : ndarray, shape (n, l), float32, or None
        Truths of the parameters beside those to infer, where the task names some, read-only.
    """

    x: Any
    theta: Float32Array
    sim_id: NDArray[np.int32]
    group: NDArray[np.str_]
    others: Float32Array | None = None

    def __post_init__(self) -> None:
        # read-only, so that a method that standardises in place does not spoil its own score
        for truth in (self.theta, self.others):
            if truth is not None:
                truth.flags.writeable = False

    def __len__(self) -> int:
        return len(self.group)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, in their order."""
        return tuple(dict.fromkeys(self.group.tolist()))

    def rows(self, group: str) -> NDArray[np.intp]:
        """Return the places of the observations of one group.

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
            raise ValueError(f"group = {group!r}: allowed is one of {', '.join(self.groups)}")
        return np.flatnonzero(self.group == group)


class LaterObservations(Observations):
    """Observations whose data are made at their first use: a score needs none.

    Parameters
    ----------
    make_x : callable
        Returns the data.
    theta, sim_id, group, others
        As for `Observations`.
    """

    def __init__(
        self,
        make_x: Callable[[], Any],
        theta: Float32Array,
        sim_id: NDArray[np.int32],
        group: NDArray[np.str_],
        others: Float32Array | None = None,
    ) -> None:
        super().__init__(None, theta, sim_id, group, others)
        del self.__dict__["x"]  # so that the property below is asked
        self.__dict__["_make_x"] = make_x

    @cached_property
    def x(self) -> Any:  # type: ignore[override]
        """Data, a row for each observation."""
        return self.__dict__["_make_x"]()


@dataclass(frozen=True, repr=False)
class Cases(Displayed):
    """The validation cases as rows of a task.

    Attributes
    ----------
    names, kinds : tuple of str
        Name and kind of each case.
    x : ndarray, shape (c, k), float32
        Data.
    theta : ndarray, shape (c, d), float32
        Truths, NaN where none is quoted.
    outside : tuple of tuple of str
        Data of each case beyond the prior of the LMC's position and velocity, where an estimator extrapolates.
    in_support : tuple of mapping
        Sigmas of each datum from the set, as in `mwlmc_data.validation.Case`.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    x: Float32Array
    theta: Float32Array
    outside: tuple[tuple[str, ...], ...]
    in_support: tuple[Mapping[str, float], ...]

    def __len__(self) -> int:
        return len(self.names)

    def list_notes(self) -> list[str]:
        """List sentences on the cases whose LMC is outside the prior."""
        notes = []
        for name, outside, sigmas in zip(self.names, self.outside, self.in_support, strict=True):
            if outside:
                data = ", ".join(f"{datum} ({sigmas[datum]:+.0f} sigma)" for datum in outside)
                notes.append(f"{name} is outside the prior of the LMC in {data}: an amortised estimator extrapolates.")
        return notes


def test_ids(rows: slice) -> NDArray[np.int32]:
    """Return the sim_id of some rows of the test split, in the order of sim_id."""
    return schema.ids_of("test", 0, N_SIMULATIONS)[rows]


test_ids.__test__ = False  # type: ignore[attr-defined]  # not a test for pytest


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
        Number of simulations, the first; by default all.
    config : str
        Set of simulations.

    Returns
    -------
    Split
    """
    table = columns_of(split, ["sim_id", *theta_names, *x_names], config)
    theta, x = (stack_columns(table, names, rows) for names in (theta_names, x_names))
    return Split(theta, x, table["sim_id"][:rows].copy())


def columns_of(split: str, names: Sequence[str], config: str = CONFIG) -> dict[str, NDArray]:
    """Load columns of one part of a set, by name."""
    from mwlmc_data.dataset.catalogue import load_catalogue

    return load_catalogue(split, config, list(dict.fromkeys(names)), format="numpy")


def test_columns(sim_ids: NDArray[np.integer], names: Sequence[str]) -> dict[str, NDArray]:
    """Load columns of some test rows, in the order of `sim_ids`."""
    table = columns_of("test", ["sim_id", *names])
    places = np.searchsorted(table["sim_id"], sim_ids)
    return {name: values[places] for name, values in table.items()}


test_columns.__test__ = False  # type: ignore[attr-defined]


def stack_columns(table: Mapping[str, NDArray], names: Sequence[str], rows: int | None = None) -> Float32Array:
    """Stack columns side by side, shape (n, len(names)), float32."""
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
        Those that quote all of the data; none if the data go beyond the LMC's vector and the reflex motion. Where this
        is a vector in a shell of stars, the cases of that shell.
    """
    from mwlmc_data.validation import validation_cases

    quoted = [(case, {**case.observation, **case.travel}) for case in validation_cases().values()]
    quoted = [(case, data) for case, data in quoted if set(x_names) <= set(data)]
    cases: list[Case] = [case for case, _ in quoted]
    return Cases(
        names=tuple(case.name for case in cases),
        kinds=tuple(case.kind for case in cases),
        x=_stack_rows([[data[name] for name in x_names] for _, data in quoted], len(x_names)),
        theta=_stack_rows([[case.truth.get(name, np.nan) for name in theta_names] for case in cases], len(theta_names)),
        outside=tuple(case.outside for case in cases),
        in_support=tuple(case.in_support for case in cases),
    )


def _stack_rows(rows: Sequence[Sequence[float]], width: int) -> Float32Array:
    """Stack rows, shape (n, width), even if there are none."""
    return np.array(rows, dtype=np.float32).reshape(len(rows), width)
