"""Names of the parameters of a simulation, their units and their allowed ranges."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from mwlmc_data.arguments.arrays import as_float

#: The LMC's present day on the sky, and as observed: centre of van der Marel & Kallivayalil (2014), distance of
#: Pietrzynski et al. (2019), line-of-sight velocity of van der Marel et al. (2002), proper motion of Kallivayalil et
#: al. (2013). `mwlmc_data.observations.load_lmc` has their errors and another choice.
SKY_NAMES = ("ra_lmc", "dec_lmc", "distance_lmc", "v_los_lmc", "pm_ra_lmc", "pm_dec_lmc")
OBSERVED_LMC = (78.76, -69.19, 49.59, 262.2, 1.910, 0.229)
#: The same as Galactocentric phase-space.
CARTESIAN_NAMES = ("x_lmc", "y_lmc", "z_lmc", "vx_lmc", "vy_lmc", "vz_lmc")

#: Allowed range and unit of every parameter. Wider than any prior of the catalogue.
LIMITS: dict[str, tuple[float, float, str]] = {
    "m200_mw": (1e11, 1e13, "Msun"),
    "m_lmc": (1e8, 1e12, "Msun"),
    "log10_lambda_df": (-10.0, 2.0, "dex"),
    "beta0": (0.0, 0.9, ""),
    "r_dehnen": (5.0, 30.0, "kpc"),
    "m_lmc_8p7": (1e7, 1e12, "Msun"),
    "c200": (1.0, 300.0, ""),
    "a_lmc": (0.1, 200.0, "kpc"),
    "ra_lmc": (0.0, 360.0, "deg"),
    "dec_lmc": (-90.0, 90.0, "deg"),
    "distance_lmc": (5.0, 500.0, "kpc"),
    "v_los_lmc": (-1000.0, 1000.0, "km/s"),
    "pm_ra_lmc": (-20.0, 20.0, "mas/yr"),
    "pm_dec_lmc": (-20.0, 20.0, "mas/yr"),
    **{name: (-500.0, 500.0, "kpc") for name in CARTESIAN_NAMES[:3]},
    **{name: (-1500.0, 1500.0, "km/s") for name in CARTESIAN_NAMES[3:]},
}


def in_range(name: str, value: Any) -> float:
    """Take a parameter in its unit; raise a ValueError that names it unless it is a number in its range."""
    low, high = rounded_limits(name)
    return as_float(name, value, unit=LIMITS[name][2], minimum=low, maximum=high)


@functools.cache
def rounded_limits(name: str) -> tuple[float, float]:
    """Range of a parameter; a limit may have been rounded to float32 when it was stored."""
    low, high, _ = LIMITS[name]
    return min(low, float(np.float32(low))), max(high, float(np.float32(high)))
