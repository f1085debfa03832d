"""How the halo contracts without an LMC, and how far out the fitted stars lie.

The stars are drawn in equilibrium in the NFW potential alone, but move in that of bulge, disc and halo. The same draws
of the prior are moved for 2.2 Gyr in three fields: that of the data, that without an LMC, and that without LMC, bulge
and disc. The mean radial velocity of a shell measures the contraction, and the share of the fitted stars beyond
1,000 kpc measures the wings.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.parallel import measure_draws
from mwlmc_data import Parameters, fit_reflex
from mwlmc_data.array_types import Float64Array
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.engines.lanes import integrate_lanes
from mwlmc_data.simulator.engines.start import TOLERANCE, start_stars
from mwlmc_data.simulator.streams import halo_stream
from mwlmc_data.simulator.tables import milky_way

#: Edges [kpc] of the shells.
EDGES = (50.0, 100.0, 300.0, 1000.0, np.inf)
FIELDS = ("as in the data", "no LMC", "no LMC, NFW alone")
_ROWS = (*FIELDS, "effect of bulge and disc")


@dataclasses.dataclass(frozen=True)
class Drift:
    """One draw, its stars moved in each of `FIELDS`.

    Attributes
    ----------
    m200_mw : float
        Mass of the Milky Way [Msun].
    count : ndarray, shape (3, 4)
        Stars in each shell today.
    mean : ndarray, shape (3, 4)
        Mean radial velocity of those stars [km/s].
    fitted : ndarray, shape (3,)
        `mean_v_r` of the reflex fit [km/s].
    """

    m200_mw: float
    count: NDArray[np.int64]
    mean: Float64Array
    fitted: Float64Array


def measure_drift(job: tuple[dict, int, int]) -> Drift:
    """Measure the drift of one draw, given (row of parameters, seed, sim_id)."""
    row, seed, sim_id = job
    parameters = Parameters.from_row(row)
    _, field, stars = start_stars(parameters, const.N_STARS, halo_stream(seed, sim_id))
    at_rest = field._replace(gm_lmc=0.0)
    nfw = at_rest._replace(**milky_way(parameters.m200_mw, parameters.c200, baryons=False)._asdict())
    moved = [integrate_lanes(stars, f, TOLERANCE)[0].astype(float) for f in (field, at_rest, nfw)]
    shells = np.array([_shells(s) for s in moved])
    fitted = [fit_reflex(s[:, :3], s[:, 3:]).means[0] for s in moved]
    return Drift(parameters.m200_mw, shells[:, 0].astype(int), shells[:, 1], np.array(fitted))


def _shells(stars: Float64Array) -> Float64Array:
    """Return number and mean radial velocity in each shell, (2, 4)."""
    radius = np.linalg.norm(stars[:, :3], axis=1)
    v_r = np.einsum("ni,ni->n", stars[:, :3], stars[:, 3:]) / radius
    shell = [v_r[(radius > low) & (radius <= high)] for low, high in itertools.pairwise(EDGES)]
    return np.array([[len(v) for v in shell], [v.mean() if len(v) else 0.0 for v in shell]])


def measure_drifts(config: str, simulations: int, seed: int, workers: int | None = None) -> list[Drift]:
    """Measure the drifts of draws from the prior of a set.

    Parameters
    ----------
    config : str
        Set whose prior is drawn from.
    simulations, seed : int
        Number of draws, and their seed.
    workers : int, optional
        Processes; all cores by default.
    """
    return measure_draws(measure_drift, config, simulations, seed, workers)


def average_drifts(found: Sequence[Drift]) -> tuple[Float64Array, Float64Array]:
    """Average the radial velocity over all stars of a shell [km/s].

    Parameters
    ----------
    found : sequence of Drift
        At least two draws.

    Returns
    -------
    mean, error : ndarray, shape (4, 4)
        A row for each of `FIELDS`, and one for the second minus the third: the effect of bulge and disc on the same
        stars. The standard errors come from the scatter between draws, so those of the difference are paired.
    """
    count = np.array([drift.count for drift in found], dtype=float)
    velocity = np.array([drift.mean for drift in found])
    share = count / count.sum(axis=0)
    mean = (share * velocity).sum(axis=0)
    part = share * (velocity - mean)
    mean = np.vstack([mean, mean[1] - mean[2]])
    part = np.concatenate([part, part[:, 1:2] - part[:, 2:3]], axis=1)
    return mean, np.sqrt((part**2).sum(axis=0) * len(found) / (len(found) - 1))


def measure_wings(found: Sequence[Drift]) -> tuple[float, float]:
    """Return the share of the fitted stars beyond the outermost edge in the data, and its standard error."""
    count = np.array([drift.count[0] for drift in found])
    total = count.sum()
    share = count[:, -1].sum() / total
    scatter = count[:, -1] - share * count.sum(axis=1)
    return float(share), float(np.sqrt((scatter**2).sum() * len(found) / (len(found) - 1)) / total)


def describe(config: str, found: Sequence[Drift]) -> str:
    """Format the drifts of a set as a table."""
    shells = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(EDGES)]
    lines = [
        f"{len(found)} draws of the {config} set, {const.N_STARS} stars each; mean radial velocity [km/s]",
        f"{'r [kpc]':<24}" + "".join(f"{shell:>17}" for shell in [*shells, "reflex fit"]),
    ]
    for label, mean, error in zip(_ROWS, *_columns(found), strict=True):
        values = zip(mean, error, strict=True)
        lines.append(f"{label:<24}" + "".join(f"{value:>9.2f} +- {spread:4.2f}" for value, spread in values))
    by_mass = np.array_split(np.argsort([drift.m200_mw for drift in found]), 3)
    for label, rows in zip(("lightest", "middle", "heaviest"), by_mass, strict=True):
        third = [found[i] for i in rows]
        mass = np.mean([drift.m200_mw for drift in third]) / 1e11
        mean, error = (values[1] for values in _columns(third))
        lines.append(
            f"{_ROWS[1]}, {label} third of the Milky Ways (mean {mass:.1f}e11 Msun): {shells[2]} kpc "
            f"{mean[2]:.1f} +- {error[2]:.1f}, reflex fit {mean[-1]:.1f} +- {error[-1]:.1f}"
        )
    share, error = measure_wings(found)
    lines.append(f"fitted stars beyond {EDGES[-2]:g} kpc, {FIELDS[0]}: {100 * share:.2f} +- {100 * error:.2f}%")
    return "\n".join(lines)


def _columns(found: Sequence[Drift]) -> tuple[Float64Array, Float64Array]:
    """Return mean and error of the shells, with those of the reflex fit in a last column, (4, 5)."""
    fitted = np.array([drift.fitted for drift in found])
    fitted = np.column_stack([fitted, fitted[:, 1] - fitted[:, 2]])
    mean, error = average_drifts(found)
    scatter = fitted.std(axis=0, ddof=1) / np.sqrt(len(found))
    return np.column_stack([mean, fitted.mean(axis=0)]), np.column_stack([error, scatter])
