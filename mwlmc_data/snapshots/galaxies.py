"""Which particles of a snapshot are the satellite's: by type, identifier, mass, or place."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.arrays import as_float, as_ids, as_vector, as_whole, check_names
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.array_types import Float64Array
from mwlmc_data.snapshots.snapshot import Snapshot, is_mask

#: Keys of a mapping that tells the satellite's particles, and what follows them.
KEYS = ("types", "ids", "id_range", "highest_ids", "mass")
_MASS_ROUNDING = 1e-5


def find_satellite(snapshot: Snapshot, satellite: Any) -> NDArray[np.bool_]:
    """Tell the satellite's particles from those of its host.

    Parameters
    ----------
    snapshot : Snapshot
        The particles.
    satellite : str, mapping or ndarray of bool
        ``"mass"`` if the particles have two masses, of which the satellite's has fewer particles; a mapping with one or
        more of ``types`` (one or more), ``ids`` (a list), ``id_range`` (the first and the last), ``highest_ids`` (the
        number of the highest identifiers) and ``mass`` [Msun] (within 1e-5 of itself), all of which hold; or a boolean
        array, shape (n,).

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    ValueError
        If it is none of these, what it needs is not in the snapshot, or it holds for no particle or for all.

    Warns
    -----
    UserWarning
        If the snapshot lacks some of the identifiers.
    """
    if is_mask(satellite):
        found = snapshot.select("satellite", satellite)
    elif isinstance(satellite, str) and satellite == "mass":
        found = _find_lesser_mass(snapshot)
    elif isinstance(satellite, Mapping) and satellite:
        check_names("satellite", satellite, KEYS)
        found = np.ones(len(snapshot), dtype=bool)
        for key, value in satellite.items():
            found &= _find(snapshot, key, value)
    else:
        raise ValueError(
            f"satellite = {shorten(satellite)}: allowed is 'mass', a mapping of {', '.join(KEYS)} or of near and "
            "radius, a boolean array, or its vector (6,) relative to the host [kpc, km/s]"
        )
    if not found.any() or found.all():
        which = "all" if found.all() else "none"
        raise ValueError(
            f"satellite = {shorten(satellite)}: {which} of the {len(snapshot):,} particles; allowed is some of them"
        )
    return found


def _find(snapshot: Snapshot, key: str, value: Any) -> NDArray[np.bool_]:
    name = f"satellite[{key!r}]"
    if key == "types":
        return snapshot.select_types(name, value)
    if key == "mass":
        return np.isclose(_masses(snapshot, name), as_float(name, value, unit="Msun", above=0.0), rtol=_MASS_ROUNDING)
    if snapshot.ids is None:
        raise ValueError(f"{name} = {shorten(value)}: allowed is a snapshot with identifiers")
    largest = 2**64 - 1
    if key == "highest_ids":
        count = as_whole(name, value, 1, len(snapshot))
        lowest = np.partition(snapshot.ids, len(snapshot) - count)[len(snapshot) - count]
        found = snapshot.ids >= lowest
        if int(found.sum()) != count:
            raise ValueError(
                f"{name} = {count}: identifiers repeat, and {int(found.sum())} particles have one from {lowest} up; "
                "allowed is a number that parts none that are equal"
            )
        return found
    ids = as_ids(name, value, maximum=largest)
    if key == "ids":
        absent = int((~np.isin(ids, snapshot.ids)).sum())
        if absent:
            warnings.warn(
                f"{name}: {absent:,} of its {len(ids):,} identifiers are not in the snapshot: the satellite is what is "
                "there of it",
                UserWarning,
                stacklevel=5,
            )
        return np.isin(snapshot.ids, ids)
    if len(ids) != 2 or ids[0] > ids[1]:
        raise ValueError(f"{name} = {shorten(value)}: allowed are the first and the last identifier")
    return (snapshot.ids >= ids[0]) & (snapshot.ids <= ids[1])


def _masses(snapshot: Snapshot, name: str) -> Float64Array:
    if snapshot.masses is None:
        raise ValueError(f"{name}: the snapshot has no masses; allowed is one with masses")
    return snapshot.masses


def _find_lesser_mass(snapshot: Snapshot) -> NDArray[np.bool_]:
    masses = np.sort(_masses(snapshot, "satellite = 'mass'"))
    steps = np.flatnonzero(np.diff(masses) > _MASS_ROUNDING * masses[1:])
    if len(steps) != 1:
        raise ValueError(
            f"satellite = 'mass': the particles have {len(steps) + 1} masses; allowed are two (with more, name one: "
            "{'mass': ...})"
        )
    lower = int(steps[0]) + 1
    if 2 * lower == len(masses):
        raise ValueError("satellite = 'mass': as many particles of either mass; allowed is fewer of the satellite's")
    bound = 0.5 * (masses[lower - 1] + masses[lower])
    is_light = _masses(snapshot, "masses") < bound
    return is_light if 2 * lower < len(masses) else ~is_light


def read_place(satellite: Any) -> tuple[Float64Array, float] | None:
    """Read a satellite that is told by its place: position [kpc] in the snapshot's own frame, and radius [kpc].

    Returns None for a satellite that is told otherwise; raises ValueError if one of the two is missing or no number.
    """
    if not (isinstance(satellite, Mapping) and {"near", "radius"} & set(satellite)):
        return None
    check_names("satellite", satellite, ("near", "radius"), ("near", "radius"))
    near = as_vector("satellite['near']", satellite["near"], 3, unit="kpc")
    return near, as_float("satellite['radius']", satellite["radius"], unit="kpc", above=0.0)


def read_vector(satellite: Any) -> Float64Array | None:
    """Read a satellite that is given by its vector (6,) relative to the host; None if it is told otherwise."""
    if isinstance(satellite, str | Mapping) or is_mask(satellite):
        return None
    return as_vector("satellite", satellite, 6)
