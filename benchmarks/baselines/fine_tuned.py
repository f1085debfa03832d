"""A mixture density network, fine-tuned to a few rows of the kind that is observed: multifidelity NPE."""

from __future__ import annotations

import copy
import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import training as loop
from benchmarks.baselines.base import Baseline
from benchmarks.baselines.mdn import Mdn, define_network
from benchmarks.common.sets import Calibrated, Learnable, fill_unknown
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.encoding import Inputs, Scores
from mwlmc_data.inference.mixture import Mixture, count_outputs

PART = Mdn.name
#: Parts of the rows in the cross-validation.
FOLDS = 8
#: Largest number of steps, each over all rows, and their rate.
STEPS, LEARNING_RATE = 300, 2e-4


class FineTuned(Mdn):
    """A network that has learnt from the training set goes on with the calibration rows, as far as these agree.

    All weights take full-batch steps of Adam on the mean negative log density of the rows. Their number is the one at
    which the held-out rows of eight-fold cross-validation have the largest mean density; it may be none. Where a row
    has no truth of the last parameters, its density is that of the others: the factor L of each Gaussian is triangular,
    so that the last parameters drop out with their rows of it.

    Parameters
    ----------
    effort, training
        As for :class:`~benchmarks.baselines.mdn.Mdn`; the training is that of the network.

    Attributes
    ----------
    steps : int
        Number of steps that cross-validation chose; 0 before.
    """

    name = "fine-tuned"
    title = "MDN, fine-tuned"
    source = "Krouglova et al. 2025, arXiv:2502.08416"
    uses_calibration = True
    steps = 0

    @classmethod
    def list_parts(cls, seed: int) -> tuple[tuple[str, int], ...]:
        """List the network that is fine-tuned."""
        return ((PART, seed),)

    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Get the trained network (`get_trained`), and fine-tune it.

        Raises
        ------
        ValueError
            If the task has no calibration split, or that has fewer rows than folds, or a truth is missing in front of
            a known one.
        """
        if not isinstance(task, Calibrated):
            raise ValueError(f"task = {task.id!r}: allowed is one with a calibration split, such as live-64")
        rows, d = task.calibration, len(task.theta_names)
        if len(rows) < FOLDS:
            raise ValueError(f"rows of calibration = {len(rows)}: allowed is {FOLDS} or more")
        part: Baseline = self.get_trained(PART, task, seed)
        state = part.state()
        scores, inputs = Scores(task.prior), Inputs.from_state(state, task.x_names)
        known = np.isfinite(rows.theta)
        if (known[:, 1:] & ~known[:, :-1]).any():
            raise ValueError("theta of calibration = NaN in front of a number: allowed is NaN of the last parameters")
        arrays = (scores.forward(fill_unknown(rows.theta, task.prior)), known, inputs(rows.x))
        data = tuple(loop.to_tensor(array) for array in arrays)
        net = _build(state, d)
        self.outcome.history = _cross_validate(net, data, self.effort.scale_epochs(STEPS), seed)
        self.steps = int(np.nanargmin([held_out for _, held_out in self.outcome.history]))
        _tune(net, data, self.steps)
        self._mixture = Mixture.from_state(loop.state_of(net), d)
        self._scores, self._inputs = scores, inputs


def _build(state: dict[str, NDArray], d: int) -> Any:
    """Build the network of a trained mixture, without dropout: the rows are few and each counts."""
    weights = {name: values for name, values in state.items() if name.startswith("layers.")}
    shapes = [weights[f"layers.{i}.weight"].shape for i in range(len(weights) // 2)]
    sizes = (shapes[0][1], *(rows for rows, _ in shapes[:-1]))
    net = _define_masked()(sizes, shapes[-1][0] // count_outputs(d), d, 0.0)
    loop.load_state(net, weights)
    return net


def _cross_validate(net: Any, data: tuple[Any, ...], steps: int, seed: int) -> list[tuple[float, float]]:
    """Mean loss of the rows that are learnt from and of those held out, before the first step and after each."""
    n = len(data[0])
    fold = np.random.default_rng(seed).permutation(n) % FOLDS
    total: Float64Array = np.zeros((steps + 1, 2))
    for k in range(FOLDS):
        held, own = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        learnt, tested = (tuple(values[rows] for values in data) for rows in (own, held))
        total += np.array(_tune(copy.deepcopy(net), learnt, steps, tested)) * len(held) / n
    return [(float(a), float(b)) for a, b in total]


def _tune(
    net: Any, data: tuple[Any, ...], steps: int, held: tuple[Any, ...] | None = None
) -> list[tuple[float, float]]:
    """Take steps, and return the mean losses before the first and after each; NaN where no rows are held out."""
    import torch

    optimiser = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)

    def measure(rows: tuple[Any, ...] | None) -> float:
        if rows is None:
            return math.nan
        with torch.no_grad():
            return float(net.loss(*rows).mean())

    losses = [(measure(data), measure(held))]
    for _ in range(steps):
        optimiser.zero_grad()
        net.loss(*data).mean().backward()
        optimiser.step()
        losses.append((measure(data), measure(held)))
    return losses


@cache
def _define_masked() -> type[Any]:
    """Define the network whose loss leaves out unknown parameters, as torch is imported only when it is needed."""
    import torch

    class MaskedMixture(define_network()):  # type: ignore[misc]
        def loss(self, u: Any, known: Any, x: Any) -> Any:
            """Compute the negative log density of the known parameters of each row."""
            logit, mean, log_diagonal, below = self.gaussians(x)
            away = u[:, None] - mean
            row, column = (torch.as_tensor(i, device=u.device) for i in self.below)
            z = (torch.exp(log_diagonal) * away).index_add(-1, row, below * away[..., column])
            each = log_diagonal - 0.5 * (z.square() + math.log(2.0 * math.pi))
            log_normal = (each * known[:, None]).sum(dim=-1)
            return -torch.logsumexp(torch.log_softmax(logit, dim=-1) + log_normal, dim=-1)

    return MaskedMixture
