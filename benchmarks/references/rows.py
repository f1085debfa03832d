"""The observations with a reference posterior: fixed test rows, and the validation cases."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TypeVar

import numpy as np

from benchmarks.references.design import CONFIG, THETA
from benchmarks.references.statistics import REFLEX_MOTION, Statistics
from mwlmc_data import load_catalogue, validation_cases
from mwlmc_data.scoring.observations import REFERENCE_ROWS, test_ids
from mwlmc_data.simulator.parameters import CARTESIAN_NAMES, SKY_NAMES

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Row:
    """An observation with a reference posterior.

    Attributes
    ----------
    name : str
        Name of the case, or ``"test-"`` and the sim_id.
    kind : str
        ``"test"``, or the case's kind.
    sim_id : int or None
        That of the test row; None for a case.
    number : int
        Key of the random numbers: place of the test row among the references, or of the case, from 1,000 on.
    lmc : mapping
        The LMC's present day as simulated: on the sky for a test row, Galactocentric for a case.
    vector : tuple of float
        x_lmc ... vz_lmc [kpc, km/s].
    observation : tuple of float
        The numbers of `statistics`.
    truth : tuple of float
        m_lmc, m200_mw [Msun], log10_lambda_df; NaN where a case does not quote it.
    statistics : Statistics
        What is observed; by default vx_travel, vy_travel, vz_travel [km/s]. A case's travel vector counts as that of
        all stars beyond 50 kpc, as the paper says, and as that of its own shell.
    """

    name: str
    kind: str
    sim_id: int | None
    number: int
    lmc: Mapping[str, float]
    vector: tuple[float, ...]
    observation: tuple[float, ...]
    truth: tuple[float, ...]
    statistics: Statistics = REFLEX_MOTION


def reference_ids() -> np.ndarray:
    """Return the sim_id of the test rows with a reference, which the tasks define."""
    return test_ids(REFERENCE_ROWS)


def all_rows(statistics: Statistics = REFLEX_MOTION) -> list[Row]:
    """List the cases, then the test rows spread out, so that part of a run is useful.

    Parameters
    ----------
    statistics : Statistics
        What is observed. The cases quote the reflex motion alone; in a shell of stars, those of this shell count.

    Returns
    -------
    list of Row
    """
    return [*case_rows(statistics), *spread(test_rows(statistics))]


def case_rows(statistics: Statistics = REFLEX_MOTION) -> list[Row]:
    """Build a row for each validation case that quotes these numbers."""
    rows = []
    for i, case in enumerate(validation_cases().values()):
        if statistics != REFLEX_MOTION and set(statistics.names) != set(case.travel):
            continue
        data = case.observation
        vector = tuple(data[name] for name in CARTESIAN_NAMES)
        motion = tuple(case.travel.values())
        truth = tuple(case.truth.get(name, np.nan) for name in THETA)
        lmc = dict(zip(CARTESIAN_NAMES, vector, strict=True))
        rows.append(Row(case.name, case.kind, None, 1000 + i, lmc, vector, motion, truth, statistics))
    return rows


def test_rows(statistics: Statistics = REFLEX_MOTION) -> list[Row]:
    """Build a row for each test row with a reference, in the order of sim_id."""
    columns = ["sim_id", *SKY_NAMES, *CARTESIAN_NAMES, *statistics.names, *THETA]
    table = load_catalogue("test", config=CONFIG, columns=columns).set_index("sim_id", drop=False)
    rows = []
    for number, sim_id in enumerate(reference_ids().tolist()):
        data = {name: float(value) for name, value in table.loc[sim_id].items()}
        vector, observed, truth = (
            tuple(data[name] for name in names) for names in (CARTESIAN_NAMES, statistics.names, THETA)
        )
        lmc = {name: data[name] for name in SKY_NAMES}
        rows.append(Row(f"test-{sim_id:06d}", "test", sim_id, number, lmc, vector, observed, truth, statistics))
    return rows


test_rows.__test__ = False  # type: ignore[attr-defined]  # not a test for pytest


def spread(rows: list[T]) -> list[T]:
    """Put rows in bit-reversed order."""
    bits = max(1, (len(rows) - 1).bit_length())
    return [rows[i] for i in sorted(range(len(rows)), key=lambda i: int(f"{i:0{bits}b}"[::-1], 2))]
