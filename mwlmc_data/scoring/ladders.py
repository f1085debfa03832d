"""Observations that differ from the training set by a known amount, made from its own test rows.

Noise and bias act on the reflex vector of a row and its own covariance. A clipped sky and an infalling half of the halo
need the stars: released haloes are changed and refitted, and the results are embedded (`data/shift.parquet`, from
`make_haloes` and `write_haloes`), so that using them costs nothing.

A contraction of the entire halo at one speed is not a rung: the fit's mean radial velocity absorbs it, and the reflex
motion does not change. If only one half falls in, the fit attributes half of it to a motion of the disc.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from mwlmc_data.arguments.angles import compute_longitude
from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.dataset import release, schema
from mwlmc_data.storage import embedded, parquet
from mwlmc_data.storage.errors import DamagedFileError

#: Name of the embedded file in the registry of the benchmark's files.
NAME = "shift"
TRAVEL = ("vx_travel", "vy_travel", "vz_travel")
COVARIANCE = ("cov_vx_vx", "cov_vx_vy", "cov_vx_vz", "cov_vy_vy", "cov_vy_vz", "cov_vz_vz")
#: Factors on the standard errors of the reflex vector.
NOISE = {"noise-2": 2.0, "noise-4": 4.0}
#: Biases of v_travel [km/s].
BIAS = {"bias-10": 10.0, "bias-20": 20.0, "bias-40": 40.0}
#: Edge of the clipped skies in Galactic latitude as seen from the Sun [deg].
LATITUDE = 30.0
_NOISE_KEY = 20250714
#: Columns of the embedded file, a row for each of `HALO_GROUPS` and simulation.
COLUMNS: tuple[schema.Column, ...] = (
    schema.Column("group", "string", "", "What was done to the halo before it was fitted again"),
    schema.get_column("sim_id"),
    *(schema.get_column(name) for name in TRAVEL),
)


#: Changes positions [kpc] and velocities [km/s], (n, 3), of a halo.
Change = Callable[[Float64Array, Float64Array], tuple[Float64Array, Float64Array]]


def _beyond_the_plane(x: Float64Array, v: Float64Array) -> tuple[NDArray, NDArray]:
    keep = np.abs(latitude(x)) > LATITUDE
    return x[keep], v[keep]


def _northern(x: Float64Array, v: Float64Array) -> tuple[NDArray, NDArray]:
    keep = latitude(x) > LATITUDE
    return x[keep], v[keep]


def _infalling(speed: float) -> Change:
    def change(x: Float64Array, v: Float64Array) -> tuple[NDArray, NDArray]:
        outwards = x / np.linalg.norm(x, axis=1, keepdims=True)
        return x, v - speed * outwards * (x[:, 2:] > 0)

    return change


#: Changes to a halo before it is refitted: without stars within 30 deg of the plane; only stars at b > 30 deg; stars
#: north of the disc's plane fall in at an additional 20 or 40 km/s.
HALO_GROUPS: dict[str, Change] = {
    "sky-plane": _beyond_the_plane,
    "sky-north": _northern,
    "contraction-20": _infalling(20.0),
    "contraction-40": _infalling(40.0),
}

#: Description of each group.
WHAT = {
    "noise-2": "noise added until the errors of the reflex vector are twice the row's own",
    "noise-4": "noise added until the errors of the reflex vector are four times the row's own",
    "bias-10": "v_travel too large by 10 km/s",
    "bias-20": "v_travel too large by 20 km/s",
    "bias-40": "v_travel too large by 40 km/s",
    "sky-plane": "fitted without the stars within 30 deg of the Galactic plane",
    "sky-north": "fitted only to the stars at b > 30 deg",
    "contraction-20": "the northern half of the halo falls in at 20 km/s",
    "contraction-40": "the northern half of the halo falls in at 40 km/s",
}


def latitude(positions: NDArray) -> Float64Array:
    """Return the Galactic latitude seen from the Sun [deg] of Galactocentric positions (n, 3) [kpc]."""
    from mwlmc_data.simulator.constants import SUN_POSITION

    from_sun = np.asarray(positions, dtype=np.float64) - SUN_POSITION
    return np.degrees(np.arcsin(from_sun[:, 2] / np.linalg.norm(from_sun, axis=1)))


def reflex_data(travel: NDArray) -> Float32Array:
    """Convert travel vectors (n, 3) [km/s] to speed [km/s] and apex l, b [deg], shape (n, 3)."""
    x, y, z = np.asarray(travel, dtype=np.float64).T
    speed = np.sqrt(x * x + y * y + z * z)
    return np.stack([speed, compute_longitude(x, y), np.degrees(np.arcsin(z / speed))], axis=1).astype(np.float32)


def add_noise(table: Mapping[str, NDArray], factor: float) -> Float64Array:
    """Add noise with each row's own covariance to travel vectors, so that errors are `factor` times as large.

    Parameters
    ----------
    table : mapping
        Columns sim_id, `TRAVEL` and `COVARIANCE` of n rows.
    factor : float
        1 or more.

    Returns
    -------
    ndarray, shape (n, 3)
        [km/s]. A row has the same deviates at every factor, keyed by its sim_id.
    """
    matrices = np.empty((len(table["sim_id"]), 3, 3))
    for name, (i, j) in zip(COVARIANCE, ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)), strict=True):
        matrices[:, i, j] = matrices[:, j, i] = table[name]
    noise = np.einsum("nij,nj->ni", np.linalg.cholesky(matrices), draw_deviates(table["sim_id"]))
    return _travel(table) + np.sqrt(factor**2 - 1.0) * noise


def draw_deviates(sim_ids: NDArray[np.integer]) -> Float64Array:
    """Draw standard Gaussian numbers (n, 3) for rows, from raw words of Philox that no NumPy release changes."""
    words = np.stack([np.random.Philox(key=[_NOISE_KEY, int(i)]).random_raw(3) for i in sim_ids])
    return ndtri(((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53)


def add_bias(table: Mapping[str, NDArray], shift: float) -> Float64Array:
    """Lengthen travel vectors (n, 3) by `shift` [km/s]."""
    travel = _travel(table)
    return travel * (1.0 + shift / np.linalg.norm(travel, axis=1, keepdims=True))


def make_haloes(sim_ids: NDArray[np.integer]) -> dict[str, NDArray]:
    """Change haloes and refit them.

    Parameters
    ----------
    sim_ids : integer array of shape (n,)
        Released simulations.

    Returns
    -------
    dict
        group, sim_id and `TRAVEL` [km/s, float32], a row for each of `HALO_GROUPS` and simulation.
    """
    from mwlmc_data.dataset.haloes import load_halo
    from mwlmc_data.simulator import fit_reflex

    vectors = np.empty((len(HALO_GROUPS), len(sim_ids), 3), dtype=np.float32)
    for j, sim_id in enumerate(sim_ids):
        halo = load_halo(int(sim_id))
        # in double precision, so that a change is not lost in rounding
        stars = halo.positions.astype(float), halo.velocities.astype(float)
        for i, change in enumerate(HALO_GROUPS.values()):
            vectors[i, j] = fit_reflex(*change(*stars)).vector
    flat = vectors.reshape(-1, 3)
    names = np.repeat(list(HALO_GROUPS), len(sim_ids))
    numbers = np.tile(np.asarray(sim_ids, dtype=np.int32), len(HALO_GROUPS))
    return {"group": names, "sim_id": numbers} | {name: flat[:, i] for i, name in enumerate(TRAVEL)}


def write_haloes(table: Mapping[str, NDArray], directory: Path | None = None) -> Path:
    """Write the result of `make_haloes` to `shift.parquet` and register it.

    Parameters
    ----------
    table : mapping
        As `make_haloes` returns it.
    directory : Path, optional
        Folder of the embedded files; that of the package by default.

    Returns
    -------
    Path
        The file.
    """
    import pyarrow as pa

    from mwlmc_data.simulator import SIMULATOR_VERSION

    path = (release.DATA_DIR if directory is None else directory) / f"{NAME}.parquet"
    arrow_schema = schema.table_schema(COLUMNS, {"config": NAME, "simulator_version": SIMULATOR_VERSION})
    parquet.write_table(pa.table({c.name: table[c.name] for c in COLUMNS}, schema=arrow_schema), path)
    embedded.register(path, NAME, len(table["sim_id"]), SIMULATOR_VERSION)
    return path


def read_haloes(directory: Path | None = None) -> dict[str, NDArray]:
    """Read the embedded results of `make_haloes`.

    Parameters
    ----------
    directory : Path, optional
        Folder of the embedded files; that of the package by default.

    Returns
    -------
    dict
        As `make_haloes` returns it.

    Raises
    ------
    DamagedFileError
        If the file is missing or has another hash.
    """
    import pyarrow.parquet as pq

    path = embedded.verify_file(NAME, directory)
    if path is None:
        home = release.DATA_DIR if directory is None else directory
        raise DamagedFileError(home / embedded.REGISTRY, f"an entry {NAME!r}", "none")
    table = pq.read_table(path)
    return {c.name: table[c.name].to_numpy() for c in COLUMNS}


def _travel(table: Mapping[str, NDArray]) -> Float64Array:
    return np.stack([table[name] for name in TRAVEL], axis=1).astype(np.float64)
