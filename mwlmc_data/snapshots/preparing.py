"""The stars of a snapshot in the frame of the Galaxy: about the host's centre, in its axes, without the satellite's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.arrays import as_choice, as_float, as_vector
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed, fixed, number
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.snapshots.centres import Centre, find_centre, find_fullest, wrap_about
from mwlmc_data.snapshots.galaxies import find_satellite, read_place, read_vector
from mwlmc_data.snapshots.orientation import (
    align_disc,
    check_pericentre,
    find_lmc_pericentre,
    turn_azimuth,
    turn_orbit,
)
from mwlmc_data.snapshots.reading import read
from mwlmc_data.snapshots.snapshot import DARK, STARS, Snapshot, as_snapshot
from mwlmc_data.snapshots.tracers import find_clumps

#: Ways to turn a galaxy.
ROTATIONS = ("azimuth", "orbit")
#: Radius of the first sphere about a start that the user gives [kpc].
_START_RADIUS = 300.0
#: Relative spread of masses that is rounding.
_EQUAL = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Tracers(Displayed):
    """The stars of a snapshot, or the particles that stand for them, about its host galaxy.

    Attributes
    ----------
    positions, velocities : ndarray, shape (n, 3)
        Relative to the host's centre, in the axes of the Galaxy if the snapshot was turned [kpc, km/s]. The velocities
        include the expansion of space.
    masses : ndarray, shape (n,), or None
        Their masses [Msun], by which they count; None if all count the same.
    lmc : ndarray, shape (6,)
        The satellite, likewise.
    rotation : ndarray, shape (3, 3)
        The rotation: ``positions = (original - centre) @ rotation.T``.
    truth : mapping
        Masses measured in the snapshot, by column name [Msun]: `m_lmc` (all of its particles), `m_lmc_50`, `m_lmc_8p7`
        and `m_mw_50`, where its dark matter is told from the host's; `m_mw_50` only of a host whose centre was found in
        its particles, as another may have a disc that is none. Empty if they cannot be known.
    is_cosmological : bool
        Whether there may be other galaxies around.
    source : str
        Where the particles come from.
    notes : tuple of str
        What was assumed, done and left out, with numbers.
    """

    positions: Float64Array
    velocities: Float64Array
    masses: Float64Array | None
    lmc: Float64Array
    rotation: Float64Array
    truth: Mapping[str, float]
    is_cosmological: bool
    source: str
    notes: tuple[str, ...]


def prepare(
    source: Any,
    satellite: Any,
    *,
    units: Any = None,
    cosmological: bool | None = None,
    types: Any = None,
    host: Any = None,
    centre: Any = None,
    start: Any = None,
    tracers: Any = None,
    disc: Any = None,
    rotate: str | None = None,
    pericentre: Any = None,
    like: Parameters | None = None,
    cut_radius: float | None = None,
    overdensity: float | None = None,
) -> Tracers:
    """Put the stars of a snapshot into the frame of the Galaxy.

    Parameters
    ----------
    source : Snapshot, mapping, path-like, or sequence of path-like
        Particles as arrays (a mapping of a Snapshot's fields, or an object with positions and velocities), or what
        :func:`~mwlmc_data.snapshots.read` takes.
    satellite : str, mapping, ndarray of bool, or array_like of shape (6,)
        The LMC: ``"mass"`` or a mapping of ``types``, ``ids``, ``id_range``, ``highest_ids``, ``mass``, which tell its
        particles; a boolean array; a mapping of ``near`` and ``radius`` [kpc], a place in the frame of the snapshot and
        a sphere about it; or its position and velocity relative to the host, in the axes of the snapshot.
    units, cosmological, types
        As for :func:`~mwlmc_data.snapshots.read`, for files.
    host : array_like, shape (6,), optional
        The host's centre and its velocity in the frame of the snapshot [kpc, km/s]; by default they are found.
    centre : int, sequence of int, or ndarray of bool, optional
        The host's particles that have its centre: types, or a boolean array. By default its stars (type 4; without
        expansion 2 and 3 too) if there are any, and else all its particles.
    start : array_like, shape (3,), optional
        Rough place of the host [kpc] in the frame of the snapshot, where others are as massive.
    tracers : int, sequence of int, or ndarray of bool, optional
        The particles that count as halo stars; by default type 4 of a cosmological snapshot if there are any, and else
        dark matter (type 1), or all of a snapshot without types. The satellite's never count.
    disc : int, sequence of int, or ndarray of bool, optional
        The host's disc, which is aligned: its angular momentum points to -z, as the Galaxy's. By default nothing is
        aligned.
    rotate : {"azimuth", "orbit"}, optional
        ``"azimuth"`` turns about the z axis, so that the satellite's pericentre has the azimuth of the LMC's;
        ``"orbit"`` turns freely, so that the direction of the pericentre and the plane of the orbit are the LMC's. By
        default the axes are kept.
    pericentre : array_like, shape (6,), optional
        The satellite's vector at its pericentre relative to the host, in the axes of the snapshot [kpc, km/s]; by
        default that in the snapshot, which must then be near it.
    like : Parameters, optional
        Model whose LMC has the pericentre to match; by default the observed LMC of 1.5e11 Msun.
    cut_radius : float, optional
        Tracers within this distance [kpc] of the satellite are left out.
    overdensity : float, optional
        Tracers where the density exceeds this many times the median at their radius are left out as substructure.

    Returns
    -------
    Tracers

    Raises
    ------
    ValueError
        As :func:`~mwlmc_data.snapshots.read`; if the satellite cannot be told from its host, an argument selects no
        particle, a disc does not turn, or the satellite is not near its pericentre and `pericentre` is not given.
    TypeError
        If the source is none of these.
    ImportError, FileNotFoundError
        As :func:`~mwlmc_data.snapshots.read`.
    """
    snapshot = _take(source, units, cosmological, types)
    if rotate is not None:
        as_choice("rotate", rotate, ROTATIONS)
    given = [name for name, value in (("pericentre", pericentre), ("like", like)) if value is not None]
    if rotate is None and given:
        raise ValueError(f"{given[0]} = given without rotate: allowed is rotate='azimuth' or 'orbit' with it")
    notes = list(snapshot.notes)
    vector, place = read_vector(satellite), read_place(satellite)
    fullest = _find_middle(snapshot, start if host is None else as_vector("host", host, 6)[:3])
    x = wrap_about(snapshot.positions, fullest, snapshot.box)
    if vector is not None:
        is_satellite = np.zeros(len(snapshot), dtype=bool)
    elif place is not None:
        near = wrap_about(place[0], fullest, snapshot.box)
        is_satellite = np.einsum("ni,ni->n", x - near, x - near) < place[1] ** 2
    else:
        is_satellite = find_satellite(snapshot, satellite)
    middle = _find_host(snapshot, x, is_satellite, host, centre, start)
    if host is None:
        notes.append(_describe_centre("host", middle))
    if vector is None:
        found = _find_satellite_centre(snapshot, x, is_satellite, place)
        notes.append(_describe_centre("satellite", found))
        vector = _relative(found.vector[None, :3], found.vector[None, 3:], middle, snapshot.hubble)[0]
    phase = _relative(x, snapshot.velocities, middle, snapshot.hubble)
    if snapshot.is_cosmological:
        notes.append(f"velocities include the expansion, {number(snapshot.hubble)} km/s/kpc")
    rotation, turned = _find_rotation(snapshot, phase, ~is_satellite, vector, disc, rotate, pericentre, like)
    notes.append(turned)
    kept = _choose_tracers(snapshot, tracers) & ~is_satellite
    notes += _cut(phase, kept, vector, cut_radius, overdensity)
    if not kept.any():
        raise ValueError(f"tracers = {shorten(tracers)}: none are left of the host's; allowed is one or more")
    stars = phase[kept]
    masses = None if snapshot.masses is None else snapshot.masses[kept]
    if masses is not None and np.ptp(masses) <= _EQUAL * masses.max():
        masses = None
    return Tracers(
        positions=stars[:, :3] @ rotation.T,
        velocities=stars[:, 3:] @ rotation.T,
        masses=masses,
        lmc=np.r_[rotation @ vector[:3], rotation @ vector[3:]],
        rotation=rotation,
        truth=MappingProxyType(
            {} if place is not None else _measure_masses(snapshot, phase, is_satellite, vector, host is None)
        ),
        is_cosmological=snapshot.is_cosmological,
        source=snapshot.source,
        notes=tuple(notes),
    )


def _take(source: Any, units: Any, cosmological: bool | None, types: Any) -> Snapshot:
    is_file = isinstance(source, str) or hasattr(source, "__fspath__") or isinstance(source, list | tuple)
    if is_file:
        return read(source, units, cosmological, types)
    for name, value in (("units", units), ("cosmological", cosmological), ("types", types)):
        if value is not None:
            raise ValueError(f"{name} = {value!r}: allowed for files alone; arrays are in kpc, km/s and Msun")
    return as_snapshot(source)


def _find_middle(snapshot: Snapshot, start: Any) -> Float64Array:
    """Place (3,) about which a periodic box is put in one piece: near the host. The origin if there is no box."""
    if not math.isfinite(snapshot.box):
        return np.zeros(3)
    if start is not None:
        return as_vector("start", start, 3, unit="kpc")
    chosen = _default_centre(snapshot)
    weights = None if snapshot.masses is None else snapshot.masses[chosen]
    return find_fullest(snapshot.positions[chosen], weights, snapshot.box)


def _default_centre(snapshot: Snapshot) -> NDArray[np.bool_]:
    """Stars, which have the centre if there are any; else all particles."""
    if snapshot.types is None:
        return np.ones(len(snapshot), dtype=bool)
    stars = np.isin(snapshot.types, (STARS,) if snapshot.is_cosmological else (2, 3, STARS))
    return stars if stars.any() else np.ones(len(snapshot), dtype=bool)


def _find_host(
    snapshot: Snapshot, x: Float64Array, is_satellite: NDArray[np.bool_], host: Any, centre: Any, start: Any
) -> Centre:
    if host is not None:
        if centre is not None:
            raise ValueError("centre = given beside host: allowed is one of the two")
        return Centre(as_vector("host", host, 6), 0.0, 0)
    if centre is None:
        chosen = _default_centre(snapshot) & ~is_satellite
        chosen = chosen if chosen.any() else ~is_satellite
    else:
        chosen = snapshot.select("centre", centre) & ~is_satellite
        if not chosen.any():
            raise ValueError(f"centre = {shorten(centre)}: all are the satellite's; allowed are particles of the host")
    masses = None if snapshot.masses is None else snapshot.masses[chosen]
    if start is None:
        return find_centre(x[chosen], snapshot.velocities[chosen], masses)
    return find_centre(x[chosen], snapshot.velocities[chosen], masses, start, _START_RADIUS)


def _find_satellite_centre(
    snapshot: Snapshot,
    x: Float64Array,
    is_satellite: NDArray[np.bool_],
    place: tuple[Float64Array, float] | None,
) -> Centre:
    masses = None if snapshot.masses is None else snapshot.masses[is_satellite]
    if place is not None and int(is_satellite.sum()) == 0:
        raise ValueError(
            f"satellite['near'] = {place[0].tolist()}: no particle within {place[1]:g} kpc; allowed is the place of "
            "the satellite in the frame of the snapshot, in physical kpc"
        )
    return find_centre(x[is_satellite], snapshot.velocities[is_satellite], masses)


def _relative(x: Float64Array, v: Float64Array, host: Centre, hubble: float) -> Float64Array:
    """Phase space (n, 6) about the host, with the expansion of space in the velocities."""
    offset = x - host.vector[:3]
    return np.concatenate([offset, v - host.vector[3:] + hubble * offset], axis=1)


def _describe_centre(what: str, centre: Centre) -> str:
    return (
        f"the {what}'s centre from the {centre.n_particles:,} particles of the last sphere; its velocity is good to "
        f"{fixed(centre.error, 2)} km/s an axis"
    )


def _find_rotation(
    snapshot: Snapshot,
    phase: Float64Array,
    is_host: NDArray[np.bool_],
    vector: Float64Array,
    disc: Any,
    rotate: str | None,
    pericentre: Any,
    like: Parameters | None,
) -> tuple[Float64Array, str]:
    """Rotation to the axes of the Galaxy, and what it does in words."""
    rotation, done = np.eye(3), []
    if disc is not None and rotate == "orbit":
        raise ValueError("disc = given with rotate='orbit', which tilts a disc: allowed is one of the two")
    if disc is not None:
        chosen = snapshot.select("disc", disc) & is_host
        masses = None if snapshot.masses is None else snapshot.masses[chosen]
        rotation = align_disc(phase[chosen, :3], phase[chosen, 3:], masses)
        done.append("the disc's angular momentum points to -z")
    if rotate is not None:
        if pericentre is None:
            radial = check_pericentre(vector)
            at = vector
            done.append(f"the snapshot counts as the satellite's pericentre (radial part of its velocity {radial:.2f})")
        else:
            at = as_vector("pericentre", pericentre, 6)
        at = np.r_[rotation @ at[:3], rotation @ at[3:]]
        target = find_lmc_pericentre(like)
        rotation = (turn_azimuth if rotate == "azimuth" else turn_orbit)(at, target) @ rotation
        done.append(
            "turned about z to the azimuth of the LMC's pericentre"
            if rotate == "azimuth"
            else "turned to the direction and the plane of the LMC's pericentre"
        )
    return rotation, "axes: " + ("; ".join(done) or "those of the snapshot")


def _choose_tracers(snapshot: Snapshot, tracers: Any) -> NDArray[np.bool_]:
    if tracers is not None:
        return snapshot.select("tracers", tracers).copy()
    if snapshot.types is None:
        return np.ones(len(snapshot), dtype=bool)
    if snapshot.is_cosmological and (snapshot.types == STARS).any():
        return snapshot.types == STARS
    if not (snapshot.types == DARK).any():
        there = ", ".join(map(str, np.unique(snapshot.types)))
        raise ValueError(f"tracers = None: no dark matter (type 1) among the types {there}; allowed are types of these")
    return snapshot.types == DARK


def _cut(
    phase: Float64Array,
    kept: NDArray[np.bool_],
    vector: Float64Array,
    cut_radius: float | None,
    overdensity: float | None,
) -> list[str]:
    """Leave out the tracers near the satellite, and those in clumps: changes `kept`; returns what was done."""
    notes = []
    if cut_radius is not None:
        radius = as_float("cut_radius", cut_radius, unit="kpc", minimum=0.0)
        offset = phase[:, :3] - vector[:3]
        near = kept & (np.einsum("ni,ni->n", offset, offset) < radius**2)
        kept &= ~near
        notes.append(f"{int(near.sum()):,} tracers within {radius:g} kpc of the satellite are left out")
    if overdensity is not None:
        factor = as_float("overdensity", overdensity, above=1.0)
        clumps = find_clumps(phase[kept, :3], factor)
        kept[np.flatnonzero(kept)[clumps]] = False
        notes.append(f"{int(clumps.sum()):,} tracers in places {factor:g} times denser than usual are left out")
    return notes


def _measure_masses(
    snapshot: Snapshot, phase: Float64Array, is_satellite: NDArray[np.bool_], vector: Float64Array, is_whole: bool
) -> dict[str, float]:
    """Masses of the two galaxies, where the snapshot has all of their particles: dark matter with its masses.

    A host whose centre is given (not `is_whole`) may have a disc that is no particles.
    """
    if snapshot.masses is None or snapshot.types is None or not (snapshot.types == DARK).any():
        return {}
    if not is_satellite.any():
        return {}
    radii = np.linalg.norm(phase[~is_satellite, :3], axis=1)
    offsets = np.linalg.norm(phase[is_satellite, :3] - vector[:3], axis=1)
    host, satellite = snapshot.masses[~is_satellite], snapshot.masses[is_satellite]
    own = {"m_mw_50": float(host[radii < const.ENCLOSED_RADIUS].sum())} if is_whole else {}
    return own | {
        "m_lmc": float(satellite.sum()),
        "m_lmc_50": float(satellite[offsets < const.ENCLOSED_RADIUS].sum()),
        "m_lmc_8p7": float(satellite[offsets < const.LMC_ENCLOSED_RADIUS].sum()),
    }
