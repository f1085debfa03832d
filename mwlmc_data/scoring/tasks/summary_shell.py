"""Three parameters from the LMC and the reflex motion of the stars in a shell: what a survey of that depth measures."""

from __future__ import annotations

from mwlmc_data.dataset import schema
from mwlmc_data.scoring.reference_columns import DATA_OF_50_100, THETA
from mwlmc_data.scoring.references import OF_50_100
from mwlmc_data.scoring.tasks.summary import SummaryTask


class Summary9At50To100(SummaryTask):
    """Masses and friction from nine numbers, the reflex motion being that of the stars at 50 to 100 kpc.

    x has the LMC's Galactocentric position [kpc] and velocity [km/s], and the travel velocity of the stars at 50 to 100
    kpc as a vector [km/s], for which the catalogue has no speed and apex. The observations are the rows of summary-9,
    whose scores show what the stars beyond 100 kpc add. Of the validation cases, gc19-fiducial is one of this shell.
    """

    name = "summary-9-50-100"
    x_names = (*schema.LMC_VECTOR, *DATA_OF_50_100)

    @property
    def reference_name(self) -> str | None:
        """Name of the embedded references of this question, None for another."""
        return OF_50_100 if (self.theta_names, self.x_names) == (THETA, Summary9At50To100.x_names) else None
