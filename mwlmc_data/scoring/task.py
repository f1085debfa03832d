"""Tasks of the benchmark: what is given, what is asked, how it is scored.

A task is one small class with a name and a version. It lives in a module of `mwlmc_data.scoring.tasks`, where it is
found without being listed anywhere; a class defined elsewhere is found once its module is imported.
"""

from __future__ import annotations

import abc
import importlib
import inspect
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

from numpy.typing import ArrayLike, NDArray

from mwlmc_data.dataset import release, schema
from mwlmc_data.display import Displayed, html_table
from mwlmc_data.priors import Prior
from mwlmc_data.scoring import yardstick
from mwlmc_data.scoring.inputs import Array, array_problems, density_problems, draw_problems, taken
from mwlmc_data.scoring.observations import CONFIG, Cases, Observations, Split, load_cases, load_split
from mwlmc_data.scoring.report import Report, Section

#: Posterior draws of each observation.
N_DRAWS = 1000

_KNOWN: dict[str, dict[str, type[Task]]] = {}
#: Listed in this order, whichever module is imported first.
_FAMILIES = ("summary", "budget", "shift")


@dataclass(frozen=True, repr=False)
class Scored(Displayed):
    """What a task makes of arrays.

    Attributes
    ----------
    headline, sections, notes
        Of the report.
    observations : mapping of str to ndarray, shape (n,)
        Scores of the observations that the headline is a mean over.
    """

    headline: Section
    sections: Sequence[Section] = ()
    notes: Sequence[str] = ()
    observations: Mapping[str, NDArray] = field(default_factory=dict)


