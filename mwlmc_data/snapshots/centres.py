"""The centre of a galaxy: position by shrinking spheres (Power et al. 2003, MNRAS 338, 14), velocity by a kernel."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mwlmc_data.arguments.arrays import as_float, as_floats, as_vector
from mwlmc_data.arguments.tabular import as_vectors
from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import describe_tuple
from mwlmc_data.simulator.reflex import MOTION_NAMES, POSITION_NAMES

#: Factor by which a sphere shrinks, and the particles within the last one: this many, or this part if that is more.
SHRINK, LAST_COUNT, LAST_PART = 0.9, 100, 0.01
#: Scale of the Gaussian kernel of the centre's velocity [kpc]. A narrower one is noisier; a wider one takes in the
#: tides of a satellite at its pericentre, where a fit to the path of the centre is wrong by 10 to 20 km/s.
VELOCITY_SCALE = 10.0
#: Fewest particles that have a centre.
MIN_PARTICLES = 20
#: Fewest particles in effect, by their weights, whose mean is the velocity of a centre.
MIN_EFFECTIVE = 2
#: Cells along a side of the grid in which the fullest place of a periodic box is found.
_CELLS = 32


class Centre(NamedTuple):
    """The centre of a galaxy.

    Attributes
    ----------
    vector : ndarray, shape (6,)
        Position [kpc] and velocity [km/s].
    error : float
        Standard error of each component of the velocity [km/s], from the scatter of the particles that it is a mean of.
    n_particles : int
        Particles within the last sphere.
    """

    vector: Float64Array
    error: float
    n_particles: int

    def __repr__(self) -> str:
        return describe_tuple(self)


def find_centre(
    positions: ArrayLike,
    velocities: ArrayLike,
    masses: ArrayLike | None = None,
    start: ArrayLike | None = None,
    radius: float = math.inf,
) -> Centre:
    """Find the centre of a galaxy from its particles.

    Parameters
    ----------
    positions, velocities : array_like, shape (n, 3)
        In kpc and km/s.
    masses : array_like, shape (n,), optional
        Weights of the particles; equal by default.
    start : array_like, shape (3,), optional
        Centre of the first sphere [kpc]; by default the barycentre.
    radius : float
        Radius of the first sphere [kpc]; by default it holds all particles.

    Returns
    -------
    Centre

    Raises
    ------
    ValueError
        If fewer than 20 particles have mass, or lie in the first sphere.

    Notes
    -----
    The sphere about the last barycentre shrinks by a tenth until it holds 100 particles, or 1% of them if that is more.
    The velocity is the mean with the weights exp(-r^2 / 2 s^2) about the centre, s = 10 kpc.
    """
    x = as_vectors("positions", positions, POSITION_NAMES, "kpc")
    v = as_vectors("velocities", velocities, MOTION_NAMES, "km/s", len(x))
    m = np.ones(len(x)) if masses is None else as_floats("masses", masses, unit="Msun", shape=(len(x),), minimum=0.0)
    radius = as_float("radius", radius, unit="kpc", above=0.0, allow_infinite=True)
    if start is None:
        usable = m > 0.0
        _require(int(usable.sum()), len(x), "with mass")
        centre = np.average(x[usable], axis=0, weights=m[usable])
    else:
        centre = as_vector("start", start, 3, unit="kpc")
        usable = (m > 0.0) & (_squares(x - centre) < radius**2)
        _require(int(usable.sum()), len(x), f"with mass within {radius:g} kpc of the start")
    centre, count = shrink_sphere(x[usable], m[usable], centre)
    kernel = m * np.exp(-0.5 * _squares(x - centre) / VELOCITY_SCALE**2)
    if not kernel.sum() > 0.0:
        raise ValueError(
            f"positions = no particles within some {VELOCITY_SCALE:g} kpc of the centre, {centre.tolist()} kpc: "
            "allowed are those of a galaxy"
        )
    velocity = np.average(v, axis=0, weights=kernel)
    share = kernel / kernel.sum()
    squared = float(share @ share)
    if squared > 1.0 / MIN_EFFECTIVE:
        raise ValueError(
            f"positions = {1.0 / squared:.3g} particles in effect within some {VELOCITY_SCALE:g} kpc of the centre, "
            f"{centre.tolist()} kpc: allowed are {MIN_EFFECTIVE} or more, from which its velocity follows"
        )
    error = math.sqrt(float((share**2 @ _squares(v - velocity)) / (3.0 * (1.0 - squared))))
    return Centre(np.r_[centre, velocity], error, count)


def shrink_sphere(
    positions: Float64Array, masses: Float64Array, centre: Float64Array | None = None
) -> tuple[Float64Array, int]:
    """Barycentre (3,) of the last of the shrinking spheres about particles that have mass, and the number in it.

    The first sphere holds all of them, about `centre` or else their barycentre.
    """
    inside, weights = positions, masses
    middle: Float64Array = np.average(inside, axis=0, weights=weights) if centre is None else centre
    last = max(LAST_COUNT, int(LAST_PART * len(inside)))
    squared = _squares(inside - middle)
    reach = math.sqrt(float(squared.max()))
    while len(inside) > last:
        reach *= SHRINK
        kept = squared < reach**2
        if int(kept.sum()) < MIN_PARTICLES:
            break
        inside, weights = inside[kept], weights[kept]
        middle = np.average(inside, axis=0, weights=weights)
        squared = _squares(inside - middle)
    return middle, len(inside)


def _require(count: int, of: int, what: str) -> None:
    if count < MIN_PARTICLES:
        raise ValueError(f"positions = {count} of {of} particles {what}: allowed are {MIN_PARTICLES} or more")


def _squares(vectors: Float64Array) -> Float64Array:
    return np.einsum("ni,ni->n", vectors, vectors)


def find_fullest(positions: Float64Array, weights: NDArray | None, box: float) -> Float64Array:
    """Middle (3,) of the fullest of 32^3 cells of a periodic box [kpc]."""
    cells = np.floor(np.mod(positions / box, 1.0) * _CELLS).astype(np.int64) % _CELLS
    flat = (cells[:, 0] * _CELLS + cells[:, 1]) * _CELLS + cells[:, 2]
    counts = np.bincount(flat, weights=weights, minlength=_CELLS**3)
    place = np.array(np.unravel_index(int(np.argmax(counts)), (_CELLS,) * 3))
    return np.asarray((place + 0.5) * (box / _CELLS), dtype=np.float64)


def wrap_about(positions: Float64Array, middle: Float64Array, box: float) -> Float64Array:
    """Put positions (..., 3) of a periodic box where they are nearest to its `middle`; unchanged if box is infinite."""
    if not math.isfinite(box):
        return positions
    offset = positions - middle
    return np.asarray(positions - box * np.round(offset / box), dtype=np.float64)
