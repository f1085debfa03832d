"""Numbers of a baseline over its seeds, and how tables write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.features import THETA
from benchmarks.suite.report.folder import Result

MISSING = "–"


@dataclass(frozen=True)
class Value:
    """A score of a baseline.

    Attributes
    ----------
    mean : float
        Over the seeds; NaN where there is none.
    error : float
        Standard error over observations, which the seeds share, and of the mean over seeds, in quadrature; NaN where no
        error is known.
    by_seed : tuple of float
        Each seed's own.
    """

    mean: float
    error: float
    by_seed: tuple[float, ...]

    @property
    def is_known(self) -> bool:
        """Whether there is a number."""
        return bool(np.isfinite(self.mean))

    def text(self, digits: int) -> str:
        """The number with its error."""
        if not self.is_known:
            return MISSING
        told = plain(self.mean, digits)
        return told if not np.isfinite(self.error) else f"{told} ± {self.error:.{digits}f}"


def value(results: Sequence[Result], section: str, metric: str, parameter: str | None = None) -> Value:
    """Mean over seeds of one metric.

    Parameters
    ----------
    results : sequence of Result
        Of one baseline in one task.
    section, metric, parameter : str
        As for `Result.number`.

    Returns
    -------
    Value
    """
    numbers = np.array([result.number(section, metric, parameter) for result in results])
    numbers = numbers[np.isfinite(numbers)]
    if len(numbers) == 0:
        return Value(float("nan"), float("nan"), ())
    told = np.array([result.number(section, metric, parameter, "error") for result in results])
    return Value(float(numbers.mean()), error_over_seeds(numbers, told), tuple(numbers.tolist()))


def error_over_seeds(numbers: NDArray, errors: NDArray) -> float:
    """Error of the mean of finite numbers (n,), a seed each, with errors over observations, NaN where not known."""
    error = float(np.nanmean(errors)) if np.isfinite(errors).any() else float("nan")
    if len(numbers) == 1:
        return error
    return float(np.hypot(np.nan_to_num(error), numbers.std(ddof=1) / np.sqrt(len(numbers))))


def median(results: Sequence[Result], section: str, metric: str, parameter: str | None = None) -> float:
    """Median over seeds, for p-values; NaN where there is none."""
    numbers = [result.number(section, metric, parameter) for result in results]
    known = [number for number in numbers if np.isfinite(number)]
    return float(np.median(known)) if known else float("nan")


def three(results: Sequence[Result], section: str, metric: str, digits: int = 2) -> str:
    """Means over seeds for the three parameters, with strokes between."""
    return strokes([plain(value(results, section, metric, name).mean, digits) for name in THETA])


def three_p(results: Sequence[Result], section: str, metric: str) -> str:
    """Median p-values for the three parameters, with strokes between."""
    return strokes([p_text(median(results, section, metric, name)) for name in THETA])


def strokes(cells: Sequence[str]) -> str:
    """Several numbers in a cell; a single dash where there is none."""
    return MISSING if all(cell == MISSING for cell in cells) else " / ".join(cells)


def plain(number: float, digits: int) -> str:
    """A number; a dash for NaN, and no minus before what rounds to zero."""
    return MISSING if not np.isfinite(number) else f"{round(number, digits) + 0.0:.{digits}f}"


def p_text(number: float) -> str:
    """A p-value."""
    return MISSING if not np.isfinite(number) else "<.001" if number < 0.001 else f"{number:.3f}"


def count(number: float) -> str:
    """A whole number with commas."""
    return MISSING if not np.isfinite(number) else f"{number:,.0f}"
