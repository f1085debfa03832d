"""The parameters beside those of a task, as a task of their own: a baseline learns them with a network of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.priors import Prior
from mwlmc_data.scoring.observations import CONFIG, Split
from mwlmc_data.scoring.tasks.on_demand import OnDemandTask

#: Probabilities at which a marginal is known: equally spaced in normal scores to 3.5 sigma, because tails are long.
_PROBABILITIES = np.concatenate([[0.0], ndtr(np.linspace(-3.5, 3.5, 113)), [1.0]])


@dataclass(frozen=True, repr=False)
class Measured(Displayed):
    """A distribution known by some of its quantiles, with a constant density between them.

    Attributes
    ----------
    knots : ndarray, shape (q,)
        The quantiles at `_PROBABILITIES`, which increase.
    mean, std : float
        Of the population.
    """

    knots: Float64Array
    mean: float
    std: float

    @classmethod
    def of(cls, population: NDArray) -> Measured:
        """Measure the quantiles of a population (n,)."""
        values = np.asarray(population, dtype=np.float64)
        return cls(np.quantile(values, _PROBABILITIES), float(values.mean()), float(values.std()))

    @property
    def low(self) -> float:
        """Smallest value."""
        return float(self.knots[0])

    @property
    def high(self) -> float:
        """Largest value."""
        return float(self.knots[-1])

    def quantile(self, u: ArrayLike) -> Float64Array:
        """Values at the probabilities `u`."""
        return np.asarray(np.interp(np.asarray(u, np.float64), _PROBABILITIES, self.knots))

    def cdf(self, x: ArrayLike) -> Float64Array:
        """Probabilities below `x`."""
        return np.asarray(np.interp(np.asarray(x, np.float64), self.knots, _PROBABILITIES))

    def log_pdf(self, x: ArrayLike) -> Float64Array:
        """Logarithm of the density at `x`; -inf outside."""
        values = np.asarray(x, dtype=np.float64)
        place = np.clip(np.searchsorted(self.knots, values, side="right") - 1, 0, len(self.knots) - 2)
        density = (np.log(np.diff(_PROBABILITIES)) - np.log(np.diff(self.knots)))[place]
        return np.where((values >= self.low) & (values <= self.high), density, -np.inf)


class PopulationPrior(Prior):
    """Prior of parameters that are known by a population and independent of each other.

    Parameters
    ----------
    population : mapping of str to ndarray, shape (n,)
        Values by name.
    """

    def __init__(self, population: Mapping[str, NDArray]) -> None:
        self.config = CONFIG
        self.parameters = tuple(population)
        self._marginals = {name: Measured.of(values) for name, values in population.items()}

    @property
    def marginals(self) -> dict[str, Measured]:  # type: ignore[override]
        """Marginals by name."""
        return self._marginals

    @property
    def support(self) -> dict[str, tuple[float, float]]:
        """Smallest and largest value of each parameter."""
        return {name: (m.low, m.high) for name, m in self._marginals.items()}

    def sample(self, n: int, seed: int = 0, start: int = 0) -> pd.DataFrame:
        """Draw n parameters."""
        u = np.random.default_rng([seed, start]).random((n, len(self.parameters)))
        return pd.DataFrame({name: m.quantile(u[:, i]) for i, (name, m) in enumerate(self._marginals.items())})

    def log_prob(self, table: ArrayLike) -> Float64Array:
        """Compute the log density of parameters (n, d) or (d,) in their order."""
        values = np.asarray(table, dtype=np.float64)
        return np.sum([m.log_pdf(values[..., i]) for i, m in enumerate(self._marginals.values())], axis=0)


class OthersOf:
    """The other parameters of a task, from the same data.

    Parameters
    ----------
    task : OnDemandTask
        Its `other_names` are to be inferred. They are independent of each other: each follows from other drawn
        parameters, or is drawn itself.
    """

    def __init__(self, task: OnDemandTask) -> None:
        self._task = task
        self.id = f"{task.id}-others"
        self.theta_names, self.x_names, self.form = task.other_names, task.x_names, task.form

    @cached_property
    def prior(self) -> PopulationPrior:
        """What is known of them without data: the whole training split."""
        values = self._task.load_population()
        return PopulationPrior({name: values[:, i] for i, name in enumerate(self.theta_names)})

    @cached_property
    def train(self) -> Split:
        """Simulations to learn from."""
        return _turn(self._task.train)

    @cached_property
    def validation(self) -> Split:
        """Simulations to stop by."""
        return _turn(self._task.validation)


def _turn(split: Split) -> Split:
    """Put the other parameters in the place of those to infer."""
    assert split.others is not None
    return Split(split.others, split.x, split.sim_id)
