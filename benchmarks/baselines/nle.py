"""Neural likelihood estimation of the travel velocity, and the posterior on a grid."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import training as loop
from benchmarks.baselines.base import Draws, Effort
from benchmarks.baselines.mdn import train_mixture
from benchmarks.baselines.network import NetworkBaseline
from benchmarks.baselines.training import Training
from benchmarks.common.sets import Learnable
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.schema import LMC_VECTOR, REFLEX
from mwlmc_data.inference.encoding import Inputs, Scores
from mwlmc_data.inference.grid import Grid
from mwlmc_data.inference.travel_likelihood import TravelLikelihood, rest_of, split

#: Size of a training set from which more Gaussians lower the validation loss.
_LARGE = 20_000


class Nle(NetworkBaseline):
    """A mixture of Gaussians for the travel velocity, given the parameters and the LMC's vector.

    Torch trains it; `mwlmc_data.inference.travel_likelihood` defines it and finds the posterior, with NumPy alone.
    Without the reflex motion nothing is learnt, and the posterior is the prior.

    Parameters
    ----------
    effort : Effort
        How much is spent, and where.
    training : Training, optional
        Settings in place of `default_training`, which depends on the size of the training set.

    Attributes
    ----------
    hidden : tuple of int
        Units of each hidden layer.
    n_components : tuple of int
        Number of Gaussians, for small and for large training sets.
    """

    name = "nle"
    title = "NLE, posterior on a grid"
    source = "Papamakarios et al. 2019, arXiv:1805.07226"
    version = 3
    hidden = (128, 128, 128)
    n_components = (2, 6)

    @classmethod
    def accepts(cls, task: Learnable) -> bool:
        """Return whether the data are the LMC's vector, with or without the reflex motion."""
        return super().accepts(task) and _holds(task)

    def __init__(self, effort: Effort | None = None, training: Training | None = None) -> None:
        super().__init__(effort, training)
        self._likelihood: TravelLikelihood | None = None
        self._task: Learnable | None = None
        self._evidence: dict[bytes, float] = {}

    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Train on the train split and keep the weights that are best on the validation split.

        Raises
        ------
        ValueError
            If the task's data are not the LMC's vector, with or without the reflex motion.
        """
        self._task, self._likelihood, self._evidence = _check_task(task), None, {}
        if not _has_reflex(task):
            return
        names, scores, device = tuple(task.x_names), Scores(task.prior), self.effort.device
        parts = [(part.theta, *split(part.x, names)) for part in (task.train, task.validation)]
        _, travel, rest = parts[0]
        inputs = Inputs.from_data(rest, rest_of(names))
        centre, width = travel.mean(axis=0), travel.std(axis=0)
        data = []
        for theta, travel, rest in parts:
            context = np.concatenate([scores.forward(theta), inputs(rest)], axis=1)
            data.append((loop.to_tensor((travel - centre) / width, device), loop.to_tensor(context, device)))
        n_components = self.n_components[len(task.train) >= _LARGE]
        setting = self.training or default_training(len(task.train))
        mixture, self.outcome = train_mixture(data, self.hidden, n_components, setting, self.effort, seed)
        self._likelihood = TravelLikelihood(mixture, inputs, centre, width, scores, names)

    def sample(self, x: NDArray, n: int, seed: int = 0) -> Draws:
        """Draw from the grid of each observation, or from the prior without reflex motion; low evidence is strange."""
        task, likelihood = self._require_fitted(), self._likelihood
        x = np.atleast_2d(np.asarray(x, dtype=np.float64))
        if likelihood is None:
            u = np.random.default_rng(seed).normal(size=(len(x), n, len(task.theta_names)))
            return Draws.of(Scores(task.prior).inverse(u))
        u = np.stack([self._grid(likelihood, row).sample(n, (seed, i)) for i, row in enumerate(x)])
        stranger = np.array([-self._evidence[row.tobytes()] for row in x])
        return dataclasses.replace(Draws.of(Scores(task.prior).inverse(u)), statistic=stranger)

    def log_prob(self, theta: NDArray, x: NDArray, acceptance: NDArray | None = None) -> Float64Array:
        """Compute the log posterior density per unit of theta: likelihood times prior over the evidence of the grid."""
        task, likelihood = self._require_fitted(), self._likelihood
        theta, x = np.asarray(theta, dtype=np.float64), np.atleast_2d(np.asarray(x, dtype=np.float64))
        if likelihood is None:
            return np.atleast_1d(task.prior.log_prob(theta))
        for row in x:
            if row.tobytes() not in self._evidence:
                self._grid(likelihood, row)
        return likelihood.log_prob(theta, x, np.array([self._evidence[row.tobytes()] for row in x]))

    @property
    def n_parameters(self) -> int:
        """Number of trained weights; 0 without the reflex motion."""
        self._require_fitted()
        return 0 if self._likelihood is None else self._likelihood.mixture.size

    def state(self) -> dict[str, NDArray]:
        """Return what `TravelLikelihood.from_state` takes; nothing without the reflex motion."""
        self._require_fitted()
        return {} if self._likelihood is None else self._likelihood.state()

    def restore(self, task: Learnable, state: Mapping[str, NDArray]) -> None:
        """Restore what was trained on a task, without torch."""
        self._task, self._likelihood, self._evidence = _check_task(task), None, {}
        if _has_reflex(task):
            self._likelihood = TravelLikelihood.from_state(state, task.prior, task.x_names)

    def _grid(self, likelihood: TravelLikelihood, row: NDArray) -> Grid:
        """Compute the posterior of the scores given one observation, and keep its evidence for `log_prob`."""
        grid = likelihood.grid(row)
        self._evidence[row.tobytes()] = grid.log_evidence
        return grid

    def _require_fitted(self) -> Learnable:
        if self._task is None:
            raise RuntimeError("the baseline is not trained; call fit first")
        return self._task


def default_training(n: int) -> Training:
    """Return settings for n simulations; dropout, or two or three times the weight decay, is no better at any size."""
    return Training(epochs=60, learning_rate=3e-3, max_batch=1000, min_steps=2000, weight_decay=10.0 / math.sqrt(n))


def _has_reflex(task: Learnable) -> bool:
    return set(REFLEX) <= set(task.x_names)


def _holds(task: Learnable) -> bool:
    """Return whether the factorisation holds for the task's data."""
    given = set(task.x_names)
    others = given - set(REFLEX)
    return others <= set(LMC_VECTOR) and (not given - others or set(REFLEX) <= given)


def _check_task(task: Learnable) -> Learnable:
    """Return the task, if the factorisation holds for its data."""
    if not _holds(task):
        raise ValueError(
            f"x_names of {task.id} = {', '.join(task.x_names)}: allowed are columns of the LMC's vector "
            f"({', '.join(LMC_VECTOR)}), with all of {', '.join(REFLEX)} or none of them"
        )
    if len(task.theta_names) != 3:
        raise ValueError(f"parameters of {task.id} = {len(task.theta_names)}: allowed is 3, the dimension of the grid")
    return task
