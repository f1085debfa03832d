"""Put results of the benchmark into the package: reference posteriors, networks, and the limit of scores."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.baselines.base import Effort
from benchmarks.baselines.nle import Nle
from benchmarks.embedded import deconvolution
from benchmarks.suite import models
from benchmarks.suite.jobs import Job
from mwlmc_data.dataset import release
from mwlmc_data.inference.networks import NETWORKS, Key
from mwlmc_data.scoring import energy_score, references
from mwlmc_data.scoring.submission import read_submission
from mwlmc_data.scoring.tasks.summary import FIXED, SummaryTask
from mwlmc_data.scoring.yardstick import ScoreLimit, write_limit
from mwlmc_data.simulator.constants import SIMULATOR_VERSION
from mwlmc_data.storage import embedded

#: Seed of the training whose entry in summary-9 is the limit.
SEED = 0


def embed_networks(
    folder: Path,
    directory: Path = release.DATA_DIR,
    effort: Effort | None = None,
    chosen: Sequence[Key] = tuple(NETWORKS),
) -> list[Path]:
    """Put the networks of `mwlmc_data.inference` into a folder of embedded files; train those that are missing.

    Parameters
    ----------
    folder : Path
        Where they are trained and stored, so that an interrupted run continues with the next network.
    directory : Path
        That of the package by default.
    effort : Effort, optional
        Effort of the training.
    chosen : sequence of (str, (float, float), str)
        Training sets, shells and targets; all by default.

    Returns
    -------
    list of Path
        Files, registered with their hash.
    """
    made = {NETWORKS[key]: deconvolution.get(folder, *key, effort=effort) for key in chosen}
    written = []
    for name, source in made.items():
        about, target = models.read_about(source), directory / f"{name}.safetensors"
        stated = {key: value for key, value in about.items() if key != "history"}
        models.write(target, models.read_arrays(source), stated)
        embedded.register(target, name, about["simulations"], SIMULATOR_VERSION)
        written.append(target)
    return written


def embed_references(source: Path, directory: Path = release.DATA_DIR) -> Path:
    """Copy a file of reference posteriors into a folder of embedded files.

    Parameters
    ----------
    source : Path
        As ``python -m benchmarks references`` or ``star-references`` writes it; its name says what it is given.
    directory : Path
        That of the package by default.

    Returns
    -------
    Path
        The file, registered with its hash.

    Raises
    ------
    ValueError
        If no task looks for a file of this name; then nothing is written.
    DamagedFileError
        If it is not such a file; then nothing is written.
    """
    if source.stem not in references.NAMES:
        raise ValueError(f"source = {str(source)!r}: allowed is {', '.join(references.NAMES)}, with .parquet")
    found = references.read_references(source)
    target = directory / f"{source.stem}.parquet"
    shutil.copyfile(source, target)
    embedded.register(target, source.stem, len(found), SIMULATOR_VERSION)
    return target


def embed_limit(run: Path, directory: Path = release.DATA_DIR) -> Path:
    """Score the likelihood network's entry in summary-9 row by row, and put the scores into a folder of embedded files.

    Its energy distance to the certified references bounds the gain of the exact posterior on it, and therefore that of
    any entry.

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
    submission = read_submission(Job("summary-9", Nle.name, SEED).entry_path(run))
    task, stated = submission.task, submission.score().to_dict()
    distance, nats = stated["scores"]["reference"]["energy_distance"], stated["headline"]["gap_to_reference_nats"]
    samples, rows = submission.arrays["samples"].astype(np.float64), task.observations.rows(FIXED)
    truth = task.observations.theta[rows].astype(np.float64)
    log_prob = submission.arrays["log_prob_truth"][rows] + np.log(SummaryTask.unit).sum()
    limit = ScoreLimit(
        sim_id=task.observations.sim_id[rows],
        energy_score=energy_score(samples[rows], truth, task.scale),
        neg_log_posterior=-log_prob,
        energy_score_excess=(distance["value"], distance["error"]),
        nats_excess=(nats["value"], nats["error"]),
    )
    return write_limit(limit, str(submission.manifest["method"]), directory)


def main(networks: Path | None, sources: Sequence[Path], run: Path | None) -> None:
    """Embed what is given."""
    if networks is None and not sources and run is None:
        raise ValueError("nothing to embed: allowed is --networks, --references or --run, or several of them")
    found = embed_networks(networks, effort=Effort(progress=True)) if networks else []
    # references first: the limit is measured against them
    found += [embed_references(source) for source in sources]
    found += [embed_limit(run)] if run else []
    for path in found:
        print(f"embedded: {path.name}, {path.stat().st_size / 1e6:.2f} MB")
