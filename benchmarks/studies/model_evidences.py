"""Evidences of the five models for the observations "reference" of the task `models`, by the exact likelihood.

Each evidence is that of `mw.infer_stars` with the model held, from the stars and the LMC's vector that the task gives.
Its error is mostly that of the probability that a star is beyond 50 kpc, n times: further stars are simulated at the
posterior's mean and counted, which lowers it. Each pair of an observation and a model is a file in the folder, so that
a run continues where it stopped. A minute or two of a core each: some five hours for 50 observations.
"""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.parallel import run_calls
from benchmarks.common.stored import read_stored
from mwlmc_data import Parameters, Selection, get_task, infer_stars
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.inference.star_search import ImpossibleStarsError
from mwlmc_data.inference.stars import ALGORITHM
from mwlmc_data.rewinding.simulated import count_probability
from mwlmc_data.scoring import classification
from mwlmc_data.scoring.evidences import Evidences, write_evidences
from mwlmc_data.scoring.tasks.models import REFERENCE, ModelsTask
from mwlmc_data.simulator.constants import SIMULATOR_VERSION
from mwlmc_data.simulator.limits import CARTESIAN_NAMES
from mwlmc_data.simulator.physics import PHYSICS
from mwlmc_data.storage.writing import write_bytes
from mwlmc_data.workers import available_cores

#: Effective draws of each posterior.
N_DRAWS = 300
#: Error of ln P over a posterior that is wanted [nats]: an evidence's error is mostly that of the constant of ln P.
SELECTION_ERROR = 0.4


@dataclass(frozen=True)
class Observed:
    """What an observation of the task gives."""

    sim_id: int
    stars: np.ndarray
    lmc: Mapping[str, float]


def take_observation(task: ModelsTask, row: int) -> Observed:
    """Take the stars (n, 6) and the LMC's vector of an observation."""
    x = task.observations.x
    lmc = dict(zip(CARTESIAN_NAMES, x.lmc[row].astype(float).tolist(), strict=True))
    return Observed(int(task.observations.sim_id[row]), x.stars[row][x.mask[row]].astype(float), lmc)


def compute_evidence(folder: Path, observed: Observed, model: str, n_counted: int) -> None:
    """Compute one evidence, unless its file is there; raise ValueError if that is of other settings."""
    path = _get_path(folder, observed.sim_id, model)
    if path.exists():
        read_stored(path, "an evidence", _versions(n_counted))
        return
    started = time.process_time()
    stored: dict[str, Any] = {"versions": _versions(n_counted)}
    held, n = {"physics": model}, len(observed.stars)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = infer_stars(
                observed.stars, lmc=observed.lmc, held=held, n=N_DRAWS, selection_error=SELECTION_ERROR,
                seed=observed.sim_id, workers=1, progress=False, resume=path.with_suffix(".npz"),
            )  # fmt: skip
    except ImpossibleStarsError:
        stored |= {"log_evidence": None, "error": 0.0}
    except RuntimeError as error:  # the search did not end
        stored |= {"failed": str(error)}
    else:
        mean = Parameters(**dict(found.samples.mean()), **observed.lmc, physics=model)
        counted, counted_error = count_probability(mean, Selection(), n_counted, (observed.sim_id, 7))
        before = found.probability.log_p_error
        weight = before**2 / (before**2 + counted_error**2)
        shift = weight * (counted - found.probability.log_probability(mean))
        parts = dict(found.error_parts) | {"probability": n * before * math.sqrt(1.0 - weight)}
        stored |= {
            "log_evidence": found.log_evidence - n * shift,
            "error": math.hypot(*parts.values()),
            "error_parts": parts,
            "shift": -n * shift,
            "p_value": found.p_value,
            "mean": {name: float(found.samples[name].mean()) for name in FREE},
            "std": {name: float(found.samples[name].std()) for name in FREE},
            "n_evaluations": found.n_evaluations,
            "n_effective": found.n_effective,
            "warnings": list(found.warnings),
        }
    stored["seconds"] = time.process_time() - started
    write_bytes(path, json.dumps(stored, indent=1).encode())
    path.with_suffix(".npz").unlink(missing_ok=True)


