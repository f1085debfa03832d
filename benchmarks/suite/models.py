"""Trained baselines as files: arrays in safetensors, which loads without unpickling, and their description."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.base import Baseline, Effort, create, find_baselines
from benchmarks.common.sets import Learnable
from mwlmc_data import get_task
from mwlmc_data.arguments.messages import refuse
from mwlmc_data.dataset import live_tables, release
from mwlmc_data.scoring.task import Task
from mwlmc_data.scoring.tasks.live import Live
from mwlmc_data.scoring.tasks.live_rung import WithLiveRung
from mwlmc_data.storage import embedded
from mwlmc_data.storage.hashing import sha256_of

_ABOUT = "about"


class Models:
    """A folder of trained baselines: those that exist are loaded, others are trained and stored.

    Parameters
    ----------
    folder : Path
        Created with the first model.
    effort : Effort
        Effort of the training; models of another effort are not loaded.
    """

    def __init__(self, folder: Path, effort: Effort) -> None:
        self.folder, self.effort = folder, effort

    def path(self, name: str, task: Learnable, seed: int) -> Path:
        """Return the file of a baseline trained on a task."""
        return self.folder / task.id / f"{name}-s{seed}.safetensors"

    def get(self, name: str, task: Learnable, seed: int) -> tuple[Baseline, dict[str, Any]]:
        """Load a trained baseline, or train it.

        Parameters
        ----------
        name : str
            Name of the baseline.
        task : Learnable
            What it learns from.
        seed : int
            Seed of the training.

        Returns
        -------
        baseline : Baseline
        about : dict
            The file's description (`describe`), with the hash of the file under "sha256".
        """
        baseline, path = create(name, self.effort), self.path(name, task, seed)
        baseline.get_trained = self._part
        wanted = identity(baseline, task, seed)
        if path.exists():
            about = read_about(path)
            if {key: about.get(key) for key in wanted} == wanted:
                baseline.restore(task, read_arrays(path))
                return baseline, {**about, "sha256": sha256_of(path)}
        start = cpu_seconds()
        baseline.fit(task, seed)
        about = {**wanted, **describe(baseline), "cpu_seconds": round(cpu_seconds() - start, 1)}
        write(path, baseline.state(), about)
        return baseline, {**about, "sha256": sha256_of(path)}

    def _part(self, name: str, task: Learnable, seed: int) -> Baseline:
        return self.get(name, source_of(task, name) if isinstance(task, Task) else task, seed)[0]


def source_of(task: Task, baseline: str) -> Task:
    """Return the task that a baseline learns from: tasks that differ only in their observations share what is trained.

    A baseline that uses a calibration split learns from the task that has it, any other from the training set alone.
    """
    if find_baselines()[baseline].uses_calibration:
        return task
    for plain in map(get_task, ("summary-9", "stars-budget-10000")):
        if (plain.theta_names, plain.x_names, plain.budget) == (task.theta_names, task.x_names, task.budget):
            return plain
    return task


def identity(baseline: Baseline, task: Learnable, seed: int) -> dict[str, Any]:
    """Return what must agree for a file to be usable."""
    known = find_baselines()
    parts = {name: known[name].version for name, _ in baseline.list_parts(seed)}
    return {
        "baseline": baseline.name,
        "version": baseline.version,
        "task": task.id,
        "data_sha256": release.get_entry(task.prior.config)["sha256"],
        "seed": seed,
        "fast": baseline.effort.fast,
        **({"parts": parts} if parts else {}),
        **find_live_hash(task),
    }


def find_live_hash(task: Learnable) -> dict[str, str]:
    """Return the hash of the embedded live set under a name of its own, for a task that needs it: the set may grow."""
    if not isinstance(task, Live | WithLiveRung):
        return {}
    return {"live_sha256": embedded.load_registry()[live_tables.NAME]["sha256"]}


def describe(baseline: Baseline) -> dict[str, Any]:
    """Return the description of a trained baseline."""
    history = [[round(value, 4) for value in pair] for pair in baseline.history]
    return {"n_parameters": baseline.n_parameters, "history": history}


def write(path: Path, state: Mapping[str, NDArray], about: Mapping[str, Any]) -> None:
    """Write arrays and their description; the file appears completely or not at all.

    Raises
    ------
    ValueError
        If an array holds NaN, from a training that failed.
    """
    from safetensors.numpy import save_file

    # safetensors 0.8 writes the bytes of an array in Fortran order unchanged, under the shape of C order
    arrays = {name: np.asarray(values, order="C") for name, values in state.items()}
    for name, values in arrays.items():
        if np.isnan(values).any():
            refuse(name, values, np.isnan(values), "a number")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    save_file(arrays, partial, metadata={_ABOUT: json.dumps(about)})
    partial.replace(path)


def read_about(path: Path) -> dict[str, Any]:
    """Read the description of a file."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return dict(json.loads((file.metadata() or {}).get(_ABOUT, "{}")))


def read_arrays(path: Path) -> dict[str, NDArray]:
    """Read the arrays of a file."""
    from safetensors.numpy import load_file

    return dict(load_file(path))


def cpu_seconds() -> float:
    """Return the processor time of this process and of those it waited for [s]."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
