"""The simulations of a design at one present day of the LMC, a file for each row, so that a run can be interrupted.

A file appears completely or not at all, and records its settings: files of another seed, design or simulator are
refused, not mixed in.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.references.design import DESIGN_VERSION, DIMENSIONS, THETA, draw_design
from benchmarks.references.rows import TRAVEL, Row
from mwlmc_data.array_types import Float32Array
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.many import simulate_row
from mwlmc_data.storage.npz import write_npz
from mwlmc_data.storage.writing import write_bytes

#: Seed of the references' stars and designs, unlike all of the catalogues' (`release.CATALOGUE_SEEDS`).
SEED = 20250720
#: Simulations of a row's first design.
N_POINTS = 2048
#: Designs that a row may have: the stream of each, and its size in units of the first; their sums are powers of two.
PARTS = ((0, 1), (3, 1), (4, 2))
#: The same for the other design of a row that is checked. Stream 2 is that of its importance sampling.
RERUN = ((1, 1), (5, 1), (6, 2))
COVARIANCES = ("cov_vx_vx", "cov_vx_vy", "cov_vx_vz", "cov_vy_vy", "cov_vy_vz", "cov_vz_vz")
#: Largest fraction of a row's simulations that may fail.
MAX_FAILURES = 0.01
#: Range of sim_id for a design, so that no two rows or designs share one.
_STRIDE = 1 << 20

#: Maps a row of parameters to the travel vector and its covariances (9 numbers).
Simulator = Callable[[dict[str, Any]], NDArray]
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
    travel : ndarray, shape (n, 3)
        Travel vector [km/s].
    covariances : ndarray, shape (n, 6)
        Covariance of its errors from each fit [km^2/s^2]: xx, xy, xz, yy, yz, zz.
    """

    theta: NDArray
    nuisances: NDArray
    travel: NDArray
    covariances: NDArray

    def __len__(self) -> int:
        return len(self.theta)

    def take(self, which: NDArray | slice) -> Simulated:
        """Select simulations."""
        return Simulated(*(getattr(self, field.name)[which] for field in dataclasses.fields(self)))

    @property
    def successful(self) -> Simulated:
        """The simulations that did not fail."""
        return self.take(np.isfinite(self.travel).all(axis=1))


def join(parts: Sequence[Simulated]) -> Simulated:
    """Concatenate simulations."""
    return Simulated(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(Simulated)))


def simulate_travel(row: dict[str, Any]) -> Float32Array:
    """Simulate a travel vector and its covariances; NaN where that fails."""
    try:
        found = simulate_row((row, SEED, const.N_STARS, "numba"))
    except (ValueError, RuntimeError, FloatingPointError):
        return np.full(9, np.nan, dtype=np.float32)
    return np.array([found[name] for name in (*TRAVEL, *COVARIANCES)], dtype=np.float32)


def run_points(row: Row, values: NDArray, stream: int, simulator: Simulator = simulate_travel) -> Float32Array:
    """Simulate points at the LMC's present day of a row.

    Parameters
    ----------
    row : Row
        Provides the present day.
    values : ndarray, shape (n, 6)
        Columns `DIMENSIONS`.
    stream : int
        Number of the design: simulations of different rows, streams and points have different stars.
    simulator : callable
        Simulates one row.

    Returns
    -------
    ndarray, shape (n, 9)
        Travel vector and covariances.
    """
    first = (row.number * 64 + stream) * _STRIDE
    table = [dict(zip(DIMENSIONS, point, strict=True)) for point in np.asarray(values, float).tolist()]
    jobs = [{**point, **row.lmc, "sim_id": first + i} for i, point in enumerate(table)]
    return np.array([simulator(job) for job in jobs], dtype=np.float32)


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
    }


def path_of(out: Path, row: Row, stream: int) -> Path:
    """Return the file of a row's design."""
    return out / "simulations" / f"{row.name}.{stream}.npz"


def make(out: Path, row: Row, stream: int, n: int = N_POINTS, simulator: Simulator = simulate_travel) -> None:
    """Simulate a design and write its file, unless it exists."""
    path = path_of(out, row, stream)
    if path.exists():
        check(path, settings(row, stream, n))
        return
    unit, values = draw_design(n, (SEED, row.number, stream))
    data = run_points(row, values, stream, simulator)
    save(path, settings(row, stream, n), unit=unit.astype(np.float32), values=values, data=data)


def save(path: Path, about: dict[str, Any], **arrays: NDArray) -> None:
    """Write arrays with their settings, completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    write_npz(buffer, {"settings": json.dumps(about), **arrays}, compressed=True)
    write_bytes(path, buffer.getvalue())


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


def n_points(parts: int, n: int = N_POINTS) -> int:
    """Return the number of simulations in the first parts."""
    return n * sum(times for _, times in PARTS[:parts])


def load_parts(out: Path, row: Row, n: int = N_POINTS, design: Parts = PARTS) -> Simulated:
    """Read all parts of a design that exist, in order: each half has low discrepancy.

    Raises
    ------
    ValueError
        As `load`.
    """
    parts = design[: count_parts(out, row, design)] or design[:1]
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
    k = len(THETA)
    found = Simulated(values[:, :k], values[:, k:], data[:, :3], data[:, 3:])
    failed = len(found) - len(found.successful)
    if failed > MAX_FAILURES * len(found):
        raise ValueError(f"failed simulations of {path} = {failed} of {len(found)}: allowed is {MAX_FAILURES:.0%}")
    return found.successful
