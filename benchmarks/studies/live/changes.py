"""What a run's settings change: half of the particles, half of the step, harmonics up to l = 4 in place of 6."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from benchmarks.studies.live.figure import LiveFigure
from benchmarks.studies.live.seeds import INNER, fit_shells
from mwlmc_data.array_types import Float64Array
from mwlmc_data.live.settings import LiveSettings
from mwlmc_data.live.simulation import LiveSimulation

#: Names of the changes, as in names of files -> what they do to the settings.
CHANGES: dict[str, Callable[[LiveSettings], LiveSettings]] = {
    "half-particles": lambda settings: settings._replace(particles=settings.particles // 2),
    "half-step": lambda settings: settings._replace(steps=2 * settings.steps),
    "l4": lambda settings: settings._replace(l_max=4),
}


def measure_changes(
    lives: Sequence[LiveSimulation],
    changed: Mapping[str, Sequence[LiveSimulation]],
    shells: Sequence[float],
    stars: int,
) -> Iterator[LiveFigure]:
    """Differences of changed runs from those that they are compared with, in the mean over seeds.

    Runs are chaotic, so that a change is another draw of the particles' noise besides; the standard error of the
    difference, from the scatter of the seeds, is given beside it.

    Parameters
    ----------
    lives : sequence of LiveSimulation
        At least two runs from one start.
    changed : mapping of str to sequence of LiveSimulation
        Runs from the same start and of the same seeds with other settings, by the name of the change.
    shells : sequence of float
        Outer radii [kpc] of the stars to which the reflex is fitted.
    stars : int
        Stars of the halo, the same in each run.

    Yields
    ------
    LiveFigure
        Place and motion of the LMC about the Milky Way today [kpc, km/s], its bound
        mass [1e10 Msun], and the reflex by shell [km/s]; of vectors along the axis on which the difference is largest.
    """
    before = _describe(lives, shells, stars)
    for name, others in changed.items():
        after = _describe(others, shells, stars)
        for what, (values, unit, allowed) in before.items():
            found = after[what][0]
            gap = np.abs(found.mean(axis=0) - values.mean(axis=0))
            error = np.sqrt((found.var(axis=0, ddof=1) + values.var(axis=0, ddof=1)) / len(lives))
            worst = int(np.argmax(gap))
            yield LiveFigure(f"{name}: {what}", float(gap[worst]), allowed, unit)
            yield LiveFigure(f"{name}: {what}, standard error", float(error[worst]), math.nan, unit)


def _describe(
    lives: Sequence[LiveSimulation], shells: Sequence[float], stars: int
) -> dict[str, tuple[Float64Array, str, float]]:
    """What runs have today, (seeds, axes) each, its unit and the largest allowed difference."""
    ends = np.array([live.orbit.relative[-1] for live in lives])
    bound = np.array([[float(live.masses["m_lmc_bound"].iloc[-1])] for live in lives])
    found = {
        "the LMC's place, largest axis": (ends[:, :3], "kpc", math.nan),
        "the LMC's motion, largest axis": (ends[:, 3:], "km/s", math.nan),
        "bound mass of the LMC": (bound / 1e10, "1e10 Msun", math.nan),
    }
    for r_max, fits in fit_shells(lives, shells, stars).items():
        found[f"reflex, {INNER:g} to {r_max:g} kpc, largest axis"] = fits, "km/s", 1.0
    return found
