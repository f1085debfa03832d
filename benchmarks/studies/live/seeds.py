"""How far runs from one start differ by the seed of their particles alone: orbit, masses, the disc and the reflex."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from benchmarks.studies.live.figure import LiveFigure
from mwlmc_data.array_types import Float64Array
from mwlmc_data.live.simulation import MASS_NAMES, LiveSimulation
from mwlmc_data.simulator.reflex_fit import fit_reflex

#: Radius [kpc] beyond which the reflex is fitted.
INNER = 50.0


def fit_shells(lives: Sequence[LiveSimulation], shells: Iterable[float], stars: int) -> dict[float, Float64Array]:
    """Reflex [km/s] of the same halo in each run, (runs, 3), by the outer radius [kpc] of its stars."""
    drawn = [live.halo(beta0=0.0, r_dehnen=12.0, n_stars=stars) for live in lives]
    return {
        r_max: np.array([fit_reflex(h.positions, h.velocities, r_min=INNER, r_max=r_max).vector for h in drawn])
        for r_max in shells
    }


def measure_seeds(lives: Sequence[LiveSimulation], shells: Sequence[float], stars: int) -> Iterator[LiveFigure]:
    """Standard deviation over seeds of what runs have today.

    Parameters
    ----------
    lives : sequence of LiveSimulation
        At least two runs from one start, with the same number of particles.
    shells : sequence of float
        Outer radii [kpc] of the stars to which the reflex is fitted.
    stars : int
        Stars of the halo, the same in each run.

    Yields
    ------
    LiveFigure
        Place, motion and pericentre of the LMC about the Milky Way [kpc, km/s], masses relative to their mean, the
        disc's velocity and the reflex by shell [km/s]; of vectors along the axis on which it is largest.
    """

    def describe(what: str, values: list[Float64Array], unit: str = "", allowed: float = math.nan) -> LiveFigure:
        largest = float(np.std(np.array(values), axis=0, ddof=1).max())
        return LiveFigure(f"scatter of {len(lives)} seeds: {what}", largest, allowed, unit)

    ends = [live.orbit.relative[-1] for live in lives]
    yield describe("the LMC's place, largest axis", [end[:3] for end in ends], "kpc")
    yield describe("the LMC's motion, largest axis", [end[3:] for end in ends], "km/s")
    yield describe("pericentre", [np.array(live.orbit.pericentre) for live in lives], "kpc")
    for name in MASS_NAMES:
        masses = np.array([float(live.masses[name].iloc[-1]) for live in lives])
        yield describe(f"{name}, over its mean", list(masses / masses.mean()))
    yield describe("the disc's velocity, largest axis", [live.field.body_path[-1, 3:] for live in lives], "km/s")
    for r_max, fits in fit_shells(lives, shells, stars).items():
        yield describe(f"reflex, {INNER:g} to {r_max:g} kpc, largest axis", list(fits), "km/s", 1.0)
