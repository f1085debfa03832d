"""The simulations of a design at one present day of the LMC, kept in a file a row so that a run can be killed.

A file is written beside its place and renamed into it. Its settings are inside: a file of another seed, design or
simulator is refused, not mixed in.
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

from benchmarks.references.design import DESIGN_VERSION, DIMENSIONS, THETA, design
from benchmarks.references.rows import TRAVEL, Row
from mwlmc_data.array_types import Float32Array
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.many import simulate_row
from mwlmc_data.storage.npz import write_npz
from mwlmc_data.storage.writing import write_bytes

#: Of the stars and designs of the references; none of the catalogues' (`release.CATALOGUE_SEEDS`).
SEED = 20250720
#: Simulations of a row's first design.
N_POINTS = 2048
#: Designs that a row may have: the stream of each, and its size in units of the first; together powers of two. The
#: streams between are those of the checks.
PARTS = ((0, 1), (3, 1), (4, 2))
COVARIANCES = ("cov_vx_vx", "cov_vx_vy", "cov_vx_vz", "cov_vy_vy", "cov_vy_vz", "cov_vz_vz")
#: Greatest fraction of a row's simulations that may fail.
MAX_FAILURES = 0.01
#: Sim_ids of a design; those of rows and designs are apart.
_STRIDE = 1 << 20

#: A row of parameters in, the travel vector and its covariances (9 numbers) out.
Simulator = Callable[[dict[str, Any]], NDArray]


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
        Of its errors as each fit gives them [km^2/s^2]: xx, xy, xz, yy, yz, zz.
    """

    theta: NDArray
    nuisances: NDArray
    travel: NDArray
    covariances: NDArray

    def __len__(self) -> int:
        return len(self.theta)

    def take(self, which: NDArray | slice) -> Simulated:
        """Some of the simulations."""
        return Simulated(*(getattr(self, field.name)[which] for field in dataclasses.fields(self)))

    @property
    def whole(self) -> Simulated:
        """Those that did not fail."""
        return self.take(np.isfinite(self.travel).all(axis=1))


def join(parts: Sequence[Simulated]) -> Simulated:
    """Put simulations together."""
    return Simulated(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(Simulated)))


def simulator_row(row: dict[str, Any]) -> Float32Array:
    """Travel vector and covariances of one simulation; NaN where it cannot be computed."""
    try:
        found = simulate_row((row, SEED, const.N_STARS, "numba"))
    except (ValueError, RuntimeError, FloatingPointError):
        return np.full(9, np.nan, dtype=np.float32)
    return np.array([found[name] for name in (*TRAVEL, *COVARIANCES)], dtype=np.float32)


def run_points(row: Row, values: NDArray, stream: int, simulator: Simulator = simulator_row) -> Float32Array:
    """Simulate points at the LMC's present day of a row.

    Parameters
    ----------
    row : Row
        Gives the present day.
    values : ndarray, shape (n, 6)
        Columns `DIMENSIONS`.
    stream : int
        Number of the design: simulations of different rows, streams and points have stars of their own.
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
    """What a file's simulations depend on."""
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
    """File of a row's design."""
    return out / "simulations" / f"{row.name}.{stream}.npz"


def make(out: Path, row: Row, stream: int, n: int = N_POINTS, simulator: Simulator = simulator_row) -> None:
    """Simulate a design and write its file; one that is there is left."""
    path = path_of(out, row, stream)
    if path.exists():
        check(path, settings(row, stream, n))
        return
    unit, values = design(n, (SEED, row.number, stream))
    data = run_points(row, values, stream, simulator)
    save(path, settings(row, stream, n), unit=unit.astype(np.float32), values=values, data=data)


def save(path: Path, about: dict[str, Any], **arrays: NDArray) -> None:
    """Write arrays with their settings, whole or not at all."""
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
        raise ValueError(f"{path} holds simulations of other settings: {'; '.join(wrong)}; choose another --out")


def parts_there(out: Path, row: Row) -> int:
    """How many of `PARTS` are simulated, one after another."""
    there = [path_of(out, row, stream).exists() for stream, _ in PARTS]
    return there.index(False) if False in there else len(there)


def n_points(parts: int, n: int = N_POINTS) -> int:
    """Simulations of so many parts."""
    return n * sum(times for _, times in PARTS[:parts])


def load_parts(out: Path, row: Row, n: int = N_POINTS) -> Simulated:
    """Read all parts of a row's design that are there, one after another: each half is of low discrepancy.

    Raises
    ------
    ValueError
        As `load`.
    """
    parts = PARTS[: parts_there(out, row)] or PARTS[:1]
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
    failed = len(found) - len(found.whole)
    if failed > MAX_FAILURES * len(found):
        raise ValueError(f"{path}: {failed} of {len(found)} simulations failed; allowed are {MAX_FAILURES:.0%}")
    return found.whole
