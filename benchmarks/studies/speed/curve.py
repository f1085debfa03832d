"""The work-precision curve: the error of moved stars against the time it takes to move them.

The error of a code is measured against its own converged solution in its own potential, so that the curve compares
integrators and force codes; the error of each potential is reported beside it. Stars that end within 20 kpc count in
the time but not in the error, because their orbits are chaotic.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.studies.accuracy import OUTER
from benchmarks.studies.speed import machine
from benchmarks.studies.speed.codes import Code
from benchmarks.studies.speed.competitors import gather
from benchmarks.studies.speed.ours import RELEASED, RELEASED_TOLERANCE
from benchmarks.studies.speed.problem import Problem, draw_force_points, pull_at_force_points
from mwlmc_data.array_types import FloatArray
from mwlmc_data.simulator.constants import N_STARS

#: Fixed error [kpc] at which codes are compared.
FIXED_ERROR = 1e-3
_FAST_STARS, _FAST_FORCES = 64, 20


@dataclasses.dataclass(frozen=True)
class Curve:
    """Measurements of a code; lists are parallel to `tolerances`.

    Attributes
    ----------
    name, family, what, whole
        As in :class:`~benchmarks.studies.speed.codes.Code`.
    n_stars : int
        Number of stars it was given.
    tolerances : list of float
    seconds, min_seconds, max_seconds : list of float
        Processor time scaled to 4,500 stars [s]: the median of the rounds, and their extremes.
    median, p99 : list of float
        Median and 99th percentile of the distance [kpc] to the converged solution.
    force_median, force_max : float
        Error of its acceleration between 1 and 300 kpc, over the Milky Way's acceleration.
    """

    name: str
    family: str
    what: str
    whole: bool
    n_stars: int
    tolerances: list[float]
    seconds: list[float]
    min_seconds: list[float]
    max_seconds: list[float]
    median: list[float]
    p99: list[float]
    force_median: float
    force_max: float


def measure(problem: Problem, repeats: int, fast: bool) -> dict[str, Any]:
    """Measure the curves of all installed codes, and the ratios of their times at equal error.

    Parameters
    ----------
    problem : Problem
    repeats : int
        Rounds, in each of which every code moves its stars at every tolerance.
    fast : bool
        Few stars and tolerances.

    Returns
    -------
    dict
        ``problem``, ``n_stars``, ``curves`` (of :class:`Curve` as dict), ``ratios``, ``missing`` (how to install),
        ``waiting`` (see :class:`~benchmarks.studies.speed.machine.Timing`).
    """
    codes, missing = gather(problem)
    if fast:
        codes = [dataclasses.replace(c, max_stars=_FAST_STARS, tolerances=_some(c)) for c in codes]
    stars = {code.name: problem.sample(code.max_stars) for code in codes}
    jobs = {
        (code.name, tolerance): (lambda c=code, t=tolerance: c.move(stars[c.name], t))
        for code in codes
        for tolerance in code.tolerances
    }
    steps = 2 * len(codes) + repeats * len(jobs)
    with tqdm(total=steps, desc="work-precision curve", unit="run", leave=False) as bar, machine.one_core():
        for code in codes:  # compile, load
            code.move(stars[code.name][:16], code.tolerances[0])
            bar.update()
        timing = machine.round_robin(jobs, repeats, bar.update)
        curves = []
        for code in codes:
            errors = _errors(code, stars[code.name], timing.results)
            scale = N_STARS / len(stars[code.name])
            times = scale * np.array([timing.seconds[code.name, tolerance] for tolerance in code.tolerances])
            forces = measure_force_errors(problem, code, _FAST_FORCES if fast else 200)
            curves.append(_curve(code, len(stars[code.name]), times, errors, forces))
            bar.update()
    return {
        "problem": problem.name,
        "n_stars": len(problem.stars),
        "curves": [dataclasses.asdict(c) for c in curves],
        "ratios": compute_ratios(curves),
        "missing": missing,
        "waiting": timing.waiting,
    }


def _some(code: Code) -> tuple[float, ...]:
    """Return the released tolerance and a coarser one, or two in the middle."""
    if code.name == RELEASED:
        return (1e-2, RELEASED_TOLERANCE)
    middle = len(code.tolerances) // 2
    return code.tolerances[middle - 1 : middle + 1]


def _errors(code: Code, stars: FloatArray, moved: dict) -> list[tuple[float, float]]:
    converged = code.converged(stars)
    return [measure_distances(moved[code.name, tolerance], converged) for tolerance in code.tolerances]


def measure_distances(positions: FloatArray, converged: FloatArray) -> tuple[float, float]:
    """Compute median and 99th percentile of the distance between positions where `converged` is beyond 20 kpc.

    Raises
    ------
    ValueError
        If no star is beyond 20 kpc, or a position is not finite.
    """
    outer = np.linalg.norm(converged, axis=1) > OUTER
    if not outer.any():
        raise ValueError(f"stars beyond {OUTER:g} kpc = 0 of {len(converged)}: allowed is 1 or more")
    distance = np.linalg.norm(positions[outer] - converged[outer], axis=1)
    if not np.isfinite(distance).all():
        raise ValueError(f"stars without a finite position = {np.count_nonzero(~np.isfinite(distance))}: allowed is 0")
    return float(np.median(distance)), float(np.percentile(distance, 99))


def measure_force_errors(problem: Problem, code: Code, n: int = 200) -> tuple[float, float]:
    """Compute median and largest error of a code's acceleration, over the Milky Way's acceleration."""
    points, alone = draw_force_points(n), pull_at_force_points(problem.parameters.m200_mw, problem.parameters.c200, n)
    exact = alone + problem.tide(points) if code.whole else alone
    difference = np.linalg.norm(code.acceleration(points) - exact, axis=1) / np.linalg.norm(alone, axis=1)
    return float(np.median(difference)), float(difference.max())


def _curve(
    code: Code, n_stars: int, times: FloatArray, errors: list[tuple[float, float]], forces: tuple[float, float]
) -> Curve:
    return Curve(
        name=code.name,
        family=code.family,
        what=code.what,
        whole=code.whole,
        n_stars=n_stars,
        tolerances=list(code.tolerances),
        seconds=np.median(times, axis=1).tolist(),
        min_seconds=times.min(axis=1).tolist(),
        max_seconds=times.max(axis=1).tolist(),
        median=[m for m, _ in errors],
        p99=[p for _, p in errors],
        force_median=forces[0],
        force_max=forces[1],
    )


def interpolate_time(error: float, errors: list[float], seconds: list[float]) -> float | None:
    """Interpolate the time for an error, linearly in the logarithms of both.

    Points that another beats in both are left out. None outside the range of the curve.
    """
    best: list[tuple[float, float]] = []
    for time, reached in sorted(zip(seconds, errors, strict=True)):
        if not best or reached < best[-1][0]:
            best.append((reached, time))
    best.reverse()  # rising error, falling time
    if not best[0][0] <= error <= best[-1][0]:
        return None
    x, y = np.log(best).T
    return float(math.exp(np.interp(math.log(error), x, y)))


def compute_ratios(curves: list[Curve]) -> list[dict[str, Any]]:
    """Compute the time of each code over ours at the median and 99% errors of the release and at :data:`FIXED_ERROR`.

    An entry is None where either curve does not reach that error.
    """
    ours = next(curve for curve in curves if curve.name == RELEASED)
    released = ours.tolerances.index(RELEASED_TOLERANCE)
    places = {
        "at_released_median": ("median", ours.median[released]),
        "at_1e-3_kpc": ("median", FIXED_ERROR),
        "at_released_99%": ("p99", ours.p99[released]),
    }
    return [
        {"name": curve.name, "family": curve.family, "whole": curve.whole}
        | {place: _ratio(curve, ours, kind, error) for place, (kind, error) in places.items()}
        for curve in curves
        if curve is not ours
    ]


def _ratio(curve: Curve, ours: Curve, kind: str, error: float) -> float | None:
    theirs = interpolate_time(error, getattr(curve, kind), curve.seconds)
    mine = interpolate_time(error, getattr(ours, kind), ours.seconds)
    return None if theirs is None or mine is None else theirs / mine
