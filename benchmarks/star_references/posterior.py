"""The posterior of one observation by the exact likelihood of its stars, and the log density of the truth."""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.references import draws, from_stars
from benchmarks.references.from_stars import N_DRAWS
from benchmarks.star_references.rows import SEED, StarRow
from mwlmc_data import Prior, Selection
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.free_parameters import FREE, FreeParameters
from mwlmc_data.inference.star_likelihood import evaluate_points
from mwlmc_data.inference.star_posterior import StarPosterior
from mwlmc_data.inference.star_windows import fit_window
from mwlmc_data.rewinding.probability import PassProbability, compute_coordinates
from mwlmc_data.rewinding.selection import estimate_fraction
from mwlmc_data.scoring.observations import CONFIG
from mwlmc_data.scoring.reference_columns import THETA
from mwlmc_data.scoring.references import DENSITY_UNIT

#: Raised when the same stars give another file.
VERSION = 1
#: Standard deviations of the posterior from its mean, in the coordinates of ln P, within which ln P holds.
_WINDOW = 6.5
#: What an impossible star costs far from the posterior, and how far below it all is there [nats].
_PENALTY, _BELOW = 100.0, 25.0


@dataclasses.dataclass(frozen=True)
class StarReference:
    """A posterior as stored.

    Attributes
    ----------
    samples : ndarray, shape (n, 6), float64
        Draws of `FREE`.
    log_prob_truth : float
        Log density of the true m_lmc, m200_mw, log10_lambda_df, per 1e10 Msun, 1e11 Msun and dex.
    numbers : dict of str to float
        n_stars, n_effective, n_evaluations, cpu_seconds, log_evidence, the errors, edge, p_value, and a rank for each
        parameter: columns of the table.
    probability : PassProbability
        Of the selection.
    """

    samples: Float64Array
    log_prob_truth: float
    numbers: dict[str, float]
    probability: PassProbability


def infer(row: StarRow, stars: Float64Array, seed: int, n: int = N_DRAWS, resume: Path | None = None) -> StarPosterior:
    """Draw the posterior of a row's six parameters given its stars (m, 6) and their number."""
    return from_stars.infer(row, stars, Selection(), seed, n, resume=resume)


def make(out: Path, row: StarRow, stars: Float64Array, n: int = N_DRAWS) -> None:
    """Compute a row's posterior and write its file, unless it exists; an interrupted one goes on."""

    def compute(unfinished: Path) -> StarPosterior:
        return infer(row, stars, SEED + row.number, n, unfinished)

    def beside(found: StarPosterior) -> tuple[dict[str, Any], dict[str, NDArray]]:
        log_prob, error = compute_log_prob(row, stars, found, row.truth, (SEED, row.number))
        arrays = {f"probability/{name}": value for name, value in found.probability.to_arrays().items()}
        return {"log_prob_truth": log_prob, "numbers": {"error_density": error}}, arrays

    from_stars.make(out, path_of(out, row), settings(row, n), row, compute, beside)


def compute_log_prob(
    row: StarRow, stars: Float64Array, found: StarPosterior, theta: Any, seed: tuple[int, ...]
) -> tuple[float, float]:
    """Log posterior density of m_lmc, m200_mw, log10_lambda_df, averaged over the nuisances.

    The likelihood at these three is averaged over the prior of the others, with the same ln P of the selection as the
    evidence, so that its constant cancels.

    Parameters
    ----------
    row : StarRow
    stars : ndarray, shape (m, 6)
    found : StarPosterior
        Of the same stars.
    theta : mapping
        Values of all six parameters; those of the last three do not matter.
    seed : tuple of int
        Seed of the draws.

    Returns
    -------
    log_prob, error : float
        Per 1e10 Msun, 1e11 Msun and dex, and its standard error from the number of draws.
    """
    parameters = FreeParameters(CONFIG, FREE, found.held)
    scores = parameters.compute_scores({name: found.samples[name].to_numpy() for name in FREE})
    at = parameters.compute_scores(theta)[0, : len(THETA)]
    likelihood = SelectedLikelihood(stars, parameters, found.probability, scores)

    def of_nuisances(points: Float64Array) -> Float64Array:
        return likelihood.evaluate(np.hstack([np.tile(at, (len(points), 1)), points]))

    weights = np.full(len(scores), 1.0 / len(scores))
    log_average, error = draws.integrate_nuisances(of_nuisances, scores, weights, at, seed)
    values = np.array([theta[name] for name in THETA])
    prior = float(Prior(CONFIG, THETA).log_prob(values)) + float(np.log(DENSITY_UNIT).sum())
    return prior + log_average - found.log_evidence, math.hypot(error, found.error_parts["sampling"])


