"""The stage that turns a row's simulations into its posterior, with the tests that need no further simulations."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.features import SCALE
from benchmarks.references import conditional, draws, gaussianity, posterior, simulations
from benchmarks.references.agreement import Agreement, compare
from benchmarks.references.certificate import MAX_INTERPOLATION, Certificate
from benchmarks.references.history import integrate_histories as integrate
from benchmarks.references.rows import Row
from benchmarks.references.simulations import SEED, Parts, Simulated, Simulator
from mwlmc_data.array_types import Float32Array
from mwlmc_data.inference.grid import Grid

#: Raised when the same simulations give another posterior, given the travel vector and given more numbers.
INFERENCE_VERSION, NUMBERS_VERSION = 3, 5
#: Samples drawn from the grid.
N_DRAWN = 10_000
#: Largest number of refinements of a lattice, each with two or three times as many nodes.
_REFINEMENTS = 3

#: Maps points and `lmc`, its present day, to the Milky Way's past, as `history.integrate_histories` does.
Integrate = Callable[..., NDArray]


@dataclasses.dataclass(frozen=True)
class Inferred:
    """A row's posterior and its ingredients.

    Attributes
    ----------
    fitted : conditional.Fitted
    inference : posterior.Inference or draws.DrawnInference
        On a grid of theta, or on draws of all parameters where the data determine the nuisances.
    interpolation : float
        Root mean square error of the log density due to lattice and grid; error of the log evidence due to the number
        of draws.
    simulated : Simulated
    points, past : ndarray, shape (n, 6) and (n, h)
        Its parameters and the Milky Way's past.
    """

    fitted: conditional.Fitted
    inference: posterior.Inference | draws.DrawnInference
    interpolation: float
    simulated: Simulated
    points: NDArray
    past: NDArray


@dataclasses.dataclass(frozen=True)
class Reference:
    """A row's reference posterior as stored.

    Attributes
    ----------
    samples : ndarray, shape (n, 3), float32
        m_lmc, m200_mw [Msun], log10_lambda_df.
    log_prob_truth : float
        Log density of the truth per unit of `benchmarks.common.features.SCALE`; NaN if the truth is unknown.
    ranks : tuple of three float
        Marginal distribution functions at the truth; NaN if unknown.
    certificate : Certificate
    """

    samples: Float32Array
    log_prob_truth: float
    ranks: tuple[float, ...]
    certificate: Certificate


def infer(row: Row, simulated: Simulated, integrate: Integrate = integrate) -> Inferred:
    """Fit the conditional model to a row's simulations and compute the posterior.

    Parameters
    ----------
    row : Row
    simulated : Simulated
        At its present day of the LMC.
    integrate : callable
        Computes the Milky Way's past.

    Returns
    -------
    Inferred
    """
    points = np.concatenate([simulated.theta, simulated.nuisances], axis=1)
    past = integrate(points, lmc=row.lmc)
    fitted = conditional.fit(simulated, past)
    histories, seed = partial(integrate, lmc=row.lmc), (SEED, row.number, 1)
    if row.statistics.fix_nuisances:
        drawn = draws.infer(row, fitted.model, histories, seed)
        return Inferred(fitted, drawn, float(drawn.missed[0]), simulated, points, past)
    travel = np.array(row.observation)
    box = posterior.first_box(fitted.model.log_density(travel, points, past), simulated.theta / SCALE)
    inference = posterior.infer(fitted.model, travel, histories, box)
    error = posterior.measure_interpolation_error(inference, fitted.model, travel, histories, seed)
    for _ in range(_REFINEMENTS):
        if error <= MAX_INTERPOLATION:
            break
        inference = posterior.refine(inference, fitted.model, travel, histories, seed)
        error = posterior.measure_interpolation_error(inference, fitted.model, travel, histories, seed)
    return Inferred(fitted, inference, error, simulated, points, past)


def certify(row: Row, found: Inferred, n_failed: int) -> Certificate:
    """Test a posterior as far as its own simulations allow."""
    model, travel, grid = found.fitted.model, np.array(row.observation), found.inference.grid
    offsets = travel - model.predict(found.points, found.past)
    distances = gaussianity.scale_distances(np.linalg.norm(model.whiten(found.points, offsets)[0], axis=1), len(travel))
    near = gaussianity.select_near(distances)
    halves, z = split_halves(found, travel)
    tests = gaussianity.test_whitened(z[near], conditional.coordinates(found.points[near]))
    return Certificate(
        n_simulations=len(found.simulated),
        n_failed=n_failed,
        n_near=len(near),
        log_likelihood=found.fitted.log_likelihood,
        log_evidence=grid.log_evidence,
        nearest=min(float(distances.min()), _find_nearest(found, travel)),
        interpolation=found.interpolation,
        halves=halves,
        tests=tests,
    )


def _find_nearest(found: Inferred, observed: NDArray) -> float:
    """Distance of the observation from the nearest prediction at draws of the posterior; infinite on a grid."""
    if not isinstance(found.inference, draws.DrawnInference):
        return np.inf
    cloud, model = found.inference.lattice, found.fitted.model
    offsets = observed - model.predict(cloud.points, cloud.histories)
    distances = np.linalg.norm(model.whiten(cloud.points, offsets)[0], axis=1)
    return float(gaussianity.scale_distances(distances.min(keepdims=True), len(observed))[0])


def split_halves(found: Inferred, travel: NDArray) -> tuple[Agreement, NDArray]:
    """Infer from each half of a design, which is a low-discrepancy set of its own.

    Returns
    -------
    agreement : Agreement
        Between the two posteriors.
    whitened : ndarray, shape (n, k)
        Residual of each simulation from the model fitted to the other half, whitened by that model.
    """
    middle = len(found.simulated) // 2
    order = np.arange(len(found.simulated))
    if isinstance(found.inference, draws.DrawnInference):  # later parts lie closer to the posterior
        order = np.random.default_rng(SEED).permutation(order)
    halves = (order[:middle], order[middle:])
    models = [conditional.fit(found.simulated.take(half), found.past[half]).model for half in halves]
    grids = [found.inference.lattice.infer(model, travel)[0] for model in models]
    whitened = []
    for model, other in zip(reversed(models), halves, strict=True):
        residuals = found.simulated.data[other] - model.predict(found.points[other], found.past[other])
        whitened.append(model.whiten(found.points[other], residuals)[0])
    return compare(*grids), np.concatenate(whitened)[np.argsort(np.concatenate(halves))]


def make(out: Path, row: Row, n: int, integrate: Integrate = integrate) -> None:
    """Infer a row's posterior and write its file, unless it exists and its design has not grown since."""
    path, parts = path_of(out, row), simulations.count_parts(out, row)
    if path.exists():
        before = parts_of(out, row)
        simulations.check(path, settings(row, n, before))
        if before == parts:
            return
    simulated = simulations.load_parts(out, row, n)
    found = infer(row, simulated, integrate)
    grid = found.inference.grid
    certificate = certify(row, found, simulations.n_points(row, parts, n) - len(simulated))
    truth = np.array(row.truth) / SCALE
    log_prob, ranks = np.nan, [np.nan] * 3
    if np.isfinite(truth).all():
        log_prob = compute_log_prob(row, found, truth, partial(integrate, lmc=row.lmc))
        ranks = [float(grid.cumulative(i, truth[i : i + 1])[0]) for i in range(3)]
    samples = (grid.sample(N_DRAWN, (SEED, row.number, 0)) * SCALE).astype(np.float32)
    simulations.save(
        path,
        {**settings(row, n, parts), "certificate": dataclasses.asdict(certificate)},
        **_describe_density(grid),
        samples=samples,
        truth=np.array([log_prob, *ranks]),
    )


