"""Scores of a posterior: arrays in, numbers out.

NumPy and SciPy only, so no release of a framework can break a score. Everywhere ``samples`` is (n, m, d): n
observations, m posterior draws each, d parameters; ``truth`` is (n, d); ``reference`` (n, k, d) are draws of the
exact posterior, where it is known. Areas are positive for a conservative posterior, negative for an overconfident one.

========================  =======================================================================================
question                  function
========================  =======================================================================================
is it good?               `energy_score`, `negative_log_posterior`, and the gap: `paired_difference`
is it sharp?              `contraction`
is it calibrated?         `rank_calibration`, `ecdf_band`, `interval_coverage`, `highest_density_coverage`,
                          `region_coverage`, `tarp`, `tarp_band`, `coverage_band`
is it the reference?      `energy_distance`, `mmd`, `mean_error`, `variance_ratio`; C2ST: ``benchmarks.common.c2st``
does it know its limits?  `z_of_truth`, `hits`, `log_volume`, `detection_auroc`
one observation           `summarise_posterior`, `predictive_tail`
angles                    `wrap_degrees`, `circular_mean`, `circular_percentiles`
========================  =======================================================================================

What each score is blind to is tested in ``tests/scoring/test_metrics_on_defects.py``.
"""

from mwlmc_data.arguments.angles import wrap_degrees
from mwlmc_data.scoring.calibration import (
    RankCalibration,
    contraction,
    ecdf_band,
    interval_coverage,
    rank_calibration,
    rank_fractions,
)
from mwlmc_data.scoring.circular import circular_mean, circular_percentiles
from mwlmc_data.scoring.coverage import Coverage, binomial_interval, coverage_band
from mwlmc_data.scoring.distance import mean_error, mmd, variance_ratio
from mwlmc_data.scoring.energy import Difference, energy_distance, energy_score, paired_difference
from mwlmc_data.scoring.log_score import LogScore, negative_log_posterior
from mwlmc_data.scoring.region import highest_density_coverage, region_coverage
from mwlmc_data.scoring.shift import Auroc, Hits, detection_auroc, hits, log_volume, z_of_truth
from mwlmc_data.scoring.single import PosteriorSummary, predictive_tail, summarise_posterior
from mwlmc_data.scoring.tarp import Tarp, draw_references, tarp, tarp_band

__all__ = [
    "Auroc",
    "Coverage",
    "Difference",
    "Hits",
    "LogScore",
    "PosteriorSummary",
    "RankCalibration",
    "Tarp",
    "binomial_interval",
    "circular_mean",
    "circular_percentiles",
    "contraction",
    "coverage_band",
    "detection_auroc",
    "draw_references",
    "ecdf_band",
    "energy_distance",
    "energy_score",
    "highest_density_coverage",
    "hits",
    "interval_coverage",
    "log_volume",
    "mean_error",
    "mmd",
    "negative_log_posterior",
    "paired_difference",
    "predictive_tail",
    "rank_calibration",
    "rank_fractions",
    "region_coverage",
    "summarise_posterior",
    "tarp",
    "tarp_band",
    "variance_ratio",
    "wrap_degrees",
    "z_of_truth",
]
