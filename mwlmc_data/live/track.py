"""What a live run leaves behind, row by row: centres, masses, coefficients, and checks of what is conserved."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import describe_tuple
from mwlmc_data.live.body import Body, find_enclosed
from mwlmc_data.live.expansion import Expansion
from mwlmc_data.live.force import evaluate
from mwlmc_data.live.state import State, compute_energy, compute_momentum
from mwlmc_data.simulator import constants as const

#: Rows between checks of energy and momentum, which cost as much as a step.
CHECKED = 10
#: Shares of the halo's particles whose radii are kept.
LAGRANGE = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)


class RunRow(NamedTuple):
    """One row of a run. Lengths in kpc, velocities in km/s, masses in Msun, inertial frame."""

    time: Float64Array  # () since the start [kpc / (km/s)]
    body: Float64Array  # (6,)
    lmc: Float64Array  # (6,)
    masses: Float64Array  # (4,): LMC bound to itself, within 8.7 and 50 kpc; Milky Way within 50 kpc
    lagrange: Float64Array  # (7,): radii that hold the shares LAGRANGE of the live halo's mass
    checks: Float64Array  # (5,): total and kinetic energy, momentum; NaN where not checked
    potential: Float64Array  # (galaxies, nodes, pairs, 2), float32
    slope: Float64Array

    def __repr__(self) -> str:
        return describe_tuple(self)


def record(state: State, expansions: list[Expansion], body: Body, number: int) -> RunRow:
    """Record row `number` of a run."""
    checks = np.full(5, np.nan)
    if number % CHECKED == 0:
        checks[:2] = compute_energy(state, expansions, body)
        checks[2:] = compute_momentum(state, body)
    halo, mass = state.halo_part, state.masses[state.halo_part].astype(float)
    radius = np.linalg.norm(state.positions[halo] - state.body[:3], axis=1)
    order = np.argsort(radius, kind="stable")
    shares = np.cumsum(mass[order]) / mass.sum()
    within = const.ENCLOSED_RADIUS
    milky_way = mass[radius < within].sum() + find_enclosed(body, np.array([within]))[0]
    masses = [*(_weigh_lmc(state, expansions[1]) if state.has_lmc else (np.nan,) * 3), milky_way]
    return RunRow(
        np.array(state.time), state.body.copy(), state.lmc.copy(), np.array(masses),
        np.interp(LAGRANGE, shares, radius[order]), checks,
        np.array([expansion.potential for expansion in expansions], np.float32),
        np.array([expansion.slope for expansion in expansions], np.float32),
    )  # fmt: skip


def _weigh_lmc(state: State, expansion: Expansion) -> tuple[float, float, float]:
    """Mass of the LMC that is bound in its own potential, and within 8.7 and 50 kpc of its centre."""
    part = state.lmc_part
    mass = state.masses[part].astype(float)
    offset = state.positions[part] - state.lmc[:3]
    radius = np.linalg.norm(offset, axis=1)
    speed2 = ((state.velocities[part] - state.lmc[3:]) ** 2).sum(1)
    bound = evaluate(expansion, state.positions[part])[1] + 0.5 * speed2 < 0
    spheres = (mass[radius < r].sum() for r in (const.LMC_ENCLOSED_RADIUS, const.ENCLOSED_RADIUS))
    return (float(mass[bound].sum()), *map(float, spheres))  # type: ignore[return-value]


def stack_rows(rows: list[RunRow]) -> dict[str, Any]:
    """Rows as arrays whose first axis is time, by name."""
    return {name: np.stack([getattr(row, name) for row in rows]) for name in RunRow._fields}


def split_rows(arrays: dict[str, Any]) -> list[RunRow]:
    """The rows that :func:`stack_rows` put together."""
    return [RunRow(*(arrays[name][i] for name in RunRow._fields)) for i in range(len(arrays["time"]))]
