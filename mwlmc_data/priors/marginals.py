"""The marginals of the priors, and the one conditional distribution: Table 1 of Brooks et al. 2025.

Choices that the paper leaves open: the Gaussians of the masses are truncated to the ranges of the flat set, and the
LMC's mass within 8.7 kpc, given its total mass, is drawn from N(1.7, 0.7) x 1e10 Msun truncated to (0.3e10, 0.8 m_lmc).
Drawing it last leaves Table 1's marginal of m_lmc unchanged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from mwlmc_data.arguments.arrays import as_floats


@dataclass(frozen=True)
class Uniform:
    """Uniform distribution between `low` and `high`."""

    low: float
    high: float

    @property
    def mean(self) -> float:
        """Mean of the distribution."""
        return 0.5 * (self.low + self.high)

    @property
    def std(self) -> float:
        """Standard deviation of the distribution."""
        return (self.high - self.low) / math.sqrt(12.0)

    def quantile(self, u: ArrayLike) -> np.ndarray:
        """Values at the probabilities `u`."""
        return self.low + _take_probabilities(u) * (self.high - self.low)

    def cdf(self, x: ArrayLike) -> np.ndarray:
        """Probabilities below `x`, the inverse of `quantile`."""
        return np.clip((_take_values(x) - self.low) / (self.high - self.low), 0.0, 1.0)

    def log_pdf(self, x: ArrayLike) -> np.ndarray:
        """Logarithm of the density at `x`; -inf outside."""
        x = _take_values(x)
        inside = (x >= self.low) & (x <= self.high)
        return np.where(inside, -math.log(self.high - self.low), -np.inf)


@dataclass(frozen=True)
class Normal:
    """Gaussian with centre `loc` and width `scale`, truncated to [`low`, `high`] and normalised."""

    loc: float
    scale: float
    low: float = -math.inf
    high: float = math.inf

    @property
    def mean(self) -> float:
        """Mean of the truncated distribution."""
        return self.loc + self.scale * self._compute_moments()[0]

    @property
    def std(self) -> float:
        """Standard deviation of the truncated distribution."""
        first, second = self._compute_moments()
        return self.scale * math.sqrt(second - first**2)

    def _compute_moments(self) -> tuple[float, float]:
        """Mean and mean square, standardised (Johnson, Kotz & Balakrishnan 1994, section 10.1)."""
        a, b = (self.low - self.loc) / self.scale, (self.high - self.loc) / self.scale
        density_a, density_b = (math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) for z in (a, b))
        mass = float(ndtr(b) - ndtr(a))
        edge = (a * density_a if math.isfinite(a) else 0.0) - (b * density_b if math.isfinite(b) else 0.0)
        return (density_a - density_b) / mass, 1.0 + edge / mass

    def quantile(self, u: ArrayLike) -> np.ndarray:
        """Values at the probabilities `u`."""
        return _compute_quantile(_take_probabilities(u), self.loc, self.scale, self.low, self.high)

    def cdf(self, x: ArrayLike) -> np.ndarray:
        """Probabilities below `x`, the inverse of `quantile`."""
        below, above = (ndtr((edge - self.loc) / self.scale) for edge in (self.low, self.high))
        return np.clip((ndtr((_take_values(x) - self.loc) / self.scale) - below) / (above - below), 0.0, 1.0)

    def log_pdf(self, x: ArrayLike) -> np.ndarray:
        """Logarithm of the density at `x`; -inf outside."""
        return _compute_log_pdf(_take_values(x), self.loc, self.scale, self.low, self.high)


@dataclass(frozen=True)
class NormalBelowFraction:
    """Gaussian truncated to `low` and to `fraction` times another parameter.

    Its quantile and density also take that parameter, `given`.
    """

    loc: float
    scale: float
    low: float
    fraction: float

    def quantile(self, u: ArrayLike, given: ArrayLike) -> np.ndarray:
        """Values at the probabilities `u`."""
        return _compute_quantile(
            _take_probabilities(u), self.loc, self.scale, self.low, self.fraction * _take_values(given, "given")
        )

    def cdf(self, x: ArrayLike, given: ArrayLike) -> np.ndarray:
        """Probabilities below `x`, the inverse of `quantile`."""
        high = self.fraction * _take_values(given, "given")
        below, above = (ndtr((edge - self.loc) / self.scale) for edge in (self.low, high))
        return np.clip((ndtr((_take_values(x) - self.loc) / self.scale) - below) / (above - below), 0.0, 1.0)

    def log_pdf(self, x: ArrayLike, given: ArrayLike) -> np.ndarray:
        """Logarithm of the density at `x`; -inf outside."""
        # Where `given` is impossible its own density is zero, but the range here must stay positive.
        high = np.maximum(self.fraction * _take_values(given, "given"), self.low + 1e-6 * self.scale)
        return _compute_log_pdf(_take_values(x), self.loc, self.scale, self.low, high)


def _take_probabilities(u: ArrayLike) -> np.ndarray:
    return as_floats("u", u, minimum=0.0, maximum=1.0)


def _take_values(x: ArrayLike, name: str = "x") -> np.ndarray:
    return as_floats(name, x, allow_infinite=True)


def _compute_quantile(
    u: np.ndarray, loc: float, scale: float, low: float, high: float | np.ndarray
) -> np.ndarray:
    below, above = ndtr((low - loc) / scale), ndtr((high - loc) / scale)
    # beyond eight widths a probability is rounded to 1
    return np.clip(loc + scale * ndtri(below + u * (above - below)), low, high)


def _compute_log_pdf(
    x: np.ndarray, loc: float, scale: float, low: float, high: float | np.ndarray
) -> np.ndarray:
    z = (x - loc) / scale
    mass = ndtr((high - loc) / scale) - ndtr((low - loc) / scale)
    log_pdf = -0.5 * z * z - math.log(scale * math.sqrt(2.0 * math.pi)) - np.log(mass)
    return np.where((x >= low) & (x <= high), log_pdf, -np.inf)


Marginal = Uniform | Normal

#: Distribution of m_lmc_8p7 [Msun] given m_lmc.
ENCLOSED_MASS = NormalBelowFraction(1.7e10, 0.7e10, low=0.3e10, fraction=0.8)

_MASSES: dict[str, Marginal] = {
    "m200_mw": Normal(15e11, 5e11, low=1e11, high=100e11),
    "m_lmc": Normal(15e10, 10e10, low=2.5e10, high=100e10),
}
_FLAT_MASSES: dict[str, Marginal] = {"m200_mw": Uniform(1e11, 100e11), "m_lmc": Uniform(2.5e10, 100e10)}

_FRICTION: dict[str, Marginal] = {"log10_lambda_df": Uniform(-3.0, 1.0)}

_OBSERVED_LMC: dict[str, Marginal] = {
    "ra_lmc": Uniform(60.0, 90.0),
    "dec_lmc": Uniform(-80.0, -50.0),
    "distance_lmc": Normal(49.6, 5.0),
    "v_los_lmc": Normal(262.2, 10.0),
    "pm_ra_lmc": Normal(1.9, 0.25),
    "pm_dec_lmc": Normal(0.33, 0.25),
}
# Holds every validation case: RA 14 to 103, dec -72 to -57, 36 to 51 kpc, 88 to 342 km/s, proper motion 1.5 to 2.4 and
# -2.3 to 0.9 mas/yr.
_ANY_LMC: dict[str, Marginal] = {
    "ra_lmc": Uniform(0.0, 120.0),
    "dec_lmc": Uniform(-80.0, -50.0),
    "distance_lmc": Uniform(30.0, 60.0),
    "v_los_lmc": Uniform(50.0, 380.0),
    "pm_ra_lmc": Uniform(1.0, 3.0),
    "pm_dec_lmc": Uniform(-2.75, 1.25),
}

_HALO: dict[str, Marginal] = {"beta0": Uniform(0.0, 0.9), "r_dehnen": Uniform(10.0, 15.0)}

#: Marginal of each parameter that depends on no other, by configuration, in the units of the columns.
MARGINALS: dict[str, dict[str, Marginal]] = {
    "gaussian": {**_MASSES, **_FRICTION, **_OBSERVED_LMC, **_HALO},
    "flat": {**_FLAT_MASSES, **_FRICTION, **_OBSERVED_LMC, **_HALO},
    "wide": {**_MASSES, **_FRICTION, **_ANY_LMC, **_HALO},
}

CONDITIONAL = "m_lmc_8p7"
GIVEN = "m_lmc"
