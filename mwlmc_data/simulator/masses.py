"""Masses of the two galaxies within a sphere about the centre of each."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from mwlmc_data.arguments.arrays import as_float
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.potentials import Numbers, bulge_mass, disc_mass, hernquist_mass, nfw_mass
from mwlmc_data.simulator.rows import read_masses

if TYPE_CHECKING:
    import pandas as pd

#: Largest radius [kpc].
MAX_RADIUS = 1000.0


def enclosed_masses(table: Any, r: Any = const.ENCLOSED_RADIUS, derived: str = "checked") -> pd.DataFrame:
    """Compute the mass of each galaxy within a sphere about its own centre.

    The Milky Way's is that of its NFW halo, bulge and disc (the disc's exact density, integrated over the sphere); the
    LMC's is that of its Hernquist halo, ``m_lmc r^2 / (r + a_lmc)^2`` (sec. 2.1 of the paper). The model's galaxies are
    rigid: neither is stripped, and the halo of the one is not counted in the sphere of the other.

    Parameters
    ----------
    table : table
        Galaxies, one per row, in any form that :func:`~mwlmc_data.simulate_many` takes: a catalogue, draws of
        ``Prior``, or any table with m200_mw, m_lmc [Msun], and m_lmc_8p7 [Msun] or a_lmc [kpc]. A column c200 counts;
        otherwise the concentration is the one that gives 235 km/s at 8.3 kpc, as in :class:`Parameters`. The
        catalogue's other columns are ignored. Units are converted.
    r : float or quantity
        Radius of both spheres [kpc], at most 1000.
    derived : {"checked", "given"}
        What counts where `c200` or `a_lmc` does not follow from the masses, as for :func:`~mwlmc_data.simulate_many`.

    Returns
    -------
    pandas.DataFrame
        One row per galaxy, in the order of the table and with the index of a pandas table. Columns m_mw_50 and m_lmc_50
        [Msun] for 50 kpc; in other names a p stands for the decimal point, as in m_mw_8p7, and a radius has up to six
        digits.

    Raises
    ------
    ValueError
        If a column is unknown or missing; the table has neither m_lmc_8p7 nor a_lmc, as draws of a posterior (the
        message says what to add); a cell is empty, masked, not a number or out of range; a_lmc contradicts m_lmc_8p7 in
        a table without results; or `r` is not a length above 0 and at most 1000 kpc.

    Warns
    -----
    UserWarning
        If c200 or a_lmc does not follow from the masses in a table with results, such as a catalogue: it is computed
        again.

    Notes
    -----
    If m_lmc_8p7 is drawn from its prior for draws of a posterior, its draws ignore what the measured motion says about
    it beyond m_lmc.

    Examples
    --------
    >>> table = {"m200_mw": [9.1e11, 1.2e12], "m_lmc": [2.3e11, 1.5e11], "m_lmc_8p7": [1.7e10, 1.7e10]}
    >>> enclosed_masses(table).round(-9)["m_lmc_50"].tolist()
    [107000000000.0, 83000000000.0]
    """
    import pandas as pd

    radius = as_float("r", r, unit="kpc", above=0.0, maximum=MAX_RADIUS)
    masses, index = read_masses("table", table, derived)
    return pd.DataFrame(compute_masses(radius, **masses), index=index)


def name_masses(radius: float) -> tuple[str, str]:
    """Names of the columns with the masses of the Milky Way and the LMC within a radius [kpc]."""
    text = np.format_float_positional(radius, precision=6, fractional=False, trim="-").replace(".", "p")
    return f"m_mw_{text}", f"m_lmc_{text}"


def compute_masses(radius: float, m200_mw: Numbers, c200: Numbers, m_lmc: Numbers, a_lmc: Numbers) -> dict[str, Any]:
    """Compute the mass [Msun] of each galaxy within a radius [kpc] of its centre, by the name of its column.

    Parameters
    ----------
    radius : float
        Radius [kpc].
    m200_mw, c200 : float or ndarray
        Mass [Msun] and concentration of the Milky Way's NFW halo.
    m_lmc, a_lmc : float or ndarray
        Total mass [Msun] and scale radius [kpc] of the LMC.
    """
    of_milky_way, of_lmc = name_masses(radius)
    return {
        of_milky_way: _mass_of_baryons(radius) + nfw_mass(radius, m200_mw, c200),
        of_lmc: hernquist_mass(radius, m_lmc, a_lmc),
    }


@functools.lru_cache(maxsize=64)
def _mass_of_baryons(radius: float) -> float:
    """Mass [Msun] of bulge and disc within a radius [kpc]."""
    return float(bulge_mass(radius) + disc_mass(radius))
