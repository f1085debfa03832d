"""Where an observed star may truly be: draws of its distance and velocity from a simple halo, given what is observed.

The simple halo has the density profile ``r^-1 (r + a)^-3``, and Gaussian velocities of one dispersion, whatever their
direction: the distance follows on a grid. Given it, velocities are drawn as
:mod:`mwlmc_data.rewinding.velocity_proposal` says. Points are those of Sobol's sequence, shifted at random for each
star, so that errors of different stars are independent.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.stats import qmc

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import describe_tuple
from mwlmc_data.rewinding.observed import ObservedStars
from mwlmc_data.rewinding.velocity_proposal import draw_velocities, get_motion_covariance, log_gauss2
from mwlmc_data.simulator import constants as const

#: Scale radius of the profile [kpc].
_A = 12.0
#: Cells of the grid of the distance, over this many of its errors on both sides; the part of draws that are spread over
#: it whatever the profile.
_CELLS, _SIGMAS, _SPREAD = 96, 5.5, 0.1
#: Range of the dispersion [km/s], and what it is where no velocity is measured.
_SLOWEST, _FASTEST, _UNKNOWN = 60.0, 600.0, 120.0
_LOG_2PI = math.log(2.0 * math.pi)


class TruthDraws(NamedTuple):
    """Draws of the true phase space of stars.

    Attributes
    ----------
    phase_space : ndarray, shape (n, m, 6)
        Galactocentric [kpc, km/s].
    log_weight : ndarray, shape (n, m)
        Log of the density of the observed data at the draw, over that of the draw: the mean over draws of
        ``exp(log_weight) f(phase_space)`` is the density of the data of the star, per steradian, kpc, km/s and mas/yr.
    """

    phase_space: Float64Array
    log_weight: Float64Array

    def __repr__(self) -> str:
        return describe_tuple(self)


def estimate_dispersion(stars: ObservedStars) -> float:
    """Dispersion of the stars' velocities about rest [km/s]; the measured ones are weighted by their errors."""
    per_motion = const.KMS_PER_MASYR_KPC * stars.distance
    rest = -np.einsum("nki,i->nk", stars.basis, const.SUN_VELOCITY)
    speed = np.stack([stars.v_los, per_motion * stars.pm_l, per_motion * stars.pm_b], axis=1) - rest
    relative = stars.e_distance[:, None] * np.abs(speed + rest) * [0.0, 1.0, 1.0]
    error = np.hypot(np.stack([stars.e_v_los, per_motion * stars.e_pm_l, per_motion * stars.e_pm_b], axis=1), relative)
    seen = stars.measured
    if not seen.any():
        return _UNKNOWN
    weight = 1.0 / (error[seen] ** 2 + _UNKNOWN**2) ** 2
    square = float((weight * (speed[seen] ** 2 - error[seen] ** 2)).sum() / weight.sum())
    return math.sqrt(min(max(square, _SLOWEST**2), _FASTEST**2))


def draw_phase_space(stars: ObservedStars, dispersion: float, m: int, seed: tuple[int, ...]) -> TruthDraws:
    """Draw the true phase space of observed stars.

    Parameters
    ----------
    stars : ObservedStars
        The stars.
    dispersion : float
        Of the velocities of the simple halo [km/s].
    m : int
        Number of draws of each.
    seed : tuple of int
        Of the draws.

    Returns
    -------
    TruthDraws
    """
    n = len(stars)
    rng = np.random.default_rng(seed)
    points = qmc.Sobol(6, seed=rng).random_base2(max(math.ceil(math.log2(m)), 0))[:m]
    u = np.mod(points[None] + rng.random((n, 1, 6)), 1.0)
    u = np.clip(u, 1e-12, 1.0 - 1e-12)
    basis = stars.basis
    rest = -np.einsum("nki,i->nk", basis, const.SUN_VELOCITY)
    z, log_q = _draw_distances(stars, basis, rest, dispersion, u[:, :, 0])
    distance = stars.distance[:, None] * np.exp(stars.e_distance[:, None] * z)
    log_weight = -0.5 * z**2 - 0.5 * _LOG_2PI - np.log(stars.distance)[:, None]  # of the observed distance
    log_weight += 3.0 * np.log(distance) - log_q  # d^2 dd; log_q is per z, whose unit is e_distance in ln d
    position = const.SUN_POSITION + distance[:, :, None] * basis[:, None, 0]
    speeds, log_density = draw_velocities(stars, position, distance, dispersion, u[:, :, 1:])
    log_weight += _log_velocity_likelihood(stars, distance, speeds) - log_density
    velocity = np.einsum("nmk,nki->nmi", speeds, basis) + const.SUN_VELOCITY
    return TruthDraws(np.concatenate([position, velocity], axis=2), log_weight)


