"""Immediate posteriors from embedded networks, and the encoding of data and parameters for networks."""

from mwlmc_data.inference.posterior import Posterior, infer

__all__ = ["Posterior", "infer"]
