"""Moments of the velocities of observed stars: mean motions and dispersions, which simulated surveys are compared by.

They are the nine parameters of the fit of :func:`~mwlmc_data.fit_reflex_observed`. Distance errors bias that fit; a
simulated survey of the same stars has the same bias, so that moments are compared with moments and no bias is left.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed, fixed
from mwlmc_data.rewinding.observed import COLUMNS, ObservedStars
from mwlmc_data.simulator.reflex import REFLEX_NAMES
from mwlmc_data.simulator.reflex_observed import fit_reflex_observed


@dataclass(frozen=True, eq=False, repr=False)
class Moments(Displayed):
    """Moments of the velocities of observed stars.

    Attributes
    ----------
    values : ndarray, shape (9,)
        vx_travel, vy_travel, vz_travel, mean_v_r, mean_v_phi, mean_v_theta, sigma_v_los, sigma_v_l, sigma_v_b [km/s];
        NaN for those that the stars do not determine.
    n_stars : int
        Number of stars.
    """

    values: Float64Array
    n_stars: int

    @property
    def names(self) -> tuple[str, ...]:
        """Those that the stars determine."""
        return tuple(name for name, value in zip(REFLEX_NAMES, self.values, strict=True) if np.isfinite(value))

    def _summary(self) -> str:
        pairs = zip(REFLEX_NAMES, self.values, strict=True)
        return f"{self.n_stars:,} stars; " + ", ".join(f"{n} {fixed(v, 1)}" for n, v in pairs if np.isfinite(v))


def measure_moments(stars: ObservedStars) -> Moments:
    """Measure the moments of observed stars.

    Parameters
    ----------
    stars : ObservedStars
        20 or more.

    Returns
    -------
    Moments

    Raises
    ------
    ValueError
        If there are too few stars, or they do not determine the travel velocity.
    """
    errors = {
        "distance": stars.e_distance * stars.distance,
        "v_los": stars.e_v_los,
        "pm_l": stars.e_pm_l,
        "pm_b": stars.e_pm_b,
        "corr": stars.corr,
    }
    given = {name: getattr(stars, name) for name in COLUMNS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the bias, which mocks have too
        fit = fit_reflex_observed(**given, errors=errors, r_min=0.0)
    return Moments(np.asarray(fit.values, float), len(stars))
