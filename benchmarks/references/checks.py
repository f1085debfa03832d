"""The stage that checks some references with further simulations: another design, and importance sampling."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.c2st import c2st
from benchmarks.references import conditional, draws, importance, inference, simulations
from benchmarks.references.agreement import Agreement, compare
from benchmarks.references.certificate import Certificate
from benchmarks.references.history import integrate_histories as integrate
from benchmarks.references.importance import ImportanceCheck, Proposals
from benchmarks.references.inference import Inferred, Integrate
from benchmarks.references.rows import Row
from benchmarks.references.simulations import SEED, Simulated, Simulator, join
from mwlmc_data.inference.grid import Grid

#: Raised when the same simulations give another outcome.
CHECK_VERSION = 3
#: Stream of random numbers of the importance sampling.
_IMPORTANCE = 2
#: Samples of each for the classifier.
_N_CLASSIFIED = 2000


@dataclasses.dataclass(frozen=True)
class WeighedPoints:
    """A posterior on the points of importance sampling.

    Attributes
    ----------
    points : ndarray, shape (n, 6)
        Columns `design.DIMENSIONS`.
    weights : ndarray, shape (n,)
        Their sum is one.
    """

    points: NDArray
    weights: NDArray

    def moments(self) -> tuple[NDArray, NDArray]:
        """Means and variances of the six parameters, (6,) each."""
        mean = self.weights @ self.points
        return mean, self.weights @ np.square(self.points - mean)


def simulate(
    out: Path,
    row: Row,
    n: int,
    n_kept: int | None = None,
    integrate: Integrate = integrate,
    simulator: Simulator | None = None,
) -> None:
    """Simulate another design of a row and the points of its importance sampling, unless their files exist.

    The other design is as large as all parts of the row's own. The points stay where that grows later: the model only
    places them.
    """
    for k in range(simulations.count_parts(out, row)):
        inference.make_part(out, row, n, simulations.RERUN, k, integrate, simulator)
    path = simulations.path_of(out, row, _IMPORTANCE)
    n_pool, n_kept = _count_points(row, n_kept)
    about = _settings(row, n, n_pool, n_kept)
    if path.exists():
        simulations.check(path, about)
        return
    proposals = _propose(out, row, n, n_pool, n_kept, integrate)
    again = np.repeat(proposals.points, row.statistics.replicates, axis=0)
    data = simulations.run_points(row, again, _IMPORTANCE, simulator)
    simulations.save(path, about, values=proposals.points, probability=proposals.probability, data=data)


def _propose(out: Path, row: Row, n: int, n_pool: int, n_kept: int, integrate: Integrate) -> Proposals:
    """Choose the points of a row's importance sampling."""
    seed = (SEED, row.number, _IMPORTANCE)
    if row.statistics.fix_nuisances:
        found = inference.infer(row, simulations.load_parts(out, row, n), integrate).inference
        assert isinstance(found, draws.DrawnInference)
        return importance.propose_around(row, found.grid, seed, n_kept)
    model, travel = _model(out, row, n, integrate), np.array(row.observation)

    def log_density(points: NDArray) -> NDArray:
        return model.log_density(travel, points, integrate(points, lmc=row.lmc))

    return importance.propose(log_density, seed, n_pool, n_kept)


def compute(out: Path, row: Row, n: int, n_kept: int | None = None, integrate: Integrate = integrate) -> None:
    """Compare a row's posterior with its checks and write the outcome, unless it exists for the same design."""
    path, parts = path_of(out, row), simulations.count_parts(out, row)
    n_pool, n_kept = _count_points(row, n_kept)
    about = {**_settings(row, n, n_pool, n_kept), "inference": inference.get_version(row), "check": CHECK_VERSION}
    if path.exists():
        simulations.check(path, about)
        if read_parts(out, row) == parts:
            return
    travel = np.array(row.observation)
    found = inference.infer(row, simulations.load_parts(out, row, n), integrate)
    other = inference.infer(row, simulations.load_parts(out, row, n, simulations.RERUN[:parts]), integrate)
    grid = found.inference.grid
    rerun = compare(grid, found.inference.lattice.infer(other.fitted.model, travel)[0])
    seeds = [(SEED, row.number, which) for which in (2, 3)]
    samples, others = (g.sample(_N_CLASSIFIED, s) for g, s in zip((grid, other.inference.grid), seeds, strict=True))
    proposals, vectors, covariances = load(out, row, n, n_kept)
    if row.statistics.fix_nuisances:
        matrices = found.fitted.model.covariances(proposals.points)
    else:
        matrices = importance.as_matrices(covariances.mean(axis=1))
    weighed = importance.check(grid, proposals, travel, vectors, matrices)
    refit = compare(grid, _refit(row, found, other, proposals, vectors, covariances, integrate))
    outcome = {
        "rerun": dataclasses.asdict(rerun),
        "c2st": float(c2st(samples[None], others[None], permutations=2).accuracy[0]),
        "importance": dataclasses.asdict(weighed),
        "refit": dataclasses.asdict(refit),
    }
    simulations.save(path, {**about, "parts": parts, "outcome": outcome})


