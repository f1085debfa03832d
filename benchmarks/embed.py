"""Put what the benchmark made into the package: reference posteriors, networks, and the limit of what scores can be."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.baselines.base import create
from benchmarks.baselines.nle import Nle
from benchmarks.sets import Learnable, SimulationSet
from benchmarks.suite import models
from benchmarks.suite.jobs import Job
from mwlmc_data import get_task, release
from mwlmc_data.inference.posterior import NETWORKS
from mwlmc_data.scoring import embedded, energy_score, references
from mwlmc_data.scoring.limits import Limit, write_limit
from mwlmc_data.scoring.submission import read_submission
from mwlmc_data.scoring.tasks.summary import FIXED, SummaryTask
from mwlmc_data.simulator.constants import SIMULATOR_VERSION

SEED = 0
"""Of the training whose network is embedded."""


def embed_networks(run: Path, directory: Path = release.DATA_DIR) -> list[Path]:
    """Copy the likelihood networks of a run of the suite into a folder of embedded files.

    Parameters
    ----------
    run : Path
        Folder of the suite.
    directory : Path
        That of the package by default.

    Returns
    -------
    list of Path
        Files, registered with their hash.

    Raises
    ------
    ValueError
        If the run has no such network, or one that was trained in another way than this version would.
    """
    found = [(name, *_trained(run, config)) for config, name in NETWORKS.items()]
    written = []
    for name, source, about in found:
        target = directory / f"{name}.safetensors"
        models.write(target, models.read_arrays(source), about)
        embedded.register(target, name, about["simulations"], SIMULATOR_VERSION)
        written.append(target)
    return written


def _trained(run: Path, config: str) -> tuple[Path, dict[str, Any]]:
    """File of the network that was trained on a set, and what is told of it."""
    task: Learnable = get_task("summary-9") if config == "gaussian" else SimulationSet(config)
    source = run / "models" / task.id / f"{Nle.name}-s{SEED}.safetensors"
    if not source.exists():
        raise ValueError(f"{source} does not exist; allowed: a run of python -m benchmarks suite with {Nle.name!r}")
    about, wanted = models.read_about(source), models.identity(create(Nle.name), task, SEED)
    for key, value in wanted.items():
        if about.get(key) != value:
            raise ValueError(f"{source}: {key} is {about.get(key)!r}; allowed: {value!r}")
    told = {key: about[key] for key in (*wanted, "n_parameters", "cpu_seconds")}
    names = {"theta_names": list(task.theta_names), "x_names": list(task.x_names)}
    return source, {**told, **names, "simulations": len(task.train)}


def embed_references(source: Path, directory: Path = release.DATA_DIR) -> Path:
    """Copy a file of reference posteriors into a folder of embedded files.

    Parameters
    ----------
    source : Path
        As ``python -m benchmarks references`` writes it.
    directory : Path
        That of the package by default.

    Returns
    -------
    Path
        The file, registered with its hash.

    Raises
    ------
    DamagedFileError
        If it is no such file; nothing is written then.
    """
    found = references.read_references(source)
    target = directory / f"{references.NAME}.parquet"
    shutil.copyfile(source, target)
    embedded.register(target, references.NAME, len(found), SIMULATOR_VERSION)
    return target


def embed_limit(run: Path, directory: Path = release.DATA_DIR) -> Path:
    """Score the likelihood network's entry in summary-9 row by row, and put that into a folder of embedded files.

    Its energy distance to the certified references bounds what the exact posterior gains on it, and so what any entry
    can gain.

    Parameters
    ----------
    run : Path
        Folder of the suite.
    directory : Path
        That of the package by default.

    Returns
    -------
    Path
        The file, registered with its hash.

    Raises
    ------
    FileNotFoundError
        If the run has no such entry.
    """
    submission = read_submission(Job("summary-9", Nle.name, SEED).entry(run))
    task, told = submission.task, submission.score().to_dict()
    distance, nats = told["scores"]["reference"]["energy_distance"], told["headline"]["gap_to_reference_nats"]
    samples, rows = submission.arrays["samples"].astype(np.float64), task.observations.rows(FIXED)
    truth = task.observations.theta[rows].astype(np.float64)
    log_prob = submission.arrays["log_prob_truth"][rows] + np.log(SummaryTask.unit).sum()
    limit = Limit(
        sim_id=task.observations.sim_id[rows],
        energy_score=energy_score(samples[rows], truth, task.scale),
        neg_log_posterior=-log_prob,
        energy_score_excess=(distance["value"], distance["error"]),
        nats_excess=(nats["value"], nats["error"]),
    )
    return write_limit(limit, str(submission.manifest["method"]), directory)


def main(run: Path | None, source: Path | None) -> None:
    """Embed what is named."""
    if run is None and source is None:
        raise ValueError("nothing is named to be embedded; allowed: --run, --references or both")
    # the limit is measured against the references: those that come along first
    found = [embed_references(source)] if source else []
    found += [*embed_networks(run), embed_limit(run)] if run else []
    for path in found:
        print(f"embedded: {path.name}, {path.stat().st_size / 1e6:.2f} MB")
