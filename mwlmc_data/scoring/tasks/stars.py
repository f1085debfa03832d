"""Three parameters from the stars themselves, at fixed numbers of training simulations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.dataset import schema
from mwlmc_data.dataset.made import Recipe, load_made
from mwlmc_data.scoring.observations import stack_columns
from mwlmc_data.scoring.reference_columns import NUISANCES, THETA
from mwlmc_data.scoring.references import OF_STARS
from mwlmc_data.scoring.star_sets import StarSets, pad_stars
from mwlmc_data.scoring.tasks.on_demand import OnDemandTask

#: Stars of a halo that a task gives at most.
N_STARS = 1024
RECIPE = Recipe(f"stars-{N_STARS}", 1, pad_stars, {"n_max": N_STARS})


class StarsTask(OnDemandTask):
    """Masses and friction from up to 1,024 stars beyond 50 kpc, and the LMC's position and velocity.

    x is a `mwlmc_data.scoring.star_sets.StarSets`: stars (n, 1024, 6) [kpc, km/s], mask (n, 1024) and lmc (n, 6). The
    stars of a halo are the first of those beyond 50 kpc, in the order of the simulation, which is random. Every halo of
    the set has more than 1,024 there, so that their number says nothing. The other parameters are the nuisances
    m_lmc_8p7 [Msun], beta0 and r_dehnen [kpc]. The exact likelihood of the stars is known (`mwlmc_data.rewinding`), and
    with it the posterior: ``python -m benchmarks star-references`` makes reference posteriors of all six parameters,
    which this version has of 100 observations.
    """

    form = "sets"
    x_names = ("stars", "mask", *schema.LMC_VECTOR)
    other_names = NUISANCES
    # over the training split, four digits
    other_scale = (6.547e9, 0.2596, 1.439)

    @property
    def reference_name(self) -> str | None:
        """Name of the embedded references of this question, None for another."""
        asked = (self.theta_names, self.other_names, self.x_names)
        return OF_STARS if asked == (THETA, NUISANCES, StarsTask.x_names) else None

    def _describe_data(self) -> tuple[str, str]:
        return f"{N_STARS:,} stars", f"stars ({N_STARS:,}, 6) [kpc, km/s], their mask, and the LMC's vector (6,)"

    def make_data(self, sim_ids: NDArray[np.integer], table: Mapping[str, NDArray]) -> StarSets:
        """Load the stars of haloes from the local store, or simulate them."""
        made = load_made(RECIPE, sim_ids)
        return StarSets(made["stars"], made["mask"], stack_columns(table, schema.LMC_VECTOR))


class StarsBudget1000(StarsTask):
    """Masses and friction from the first 1,024 stars beyond 50 kpc, learnt from 1,000 simulations."""

    name = "stars-budget-1000"
    budget = schema.BUDGETS[0]


class StarsBudget10000(StarsTask):
    """Masses and friction from the first 1,024 stars beyond 50 kpc, learnt from 10,000 simulations."""

    name = "stars-budget-10000"
    budget = schema.BUDGETS[1]


class StarsBudget100000(StarsTask):
    """Masses and friction from the first 1,024 stars beyond 50 kpc, learnt from 100,000 simulations."""

    name = "stars-budget-100000"
    budget = schema.BUDGETS[2]
