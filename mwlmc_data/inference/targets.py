"""What a posterior of a measured motion is about: total masses and friction, or masses within 50 kpc and anisotropy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from mwlmc_data.priors import Prior
from mwlmc_data.priors.enclosed import WITHIN_50, EnclosedPrior

Targets = Literal["total", "within-50"]
#: The total masses and the friction, and the masses within 50 kpc with the anisotropy.
TOTAL, ENCLOSED = "total", "within-50"
#: Parameters of each.
TARGETS: dict[str, tuple[str, ...]] = {TOTAL: ("m_lmc", "m200_mw", "log10_lambda_df"), ENCLOSED: WITHIN_50}


def make_prior(config: str, names: Sequence[str]) -> Prior:
    """Prior of drawn parameters, or of the masses within 50 kpc and the anisotropy, in one set of simulations."""
    return EnclosedPrior(config) if tuple(names) == WITHIN_50 else Prior(config, names)
