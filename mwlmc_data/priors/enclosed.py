"""The prior of the masses within 50 kpc and of the anisotropy, which follows from that of the drawn parameters.

The three are independent: m_mw_50 follows from m200_mw alone, m_lmc_50 from m_lmc and m_lmc_8p7. Published measurements
quote them (Brooks et al. 2026, arXiv:2603.08788).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from mwlmc_data.arguments.arrays import as_choice, as_floats
from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.priors.marginals import ENCLOSED_MASS, MARGINALS, Marginal
from mwlmc_data.priors.prior import SCORE_EDGE, Prior
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.masses import compute_masses, enclosed_masses
from mwlmc_data.simulator.potentials import concentration

if TYPE_CHECKING:
    import pandas as pd

#: The masses within 50 kpc of each galaxy's centre [Msun], and the anisotropy.
WITHIN_50 = ("m_mw_50", "m_lmc_50", "beta0")
#: Drawn parameters that these follow from.
DRAWN_FOR_WITHIN_50 = ("m200_mw", "m_lmc", "m_lmc_8p7", "beta0")
#: Normal scores at which a marginal is known, and nodes of the average over the LMC's total mass.
_SCORES = np.linspace(-1.0, 1.0, 417) * -ndtri(SCORE_EDGE)
_N_NODES = 512
#: Masses of the LMC within 50 kpc at which its distribution function is computed.
_N_MASSES = 2000


@dataclass(frozen=True, eq=False, repr=False)
class Tabulated(Displayed):
    """A distribution known by its values at equally spaced normal scores, between which the scores are linear.

    Attributes
    ----------
    values : ndarray, shape (q,)
        Increasing values at the scores from -5.2 to 5.2, beyond which there is no probability.
    """

    values: Float64Array

    @property
    def low(self) -> float:
        """Smallest value."""
        return float(self.values[0])

    @property
    def high(self) -> float:
        """Largest value."""
        return float(self.values[-1])

    def quantile(self, u: ArrayLike) -> Float64Array:
        """Values at the probabilities `u`."""
        return np.interp(ndtri(as_floats("u", u, minimum=0.0, maximum=1.0)), _SCORES, self.values)

    def cdf(self, x: ArrayLike) -> Float64Array:
        """Probabilities below `x`, the inverse of `quantile`."""
        x = as_floats("x", x, allow_infinite=True)
        below = ndtr(np.interp(x, self.values, _SCORES))
        return np.where(x <= self.low, 0.0, np.where(x >= self.high, 1.0, below))

    def log_pdf(self, x: ArrayLike) -> Float64Array:
        """Logarithm of the density at `x`; -inf outside."""
        x = as_floats("x", x, allow_infinite=True)
        place = np.clip(np.searchsorted(self.values, x, side="right") - 1, 0, len(self.values) - 2)
        slope = np.diff(_SCORES) / np.diff(self.values)
        score = np.interp(x, self.values, _SCORES)
        density = -0.5 * (score**2 + np.log(2.0 * np.pi)) + np.log(slope)[place]
        return np.where((x >= self.low) & (x <= self.high), density, -np.inf)


class EnclosedPrior(Prior):
    """Prior of the masses within 50 kpc and of the anisotropy, as one set of simulations has it.

    Parameters
    ----------
    config : str
        "gaussian", "flat" or "wide".

    Attributes
    ----------
    config : str
        As given.
    parameters : tuple of str
        m_mw_50, m_lmc_50 [Msun], beta0.
    """

    def __init__(self, config: str) -> None:
        self.config = as_choice("config", config, tuple(MARGINALS))
        self.parameters = WITHIN_50

    @property
    def marginals(self) -> dict[str, Marginal | Tabulated]:  # type: ignore[override]
        """Marginals by name."""
        return dict(_compute_marginals(self.config))

    @property
    def support(self) -> dict[str, tuple[float, float]]:
        """Smallest and largest value of each parameter; of the masses, all but 1e-7 on either side."""
        return {name: (marginal.low, marginal.high) for name, marginal in self.marginals.items()}

    def sample(self, n: int, seed: int = 0, start: int = 0) -> pd.DataFrame:
        """Draw parameters: those of `Prior(config).sample` with the same arguments.

        Parameters
        ----------
        n, seed, start
            As for `Prior.sample`.

        Returns
        -------
        pandas.DataFrame
            `n` rows, one float32 column per parameter.

        Raises
        ------
        ValueError
            As for `Prior.sample`.
        """
        drawn = Prior(self.config, DRAWN_FOR_WITHIN_50).sample(n, seed, start)
        masses = enclosed_masses(drawn).astype(np.float32)
        return masses.assign(beta0=drawn["beta0"])[list(self.parameters)]

    def from_uniforms(self, uniforms: NDArray) -> dict[str, NDArray]:
        """Refuse, as the masses do not follow from one uniform number each.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError("uniforms = numbers for drawn parameters: allowed is a Prior of drawn parameters")

    def to_torch(self, *arguments: Any, **options: Any) -> Any:
        """Refuse, as the masses have no density in closed form.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(f"{type(self).__name__}.to_torch: allowed is that of a Prior of drawn parameters")


@functools.cache
def _compute_marginals(config: str) -> dict[str, Marginal | Tabulated]:
    """Marginals of `WITHIN_50`."""
    of_drawn = MARGINALS[config]
    milky_way = np.array([_mass_of_milky_way(float(m)) for m in of_drawn["m200_mw"].quantile(ndtr(_SCORES))])
    found: dict[str, Marginal | Tabulated]
    found = {"m_mw_50": Tabulated(milky_way), "m_lmc_50": Tabulated(_compute_lmc(of_drawn["m_lmc"])),
             "beta0": of_drawn["beta0"]}  # fmt: skip
    return {name: found[name] for name in WITHIN_50}


def _mass_of_milky_way(m200: float) -> float:
    return float(compute_masses(const.ENCLOSED_RADIUS, m200, concentration(m200), 0.0, 1.0)["m_mw_50"])


def _compute_lmc(total: Marginal) -> Float64Array:
    """The LMC's mass within 50 kpc at `_SCORES`: P(m < y) is an average over its total mass.

    At a given total mass m the mass within 50 kpc, m r^2 / (r + a)^2, grows with that within 8.7 kpc, whose
    distribution is known.
    """
    u, weight = np.polynomial.legendre.leggauss(_N_NODES)
    m_lmc = total.quantile(0.5 * (u + 1.0))
    r, inner = const.ENCLOSED_RADIUS, const.LMC_ENCLOSED_RADIUS
    masses = np.geomspace(ENCLOSED_MASS.low, total.quantile(1.0 - SCORE_EDGE), _N_MASSES)
    scale = r * (np.sqrt(m_lmc / np.minimum(masses[:, None], m_lmc)) - 1.0)
    within = m_lmc * (inner / (inner + scale)) ** 2
    below = np.where(masses[:, None] < m_lmc, ENCLOSED_MASS.cdf(within, m_lmc), 1.0) @ weight / 2.0
    inside = (below > SCORE_EDGE / 10.0) & (below < 1.0 - SCORE_EDGE / 10.0)
    return np.interp(_SCORES, ndtri(below[inside]), masses[inside])
