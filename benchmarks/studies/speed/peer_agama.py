"""agama (Vasiliev 2019) on the same potential, which it expresses exactly.

Two settings. That of ``engine="agama"``: every component is a potential of its own, with agama's default integrator
(Dormand-Prince 8(5,3)). And the fastest found: bulge and disc together, which agama joins into one expansion, with its
Runge-Kutta-Nyström integrator. A spline of the entire Milky Way in cylindrical coordinates (CylSpline) is as fast but
worse near the centre.
"""

from __future__ import annotations

import agama
import numpy as np

from benchmarks.studies.speed.codes import Code
from benchmarks.studies.speed.problem import Problem
from mwlmc_data.array_types import FloatArray
from mwlmc_data.simulator.engines.agama import components

_TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8)
_MAX_STARS = 1500


def codes(problem: Problem) -> list[Code]:
    """Return agama as the engine sets it, and with the best setting found."""
    agama.setUnits(mass=1, length=1, velocity=1)
    agama.setNumThreads(1)
    bulge, disc, halo = components(problem.parameters)
    apart = agama.Potential(agama.Potential(bulge), agama.Potential(disc), agama.Potential(halo))
    together = agama.Potential(bulge, disc, halo)
    return [
        _code("agama, as its engine here", "components apart, DOP853", problem, apart, "dop853"),
        _code("agama, best found", "components together, DPRKN8", problem, together, "dprkn8"),
    ]


def _code(name: str, settings: str, problem: Problem, milky_way: agama.Potential, method: str) -> Code:
    time, p = problem.time, problem.parameters
    lmc = agama.Potential(
        type="Dehnen", gamma=1, mass=p.m_lmc, scaleRadius=p.a_lmc, center=np.column_stack([time, problem.path])
    )
    frame = agama.Potential(type="UniformAcceleration", file=np.column_stack([time, -problem.lmc_pull]))
    total = agama.Potential(milky_way, lmc, frame)

    def move(stars: FloatArray, tolerance: float, method: str = method) -> FloatArray:
        return agama.orbit(
            potential=total,
            ic=stars,
            timestart=time[0],
            time=-time[0],
            trajsize=1,
            accuracy=tolerance,
            method=method,
            dtype=float,
            separateTime=True,
            verbose=False,
        )[1][:, 0, :3]

    def converged(stars: FloatArray) -> FloatArray:
        return move(stars, 1e-13, "dop853")

    def acceleration(points: FloatArray) -> FloatArray:
        return total.force(points, t=0.0)

    return Code(name, "agama", f"full problem; {settings}", _TOLERANCES, move, converged, acceleration, _MAX_STARS)