def _get_path(folder: Path, sim_id: int, model: str) -> Path:
    return folder / f"{sim_id:06d}-{model}.json"


def _versions(n_counted: int) -> list[Any]:
    return [ALGORITHM, SIMULATOR_VERSION, N_DRAWS, SELECTION_ERROR, n_counted]


def read_evidences(folder: Path, sim_ids: Sequence[int], n_counted: int) -> tuple[Evidences, list[dict[str, Any]]]:
    """Read the observations for which every model was computed, without those of which a search failed.

    Raises
    ------
    ValueError
        If a file is of other settings.

    Returns
    -------
    evidences : Evidences
    stored : list of dict
        What was stored of each observation, by model.
    """
    versions = _versions(n_counted)
    kept, stored = [], []
    for sim_id in sim_ids:
        paths = {model: _get_path(folder, sim_id, model) for model in PHYSICS}
        if not all(path.exists() for path in paths.values()):
            continue
        of_models = {model: read_stored(path, "an evidence", versions) for model, path in paths.items()}
        if not any("failed" in each for each in of_models.values()):
            kept.append(sim_id)
            stored.append(of_models)
    logs = [[_or_impossible(each[m]["log_evidence"]) for m in PHYSICS] for each in stored]
    errors = [[each[m]["error"] for m in PHYSICS] for each in stored]
    shape = (-1, len(PHYSICS))
    found = Evidences(np.array(kept, int), np.array(logs).reshape(shape), np.array(errors).reshape(shape))
    return found, stored


def _or_impossible(value: float | None) -> float:
    return -math.inf if value is None else value


def describe(task: ModelsTask, found: Evidences, stored: Sequence[Mapping[str, Any]]) -> str:
    """Table of the evidences, as text."""
    if not stored:
        return "no observation is complete"
    rows = {int(i): row for row, i in enumerate(task.observations.sim_id)}
    truth = task.observations.theta[[rows[int(i)] for i in found.sim_id]].astype(float)
    probabilities = found.compute_probabilities()
    lines = [f"{'sim_id':>7} {'made by':<16}" + "".join(f"{model:>24}" for model in PHYSICS)]
    for k, sim_id in enumerate(found.sim_id):
        relative = found.log_evidence[k] - found.log_evidence[k].max()
        numbers = zip(probabilities[k], relative, found.error[k], strict=True)
        cells = [f"{p:6.3f} ({d:8.1f} ± {e:4.1f})" for p, d, e in numbers]
        made_by = task.theta_names[int(truth[k].argmax())]
        lines.append(f"{sim_id:>7} {made_by:<16}" + "".join(f"{cell:>24}" for cell in cells))
    seconds = [each[model]["seconds"] for each in stored for model in PHYSICS]
    logs = classification.log_scores(probabilities, truth)
    lines.append(
        f"{len(stored)} observations, {np.mean(seconds):.0f} s of a core each evidence (at most {max(seconds):.0f}); "
        f"mean log score {logs.mean():.3f}, of equal probabilities {math.log(len(PHYSICS)):.3f}; true model first in "
        f"{np.mean(probabilities.argmax(axis=1) == truth.argmax(axis=1)):.0%}"
    )
    return "\n".join(lines)


def main(folder: Path, n_rows: int, n_counted: int, workers: int | None, embed: Path | None) -> None:
    """Compute the evidences of the first observations with references, those stored left out, and print them."""
    task = get_task("models")
    assert isinstance(task, ModelsTask)
    folder.mkdir(parents=True, exist_ok=True)
    rows = task.observations.rows(REFERENCE)[:n_rows]
    jobs = [(take_observation(task, int(row)), model) for row in rows for model in PHYSICS]
    calls = [(compute_evidence, (folder, observed, model, n_counted)) for observed, model in jobs]
    names = [f"{observed.sim_id} {model}" for observed, model in jobs]
    run_calls(calls, workers or available_cores(), "evidences", "evidence", names)
    found, stored = read_evidences(folder, task.observations.sim_id[rows].tolist(), n_counted)
    print(describe(task, found, stored))
    if embed is not None:
        print(write_evidences(found, embed))
