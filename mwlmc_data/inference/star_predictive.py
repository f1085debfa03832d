"""Whether the model makes such stars: means over them, compared with stars simulated at the posterior's mean."""

from __future__ import annotations

import math

import numpy as np

from mwlmc_data.array_types import Float64Array
from mwlmc_data.rewinding.likelihood import log_density_stars
from mwlmc_data.rewinding.observed import ObservedStars
from mwlmc_data.rewinding.selection import Selection
from mwlmc_data.rewinding.simulated import draw_observed
from mwlmc_data.rewinding.survey import simulate_survey
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.parameters import Parameters

#: Number of simulated sets that the observed one is compared with, and of simulated stars for each star of it.
N_SETS, _POOL = 1_000, 20
_FEWEST = 20_000
#: Radius [kpc] that divides inner from outer stars, and the speed [km/s] in units of which velocities count.
_BORDER, _SPEED = 80.0, 100.0


def compute_features(stars: Float64Array, parameters: Parameters) -> Float64Array:
    """Numbers (n, 23) of each star whose means over a set are compared.

    ln f; ln r and its square; the direction and its products; for stars within and beyond 80 kpc the velocity, and its
    radial component with the squares of the radial and the tangential one.
    """
    x, v = stars[:, :3], stars[:, 3:] / _SPEED
    r = np.sqrt(np.einsum("ni,ni->n", x, x))
    e = x / r[:, None]
    log_f = log_density_stars(stars, parameters)
    # an impossible star is as unlikely as the least likely of the others, and not infinitely so
    log_f = np.where(np.isfinite(log_f), log_f, log_f[np.isfinite(log_f)].min(initial=0.0))
    radial = np.einsum("ni,ni->n", e, v)
    tangential = np.einsum("ni,ni->n", v, v) - radial**2
    log_r = np.log(r / _BORDER)
    sky = [*e.T, e[:, 0] ** 2, e[:, 1] ** 2, e[:, 0] * e[:, 1], e[:, 0] * e[:, 2], e[:, 1] * e[:, 2]]
    motion = [*v.T, radial, radial**2, tangential]
    outer = r > _BORDER
    halves = [part * mask for mask in (outer, ~outer) for part in motion]
    return np.stack([log_f, log_r, log_r**2, *sky, *halves], axis=1)


def compute_p_value(stars: Float64Array, parameters: Parameters, selection: Selection, seed: tuple[int, ...]) -> float:
    """Fraction of simulated sets of stars that are farther from the mean of all than the observed set.

    Parameters
    ----------
    stars : ndarray, shape (n, 6)
        Observed.
    parameters : Parameters
        At which sets are simulated. They were fitted to the observed stars, so that the fraction is too large rather
        than too small.
    selection : Selection
        How the stars were selected.
    seed : tuple of int
        Of the simulated stars.

    Returns
    -------
    float
        0 means less than 1 / `N_SETS`.
    """
    n = len(stars)
    pool = draw_observed(parameters, selection, max(_POOL * n, _FEWEST), (*seed, 0)).astype(float)
    features = compute_features(np.vstack([stars, pool]), parameters)
    return _compare_means(features[:n], features[n:], (*seed, 1))


def compute_observed_features(stars: ObservedStars) -> Float64Array:
    """Numbers (n, 26) of each observed star whose means over a set are compared.

    ln of the Galactocentric distance and its square; the direction and its products; for stars within and beyond 80 kpc
    the velocities along the line of sight, l and b, with the Sun's motion taken off, and their squares in units of
    their variance with the errors; zero where they are not measured.
    """
    x, basis = stars.positions, stars.basis
    r = np.sqrt(np.einsum("ni,ni->n", x, x))
    log_r, e = np.log(r / _BORDER), basis[:, 0]
    per_motion = const.KMS_PER_MASYR_KPC * stars.distance
    ones = np.ones(len(stars))
    unit = np.stack([ones, per_motion, per_motion], axis=1)
    solar = np.einsum("nki,i->nk", basis, const.SUN_VELOCITY)
    speeds = (np.nan_to_num(stars.motions) * unit + solar) * stars.measured
    errors = np.stack([stars.e_v_los, stars.e_pm_l, stars.e_pm_b], axis=1) * unit
    scaled = speeds / np.hypot(errors, _SPEED)
    sky = [*e.T, e[:, 0] ** 2, e[:, 1] ** 2, e[:, 0] * e[:, 1], e[:, 0] * e[:, 2], e[:, 1] * e[:, 2]]
    motion = [*scaled.T, *(scaled**2).T]
    outer = r > _BORDER
    halves = [part * mask for mask in (outer, ~outer) for part in motion]
    return np.stack([log_r, log_r**2, *sky, *halves], axis=1)


def compute_observed_p_value(
    stars: ObservedStars, parameters: Parameters, selection: Selection, seed: tuple[int, ...]
) -> float:
    """As :func:`compute_p_value`, of observed stars: the simulated ones are observed with their errors."""
    n = len(stars)
    pool = simulate_survey(parameters, selection, stars, max(_POOL * n, _FEWEST), (*seed, 0))
    return _compare_means(compute_observed_features(stars), compute_observed_features(pool), (*seed, 1))


def _compare_means(observed: Float64Array, simulated: Float64Array, seed: tuple[int, ...]) -> float:
    """Fraction of sets of simulated stars whose mean is farther from that of all than the mean of the observed ones."""
    n = len(observed)
    mean = simulated.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov(simulated, rowvar=False))
    # a selection may make some of them constant
    kept = values > 1e-9 * values.max()
    whiten = axes[:, kept] / np.sqrt(values[kept])
    distance = float((((observed.mean(axis=0) - mean) @ whiten) ** 2).sum())
    distance /= 1.0 + n / len(simulated)  # the mean of all has an error
    rng = np.random.default_rng(seed)
    white = (simulated - mean) @ whiten
    others = np.array([_measure(white, rng, n) for _ in range(N_SETS)])
    return float(np.mean(others >= distance))


def _measure(white: Float64Array, rng: np.random.Generator, n: int) -> float:
    total = white[rng.integers(len(white), size=n)].sum(axis=0) / n
    return math.fsum(total**2)
