"""A survey of a halo: some hundred observed stars with errors, of which velocities may be missing.

The survey observes stars at 50 to 300 kpc, by observed distance, more than 20 degrees from the Galactic plane. It keeps
the first of them, from 100 to 500, a number drawn for each halo. The errors of a star are drawn independently of it:
from 3 to 15 per cent in distance, from 2 to 20 km/s in v_los, from 0.02 to 0.2 mas/yr in each proper motion, all
uniform in their logarithm, with a correlation of the proper motions from -0.5 to 0.5. Which velocities are measured is
one of the `PATTERNS`, drawn for each halo. All these numbers depend on the halo's number alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.dataset.made import NumberedHalo
from mwlmc_data.scoring.star_sets import StarSets, pad_stars

if TYPE_CHECKING:
    from mwlmc_data.rewinding.selection import Selection

#: What is measured of the velocities: all; v_los alone; proper motions alone; v_los of half the stars, the proper
#: motions of 70 per cent.
PATTERNS = ("complete", "v_los", "proper-motions", "mixed")
_MIXED = (0.5, 0.7)
#: Fewest and most stars of a survey.
MIN_STARS, MAX_STARS = 100, 500
#: Shell by observed distance [kpc], and smallest Galactic latitude [deg], north and south.
R_MIN, R_MAX, LATITUDE = 50.0, 300.0, 20.0
#: Smallest and largest errors: relative distance, v_los [km/s], proper motion [mas/yr]; largest correlation.
_DISTANCE, _V_LOS, _MOTION, _CORRELATION = (0.03, 0.15), (2.0, 20.0), (0.02, 0.2), 0.5
_SEED = 20_251_129
#: Columns of `SurveySets.stars` and `SurveySets.errors`.
DATA = ("l", "b", "distance", "v_los", "pm_l", "pm_b")
ERRORS = ("err_distance", "err_v_los", "err_pm_l", "err_pm_b", "corr_pm")


@dataclass(frozen=True, repr=False)
class SurveySets(StarSets):
    """The observed stars of n haloes.

    Attributes
    ----------
    stars : ndarray, shape (n, m, 6), float32
        l, b [deg], distance [kpc], v_los [km/s], pm_l, pm_b [mas/yr] of up to m stars; zero where a velocity is not
        measured, and after the last star.
    mask : ndarray of bool, shape (n, m)
        Which of them are stars. They come first.
    lmc : ndarray, shape (n, 6), float32
        Position [kpc] and velocity [km/s] of the LMC.
    errors : ndarray, shape (n, m, 5), float32
        err_distance [kpc], err_v_los [km/s], err_pm_l, err_pm_b [mas/yr] and their correlation corr_pm.
    measured : ndarray of bool, shape (n, m, 3)
        Which of v_los, pm_l and pm_b are measured.
    """

    errors: Float32Array
    measured: NDArray[np.bool_]

    def __getitem__(self, rows: Any) -> SurveySets:
        if isinstance(rows, int | np.integer):
            raise TypeError(f"rows = {rows}: allowed is a slice, a mask or an array of numbers, such as x[{rows}:][:1]")
        return SurveySets(*(getattr(self, field.name)[rows] for field in fields(self)))

    def to_table(self, row: int) -> dict[str, Float64Array]:
        """The stars of one halo as :func:`~mwlmc_data.infer_stars` takes them, NaN where nothing is measured."""
        mask = self.mask[row]
        data, errors = self.stars[row][mask].astype(float), self.errors[row][mask].astype(float)
        data[:, 3:][~self.measured[row][mask]] = np.nan
        return dict(zip((*DATA, *ERRORS), (*data.T, *errors.T), strict=True))


def get_selection() -> Selection:
    """The selection of the survey, without the number of stars that are kept."""
    from mwlmc_data.rewinding.selection import Selection

    return Selection(r_min=R_MIN, r_max=R_MAX, footprint=is_off_the_plane)


def is_off_the_plane(l: Float64Array, b: Float64Array) -> NDArray[np.bool_]:
    """Whether directions are more than 20 degrees from the Galactic plane."""
    return np.abs(b) > LATITUDE


def choose_patterns(sim_ids: NDArray[np.integer]) -> NDArray[np.intp]:
    """Places among `PATTERNS`, shape (n,), of haloes with these numbers."""
    return np.array([_choose(_start(int(i))) for i in sim_ids], np.intp)


def _start(sim_id: int) -> np.random.Generator:
    return np.random.default_rng((_SEED, sim_id))


def _choose(rng: np.random.Generator) -> int:
    return int(rng.random() * len(PATTERNS))


def observe_halo(halo: NumberedHalo) -> dict[str, NDArray]:
    """Observe a halo.

    Parameters
    ----------
    halo : NumberedHalo
        All its stars; its number chooses what is measured.

    Returns
    -------
    dict
        stars (500, 6), mask (500,), errors (500, 5) and measured (500, 3) as in `SurveySets`.
    """
    from mwlmc_data.rewinding.observed import observe_stars

    stars, rng = halo.stars, _start(halo.sim_id)
    pattern = PATTERNS[_choose(rng)]
    wanted = MIN_STARS + int(rng.random() * (MAX_STARS - MIN_STARS + 1))
    seen = observe_stars(stars, _draw_errors(len(stars), pattern, rng), rng)
    chosen = np.flatnonzero(get_selection().compute_completeness(seen.positions) > 0.0)[:wanted]
    kept = seen[chosen]
    measured = kept.measured
    data = np.stack([kept.l, kept.b, kept.distance, *np.nan_to_num(kept.motions).T], axis=1)
    errors = np.stack([kept.e_distance * kept.distance, kept.e_v_los, kept.e_pm_l, kept.e_pm_b, kept.corr], axis=1)
    padded = pad_stars(data.astype(np.float32), MAX_STARS)
    return {
        **padded,
        "errors": pad_stars(errors.astype(np.float32), MAX_STARS)["stars"],
        "measured": pad_stars(measured.astype(np.float32), MAX_STARS)["stars"] > 0.5,
    }


def _draw_errors(n: int, pattern: str, rng: np.random.Generator) -> Any:
    """Errors of n stars, and what is not measured, in the form of observed stars."""
    from mwlmc_data.rewinding.observed import ObservedStars

    u = rng.random((n, 7))
    distance, v_los, pm_l, pm_b = (
        low * (high / low) ** u[:, i] for i, (low, high) in enumerate((_DISTANCE, _V_LOS, _MOTION, _MOTION))
    )
    chances = {"complete": (1.0, 1.0), "v_los": (1.0, 0.0), "proper-motions": (0.0, 1.0), "mixed": _MIXED}[pattern]
    seen = [np.where(u[:, 5 + i] < chance, 0.0, np.nan) for i, chance in enumerate(chances)]
    correlation = np.where(np.isnan(seen[1]), 0.0, _CORRELATION * (2.0 * u[:, 4] - 1.0))
    nothing = np.zeros(n)
    return ObservedStars(
        nothing, nothing, nothing, seen[0], seen[1], seen[1], distance, v_los, pm_l, pm_b, correlation
    )
