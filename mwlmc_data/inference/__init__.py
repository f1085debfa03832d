"""Posteriors: from embedded networks, and from the exact likelihood of stars."""

from mwlmc_data.inference.moments import MomentsPosterior
from mwlmc_data.inference.posterior import Posterior
from mwlmc_data.inference.reflex_inference import infer
from mwlmc_data.inference.reflex_posterior import ReflexPosterior
from mwlmc_data.inference.star_posterior import StarPosterior
from mwlmc_data.inference.stars import infer_stars

__all__ = ["MomentsPosterior", "Posterior", "ReflexPosterior", "StarPosterior", "infer", "infer_stars"]
