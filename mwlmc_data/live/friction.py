"""The friction with which a rigid pair has the past of a live one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import describe_tuple
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.orbit import Orbit, integrate_orbit
from mwlmc_data.simulator.parameters import Parameters

#: Strengths that are tried, log10: those of the catalogue's prior.
STRENGTHS = np.linspace(-3.0, 1.0, 33)
#: Largest rms distance [kpc] between the two pasts at which a friction reproduces an orbit.
WORST = 10.0
#: Points of a rigid orbit, 5 Myr apart, between which it is interpolated.
_POINTS = 441


class Friction(NamedTuple):
    """A friction, and how well it reproduces an orbit."""

    log10_lambda_df: float
    place: float  # rms distance of the LMC from where it was in the live run [kpc]
    motion: float  # the same of its velocity [km/s]

    def __repr__(self) -> str:
        return describe_tuple(self)


def fit_friction(parameters: Parameters, orbit: Orbit) -> Friction | None:
    """Find the friction with which the rigid pair, rewound from today, comes nearest to an orbit.

    Parameters
    ----------
    parameters : Parameters
        Of the pair, with its present day.
    orbit : Orbit
        Of the live run.

    Returns
    -------
    Friction or None
        None if none reproduces the orbit: the best is at an end of the prior's range, or off by more than ``WORST``.
    """
    inside = orbit.time >= -const.REWIND_GYR
    time, expected = orbit.time[inside], orbit.relative[inside]

    def gap(strength: float) -> Float64Array:
        rigid = integrate_orbit(parameters.replace(log10_lambda_df=float(strength)), _POINTS)
        found = np.array([np.interp(time, rigid.time, column) for column in rigid.relative.T]).T
        return np.sqrt(np.mean(np.square((found - expected).reshape(-1, 2, 3)).sum(2), axis=0))

    places = [float(gap(strength)[0]) for strength in STRENGTHS]
    i = int(np.argmin(places))
    if i in (0, len(STRENGTHS) - 1):
        return None
    best = minimize_scalar(lambda x: gap(x)[0], bounds=(STRENGTHS[i - 1], STRENGTHS[i + 1]), method="bounded")
    place, motion = gap(best.x).tolist()
    return Friction(float(best.x), place, motion) if place <= WORST else None
