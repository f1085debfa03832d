"""Posteriors: from embedded networks, and from the exact likelihood of stars."""

from mwlmc_data.inference.posterior import Posterior
from mwlmc_data.inference.reflex_posterior import ReflexPosterior, infer
from mwlmc_data.inference.stars import StarPosterior, infer_stars

__all__ = ["Posterior", "ReflexPosterior", "StarPosterior", "infer", "infer_stars"]
