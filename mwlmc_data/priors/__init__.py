"""Priors: Table 1 of Brooks et al. 2025 (arXiv:2507.10667), the flat set of its section 6.2, and our wide set.

`marginals` holds the distributions and their tables, `prior` the class that draws from them, `torch` the same prior for
sbi.
"""

from mwlmc_data.priors.marginals import (
    CONDITIONAL,
    ENCLOSED_MASS,
    GIVEN,
    MARGINALS,
    Marginal,
    Normal,
    NormalBelowFraction,
    Uniform,
)
from mwlmc_data.priors.prior import SCORE_EDGE, Prior, standard_normal_log_density

__all__ = [
    "CONDITIONAL",
    "ENCLOSED_MASS",
    "GIVEN",
    "MARGINALS",
    "SCORE_EDGE",
    "Marginal",
    "Normal",
    "NormalBelowFraction",
    "Prior",
    "Uniform",
    "standard_normal_log_density",
]
