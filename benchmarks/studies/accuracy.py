"""The simulator beside agama and its own float64 yardstick, as a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.simulator import Parameters, fit_reflex
from mwlmc_data.simulator.engines.lanes import integrate_lanes
from mwlmc_data.simulator.engines.start import TOLERANCE, TOLERANCE_FLOAT64
from mwlmc_data.simulator.equations import integrate_stars
from mwlmc_data.simulator.orbit import build_field
from mwlmc_data.simulator.parameters import CARTESIAN_NAMES

#: Stars that end within this radius [kpc] are left out: their orbits are chaotic, and the fit does not use them.
OUTER = 20.0


def compare(reference: Path) -> dict[str, dict[str, float]]:
    """Compare with the reference runs, case by case.

    Parameters
    ----------
    reference : Path
        Folder with ``agama/summary.json`` and the arrays of the cases.

    Returns
    -------
    dict of str to dict
        For each case the largest difference of the pair's phase-space coordinates at -2.2 Gyr [kpc, km/s], median and
        99th percentile of the stars' distance [kpc] from agama's (at 1e-12) and from the float64 yardstick, and the
        largest difference of the fitted travel vector's components [km/s].

    Raises
    ------
    FileNotFoundError
        If the folder lacks a file.
    """
    cases = json.loads((reference / "agama" / "summary.json").read_text())["cases"]
    return {name: _compare(case, reference / "agama" / f"{name}.npz") for name, case in cases.items()}


def _compare(case: dict[str, Any], path: Path) -> dict[str, float]:
    present = dict(zip(CARTESIAN_NAMES, case["x0"] + case["v0"], strict=True))
    shape = {"m200_mw": case["m200"], "c200": case["c200"], "beta0": case["beta0"], "r_dehnen": case["r_dehnen"]}
    lmc = {"m_lmc": case["m_lmc"], "a_lmc": case["a_lmc"], "log10_lambda_df": float(np.log10(case["lam"]))}
    orbit, field = build_field(Parameters(**shape, **lmc, **present))
    with np.load(path) as data:
        initial, final = data["initial"], data["final"].astype(float)
    moved = integrate_lanes(initial, field, TOLERANCE)[0].astype(float)
    yardstick = initial.copy()
    integrate_stars(yardstick, field.t_start, 0.0, field, TOLERANCE_FLOAT64)
    start = np.abs(np.r_[orbit.mw[0], orbit.lmc[0]] - case["mw_lmc_at_minus_2.2_gyr"])
    vectors = [fit_reflex(stars[:, :3], stars[:, 3:]).vector for stars in (moved, final)]
    positions = [0, 1, 2, 6, 7, 8]
    result = {"orbit [kpc]": start[positions].max(), "orbit [km/s]": np.delete(start, positions).max()}
    for label, stars in (("agama", final), ("float64", yardstick)):
        result |= {f"{key} to {label} [kpc]": value for key, value in _distances(moved, stars).items()}
    return result | {"travel vector [km/s]": float(np.abs(vectors[0] - vectors[1]).max())}


def _distances(stars: NDArray, others: NDArray) -> dict[str, float]:
    outer = np.linalg.norm(others[:, :3], axis=1) > OUTER
    distance = np.linalg.norm(stars[outer, :3] - others[outer, :3], axis=1)
    return {"median": float(np.median(distance)), "99%": float(np.percentile(distance, 99))}


def describe(result: dict[str, dict[str, float]]) -> str:
    """Format the comparison as a table."""
    quantities = list(next(iter(result.values())))
    lines = [f"{'':<26}" + "".join(f"{name:>14}" for name in result)]
    for quantity in quantities:
        lines.append(f"{quantity:<26}" + "".join(f"{values[quantity]:>14.2g}" for values in result.values()))
    return "\n".join(lines)
