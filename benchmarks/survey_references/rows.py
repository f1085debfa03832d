"""The observations of stars-survey that have references: surveys of test rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from benchmarks.references.from_stars import ObservedHalo, read_haloes
from mwlmc_data import get_task
from mwlmc_data.arguments.arrays import as_choice, as_whole
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.schema import LMC_VECTOR
from mwlmc_data.inference.stars import OBSERVED_ALGORITHM
from mwlmc_data.scoring.observations import test_columns
from mwlmc_data.scoring.star_surveys import PATTERNS, SurveySets, choose_patterns
from mwlmc_data.scoring.tasks.summary import REFERENCE

TASK = "stars-survey"
#: Seed of the posteriors' draws.
SEED = 20_260_711


@dataclasses.dataclass(frozen=True)
class SurveyRow(ObservedHalo):
    """An observation; `lmc` is the LMC's vector, as the task gives it.

    Attributes
    ----------
    pattern : str
        What is measured.
    table : mapping
        Observed stars as `infer_stars` takes them; empty until they are loaded.
    """

    algorithm: ClassVar[int] = OBSERVED_ALGORITHM
    pattern: str
    table: Mapping[str, Float64Array] = dataclasses.field(default_factory=dict)


def list_rows(n: int, patterns: Sequence[str] = PATTERNS) -> list[SurveyRow]:
    """List the first n rows with a reference that have these patterns: in turn, each in the order of the task.

    Raises
    ------
    ValueError
        If there are not so many, or there is no such pattern.
    """
    wanted = [PATTERNS.index(as_choice("patterns", name, PATTERNS)) for name in patterns]
    seen = get_task(TASK).observations
    places = seen.rows(REFERENCE)
    pattern = choose_patterns(seen.sim_id[places])
    is_wanted = np.isin(pattern, wanted)
    places, pattern = places[is_wanted], pattern[is_wanted]
    n = as_whole("rows", n, minimum=1, maximum=len(places))
    # the rank of a row within its pattern
    turn = np.array([(pattern[:i] == pattern[i]).sum() for i in range(len(places))])
    chosen = np.lexsort((pattern, turn))[:n]
    haloes = read_haloes(seen.sim_id[places[chosen]], places[chosen], LMC_VECTOR)
    return [SurveyRow(**fields, pattern=PATTERNS[i]) for (fields, _), i in zip(haloes, pattern[chosen], strict=True)]


def load_stars(rows: list[SurveyRow]) -> list[SurveyRow]:
    """Load the surveys of rows; they are simulated if the store lacks them."""
    task = get_task(TASK)
    ids = np.array([row.sim_id for row in rows])
    sets: SurveySets = task.make_data(ids, test_columns(ids, list(LMC_VECTOR)))  # type: ignore[attr-defined]
    return [dataclasses.replace(row, table=sets.to_table(i)) for i, row in enumerate(rows)]
