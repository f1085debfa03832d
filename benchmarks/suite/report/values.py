"""Numbers of a baseline over its seeds, and their format in tables."""

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
        Mean over the seeds; NaN if there is none.
    error : float
        Standard error over observations, which the seeds share, and of the mean over seeds, in quadrature; NaN if
        unknown.
    by_seed : tuple of float
        Value of each seed.
    """

    mean: float
    error: float
    by_seed: tuple[float, ...]

    @property
    def is_known(self) -> bool:
        """Whether there is a number."""
        return bool(np.isfinite(self.mean))

    def text(self, digits: int) -> str:
        """Format the number with its error."""
        if not self.is_known:
            return MISSING
        stated = plain(self.mean, digits)
        return stated if not np.isfinite(self.error) else f"{stated} ± {self.error:.{digits}f}"


def average(results: Sequence[Result], section: str, metric: str, parameter: str | None = None) -> Value:
    """Average one metric over seeds.

    Parameters
    ----------
    results : sequence of Result
        Results of one baseline in one task.
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
    stated = np.array([result.number(section, metric, parameter, "error") for result in results])
    return Value(float(numbers.mean()), error_over_seeds(numbers, stated), tuple(numbers.tolist()))


def error_over_seeds(numbers: NDArray, errors: NDArray) -> float:
    """Return the error of the mean of numbers (n,), one per seed, with errors over observations (NaN if unknown)."""
    error = float(np.nanmean(errors)) if np.isfinite(errors).any() else float("nan")
    if len(numbers) == 1:
        return error
    return float(np.hypot(np.nan_to_num(error), numbers.std(ddof=1) / np.sqrt(len(numbers))))


def median(results: Sequence[Result], section: str, metric: str, parameter: str | None = None) -> float:
    """Return the median over seeds, for p-values; NaN if there is none."""
    numbers = [result.number(section, metric, parameter) for result in results]
    known = [number for number in numbers if np.isfinite(number)]
    return float(np.median(known)) if known else float("nan")


def three(results: Sequence[Result], section: str, metric: str, digits: int = 2) -> str:
    """Format means over seeds for the three parameters, separated by strokes."""
    return strokes([plain(average(results, section, metric, name).mean, digits) for name in THETA])


def three_p(results: Sequence[Result], section: str, metric: str) -> str:
    """Format median p-values for the three parameters, separated by strokes."""
    return strokes([p_text(median(results, section, metric, name)) for name in THETA])


def strokes(cells: Sequence[str]) -> str:
    """Join several numbers in a cell; a single dash if there are none."""
    return MISSING if all(cell == MISSING for cell in cells) else " / ".join(cells)


def plain(number: float, digits: int) -> str:
    """Format a number; a dash for NaN, and no minus sign before zero."""
    return MISSING if not np.isfinite(number) else f"{round(number, digits) + 0.0:.{digits}f}"


def p_text(number: float) -> str:
    """Format a p-value."""
    return MISSING if not np.isfinite(number) else "<.001" if number < 0.001 else f"{number:.3f}"


def count(number: float) -> str:
    """Format an integer with commas."""
    return MISSING if not np.isfinite(number) else f"{number:,.0f}"
