"""Three parameters from all that a row of the catalogue fits to its halo: twenty-four numbers."""

from __future__ import annotations

from mwlmc_data.dataset import schema
from mwlmc_data.scoring.reference_columns import DATA_OF_24, THETA
from mwlmc_data.scoring.references import OF_24
from mwlmc_data.scoring.tasks.summary import NINE, SummaryTask

#: Data of the task: the nine numbers, and the others that references given 24 are conditioned on.
TWENTY_FOUR = (*NINE, *DATA_OF_24[len(schema.REFLEX) :])


class Summary24(SummaryTask):
    """Masses and friction from 24 numbers: those of summary-9, and the halo's motion, dispersions, shells and counts.

    x has the nine numbers of summary-9; the mean radial, azimuthal and polar velocity of the halo and the three
    dispersions about the fit [km/s]; the travel velocities of the stars within 100 and within 300 kpc [km/s]; and the
    numbers of stars in the three fits. Left out is what a row says twice (vx_travel to vz_travel are the reflex
    motion), and the covariances and errors, which say how well the others are known. There are no validation cases: the
    paper quotes only their reflex motion. ``python -m benchmarks references --task summary-24`` makes reference
    posteriors; this version has none.
    """

    name = "summary-24"
    x_names = TWENTY_FOUR

    @property
    def reference_name(self) -> str | None:
        """Name of the embedded references of this question, None for another."""
        return OF_24 if (self.theta_names, self.x_names) == (THETA, TWENTY_FOUR) else None


class Summary24Budget1000(Summary24):
    """As summary-24, learnt from the first 1,000 training simulations."""

    name = "summary-24-budget-1000"
    budget = schema.BUDGETS[0]


class Summary24Budget10000(Summary24):
    """As summary-24, learnt from the first 10,000 training simulations."""

    name = "summary-24-budget-10000"
    budget = schema.BUDGETS[1]


class Summary24Budget100000(Summary24):
    """As summary-24, learnt from the first 100,000 training simulations."""

    name = "summary-24-budget-100000"
    budget = schema.BUDGETS[2]
