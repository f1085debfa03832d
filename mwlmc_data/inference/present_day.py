"""The LMC's present day as it was observed, with its errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.simulator.frames import sky_to_galactocentric
from mwlmc_data.simulator.limits import SKY_NAMES, rounded_limits


@dataclass(frozen=True, eq=False, repr=False)
class PresentDay(Displayed):
    """The LMC's position and velocity, exact or with independent Gaussian errors on the sky.

    Attributes
    ----------
    vector : ndarray, shape (6,)
        Galactocentric position and velocity [kpc, km/s]: x_lmc ... vz_lmc.
    sky : ndarray, shape (6,), or None
        The same on the sky: ra_lmc ... pm_dec_lmc; None if it is exact.
    errors : ndarray, shape (6,), or None
        Standard errors of `sky`; 0 is exact.
    """

    vector: Float64Array
    sky: Float64Array | None = None
    errors: Float64Array | None = None

    @property
    def is_exact(self) -> bool:
        """Whether there are no errors."""
        return self.errors is None

    def move(self, scores: Float64Array) -> Float64Array:
        """Map normal scores (n, 6) to vectors (n, 6) [kpc, km/s]: a flat prior times the errors, within the limits."""
        if self.sky is None or self.errors is None:
            return np.broadcast_to(self.vector, (len(scores), 6))
        sky = np.broadcast_to(self.sky, (len(scores), 6)).copy()
        for k, name in enumerate(SKY_NAMES):
            if self.errors[k] == 0.0:
                continue
            low, high = (ndtr((limit - self.sky[k]) / self.errors[k]) for limit in rounded_limits(name))
            sky[:, k] += self.errors[k] * ndtri(low + (high - low) * ndtr(scores[:, k]))
        return sky_to_galactocentric(*sky.T)

    def draw(self, n: int, rng: np.random.Generator) -> Float64Array:
        """Draw vectors (n, 6) [kpc, km/s]."""
        return self.move(rng.normal(size=(n, 6)))
