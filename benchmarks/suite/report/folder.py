"""Reading the folder of a run of the suite."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.suite.jobs import FORMAT
from benchmarks.suite.plan import TASKS
from benchmarks.suite.report import palette
from mwlmc_data import get_task
from mwlmc_data.scoring import yardstick


@dataclass(frozen=True)
class Result:
    """The stored result of one baseline in one task with one seed.

    Attributes
    ----------
    path : Path
        Its file.
    content : mapping
        Content of the file.
    """

    path: Path
    content: Mapping[str, Any]

    @property
    def baseline(self) -> str:
        """Name of the baseline."""
        return str(self.content["baseline"])

    @property
    def seed(self) -> int:
        """Seed of training and drawing."""
        return int(self.content["seed"])

    @property
    def cost(self) -> Mapping[str, float]:
        """cpu_seconds, simulations and parameters."""
        return dict(self.content["manifest"]["cost"])

    def number(self, section: str, metric: str, parameter: str | None = None, what: str = "value") -> float:
        """Return one number of the scores.

        Parameters
        ----------
        section : str
            "headline", or another section.
        metric : str
            Name of the metric there.
        parameter : str, optional
            For metrics of each parameter.
        what : str
            "value" or "error".

        Returns
        -------
        float
            NaN if the result lacks it.
        """
        scores = self.content["scores"]
        entries = scores["headline"] if section == "headline" else scores["scores"].get(section, {})
        found = entries.get(metric, {}).get(what)
        if parameter is not None and isinstance(found, Mapping):
            found = found.get(parameter)
        return float(found) if isinstance(found, int | float) else float("nan")

    @property
    def not_possible(self) -> tuple[str, ...]:
        """Sentences on scores better than the exact posterior's, from the stored numbers."""
        scores = self.content["scores"]
        return yardstick.find_impossible([scores["headline"], *scores["scores"].values()])

    def sections(self) -> list[str]:
        """Names of the sections after the headline."""
        return list(self.content["scores"]["scores"])


@dataclass(frozen=True)
class SuiteRun:
    """A folder of the suite.

    Attributes
    ----------
    out : Path
        The folder.
    results : dict of str to dict of str to list of Result
        By task, then by baseline, in the order of seeds; tasks and baselines in the order of tables.
    """

    out: Path
    results: dict[str, dict[str, list[Result]]]

    @cached_property
    def baselines(self) -> list[str]:
        """All baselines of any task."""
        return palette.sort_names(name for found in self.results.values() for name in found)

    @cached_property
    def styles(self) -> dict[str, tuple[str, str]]:
        """Colour and marker of each baseline."""
        return palette.choose_styles(self.baselines)

    @property
    def all_results(self) -> list[Result]:
        """Results of all tasks."""
        return [result for found in self.results.values() for of_one in found.values() for result in of_one]

    def arrays(self, task: str, baseline: str, seed: int = 0) -> dict[str, NDArray]:
        """Load the draws of an entry; empty if they were not stored."""
        path = self.out / "entries" / task / f"{baseline}-s{seed}" / "samples.npz"
        return load_arrays(path) if path.is_file() else {}

    def budgets(self) -> dict[int, dict[str, list[Result]]]:
        """Return results of summary-9's tasks with a budget, by number of training simulations."""
        found = {budget_of(task): results for task, results in self.results.items()}
        return {budget: found[budget] for budget in sorted(b for b in found if b)}

    def find_best(self, task: str, without: tuple[str, ...] = ()) -> str | None:
        """Find the baseline with the lowest possible energy score in a task; None if there is none."""
        scores = {
            name: np.mean([result.number("headline", "energy_score") for result in results])
            for name, results in self.results.get(task, {}).items()
            if name not in without and not any(result.not_possible for result in results)
        }
        known = {name: score for name, score in scores.items() if np.isfinite(score)}
        return min(known, key=lambda name: known[name]) if known else None


def load_run(out: Path) -> SuiteRun:
    """Read the results of a run.

    Parameters
    ----------
    out : Path
        Folder of the suite.

    Returns
    -------
    SuiteRun

    Raises
    ------
    ValueError
        If it holds no results, or a file that is not a result.
    """
    paths = sorted((out / "results").glob("*/*.json"))
    if not paths:
        raise ValueError(f"run = {str(out)!r}: allowed is a folder with results of python -m benchmarks suite")
    found: dict[str, dict[str, list[Result]]] = {}
    for path in paths:
        result = Result(path, _read(path))
        found.setdefault(path.parent.name, {}).setdefault(result.baseline, []).append(result)
    tasks = [task for task in TASKS if task in found] + sorted(set(found) - set(TASKS))
    return SuiteRun(
        out,
        {
            task: {name: sorted(found[task][name], key=lambda r: r.seed) for name in palette.sort_names(found[task])}
            for task in tasks
        },
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stated = content["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{str(path)!r} is no result of the suite ({error!r}): allowed is format {FORMAT}") from error
    if stated != FORMAT:
        raise ValueError(f"format of {str(path)!r} = {stated!r}: allowed is {FORMAT}")
    return dict(content)


def load_arrays(path: Path) -> dict[str, NDArray]:
    """Load the arrays of a file, by name; nothing is unpickled."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def budget_of(task: str) -> int | None:
    """Return the number of training simulations of summary-9's tasks with a budget; None for others."""
    try:
        return get_task(task).budget if task.startswith("budget-") else None
    except ValueError:
        return None
