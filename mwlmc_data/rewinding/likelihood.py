"""The exact likelihood of stars: phase-space density is conserved along their orbits.

The stars are independent draws from f0 2.2 Gyr ago. By Liouville's theorem the density at a star's place in phase
space today is f0 where the star was, also in the accelerated frame of the Milky Way (Correa Magnus & Vasiliev 2022,
MNRAS 511, 2610). So the likelihood of n stars costs n rewound orbits.
"""

from __future__ import annotations

from typing import Any

from mwlmc_data.array_types import Float64Array
from mwlmc_data.rewinding.density import log_start_density
from mwlmc_data.rewinding.rewind import rewind_stars, take_parameters, take_stars
from mwlmc_data.simulator.equilibrium import equilibrium
from mwlmc_data.simulator.parameters import Parameters

#: Largest anisotropy for which the density of rewound stars is exact: f goes as L^(-2 beta0), and where the exponent is
#: larger the error of a nearly radial star's angular momentum counts.
MAX_BETA0 = 0.6


def log_density(positions: Any, velocities: Any, parameters: Parameters) -> Float64Array:
    """Compute the phase-space density of the stellar halo today, at the places of stars.

    The stars are rewound (:func:`~mwlmc_data.rewind`), and the density is that of the equilibrium halo from which
    :func:`~mwlmc_data.simulate` draws, where they were 2.2 Gyr ago.

    Parameters
    ----------
    positions, velocities : array_like, shape (n, 3)
        Galactocentric positions [kpc] and velocities [km/s] today, as for :func:`~mwlmc_data.rewind`.
    parameters : Parameters
        The simulation.

    Returns
    -------
    ndarray, shape (n,)
        ln f [kpc^-3 (km/s)^-3], normalised to one star; -inf where no star of the model can be, as it would not have
        been bound to the Milky Way's halo.

    Raises
    ------
    ValueError, RuntimeError
        As for :func:`~mwlmc_data.rewind`.

    Notes
    -----
    Above beta0 = 0.6 the sum over many stars is wrong by more than 0.1: f goes as L^(-2 beta0), and the rewound angular
    momentum L of nearly radial orbits has an error.

    Examples
    --------
    >>> p = Parameters(m200_mw=9.1e11, m_lmc=2.3e11, log10_lambda_df=0.7)
    >>> log_density([[60.0, 0.0, 10.0]], [[0.0, 90.0, 40.0]], p).shape
    (1,)
    """
    stars = take_stars(positions, velocities)
    return log_density_stars(stars, take_parameters(parameters))


def log_density_stars(stars: Float64Array, parameters: Parameters) -> Float64Array:
    """Compute :func:`log_density` of stars (n, 6) without checks."""
    tables = equilibrium(parameters.m200_mw, parameters.c200, parameters.beta0, parameters.r_dehnen)
    return log_start_density(rewind_stars(stars, parameters), tables)
