"""The prior of one set of simulations, drawn row by row, with its density and its quantiles.

Torch is imported only by `Prior.to_torch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from mwlmc_data.arguments.arrays import as_choice, as_floats, as_names, as_seed, as_whole, check_names
from mwlmc_data.arguments.tabular import as_table, is_table
from mwlmc_data.dataset.schema import DRAWN, get_column, get_input_unit
from mwlmc_data.display import Displayed, html_table, number
from mwlmc_data.priors.marginals import (
    CONDITIONAL,
    ENCLOSED_MASS,
    GIVEN,
    MARGINALS,
    Marginal,
    Normal,
    NormalBelowFraction,
)

if TYPE_CHECKING:
    import pandas as pd
    import torch

_UNIFORMS_PER_ROW = 16
_COUNTERS_PER_ROW = _UNIFORMS_PER_ROW // 4  # each step of Philox4x64's counter yields four 64-bit words
#: Probability at which normal scores are clipped.
SCORE_EDGE = 1e-7


class Prior(Displayed):
    """Prior of the drawn parameters of one set of simulations, or of some of them.

    Parameters
    ----------
    config : str
        "gaussian" (Table 1 of the paper), "flat" (its section 6.2: both masses uniform) or "wide" (ours: the masses
        of Table 1, the LMC's place and motion uniform over ranges that hold every validation case).
    parameters : sequence of str, optional
        Names of drawn parameters, in the order in which arrays and tensors hold them; all twelve by default.

    Attributes
    ----------
    config : str
        As given.
    parameters : tuple of str
        Names, in order.

    Raises
    ------
    ValueError
        If the configuration or a name is unknown, or a name is repeated.

    Examples
    --------
    >>> Prior("gaussian", ["m_lmc", "m200_mw"]).sample(2, seed=1).shape
    (2, 2)
    """

    def __init__(self, config: str, parameters: Sequence[str] | None = None) -> None:
        as_choice("config", config, tuple(MARGINALS))
        names = DRAWN if parameters is None else as_names("parameters", parameters)
        unknown = [name for name in names if name not in DRAWN]
        if unknown or not names:
            raise ValueError(f"parameters = {unknown or names!r}: allowed are {', '.join(DRAWN)}")
        if len(set(names)) < len(names):
            raise ValueError(f"parameters = {names!r}: allowed is each name once")
        self.config = config
        self.parameters: tuple[str, ...] = names

    def _summary(self) -> str:
        return f"{self.config}; {', '.join(self.parameters)}"

    def _repr_html_(self) -> str:
        rows = []
        for name, (low, high) in self.support.items():
            law = ENCLOSED_MASS if name == CONDITIONAL else self.marginals[name]
            text = type(law).__name__
            if isinstance(law, Normal | NormalBelowFraction):
                text += f", {number(law.loc)} ± {number(law.scale)}"
            rows.append((name, text, number(low), number(high), get_column(name).unit))
        return html_table(f"Prior of the {self.config} set", rows, ("", "law", "from", "to", "unit"))

    @property
    def marginals(self) -> dict[str, Marginal]:
        """Marginals of the parameters that do not depend on another, by name."""
        return {name: MARGINALS[self.config][name] for name in self.parameters if name != CONDITIONAL}

    @property
    def support(self) -> dict[str, tuple[float, float]]:
        """Smallest and largest value of each parameter; for m_lmc_8p7 the largest at any m_lmc."""
        marginals = MARGINALS[self.config]
        bounds = {name: (m.low, m.high) for name, m in marginals.items()}
        bounds[CONDITIONAL] = (ENCLOSED_MASS.low, ENCLOSED_MASS.fraction * marginals[GIVEN].high)
        return {name: bounds[name] for name in self.parameters}

    def sample(self, n: int, seed: int = 0, start: int = 0) -> pd.DataFrame:
        """Draw parameters.

        Row i depends only on the configuration, `seed` and `start + i`: it uses the sixteen uniforms that a Philox
        generator with key (seed, 0) yields from counter 4 (start + i). So chunks of any size give the same draws, and a
        subset of the parameters draws the same values as all of them.

        Parameters
        ----------
        n : int
            Number of rows.
        seed : int
            From 0 to 2**64 - 1.
        start : int
            Number of the first row.

        Returns
        -------
        pandas.DataFrame
            `n` rows, one float32 column per parameter: rounded as stored, and inside the support.

        Raises
        ------
        ValueError
            If `n` or `start` is negative or not an integer, or the seed is out of range.
        """
        import pandas as pd

        n, start = as_whole("n", n, maximum=2**40), as_whole("start", start, maximum=2**60)
        key = np.array([as_seed("seed", seed), 0], dtype=np.uint64)
        generator = np.random.Philox(key=key, counter=_COUNTERS_PER_ROW * start)
        words = generator.random_raw(_UNIFORMS_PER_ROW * n).reshape(n, _UNIFORMS_PER_ROW)
        # The middle of one of 2**53 equal cells; never 0 or 1, where a Gaussian's quantile is infinite.
        uniforms = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        return pd.DataFrame(self.from_uniforms(uniforms))

    def from_uniforms(self, uniforms: np.ndarray) -> dict[str, np.ndarray]:
        """Turn uniform numbers into draws by the quantile function of each parameter.

        Parameters
        ----------
        uniforms : ndarray, shape (n, 12) or wider
            Probabilities in (0, 1), one column per drawn parameter, in the order of `schema.DRAWN`.

        Returns
        -------
        dict of str to ndarray
            float32 values, shape (n,), by name.

        Raises
        ------
        ValueError
            If it is not such an array, or a number is masked, NaN or outside 0 to 1.
        """
        uniforms = as_floats("uniforms", uniforms, shape=("n", "k"), minimum=0.0, maximum=1.0)
        if uniforms.shape[1] < len(DRAWN):
            raise ValueError(f"uniforms = {uniforms.shape[1]} columns: allowed are {len(DRAWN)} or more")
        columns = {}
        for name in self.parameters:
            u = uniforms[:, DRAWN.index(name)]
            if name == CONDITIONAL:
                given = self._draw_rounded(GIVEN, uniforms).astype(np.float64)
                values = ENCLOSED_MASS.quantile(u, given)
                columns[name] = _round_inside(values, ENCLOSED_MASS.low, ENCLOSED_MASS.fraction * given)
            else:
                columns[name] = self._draw_rounded(name, uniforms)
        return columns

    def _draw_rounded(self, name: str, uniforms: np.ndarray) -> np.ndarray:
        marginal = MARGINALS[self.config][name]
        return _round_inside(marginal.quantile(uniforms[:, DRAWN.index(name)]), marginal.low, marginal.high)

    def log_prob(self, table: Any) -> np.ndarray:
        """Logarithm of the normalised prior density, per unit of each parameter.

        Parameters
        ----------
        table : table, mapping of names to values, or array_like of shape (n, d) or (d,)
            Parameters; an array has plain numbers in the units of the columns, in the order of `parameters`, and the
            columns of a table may be quantities. A table is one of pandas, arrow, polars, astropy, datasets or numpy,
            or a list of rows; its other columns are ignored.

        Returns
        -------
        ndarray of float64, shape (n,) or ()
            -inf outside the support.

        Raises
        ------
        ValueError
            If a column is missing, the shape is wrong, a value is masked, NaN or not a number, or m_lmc_8p7 is given
            without m_lmc.
        """
        self.require_joint_density()
        columns = self._take_columns(table)
        total, marginals = np.zeros(()), self.marginals
        for name, values in columns.items():
            if name == CONDITIONAL:
                total = total + ENCLOSED_MASS.log_pdf(values, columns[GIVEN])
            else:
                total = total + marginals[name].log_pdf(values)
        return total

    def to_normal_scores(self, theta: np.ndarray) -> np.ndarray:
        """Turn parameters into standard normal numbers of the same probability under the prior, u = Phi^-1(F(theta)).

        Parameters
        ----------
        theta : ndarray, shape (..., d)
            Independent parameters, that is without m_lmc_8p7.

        Returns
        -------
        ndarray of float64, shape (..., d)
            Clipped at `SCORE_EDGE` on either side (5.2 sigma), as are values outside the support.

        Raises
        ------
        ValueError
            If m_lmc_8p7 is among the parameters, which has no distribution without m_lmc, or theta has another number
            of columns.
        """
        if CONDITIONAL in self.parameters and CONDITIONAL not in self.marginals:
            raise ValueError(f"parameters = {self.parameters!r}: allowed are those without {CONDITIONAL!r}")
        if np.ndim(theta) == 0 or np.shape(theta)[-1] != len(self.parameters):
            raise ValueError(f"theta = shape {np.shape(theta)}: allowed is (..., {len(self.parameters)})")
        values = np.asarray(theta, dtype=np.float64)
        below = [marginal.cdf(values[..., i]) for i, marginal in enumerate(self.marginals.values())]
        return ndtri(np.clip(np.stack(below, axis=-1), SCORE_EDGE, 1.0 - SCORE_EDGE))

    def require_joint_density(self) -> None:
        """Refuse a subset that has no density in closed form.

        Raises
        ------
        ValueError
            If m_lmc_8p7 is among the parameters without m_lmc, on which it depends.
        """
        if CONDITIONAL in self.parameters and GIVEN not in self.parameters:
            raise ValueError(
                f"parameters = {self.parameters!r}: allowed is {CONDITIONAL!r} only with {GIVEN!r}, which its density "
                "needs"
            )

    def _take_columns(self, table: Any) -> dict[str, np.ndarray]:
        if is_table(table):
            given = as_table("table", table)
            known = (*DRAWN, *(name for name in self.parameters if name not in DRAWN))
            check_names("table", [name for name in given if name in self.parameters], known, self.parameters)
            columns = {
                name: as_floats(f"table[{name!r}]", given[name], unit=get_input_unit(name), allow_infinite=True)
                for name in self.parameters
            }
            shapes = sorted({values.shape for values in columns.values() if values.ndim})
            if len(shapes) > 1:
                raise ValueError(f"table = columns of shapes {shapes}: allowed is one shape")
            return columns
        array = as_floats("table", table, allow_infinite=True)
        d = len(self.parameters)
        if array.ndim not in (1, 2) or array.shape[-1] != d:
            raise ValueError(f"table = an array of shape {array.shape}: allowed is the shape (n, {d}) or ({d},)")
        return {name: array[..., i] for i, name in enumerate(self.parameters)}

    def to_torch(self, scale: ArrayLike | None = None) -> torch.distributions.Distribution:
        """Return the same prior as a torch distribution.

        Parameters
        ----------
        scale : array_like, shape (d,), optional
            Units of the distribution: each parameter is divided by its scale, such as a task's `scale`. By default the
            parameters' own units. A score estimator needs numbers of order one
            (`docs/BENCHMARK.md`, "Units").

        Returns
        -------
        torch.distributions.Distribution
            With event_shape (d,), float32 samples in the order of `parameters`, a differentiable log_prob
            and the support as a constraint registered with `biject_to`; sbi accepts it as a prior.

        Raises
        ------
        ValueError
            If m_lmc_8p7 is given without m_lmc, or a scale is not above 0.
        """
        from mwlmc_data.priors.torch import TorchPrior

        factors = 1.0 if scale is None else as_floats("scale", scale, shape=(len(self.parameters),), above=0)
        return TorchPrior(self, np.broadcast_to(factors, len(self.parameters)))


def _round_inside(values: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """Round to float32; where rounding crosses a bound, take the nearest float32 inside it."""
    rounded = values.astype(np.float32)
    # Compared in double precision, as a bound rounded to float32 may lie outside.
    exact = rounded.astype(np.float64)
    rounded = np.where(exact < low, np.nextafter(rounded, np.float32(np.inf)), rounded)
    return np.where(exact > high, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def standard_normal_log_density(u: np.ndarray) -> np.ndarray:
    """Return the log density (...) of normal scores (..., d) under the prior: the standard normal."""
    return np.asarray(-0.5 * (np.square(u) + np.log(2.0 * np.pi)).sum(axis=-1))
