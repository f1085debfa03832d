"""The particles of a simulation at one time, in physical kpc, km/s and Msun."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.arrays import as_float, as_floats, as_ids, as_whole, check_names
from mwlmc_data.arguments.conversion import refuse_indexed, refuse_masked
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.arguments.tabular import as_vectors, refuse_misaligned
from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed, number
from mwlmc_data.simulator.reflex import MAX_DISTANCE, MAX_SPEED, MOTION_NAMES, POSITION_NAMES

#: Types of particles by Gadget's convention: dark matter, and stars of a cosmological run.
DARK, STARS = 1, 4
#: Largest type; SWIFT has seven types.
MAX_TYPE = 7
#: Largest rate of expansion [km/s/kpc]: that of a redshift of eight; today's is 0.07.
MAX_HUBBLE = 1.0


@dataclass(frozen=True, eq=False, repr=False)
class Snapshot(Displayed):
    """The particles of a simulation at one time.

    Attributes
    ----------
    positions, velocities : ndarray, shape (n, 3)
        Physical positions [kpc] and peculiar velocities [km/s], in any inertial frame.
    masses : ndarray, shape (n,), or None
        Masses [Msun]; None if they are not known, and every particle counts the same.
    ids : ndarray of uint64, shape (n,), or None
        Identifiers; they may repeat, as those of GIZMO's split particles do.
    types : ndarray of int8, shape (n,), or None
        Types by Gadget's convention: 0 gas, 1 dark matter, 2 and 3 disc and bulge (or dark matter of low resolution), 4
        stars, 5 black holes. None if they are not known.
    hubble : float
        Expansion rate [km/s/kpc] at this time, which is added to the velocities about a centre; 0 if the run is not
        cosmological.
    box : float
        Side of the periodic box [kpc]; infinite if there is none.
    source : str
        Where the particles come from.
    notes : tuple of str
        What was assumed in reading them.

    Raises
    ------
    ValueError
        If an array has another shape than the positions ask for, or holds masked, missing, infinite or negative numbers
        where these have no meaning.

    Examples
    --------
    >>> snapshot = Snapshot([[1.0, 0.0, 0.0]] * 3, [[0.0, 200.0, 0.0]] * 3, masses=[1e6, 1e6, 2e6])
    >>> len(snapshot), float(snapshot.masses.sum())
    (3, 4000000.0)
    """

    positions: Float64Array
    velocities: Float64Array
    masses: Float64Array | None = None
    ids: NDArray[np.uint64] | None = None
    types: NDArray[np.int8] | None = None
    hubble: float = 0.0
    box: float = math.inf
    source: str = "arrays"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        refuse_misaligned({name: getattr(self, name) for name in ("positions", "velocities", "masses", "ids", "types")})
        x = as_vectors("positions", self.positions, POSITION_NAMES, "kpc", limit=MAX_DISTANCE)
        n = len(x)
        if n == 0:
            raise ValueError("positions = no particles: allowed is one or more")
        self._set("positions", x)
        self._set("velocities", as_vectors("velocities", self.velocities, MOTION_NAMES, "km/s", n, limit=MAX_SPEED))
        if self.masses is not None:
            self._set("masses", as_floats("masses", self.masses, unit="Msun", shape=(n,), minimum=0.0))
        for name, largest, kind in (("ids", 2**64 - 1, np.uint64), ("types", MAX_TYPE, np.int8)):
            values = getattr(self, name)
            if values is None:
                continue
            values = as_ids(name, values, maximum=largest)
            if len(values) != n:
                raise ValueError(f"{name} = {len(values)} numbers: allowed is one for each of {n} particles")
            self._set(name, values.astype(kind))
        self._set("hubble", as_float("hubble", self.hubble, unit="km/s/kpc", minimum=0.0, maximum=MAX_HUBBLE))
        self._set("box", as_float("box", self.box, unit="kpc", above=0.0, allow_infinite=True))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def is_cosmological(self) -> bool:
        """Whether the run is cosmological: space expands."""
        return self.hubble > 0.0

    def _summary(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self._rows())

    def _rows(self) -> list[tuple[str, str]]:
        rows = [("particles", f"{len(self):,}")]
        if self.types is not None:
            counts = zip(*np.unique(self.types, return_counts=True), strict=True)
            rows.append(("types", "; ".join(f"{kind}: {count:,}" for kind, count in counts)))
        if self.masses is not None:
            rows.append(("mass", f"{number(float(self.masses.sum()))} Msun"))
        if self.is_cosmological:
            rows.append(("expansion", f"{number(1000.0 * self.hubble)} km/s/Mpc"))
        return [*rows, ("from", self.source)]

    def select_types(self, name: str, types: Any) -> NDArray[np.bool_]:
        """Select the particles of one or more types; raise ValueError, naming the argument, if there are none."""
        kinds = as_types(name, types)
        if self.types is None:
            raise ValueError(f"{name} = {shorten(types)}: allowed is a boolean array, as the snapshot has no types")
        found = np.isin(self.types, kinds)
        if not found.any():
            there = ", ".join(map(str, np.unique(self.types)))
            raise ValueError(f"{name} = {shorten(types)}: allowed are types of which there are particles ({there})")
        return found

    def select(self, name: str, which: Any) -> NDArray[np.bool_]:
        """Select particles by a boolean array or by types; raise ValueError, naming the argument, if there are none."""
        if is_mask(which):
            refuse_masked(name, which, "fill them with False or True")
            refuse_indexed(name, which, "the order of the particles")
            found = np.asarray(which, dtype=bool)
            if found.shape != (len(self),) or not found.any():
                raise ValueError(
                    f"{name} = a boolean array of shape {found.shape} with {int(found.sum())} particles: allowed is "
                    f"the shape ({len(self)},) with one particle or more"
                )
            return found
        return self.select_types(name, which)


def is_mask(value: Any) -> bool:
    """Whether a value is an array of booleans."""
    return getattr(getattr(value, "dtype", None), "kind", "") == "b"


def as_types(name: str, types: Any) -> tuple[int, ...]:
    """Take one or more types of particles from a user."""
    given = types if isinstance(types, list | tuple | set | range | np.ndarray) else (types,)
    kinds = tuple(sorted({as_whole(name, kind, 0, MAX_TYPE) for kind in given}))
    if not kinds:
        raise ValueError(f"{name} = {shorten(types)}: allowed is one type or more, from 0 to {MAX_TYPE}")
    return kinds


def as_snapshot(source: Any) -> Snapshot:
    """Take particles from a user: a Snapshot, a mapping of its fields, or an object with positions and velocities.

    Raises
    ------
    ValueError
        If a mapping has other names, or as :class:`Snapshot`.
    TypeError
        If it is none of these.
    """
    if isinstance(source, Snapshot):
        return source
    names = tuple(field.name for field in fields(Snapshot))
    if isinstance(source, Mapping):
        check_names("source", source, names, ("positions", "velocities"))
        return Snapshot(**source)
    if hasattr(source, "positions") and hasattr(source, "velocities"):
        return Snapshot(source.positions, source.velocities, getattr(source, "masses", None))
    raise TypeError(
        f"source = a {type(source).__name__}: allowed is a Snapshot, a file, a mapping of {', '.join(names[:5])}, or "
        "an object with positions and velocities"
    )
