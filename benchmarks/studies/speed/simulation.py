"""One complete simulation, a catalogue's row alone, and where the time goes, on one core, over draws of the prior."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.studies.speed import machine
from mwlmc_data import Parameters, Prior, simulate
from mwlmc_data.simulator import compile_kernels
from mwlmc_data.simulator.constants import FIT_R_MIN, N_STARS
from mwlmc_data.simulator.engines.lanes import integrate_lanes
from mwlmc_data.simulator.engines.start import TOLERANCE
from mwlmc_data.simulator.equilibrium import draw_stars, equilibrium
from mwlmc_data.simulator.many import job_parameters, simulate_row, stored_precision
from mwlmc_data.simulator.orbit import build_field, build_reversed_field
from mwlmc_data.simulator.reflex_fit import fit_shells
from mwlmc_data.simulator.simulation import SHELLS, build_simulation

#: Goals for the time of a simulation and of a row on one core [s].
GOALS = {"whole": 0.08, "row": 0.035}
_SEED = 20


def measure(repeats: int, fast: bool) -> dict[str, Any]:
    """Time a complete simulation (draw parameters and stars, rewind, move, fit) and a row alone in processor seconds.

    Returns
    -------
    dict
        ``n`` simulations; ``whole`` and ``row``, each with ``mean``, ``median`` and ``max`` over the simulations
        (each the median of the rounds); ``travel_vector`` [km/s], the largest difference between the two; ``stages``
        [s], medians; ``waiting``, see :class:`~benchmarks.studies.speed.machine.Timing`; and, if agama is installed,
        ``agama``, a simulation with ``engine="agama"``.
    """
    n, n_agama = (3, 1) if fast else (32, 3)
    compile_kernels()
    prior = Prior("gaussian")
    prior.sample(1)  # it imports pandas
    start = time.process_time()
    rows = prior.sample(n, seed=_SEED).to_dict("records")
    draw = (time.process_time() - start) / n
    jobs: dict[tuple[str, int], Any] = {}
    for i, row in enumerate(rows):
        jobs["whole", i] = lambda row=row, i=i: _whole(row, i)
        jobs["row", i] = lambda row=row, i=i: simulate_row(({**row, "sim_id": i}, _SEED, N_STARS, "auto"))
    steps = repeats * len(jobs) + n + n_agama
    with tqdm(total=steps, desc="simulation", unit="run", leave=False) as bar, machine.one_core():
        for job in list(jobs.values())[:2]:
            job()
        timing = machine.round_robin(jobs, repeats, bar.update)
        stages: list[dict[str, float]] = []
        for i, row in enumerate(rows):
            stages.append(_stages(row, i))
            bar.update()
        agama = _agama(rows[:n_agama], bar.update)
    difference = [np.abs(timing.results["whole", i] - _vector(timing.results["row", i])).max() for i in range(n)]
    result: dict[str, Any] = {"n": n, "waiting": timing.waiting, "travel_vector": float(max(difference))}
    for kind in ("whole", "row"):
        result[kind] = _summary([draw + float(np.median(timing.seconds[kind, i])) for i in range(n)])
    result["stages"] = {name: float(np.median([stage[name] for stage in stages])) for name in stages[0]}
    return result | agama


def _whole(row: dict[str, Any], sim_id: int) -> np.ndarray:
    """Return the travel vector of a simulation of all its stars, with everything fitted that a row needs."""
    return _vector(simulate(stored_precision(Parameters.from_row(row)), seed=_SEED, sim_id=sim_id).row())


def _vector(row: dict[str, Any]) -> np.ndarray:
    return np.array([row[f"v{axis}_travel"] for axis in "xyz"])


def _summary(seconds: list[float]) -> dict[str, float]:
    return {
        "mean": float(np.mean(seconds)),
        "median": float(np.median(seconds)),
        "max": float(np.max(seconds)),
    }


def _stages(row: dict[str, Any], sim_id: int) -> dict[str, float]:
    """Time each step of a complete simulation, and the field in which observed stars are rewound [s].

    ``rest of a row`` is the sum of all steps but the moving of the stars.
    """
    clock = [time.process_time()]

    def lap() -> float:
        clock.append(time.process_time())
        return clock[-1] - clock[-2]

    result = {}
    p = job_parameters({**row, "sim_id": sim_id})
    result["parameters"] = lap()
    orbit, field = build_field(p)
    result["orbit and field"] = lap()
    tables = equilibrium(p.m200_mw, p.c200, p.beta0, p.r_dehnen)
    result["equilibrium"] = lap()
    stars = draw_stars(tables, N_STARS, np.random.default_rng(sim_id))
    result["draw stars"] = lap()
    moved = integrate_lanes(stars, field, TOLERANCE)[0]
    result["move stars"] = lap()
    simulation = build_simulation(p, _SEED, sim_id, orbit, moved)
    lap()
    fit_shells(simulation.halo.positions, simulation.halo.velocities, FIT_R_MIN, SHELLS)
    result["fit"] = lap()
    result["rest of a row"] = sum(seconds for name, seconds in result.items() if name != "move stars")
    lap()
    build_reversed_field(p)
    result["reversed field"] = lap()
    return result


def _agama(rows: list[dict[str, Any]], done: Callable[[], Any]) -> dict[str, float]:
    """Return the median time of a simulation with agama, stars and reflex fit included; empty if not installed."""
    if importlib.util.find_spec("agama") is None:
        return {}
    seconds = []
    for i, row in enumerate(rows):
        start = time.process_time()
        _ = simulate(stored_precision(Parameters.from_row(row)), seed=_SEED, sim_id=i, engine="agama").reflex
        seconds.append(time.process_time() - start)
        done()
    return {"agama": float(np.median(seconds))}
