"""The stars of a halo that tasks are about."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from mwlmc_data.array_types import FloatArray

Stars = TypeVar("Stars", bound=FloatArray)


def select_outer(stars: Stars) -> Stars:
    """Keep the stars (n, 6) [kpc, km/s] with Galactocentric r > 50 kpc, in their order."""
    from mwlmc_data.simulator.constants import FIT_R_MIN

    return stars[np.square(stars[:, :3].astype(np.float64)).sum(axis=1) > FIT_R_MIN**2]  # type: ignore[return-value]
