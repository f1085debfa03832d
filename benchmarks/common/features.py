"""Names and units of the parameters and data in reports.

Reports scale the parameters to numbers of order ten: m_lmc in 1e10 Msun, m200_mw in 1e11 Msun, log10_lambda_df in
dex. Densities are per unit of those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.schema import LMC_VECTOR, REFLEX
from mwlmc_data.priors import Prior

if TYPE_CHECKING:
    import pandas as pd

THETA = ("m_lmc", "m200_mw", "log10_lambda_df")
SCALE = np.array([1e10, 1e11, 1.0])
UNITS = ("10¹⁰ M☉", "10¹¹ M☉", "dex")
LABELS = ("M_LMC", "M200", "log10 λ_DF")
DATA = LMC_VECTOR + REFLEX


def scale_theta(table: pd.DataFrame | Mapping[str, NDArray]) -> Float64Array:
    """Take the scaled parameters from a table.

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


def tabulate_theta(theta: NDArray) -> pd.DataFrame:
    """Invert `scale_theta`: return a table with the columns `THETA` in the units of the catalogue."""
    import pandas as pd

    return pd.DataFrame(np.asarray(theta, dtype=np.float64) * SCALE, columns=list(THETA))


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
    def variance(self) -> Float64Array:
        """Variance of each parameter, shape (3,)."""
        return (np.array([self.prior.marginals[name].std for name in THETA]) / SCALE) ** 2

    def log_prob(self, theta: NDArray) -> Float64Array:
        """Compute the log density of scaled parameters (n, 3), per scaled unit; shape (n,)."""
        return self.prior.log_prob(np.asarray(theta) * SCALE) + np.log(SCALE).sum()

    def sample(self, n: int, seed: int = 0) -> Float64Array:
        """Draw n in scaled units, shape (n, 3)."""
        return scale_theta(self.prior.sample(n, seed=seed))
