"""The posterior of one observation by the exact likelihood of its stars, and the log density of the truth."""

from __future__ import annotations

import dataclasses
import json
import math
import time
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.references import draws, simulations
from benchmarks.star_references.rows import SEED, StarRow
from mwlmc_data import Prior, Selection, infer_stars
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.free_parameters import FREE, FreeParameters
from mwlmc_data.inference.star_likelihood import evaluate_points
from mwlmc_data.inference.stars import ALGORITHM, StarPosterior
from mwlmc_data.rewinding.probability import PassProbability, compute_coordinates
from mwlmc_data.rewinding.selection import estimate_fraction
from mwlmc_data.scoring.observations import CONFIG
from mwlmc_data.scoring.reference_columns import THETA
from mwlmc_data.scoring.references import DENSITY_UNIT
from mwlmc_data.simulator.constants import SIMULATOR_VERSION

#: Raised when the same stars give another file.
VERSION = 1
#: Draws of a posterior, and effective draws to reach.
N_DRAWS = 2_000
#: Standard deviations of the posterior from its mean within which ln P holds, as in the search for the posterior.
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
    """Draw the posterior of a row's six parameters given its stars and their number.

    Parameters
    ----------
    row : StarRow
    stars : ndarray, shape (m, 6)
    seed : int
        Seed of all draws.
    n : int
        Draws.
    resume : Path, optional
        File that keeps what was computed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the certificate states what they say
        return infer_stars(
            stars, selection=Selection(), config=CONFIG, free=FREE, lmc=row.lmc, n=n, seed=seed, workers=1,
            resume=resume, progress=False,
        )  # fmt: skip


def make(out: Path, row: StarRow, stars: Float64Array, n: int = N_DRAWS) -> None:
    """Compute a row's posterior and write its file, unless it exists; an interrupted one goes on."""
    path, wanted = path_of(out, row), settings(row, n)
    if path.exists():
        simulations.check(path, wanted)
        return
    unfinished = out / "unfinished" / f"{row.name}.npz"
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    started = time.process_time()
    found = infer(row, stars, SEED + row.number, n, unfinished)
    log_prob, error = compute_log_prob(row, stars, found, row.truth, (SEED, row.number))
    truth = np.array([row.truth[name] for name in FREE])
    samples = found.samples[list(FREE)].to_numpy()
    numbers = {
        "n_stars": found.n_stars,
        "n_effective": found.n_effective,
        "n_evaluations": found.n_evaluations,
        "cpu_seconds": time.process_time() - started,
        "log_evidence": found.log_evidence,
        **{f"error_{part}": found.error_parts[part] for part in ("sampling", "selection", "probability")},
        "error_density": error,
        "edge": found.edge,
        "p_value": found.p_value,
        **{f"rank_{name}": rank for name, rank in zip(FREE, (samples < truth).mean(axis=0).tolist(), strict=True)},
    }
    about = {**wanted, "numbers": numbers, "log_prob_truth": log_prob}
    probability = {f"probability/{name}": value for name, value in found.probability.to_arrays().items()}
    simulations.save(path, about, samples=samples, **probability)
    unfinished.unlink()


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
        self._centre, self._root = scores.mean(axis=0), np.linalg.cholesky(np.cov(scores, rowvar=False))

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
        apart = np.linalg.solve(self._root, (points - self._centre).T)
        return np.asarray((apart**2).sum(axis=0) < _WINDOW**2)

    def _log_p(self, points: Float64Array) -> Float64Array:
        values = self.parameters.convert(points)
        return self._probability.evaluate(compute_coordinates(values, self.parameters.free))

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
    path = path_of(out, row)
    simulations.check(path, settings(row, n))
    with np.load(path) as file:
        about = json.loads(str(file["settings"]))
        parts = {name.partition("/")[2]: file[name] for name in file.files if name.startswith("probability/")}
        probability = PassProbability.from_arrays(FREE, parts)
        return StarReference(file["samples"], about["log_prob_truth"], about["numbers"], probability)


def path_of(out: Path, row: StarRow) -> Path:
    """Return the file of a row's posterior."""
    return out / "inferred" / f"{row.name}.npz"


def settings(row: StarRow, n: int) -> dict[str, Any]:
    """Return what a file's posterior depends on."""
    return {
        "name": row.name,
        "lmc": dict(row.lmc),
        "seed": SEED,
        "draws": n,
        "version": VERSION,
        "algorithm": ALGORITHM,
        "simulator": SIMULATOR_VERSION,
    }
