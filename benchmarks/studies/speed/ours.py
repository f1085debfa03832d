"""Our two integrators as competitors."""

from __future__ import annotations

import functools

import numpy as np

from benchmarks.studies.speed.codes import Code
from benchmarks.studies.speed.problem import Problem
from mwlmc_data.array_types import FloatArray
from mwlmc_data.simulator.engines.lanes import integrate_lanes
from mwlmc_data.simulator.engines.start import TOLERANCE
from mwlmc_data.simulator.equations import integrate_stars, star_acceleration

#: The integrator of the catalogue, and the tolerance of the release.
RELEASED, RELEASED_TOLERANCE = "ours, float32", TOLERANCE
#: Tolerance of the solution that both are compared with. A hundred times less moves its stars by 1e-7 kpc. The limit is
#: the radial table, whose cubics join to 1e-8 and make steps tiny at such tolerances.
_CONVERGED = 1e-11


def codes(problem: Problem) -> list[Code]:
    """Return our two integrators: the lanes in float32, and one star at a time in float64."""
    field = problem.field

    def lanes(stars: FloatArray, tolerance: float) -> FloatArray:
        return integrate_lanes(stars.astype(float), field, tolerance)[0][:, :3].astype(float)

    def scalar(stars: FloatArray, tolerance: float) -> FloatArray:
        moved = stars.copy()
        if integrate_stars(moved, field.t_start, 0.0, field, tolerance) < 0:
            raise RuntimeError(f"a star does not arrive at the tolerance {tolerance:g}")
        return moved[:, :3]

    def acceleration(points: FloatArray) -> FloatArray:
        return np.array([star_acceleration(0.0, *point, field) for point in points])

    converged = functools.partial(scalar, tolerance=_CONVERGED)
    coarse, fine = tuple(sorted({1e-2, 3e-3, 1e-3, TOLERANCE, 1e-4, 1e-5}, reverse=True)), (1e-4, 1e-6, 1e-8, 1e-10)
    what = "full problem; Runge-Kutta-Nyström 8(6), each star with its own step"
    return [
        Code(RELEASED, "ours", f"{what}, 16 at once", coarse, lanes, converged, acceleration, 10**9),
        Code("ours, float64", "ours", f"{what}, one at a time", fine, scalar, converged, acceleration, 10**9),
    ]
