"""One evaluation of the likelihood of a halo's stars, where its time goes, and rewinding beside agama."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.studies.speed import curve, machine
from benchmarks.studies.speed.problem import PARAMETERS, Problem
from mwlmc_data import Parameters, Prior, simulate
from mwlmc_data.array_types import Float64Array
from mwlmc_data.rewinding.density import log_start_density
from mwlmc_data.rewinding.likelihood import log_densities, log_density_stars
from mwlmc_data.rewinding.rewind import rewind_stars
from mwlmc_data.simulator.constants import FIT_R_MIN
from mwlmc_data.simulator.equilibrium import equilibrium
from mwlmc_data.simulator.orbit import N_ORBIT, REVERSED, Orbit, build_reversed_field, integrate_orbit
from mwlmc_data.workers import available_cores

#: Goals for one evaluation with this number of stars and for its field [s].
GOALS = {"evaluation": 2.5e-3, "reversed field": 0.4e-3}
N_STARS = 1300
_SEED = 30


def measure(repeats: int, fast: bool) -> dict[str, Any]:
    """Time the likelihood of the first 1,300 stars beyond 50 kpc of haloes drawn from the Gaussian prior.

    Returns
    -------
    dict
        ``n`` haloes and ``n_stars`` of each; ``stages`` [s] of an evaluation, with ``evaluation`` itself: medians over
        haloes of the medians of the rounds, in processor time; ``batch``: parameters a second of a batch on ``one``
        thread and on ``all`` cores, by the clock, and their ratio ``gain``, None where there is one core; ``curve``:
        the work-precision curve of rewinding (:func:`benchmarks.studies.speed.curve.measure`).
    """
    n = 2 if fast else 16
    rows = Prior("gaussian").sample(n, seed=_SEED).to_dict("records")
    haloes = [(p, _outer_stars(p, i)) for i, p in enumerate(Parameters.from_row(row) for row in rows)]
    stages: list[dict[str, list[float]]] = []
    rounds = 3 * repeats
    with tqdm(total=n, desc="likelihood", leave=False) as bar, machine.one_core():
        for p, stars in haloes:
            log_density_stars(stars, p)
            stages.append(_time_stages(p, stars, rounds))
            bar.update()
    medians = {name: float(np.median([np.median(stage[name]) for stage in stages])) for name in stages[0]}
    return {
        "n": n,
        "n_stars": [len(stars) for _, stars in haloes],
        "stages": medians,
        "batch": _time_batch([p for p, _ in haloes], haloes[0][1], repeats),
        "curve": curve.measure(reverse_problem(), repeats, fast),
    }


def _outer_stars(parameters: Parameters, sim_id: int) -> Float64Array:
    halo = simulate(parameters, seed=_SEED, sim_id=sim_id).halo
    stars = np.hstack([halo.positions, halo.velocities]).astype(float)
    return stars[np.linalg.norm(stars[:, :3], axis=1) > FIT_R_MIN][:N_STARS]


def _time_stages(p: Parameters, stars: Float64Array, rounds: int) -> dict[str, list[float]]:
    """Processor time of each step and of a whole evaluation."""
    start, tables = rewind_stars(stars, p), equilibrium(p.m200_mw, p.c200, p.beta0, p.r_dehnen)
    jobs: dict[str, Any] = {
        "reversed field": lambda: build_reversed_field(p),
        "field and stars": lambda: rewind_stars(stars, p),
        "equilibrium": lambda: equilibrium(p.m200_mw, p.c200, p.beta0, p.r_dehnen),
        "density": lambda: log_start_density(start, tables),
        "evaluation": lambda: log_density_stars(stars, p),
    }
    return machine.round_robin(jobs, rounds).seconds


def _time_batch(parameters: list[Parameters], stars: Float64Array, repeats: int) -> dict[str, float | None]:
    """Parameters a second, by the clock, on one thread and on all cores."""
    batch = parameters * (64 // len(parameters))
    rates: dict[int | None, list[float]] = {1: [], None: []}
    for _ in range(repeats):
        for workers, found in rates.items():
            begun = time.perf_counter()
            list(log_densities(stars, batch, workers))
            found.append(len(batch) / (time.perf_counter() - begun))
    one, every = (float(np.median(found)) for found in rates.values())
    return {"one": one, "all": every, "gain": every / one if available_cores() > 1 else None}


def reverse_problem() -> Problem:
    """Make the problem of rewinding stars of today beyond 50 kpc, as one that runs forwards in reversed time."""
    p = Parameters(**PARAMETERS)  # type: ignore[arg-type]
    orbit = integrate_orbit(p, N_ORBIT)
    mw, lmc = (np.ascontiguousarray(path[::-1] * REVERSED) for path in (orbit.mw, orbit.lmc))
    stars = _outer_stars(p, 0) * REVERSED
    name = "the paper's rigid case, stars beyond 50 kpc rewound"
    return Problem(name, p, Orbit(orbit.time, mw, lmc), build_reversed_field(p), stars)
