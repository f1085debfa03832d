"""Three parameters from a survey of a halo: observed stars with errors, some of them without some velocities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mwlmc_data import scoring
from mwlmc_data.dataset import schema
from mwlmc_data.dataset.made import Recipe, load_made, simulate_haloes
from mwlmc_data.scoring import metrics
from mwlmc_data.scoring.observations import stack_columns
from mwlmc_data.scoring.reference_columns import NUISANCES, THETA
from mwlmc_data.scoring.references import OF_SURVEY
from mwlmc_data.scoring.report import Section
from mwlmc_data.scoring.star_surveys import (
    MAX_STARS,
    MIN_STARS,
    PATTERNS,
    SurveySets,
    choose_patterns,
    get_selection,
    observe_halo,
)
from mwlmc_data.scoring.task import Scored
from mwlmc_data.scoring.tasks.on_demand import OnDemandTask
from mwlmc_data.scoring.tasks.summary import FIXED

if TYPE_CHECKING:
    from mwlmc_data.rewinding.selection import Selection

RECIPE = Recipe("stars-survey", 1, observe_halo, simulate=simulate_haloes)


class StarsSurvey(OnDemandTask):
    """Masses and friction from 100 to 500 observed stars with errors, learnt from 10,000 simulations.

    x is a `mwlmc_data.scoring.star_surveys.SurveySets`: l, b, distance, v_los and proper motions of up to 500 stars,
    their errors, what is measured, and the LMC's position and velocity. A survey observes stars at 50 to 300 kpc (by
    observed distance) more than 20 degrees from the Galactic plane. Of a quarter of the haloes each it measures all,
    v_los alone, proper motions alone, or a random part of both; scores are also given for each of these patterns. The
    other parameters are the nuisances m_lmc_8p7 [Msun], beta0 and r_dehnen [kpc]. `selection` is what
    `mwlmc_data.infer_stars` needs for the exact posterior of ``x.to_table(i)``.
    """

    name = "stars-survey"
    form = "survey"
    budget = schema.BUDGETS[1]
    x_names = ("stars", "errors", "measured", "mask", *schema.LMC_VECTOR)
    other_names = NUISANCES
    # over the training split, four digits
    other_scale = (6.547e9, 0.2596, 1.439)

    @property
    def reference_name(self) -> str | None:
        """Name of the embedded references of this question, None for another."""
        asked = (self.theta_names, self.other_names, self.x_names)
        return OF_SURVEY if asked == (THETA, NUISANCES, StarsSurvey.x_names) else None

    @property
    def selection(self) -> Selection:
        """Which stars the survey observes, without their number."""
        return get_selection()

    def make_data(self, sim_ids: NDArray[np.integer], table: Mapping[str, NDArray]) -> SurveySets:
        """Load the surveys of haloes from the local store, or simulate and observe them."""
        made = load_made(RECIPE, sim_ids)
        lmc = stack_columns(table, schema.LMC_VECTOR)
        return SurveySets(made["stars"], made["mask"], lmc, made["errors"], made["measured"])

    def score_arrays(self, arrays: Mapping[str, NDArray]) -> Scored:
        """Score headline and sections, and the observations of each pattern of what is measured."""
        scored = super().score_arrays(arrays)
        rows = self.observations.rows(FIXED)
        samples, truth = arrays["samples"][rows].astype(np.float64), self.observations.theta[rows].astype(np.float64)
        energy = scoring.energy_score(samples, truth, self.scale)
        of_prior = metrics.prior_energy(self.prior, truth, self.scale)
        pattern = choose_patterns(self.observations.sim_id[rows])
        sections = []
        for i, name in enumerate(PATTERNS):
            at = pattern == i
            without = f"lower is better; the prior {of_prior[at].mean():.4f}"
            entries = {
                "energy_score": metrics.mean_entry(energy[at], without, 4),
                "gain_over_prior": metrics.paired_entry(of_prior[at], energy[at], "higher is better; 0: uninformative"),
                "contraction": metrics.contraction(samples[at], self.prior, self.theta_names),
                "hits_68": metrics.hits(samples[at], truth[at], self.theta_names, 0.68),
            }
            sections.append(Section(f"measured: {name}", entries))
        return Scored(scored.headline, [*scored.sections, *sections], scored.notes, scored.observations)

    def _describe_data(self) -> tuple[str, str]:
        stars = f"{MIN_STARS} to {MAX_STARS} observed stars"
        return stars, f"{stars} (m, 6), their errors (m, 5), what is measured (m, 3), and the LMC's vector (6,)"