def _draw_distances(
    stars: ObservedStars, basis: Float64Array, rest: Float64Array, dispersion: float, u: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Distances as ln(d / observed) in units of its error, shape (n, m), and the log of their density."""
    edges = np.linspace(-_SIGMAS, _SIGMAS, _CELLS + 1)
    width = edges[1] - edges[0]
    z = 0.5 * (edges[1:] + edges[:-1])
    distance = stars.distance[:, None] * np.exp(stars.e_distance[:, None] * z)
    x = const.SUN_POSITION + distance[:, :, None] * basis[:, None, 0]
    r = np.sqrt(np.einsum("ngi,ngi->ng", x, x))
    log_p = -0.5 * z**2 + 3.0 * np.log(distance) - np.log(r) - 3.0 * np.log(r + _A)
    log_p += _log_motion_density(stars, rest, dispersion, distance)
    p = np.exp(log_p - log_p.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    flat = np.exp(-0.5 * (z / 1.5) ** 2)
    p = (1.0 - _SPREAD) * p + _SPREAD * flat / flat.sum()
    below = np.concatenate([np.zeros((len(stars), 1)), np.cumsum(p, axis=1)], axis=1)
    below /= below[:, -1:]
    # one search for all stars: each has an interval of its own
    row = np.arange(len(stars))[:, None]
    cell = np.searchsorted((below[:, 1:] + row).ravel(), (u + row).ravel()).reshape(u.shape) - _CELLS * row
    cell = np.clip(cell, 0, _CELLS - 1)
    low, chance = np.take_along_axis(below, cell, 1), np.take_along_axis(p, cell, 1)
    part = np.clip((u - low) / chance, 0.0, 1.0)
    return edges[cell] + width * part, np.log(chance / width)


def _log_motion_density(
    stars: ObservedStars, rest: Float64Array, dispersion: float, distance: Float64Array
) -> Float64Array:
    """Log density (n, g) of the measured proper motions at distances (n, g), up to constants of each star."""
    scale = 1.0 / (const.KMS_PER_MASYR_KPC * distance)
    ll, bb, lb = get_motion_covariance(stars)
    l, b = (np.nan_to_num(stars.motions[:, k, None] - rest[:, k, None] * scale) for k in (1, 2))
    added = (dispersion * scale) ** 2
    return log_gauss2(l, b, (ll + added, bb + added, lb))


def _log_velocity_likelihood(stars: ObservedStars, distance: Float64Array, speeds: Float64Array) -> Float64Array:
    """Log density (n, m) of the measured velocities [km/s, mas/yr], given the true ones."""
    measured = stars.measured
    residual = np.nan_to_num((stars.v_los[:, None] - speeds[..., 0]) / stars.e_v_los[:, None])
    total = np.where(
        measured[:, :1], -0.5 * residual**2 - 0.5 * _LOG_2PI - np.log(stars.e_v_los)[:, None], 0.0
    )
    motion = speeds[..., 1:] / (const.KMS_PER_MASYR_KPC * distance)[..., None]
    apart = np.nan_to_num(stars.motions[:, None, 1:] - motion)
    for k, error in ((0, stars.e_pm_l), (1, stars.e_pm_b)):
        alone = measured[:, 1 + k] & ~measured[:, 2 - k]
        single = -0.5 * (apart[..., k] / error[:, None]) ** 2 - 0.5 * _LOG_2PI - np.log(error)[:, None]
        total += np.where(alone[:, None], single, 0.0)
    both = log_gauss2(apart[..., 0], apart[..., 1], get_motion_covariance(stars))
    return total + np.where((measured[:, 1] & measured[:, 2])[:, None], both, 0.0)
