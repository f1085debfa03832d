"""A task of sets of stars whose exact posterior is known: the stars' mean velocity is linear in the scores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mwlmc_data import Prior
from mwlmc_data.dataset.schema import LMC_VECTOR
from mwlmc_data.inference.encoding import Scores
from mwlmc_data.scoring.observations import Observations, Split
from mwlmc_data.scoring.star_sets import StarSets

THETA = ("m_lmc", "m200_mw", "log10_lambda_df")
#: Largest number of stars, and the width of their velocities [km/s] about the mean.
N_STARS, NOISE = 48, 60.0


@dataclass
class StarTask:
    """Has the attributes of a task of stars.

    Attributes
    ----------
    n : int
        Training sets.
    signal : float
        Mean velocity [km/s] for a score of one; 0 leaves the prior.
    fewest : int
        Smallest number of stars of a set.
    """

    n: int = 1000
    signal: float = 30.0
    fewest: int = N_STARS // 2
    id: str = "stars-stand-in"
    theta_names: tuple = THETA
    x_names: tuple = ("stars", "mask", *LMC_VECTOR)
    form: str = "sets"

    def __post_init__(self):
        self.prior = Prior("gaussian", list(THETA))

    @cached_property
    def train(self):
        return self._split(self.n, 0)

    @cached_property
    def validation(self):
        return self._split(max(50, self.n // 5), 1)

    @cached_property
    def observations(self):
        found = self._split(60, 2)
        return Observations(found.x, found.theta, found.sim_id, np.full(60, "fixed"))

    def _split(self, n, seed):
        rng = np.random.default_rng(seed)
        u = rng.normal(size=(n, 3))
        direction = rng.normal(size=(n, N_STARS, 3))
        direction /= np.linalg.norm(direction, axis=2, keepdims=True)
        position = direction * rng.uniform(50, 150, (n, N_STARS, 1))
        velocity = self.signal * u[:, None] + NOISE * rng.normal(size=(n, N_STARS, 3))
        mask = np.arange(N_STARS) < rng.integers(self.fewest, N_STARS + 1, n)[:, None]
        stars = np.where(mask[:, :, None], np.concatenate([position, velocity], axis=2), 0.0)
        lmc = rng.normal(size=(n, 6)) * 3.0 + [-1.0, -41.0, -28.0, -57.0, -226.0, 221.0]
        x = StarSets(stars.astype(np.float32), mask, lmc.astype(np.float32))
        return Split(Scores(self.prior).inverse(u).astype(np.float32), x, np.arange(n, dtype=np.int32))

    def exact(self, x):
        """Means (k, 3) and variances (k,) of the posterior of the scores."""
        mean = np.einsum("kmi,km->ki", x.stars[:, :, 3:], x.mask) / x.n_stars[:, None]
        weight = self.signal**2 * x.n_stars / NOISE**2
        return mean / self.signal * (weight / (1 + weight))[:, None], 1 / (1 + weight)


@dataclass
class ClassTask(StarTask):
    """Which of three models made the stars: their mean velocity differs."""

    id: str = "classes-stand-in"
    theta_names: tuple = ("a", "b", "c")
    form: str = "classes"

    def _split(self, n, seed):
        plain = super()._split(n, seed)
        model = np.arange(n) % 3
        moved = np.where(plain.x.mask, 60.0 * (model[:, None] - 1), 0.0)
        plain.x.stars[:, :, 3:] += moved[:, :, None].astype(np.float32)
        return Split(np.eye(3, dtype=np.float32)[model], plain.x, plain.sim_id)
