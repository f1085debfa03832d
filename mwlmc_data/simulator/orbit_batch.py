"""The Milky Way's past velocity for many parameters at once.

Models of the travel vector and likelihoods ask for the pair's past at tens of thousands of parameters. A row costs
0.1 ms here where :func:`~mwlmc_data.integrate_orbit` takes 0.5 ms, most of it for checking its parameters.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mwlmc_data.array_types import Float64Array, FloatArray
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.compiling import announce_compiling, kernel
from mwlmc_data.simulator.orbit import ABSOLUTE, CENTRE, RELATIVE, RHO_DISC, Pair, rewind_pair
from mwlmc_data.simulator.potentials import (
    bulge_density,
    coulomb_logarithm,
    lmc_scale_radius,
    nfw_shape,
    virial_radius,
)
from mwlmc_data.simulator.tables import load_static, make_cubics


class _Shared(NamedTuple):
    """What all orbits have in common."""

    radius: FloatArray
    baryon_mass: FloatArray
    to_cubic: FloatArray
    disc: FloatArray
    height: float
    rho_bulge: float


def rewind_milky_ways(
    m_lmc: Float64Array,
    m200_mw: Float64Array,
    c200: Float64Array,
    log10_lambda_df: Float64Array,
    m_lmc_8p7: Float64Array,
    lmc: Float64Array,
    n_output: int,
) -> Float64Array:
    """Compute the Milky Way's velocity in the past, relative to today's.

    Parameters
    ----------
    m_lmc, m200_mw, m_lmc_8p7 : ndarray, shape (n,)
        Masses [Msun], not checked.
    c200 : ndarray, shape (n,)
        Concentrations.
    log10_lambda_df : ndarray, shape (n,)
        Strength of the dynamical friction.
    lmc : ndarray, shape (n, 6)
        The LMC today, Galactocentric [kpc, km/s].
    n_output : int
        Number of equidistant times over 2.2 Gyr, including both ends.

    Returns
    -------
    ndarray, shape (n, n_output, 3)
        Velocities [km/s], the earliest first; NaN where the orbit cannot be integrated.
    """
    static = load_static()
    shared = _Shared(*static, rho_bulge=float(bulge_density(0.0)))
    r_s, m_s = virial_radius(m200_mw) / c200, m200_mw / nfw_shape(c200)
    a_lmc = lmc_scale_radius(m_lmc, m_lmc_8p7)
    friction = 10.0**log10_lambda_df * 4 * np.pi * const.G**2 * m_lmc * coulomb_logarithm(a_lmc)
    constants = np.stack([r_s, m_s, friction, const.G * m_lmc, a_lmc], axis=1)
    span = const.REWIND_GYR / const.GYR_PER_TIME_UNIT
    with announce_compiling():
        return _rewind_each(np.ascontiguousarray(lmc, dtype=float), constants, shared, span, n_output)


@kernel
def _rewind_each(lmc, constants, shared, span, n_output):
    found = np.empty((lmc.shape[0], n_output, 3))
    today = np.zeros(12)
    for i in range(lmc.shape[0]):
        r_s, m_s, friction, gm_lmc, a_lmc = constants[i]
        radial = make_cubics(shared.radius, shared.baryon_mass, shared.to_cubic, 1.0, 1.0 / r_s, m_s)
        rho_halo = m_s / (4.0 * np.pi * r_s**3)
        pair = Pair(
            radial, shared.disc, shared.height, shared.rho_bulge, RHO_DISC, rho_halo, r_s, friction, gm_lmc, a_lmc,
            None, 1.0,
        )  # fmt: skip
        today[6:] = lmc[i]
        states, _, arrived, _ = rewind_pair(today, span, n_output, pair, ABSOLUTE, RELATIVE)
        arrived &= today[6] ** 2 + today[7] ** 2 + today[8] ** 2 >= CENTRE**2
        for k in range(n_output):
            for m in range(3):
                found[i, k, m] = states[n_output - 1 - k, 3 + m] if arrived else np.nan
    return found
