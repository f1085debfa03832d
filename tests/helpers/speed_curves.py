"""Curves of error against time whose numbers are known, in place of measured ones."""

import numpy as np

from benchmarks.studies.speed import curve
from benchmarks.studies.speed.ours import RELEASED_TOLERANCE


def synthetic_curve(name, factor, family="agama", **changes):
    """A code of order 8: ten times the error in 10^(-1/8) of the time; `factor` times slower than the first."""
    errors = np.geomspace(1e-1, 1e-6, 6)
    tolerances = [1e-1, 1e-2, 1e-3, RELEASED_TOLERANCE, 1e-4, 1e-5]
    seconds = (factor * (errors / 1e-3) ** (-1 / 8)).tolist()
    values = {"family": family, "what": "made for a test", "whole": True, "n_stars": 100, "tolerances": tolerances}
    values |= {"seconds": seconds, "min_seconds": seconds, "max_seconds": seconds, "median": errors.tolist()}
    values |= {"p99": (30 * errors).tolist(), "force_median": 1e-5, "force_max": 1e-4}
    return curve.Curve(name=name, **(values | changes))
