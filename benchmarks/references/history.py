"""The Milky Way's past velocity, by which the conditional model of the travel vector sees an orbit.

Where the pair has passed its pericentre more than once the travel vector is no smooth function of the parameters, but
it is one of how the Milky Way moved. The orbit has no random part and costs half a millisecond.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.references.design import DIMENSIONS
from mwlmc_data.simulator.constants import REWIND_GYR
from mwlmc_data.simulator.interaction import integrate_orbit
from mwlmc_data.simulator.parameters import Parameters

_SPACING = 0.05
_N_OUTPUT = round(REWIND_GYR / _SPACING) + 1
LOOKBACK = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.2)
"""Times before today [Gyr]."""
ORBITAL = DIMENSIONS[:4]
"""What the orbit depends on beside the LMC's present day."""


def histories(points: NDArray, lmc: Mapping[str, float]) -> NDArray[np.float32]:
    """How much the Milky Way's velocity has changed since each of `LOOKBACK`.

    Parameters
    ----------
    points : ndarray, shape (n, 4) or wider
        Columns `ORBITAL`, in the catalogue's units.
    lmc : mapping
        The LMC's present day.

    Returns
    -------
    ndarray, shape (n, 33), float32
        Velocity change [km/s], x, y, z of the first time, then of the next.
    """
    at = np.round((REWIND_GYR - np.array(LOOKBACK)) / _SPACING).astype(int)
    found = np.empty((len(points), 3 * len(LOOKBACK)), dtype=np.float32)
    for i, point in enumerate(np.asarray(points, float)[:, : len(ORBITAL)].tolist()):
        parameters = Parameters(**dict(zip(ORBITAL, point, strict=True)), **lmc)
        orbit = integrate_orbit(parameters, _N_OUTPUT)
        found[i] = -orbit.mw[at, 3:].ravel()
    return found
