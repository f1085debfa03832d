"""How far in a catalogue's row may leave out stars.

All stars of many draws are moved. For each simulation this reports the smallest r(E) / p among the stars that end
beyond 50 kpc (see :mod:`mwlmc_data.simulator.engines.outskirts`), and whether leaving stars out loses one of them.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from benchmarks.common.parallel import measure_draws
from mwlmc_data import Parameters
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.engines.lanes import integrate_lanes
from mwlmc_data.simulator.engines.outskirts import (
    ALARM,
    LEFT_OUT,
    WATCHED,
    energy_estimate,
    integrate_outskirts,
    potential_estimate,
)
from mwlmc_data.simulator.engines.start import TOLERANCE, start_stars
from mwlmc_data.simulator.streams import halo_stream


@dataclasses.dataclass(frozen=True)
class Margin:
    """The margin of one simulation, with all stars moved.

    Attributes
    ----------
    reach : float
        Smallest r(E) / p of a star that ended beyond 50 kpc.
    lost : int
        Stars beyond 50 kpc that the row misses.
    moved : float
        Fraction of the stars that the row moves.
    alarm : bool
        Whether a watched star reaches so far out that the row moves all stars.
    """

    reach: float
    lost: int
    moved: float
    alarm: bool


def measure_margin(job: tuple[dict, int, int]) -> Margin:
    """Measure the margin of one draw, given (row of parameters, seed, sim_id)."""
    row, seed, sim_id = job
    parameters = Parameters.from_row(row)
    orbit, field, stars = start_stars(parameters, const.N_STARS, halo_stream(seed, sim_id))
    radius = np.linalg.norm(integrate_lanes(stars, field, TOLERANCE)[0][:, :3], axis=1)
    kept = integrate_outskirts(stars, parameters, orbit, field, TOLERANCE)
    beyond = radius > const.FIT_R_MIN
    grid = np.geomspace(1e-3, 3e3, 6000)
    energy = energy_estimate(stars, parameters)
    reach = np.interp(energy, potential_estimate(grid, parameters), grid) / min(orbit.pericentre, const.FIT_R_MIN)
    return Margin(
        reach=float(reach[beyond].min(initial=np.inf)),
        lost=int(beyond.sum() - (np.linalg.norm(kept[:, :3], axis=1) > const.FIT_R_MIN).sum()),
        moved=len(kept) / len(stars),
        alarm=bool((radius[(reach > LEFT_OUT) & (reach < WATCHED)] > ALARM).any()),
    )


def measure_margins(config: str, simulations: int, seed: int, workers: int | None = None) -> list[Margin]:
    """Measure the margins of draws from the prior of a set.

    Parameters
    ----------
    config : str
        Set whose prior is drawn from.
    simulations, seed : int
        Number of draws, and their seed.
    workers : int, optional
        Processes; all cores by default.
    """
    return measure_draws(measure_margin, config, simulations, seed, workers)


def describe(found: dict[str, list[Margin]]) -> str:
    """Format the margins of several sets as a table."""
    columns = ("draws", "min r(E)/p", "0.1%", "1%", "moved", "alarms", "stars lost")
    lines = [f"{'set':<10}" + "".join(f"{name:>14}" for name in columns)]
    for config, rows in found.items():
        reach = np.array([row.reach for row in rows])
        low, middle = np.quantile(reach, [0.001, 0.01])
        moved = np.mean([row.moved for row in rows])
        alarms, lost = sum(row.alarm for row in rows), sum(row.lost for row in rows)
        values = f"{reach.min():>14.2f}{low:>14.2f}{middle:>14.2f}{moved:>14.2f}{alarms:>14}{lost:>14}"
        lines.append(f"{config:<10}{len(rows):>14}{values}")
    lines.append(f"left out: r(E) < {LEFT_OUT} p; watched: r(E) < {WATCHED} p, alarm beyond {ALARM:g} kpc")
    return "\n".join(lines)
