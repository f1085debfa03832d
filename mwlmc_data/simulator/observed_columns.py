"""Checks of observed stars: Galactic coordinates, distance and velocities with errors, of which some may be missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mwlmc_data.arguments.arrays import as_floats, check_names
from mwlmc_data.arguments.conversion import refuse_masked
from mwlmc_data.arguments.messages import refuse, shorten
from mwlmc_data.arguments.tabular import refuse_misaligned
from mwlmc_data.array_types import Float64Array
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.reflex import MAX_DISTANCE, MAX_SPEED

#: Observed components of the velocity and their units.
VELOCITY_UNITS = {"v_los": "km/s", "pm_l": "mas/yr", "pm_b": "mas/yr"}
#: Keys of `errors` and their units: distance, line-of-sight velocity, proper motions and their correlation.
ERROR_UNITS = {"distance": "kpc", **VELOCITY_UNITS, "corr": ""}

#: Largest errors accepted for a measurement, in the units of `ERROR_UNITS`.
MAX_ERRORS = {"distance": MAX_DISTANCE, "v_los": 1e5, "pm_l": 1e4, "pm_b": 1e4, "corr": 1.0}
#: Smallest distance [kpc] accepted for a star.
_MIN_DISTANCE = 1e-3
#: A speed is refused if it exceeds that of light by more than this many of its errors.
_MAX_SIGMAS = 10.0
#: Words of the names under which tables hold the correlation of the proper motions.
_CORRELATION_WORDS = {"corr", "correlation", "rho", "corrpm", "pmcorr", "corrcoef"}
_MOTION_WORDS = {"pm", "l", "b", "pml", "pmb", "err", "error", "errors", "cosb", "mu", "coefficient"}


def is_correlation(name: str) -> bool:
    """Whether a column's name says that it is the correlation of the proper motions."""
    words = set(re.findall("[a-z]+", name.lower()))
    return bool(words & _CORRELATION_WORDS) and words <= _CORRELATION_WORDS | _MOTION_WORDS


def _name_plainly(name: str) -> str:
    return name


def _name_error(name: str) -> str:
    return f"errors[{name!r}]"


def check_observables(
    given: Mapping[str, ArrayLike | None],
    errors: Mapping[str, ArrayLike | None],
    name_column: Callable[[str], str] = _name_plainly,
    name_error: Callable[[str], str] = _name_error,
) -> dict[str, Float64Array]:
    """Check observables and their errors.

    Parameters
    ----------
    given : mapping
        l, b, distance, v_los, pm_l, pm_b; a velocity that no star has is None.
    errors : mapping
        Standard errors, by the names of `ERROR_UNITS`.
    name_column, name_error : callable
        What the user calls an observable, and an error.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        The observables, NaN where a velocity is not measured, and the errors as ``e_distance`` and so on.

    Raises
    ------
    ValueError
        As :func:`~mwlmc_data.fit_reflex_observed`.
    """
    if getattr(errors, "keys", None) is None:
        raise ValueError(f"errors = {shorten(errors)}: allowed is a mapping with the keys {', '.join(ERROR_UNITS)}")
    absent = [name for name in VELOCITY_UNITS if given[name] is None]
    needed = [name for name in ("distance", *VELOCITY_UNITS) if name not in absent]
    check_names("errors", errors.keys(), tuple(ERROR_UNITS), needed)
    refuse_misaligned({
        **{name_column(name): column for name, column in given.items()},
        **{name_error(name): errors[name] for name in errors.keys()},
    })
    l = as_floats(name_column("l"), given["l"], unit="deg", shape=("n",))
    n = len(l)
    stars: dict[str, Float64Array] = {
        "l": l,
        "b": as_floats(name_column("b"), given["b"], unit="deg", shape=(n,), minimum=-90.0, maximum=90.0),
        "distance": as_floats(
            name_column("distance"), given["distance"], unit="kpc", shape=(n,), minimum=_MIN_DISTANCE,
            maximum=MAX_DISTANCE,
        ),
    }
    for name, unit in VELOCITY_UNITS.items():
        stars[name] = np.full(n, np.nan) if name in absent else _check_column(name_column(name), given[name], unit, n)
    for name, unit in ERROR_UNITS.items():
        high = MAX_ERRORS[name]
        low = -high if name == "corr" else 0.0
        where = _measured(stars, name)
        label = name_error(name)
        # keys(), as iterating over some tables gives rows
        given_error = errors[name] if name in errors.keys() else 0.0
        if given_error is None and any(need in absent for need in _needs(name)):
            given_error = 0.0
        error = _check_column(label, given_error, unit, n, minimum=low, maximum=high, broadcast=True)
        if np.isnan(error[where]).any():
            row = int(np.flatnonzero(where & np.isnan(error))[0])
            raise ValueError(f"{label}[{row}] = nan: allowed is a finite number where {name} is measured")
        stars["e_" + name] = np.where(where, error, 0.0)
    for name in VELOCITY_UNITS:
        # the proper motion of a distant star may be pure error
        min_size = np.abs(stars[name]) - _MAX_SIGMAS * stars["e_" + name]
        bad = min_size * (1.0 if name == "v_los" else const.KMS_PER_MASYR_KPC * stars["distance"]) > MAX_SPEED
        if bad.any():
            at = "" if name == "v_los" else " at this distance"
            allowed = f"a speed{at} of at most {MAX_SPEED:g} km/s, that of light, within errors"
            refuse(name_column(name), stars[name], bad, allowed)
    return stars


def _needs(name: str) -> tuple[str, ...]:
    """The quantities that an error of this name belongs to."""
    return ("pm_l", "pm_b") if name == "corr" else (name,)


def _measured(stars: Mapping[str, Float64Array], name: str) -> NDArray[np.bool_]:
    """Where the quantity of an error is measured."""
    return ~np.any([np.isnan(stars[need]) for need in _needs(name)], axis=0)


def _check_column(name: str, value: ArrayLike | None, unit: str, n: int, **options: Any) -> Float64Array:
    """Check a column that may hold NaN. A mask is refused: it hides a number, and does not mean that there is none."""
    if isinstance(value, np.ma.MaskedArray) or hasattr(value, "unmasked"):
        refuse_masked(name, value, "write NaN for what is not measured, as .filled(numpy.nan) does")
    return as_floats(name, value, unit=unit, shape=(n,), allow_nan=True, **options)
