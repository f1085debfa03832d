"""What every posterior of this package holds, and how it is shown, whatever it is conditioned on."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mwlmc_data.arguments.arrays import as_flag
from mwlmc_data.dataset.schema import CATALOGUE_NAMES, get_column
from mwlmc_data.display import Displayed, fixed, html_table
from mwlmc_data.inference.targets import make_prior

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PERCENTS = (16, 50, 84)
#: A p-value below this raises a warning.
MIN_P_VALUE = 0.01
#: Draws of the prior behind a corner plot.
_N_PRIOR = 20_000
_MASSES = {
    **dict.fromkeys(("m200_mw", "m_mw_50"), (1e11, "1e11 Msun")),
    **dict.fromkeys(("m_lmc", "m_lmc_8p7", "m_lmc_50"), (1e10, "1e10 Msun")),
}


def get_unit(name: str) -> tuple[float, str]:
    """Unit in which a parameter is shown: its size and its name."""
    return _MASSES.get(name) or (1.0, get_column(name).unit if name in CATALOGUE_NAMES else "")


@dataclass(frozen=True, eq=False, repr=False)
class Posterior(Displayed):
    """A posterior of parameters given data; ``print`` gives its table and its warnings.

    :func:`~mwlmc_data.infer` and :func:`~mwlmc_data.infer_stars` return one with attributes of their own.

    Attributes
    ----------
    samples : DataFrame
        Posterior draws of equal weight, one column per free parameter, in the units of the catalogue.
    config : str
        Set whose prior holds.
    log_evidence : float
        Logarithm of the probability density of the data under the prior [nats].
    log_evidence_error : float
        Its standard error from finite numbers of draws; 0 where it is computed on a grid.
    p_value : float
        Fraction of data drawn from the model that are at least as unusual. 0 means less than 1 / `n_predictive`.
    n_predictive : int
        Number of data drawn for `p_value`.
    """

    samples: pd.DataFrame
    config: str
    log_evidence: float
    log_evidence_error: float
    p_value: float
    n_predictive: int

    @property
    @abstractmethod
    def warnings(self) -> tuple[str, ...]:
        """Reasons not to trust this answer, one sentence each; empty if there are none."""

    @abstractmethod
    def _lines(self) -> Iterable[str]:
        """What the posterior is conditioned on, and how unusual that is."""

    def percentiles(self, percents: tuple[float, ...] = PERCENTS) -> pd.DataFrame:
        """Percentiles of each parameter.

        Parameters
        ----------
        percents : tuple of float
            From 0 to 100.

        Returns
        -------
        DataFrame
            One row per parameter, columns such as p16.
        """
        import pandas as pd

        values = np.percentile(self.samples.to_numpy(), percents, axis=0)
        columns = {f"p{percent:g}": row for percent, row in zip(percents, values, strict=True)}
        return pd.DataFrame(columns, index=self.samples.columns)

    def plot(self, truths: Any = None, title: str | None = None, prior: bool = False) -> Figure:
        """Draw the distributions of all parameters and of every pair of them (:func:`~mwlmc_data.corner_plot`).

        Parameters
        ----------
        truths : mapping of str to float, or a row of a table, optional
            Values to mark.
        title : str, optional
            Heading.
        prior : bool
            Draw the prior too, in grey.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ValueError
            If a truth is not a finite number.
        ImportError
            If corner or matplotlib is not installed (extra ``plot``).
        """
        from mwlmc_data.plotting.corners import corner_plot

        names = [str(name) for name in self.samples.columns]
        behind = self._draw_prior(_N_PRIOR) if as_flag("prior", prior) else None
        return corner_plot(self.samples, names, truths=truths, title=title, behind=behind)

    def _draw_prior(self, n: int) -> pd.DataFrame:
        """Draws of the prior of what `samples` holds."""
        return make_prior(self.config, [str(name) for name in self.samples.columns]).sample(n, seed=0)

    def to_arviz(self) -> Any:
        """The draws in ArviZ's form, as one chain.

        Returns
        -------
        arviz.InferenceData or xarray.DataTree
            Whichever the installed ArviZ has, with a group ``posterior``.

        Raises
        ------
        ImportError
            If arviz is not installed.
        """
        try:
            arviz = importlib.import_module("arviz")
        except ImportError as error:
            raise ImportError(f"to_arviz needs arviz ({error}): pip install arviz") from error
        draws = {str(name): column.to_numpy()[None] for name, column in self.samples.items()}
        # ArviZ 1.0 takes the groups as one mapping
        if int(arviz.__version__.partition(".")[0]) >= 1:
            return arviz.from_dict({"posterior": draws})
        return arviz.from_dict(posterior=draws)

    def _summary(self) -> str:
        texts = [f"{name} {p50} ({p16} to {p84}) {unit}".rstrip() for name, p16, p50, p84, unit in self._rows()]
        return "; ".join([", ".join(texts), self._p_text(), *(["see its warnings"] if self.warnings else [])])

    def _rows(self) -> list[tuple[str, ...]]:
        """Name, percentiles and unit of each parameter."""
        rows = []
        for name, values in zip(self.samples.columns, self.percentiles().to_numpy(), strict=True):
            scale, unit = get_unit(name)
            rows.append((str(name), *(fixed(value / scale, 2) for value in values), unit))
        return rows

    def _repr_html_(self) -> str:
        header = ("", *(f"{percent}%" for percent in PERCENTS), "unit")
        notes = [*self._lines(), *(f"Warning: {each}" for each in self.warnings)]
        return html_table("Posterior", self._rows(), header, notes)

    def __str__(self) -> str:
        return "\n".join([self.table(), *(f"Warning: {each}" for each in self.warnings)])

    def table(self) -> str:
        """The data, how unusual they are, and the percentiles, as text."""
        lines = [*self._lines(), f"  {'':<16} {'16%':>8} {'50%':>8} {'84%':>8}"]
        for name, row in zip(self.samples.columns, self.percentiles().to_numpy(), strict=True):
            scale, unit = get_unit(name)
            numbers = " ".join(f"{value / scale:8.2f}" for value in row)
            lines.append(f"  {name:<16} {numbers}  {unit}".rstrip())
        return "\n".join(lines)

    def _p_text(self) -> str:
        if self.p_value > 0.0:
            return f"p-value {self.p_value:.3g}"
        return f"p-value < {1.0 / self.n_predictive:g}"
