"""Why the reflex fit starts at 50 kpc, and why its errors are robust ones.

Both are measured on the paper's rigid case (sec. 4.1), simulated with new stars each time: the travel speed fitted
beyond several radii, and the ratio of robust (sandwich) to plain errors at several anisotropies.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from mwlmc_data import Parameters, fit_reflex, simulate, validation_cases
from mwlmc_data.array_types import Float64Array
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.parameters import CARTESIAN_NAMES
from mwlmc_data.simulator.reflex import REFLEX_NAMES

#: Inner radii [kpc] of the fit to compare.
RADII = (0.0, 20.0, const.FIT_R_MIN)
#: Anisotropies of the halo to compare.
ANISOTROPIES = (0.0, 0.3, 0.6, 0.76, 0.85)


@dataclasses.dataclass(frozen=True)
class Choices:
    """The measurements.

    Attributes
    ----------
    observed : float
        Travel speed that the paper quotes for the case [km/s].
    speeds : ndarray, shape (n, 3)
        Fitted travel speed from each of `RADII` [km/s].
    ratios : ndarray, shape (n, 5, 3)
        Ratio of robust to plain standard errors of the dispersions along the line of sight, l and b, at each of
        `ANISOTROPIES`.
    """

    observed: float
    speeds: Float64Array
    ratios: Float64Array


def measure(simulations: int, seed: int) -> Choices:
    """Simulate the case repeatedly and fit it.

    Parameters
    ----------
    simulations : int
        Number of haloes of each kind.
    seed : int
        Seed of their stars.
    """
    case = validation_cases()["rigid"]
    lmc = {name: case.observation[name] for name in CARTESIAN_NAMES}
    speeds, ratios = [], []
    for i in range(simulations):
        halo = simulate(Parameters(**case.truth, **lmc), seed=seed, sim_id=i).halo
        speeds.append([fit_reflex(halo.positions, halo.velocities, r_min).v_travel for r_min in RADII])
        ratios.append([_ratios(Parameters(**{**case.truth, "beta0": b}, **lmc), seed, i) for b in ANISOTROPIES])
    return Choices(case.observation["v_travel"], np.array(speeds), np.array(ratios))


def _ratios(parameters: Parameters, seed: int, sim_id: int) -> Float64Array:
    reflex = simulate(parameters, seed=seed, sim_id=sim_id).reflex
    dispersions = [name.startswith("sigma") for name in REFLEX_NAMES]
    return np.sqrt(np.diag(reflex.covariance) / np.diag(reflex.covariance_plain))[dispersions]


def describe(found: Choices) -> str:
    """Format the measurements."""
    n = len(found.speeds)
    lines = [f"the rigid case, {n} haloes; the paper quotes v_travel {found.observed:g} km/s"]
    for r_min, values in zip(RADII, found.speeds.T, strict=True):
        error = values.std(ddof=1) / np.sqrt(n)
        mean, scatter = values.mean(), values.std(ddof=1)
        lines.append(f"fitted beyond {r_min:>2g} kpc: v_travel {mean:.1f} +- {error:.1f} km/s, scatter {scatter:.1f}")
    lines.append("ratio of robust to plain errors of the dispersions along the line of sight, l, b")
    for beta, values in zip(ANISOTROPIES, found.ratios.mean(axis=0), strict=True):
        ratios = ", ".join(f"{value:.2f}" for value in values)
        lines.append(f"beta0 {beta:<4g}: {ratios}")
    return "\n".join(lines)
