"""Posteriors at once, by a network that the package embeds; how data and parameters are encoded for networks."""

from mwlmc_data.inference.posterior import Posterior, infer

__all__ = ["Posterior", "infer"]
