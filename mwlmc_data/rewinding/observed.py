"""Observed stars: where they are seen, how far away, how they move, and with which errors.

The error model is a function of the true star: the direction is exact; ln distance, the line-of-sight velocity and the
proper motions have Gaussian errors, whose sizes are the table's own and say nothing of the star. A distance error is
thus that of a distance modulus, ``5 / ln 10`` times err_distance / distance. The selection acts on what is observed, so
on the observed distance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.tabular import as_table, is_table
from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.rewinding.likelihood import EXACT_RADIUS
from mwlmc_data.rewinding.selection import Selection
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.frames import heliocentric_basis, sky_basis, spherical_angles
from mwlmc_data.simulator.observed_columns import VELOCITY_UNITS, check_observables, is_correlation

#: Columns of a table of observed stars: those of :func:`~mwlmc_data.fit_reflex_observed` and of ``mwlmc reflex``.
COLUMNS = ("l", "b", "distance", *VELOCITY_UNITS)
#: Their errors. Those of a velocity are not needed where no star has it, nor is the correlation of proper motions.
ERROR_COLUMNS = {"distance": "err_distance", **{name: f"err_{name}" for name in VELOCITY_UNITS}, "corr": "corr_pm"}
#: Smaller errors count as these: relative distance, velocity [km/s], proper motion [mas/yr]. They are below the digits
#: that a simulated star has.
_LEAST_DISTANCE, _LEAST_SPEED, _LEAST_MOTION = 1e-6, 1e-3, 1e-6
#: Largest correlation of the errors of the proper motions, in size.
_MAX_CORRELATION = 0.999
#: Distance errors within which stars must not be too near for their density to be exact.
_SIGMAS = 3.0


@dataclass(frozen=True, eq=False, repr=False)
class ObservedStars(Displayed):
    """Observed stars, arrays of shape (n,); NaN where a velocity is not measured.

    Attributes
    ----------
    l, b : ndarray
        Galactic coordinates [deg], without errors.
    distance : ndarray
        Observed heliocentric distance [kpc].
    v_los : ndarray
        Heliocentric line-of-sight velocity [km/s].
    pm_l, pm_b : ndarray
        Proper motions [mas/yr], pm_l with cos b.
    e_distance : ndarray
        Relative error of the distance: standard deviation of its logarithm.
    e_v_los, e_pm_l, e_pm_b, corr : ndarray
        Errors [km/s, mas/yr], and the correlation of those of the proper motions.
    """

    l: Float64Array
    b: Float64Array
    distance: Float64Array
    v_los: Float64Array
    pm_l: Float64Array
    pm_b: Float64Array
    e_distance: Float64Array
    e_v_los: Float64Array
    e_pm_l: Float64Array
    e_pm_b: Float64Array
    corr: Float64Array

    def __len__(self) -> int:
        return len(self.l)

    def __getitem__(self, rows: Any) -> ObservedStars:
        return ObservedStars(*(getattr(self, field.name)[rows] for field in fields(self)))

    def to_array(self) -> Float64Array:
        """All fields side by side, shape (n, 11)."""
        return np.stack([getattr(self, field.name) for field in fields(self)], axis=1)

    @classmethod
    def from_array(cls, array: NDArray) -> ObservedStars:
        """The inverse of :meth:`to_array`."""
        return cls(*np.asarray(array, float).T)

    @property
    def basis(self) -> Float64Array:
        """Unit vectors along the line of sight, l and b, shape (n, 3, 3)."""
        return sky_basis(self.l, self.b)

    @property
    def positions(self) -> Float64Array:
        """Galactocentric positions at the observed distance [kpc], shape (n, 3)."""
        return const.SUN_POSITION + self.distance[:, None] * self.basis[:, 0]

    @property
    def motions(self) -> Float64Array:
        """v_los, pm_l and pm_b, shape (n, 3)."""
        return np.stack([self.v_los, self.pm_l, self.pm_b], axis=1)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which of the velocities are measured, shape (n, 3)."""
        return np.isfinite(self.motions)


def is_observed(table: Any) -> bool:
    """Whether a table holds observables rather than Cartesian positions and velocities."""
    return is_table(table) and {"l", "b", "distance"} <= set(as_table("table", table))