def compute_log_prob(row: Row, found: Inferred, theta: NDArray, histories: Callable[[NDArray], NDArray]) -> float:
    """Log posterior density of theta (3,), per unit of `SCALE`."""
    model = found.fitted.model
    if isinstance(found.inference, draws.DrawnInference):
        return draws.log_probability(row, model, found.inference, theta, histories, (SEED, row.number, 5))
    travel, evidence = np.array(row.observation), found.inference.grid.log_evidence
    return float(posterior.log_probability(model, travel, theta[None], histories, evidence)[0])


def _describe_density(grid: Grid | draws.Drawn) -> dict[str, NDArray]:
    """Arrays of a file beside its samples: the density on a grid, or moments and scores of all six parameters."""
    if isinstance(grid, Grid):
        return {"axes": np.stack(grid.axes), "density": grid.density.astype(np.float32)}
    return {"scores": grid.scores.astype(np.float32), "weights": grid.weights.astype(np.float32)}


def make_part(
    out: Path,
    row: Row,
    n: int,
    design: Parts,
    k: int,
    integrate: Integrate = integrate,
    simulator: Simulator | None = None,
) -> None:
    """Simulate part k of a design, unless its file exists.

    Where the data determine the nuisances, all parts but the first lie around the posterior that the parts before give:
    a design over the whole prior leaves few simulations there.
    """
    stream, times = design[k]
    if not (k and row.statistics.fix_nuisances) or simulations.path_of(out, row, stream).exists():
        simulations.make(out, row, stream, times * n, simulator)
        return
    found = infer(row, simulations.load_parts(out, row, n, design[:k]), integrate).inference
    assert isinstance(found, draws.DrawnInference)
    simulations.make(out, row, stream, times * n, simulator, partial(draws.draw_design, row, found.grid))


def simulate(out: Path, row: Row, n: int, integrate: Integrate = integrate, simulator: Simulator | None = None) -> None:
    """Simulate the parts of a row's design that it has at least, unless their files exist."""
    for k in range(row.statistics.n_least):
        make_part(out, row, n, simulations.PARTS, k, integrate, simulator)


def load(out: Path, row: Row, n: int) -> Reference:
    """Read a row's posterior.

    Raises
    ------
    ValueError
        If the file has other settings.
    """
    path = path_of(out, row)
    simulations.check(path, settings(row, n, simulations.count_parts(out, row)))
    with np.load(path) as file:
        about = json.loads(str(file["settings"]))["certificate"]
        truth = file["truth"].tolist()
        certificate = Certificate(**{**about, "halves": Agreement(**about["halves"])})
        return Reference(file["samples"], truth[0], tuple(truth[1:]), certificate)


def path_of(out: Path, row: Row) -> Path:
    """Return the file of a row's posterior."""
    return out / "inferred" / f"{row.name}.npz"


def parts_of(out: Path, row: Row) -> int:
    """Return the number of parts of its design behind a row's posterior."""
    with np.load(path_of(out, row)) as file:
        return int(json.loads(str(file["settings"])).get("parts", 1))


def is_behind(out: Path, row: Row) -> bool:
    """Return whether a row's design has grown since it was inferred."""
    return path_of(out, row).exists() and parts_of(out, row) < simulations.count_parts(out, row)


def settings(row: Row, n: int, parts: int) -> dict[str, object]:
    """Return what a file's posterior depends on."""
    about = {**simulations.settings(row, 0, n), "parts": parts, "inference": get_version(row)}
    return {**about, "observation": list(row.observation)}


def get_version(row: Row) -> int:
    """Version of the inference from a row's data."""
    return NUMBERS_VERSION if row.statistics.fix_nuisances else INFERENCE_VERSION
