"""Which strength of dynamical friction reproduces a published orbit of the LMC.

The rigid model's orbit is integrated back from the published present day for each log10 lambda_DF and compared
with the published separation from the Milky Way. The residuals of an orbit form a smooth curve, not independent
numbers, so the error counts only as many of them as the curve has independent stretches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from benchmarks.paper import published
from benchmarks.paper.published import PublishedOrbit, measure_inconsistency, read_orbit
from mwlmc_data.simulator.constants import GYR_PER_TIME_UNIT, REWIND_GYR

GRID = np.linspace(-3.0, 1.0, 81)


@dataclass(frozen=True)
class FrictionFit:
    """The fit of an orbit by each friction.

    Attributes
    ----------
    grid, rms_distance, rms_vector : ndarray, shape (k,)
        log10 lambda_DF, and the root-mean-square difference of separation and of position vector [kpc].
    best : float
        log10 lambda_DF with the smallest rms of the separation.
    error : float
        Its standard error from the curvature, for correlated residuals; NaN if the minimum is at an edge.
    rms_best : float
        rms of the separation there [kpc].
    best_vector, rms_best_vector : float
        The same for the position vector.
    time, published : ndarray, shape (n,)
        Gyr and separation [kpc].
    fitted : ndarray, shape (n,)
        Separation of the best orbit [kpc].
    """

    grid: NDArray
    rms_distance: NDArray
    rms_vector: NDArray
    best: float
    error: float
    rms_best: float
    best_vector: float
    rms_best_vector: float
    time: NDArray
    published: NDArray
    fitted: NDArray

    @property
    def at_edge(self) -> bool:
        """Whether the best value is at an edge of the grid, and therefore only a limit."""
        return bool(min(self.best - self.grid[0], self.grid[-1] - self.best) < 0.02)

    def as_dict(self) -> dict[str, Any]:
        """Return numbers for a JSON file."""
        return {
            "log10_lambda_df": self.best,
            "error": None if np.isnan(self.error) else self.error,
            "at_edge": self.at_edge,
            "rms_kpc": self.rms_best,
            "log10_lambda_df_vector": self.best_vector,
            "rms_vector_kpc": self.rms_best_vector,
            "span_gyr": float(-self.time[0]),
            "rms_by_lambda": {f"{g:.2f}": float(r) for g, r in zip(self.grid, self.rms_distance, strict=True)},
        }


def model_orbit(model: dict[str, float], present: NDArray) -> Callable[[float], Callable[[NDArray], NDArray]]:
    """Return a function of log10 lambda_DF that returns the rigid model's relative orbit as a function of time.

    Parameters
    ----------
    model : dict
        m200_mw, m_lmc [Msun] and, if known, c200 and a_lmc [kpc].
    present : ndarray, shape (6,)
        The LMC today [kpc, km/s].
    """
    from scipy.interpolate import CubicHermiteSpline

    from mwlmc_data import Parameters, integrate_orbit

    vector = dict(zip(("x_lmc", "y_lmc", "z_lmc", "vx_lmc", "vy_lmc", "vz_lmc"), map(float, present), strict=True))

    def at(log10_lambda: float) -> Callable[[NDArray], NDArray]:
        orbit = integrate_orbit(Parameters(log10_lambda_df=float(log10_lambda), **model, **vector))
        slope = orbit.relative[:, 3:] / GYR_PER_TIME_UNIT
        return CubicHermiteSpline(orbit.time, orbit.relative[:, :3], slope)

    return at


def fit_friction(
    orbit: PublishedOrbit,
    orbit_at: Callable[[float], Callable[[NDArray], NDArray]],
    grid: NDArray = GRID,
) -> FrictionFit:
    """Fit log10 lambda_DF by least squares.

    Parameters
    ----------
    orbit : PublishedOrbit
        Rows of the past to compare with.
    orbit_at : callable
        As `model_orbit` returns it: ``orbit_at(log10_lambda)(time)`` is (n, 3) [kpc].
    grid : ndarray, shape (k,)
        Values of log10 lambda_DF; the best is refined between its neighbours.

    Returns
    -------
    FrictionFit
    """

    def residuals(value: float) -> tuple[NDArray, NDArray]:
        position = orbit_at(value)(orbit.time)
        difference = position - orbit.relative[:, :3]
        return np.linalg.norm(position, axis=1) - orbit.distance, np.linalg.norm(difference, axis=1)

    def rms(value: float, which: int) -> float:
        return float(np.sqrt(np.mean(residuals(value)[which] ** 2)))

    curves = np.array([[rms(g, 0), rms(g, 1)] for g in grid])
    best = [_refine(partial(rms, which=k), grid, curves[:, k]) for k in (0, 1)]
    final = residuals(best[0])[0]
    return FrictionFit(
        grid=grid,
        rms_distance=curves[:, 0],
        rms_vector=curves[:, 1],
        best=best[0],
        error=_standard_error(lambda v: residuals(v)[0], best[0], grid),
        rms_best=rms(best[0], 0),
        best_vector=best[1],
        rms_best_vector=rms(best[1], 1),
        time=orbit.time,
        published=orbit.distance,
        fitted=orbit.distance + final,
    )


def _refine(function: Callable[[float], float], grid: NDArray, values: NDArray) -> float:
    """Minimise between the neighbours of the best grid point."""
    k = int(np.argmin(values))
    low, high = grid[max(k - 1, 0)], grid[min(k + 1, len(grid) - 1)]
    return float(minimize_scalar(function, bounds=(low, high), method="bounded").x)


def _standard_error(residuals: Callable[[float], NDArray], best: float, grid: NDArray, step: float = 0.02) -> float:
    """Compute the Gauss-Newton error of the best value; the correlation length inflates the residuals' variance."""
    if best - step < grid[0] or best + step > grid[-1]:
        return float("nan")
    centre = residuals(best)
    slope = (residuals(best + step) - residuals(best - step)) / (2 * step)
    slope_square = float(slope @ slope)
    if slope_square == 0:
        return float("nan")
    variance = float(centre @ centre) / max(len(centre) - 1, 1)
    return float(np.sqrt(variance * correlation_length(centre) / slope_square))