def make(out: Path, row: Row, n: int, n_kept: int | None = None) -> None:
    """Simulate a row's checks and compute their outcome."""
    simulate(out, row, n, n_kept)
    compute(out, row, n, n_kept)


def attach(out: Path, row: Row, certificate: Certificate) -> Certificate:
    """Add the outcome of a row's checks to its certificate, if they were made of the design as it is."""
    path = path_of(out, row)
    if not path.exists() or read_parts(out, row) != simulations.count_parts(out, row):
        return certificate
    with np.load(path) as file:
        outcome = json.loads(str(file["settings"]))["outcome"]
    weighed: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in outcome["importance"].items()}
    return dataclasses.replace(
        certificate,
        rerun=Agreement(**outcome["rerun"]),
        c2st=outcome["c2st"],
        importance=ImportanceCheck(**weighed),
        refit=Agreement(**outcome["refit"]),
    )


def load(out: Path, row: Row, n: int, n_kept: int | None = None) -> tuple[Proposals, NDArray, NDArray]:
    """Read the simulations of a row's importance sampling: proposals, data (n, r, k), covariances (n, r, 6).

    Points with a failed simulation are left out.
    """
    path = simulations.path_of(out, row, _IMPORTANCE)
    n_pool, n_kept = _count_points(row, n_kept)
    simulations.check(path, _settings(row, n, n_pool, n_kept))
    with np.load(path) as file:
        data = file["data"].astype(float).reshape(len(file["values"]), row.statistics.replicates, -1)
        whole = np.isfinite(data).all(axis=(1, 2))
        proposals = Proposals(file["values"][whole], file["probability"][whole], n_pool)
    k = len(row.statistics)
    return proposals, data[whole, :, :k], data[whole, :, k:]


def weigh(out: Path, row: Row, n: int, n_kept: int | None = None, integrate: Integrate = integrate) -> WeighedPoints:
    """Weigh the simulations of a row's importance sampling: its posterior without the model of the mean.

    Raises
    ------
    ValueError
        If they were not made, or belong to other settings.
    """
    if not simulations.path_of(out, row, _IMPORTANCE).exists():
        raise ValueError(f"out = {str(out)!r}: allowed is a folder in which --stage check has simulated {row.name}")
    proposals, data, covariances = load(out, row, n, n_kept)
    if row.statistics.fix_nuisances:
        matrices = _model(out, row, n, integrate).covariances(proposals.points)
    else:
        matrices = importance.as_matrices(covariances.mean(axis=1))
    logs = importance.log_likelihoods(np.array(row.observation), data, matrices) - np.log(proposals.probability)
    weights = np.exp(logs - logs.max())
    return WeighedPoints(proposals.points.astype(float), weights / weights.sum())


def path_of(out: Path, row: Row) -> Path:
    """Return the file of a row's outcome."""
    return out / "checked" / f"{row.name}.npz"


def read_parts(out: Path, row: Row) -> int:
    """Return the number of parts of the row's design that were checked."""
    with np.load(path_of(out, row)) as file:
        return int(json.loads(str(file["settings"]))["parts"])


def _refit(
    row: Row,
    found: Inferred,
    other: Inferred,
    proposals: Proposals,
    vectors: NDArray,
    covariances: NDArray,
    integrate: Integrate,
) -> Grid | draws.Drawn:
    """Infer from all simulations of a row, most of them near the observation."""
    k = vectors.shape[1]
    points = np.repeat(proposals.points.astype(float), k, axis=0)
    close = Simulated(points[:, :3], points[:, 3:], vectors.reshape(-1, vectors.shape[2]), covariances.reshape(-1, 6))
    past = np.repeat(integrate(proposals.points, lmc=row.lmc), k, axis=0)
    everything = join([found.simulated, other.simulated, close])
    model = conditional.fit(everything, np.concatenate([found.past, other.past, past])).model
    return found.inference.lattice.infer(model, np.array(row.observation))[0]


def _model(out: Path, row: Row, n: int, integrate: Integrate) -> conditional.Conditional:
    simulated = simulations.load_parts(out, row, n)
    points = np.concatenate([simulated.theta, simulated.nuisances], axis=1)
    return conditional.fit(simulated, partial(integrate, lmc=row.lmc)(points)).model


def _count_points(row: Row, n_kept: int | None) -> tuple[int, int]:
    """Return the draws of the prior and the average number to keep: twice as many for a case, whose LMC is heavy.

    Around a posterior on draws all points are kept.
    """
    if row.statistics.fix_nuisances:
        kept = n_kept or row.statistics.n_weighed
        return kept, kept
    times = 1 if row.kind == "test" else 2
    return times * importance.N_POOL, n_kept or times * importance.N_KEPT


def _settings(row: Row, n: int, n_pool: int, n_kept: int) -> dict[str, object]:
    about = {**simulations.settings(row, _IMPORTANCE, n), "pool": n_pool, "kept": n_kept}
    return {**about, "replicates": row.statistics.replicates}