class Task(abc.ABC):
    """Base of all tasks. A class that sets `name` can be asked for with `get_task`.

    A new task sets the names and the scale, and writes `load_observations`, `arrays` and `score_arrays`. The first line
    of its docstring is what `list_tasks` tells.

    Attributes
    ----------
    name, version : str
        The version is that of the data that the task came with, major and minor; what changes any score raises it.
    theta_names, x_names : tuple of str
        Parameters that are asked for, and data that are given: columns of the catalogue, in their units.
    scale : tuple of float
        What each parameter is divided by in the energy score, part of the version. Score estimators learn
        theta / scale: in Msun they learn nothing (`docs/BENCHMARK.md`, "Units").
    budget : int or None
        Simulations to train on, if fewer than all.
    train, validation, test : Split
        Arrays theta (n, d) and x (n, k), float32, and sim_id (n,). The test split is the whole of it: an honest entry
        leaves it alone until it draws for the observations.
    prior : Prior
        Of the parameters in their order.
    observations : Observations
        What draws are handed in for.
    cases : Cases
        The validation cases as rows.
    n_draws : int
        Posterior draws of each observation.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1.0"
    theta_names: ClassVar[tuple[str, ...]]
    x_names: ClassVar[tuple[str, ...]]
    scale: ClassVar[tuple[float, ...]]
    budget: ClassVar[int | None] = None
    n_draws: int = N_DRAWS

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" not in cls.__dict__:
            return
        versions = _KNOWN.setdefault(cls.name, {})
        other = versions.get(cls.version, cls)
        if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"task {cls.name}@{cls.version} is {other.__qualname__} already, not {cls.__qualname__}")
        versions[cls.version] = cls

    def __init__(self) -> None:
        if release.DATA_VERSION.split(".")[0] != self.version.split(".")[0]:
            raise ValueError(
                f"task {self.id} is of data version {self.version.split('.')[0]}.x and this package embeds "
                f"{release.DATA_VERSION}, whose values are others: install the package of that version"
            )

    def __repr__(self) -> str:
        return f"<Task {self.id}: {', '.join(self.theta_names)} from {len(self.x_names)} data>"

    def _repr_html_(self) -> str:
        rows = [
            ("task", (inspect.getdoc(type(self)) or "").split("\n")[0]),
            ("parameters", ", ".join(f"{name} [{schema.get_column(name).unit}]" for name in self.theta_names)),
            ("data", ", ".join(f"{name} [{schema.get_column(name).unit}]" for name in self.x_names)),
            ("simulations to train on", f"{self.budget:,}" if self.budget else "all of the training split"),
            ("draws of each observation", f"{self.n_draws:,}"),
        ]
        return html_table(self.id, rows)

    @property
    def id(self) -> str:
        """Name and version, such as "summary-9@1.0"."""
        return f"{self.name}@{self.version}"

    @cached_property
    def train(self) -> Split:
        """Simulations to learn from."""
        return load_split("train", self.theta_names, self.x_names, self.budget)

    @cached_property
    def validation(self) -> Split:
        """Simulations to stop and to choose by; with a budget a tenth of it, on top of it."""
        return load_split("validation", self.theta_names, self.x_names, self.budget and self.budget // 10)

    @cached_property
    def test(self) -> Split:
        """Simulations that nothing is learnt from."""
        return load_split("test", self.theta_names, self.x_names)

    @cached_property
    def prior(self) -> Prior:
        """Prior of the parameters."""
        return Prior(CONFIG, self.theta_names)

    @cached_property
    def cases(self) -> Cases:
        """The validation cases as rows."""
        return load_cases(self.theta_names, self.x_names)

    @cached_property
    def observations(self) -> Observations:
        """What draws are handed in for."""
        return self.load_observations()

    @property
    def max_simulations(self) -> int | None:
        """Simulations that an entry may use, training and validation; None for any number."""
        return None if self.budget is None else self.budget + self.budget // 10

    @abc.abstractmethod
    def load_observations(self) -> Observations:
        """Build the observations."""

    @property
    @abc.abstractmethod
    def arrays(self) -> dict[str, Array]:
        """What may be handed in, by name; "samples" is required."""

    @abc.abstractmethod
    def score_arrays(self, arrays: Mapping[str, NDArray]) -> Scored:
        """Score arrays that were checked."""

    def score(
        self, samples: ArrayLike, log_prob_truth: ArrayLike | None = None, **optional: ArrayLike | None
    ) -> Report:
        """Score posterior draws.

        Parameters
        ----------
        samples : array_like, shape (n observations, n_draws, d)
            Draws in the order of `observations`, in the units of `theta_names`.
        log_prob_truth : array_like, shape (n observations,), optional
            Log density of the truth of each observation [nats, per unit of theta as `prior.log_prob` has it],
            normalised.
        **optional : array_like
            Whatever else `arrays` names.

        Returns
        -------
        Report
            A mapping; printed, a table. The same arrays always give the same numbers.

        Raises
        ------
        ValueError
            If anything is wrong with the arrays; the error lists all of it.
        """
        given = {"samples": samples, "log_prob_truth": log_prob_truth, **optional}
        arrays, problems = taken({name: value for name, value in given.items() if value is not None})
        if problems := problems or self.problems(arrays):
            raise ValueError(f"{self.id} cannot score this: {'; '.join(problems)}")
        found = self.score_arrays(arrays)
        report = Report(
            self.id, found.headline, tuple(found.sections), tuple(found.notes), self.theta_names,
            observations=found.observations,
        )  # fmt: skip
        told = report.to_dict()
        return replace(report, not_possible=yardstick.not_possible([told["headline"], *told["scores"].values()]))

    def problems(self, arrays: Mapping[str, NDArray]) -> list[str]:
        """Say what is wrong with arrays.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            What is handed in.

        Returns
        -------
        list of str
            Sentences, each with the value and what is allowed; empty if all is well.
        """
        found = array_problems(self.id, self.arrays, arrays)
        if found:
            return found
        for name, wanted in self.arrays.items():
            if wanted.is_draws and name in arrays:
                found += draw_problems(name, arrays[name], self.prior)
        if not found and "log_prob_truth" in arrays:
            found = density_problems(arrays["samples"], arrays["log_prob_truth"], self.observations.theta, self.prior)
        return found


def get_task(name: str) -> Task:
    """Find a task of the benchmark.

    Parameters
    ----------
    name : str
        Such as "summary-9", which is its newest version here, or "summary-9@1.0".

    Returns
    -------
    Task
        Its arrays are read when they are first used.

    Raises
    ------
    ValueError
        If there is no such task or version.

    Examples
    --------
    >>> task = get_task("summary-9")
    >>> task.theta_names, len(task.x_names)
    (('m_lmc', 'm200_mw', 'log10_lambda_df'), 9)
    """
    known = _discovered()
    wanted, at, version = str(name).partition("@")
    if wanted not in known or (at and version not in known[wanted]):
        allowed = ", ".join(f"{task}@{v}" for task, versions in known.items() for v in versions)
        raise ValueError(f"unknown task {name!r}; allowed: {allowed}")
    versions = known[wanted]
    newest = max(versions, key=lambda v: tuple(int(part) for part in v.split(".")))
    return versions[version if at else newest]()


def list_tasks() -> dict[str, str]:
    """Tell what tasks there are.

    Returns
    -------
    dict of str to str
        Name and version -> what it asks, in a line.
    """
    return {
        f"{name}@{version}": inspect.cleandoc(task.__doc__ or "").partition("\n")[0]
        for name, versions in _discovered().items()
        for version, task in versions.items()
    }


def _discovered() -> dict[str, dict[str, type[Task]]]:
    """All tasks, those in modules that nobody has imported yet among them."""
    from mwlmc_data.scoring import tasks

    for module in sorted(module.name for module in pkgutil.iter_modules(tasks.__path__)):
        importlib.import_module(f"{tasks.__name__}.{module}")
    families = (*_FAMILIES, *sorted({name.partition("-")[0] for name in _KNOWN} - set(_FAMILIES)))
    return {name: _KNOWN[name] for family in families for name in _KNOWN if name.partition("-")[0] == family}
