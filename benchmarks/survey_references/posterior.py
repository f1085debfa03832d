"""The posterior of one survey, and the same again with another seed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from benchmarks.references import from_stars
from benchmarks.references.agreement import Agreement
from benchmarks.references.comparison import compare_draws
from benchmarks.references.from_stars import SECOND
from benchmarks.survey_references.rows import SEED, SurveyRow
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.inference.star_posterior import StarPosterior
from mwlmc_data.scoring.reference_columns import N_SURVEY_DRAWS
from mwlmc_data.scoring.star_surveys import get_selection

#: Raised when the same stars give another file.
VERSION = 4
#: Error of the sum of ln P over the posterior [nats].
MAX_SELECTION = 0.3
#: Parts of the error, as `StarPosterior.error_parts` names them.
PARTS = ("sampling", "selection", "probability", "draws", "integrals")


@dataclasses.dataclass(frozen=True)
class SurveyReference:
    """A posterior as stored.

    Attributes
    ----------
    row : SurveyRow
    samples : ndarray, shape (n, d), float64
        Draws of the free parameters.
    numbers : dict of str to float
        n_stars, n_draws, n_effective, n_evaluations, cpu_seconds, log_evidence, its errors, edge, p_value, and a rank
        for each parameter.
    rerun : Agreement or None
        With the posterior of another seed: other draws of the stars, other stars behind the selection's probability.
    """

    row: SurveyRow
    samples: Float64Array
    numbers: dict[str, float]
    rerun: Agreement | None


def infer(row: SurveyRow, seed: int, n: int, free: tuple[str, ...] = FREE, resume: Path | None = None) -> StarPosterior:
    """Draw the posterior of a row's free parameters; those that are not free are held at the truth."""
    return from_stars.infer(
        row, dict(row.table), get_selection(), seed, n, free, resume, selection_error=MAX_SELECTION
    )


def make(out: Path, row: SurveyRow, n: int = N_SURVEY_DRAWS, free: tuple[str, ...] = FREE, again: bool = False) -> None:
    """Compute a row's posterior and write its file, unless it exists; an interrupted one goes on.

    Parameters
    ----------
    out : Path
        Folder of the run.
    row : SurveyRow
        With its stars.
    n : int
        Draws.
    free : tuple of str
        Free parameters.
    again : bool
        Whether this is the second run, with another seed.
    """

    def compute(unfinished: Path) -> StarPosterior:
        return infer(row, SEED + row.number + SECOND * again, n, free, unfinished)

    from_stars.make(out, path_of(out, row, again), settings(row, n, free, again), row, compute)


def load(out: Path, row: SurveyRow, n: int = N_SURVEY_DRAWS, free: tuple[str, ...] = FREE) -> SurveyReference | None:
    """Read a row's posterior; None if there is none. Raises ValueError if a file has other settings."""
    found = from_stars.read(path_of(out, row, False), settings(row, n, free, False))
    if found is None:
        return None
    other = from_stars.read(path_of(out, row, True), settings(row, n, free, True))
    rerun = None if other is None else Agreement(*compare_draws(found[0], other[0]))
    return SurveyReference(row, found[0], found[1]["numbers"], rerun)


def path_of(out: Path, row: SurveyRow, again: bool) -> Path:
    """Return the file of a row's posterior."""
    return out / ("checked" if again else "inferred") / f"{row.name}.npz"


def settings(row: SurveyRow, n: int, free: tuple[str, ...], again: bool) -> dict[str, Any]:
    """Return what a file's posterior depends on."""
    return {**from_stars.settings(row, SEED + SECOND * again, n, VERSION), "free": list(free)}
