"""Halos as surveys see them: mock tables of observed stars, and the moments of their velocities."""

from mwlmc_data.surveys.mock import mock_survey
from mwlmc_data.surveys.moments import Moments, measure_moments

__all__ = ["Moments", "measure_moments", "mock_survey"]
