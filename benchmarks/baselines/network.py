"""What all baselines share that are trained in epochs: settings, the course of the training, the network."""

from __future__ import annotations

import abc
from typing import Any

from benchmarks.baselines.base import Baseline, Effort
from benchmarks.baselines.training import Trained, Training


class NetworkBaseline(Baseline, abc.ABC):
    """Base of the baselines that are trained in epochs.

    Parameters
    ----------
    effort : Effort
        How much is spent, and where.
    training : Training, optional
        Settings in place of the baseline's own.

    Attributes
    ----------
    outcome : Trained
        The course of the training.
    """

    def __init__(self, effort: Effort | None = None, training: Training | None = None) -> None:
        super().__init__(effort)
        self.training = training
        self.outcome = Trained()
        self._net: Any = None

    @property
    def history(self) -> list[tuple[float, float]]:
        """Mean training and validation loss after each epoch, of what the network is trained on."""
        return self.outcome.history

    @property
    def n_parameters(self) -> int:
        """Number of trained weights."""
        self._require_fitted()
        return sum(p.numel() for p in self._net.parameters())

    @abc.abstractmethod
    def _require_fitted(self) -> Any:
        """Return what was learnt; raise RuntimeError before that."""
