"""Neural likelihood estimation of the travel velocity, and the posterior on a grid."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from benchmarks.baselines import training as loop
from benchmarks.baselines.base import Baseline, Draws, Effort
from benchmarks.baselines.training import Trained, Training
from benchmarks.references.grid import Grid
from benchmarks.sets import Learnable
from mwlmc_data import schema
from mwlmc_data.inference.encoding import Scores, travel_vectors
from mwlmc_data.scoring.tasks.summary import REFLEX

_WIDEST = 5.2  # scores beyond it are cut (`encoding`)
_POINTS = (11, 13, 21)  # of each axis where the network is asked, from box to smaller box
_FEWER_POINTS = (9, 9, 13)  # likewise, when it should be fast
_FINE = 48  # points of each axis of the final grid, between which the last of these is a spline
_CHUNK = 20_000  # rows that the network sees at once


class Nle(Baseline):
    """A mixture of Gaussians for the travel velocity, given the parameters and the LMC's vector.

    The LMC's present day is drawn independently of the parameters, so that p(theta | x) is proportional to
    p(theta) p(travel | theta, LMC): only the reflex motion needs a likelihood, as its Cartesian vector [km/s], which
    has no wrap. In three dimensions the posterior then needs no sampler: it is computed on a grid of the prior's
    normal scores, in ever smaller boxes. Without the reflex motion nothing is learnt, and the posterior is the prior.

    Parameters
    ----------
    effort : Effort
        How much is spent, and where.
    training : Training, optional
        Settings in place of `default_training`, which depends on the size of the training set.
    """

    name = "nle"
    title = "NLE, posterior on a grid"
    source = "Papamakarios et al. 2019, arXiv:1805.07226"
    width = 128
    components = 6

    def __init__(self, effort: Effort | None = None, training: Training | None = None) -> None:
        super().__init__(effort)
        self.training = training
        self.outcome = Trained()
        self._net: Any = None
        self._task: Learnable | None = None

    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Train on the split train and keep the weights that are best on the split validation.

        Raises
        ------
        ValueError
            If the task's data are not the LMC's vector, with or without the reflex motion.
        """
        import torch

        self._task = self._checked(task)
        if not self._has_reflex(task):
            return
        data = [self._pair(split.theta, split.x) for split in (task.train, task.validation)]
        setting = self.training or default_training(len(task.train))
        setting = setting.shorter(self.effort.epochs) if self.effort.fast else setting
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._net = self._build(*data[0])
            self.outcome = loop.train(self._net, data[0], data[1], setting, self.effort.progress)

    def sample(self, x: NDArray, n: int, seed: int = 0) -> Draws:
        """Draw from the grid of each observation; of the prior where there is no reflex motion."""
        task = self._fitted()
        x = np.atleast_2d(x)
        if self._net is None:
            u = np.random.default_rng(seed).normal(size=(len(x), n, len(task.theta_names)))
        else:
            u = np.stack([self._grid(row).sample(n, (seed, i)) for i, row in enumerate(x)])
        return Draws.of(Scores(task.prior).inverse(u))

    def log_prob(self, theta: NDArray, x: NDArray, acceptance: NDArray | None = None) -> NDArray[np.float64]:
        """Log posterior density per unit of theta: likelihood times prior by the evidence of the grid."""
        task = self._fitted()
        theta, x = np.asarray(theta, dtype=np.float64), np.atleast_2d(x)
        if self._net is None:
            return np.atleast_1d(task.prior.log_prob(theta))
        rows, which = np.unique(x, axis=0, return_inverse=True)
        evidence = np.array([self._grid(row).log_evidence for row in rows])[which.ravel()]
        scores = Scores(task.prior)
        return scores.log_density(self._log_joint(scores.forward(theta), x) - evidence, theta)

    @property
    def n_parameters(self) -> int:
        """Number of trained weights; none without the reflex motion."""
        self._fitted()
        return 0 if self._net is None else sum(p.numel() for p in self._net.parameters())

    @property
    def history(self) -> list[tuple[float, float]]:
        """Mean loss of training and validation after each epoch."""
        return self.outcome.history

    def state(self) -> dict[str, NDArray]:
        """Weights of the network, which standardises its data itself; nothing without the reflex motion."""
        self._fitted()
        return {} if self._net is None else loop.state_of(self._net)

    def restore(self, task: Learnable, state: Mapping[str, NDArray]) -> None:
        """Become what was trained on a task."""
        self._task, self._net = self._checked(task), None
        if not self._has_reflex(task):
            return
        # the builder standardises by these and needs some spread; the state holds what it was in the training
        rng = np.random.default_rng(0)
        widths = len(REFLEX), len(task.theta_names) + len(task.x_names) - len(REFLEX)
        self._net = self._build(*(loop.tensor(rng.normal(size=(16, width))) for width in widths))
        loop.load_state(self._net, dict(state), self.effort.device)

    def _grid(self, row: NDArray) -> Grid:
        """Posterior of the scores, for one observation."""
        box = np.array([[-_WIDEST, _WIDEST]] * 3)
        for points in _FEWER_POINTS if self.effort.fast else _POINTS:
            axes = _axes(box, points)
            values = self._log_joint(_product(axes), row[None]).reshape(points, points, points)
            box = Grid.from_log(axes, values).zoom(margin=1)
        fine = _axes(box, _FINE)
        for i in range(3):
            values = make_interp_spline(axes[i], values, k=3, axis=i)(fine[i])
        return Grid.from_log(fine, values)

    def _log_joint(self, u: NDArray, x: NDArray) -> NDArray[np.float64]:
        """Log likelihood and log prior of scores (n, 3) with data (n, f) or (1, f)."""
        import torch

        travel, rest = self._split(x)
        shape = (len(u), 3)
        context = loop.tensor(np.concatenate([u, np.broadcast_to(rest, (len(u), rest.shape[1]))], axis=1))
        values = loop.tensor(np.broadcast_to(travel, shape))
        device = self.effort.device
        with torch.no_grad():
            pairs = zip(values.split(_CHUNK), context.split(_CHUNK), strict=True)
            found = torch.cat([-self._net.loss(v.to(device), c.to(device)).cpu() for v, c in pairs])
        return found.numpy().astype(np.float64) - 0.5 * (np.square(u) + np.log(2.0 * np.pi)).sum(axis=1)

    def _pair(self, theta: NDArray, x: NDArray) -> tuple[Any, Any]:
        """Travel vector, and what it depends on: scores and the rest of the data."""
        task = self._fitted()
        travel, rest = self._split(x)
        context = np.concatenate([Scores(task.prior).forward(theta), rest], axis=1)
        return loop.tensor(travel, self.effort.device), loop.tensor(context, self.effort.device)

    def _split(self, x: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Travel vector (n, 3) [km/s] and the other data (n, k - 3)."""
        names = list(self._fitted().x_names)
        x = np.asarray(x, dtype=np.float64)
        others = [i for i, name in enumerate(names) if name not in REFLEX]
        return travel_vectors(x[:, [names.index(name) for name in REFLEX]]), x[:, others]

    def _build(self, travel: Any, context: Any) -> Any:
        """Sbi's mixture density network, whose context passes two smooth layers first."""
        from sbi.neural_nets import likelihood_nn
        from torch import nn

        first = [nn.Linear(context.shape[1], self.width), nn.SiLU(), nn.Linear(self.width, self.width), nn.SiLU()]
        options = {"hidden_features": self.width, "num_components": self.components}
        build = likelihood_nn("mdn", embedding_net=nn.Sequential(*first), **options)
        return build(context, travel).to(self.effort.device)

    def _fitted(self) -> Learnable:
        if self._task is None:
            raise RuntimeError("the baseline is not trained; call fit first")
        return self._task

    @staticmethod
    def _has_reflex(task: Learnable) -> bool:
        return set(REFLEX) <= set(task.x_names)

    @staticmethod
    def _checked(task: Learnable) -> Learnable:
        """The task, if its data are what the factorisation holds for."""
        given = set(task.x_names)
        others = given - set(REFLEX)
        if not others <= set(schema.LMC_VECTOR) or (given - others and not set(REFLEX) <= given):
            raise ValueError(
                f"{task.id} has the data {', '.join(task.x_names)}; allowed: columns of the LMC's vector "
                f"({', '.join(schema.LMC_VECTOR)}), with all of {', '.join(REFLEX)} or none of them"
            )
        if len(task.theta_names) != 3:
            raise ValueError(f"{task.id} has {len(task.theta_names)} parameters; allowed: 3, which the grid has")
        return task


def default_training(n: int) -> Training:
    """Settings for a training set of n; the best weight decay of 1,000, 10,000 and 108,000 rows follows n^-1/2."""
    return Training(epochs=30, learning_rate=3e-3, most_batch=1000, least_steps=2000, weight_decay=30.0 / math.sqrt(n))


def _axes(box: NDArray, n: int) -> tuple[NDArray, ...]:
    return tuple(np.linspace(low, high, n) for low, high in box)


def _product(axes: tuple[NDArray, ...]) -> NDArray[np.float64]:
    """Points (n^3, 3) of a grid."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
