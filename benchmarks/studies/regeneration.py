"""How much a halo differs when another processor simulates it; Numba's generic processor stands for the other.

Rounding differs between processors, and orbits that pass the centre are chaotic. "The same halo" is therefore a
statement about most stars and about the fit: the quantiles printed here set its bounds. With an earlier file of a set
the same is reported of its rows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.studies.accuracy import OUTER
from mwlmc_data import Parameters, load_catalogue, simulate
from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.dataset.release import CATALOGUE_SEEDS
from mwlmc_data.scoring.ladders import TRAVEL
from mwlmc_data.storage.npz import replace_npz


def simulate_haloes(config: str, count: int) -> tuple[Float32Array, Float64Array]:
    """Simulate rows spread evenly over a set: stars (count, 4500, 6) and travel velocities (count, 3)."""
    table = load_catalogue(config=config)
    rows = table.iloc[np.linspace(0, len(table) - 1, count).astype(int)].to_dict("records")
    stars, vectors = [], []
    for row in rows:
        made = simulate(Parameters.from_row(row), seed=CATALOGUE_SEEDS[config], sim_id=int(row["sim_id"]))
        stars.append(np.hstack([made.halo.positions, made.halo.velocities]))
        vectors.append(made.reflex.vector)
    return np.array(stars), np.array(vectors)


def write_haloes(config: str, count: int, path: str) -> None:
    """Write what :func:`simulate_haloes` returns to a file, for the process of the other processor."""
    stars, vectors = simulate_haloes(config, count)
    replace_npz(Path(path), {"stars": stars, "vectors": vectors})


def compare(config: str, count: int) -> str:
    """Simulate haloes here and with the generic processor, and report how they differ.

    Parameters
    ----------
    config : str
        Set of simulations.
    count : int
        Number of haloes.

    Returns
    -------
    str
        A table.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "generic.npz")
        generic = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CACHE_DIR": folder}
        subprocess.run([sys.executable, "-m", __name__, config, str(count), path], env=generic, check=True)
        with np.load(path) as data:
            other, other_vectors = data["stars"], data["vectors"]
    stars, vectors = simulate_haloes(config, count)
    position = np.linalg.norm(stars[..., :3] - other[..., :3], axis=-1)
    velocity = np.linalg.norm(stars[..., 3:] - other[..., 3:], axis=-1)
    outer = np.linalg.norm(stars[..., :3], axis=-1) > OUTER
    travel = np.abs(vectors - other_vectors).max(axis=1)
    lines = [f"{count} haloes of the {config} set, here and with NUMBA_CPU_NAME=generic"]
    for name, chosen in (("all stars", np.full(outer.shape, True)), (f"stars beyond {OUTER:g} kpc", outer)):
        for quantity, values, bounds in (("kpc", position, (1e-3, 1e-2, 0.1)), ("km/s", velocity, (1e-2, 0.1, 1.0))):
            shares = ", ".join(f"{(values[chosen] < bound).mean():.4f} within {bound:g}" for bound in bounds)
            lines.append(f"{name}, {quantity}: median {np.median(values[chosen]):.1e}, {shares}")
    shares = ", ".join(f"{(travel < bound).mean():.3f} within {bound:g}" for bound in (1e-3, 1e-2, 0.1))
    lines.append(f"travel vector, km/s: median {np.median(travel):.1e}, {shares}, largest {travel.max():.2g}")
    return "\n".join(lines)


def compare_sets(config: str, before: Path) -> str:
    """Report how the rows of an embedded set differ from those of an earlier file of the same set.

    Parameters
    ----------
    config : str
        Set of simulations.
    before : Path
        A Parquet file with the same simulations.

    Returns
    -------
    str
        A table.

    Raises
    ------
    ValueError
        If the file has other simulations.
    """
    columns = ["sim_id", *TRAVEL, *(f"cov_v{a}_v{a}" for a in "xyz"), "n_stars_fit", "simulator_version"]
    now = load_catalogue(config=config, columns=columns).sort_values("sim_id")
    earlier = pq.read_table(before, columns=columns).to_pandas().sort_values("sim_id")
    if not np.array_equal(now["sim_id"], earlier["sim_id"]):
        raise ValueError(f"before = {str(before)!r}: allowed is a file with the {len(now)} simulations of {config}")
    differences = np.abs(now[list(TRAVEL)].to_numpy(float) - earlier[list(TRAVEL)].to_numpy(float))
    errors = np.sqrt(earlier[[f"cov_v{a}_v{a}" for a in "xyz"]].to_numpy(float))
    moved = differences.max(axis=1)
    stars = np.abs(now["n_stars_fit"].to_numpy(int) - earlier["n_stars_fit"].to_numpy(int))
    versions = " and ".join("/".join(sorted(set(t["simulator_version"].astype(str)))) for t in (earlier, now))
    quantiles = ", ".join(f"{100 * q:g}% {np.quantile(moved, q):.1e}" for q in (0.5, 0.9, 0.99))
    shares = ", ".join(f"{(moved <= bound).mean():.4f} within {bound:g}" for bound in (1e-3, 1e-2, 0.1))
    return "\n".join(
        [
            f"{len(now):,} rows of the {config} set, simulators {versions}",
            f"travel vector, largest component, km/s: {quantiles}, largest {moved.max():.2g}, at most "
            f"{(differences / errors).max():.2g} standard errors",
            f"{shares}; a vector of another number of stars in {(stars > 0).mean():.4f} of the rows "
            f"(at most {stars.max()})",
        ]
    )


if __name__ == "__main__":
    write_haloes(sys.argv[1], int(sys.argv[2]), sys.argv[3])
