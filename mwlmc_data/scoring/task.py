"""Tasks of the benchmark: the data, the question, the score.

A task is one small class with a name and a version. Classes in the modules of `mwlmc_data.scoring.tasks` are found
automatically; a class defined elsewhere is found once its module is imported.
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
from mwlmc_data.scoring.inputs import Array, find_array_problems, find_density_problems, find_draw_problems, take_arrays
from mwlmc_data.scoring.observations import CONFIG, Cases, Observations, Split, load_cases, load_split
from mwlmc_data.scoring.references import ReferenceSet, load_references
from mwlmc_data.scoring.report import Report, Section

#: Posterior draws for each observation.
N_DRAWS = 1000

_KNOWN: dict[str, dict[str, type[Task]]] = {}
#: Order of the lists, whichever module is imported first.
_FAMILIES = ("summary", "budget", "shift", "live", "stars", "velocity", "models")


@dataclass(frozen=True, repr=False)
class Scored(Displayed):
    """Scores of arrays.

    Attributes
    ----------
    headline, sections, notes
        Parts of the report.
    observations : mapping of str to ndarray, shape (n,)
        Scores of the observations behind the headline's means.
    """

    headline: Section
    sections: Sequence[Section] = ()
    notes: Sequence[str] = ()
    observations: Mapping[str, NDArray] = field(default_factory=dict)


class Task(abc.ABC):
    """Base of all tasks. `get_task` finds every class that sets `name`.

    A new task sets the names and the scale, and defines `load_observations`, `arrays` and `score_arrays`. `list_tasks`
    returns the first line of its docstring.

    Attributes
    ----------
    name, version : str
        The version is that of the data of its first release, major and minor; any change of a score raises it.
    theta_names, x_names : tuple of str
        Parameters to infer, and data to infer from: columns of the catalogue, in their units, and what the task makes
        itself. Columns that follow from the parameters (`schema.DERIVED`) are not data: they would give the answer
        away.
    scale : tuple of float
        What each parameter is divided by in the energy score, part of the version. Score estimators learn
        theta / scale: in Msun they learn nothing (`docs/BENCHMARK.md`, "Units").
    budget : int or None
        Simulations to train on, if fewer than all.
    form : str
        "table": x is an array, a row of numbers for each simulation; "sets": it is a
        `mwlmc_data.scoring.star_sets.StarSets`; "survey": a `mwlmc_data.scoring.star_surveys.SurveySets`; "classes": a
        StarSets too, and theta says which model made each.
    on_demand : bool
        Whether x is made on this machine at its first use, which takes time (`mwlmc_data.scoring.tasks.on_demand`).
    train, validation, test : Split
        Arrays theta (n, d) and x (n, k), float32, and sim_id (n,). The test split is complete: an honest entry
        does not use it before it draws for the observations.
    prior : Prior
        Prior of the parameters in their order.
    observations : Observations
        Observations to draw for.
    cases : Cases
        The validation cases as rows.
    n_draws : int
        Posterior draws for each observation.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1.0"
    theta_names: ClassVar[tuple[str, ...]]
    x_names: ClassVar[tuple[str, ...]]
    scale: ClassVar[tuple[float, ...]]
    budget: ClassVar[int | None] = None
    form: ClassVar[str] = "table"
    on_demand: ClassVar[bool] = False
    n_draws: int = N_DRAWS

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" not in cls.__dict__:
            return
        versions = _KNOWN.setdefault(cls.name, {})
        other = versions.get(cls.version, cls)
        if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"two tasks are {cls.name}@{cls.version}: {other.__qualname__} and {cls.__qualname__}")
        told = [name for name in getattr(cls, "x_names", ()) if name in (*cls.theta_names, *schema.DERIVED)]
        if told:
            raise ValueError(
                f"x_names of {cls.name} = {', '.join(told)}: allowed are data, neither parameters nor what follows "
                f"from them ({', '.join(schema.DERIVED)})"
            )
        versions[cls.version] = cls

    def __init__(self) -> None:
        if release.DATA_VERSION.split(".")[0] != self.version.split(".")[0]:
            raise ValueError(
                f"task {self.id} needs data version {self.version.split('.')[0]}.x, and this package embeds "
                f"{release.DATA_VERSION} with other values: install the package of that version"
            )

    def __repr__(self) -> str:
        return f"<Task {self.id}: {', '.join(self.theta_names)} from {self._describe_data()[0]}>"

    def _repr_html_(self) -> str:
        rows = [
            ("task", (inspect.getdoc(type(self)) or "").split("\n")[0]),
            ("parameters", self._describe_parameters()),
            ("data", self._describe_data()[1]),
            ("simulations to train on", f"{self.budget:,}" if self.budget else "all of the training split"),
            ("draws of each observation", f"{self.n_draws:,}"),
        ]
        return html_table(self.id, rows)

    def _describe_parameters(self) -> str:
        """Describe the parameters in a line."""
        return ", ".join(f"{name} [{schema.get_column(name).unit}]" for name in self.theta_names)

    def _describe_data(self) -> tuple[str, str]:
        """Describe the data in a word or two, and in a line."""
        line = ", ".join(f"{name} [{schema.get_column(name).unit}]" for name in self.x_names)
        return f"{len(self.x_names)} data", line

    @classmethod
    def is_available(cls) -> bool:
        """Whether this package embeds what the task needs."""
        return True

    @property
    def id(self) -> str:
        """Name and version, such as "summary-9@1.0"."""
        return f"{self.name}@{self.version}"

    @cached_property
    def train(self) -> Split:
        """Simulations to learn from."""
        return self.load_split("train", self.budget)

    @cached_property
    def validation(self) -> Split:
        """Simulations for stopping and choosing; with a budget, a tenth of it in addition."""
        return self.load_split("validation", self.budget and self.budget // 10)

    @cached_property
    def test(self) -> Split:
        """Simulations that are not for learning."""
        return self.load_split("test")

    def load_split(self, name: str, rows: int | None = None) -> Split:
        """Load the first rows of a part of the set; by default all."""
        return load_split(name, self.theta_names, self.x_names, rows)

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
        """Observations to draw for."""
        return self.load_observations()

    @property
    def max_simulations(self) -> int | None:
        """Simulations that an entry may use for training and validation; None for any number."""
        return None if self.budget is None else self.budget + self.budget // 10

    @property
    def reference_name(self) -> str | None:
        """Name of the embedded references of this question (`mwlmc_data.scoring.references`); None if it has none."""
        return None

    def references(self) -> ReferenceSet | None:
        """Load reference posteriors; None if this version of the package has none for these parameters and data."""
        return None if self.reference_name is None else load_references(name=self.reference_name)

    @abc.abstractmethod
    def load_observations(self) -> Observations:
        """Build the observations."""

    @property
    @abc.abstractmethod
    def arrays(self) -> dict[str, Array]:
        """Arrays of a submission, by name."""

    @abc.abstractmethod
    def score_arrays(self, arrays: Mapping[str, NDArray]) -> Scored:
        """Score checked arrays."""

    def score(
        self, samples: ArrayLike | None = None, log_prob_truth: ArrayLike | None = None, **optional: ArrayLike | None
    ) -> Report:
        """Score posterior draws.

        Parameters
        ----------
        samples : array_like, shape (n observations, n_draws, d)
            Draws in the order of `observations`, in the units of `theta_names`; every task but `models` needs them.
        log_prob_truth : array_like, shape (n observations,), optional
            Normalised log density of the truth of each observation [nats, per unit of theta, as in
            `prior.log_prob`].
        **optional : array_like
            Further arrays that `arrays` names.

        Returns
        -------
        Report
            A mapping that prints as a table. The same arrays always give the same numbers.

        Raises
        ------
        ValueError
            If anything is wrong with the arrays; the error lists all of it.
        """
        given = {"samples": samples, "log_prob_truth": log_prob_truth, **optional}
        arrays, problems = take_arrays({name: value for name, value in given.items() if value is not None})
        if problems := problems or self.find_problems(arrays):
            raise ValueError(f"{self.id} cannot score this: {'; '.join(problems)}")
        found = self.score_arrays(arrays)
        report = Report(
            self.id, found.headline, tuple(found.sections), tuple(found.notes), self.theta_names,
            observations=found.observations,
        )  # fmt: skip
        scores = report.to_dict()
        return replace(report, not_possible=yardstick.find_impossible([scores["headline"], *scores["scores"].values()]))

    def find_problems(self, arrays: Mapping[str, NDArray]) -> list[str]:
        """Find what is wrong with arrays.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            Arrays of a submission.

        Returns
        -------
        list of str
            Sentences, each with the value and what is allowed; empty if all is well.
        """
        found = find_array_problems(self.id, self.arrays, arrays)
        if found:
            return found
        for name, wanted in self.arrays.items():
            if wanted.is_draws and name in arrays:
                found += find_draw_problems(name, arrays[name], self.prior)
        if not found and "log_prob_truth" in arrays:
            densities, truth = arrays["log_prob_truth"], self.observations.theta
            found = find_density_problems(arrays["samples"], densities, truth, self.prior)
        return found


def get_task(name: str) -> Task:
    """Find a task of the benchmark.

    Parameters
    ----------
    name : str
        Such as "summary-9", for its newest version whose data are here, or "summary-9@1.0".

    Returns
    -------
    Task
        Its arrays are read at their first use.

    Raises
    ------
    ValueError
        If there is no such task or version, or this package does not embed its data.

    Examples
    --------
    >>> task = get_task("summary-9")
    >>> task.theta_names, len(task.x_names)
    (('m_lmc', 'm200_mw', 'log10_lambda_df'), 9)
    """
    known = _discover()
    wanted, at, version = str(name).partition("@")
    if wanted not in known or (at and version not in known[wanted]):
        allowed = ", ".join(f"{task}@{v}" for task, versions in known.items() for v in versions)
        raise ValueError(f"task = {name!r}: allowed is one of {allowed}")
    versions = known[wanted]
    usable = [v for v, task in versions.items() if task.is_available()] or list(versions)
    newest = max(usable, key=lambda v: tuple(int(part) for part in v.split(".")))
    return versions[version if at else newest]()


def list_tasks() -> dict[str, str]:
    """List the tasks.

    Returns
    -------
    dict of str to str
        Name and version -> the question, in a line.
    """
    return {
        f"{name}@{version}": inspect.cleandoc(task.__doc__ or "").partition("\n")[0]
        for name, versions in _discover().items()
        for version, task in versions.items()
    }


def _discover() -> dict[str, dict[str, type[Task]]]:
    """Import all modules of tasks, and return all tasks in order."""
    from mwlmc_data.scoring import tasks

    for module in sorted(module.name for module in pkgutil.iter_modules(tasks.__path__)):
        importlib.import_module(f"{tasks.__name__}.{module}")
    families = (*_FAMILIES, *sorted({name.partition("-")[0] for name in _KNOWN} - set(_FAMILIES)))
    # of a family by modules, and within a module as they are defined
    names = sorted(_KNOWN, key=lambda name: next(iter(_KNOWN[name].values())).__module__)
    return {name: _KNOWN[name] for family in families for name in names if name.partition("-")[0] == family}
