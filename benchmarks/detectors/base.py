"""The protocol of all detectors, and what they see of the data."""

from __future__ import annotations

import abc
import importlib
import inspect
import pkgutil
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.base import Baseline, Effort
from benchmarks.baselines.bins_mdn import summarise
from benchmarks.baselines.set_estimator import SetEstimator
from benchmarks.common.sets import Learnable
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.encoding import expand
from mwlmc_data.scoring.star_sets import StarSets


class Detector(abc.ABC):
    """Base of all detectors. `find_detectors` finds every concrete class that sets `name`.

    Attributes
    ----------
    name, title, source : str
        Key, name in tables, and the paper.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]

    def __init__(self, effort: Effort | None = None) -> None:
        self.effort = effort or Effort()

    @abc.abstractmethod
    def fit(self, train: Float64Array, validation: Float64Array, seed: int = 0) -> None:
        """Learn what data of the model look like, from white features (n, f) of the training and validation splits."""

    @abc.abstractmethod
    def compute_statistic(self, features: Float64Array) -> Float64Array:
        """Compute a number for each of k observations (k, f), larger where one is stranger; shape (k,)."""


def find_detectors() -> dict[str, type[Detector]]:
    """Find all detectors, by name."""
    import benchmarks.detectors as package

    found: dict[str, type[Detector]] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
        for member in vars(importlib.import_module(f"{package.__name__}.{module}")).values():
            if isinstance(member, type) and issubclass(member, Detector) and not inspect.isabstract(member):
                found[member.name] = member
    return found


def compute_features(baseline: Baseline, x_names: tuple[str, ...], x: Any) -> Float64Array:
    """What a detector sees of data: the embedding of a network of sets, summaries of other sets, or a table's columns.

    Parameters
    ----------
    baseline : Baseline
        Trained.
    x_names : tuple of str
        Names of a table's columns.
    x : ndarray or StarSets
        n observations.

    Returns
    -------
    ndarray, shape (n, f)
        Not scaled.
    """
    if isinstance(baseline, SetEstimator):
        return baseline.embed(x).astype(np.float64)
    if isinstance(x, StarSets):
        return summarise(x).astype(np.float64)
    return expand(x, x_names)


class Whitening:
    """Makes features of a training set uncorrelated and of unit variance; those that do not vary there are left out.

    Parameters
    ----------
    features : ndarray, shape (n, f)
        Of the training set.
    """

    #: Part of the largest variance below which a combination of the standardised features counts as constant.
    SMALLEST = 1e-8

    def __init__(self, features: Float64Array) -> None:
        self._centre = features.mean(axis=0)
        spread = features.std(axis=0)
        self._scale = np.where(spread > 0.0, spread, np.inf)
        values, axes = np.linalg.eigh(np.cov((features - self._centre) / self._scale, rowvar=False))
        kept = values > self.SMALLEST * values.max()
        self._axes = axes[:, kept] / np.sqrt(values[kept])

    def __call__(self, features: Float64Array) -> Float64Array:
        """Whiten features (n, f)."""
        return np.asarray((features - self._centre) / self._scale @ self._axes)


class Detection:
    """A detector beside a baseline: fitted to the training set of a task.

    Parameters
    ----------
    detector : Detector
        Not fitted yet.
    baseline : Baseline
        Trained on `task`.
    task : Learnable
        Whose train and validation splits are seen.
    seed : int
        Of everything random.
    """

    def __init__(self, detector: Detector, baseline: Baseline, task: Learnable, seed: int = 0) -> None:
        self._detector, self._baseline, self._x_names = detector, baseline, task.x_names
        train, validation = (compute_features(baseline, task.x_names, s.x) for s in (task.train, task.validation))
        self._whiten = Whitening(train)
        detector.fit(self._whiten(train), self._whiten(validation), seed)

    def compute_statistic(self, x: NDArray | StarSets) -> Float64Array:
        """Compute the statistic of observations, shape (k,): larger where one is stranger."""
        return self._detector.compute_statistic(self._whiten(compute_features(self._baseline, self._x_names, x)))
