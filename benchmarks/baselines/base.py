"""The protocol of all baselines, and how they are found."""

from __future__ import annotations

import abc
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.common.sets import Calibrated, Learnable
from mwlmc_data.array_types import Float64Array

if TYPE_CHECKING:
    from benchmarks.baselines.training import Training


@dataclass(frozen=True)
class Draws:
    """Posterior draws inside the prior's support.

    Attributes
    ----------
    theta : ndarray, shape (k, n, d)
        Draws for k observations, in the task's units; NaN where `complete` is False.
    acceptance : ndarray, shape (k,)
        Fraction of the estimator's own draws that fell inside: one minus its leakage.
    complete : ndarray of bool, shape (k,)
        Whether all n draws were found within the limits of time and attempts.
    statistic : ndarray, shape (k,), optional
        Larger where an observation is stranger to the method, if the method has such a measure.
    """

    theta: Float64Array
    acceptance: Float64Array
    complete: NDArray[np.bool_]
    statistic: Float64Array | None = None

    @classmethod
    def of(cls, theta: NDArray) -> Draws:
        """Wrap draws (k, n, d) of an estimator that never leaves the support."""
        return cls(theta, np.ones(len(theta)), np.ones(len(theta), dtype=bool))


@dataclass(frozen=True)
class Effort:
    """How much is spent, and where.

    Attributes
    ----------
    fast : bool
        A fifth of the epochs, and less of all else that costs time: for a quick look, not for a score.
    progress : bool
        Show a progress bar.
    device : str
        Device of torch: "cpu" or "cuda".
    """

    fast: bool = False
    progress: bool = False
    device: str = "cpu"

    def scale_epochs(self, n: int) -> int:
        """Return how many of n epochs to run."""
        return max(3, n // 5) if self.fast else n

    def shorten(self, setting: Training) -> Training:
        """Return the settings of a training, with fewer epochs if it is to be fast."""
        return setting.shorten(self.scale_epochs) if self.fast else setting


class Baseline(abc.ABC):
    """Base of all baselines. `find_baselines` finds every concrete class that sets `name`.

    Parameters
    ----------
    effort : Effort
        How much is spent, and where.

    Attributes
    ----------
    name, title : str
        Key, and name in tables.
    source : str
        The paper of the method.
    version : int
        Raised when the same task and seed give other draws, so that stored results are computed again.
    has_density : bool
        Whether it has `log_prob`.
    needs_torch : bool
        Whether it is a network.
    uses_simulations : bool
        Whether it learns from the task's simulations.
    uses_calibration : bool
        Whether it learns from a task's calibration split as well. Tasks with such a split are for these methods alone;
        what the others would make of them is what they make of the same task without it.
    form : str or None
        Form of the data that it takes: "table", "sets", "survey" or "classes"; None for all but classes.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    version: ClassVar[int] = 1
    has_density: ClassVar[bool] = True
    needs_torch: ClassVar[bool] = True
    uses_simulations: ClassVar[bool] = True
    uses_calibration: ClassVar[bool] = False
    form: ClassVar[str | None] = "table"

    @classmethod
    def accepts(cls, task: Learnable) -> bool:
        """Return whether the method can learn from a task's data; the suite leaves out the others."""
        if cls.uses_calibration is not isinstance(task, Calibrated):
            return False
        return cls.form == task.form or (cls.form is None and task.form != "classes")

    @classmethod
    def list_parts(cls, seed: int) -> tuple[tuple[str, int], ...]:
        """List names and seeds of the baselines that this one is made of, which `get_trained` returns."""
        return ()

    def __init__(self, effort: Effort | None = None) -> None:
        self.effort = effort or Effort()
        #: Returns a trained baseline by name, task and seed, for baselines that are made of others. Trains it, unless a
        #: program that stores trained baselines puts its own function here.
        self.get_trained: Callable[[str, Learnable, int], Baseline] = self._train_part

    @abc.abstractmethod
    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Train on the train and validation splits of a task, never on the test split.

        Parameters
        ----------
        task : Learnable
            A task of the benchmark, or another set of simulations.
        seed : int
            Seed of everything random.
        """

    @abc.abstractmethod
    def sample(self, x: NDArray, n: int, seed: int = 0) -> Draws:
        """Draw from posteriors.

        Parameters
        ----------
        x : ndarray, shape (k, f)
            Observations, as in the task.
        n : int
            Number of draws for each.
        seed : int
            Seed of the draws.

        Returns
        -------
        Draws
        """

    def log_prob(self, theta: NDArray, x: NDArray, acceptance: NDArray | None = None) -> Float64Array:
        """Compute the log posterior density, normalised over the prior's support.

        Parameters
        ----------
        theta : ndarray, shape (k, d)
            Parameters, one row for each observation.
        x : ndarray, shape (k, f)
            Observations.
        acceptance : ndarray, shape (k,), optional
            As `sample` returned it for the same rows; without it, a baseline that leaks estimates it again.

        Returns
        -------
        ndarray, shape (k,)
            Per unit of theta [nats]; -inf outside the support.

        Raises
        ------
        NotImplementedError
            If the method has no density (`has_density`).
        """
        raise NotImplementedError(f"{self.title} has no density")

    @property
    def n_parameters(self) -> int:
        """Number of fitted parameters."""
        return sum(values.size for values in self.state().values())

    @property
    def history(self) -> list[tuple[float, float]]:
        """Mean training and validation loss after each epoch; empty without epochs."""
        return []

    @abc.abstractmethod
    def state(self) -> dict[str, NDArray]:
        """Return everything learnt as arrays by name, for `restore`."""

    @abc.abstractmethod
    def restore(self, task: Learnable, state: Mapping[str, NDArray]) -> None:
        """Restore what was trained on a task, from the arrays of `state`."""

    def _train_part(self, name: str, task: Learnable, seed: int) -> Baseline:
        part = create(name, self.effort)
        part.fit(task, seed)
        return part


def find_baselines() -> dict[str, type[Baseline]]:
    """Find all baselines.

    Returns
    -------
    dict of str to type
        Name -> class; those without a network first, each group in alphabetical order.
    """
    import benchmarks.baselines as package

    found: dict[str, type[Baseline]] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
        members = vars(importlib.import_module(f"{package.__name__}.{module}")).values()
        for member in members:
            is_one = isinstance(member, type) and issubclass(member, Baseline) and not inspect.isabstract(member)
            if is_one and "name" in member.__dict__:
                other = found.setdefault(member.name, member)
                if other is not member:
                    raise ValueError(
                        f"two baselines are called {member.name!r}: {other.__qualname__} and {member.__qualname__}"
                    )
    return dict(sorted(found.items(), key=lambda item: (item[1].needs_torch, item[0])))


def list_baselines() -> dict[str, str]:
    """List the baselines.

    Returns
    -------
    dict of str to str
        Name -> what tables call it, and its sources.
    """
    return {name: f"{baseline.title}: {baseline.source}" for name, baseline in find_baselines().items()}


def create(name: str, effort: Effort | None = None) -> Baseline:
    """Create an untrained baseline.

    Parameters
    ----------
    name : str
        A key of `find_baselines`.
    effort : Effort, optional
        How much is spent.

    Returns
    -------
    Baseline

    Raises
    ------
    ValueError
        If there is no such baseline.
    """
    known = find_baselines()
    if name not in known:
        raise ValueError(f"baseline = {name!r}: allowed is one of {', '.join(known)}")
    return known[name](effort)


def in_support(theta: ArrayLike, low: NDArray, high: NDArray) -> NDArray[np.bool_]:
    """Return whether each of the parameters (..., d) lies in a box, shape (...)."""
    theta = np.asarray(theta)
    return np.all((theta >= low) & (theta <= high), axis=-1)
