"""Three parameters from the velocities of the stars in cells of distance and sky."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float32Array
from mwlmc_data.dataset import schema
from mwlmc_data.dataset.made import Recipe, load_made
from mwlmc_data.scoring.observations import stack_columns
from mwlmc_data.scoring.tasks.on_demand import OnDemandTask
from mwlmc_data.scoring.velocity_bins import SETTINGS, reduce_stars


class VelocityBins(OnDemandTask):
    """Masses and friction from means and dispersions of the stars' velocities in 28 cells of distance and sky.

    x has the LMC's Galactocentric position [kpc] and velocity [km/s], and for each cell the number of its stars, the
    means of their velocities along the line of sight, Galactic l and b with the Sun's motion taken off, and their
    dispersions [km/s] (`mwlmc_data.scoring.velocity_bins`): four shells from 50 to 160 kpc, each for the whole sky, two
    hemispheres and four quadrants. These are the observables of Brooks et al. (arXiv:2510.04735, arXiv:2603.08788), for
    all the stars of a halo and without errors. The other parameters are what they report: the masses within 50 kpc,
    m_mw_50 and m_lmc_50 [Msun], and beta0. This version has no reference posteriors for the task.

    Attributes
    ----------
    setting : str
        Name of the cells and directions, of `mwlmc_data.scoring.velocity_bins.SETTINGS`; a subclass with another one
        names its `x_names` too.
    """

    name = "velocity-bins"
    setting: ClassVar[str] = "sun"
    x_names = (*schema.LMC_VECTOR, *SETTINGS["sun"].names)
    other_names = ("m_mw_50", "m_lmc_50", "beta0")
    # over the training split, four digits
    other_scale = (8.583e10, 3.111e10, 0.2596)

    def make_data(self, sim_ids: NDArray[np.integer], table: Mapping[str, NDArray]) -> Float32Array:
        """Load the numbers of haloes from the local store, or simulate the haloes."""
        cells = SETTINGS[self.setting]
        recipe = Recipe(f"velocity-bins-{self.setting}", 1, reduce_stars, cells.to_options())
        return np.concatenate([stack_columns(table, schema.LMC_VECTOR), load_made(recipe, sim_ids)["bins"]], axis=1)

    def _describe_data(self) -> tuple[str, str]:
        cells = SETTINGS[self.setting]
        line = f"the LMC's vector, and {', '.join(cells.quantities)} [km/s] in {len(cells.cells)} cells"
        return f"{len(self.x_names)} data", line


class VelocityBinsBudget1000(VelocityBins):
    """As velocity-bins, learnt from the first 1,000 training simulations."""

    name = "velocity-bins-budget-1000"
    budget = schema.BUDGETS[0]


class VelocityBinsBudget10000(VelocityBins):
    """As velocity-bins, learnt from the first 10,000 training simulations."""

    name = "velocity-bins-budget-10000"
    budget = schema.BUDGETS[1]
