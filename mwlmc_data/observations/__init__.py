"""Published measurements of the reflex motion and of the LMC, as data that `infer` takes.

Each states its source with the version, the stars' shell, the errors, and where its numbers were read. What could not
be read at its source is absent.
"""

from mwlmc_data.observations.footprints import fetch_footprint, in_legacy_surveys, off_sagittarius
from mwlmc_data.observations.observation import Observation
from mwlmc_data.observations.published import load_lmc, load_observation, load_observations
from mwlmc_data.observations.published_tables import StarTable, fetch_stars, load_star_tables

__all__ = [
    "Observation",
    "StarTable",
    "fetch_footprint",
    "fetch_stars",
    "in_legacy_surveys",
    "load_lmc",
    "load_observation",
    "load_observations",
    "load_star_tables",
    "off_sagittarius",
]
