"""Whether the model makes such stars: means over them, compared with stars simulated at the posterior's mean."""

from __future__ import annotations

import math

import numpy as np

from mwlmc_data.array_types import Float64Array
from mwlmc_data.rewinding.likelihood import log_density_stars
from mwlmc_data.rewinding.probability import draw_observed
from mwlmc_data.rewinding.selection import Selection
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
    wanted = max(_POOL * n, _FEWEST)
    pool = draw_observed(parameters, selection, wanted, (*seed, 0)).astype(float)
    features = compute_features(np.vstack([stars, pool]), parameters)
    observed, simulated = features[:n], features[n:]
    mean = simulated.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov(simulated, rowvar=False))
    # a selection may make some of them constant
    kept = values > 1e-9 * values.max()
    whiten = axes[:, kept] / np.sqrt(values[kept])
    distance = float((((observed.mean(axis=0) - mean) @ whiten) ** 2).sum())
    distance /= 1.0 + n / len(simulated)  # the mean of all has an error
    rng = np.random.default_rng((*seed, 1))
    white = (simulated - mean) @ whiten
    others = np.array([_measure(white, rng, n) for _ in range(N_SETS)])
    return float(np.mean(others >= distance))


def _measure(white: Float64Array, rng: np.random.Generator, n: int) -> float:
    total = white[rng.integers(len(white), size=n)].sum(axis=0) / n
    return math.fsum(total**2)
