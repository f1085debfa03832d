"""Snapshots read from HDF5 files of GIZMO (FIRE), Gadget-4 and SWIFT."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.arrays import as_flag, as_ids
from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import describe_tuple
from mwlmc_data.snapshots.centres import shrink_sphere
from mwlmc_data.snapshots.layouts import LENGTH, MASS, VELOCITY, Layout, find_layout
from mwlmc_data.snapshots.parts import (
    IDS,
    MASSES,
    POSITIONS,
    VELOCITIES,
    check_counts,
    check_parts,
    check_sources,
    count_particles,
    find_parts,
    get_attribute,
    open_parts,
    where,
)
from mwlmc_data.snapshots.snapshot import DARK, STARS, Snapshot, as_types

#: Half-mass radii [kpc] of the stars of a galaxy, and of dark matter in and around one, that are believed where the
#: file does not say its units: a length wrong by 1,000 lies outside.
_STELLAR_RADII, _DARK_RADII = (0.5, 500.0), (10.0, 10_000.0)


def read(path: Any, units: Any = None, cosmological: bool | None = None, types: Any = None) -> Snapshot:
    """Read a snapshot of GIZMO (FIRE), Gadget-4 or SWIFT.

    Parameters
    ----------
    path : path-like or sequence of path-like
        A file; for a snapshot in several parts their folder, their name without number and suffix, or a list of all.
    units : str or mapping, optional
        Units of a file that does not say them: ``"kpc/h"``, ``"Mpc/h"``, ``"kpc"`` or ``"Mpc"`` (masses in 1e10 Msun,
        divided by h as the length is, velocities in km/s), or a mapping of ``length``, ``mass`` and ``velocity``, such
        as ``{"length": "kpc/h", "mass": "1e10 Msun/h", "velocity": "km/s"}``.
    cosmological : bool, optional
        Whether the run is cosmological, so that lengths are comoving, velocities divided by the square root of the
        scale factor, and Time is the scale factor; needed where the file does not say.
    types : int or sequence of int, optional
        Types of particles to read; all by default.

    Returns
    -------
    Snapshot
        In physical kpc, km/s (peculiar) and Msun.

    Raises
    ------
    ImportError
        If h5py is not installed (extra ``snapshots``).
    FileNotFoundError
        If there is no such file.
    ValueError
        If a file is cut, damaged or no such snapshot; parts are missing or of several snapshots; numbers or arrays are
        missing or do not agree; the file does not say its units or whether it is cosmological, and `units` or
        `cosmological` does not either, or both do; or, with given units, the half-mass radius is not that of a galaxy.

    Examples
    --------
    >>> snapshot = read("snapdir_600", units="kpc/h", types=[1, 4])        # doctest: +SKIP
    """
    as_flag("cosmological", cosmological, allow_none=True)
    paths = find_parts(path)
    with open_parts(paths) as files:
        check_parts(files)
        kinds = _choose_types(files, types)
        check_counts(files, kinds)
        layout = find_layout(files[0], units, cosmological)
        columns = [_read_type(files, kind, layout) for kind in kinds]
        box = _read_box(files[0], layout, kinds)
    if layout.code == "SWIFT" or units is None:
        notes = layout.notes
    else:
        notes = (*layout.notes, _check_size(columns, kinds, layout, units))
    ids = [column.ids for column in columns if column.ids is not None]
    return Snapshot(
        positions=np.concatenate([column.positions for column in columns]),
        velocities=np.concatenate([column.velocities for column in columns]),
        masses=np.concatenate([column.masses for column in columns]),
        ids=np.concatenate(ids) if len(ids) == len(columns) else None,
        types=np.repeat(np.array(kinds, dtype=np.int8), [len(column.masses) for column in columns]),
        hubble=layout.hubble,
        box=box,
        source=f"{layout.code} ({_name(paths)})",
        notes=notes,
    )


class _Particles(NamedTuple):
    """Particles of one type."""

    positions: Float64Array  # (n, 3) [kpc]
    velocities: Float64Array  # (n, 3) [km/s]
    masses: Float64Array  # (n,) [Msun]
    ids: NDArray[Any] | None  # (n,)

    def __repr__(self) -> str:
        return describe_tuple(self)


def _name(paths: Sequence[Path]) -> str:
    return paths[0].name if len(paths) == 1 else f"{paths[0].name} and {len(paths) - 1} more files"


def _choose_types(files: Sequence[Any], types: Any) -> tuple[int, ...]:
    total = count_particles(files[0])[1]
    there = tuple(int(kind) for kind in np.flatnonzero(total > 0))
    if not there:
        raise ValueError(f"{where(files[0])}, without particles: allowed is a snapshot with some")
    if types is None:
        return there
    kinds = as_types("types", types)
    absent = [kind for kind in kinds if kind not in there]
    if absent:
        raise ValueError(
            f"types = {types!r}: {where(files[0])} has none of {', '.join(map(str, absent))}: allowed are "
            f"{', '.join(map(str, there))}"
        )
    return kinds


def _read_type(files: Sequence[Any], kind: int, layout: Layout) -> _Particles:
    """Read the particles of a type from all files."""
    parts: list[_Particles] = []
    for file in files:
        here, _ = count_particles(file)
        n = int(here[kind]) if kind < len(here) else 0
        if n == 0:
            continue
        group = f"PartType{kind}"
        if group not in file:
            raise ValueError(f"{where(file)}, without {group}, of which it counts {n:,}: allowed is a whole file")
        x = _read_array(file, f"{group}/{POSITIONS}", (n, 3), layout, LENGTH)
        v = _read_array(file, f"{group}/{VELOCITIES}", (n, 3), layout, VELOCITY)
        parts.append(_Particles(x, v, _read_masses(file, kind, n, layout), _read_ids(file, group, n)))
    ids = [part.ids for part in parts if part.ids is not None]
    return _Particles(
        np.concatenate([part.positions for part in parts]),
        np.concatenate([part.velocities for part in parts]),
        np.concatenate([part.masses for part in parts]),
        np.concatenate(ids) if len(ids) == len(parts) else None,
    )


def _read_ids(file: Any, group: str, n: int) -> NDArray[Any] | None:
    if IDS not in file[group]:
        return None
    name = f"{group}/{IDS}"
    # types may differ in their kind of integer, of which numpy would make floats
    return as_ids(f"{where(file)}: {name}", _read_array(file, name, (n,)), maximum=2**64 - 1)


def _read_masses(file: Any, kind: int, n: int, layout: Layout) -> NDArray[np.float64]:
    group = f"PartType{kind}"
    for name in MASSES:
        if name in file[group]:
            return _read_array(file, f"{group}/{name}", (n,), layout, MASS)
    table = np.atleast_1d(file["Header"].attrs.get("MassTable", []))
    if kind < len(table) and table[kind] > 0.0:
        # its unit is that of the masses, which other types or the header state
        return np.full(n, float(table[kind]) * layout.factor(file["Header"], MASS))
    raise ValueError(
        f"{where(file)}, without {group}/{MASSES[0]}, and Header, MassTable is 0 for it: allowed is a file with one of "
        "the two"
    )


def _read_array(
    file: Any, name: str, shape: tuple[int, ...], layout: Layout | None = None, kind: str = ""
) -> NDArray[Any]:
    if name not in file:
        raise ValueError(f"{where(file)}, without {name}: allowed is a file with it")
    dataset = file[name]
    if dataset.shape != shape:
        raise ValueError(
            f"{where(file)}: {name} has the shape {dataset.shape}: allowed is {shape}, as its header counts particles"
        )
    check_sources(file, dataset)
    try:
        values = dataset[...]
    except OSError as error:
        raise ValueError(f"{where(file)}: {name} is damaged ({error}): allowed is a whole file") from error
    if layout is None:
        return values
    values = values.astype(np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        raise ValueError(f"{where(file)}: {name} holds {int(bad.sum()):,} numbers that are not finite: allowed is none")
    return values * layout.factor(dataset, kind)


def _read_box(file: Any, layout: Layout, kinds: Sequence[int]) -> float:
    """Side of the periodic box [kpc]; infinite if the run is not cosmological, whose box is open or large."""
    size = get_attribute(file, "Header", "BoxSize")
    if layout.hubble == 0.0 or size is None:
        return math.inf
    sides = np.atleast_1d(np.asarray(size, dtype=float))
    if not (sides > 0.0).all() or len(set(sides.tolist())) > 1:
        return math.inf
    group = next(file[f"PartType{kind}"] for kind in kinds if f"PartType{kind}" in file)
    return float(sides[0]) * layout.factor(group[POSITIONS], LENGTH)


def _check_size(columns: Sequence[_Particles], kinds: Sequence[int], layout: Layout, units: Any) -> str:
    """Refuse units with which no galaxy has this size: kpc for Mpc, or the reverse."""
    stellar = {STARS} if layout.hubble > 0.0 else {2, 3, STARS}
    is_stellar = bool(stellar & set(kinds))
    wanted = stellar if is_stellar else {DARK}
    chosen = [column for column, kind in zip(columns, kinds, strict=True) if kind in wanted] or columns
    positions = np.concatenate([column.positions for column in chosen])
    masses = np.concatenate([column.masses for column in chosen])
    if not masses.any():  # tracers
        masses = np.ones(len(masses))
    centre = shrink_sphere(positions, masses)[0]
    radii = np.linalg.norm(positions - centre, axis=1)
    order = np.argsort(radii)
    half = float(radii[order][np.searchsorted(np.cumsum(masses[order]), 0.5 * masses.sum())])
    low, high = _STELLAR_RADII if is_stellar else _DARK_RADII
    what = "stars" if is_stellar else "particles"
    if not low <= half <= high:
        raise ValueError(
            f"units = {units!r}: half of the mass of the {what} lies within {half:.3g} kpc of the centre; allowed are "
            f"units that make it {low:g} to {high:g} kpc (is it kpc/h or Mpc/h?)"
        )
    return f"half of the mass of the {what} lies within {half:.3g} kpc"
