"""The stage that checks some references: the same with another seed, and with another library's sampler."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.samplers import SAMPLERS, Target
from benchmarks.references import simulations
from benchmarks.references.agreement import Agreement
from benchmarks.references.comparison import compare_draws
from benchmarks.references.from_stars import SECOND
from benchmarks.star_references import posterior
from benchmarks.star_references.rows import SEED, StarRow
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.free_parameters import FREE, FreeParameters
from mwlmc_data.inference.importance import choose_places
from mwlmc_data.inference.measurement import read_lmc
from mwlmc_data.scoring.observations import CONFIG

#: Number of rows to check, the first.
N_CHECKED = 10
#: The other library's sampler (extra `samplers`).
SAMPLER = "nautilus"
#: Raised when the same posterior gives another outcome.
CHECK_VERSION = 1
#: Draws of the second run.
_N_RERUN = 1_000


@dataclasses.dataclass(frozen=True)
class StarChecks:
    """Outcome of a row's checks.

    Attributes
    ----------
    rerun : Agreement
        With draws of another seed, and other stars behind the selection's probability.
    sampler : Agreement
        With the draws of another library's sampler from the same likelihood.
    sampler_evidence, sampler_error, sampler_effective : float
        Its log evidence minus ours, the error of that, and its effective number of draws.
    """

    rerun: Agreement
    sampler: Agreement
    sampler_evidence: float
    sampler_error: float
    sampler_effective: float


def make(out: Path, row: StarRow, stars: Float64Array, n: int = posterior.N_DRAWS, sampler: str = SAMPLER) -> None:
    """Check a row's posterior and write the outcome, unless its file exists.

    Raises
    ------
    ValueError
        If the sampler's library is not installed.
    """
    path, wanted = path_of(out, row), settings(row, n, sampler)
    if path.exists():
        simulations.check(path, wanted)
        return
    found = posterior.load(out, row, n)
    again = posterior.infer(row, stars, SEED + SECOND + row.number, min(n, _N_RERUN)).samples[list(FREE)].to_numpy()
    target = build_target(row, stars, found)
    try:
        run = SAMPLERS[sampler](target)
    except ImportError as error:
        raise ValueError(f"sampler = {sampler!r}, whose library is not installed ({error}): pip install it") from error
    values = target.parameters.convert(resample(run.draws, run.weights, (SEED, row.number, 1)))
    other = np.stack([values[name] for name in FREE], axis=1)
    outcome = StarChecks(
        rerun=Agreement(*compare_draws(found.samples, again)),
        sampler=Agreement(*compare_draws(found.samples, other)),
        sampler_evidence=run.log_evidence - found.numbers["log_evidence"],
        sampler_error=math.hypot(run.error, found.numbers["error_sampling"]),
        sampler_effective=run.effective,
    )
    simulations.save(path, {**wanted, "outcome": dataclasses.asdict(outcome)})


def build_target(row: StarRow, stars: Float64Array, found: posterior.StarReference) -> Target:
    """The likelihood behind a posterior, for other samplers; it starts nowhere near the answer."""
    parameters = FreeParameters(CONFIG, FREE, read_lmc(row.lmc))
    scores = parameters.compute_scores(dict(zip(FREE, found.samples.T, strict=True)))
    likelihood = posterior.SelectedLikelihood(stars, parameters, found.probability, scores)
    return Target(likelihood.extend, parameters)


def resample(draws: NDArray, weights: NDArray, seed: tuple[int, ...]) -> NDArray:
    """Draws of equal weight from weighted ones (n, d), by systematic resampling."""
    return draws[choose_places(weights, len(draws), np.random.default_rng(seed))]


def load(out: Path, row: StarRow, n: int = posterior.N_DRAWS, sampler: str = SAMPLER) -> StarChecks | None:
    """Read the outcome of a row's checks; None if they were not made.

    Raises
    ------
    ValueError
        If the file has other settings.
    """
    path = path_of(out, row)
    if not path.exists():
        return None
    simulations.check(path, settings(row, n, sampler))
    with np.load(path) as file:
        outcome = json.loads(str(file["settings"]))["outcome"]
    rerun, run = (Agreement(**outcome.pop(name)) for name in ("rerun", "sampler"))
    return StarChecks(rerun=rerun, sampler=run, **outcome)


def path_of(out: Path, row: StarRow) -> Path:
    """Return the file of a row's outcome."""
    return out / "checked" / f"{row.name}.npz"


def settings(row: StarRow, n: int, sampler: str) -> dict[str, Any]:
    """Return what the outcome depends on."""
    return {**posterior.settings(row, n), "check": CHECK_VERSION, "sampler": sampler}
