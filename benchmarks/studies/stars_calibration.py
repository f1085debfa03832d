"""Whether `mw.infer_stars` is calibrated: fresh haloes of the prior, their posteriors, and the ranks of the truth.

Ranks must be uniform, and 68% intervals must hold the truth in 68% of the haloes (simulation-based calibration: Talts
et al. 2018, arXiv:1804.06788). Each halo is a file in the folder, so that a run continues where it stopped, and a
larger one keeps what a smaller one computed. Of the Gaussian prior the embedded references given stars count too,
certified or not: their test rows are draws of it as well, inferred with less error and in part by earlier versions of
the algorithm. 200 haloes in all see widths that are wrong by 20%; a dozen see gross faults alone. The stars are exact,
or those of a survey with errors (`mwlmc_data.scoring.star_surveys`).
"""

from __future__ import annotations

import json
import math
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import kstest

from benchmarks.common.parallel import run_calls
from benchmarks.common.stored import read_stored
from mwlmc_data import Parameters, Prior, infer_stars, simulate
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.made import NumberedHalo
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.inference.stars import ALGORITHM, OBSERVED_ALGORITHM
from mwlmc_data.scoring.observations import CONFIG
from mwlmc_data.scoring.reference_columns import name_samples
from mwlmc_data.scoring.references import OF_STARS, OF_SURVEY
from mwlmc_data.scoring.star_surveys import SurveySets, get_selection, observe_halo
from mwlmc_data.simulator.constants import SIMULATOR_VERSION
from mwlmc_data.storage import embedded
from mwlmc_data.storage.writing import write_bytes
from mwlmc_data.workers import available_cores

#: Seed of the haloes, which no set uses.
SEED = 30_000
#: Effective draws of each posterior.
N_DRAWS = 200


@dataclass(frozen=True)
class StarsCalibration:
    """Ranks of the truth.

    Attributes
    ----------
    haloes : list of dict
        What was stored of each halo, the references last.
    n_references : int
        Number of references among them.
    """

    haloes: list[dict[str, Any]]
    n_references: int

    @property
    def ranks(self) -> Float64Array:
        """Part of the draws below the truth, (n, d)."""
        return np.array([[held["rank"][name] for name in FREE] for held in self.haloes])

    @property
    def fresh(self) -> StarsCalibration:
        """Those that are no references."""
        return StarsCalibration(self.haloes[: len(self.haloes) - self.n_references], 0)

    @property
    def ks(self) -> Float64Array:
        """Kolmogorov-Smirnov p-values for uniform ranks, (d,)."""
        return np.array([kstest(column, "uniform").pvalue for column in self.ranks.T])

    @property
    def coverage(self) -> Float64Array:
        """Part of the haloes whose truth is inside the central 68% of each parameter, (d,)."""
        return np.asarray((np.abs(self.ranks - 0.5) < 0.34).mean(axis=0))


def compute_halo(folder: Path, config: str, i: int, is_survey: bool = False) -> None:
    """Compute the posterior of one halo, or given a survey of it, unless its file is there.

    Raises
    ------
    ValueError
        If the file is of another version.
    """
    path = _path_of(folder, config, i, is_survey)
    if path.exists():
        read_stored(path, "a halo", _versions(is_survey))
        return
    row = Prior(config).sample(1, seed=SEED, start=i).iloc[0]
    truth = Parameters.from_row(row)
    stars: Any = simulate(truth, seed=SEED, sim_id=i).halo
    selection = None
    if is_survey:
        held = observe_halo(NumberedHalo(i, np.concatenate([stars.positions, stars.velocities], axis=1)))
        arrays: dict[str, Any] = {name: values[None] for name, values in held.items()}
        stars, selection = SurveySets(lmc=np.zeros((1, 6), np.float32), **arrays).to_table(0), get_selection()
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = infer_stars(
            stars, selection=selection, lmc=truth, config=config, n=N_DRAWS, seed=i, workers=1, progress=False
        )
    stored = {
        "versions": _versions(is_survey),
        "seconds": time.process_time() - started,
        "truth": {name: float(row[name]) for name in FREE},
        "mean": {name: float(found.samples[name].mean()) for name in FREE},
        "std": {name: float(found.samples[name].std()) for name in FREE},
        "rank": {name: float((found.samples[name] < row[name]).mean()) for name in FREE},
        "n_stars": found.n_stars,
        "n_evaluations": found.n_evaluations,
        "n_effective": found.n_effective,
        "p_value": found.p_value,
        "log_evidence": found.log_evidence,
        "error_parts": dict(found.error_parts),
        "warnings": list(found.warnings),
    }
    write_bytes(path, json.dumps(stored, indent=1).encode())


