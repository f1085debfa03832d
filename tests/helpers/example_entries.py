"""Entries for the tests of tasks: draws of the prior, and a Gaussian fitted by linear regression."""

from __future__ import annotations

import numpy as np

import mwlmc_data as mw
from mwlmc_data.scoring import metrics

#: Draws of an observation, in place of 1,000.
SHORT = 48


def list_own_tasks():
    """Tasks whose observations are rows of the release: all but those that need the embedded set `live`."""
    return [name for name in mw.list_tasks() if name not in ("live@1.0", "live-64@1.0", "shift@1.1", "stars-shift@1.1")]


def prior_samples(task, seed=5, rows=None):
    """Draws of the prior, different ones for every observation."""
    rows = len(task.observations) if rows is None else rows
    draws = metrics.prior_draws(task.prior, rows * task.n_draws, seed)
    return draws.reshape(rows, task.n_draws, -1).astype(np.float32)


def features(x):
    """The LMC's position and velocity, the reflex vector and its length if there is one, and all further data."""
    columns = [x[:, :6].astype(float), x[:, 9:].astype(float)]
    if x.shape[1] >= 9:
        speed, l, b = x[:, 6].astype(float), *np.radians(x[:, 7:9].astype(float)).T
        vector = speed[:, None] * np.stack([np.cos(b) * np.cos(l), np.cos(b) * np.sin(l), np.sin(b)], axis=1)
        columns += [vector, speed[:, None], speed[:, None] ** 2]
    return np.concatenate(columns, axis=1)


class Gaussian:
    """theta = linear in the features + Gaussian scatter; draws outside the prior are repeated."""

    def __init__(self, task, rows=20_000):
        self.task, train = task, task.train
        inputs = features(train.x[:rows])
        self.centre, self.spread = inputs.mean(axis=0), inputs.std(axis=0)
        theta = train.theta[:rows] / np.array(task.scale)
        design = self._design(train.x[:rows])
        self.coefficients = np.linalg.lstsq(design, theta, rcond=None)[0]
        self.covariance = np.cov((theta - design @ self.coefficients).T)

    def _design(self, x):
        scaled = (features(x) - self.centre) / self.spread
        return np.concatenate([np.ones((len(x), 1)), scaled], axis=1)

    def mean(self, x):
        return self._design(x) @ self.coefficients

    def sample(self, x, seed=3, width=1.0):
        """Draws (n, m, 3) in the task's units."""
        rng = np.random.default_rng(seed)
        root, mean = width * np.linalg.cholesky(self.covariance).T, self.mean(x)
        draws = mean[:, None] + rng.standard_normal((len(x), self.task.n_draws, 3)) @ root
        for _ in range(40):
            flat = draws.reshape(-1, 3) * self.task.scale
            bad = ~np.isfinite(self.task.prior.log_prob(flat)).reshape(draws.shape[:2])
            if not bad.any():
                break
            fresh = rng.standard_normal((int(bad.sum()), 3)) @ root
            draws[bad] = np.repeat(mean, bad.sum(axis=1), axis=0) + fresh
        return (draws * self.task.scale).astype(np.float32)

    def log_prob(self, theta, x):
        """Log density per unit of theta, of the Gaussian before truncation to the prior."""
        z = np.linalg.solve(np.linalg.cholesky(self.covariance), (theta / self.task.scale - self.mean(x)).T)
        volume = 0.5 * np.linalg.slogdet(self.covariance)[1] + np.log(self.task.scale).sum()
        return -0.5 * np.square(z).sum(axis=0) - volume - 1.5 * np.log(2 * np.pi)


def arrays_of(task, samples, **optional):
    """Arguments of `task.score`."""
    return {"samples": samples, **{name: array for name, array in optional.items() if name in task.arrays}}