class SelectedLikelihood:
    """Log-likelihood of stars, given their number.

    Parameters
    ----------
    stars : ndarray, shape (m, 6)
    parameters : FreeParameters
        What normal scores mean.
    probability : PassProbability
        ln P of the selection.
    scores : ndarray, shape (n, d)
        Draws of the posterior, around which ln P holds.
    """

    def __init__(
        self, stars: Float64Array, parameters: FreeParameters, probability: PassProbability, scores: NDArray
    ) -> None:
        self._stars, self.parameters, self._probability = stars, parameters, probability
        self._centre = scores.mean(axis=0)
        same = np.full(len(scores), 1.0 / len(scores))
        self._window = fit_window(self._compute_coordinates(scores), same, _WINDOW)

    def evaluate(self, points: Float64Array) -> Float64Array:
        """Log-likelihood (n,) at normal scores (n, d); -inf where a star is impossible, and far from the posterior."""
        inside, found = self._is_inside(points), np.full(len(points), -np.inf)
        if inside.any():
            sums, impossible = evaluate_points(self._stars, self.parameters, points[inside])
            values = sums - len(self._stars) * self._log_p(points[inside])
            found[inside] = np.where(impossible > 0, -np.inf, values)
        return found

    def extend(self, points: Float64Array) -> Float64Array:
        """The same with a slope that leads to the posterior from far away, for samplers that begin with the prior.

        Beyond the region in which ln P holds, ln P is a first guess, each impossible star costs 100 nats, and the value
        is at most 25 nats below that at the posterior's mean: nothing of the posterior lies there.
        """
        inside = self._is_inside(points)
        found = np.empty(len(points))
        found[inside] = self.evaluate(points[inside])
        if not inside.all():
            sums, impossible = evaluate_points(self._stars, self.parameters, points[~inside])
            log_p = self._guess_log_p(points[~inside]) + float(self._log_p(self._centre[None])[0])
            log_p -= self._guess_log_p(self._centre[None])
            values = sums - _PENALTY * impossible - len(self._stars) * log_p
            found[~inside] = np.minimum(values, self._top - _BELOW)
        return found

    @cached_property
    def _top(self) -> float:
        return float(self.evaluate(self._centre[None])[0])

    def _is_inside(self, points: Float64Array) -> NDArray[np.bool_]:
        return self._window.measure(self._compute_coordinates(points)) < 1.0

    def _log_p(self, points: Float64Array) -> Float64Array:
        return self._probability.evaluate(self._compute_coordinates(points))

    def _compute_coordinates(self, points: Float64Array) -> Float64Array:
        return compute_coordinates(self.parameters.convert(points), self.parameters.free)

    def _guess_log_p(self, points: Float64Array) -> Float64Array:
        radii = self.parameters.convert(points)["r_dehnen"]
        return np.log([estimate_fraction(Selection(), float(r)) for r in radii])


def load(out: Path, row: StarRow, n: int = N_DRAWS) -> StarReference:
    """Read a row's posterior.

    Raises
    ------
    ValueError
        If the file has other settings.
    """
    read = from_stars.read(path_of(out, row), settings(row, n))
    if read is None:
        raise FileNotFoundError(f"{path_of(out, row)}: there is no such posterior")
    samples, about, arrays = read
    parts = {name.partition("/")[2]: array for name, array in arrays.items()}
    probability = PassProbability.from_arrays(FREE, parts)
    return StarReference(samples, about["log_prob_truth"], about["numbers"], probability)


def path_of(out: Path, row: StarRow) -> Path:
    """Return the file of a row's posterior."""
    return out / "inferred" / f"{row.name}.npz"


def settings(row: StarRow, n: int) -> dict[str, Any]:
    """Return what a file's posterior depends on."""
    return from_stars.settings(row, SEED, n, VERSION)