def take_observed(table: Any) -> ObservedStars:
    """Take observed stars from a user's table.

    Parameters
    ----------
    table : table
        Columns l, b [deg], distance [kpc], v_los [km/s], pm_l, pm_b [mas/yr], and their errors err_distance, err_v_los,
        err_pm_l, err_pm_b, and optionally corr_pm. A velocity is NaN where it is not measured; its column may be
        missing, with that of its error, if no star has it. Other columns are ignored.

    Returns
    -------
    ObservedStars

    Raises
    ------
    ValueError
        If a column is missing, errors have no measurement, the correlation has another name, or a number is masked,
        not finite or out of range.
    """
    columns = as_table("table", table)
    given = {name: columns.get(name) for name in COLUMNS}
    absent = [name for name in VELOCITY_UNITS if given[name] is None]
    needed = [ERROR_COLUMNS[name] for name in ("distance", *VELOCITY_UNITS) if name not in absent]
    if missing := [name for name in needed if name not in columns]:
        raise ValueError(f"table lacks {', '.join(missing)}: allowed are observables with their errors")
    if widowed := [name for name in absent if ERROR_COLUMNS[name] in columns]:
        raise ValueError(
            f"table has {', '.join(ERROR_COLUMNS[name] for name in widowed)} and no {', '.join(widowed)}: allowed are "
            "measurements with their errors; leave out the errors of what no star has"
        )
    if others := [name for name in columns if name != ERROR_COLUMNS["corr"] and is_correlation(str(name))]:
        raise ValueError(
            f"table has a column {others[0]!r}: allowed is corr_pm for the correlation of pm_l and pm_b; if it is not "
            "that, leave it out"
        )
    errors = {name: columns[column] for name, column in ERROR_COLUMNS.items() if column in columns}
    taken = check_observables(
        given, errors, lambda name: f"table[{name!r}]", lambda name: f"table[{ERROR_COLUMNS[name]!r}]"
    )
    steep = np.abs(taken["e_corr"]) > _MAX_CORRELATION
    if steep.any():
        row = int(np.argmax(steep))
        raise ValueError(
            f"table['corr_pm'][{row}] = {taken['e_corr'][row]:g}: allowed is -{_MAX_CORRELATION} to {_MAX_CORRELATION}"
        )
    return ObservedStars(
        **{name: taken[name] for name in COLUMNS},
        e_distance=np.maximum(taken["e_distance"] / taken["distance"], _LEAST_DISTANCE),
        e_v_los=np.maximum(taken["e_v_los"], _LEAST_SPEED),
        e_pm_l=np.maximum(taken["e_pm_l"], _LEAST_MOTION),
        e_pm_b=np.maximum(taken["e_pm_b"], _LEAST_MOTION),
        corr=taken["e_corr"],
    )


def refuse_near(stars: ObservedStars, selection: Selection) -> None:
    """Refuse a selection whose stars may truly be so near that their density is not exact."""
    largest = float(stars.e_distance.max())
    needed = EXACT_RADIUS * (1.0 + _SIGMAS * largest)
    if selection.r_min < needed:
        raise ValueError(
            f"selection = {selection!r} with distance errors of up to {100.0 * largest:.3g} per cent: allowed is r_min "
            f"= {math.ceil(10.0 * needed) / 10.0:g} kpc or more; the density of stars within {EXACT_RADIUS:g} kpc is "
            "not exact"
        )


def observe_stars(
    stars: NDArray, errors: ObservedStars, rng: np.random.Generator, scores: Float64Array | None = None
) -> ObservedStars:
    """Observe stars of known phase space.

    Parameters
    ----------
    stars : ndarray, shape (n, 6)
        Galactocentric [kpc, km/s].
    errors : ObservedStars
        Of as many stars, in order: their errors are taken, and what they have not measured is not measured here.
    rng : numpy.random.Generator
        Of the errors.
    scores : ndarray, shape (n,), optional
        Errors of ln distance in units of their standard deviation; by default they are drawn.

    Returns
    -------
    ObservedStars
    """
    stars = np.asarray(stars, float)
    apart = stars[:, :3] - const.SUN_POSITION
    longitude, latitude = spherical_angles(apart)
    distance = np.sqrt(np.einsum("ni,ni->n", apart, apart))
    speeds = np.einsum("nki,ni->nk", heliocentric_basis(stars[:, :3]), stars[:, 3:] - const.SUN_VELOCITY)
    motion = speeds[:, 1:] / (const.KMS_PER_MASYR_KPC * distance)[:, None]
    normal = rng.standard_normal((len(stars), 4))
    if scores is not None:
        normal[:, 0] = scores
    second = errors.corr * normal[:, 2] + np.sqrt(1.0 - errors.corr**2) * normal[:, 3]
    measured = errors.measured
    return ObservedStars(
        l=np.mod(longitude, 360.0),
        b=latitude,
        distance=distance * np.exp(errors.e_distance * normal[:, 0]),
        v_los=np.where(measured[:, 0], speeds[:, 0] + errors.e_v_los * normal[:, 1], np.nan),
        pm_l=np.where(measured[:, 1], motion[:, 0] + errors.e_pm_l * normal[:, 2], np.nan),
        pm_b=np.where(measured[:, 2], motion[:, 1] + errors.e_pm_b * second, np.nan),
        **{name: getattr(errors, name) for name in ("e_distance", "e_v_los", "e_pm_l", "e_pm_b", "corr")},
    )
