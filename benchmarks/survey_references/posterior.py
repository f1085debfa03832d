"""The posterior of one survey, and the same again with another seed."""

from __future__ import annotations

import dataclasses
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.references import simulations
from benchmarks.references.agreement import Agreement
from benchmarks.references.comparison import compare_draws
from benchmarks.survey_references.rows import SEED, SurveyRow
from mwlmc_data import infer_stars
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.inference.stars import ALGORITHM, StarPosterior
from mwlmc_data.scoring.observations import CONFIG
from mwlmc_data.scoring.star_surveys import get_selection
from mwlmc_data.simulator.constants import SIMULATOR_VERSION

#: Raised when the same stars give another file.
VERSION = 2
#: Draws of a posterior.
N_DRAWS = 2_000
#: What separates the seed of the second run from those of all rows.
_OTHER = 100_000
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
    held = {name: row.truth[name] for name in FREE if name not in free}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the certificate states what they say
        return infer_stars(
            dict(row.table), selection=get_selection(), config=CONFIG, free=free, lmc=row.lmc, held=held, n=n,
            seed=seed, workers=1, resume=resume, progress=False,
        )  # fmt: skip


def make(out: Path, row: SurveyRow, n: int = N_DRAWS, free: tuple[str, ...] = FREE, again: bool = False) -> None:
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
    path, wanted = path_of(out, row, again), settings(row, n, free, again)
    if path.exists():
        simulations.check(path, wanted)
        return
    unfinished = out / "unfinished" / path.name
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    started = time.process_time()
    found = infer(row, SEED + row.number + _OTHER * again, n, free, unfinished)
    samples = found.samples[list(free)].to_numpy()
    truth = np.array([row.truth[name] for name in free])
    numbers = {
        "n_stars": found.n_stars,
        "n_draws": found.n_draws,
        "n_effective": found.n_effective,
        "n_evaluations": found.n_evaluations,
        "cpu_seconds": time.process_time() - started,
        "log_evidence": found.log_evidence,
        **{f"error_{part}": found.error_parts[part] for part in PARTS},
        "edge": found.edge,
        "p_value": found.p_value,
        **{f"rank_{name}": rank for name, rank in zip(free, (samples < truth).mean(axis=0).tolist(), strict=True)},
    }
    simulations.save(path, {**wanted, "numbers": numbers}, samples=samples)
    unfinished.unlink()


def load(out: Path, row: SurveyRow, n: int = N_DRAWS, free: tuple[str, ...] = FREE) -> SurveyReference | None:
    """Read a row's posterior; None if there is none. Raises ValueError if a file has other settings."""
    found = _read(path_of(out, row, False), settings(row, n, free, False))
    if found is None:
        return None
    other = _read(path_of(out, row, True), settings(row, n, free, True))
    rerun = None if other is None else Agreement(*compare_draws(found[0], other[0]))
    return SurveyReference(row, *found, rerun)


def _read(path: Path, wanted: dict[str, Any]) -> tuple[Float64Array, dict[str, float]] | None:
    if not path.exists():
        return None
    simulations.check(path, wanted)
    with np.load(path) as file:
        return file["samples"], json.loads(str(file["settings"]))["numbers"]


def path_of(out: Path, row: SurveyRow, again: bool) -> Path:
    """Return the file of a row's posterior."""
    return out / ("checked" if again else "inferred") / f"{row.name}.npz"


def settings(row: SurveyRow, n: int, free: tuple[str, ...], again: bool) -> dict[str, Any]:
    """Return what a file's posterior depends on."""
    return {
        "name": row.name,
        "lmc": dict(row.lmc),
        "seed": SEED + _OTHER * again,
        "draws": n,
        "free": list(free),
        "version": VERSION,
        "algorithm": ALGORITHM,
        "simulator": SIMULATOR_VERSION,
    }
