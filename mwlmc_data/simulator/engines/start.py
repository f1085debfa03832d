"""What every engine starts from: the orbit, the field, the stars 2.2 Gyr ago, and the tolerance of a step."""

from __future__ import annotations

import numpy as np

from mwlmc_data.array_types import Float64Array
from mwlmc_data.simulator.halo_model import build_equilibrium, draw_halo
from mwlmc_data.simulator.orbit import Orbit, build_field
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.tables import Field

#: Error allowed per step of a star, as :func:`~mwlmc_data.simulator.equations.integrate_stars` measures it.
TOLERANCE = 2.55e-4
#: The same for the yardstick.
TOLERANCE_FLOAT64 = 1e-9


def start_stars(parameters: Parameters, n_stars: int, rng: np.random.Generator) -> tuple[Orbit, Field, Float64Array]:
    """Compute the orbit and the field, and draw the stars as they were 2.2 Gyr ago."""
    orbit, field = build_field(parameters)
    return orbit, field, draw_halo(build_equilibrium(parameters), n_stars, rng)

