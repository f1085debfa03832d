"""Rotations that give a simulated galaxy the orientation of the Milky Way and the LMC.

The disc comes first: it turns clockwise as seen from the north, so that its angular momentum points to -z. What is
left is a rotation about the disc's axis, by which the satellite's pericentre gets the azimuth of the LMC's (Arora et
al. 2024, ApJ 974, 223, rotate the LMC analogue of FIRE's m12b to the LMC's pericentre; this is our general form of it).
A simulation without a disc can be turned freely, so that both the place of the pericentre and the plane of the orbit
are those of the LMC.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mwlmc_data.array_types import Float64Array
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.orbit import integrate_orbit
from mwlmc_data.simulator.parameters import Parameters, take_parameters

#: Radius within which the disc's angular momentum is summed [kpc].
DISC_RADIUS = 10.0
#: Least angular momentum of a disc, as a part of that of circular orbits in one plane.
MIN_SPIN = 0.3
#: Largest radial part of the satellite's velocity for a snapshot that counts as its pericentre: 30 degrees.
MAX_RADIAL = 0.5
#: Sine of the angle of two unit vectors below which they have no axis across that is theirs.
_PARALLEL = 1e-14
#: The model whose LMC has the pericentre that is matched: the observed LMC, and masses amid the literature's.
LMC_MODEL = {"m200_mw": 1.0e12, "m_lmc": 1.5e11, "log10_lambda_df": 0.0}


def align_disc(positions: Float64Array, velocities: Float64Array, masses: NDArray | None) -> Float64Array:
    """Rotation that turns a disc's angular momentum to -z, that of the Galaxy's.

    Parameters
    ----------
    positions, velocities : ndarray, shape (n, 3)
        The disc's particles about its centre [kpc, km/s]; those within 10 kpc count.
    masses : ndarray, shape (n,), optional
        Their masses.

    Returns
    -------
    ndarray, shape (3, 3)
        The shortest such rotation: ``positions @ rotation.T`` is aligned.

    Raises
    ------
    ValueError
        If they do not turn: the sum of r x v is below 0.3 of the sum of r v.
    """
    radii = np.linalg.norm(positions, axis=1)
    inside = (radii < DISC_RADIUS) & (radii > 0.0)
    weights = np.ones(len(radii)) if masses is None else masses
    weights = weights[inside]
    spin = weights @ np.cross(positions[inside], velocities[inside])
    most = float(weights @ (radii[inside] * np.linalg.norm(velocities[inside], axis=1)))
    part = float(np.linalg.norm(spin)) / most if most > 0.0 else 0.0
    if not part >= MIN_SPIN:
        raise ValueError(
            f"disc = {int(inside.sum())} particles within {DISC_RADIUS:g} kpc whose angular momentum is {part:.2f} of "
            f"that of circular orbits in one plane: allowed is a disc, {MIN_SPIN:g} or more"
        )
    return turn_shortest(spin / np.linalg.norm(spin), np.array([0.0, 0.0, -1.0]))


def turn_shortest(start: Float64Array, end: Float64Array) -> Float64Array:
    """Rotation (3, 3) of the unit vector `start` to `end` about the axis perpendicular to both."""
    axis, cosine = np.cross(start, end), float(start @ end)
    sine = float(np.linalg.norm(axis))
    if sine < _PARALLEL:  # no turn, or half a turn, about any axis across
        axis = np.cross(start, np.eye(3)[int(np.argmin(np.abs(start)))])
    # of nearly opposite vectors the product's rounding is a part of it
    axis -= (axis @ start) * start
    return Rotation.from_rotvec(math.atan2(sine, cosine) * axis / np.linalg.norm(axis)).as_matrix()


def find_lmc_pericentre(like: Parameters | None = None) -> Float64Array:
    """Position and velocity (6,) of the LMC relative to the Milky Way at its last pericentre [kpc, km/s].

    Parameters
    ----------
    like : Parameters, optional
        The model; by default the observed LMC with 1.5e11 Msun in a Milky Way of 1e12 Msun. Other masses move the
        pericentre along the orbit: 5e10 in 7e11 and 2.5e11 in 1.5e12 Msun by 7 degrees, 3 in azimuth.

    Raises
    ------
    ValueError
        If its orbit has no pericentre within 2.2 Gyr.
    """
    model = Parameters(**LMC_MODEL) if like is None else take_parameters(like, "like")
    orbit = integrate_orbit(model)
    t = orbit.t_pericentre
    if t <= orbit.time[0]:
        raise ValueError(f"like = {model!r}: allowed is a model whose LMC has a pericentre within 2.2 Gyr")
    relative = orbit.relative
    i = min(int(np.searchsorted(orbit.time, t, side="right")) - 1, len(orbit.time) - 2)
    step = (orbit.time[i + 1] - orbit.time[i]) / const.GYR_PER_TIME_UNIT
    w = (t - orbit.time[i]) / (orbit.time[i + 1] - orbit.time[i])
    x0, v0, x1, v1 = relative[i, :3], relative[i, 3:], relative[i + 1, :3], relative[i + 1, 3:]
    a, b, gap = v0 * step, v1 * step, x1 - x0
    place = x0 + w * (a + w * ((3.0 * gap - 2.0 * a - b) + w * (a + b - 2.0 * gap)))
    motion = (a + w * (2.0 * (3.0 * gap - 2.0 * a - b) + 3.0 * w * (a + b - 2.0 * gap))) / step
    return np.r_[place, motion]


def check_pericentre(vector: Float64Array) -> float:
    """Radial part of a satellite's velocity; raise ValueError if it is not near its pericentre."""
    x, v = vector[:3], vector[3:]
    size = float(np.linalg.norm(x) * np.linalg.norm(v))
    radial = float(x @ v) / size if size > 0.0 else math.nan
    if not abs(radial) <= MAX_RADIAL:
        raise ValueError(
            f"pericentre = None: the satellite's radial velocity is {radial:.2f} of its speed, so that it is not at "
            f"its pericentre; allowed is up to {MAX_RADIAL:g}, or pericentre=, its vector (6,) at the pericentre in "
            "the axes of the snapshot"
        )
    return radial


def turn_azimuth(pericentre: Float64Array, target: Float64Array) -> Float64Array:
    """Rotation (3, 3) about the z axis by which the pericentre gets the target's azimuth; ValueError if it has none."""
    if not math.hypot(pericentre[0], pericentre[1]) > 0.0:
        raise ValueError(
            f"pericentre = {pericentre[:3].tolist()} kpc: allowed is a place off the disc's axis, which has an azimuth"
        )
    angle = math.atan2(target[1], target[0]) - math.atan2(pericentre[1], pericentre[0])
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def turn_orbit(pericentre: Float64Array, target: Float64Array) -> Float64Array:
    """Rotation (3, 3) by which the pericentre gets the target's direction, and the orbit its plane and sense."""
    return _frame("target", target).T @ _frame("pericentre", pericentre)


def _frame(name: str, vector: Any) -> Float64Array:
    """Unit vectors towards the place, along the orbit, and of its pole: the rows of a rotation."""
    x, pole = vector[:3], np.cross(vector[:3], vector[3:])
    if not np.linalg.norm(pole) > 1e-9 * np.linalg.norm(x) * np.linalg.norm(vector[3:]):
        raise ValueError(f"{name} = {np.round(vector, 3).tolist()}: allowed is an orbit with angular momentum")
    first, third = x / np.linalg.norm(x), pole / np.linalg.norm(pole)
    return np.stack([first, np.cross(third, first), third])
