"""From a table of simulations to the arrays that an estimator sees, and back.

The parameters are scaled to numbers of order ten: m_lmc in 1e10 Msun, m200_mw in 1e11 Msun, log10_lambda_df
in dex. Every density in this package is per unit of those. The apex enters as a unit vector, because its
longitude is circular and the network has to see something continuous.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, logit

from mwlmc_data.priors import Prior
from mwlmc_data.simulator.frames import sky_basis

if TYPE_CHECKING:
    import pandas as pd

THETA = ("m_lmc", "m200_mw", "log10_lambda_df")
SCALE = np.array([1e10, 1e11, 1.0])
UNITS = ("10¹⁰ M☉", "10¹¹ M☉", "dex")
LABELS = ("M_LMC", "M200", "log10 λ_DF")
PHASE_SPACE = ("x_lmc", "y_lmc", "z_lmc", "vx_lmc", "vy_lmc", "vz_lmc")
REFLEX = ("v_travel", "l_apex", "b_apex")
DATA = PHASE_SPACE + REFLEX
DENSITY_UNIT = "per (1e10 Msun x 1e11 Msun x dex)"


def theta_array(table: pd.DataFrame | Mapping[str, NDArray]) -> NDArray[np.float64]:
    """Scaled parameters of a table.

    Parameters
    ----------
    table : DataFrame or mapping
        Has the columns `THETA` [Msun, Msun, dex].

    Returns
    -------
    ndarray, shape (n, 3)
        In units of 1e10 Msun, 1e11 Msun and dex.
    """
    return np.stack([np.asarray(table[name], dtype=np.float64) for name in THETA], axis=-1) / SCALE


def theta_table(theta: NDArray) -> pd.DataFrame:
    """Inverse of `theta_array`: a table with the columns `THETA` in the units of the catalogue."""
    import pandas as pd

    return pd.DataFrame(np.asarray(theta, dtype=np.float64) * SCALE, columns=list(THETA))


def features(table: pd.DataFrame | Mapping[str, NDArray | float]) -> NDArray[np.float64]:
    """What the network is given: the LMC's phase-space, the travel speed and the apex as a unit vector.

    Parameters
    ----------
    table : DataFrame or mapping
        Has the columns `DATA` [kpc, km/s, deg]. One observation, a mapping of numbers, gives one row.

    Returns
    -------
    ndarray, shape (n, 10)

    Raises
    ------
    ValueError
        If a column is missing or a value is not finite.
    """
    missing = [name for name in DATA if name not in table]
    if missing:
        raise ValueError(f"the data lack {missing}; needed: {', '.join(DATA)}")
    columns = {name: np.atleast_1d(np.asarray(table[name], dtype=np.float64)) for name in DATA}
    for name, values in columns.items():
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds {values[~np.isfinite(values)][0]}; allowed: finite numbers")
    apex = sky_basis(columns["l_apex"], columns["b_apex"])[:, 0]
    return np.column_stack([*(columns[name] for name in (*PHASE_SPACE, "v_travel")), apex])


@dataclass(frozen=True)
class ScaledPrior:
    """The prior of `THETA` in scaled units, as estimators and scores need it.

    Parameters
    ----------
    config : str
        Name of the set of simulations.
    """

    config: str

    @property
    def prior(self) -> Prior:
        """The package's prior of the three parameters."""
        return Prior(self.config, list(THETA))

    @property
    def low(self) -> NDArray[np.float64]:
        """Lower edges of the support, shape (3,)."""
        return np.array([self.prior.support[name][0] for name in THETA]) / SCALE

    @property
    def high(self) -> NDArray[np.float64]:
        """Upper edges of the support, shape (3,)."""
        return np.array([self.prior.support[name][1] for name in THETA]) / SCALE

    @property
    def variance(self) -> NDArray[np.float64]:
        """Variance of each parameter, shape (3,)."""
        return (np.array([self.prior.marginals[name].std for name in THETA]) / SCALE) ** 2

    def log_prob(self, theta: NDArray) -> NDArray[np.float64]:
        """Log density of scaled parameters (n, 3), per scaled units; shape (n,)."""
        return self.prior.log_prob(np.asarray(theta) * SCALE) + np.log(SCALE).sum()

    def sample(self, n: int, seed: int = 0) -> NDArray[np.float64]:
        """Draws in scaled units, shape (n, 3)."""
        return theta_array(self.prior.sample(n, seed=seed))


@dataclass(frozen=True)
class Logit:
    """Map between a box and the whole space, parameter by parameter: u = logit((theta - low) / (high - low)).

    Parameters
    ----------
    low, high : ndarray, shape (d,)
        The box.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def forward(self, theta: NDArray) -> NDArray[np.float64]:
        """From the box (..., d) to the whole space; a value at a wall is taken a millionth inside."""
        return logit(np.clip((theta - self.low) / (self.high - self.low), 1e-6, 1 - 1e-6))

    def inverse(self, u: NDArray) -> NDArray[np.float64]:
        """From the whole space (..., d) into the box."""
        return self.low + expit(u) * (self.high - self.low)

    def log_jacobian(self, u: NDArray) -> NDArray[np.float64]:
        """Log of |du / dtheta| at u (..., d); shape (...)."""
        return -(log_expit(u) + log_expit(-u) + np.log(self.high - self.low)).sum(axis=-1)


@dataclass(frozen=True)
class Problem:
    """Arrays of the three splits and the prior: all that an estimator may know."""

    theta: dict[str, NDArray[np.float64]]
    x: dict[str, NDArray[np.float64]]
    prior: ScaledPrior

    @classmethod
    def from_table(cls, table: pd.DataFrame, config: str = "gaussian") -> Problem:
        """Arrays of a catalogue that has the columns `THETA`, `DATA` and `split`.

        Raises
        ------
        ValueError
            If a split has no rows, or a parameter lies outside the prior's support.
        """
        prior = ScaledPrior(config)
        theta, x = {}, {}
        for split in ("train", "validation", "test"):
            rows = table[np.asarray(table["split"] == split)]
            if len(rows) == 0:
                raise ValueError(f"split {split!r} has 0 rows of {len(table)}; allowed: at least 1")
            theta[split], x[split] = theta_array(rows), features(rows)
            outside = ((theta[split] < prior.low) | (theta[split] > prior.high)).any(axis=1)
            if outside.any():
                raise ValueError(
                    f"split {split!r} holds parameters {theta[split][outside][0] * SCALE} outside the prior "
                    f"{config!r}; allowed: {prior.low * SCALE} to {prior.high * SCALE}"
                )
        return cls(theta, x, prior)