def correlation_length(series: NDArray) -> float:
    """Return the rows that count as one: 1 + 2 x the sum of the autocorrelation up to its first zero."""
    norm = float(series @ series)
    if norm == 0:
        return 1.0
    total = 1.0
    for lag in range(1, len(series)):
        rho = float(series[:-lag] @ series[lag:]) / norm
        if rho <= 0:
            break
        total += 2.0 * rho
    return total


def measure_leverage(
    arc: PublishedOrbit,
    orbit_at: Callable[[float], Callable[[NDArray], NDArray]],
    claimed: float = 0.5,
    grid: NDArray = GRID,
) -> dict[str, float]:
    """Compare the effect of friction on a short arc's separation with the arc's own inconsistency.

    Parameters
    ----------
    arc : PublishedOrbit
        Ends at the present day.
    orbit_at : callable
        As `model_orbit` returns it.
    claimed : float
        Largest log10 lambda_DF claimed for the arc.
    grid : ndarray, shape (k,)
        Values of log10 lambda_DF.

    Returns
    -------
    dict of str to float
        span_gyr; leverage_kpc, the largest change of the separation over the grid; claimed_leverage_kpc, that
        from the grid's smallest value to `claimed`; inconsistency_kpc, the largest difference between a step of
        the arc and its own velocities; rms_min_kpc and rms_max_kpc of the separation over the grid.
    """
    separations = np.array([np.linalg.norm(orbit_at(v)(arc.time), axis=1) for v in (*grid, claimed)])
    rms = np.sqrt(np.mean((separations[:-1] - arc.distance) ** 2, axis=1))
    return {
        "span_gyr": float(np.ptp(arc.time)),
        "leverage_kpc": float(np.ptp(separations[:-1], axis=0).max()),
        "claimed_leverage_kpc": float(np.abs(separations[-1] - separations[0]).max()),
        "inconsistency_kpc": measure_inconsistency(arc),
        "rms_min_kpc": float(rms.min()),
        "rms_max_kpc": float(rms.max()),
    }


def fit_file(
    path: str | Path,
    model: dict[str, float],
    present: int | None = None,
    spacing: float | None = None,
    span: float = 2.2,
) -> FrictionFit:
    """Fit the friction to the orbit in a file.

    Parameters
    ----------
    path, present, spacing
        As for `read_orbit`.
    model : dict
        As for `model_orbit`.
    span : float
        Gyr of the past to compare, at most 2.2, the limit of the simulator.

    Returns
    -------
    FrictionFit

    Raises
    ------
    ValueError
        If span is out of range, or fewer than three rows lie within it.
    """
    if not 0 < span <= REWIND_GYR:
        raise ValueError(f"span = {span} Gyr: allowed is above 0 and at most {REWIND_GYR}")
    orbit = read_orbit(path, present, spacing).select_past(span)
    if len(orbit.time) < 3:
        raise ValueError(f"rows of {path} in the last {span} Gyr = {len(orbit.time)}: allowed is 3 or more")
    return fit_friction(orbit, model_orbit(model, orbit.present))


def fit_gc19(path: Path) -> dict[str, FrictionFit]:
    """Fit the friction to the fiducial orbit of Garavito-Camargo et al. (2019), in two Milky Ways.

    Parameters
    ----------
    path : Path
        The suite's file.

    Returns
    -------
    dict of str to FrictionFit
        "quoted": in the NFW halo that the paper quotes. "matched": in the NFW halo that encloses the mass of
        the suite's own Milky Way, which is a fifth heavier at the LMC's position today.
    """
    halos = {"quoted": published.GC19_QUOTED, "matched": published.match_halo()}
    where = (published.GC19_PRESENT, published.GC19_SPACING)
    return {name: fit_file(path, {**halo, **published.GC19_LMC}, *where) for name, halo in halos.items()}


def measure_fire_arc(path: Path) -> dict[str, float]:
    """Measure what the short arc of the cosmological case m12b says about friction.

    Its axes are those of the simulation's box, so only separations are comparable. Its last row serves as the present
    day, because the simulator only rewinds.
    """
    orbit = read_orbit(path)
    return measure_leverage(orbit, model_orbit(published.FIRE_MODEL, orbit.present))


def describe(fit: FrictionFit) -> str:
    """Format the result as plain text."""
    lines = ["log10 lambda_DF    rms separation    rms position [kpc]"]
    lines += [
        f"{g:15.1f}    {a:14.2f}    {b:12.2f}"
        for g, a, b in zip(fit.grid[::4], fit.rms_distance[::4], fit.rms_vector[::4], strict=True)
    ]
    error = "" if np.isnan(fit.error) else f" +- {fit.error:.2f}"
    edge = " (at the edge of the range: only a limit)" if fit.at_edge else ""
    lines.append(f"best by separation: {fit.best:.3f}{error}{edge}, rms {fit.rms_best:.2f} kpc")
    lines.append(f"best by position:   {fit.best_vector:.3f}, rms {fit.rms_best_vector:.2f} kpc")
    lines.append(f"compared over the last {-fit.time[0]:.2f} Gyr, {len(fit.time)} rows")
    return "\n".join(lines)
