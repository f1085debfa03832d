"""How the part of the stars that lies in a shell depends on the parameters, from the counts of all simulations.

`infer_stars` fits a polynomial to ln P, that part, near a posterior. What this study prints says which of its terms can
matter there (:mod:`mwlmc_data.rewinding.probability`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mwlmc_data import load_catalogue
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.rewinding.probability import compute_coordinates

#: Columns that count the stars of a shell.
SHELLS = ("n_stars_fit", "n_stars_fit_50_100", "n_stars_fit_50_300")


@dataclasses.dataclass(frozen=True)
class Dependence:
    """Derivatives of ln P in the coordinates in which it is fitted.

    Attributes
    ----------
    column : str
        Of the counts.
    n : int
        Number of simulations.
    slope, slope_error : ndarray, shape (d,)
        At the mean of the prior.
    bend, bend_error : ndarray, shape (d, d)
        Second derivatives there.
    """

    column: str
    n: int
    slope: Float64Array
    slope_error: Float64Array
    bend: Float64Array
    bend_error: Float64Array


def fit_counts(x: Float64Array, counts: NDArray) -> tuple[Float64Array, ...]:
    """Fit a quadratic polynomial with cubes to the logarithm of counts, by weighted least squares.

    Parameters
    ----------
    x : ndarray, shape (n, d)
        Coordinates.
    counts : ndarray, shape (n,)
        Each large, with the error of its root.

    Returns
    -------
    slope, slope_error : ndarray, shape (d,)
    bend, bend_error : ndarray, shape (d, d)
        Derivatives at the mean of x, with their errors.
    """
    d = x.shape[1]
    apart = x - x.mean(axis=0)
    rows, columns = np.triu_indices(d)
    halved = np.where(rows == columns, 0.5, 1.0)
    products = apart[:, rows] * apart[:, columns] * halved
    root = np.sqrt(counts.astype(float))
    terms = np.hstack([np.ones((len(x), 1)), apart, products, apart**3]) * root[:, None]
    covariance = np.linalg.inv(terms.T @ terms)
    found, error = covariance @ (terms.T @ (np.log(counts) * root)), np.sqrt(np.diag(covariance))
    bends = []
    for values in (found, error):
        bend = np.zeros((d, d))
        bend[rows, columns] = bend[columns, rows] = values[1 + d : 1 + d + len(rows)]
        bends.append(bend)
    return found[1 : 1 + d], error[1 : 1 + d], *bends


def measure(config: str, shells: Sequence[str] = SHELLS) -> list[Dependence]:
    """Fit the counts of a set's simulations, each shell on its own."""
    table = load_catalogue(config=config, columns=[*FREE, *shells])
    x = compute_coordinates({name: table[name].to_numpy(float) for name in FREE}, FREE)
    return [Dependence(column, len(x), *fit_counts(x, table[column].to_numpy())) for column in shells]


def describe(found: Sequence[Dependence]) -> str:
    """Tables of slopes and second derivatives, as text."""
    lines = ["derivatives of ln P at the mean of the prior, in the logarithms of masses, radius and 0.1 + friction"]
    for each in found:
        lines.append(f"\n{f'{each.column}, {each.n:,} simulations':<40}" + "".join(f"{name:>17}" for name in FREE))
        rows = [("slope", each.slope, each.slope_error), *zip(FREE, each.bend, each.bend_error, strict=True)]
        for name, values, errors in rows:
            cells = zip(values, errors, strict=True)
            lines.append(f"{name:<40}" + "".join(f"{f'{value:+.3f} ± {error:.3f}':>17}" for value, error in cells))
    return "\n".join(lines)


def main(config: str) -> None:
    """Print the tables of a set."""
    print(describe(measure(config)))
