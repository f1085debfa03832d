"""Three parameters from all that a row of the catalogue fits to its halo: twenty-four numbers."""

from __future__ import annotations

from mwlmc_data.dataset import schema
from mwlmc_data.scoring.tasks.summary import NINE, SummaryTask

#: Motion of the halo in the fit, beside the reflex motion.
MEANS = ("mean_v_r", "mean_v_phi", "mean_v_theta")
#: Dispersions about the fit.
DISPERSIONS = ("sigma_v_los", "sigma_v_l", "sigma_v_b")
#: Outer radii of the shells beyond 50 kpc that are fitted on their own, as in the names of columns.
SHELLS = ("50_100", "50_300")
#: Travel velocities of the shells.
SHELL_VECTORS = tuple(f"v{axis}_travel_{shell}" for shell in SHELLS for axis in "xyz")
#: Numbers of stars beyond 50 kpc, and in the shells.
COUNTS = ("n_stars_fit", *(f"n_stars_fit_{shell}" for shell in SHELLS))


class Summary24(SummaryTask):
    """Masses and friction from 24 numbers: those of summary-9, and the halo's motion, dispersions, shells and counts.

    x has the nine numbers of summary-9; the mean radial, azimuthal and polar velocity of the halo and the three
    dispersions about the fit [km/s]; the travel velocities of the stars within 100 and within 300 kpc [km/s]; and the
    numbers of stars in the three fits. Left out is what a row says twice (vx_travel to vz_travel are the reflex
    motion), and the covariances and errors, which say how well the others are known. There are no validation cases: the
    paper quotes only their reflex motion. This version has no reference posteriors for the task.
    """

    name = "summary-24"
    x_names = (*NINE, *MEANS, *DISPERSIONS, *SHELL_VECTORS, *COUNTS)


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
