"""A simulator whose posterior is known: Gaussian given the parameters, with an analytic average.

The x component of the travel vector depends on beta0, whose prior is uniform, so its average over beta0 is a difference
of error functions; the y component depends on m_lmc_8p7 given m_lmc; the z component on theta alone.
"""

import numpy as np
from scipy.special import ndtr

from benchmarks.common.features import SCALE
from benchmarks.references.design import DIMENSIONS
from benchmarks.references.marginal_likelihood import log_prior
from benchmarks.references.rows import Row
from mwlmc_data.inference.grid import Grid
from mwlmc_data.priors import ENCLOSED_MASS

SIGMA = np.array([2.0, 2.5, 4.0])
#: km/s per unit of beta0
BETA_SLOPE = 8.0


def row(name="test-000000", number=0, observation=(9.0, 6.0, -42.0), truth=(14e10, 13e11, -0.5), kind="test"):
    """An observation that this simulator could have made."""
    sim_id = number if kind == "test" else None
    return Row(name, kind, sim_id, number, {"x_lmc": 1.0}, (1.0,) * 6, observation, truth)


def smooth_mean(points):
    """Mean travel vector without its beta0 term and without that of m_lmc_8p7, shape (n, 3)."""
    m, m200, friction = points[:, 0] / 1e10, points[:, 1] / 1e11, np.log1p(10.0 ** points[:, 2])
    return np.stack([4.0 * np.sqrt(m) - 8.0, 8.0 * np.log(m200 / 10.0), -2.2 * m - 6.0 * friction - 8.0], axis=1)


def mean(points):
    """Mean travel vector, shape (n, 3)."""
    found = smooth_mean(points)
    found[:, 0] += BETA_SLOPE * points[:, 4]
    found[:, 1] += 2.0 * points[:, 3] / 1e10
    return found


def histories(points, lmc):
    """Smooth functions in place of the Milky Way's past, shape (n, 33)."""
    points = np.asarray(points, float)
    m, m200, friction = points[:, 0] / 1e10, points[:, 1] / 1e11, np.log1p(10.0 ** points[:, 2])
    k = np.arange(33.0)
    return (
        np.cos(k) * m[:, None] + np.sin(k) * np.log(m200)[:, None] + np.cos(0.5 * k) * (m * friction)[:, None]
    ).astype(np.float32)


def _simulate(job, heavy):
    points = np.array([[float(np.float32(job[name])) for name in DIMENSIONS]])
    rng = np.random.default_rng(job["sim_id"])
    noise = rng.standard_t(3, size=3) / np.sqrt(3.0) if heavy else rng.standard_normal(3)
    variance = SIGMA**2 * (1.0 + 0.03 * rng.standard_normal(3))
    return np.concatenate([mean(points)[0] + SIGMA * noise, [variance[0], 0, 0, variance[1], 0, variance[2]]])


def simulate(job):
    """Travel vector and covariances with Gaussian noise."""
    return _simulate(job, heavy=False)


def simulate_heavy(job):
    """The same with Student's t of three degrees of freedom, of the same variance."""
    return _simulate(job, heavy=True)


def exact(travel, axes):
    """The posterior on a grid, the average over beta0 analytic and that over m_lmc_8p7 by 400 midpoints."""
    m, m200, friction = (axis * scale for axis, scale in zip(axes, SCALE, strict=True))
    theta = np.stack([a.ravel() for a in np.meshgrid(m, m200, friction, indexing="ij")], axis=1)
    shape = tuple(len(axis) for axis in axes)
    offset = (np.asarray(travel) - smooth_mean(theta)).reshape(*shape, 3)
    x, z = offset[..., 0], offset[..., 2]
    over_beta = (ndtr(x / SIGMA[0]) - ndtr((x - 0.9 * BETA_SLOPE) / SIGMA[0])) / (0.9 * BETA_SLOPE)
    u = (np.arange(400) + 0.5) / 400
    enclosed = np.stack([ENCLOSED_MASS.quantile(u, np.full(400, mass)) for mass in m]) / 1e10
    y = offset[:, :, 0, 1][..., None] - 2.0 * enclosed[:, None, :]
    over_enclosed = (np.exp(-0.5 * (y / SIGMA[1]) ** 2) / (SIGMA[1] * np.sqrt(2 * np.pi))).mean(axis=2)
    log_z = -0.5 * (z / SIGMA[2]) ** 2 - np.log(SIGMA[2] * np.sqrt(2 * np.pi))
    prior = [log_prior(i, axis) for i, axis in enumerate(axes)]
    with np.errstate(divide="ignore"):
        total = np.log(over_beta) + np.log(over_enclosed)[:, :, None] + log_z
    return Grid.from_log(axes, total + prior[0][:, None, None] + prior[1][None, :, None] + prior[2])
