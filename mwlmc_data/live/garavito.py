"""The four N-body runs of Garavito-Camargo et al. 2019 (ApJ 884, 51) and 2021 (ApJ 919, 109), to run again.

Their Milky Way has a Hernquist halo of 1.57e12 Msun and 40.8 kpc, a disc of 5.78e10 Msun and 3.5 kpc and a bulge of
1.4e10 Msun and 0.7 kpc; their LMCs are Hernquist spheres. The starts are the first rows of the published orbits with an
isotropic halo (github.com/jngaravitoc/XMC-Atlas, suites/GC21, MIT licence), whose rows are 0.02 kpc / (km/s) apart.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import describe_tuple
from mwlmc_data.live.settings import LiveSettings, find_body, make_settings
from mwlmc_data.live.spheres import MW_CUT, hernquist_sphere
from mwlmc_data.live.start import Galaxies
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.parameters import Parameters

#: Time between rows of the published orbits [kpc / (km/s)].
ROW = 0.02
#: Mass [Msun] and scale radius [kpc] of the halo, and of the bulge; mass and scale length of the disc.
HALO, BULGE, DISC = (1.57e12, 40.8), (1.4e10, 0.7), (5.78e10, 3.5)
#: NFW halo that with this simulator's bulge and disc encloses the same mass from 40 to 280 kpc, by least squares of its
#: logarithm: in it the stars start.
MATCHED = (1.145244e12, 20.17974)


class PublishedRun(NamedTuple):
    """One of the runs."""

    m_lmc: float  # [Msun]
    a_lmc: float  # [kpc]
    rows: int  # to the present day
    start: tuple[float, ...]  # LMC minus Milky Way [kpc, km/s]

    def __repr__(self) -> str:
        return describe_tuple(self)


#: The runs with an isotropic halo (M1b0 to M4b0).
RUNS = MappingProxyType(
    {
        "gc19-lmc1": PublishedRun(0.8e11, 10.4, 92, (22.7303, 274.3536, 60.4479, 3.2149, -61.1667, -76.5298)),
        "gc19-lmc2": PublishedRun(1.0e11, 12.7, 114, (26.3140, 306.6062, 91.9020, 6.4657, -37.8918, -69.1453)),
        "gc19-lmc3": PublishedRun(1.8e11, 20.0, 110, (10.3902, 234.2943, 131.8230, 11.5840, 9.9121, -76.1796)),
        "gc19-lmc4": PublishedRun(2.5e11, 25.2, 114, (9.9024, 246.1848, 131.7776, 10.7103, 8.7350, -76.1329)),
    }
)


def prepare(name: str, particles: int, seed: int) -> tuple[Parameters, Galaxies, LiveSettings, Float64Array]:
    """Prepare one of the runs for :func:`~mwlmc_data.live.simulating.run_live`.

    Parameters
    ----------
    name : str
        One of ``RUNS``.
    particles, seed : int
        Of the run.

    Returns
    -------
    tuple
        Parameters (the matched NFW halo; friction means nothing), galaxies, settings and start.
    """
    published = RUNS[name]
    settings = make_settings(particles, seed, published.rows, span=published.rows * ROW * const.GYR_PER_TIME_UNIT)
    settings = settings._replace(bulge=BULGE[0], bulge_scale=BULGE[1], disc=DISC[0], disc_length=DISC[1])
    parameters = Parameters(
        m200_mw=MATCHED[0], c200=MATCHED[1], m_lmc=published.m_lmc, a_lmc=published.a_lmc, log10_lambda_df=0.0,
        beta0=0.0, r_dehnen=12.0,
    )  # fmt: skip
    lmc = hernquist_sphere(published.m_lmc, published.a_lmc)
    galaxies = Galaxies(hernquist_sphere(*HALO, MW_CUT), find_body(settings), lmc)
    return parameters, galaxies, settings, np.array(published.start)