def _path_of(folder: Path, config: str, i: int, is_survey: bool) -> Path:
    return folder / f"{config}-{'survey-' * is_survey}{i:05d}.json"


def _versions(is_survey: bool) -> list[Any]:
    return [OBSERVED_ALGORITHM if is_survey else ALGORITHM, SIMULATOR_VERSION, N_DRAWS]


def read_haloes(folder: Path, config: str, n: int, is_survey: bool = False) -> StarsCalibration:
    """Read what was stored of n haloes, and the references; raise ValueError if a file is of another version."""
    versions = _versions(is_survey)
    haloes = [read_stored(_path_of(folder, config, i, is_survey), "a halo", versions) for i in range(n)]
    references = read_references(OF_SURVEY if is_survey else OF_STARS) if config == CONFIG else []
    return StarsCalibration([*haloes, *references], len(references))


def read_references(name: str) -> list[dict[str, Any]]:
    """Read the embedded references of this name as what is stored of a halo; none if there are none."""
    path = embedded.verify_file(name)
    return [] if path is None else [_describe_reference(record) for record in pq.read_table(path).to_pylist()]


def _list_algorithms(found: StarsCalibration) -> str:
    numbers = sorted({held["algorithm"] for held in found.haloes if "algorithm" in held})
    return f" (by algorithms {', '.join(map(str, numbers))})" if numbers else ""


def _describe_reference(record: dict[str, Any]) -> dict[str, Any]:
    draws = {name: np.array(record[name_samples(name)]) for name in FREE}
    parts = ("sampling", "selection", "probability", "draws", "integrals")
    kept = ("n_stars", "n_evaluations", "n_effective", "p_value", "log_evidence")
    return {
        "algorithm": record["algorithm"],
        "seconds": record["cpu_seconds"],
        "truth": {name: record[f"truth_{name}"] for name in FREE},
        "mean": {name: float(values.mean()) for name, values in draws.items()},
        "std": {name: float(values.std()) for name, values in draws.items()},
        "rank": {name: record[f"rank_{name}"] for name in FREE},
        **{key: record[key] for key in kept},
        "error_parts": {part: record[f"error_{part}"] for part in parts if f"error_{part}" in record},
        "warnings": [record["reasons"]] if record["reasons"] else [],
    }


def describe(found: StarsCalibration) -> str:
    """Table of the calibration, as text."""
    haloes = found.haloes
    seconds = np.array([held["seconds"] for held in haloes])
    n_stars = [held["n_stars"] for held in haloes]
    lines = [
        f"{len(haloes)} haloes, {found.n_references} of them embedded references{_list_algorithms(found)}, "
        f"of {min(n_stars)} to {max(n_stars)} stars, "
        f"{seconds.mean():.0f} s of a core each (at most {seconds.max():.0f}), "
        f"{np.mean([h['n_evaluations'] for h in haloes]):,.0f} evaluations",
        f"{'':<16} {'KS':>7} {'in 68%':>7} {'mean z':>7} {'rms z':>7} {'median error':>13} {'fresh: KS':>10} "
        f"{'in 68%':>7}",
    ]
    fresh = found.fresh
    for k, name in enumerate(FREE):
        z = np.array([(h["mean"][name] - h["truth"][name]) / h["std"][name] for h in haloes])
        error = np.median([h["std"][name] for h in haloes])
        lines.append(
            f"{name:<16} {found.ks[k]:7.3f} {found.coverage[k]:7.2f} {z.mean():7.2f} {math.sqrt(np.mean(z**2)):7.2f} "
            f"{error:13.3g} {fresh.ks[k]:10.3f} {fresh.coverage[k]:7.2f}"
        )
    p = np.array([h["p_value"] for h in haloes])
    parts = {part: np.median([h["error_parts"][part] for h in haloes]) for part in haloes[0]["error_parts"]}
    lines += [
        f"p-values: {np.mean(p < 0.01):.2f} below 0.01, median {np.median(p):.2f}",
        "error of ln evidence, medians: " + ", ".join(f"{part} {value:.2f}" for part, value in parts.items()),
        f"haloes with warnings: {sum(bool(h['warnings']) for h in haloes)}",
    ]
    return "\n".join(lines)


def main(folder: Path, config: str, n: int, workers: int | None, is_survey: bool = False) -> None:
    """Compute n haloes, those already stored left out, and print the calibration."""
    folder.mkdir(parents=True, exist_ok=True)
    calls = [(compute_halo, (folder, config, i, is_survey)) for i in range(n)]
    run_calls(calls, workers or available_cores(), "haloes", "halo", [f"halo {i}" for i in range(n)])
    print(describe(read_haloes(folder, config, n, is_survey)))
