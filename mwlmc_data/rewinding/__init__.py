"""The exact likelihood of stars: each is rewound to 2.2 Gyr ago, where the halo's density is known."""

from mwlmc_data.rewinding.likelihood import MAX_BETA0, log_density, log_likelihood
from mwlmc_data.rewinding.rewind import rewind
from mwlmc_data.rewinding.selection import Selection

__all__ = ["MAX_BETA0", "Selection", "log_density", "log_likelihood", "rewind"]
