"""Stars drawn from the model of the reflex fit, and what a survey with errors observes of them."""

import numpy as np

from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.frames import galactocentric_basis, heliocentric_basis, sky_basis

#: Travel velocity, bulk motion and dispersions [km/s].
TRUTH = np.array([20.0, 25.0, -40.0, -10.0, 5.0, -3.0, 100.0, 60.0, 70.0])


def mock(truth, n, seed, kurtosis=False, r_min=50, r_max=200):
    """Stars of the model itself; with `kurtosis` their scatter has the same dispersions and heavy tails."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=(n, 3))
    x = direction / np.linalg.norm(direction, axis=1)[:, None] * rng.uniform(r_min, r_max, n)[:, None]
    noise = rng.standard_t(6, size=(n, 3)) / np.sqrt(1.5) if kurtosis else rng.normal(size=(n, 3))
    mean = -truth[:3] + np.einsum("k,nki->ni", truth[3:6], galactocentric_basis(x))
    return x, mean + np.einsum("nk,nki->ni", noise * truth[6:], heliocentric_basis(x))


def observe(x, v, seed, scale=1.0):
    """Observables of stars with errors of a tenth in distance, 5 km/s and 0.05 mas/yr."""
    rng = np.random.default_rng(seed)
    offset = x - const.SUN_POSITION
    d = np.linalg.norm(offset, axis=1)
    l = np.degrees(np.arctan2(offset[:, 1], offset[:, 0]))
    b = np.degrees(np.arcsin(offset[:, 2] / d))
    speeds = np.einsum("nki,ni->nk", sky_basis(l, b), v - const.SUN_VELOCITY)
    errors = {
        "distance": scale * 0.1 * d,
        "v_los": scale * 5.0 * np.ones(len(d)),
        "pm_l": scale * 0.05 * np.ones(len(d)),
        "pm_b": scale * 0.04 * np.ones(len(d)),
        "corr": rng.uniform(-0.3, 0.3, len(d)),
    }
    k = const.KMS_PER_MASYR_KPC * d
    v_los = speeds[:, 0] + errors["v_los"] * rng.normal(size=len(d))
    pm_l, pm_b = (
        speeds[:, i] / k + errors[name] * rng.normal(size=len(d)) for i, name in ((1, "pm_l"), (2, "pm_b"))
    )
    return l, b, d, v_los, pm_l, pm_b, errors
