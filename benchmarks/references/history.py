"""The Milky Way's past velocity, the form in which models of the travel vector use the orbit.

Where the pair has passed its pericentre more than once, the travel vector is not a smooth function of the parameters,
but it is one of the Milky Way's motion. The orbit has no random part and costs a tenth of a millisecond.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from benchmarks.references.design import DIMENSIONS, THETA
from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.simulator.constants import REWIND_GYR
from mwlmc_data.simulator.frames import sky_to_galactocentric
from mwlmc_data.simulator.limits import CARTESIAN_NAMES, LIMITS, SKY_NAMES
from mwlmc_data.simulator.orbit_batch import rewind_milky_ways
from mwlmc_data.simulator.potentials import concentration

#: Spacing of the orbit's output [Gyr], which divides every look-back time.
_SPACING = 0.05
_N_OUTPUT = round(REWIND_GYR / _SPACING) + 1
#: Times before today [Gyr].
LOOKBACK = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.2)
#: Parameters that the orbit depends on, besides the LMC's present day.
ORBITAL = DIMENSIONS[:4]


def integrate_histories(points: NDArray, lmc: Mapping[str, float]) -> Float32Array:
    """Compute the change of the Milky Way's velocity since each of `LOOKBACK`, at one present day of the LMC.

    Parameters
    ----------
    points : ndarray, shape (n, 4) or wider
        Columns `ORBITAL`, in the catalogue's units.
    lmc : mapping
        The LMC's present day, on the sky or Galactocentric.

    Returns
    -------
    ndarray, shape (n, 33), float32
        Velocity change [km/s], x, y, z of the first time, then of the next.

    Raises
    ------
    RuntimeError
        If an orbit cannot be integrated.
    """
    points, today = np.asarray(points, float), vector_of(lmc)
    found = past_velocities(points[:, : len(THETA)], points[:, len(THETA)], today)
    failed = np.flatnonzero(np.isnan(found).any(axis=1))
    if len(failed):
        raise RuntimeError(f"the orbit of {dict(zip(ORBITAL, points[failed[0]].tolist(), strict=False))} cannot be "
                           f"integrated with the LMC at {today.tolist()}")  # fmt: skip
    return found.astype(np.float32)


def past_velocities(theta: NDArray, enclosed: NDArray, lmc: NDArray) -> Float64Array:
    """Compute the change of the Milky Way's velocity since each of `LOOKBACK`.

    Parameters
    ----------
    theta : ndarray, shape (n, 3)
        m_lmc, m200_mw [Msun], log10_lambda_df.
    enclosed : ndarray, shape (n,)
        m_lmc_8p7 [Msun].
    lmc : ndarray, shape (n, 6) or (6,)
        The LMC today, Galactocentric [kpc, km/s].

    Returns
    -------
    ndarray, shape (n, 33)
        Velocity change [km/s], x, y, z of the first time, then of the next; NaN where the orbit cannot be integrated.
    """
    at = np.round((REWIND_GYR - np.array(LOOKBACK)) / _SPACING).astype(int)
    theta, today = np.asarray(theta, float), np.asarray(lmc, float)
    m_lmc, m200, log10_lambda = theta.T
    c200 = np.exp(_log_concentration()(np.log(m200)))
    today = np.broadcast_to(today, (len(theta), 6))
    velocities = rewind_milky_ways(m_lmc, m200, c200, log10_lambda, np.asarray(enclosed, float), today, _N_OUTPUT)
    return -velocities[:, at].reshape(len(theta), -1)


def vector_of(lmc: Mapping[str, float]) -> Float64Array:
    """Return the LMC's Galactocentric vector (6,) [kpc, km/s] from a present day in either form."""
    if CARTESIAN_NAMES[0] in lmc:
        return np.array([lmc[name] for name in CARTESIAN_NAMES])
    return sky_to_galactocentric(*(lmc[name] for name in SKY_NAMES))


@functools.cache
def _log_concentration() -> CubicSpline:
    """Fit a spline of log c200 in log m200 [Msun], accurate to 1e-8."""
    low, high, _ = LIMITS["m200_mw"]
    log_mass = np.linspace(np.log(low), np.log(high), 257)
    return CubicSpline(log_mass, np.log([concentration(mass) for mass in np.exp(log_mass).tolist()]))
