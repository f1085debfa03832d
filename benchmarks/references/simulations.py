"""The simulations of a design at one present day of the LMC, a file for each row, so that a run can be interrupted.

A file appears completely or not at all, and records its settings: files of another seed, design or simulator are
refused, not mixed in.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.references.design import DESIGN_VERSION, DIMENSIONS, THETA, draw_design
from benchmarks.references.rows import Row
from benchmarks.references.statistics import REFLEX_MOTION, SEED
from mwlmc_data.array_types import Float32Array
from mwlmc_data.simulator import constants as const
from mwlmc_data.storage.npz import replace_npz

#: Simulations of a row's first design given the travel vector.
N_POINTS = REFLEX_MOTION.n_points
#: Designs that a row may have, as many of them as its statistics say: the stream of each, and its size in units of the
#: first; their sums are powers of two.
PARTS = ((0, 1), (3, 1), (4, 2), (7, 4))
#: The same for the other design of a row that is checked. Stream 2 is that of its importance sampling.
RERUN = ((1, 1), (5, 1), (6, 2), (8, 4))
#: Largest fraction of a row's simulations that may fail.
MAX_FAILURES = 0.01
#: Range of sim_id for a design, so that no two rows or designs share one.
_STRIDE = 1 << 20

#: Maps a row of parameters to the k numbers of its statistics and the travel vector's covariances (k + 6 numbers).
Simulator = Callable[[dict[str, Any]], NDArray]
#: Draws the points of a design: a number and a seed to points of the unit cube and parameters.
Draw = Callable[[int, tuple[int, ...]], tuple[NDArray, NDArray]]
#: The parts of a design: stream and size of each.
Parts = tuple[tuple[int, int], ...]


@dataclasses.dataclass(frozen=True)
class Simulated:
    """Simulations at one present day of the LMC.

    Attributes
    ----------
    theta : ndarray, shape (n, 3)
        m_lmc, m200_mw [Msun], log10_lambda_df.
    nuisances : ndarray, shape (n, 3)
        m_lmc_8p7 [Msun], beta0, r_dehnen [kpc].
    data : ndarray, shape (n, k)
        Numbers of the row's statistics, the travel vector [km/s] first.
    covariances : ndarray, shape (n, 6)
        Covariance of the travel vector's errors from each fit [km^2/s^2]: xx, xy, xz, yy, yz, zz.
    """

    theta: NDArray
    nuisances: NDArray
    data: NDArray
    covariances: NDArray

    def __len__(self) -> int:
        return len(self.theta)

    def take(self, which: NDArray | slice) -> Simulated:
        """Select simulations."""
        return Simulated(*(getattr(self, field.name)[which] for field in dataclasses.fields(self)))

    @property
    def successful(self) -> Simulated:
        """The simulations that did not fail."""
        return self.take(np.isfinite(self.data).all(axis=1))


def join(parts: Sequence[Simulated]) -> Simulated:
    """Concatenate simulations."""
    return Simulated(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(Simulated)))


def run_points(row: Row, values: NDArray, stream: int, simulator: Simulator | None = None) -> Float32Array:
    """Simulate points at the LMC's present day of a row.

    Parameters
    ----------
    row : Row
        Provides the present day.
    values : ndarray, shape (n, 6)
        Columns `DIMENSIONS`.
    stream : int
        Number of the design: simulations of different rows, streams and points have different stars.
    simulator : callable, optional
        Simulates one row; by default that of the row's statistics.

    Returns
    -------
    ndarray, shape (n, k + 6)
        Statistics and covariances.
    """
    simulate = simulator or row.statistics.simulate
    first = (row.number * 64 + stream) * _STRIDE
    table = [dict(zip(DIMENSIONS, point, strict=True)) for point in np.asarray(values, float).tolist()]
    jobs = [{**point, **row.lmc, "sim_id": first + i} for i, point in enumerate(table)]
    return np.array([simulate(job) for job in jobs], dtype=np.float32)


def settings(row: Row, stream: int, n: int) -> dict[str, Any]:
    """Return what a file's simulations depend on."""
    return {
        "name": row.name,
        "lmc": dict(row.lmc),
        "seed": SEED,
        "stream": stream,
        "n": n,
        "design": DESIGN_VERSION,
        "simulator": const.SIMULATOR_VERSION,
        "n_stars": const.N_STARS,
        "statistics": row.statistics.label,
    }


