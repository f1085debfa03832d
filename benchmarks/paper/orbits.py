"""Past orbits of the LMC, for a case's quoted parameters and for draws from its posterior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.features import THETA
from benchmarks.paper.predictive import tabulate_draws, tabulate_quoted

if TYPE_CHECKING:
    from mwlmc_data.validation import Case


@dataclass(frozen=True)
class OrbitBand:
    """Orbits from posterior draws.

    Attributes
    ----------
    time : ndarray, shape (m,)
        Gyr, to 0.
    relative : ndarray, shape (n, m, 3)
        LMC minus Milky Way [kpc].
    quoted : ndarray, shape (m, 3), or None
        The orbit for the quoted parameters; None if the case does not quote all.
    """

    time: NDArray
    relative: NDArray
    quoted: NDArray | None


def rewind_draws(draws: NDArray, case: Case, config: str = "gaussian", seed: int = 0) -> OrbitBand:
    """Rewind the LMC from its observed present day for each posterior draw.

    Parameters
    ----------
    draws : ndarray, shape (n, 3)
        Posterior draws in scaled units.
    case : Case
        Its observation has the LMC's phase-space coordinates; its truth gives the orbit drawn beside the band.
    config : str
        Set of simulations whose prior gives the LMC's enclosed mass.
    seed : int
        Seed of the enclosed mass.

    Returns
    -------
    OrbitBand
    """
    from mwlmc_data import Parameters, integrate_orbit

    table = tabulate_draws(draws, case.observation, config, seed)
    orbits = [integrate_orbit(Parameters(**row)) for row in table.to_dict("records")]
    quoted = None
    if all(name in case.truth for name in THETA):
        row = tabulate_quoted(case, 1, config, seed).to_dict("records")[0]
        quoted = integrate_orbit(Parameters(**row)).relative[:, :3]
    return OrbitBand(orbits[0].time, np.stack([o.relative[:, :3] for o in orbits]), quoted)
