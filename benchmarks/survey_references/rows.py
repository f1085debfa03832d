"""The observations of stars-survey that have references: surveys of test rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from mwlmc_data import get_task
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.schema import LMC_VECTOR
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.scoring.observations import test_columns
from mwlmc_data.scoring.star_surveys import PATTERNS, SurveySets, choose_patterns
from mwlmc_data.scoring.tasks.summary import REFERENCE

TASK = "stars-survey"
#: Seed of the posteriors' draws.
SEED = 20_260_711


@dataclasses.dataclass(frozen=True)
class SurveyRow:
    """An observation.

    Attributes
    ----------
    name : str
        ``"test-"`` and the sim_id.
    sim_id : int
        Of the test row.
    pattern : str
        What is measured.
    number : int
        Place among the task's observations; key of the random numbers.
    lmc : mapping
        The LMC's vector, as the task gives it.
    truth : mapping
        The six parameters by name.
    table : mapping
        Observed stars as `infer_stars` takes them; empty until they are loaded.
    """

    name: str
    sim_id: int
    pattern: str
    number: int
    lmc: Mapping[str, float]
    truth: Mapping[str, float]
    table: Mapping[str, Float64Array] = dataclasses.field(default_factory=dict)


def list_rows(n: int) -> list[SurveyRow]:
    """List the first n rows with a reference: the patterns in turn, each in the order of the task."""
    seen = get_task(TASK).observations
    places = seen.rows(REFERENCE)
    pattern = choose_patterns(seen.sim_id[places])
    # the how manieth of its pattern a row is
    turn = np.array([(pattern[:i] == pattern[i]).sum() for i in range(len(places))])
    chosen = np.lexsort((pattern, turn))[:n]
    table = test_columns(seen.sim_id[places[chosen]], [*LMC_VECTOR, *FREE])
    found = []
    for i, place in enumerate(places[chosen].tolist()):
        lmc, truth = ({name: float(table[name][i]) for name in names} for names in (LMC_VECTOR, FREE))
        sim_id = int(seen.sim_id[place])
        found.append(SurveyRow(f"test-{sim_id:06d}", sim_id, PATTERNS[pattern[chosen[i]]], place, lmc, truth))
    return found


def load_stars(rows: list[SurveyRow]) -> list[SurveyRow]:
    """Load the surveys of rows; they are simulated if the store lacks them."""
    task = get_task(TASK)
    ids = np.array([row.sim_id for row in rows])
    sets: SurveySets = task.make_data(ids, test_columns(ids, list(LMC_VECTOR)))  # type: ignore[attr-defined]
    return [dataclasses.replace(row, table=sets.to_table(i)) for i, row in enumerate(rows)]