def path_of(out: Path, row: Row, stream: int) -> Path:
    """Return the file of a row's design."""
    return out / "simulations" / f"{row.name}.{stream}.npz"


def make(
    out: Path,
    row: Row,
    stream: int,
    n: int = N_POINTS,
    simulator: Simulator | None = None,
    draw: Draw = draw_design,
) -> None:
    """Simulate a design and write its file, unless it exists.

    `draw` takes the number of points and a seed, and returns them in the unit cube and as parameters.
    """
    path = path_of(out, row, stream)
    if path.exists():
        check(path, settings(row, stream, n))
        return
    unit, values = draw(n, (SEED, row.number, stream))
    data = run_points(row, values, stream, simulator)
    save(path, settings(row, stream, n), unit=unit.astype(np.float32), values=values, data=data)


def save(path: Path, about: dict[str, Any], **arrays: NDArray) -> None:
    """Write arrays with their settings, completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_npz(path, {"settings": json.dumps(about), **arrays}, compressed=True)


def check(path: Path, expected: dict[str, Any]) -> None:
    """Refuse a file of other settings.

    Raises
    ------
    ValueError
        If a setting differs; the message names it.
    """
    with np.load(path) as file:
        found = json.loads(str(file["settings"]))
    wrong = [f"{k} is {found.get(k)!r} there and {v!r} now" for k, v in expected.items() if found.get(k) != v]
    if wrong:
        raise ValueError(f"out: allowed is another folder; {path} has other settings: {'; '.join(wrong)}")


def count_parts(out: Path, row: Row, design: Parts = PARTS) -> int:
    """Count how many parts of a design are simulated, in order."""
    there = [path_of(out, row, stream).exists() for stream, _ in design]
    return there.index(False) if False in there else len(there)


def n_points(row: Row, parts: int, n: int = N_POINTS) -> int:
    """Return the number of simulations in the first parts that count."""
    return n * sum(times for _, times in choose_parts(row, PARTS[:parts]))


def choose_parts(row: Row, parts: Parts) -> Parts:
    """Choose the parts that count: later ones alone, where these lie around what the first gave."""
    return parts[1:] if row.statistics.fix_nuisances and len(parts) > 1 else parts


def load_parts(out: Path, row: Row, n: int = N_POINTS, design: Parts = PARTS) -> Simulated:
    """Read all parts of a design that exist and count, in order: each half has low discrepancy.

    Raises
    ------
    ValueError
        As `load`.
    """
    parts = choose_parts(row, design[: count_parts(out, row, design)] or design[:1])
    return join([load(out, row, stream, times * n) for stream, times in parts])


def load(out: Path, row: Row, stream: int, n: int = N_POINTS) -> Simulated:
    """Read a row's simulations.

    Raises
    ------
    ValueError
        If the file has other settings, or too many of its simulations failed.
    """
    path = path_of(out, row, stream)
    check(path, settings(row, stream, n))
    with np.load(path) as file:
        values, data = file["values"].astype(float), file["data"].astype(float)
    d, k = len(THETA), len(row.statistics)
    found = Simulated(values[:, :d], values[:, d:], data[:, :k], data[:, k:])
    failed = len(found) - len(found.successful)
    if failed > MAX_FAILURES * len(found):
        raise ValueError(f"failed simulations of {path} = {failed} of {len(found)}: allowed is {MAX_FAILURES:.0%}")
    return found.successful
