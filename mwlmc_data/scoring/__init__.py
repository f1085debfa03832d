"""Scores of a posterior: arrays in, numbers out.

NumPy and SciPy only, so no release of a framework can break a score. Everywhere ``samples`` is (n, m, d): n
observations, m posterior draws each, d parameters; ``truth`` is (n, d).

==================  ==========================================================================================
asked               function
==================  ==========================================================================================
is it sharp?        `negative_log_posterior`, `contraction`
is it calibrated?   `rank_calibration`, `ecdf_band`, `interval_coverage`, `tarp`, `tarp_band`
one observation     `summarise_posterior`, `predictive_tail`
angles              `wrap_degrees`, `circular_mean`, `circular_percentiles`
==================  ==========================================================================================
"""

from mwlmc_data.scoring.calibration import (
    RankCalibration,
    contraction,
    ecdf_band,
    interval_coverage,
    rank_calibration,
    rank_fractions,
)
from mwlmc_data.scoring.circular import circular_mean, circular_percentiles, wrap_degrees
from mwlmc_data.scoring.likelihood import LogScore, negative_log_posterior
from mwlmc_data.scoring.single import PosteriorSummary, predictive_tail, summarise_posterior
from mwlmc_data.scoring.tarp import Tarp, draw_references, tarp, tarp_band

__all__ = [
    "LogScore",
    "PosteriorSummary",
    "RankCalibration",
    "Tarp",
    "circular_mean",
    "circular_percentiles",
    "contraction",
    "draw_references",
    "ecdf_band",
    "interval_coverage",
    "negative_log_posterior",
    "predictive_tail",
    "rank_calibration",
    "rank_fractions",
    "summarise_posterior",
    "tarp",
    "tarp_band",
    "wrap_degrees",
]
