"""The sky of the outer stellar halo: mean line-of-sight velocity in the Galactic standard of rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mwlmc_data.arguments.arrays import as_float
from mwlmc_data.arguments.tabular import as_vectors
from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.simulator.constants import FIT_R_MIN, SUN_POSITION
from mwlmc_data.simulator.frames import sky_basis, spherical_angles
from mwlmc_data.simulator.reflex import MOTION_NAMES, POSITION_NAMES


@dataclass(frozen=True, repr=False)
class SkyMap(Displayed):
    """Smoothed mean velocity on a grid of Galactic longitude and latitude.

    Attributes
    ----------
    longitude_edges, latitude_edges : ndarray
        Edges of the cells [deg], longitude from -180 to 180.
    velocity : ndarray, shape (latitudes, longitudes)
        Mean v_GSR minus `monopole` [km/s].
    monopole : float
        Mean over all stars [km/s], subtracted from the map.
    n_stars : int
        Stars beyond `r_min`.
    r_min : float
        Galactocentric radius [kpc].
    kernel : float
        Width of the smoothing kernel [deg].
    """

    longitude_edges: Float64Array
    latitude_edges: Float64Array
    velocity: Float64Array
    monopole: float
    n_stars: int
    r_min: float
    kernel: float


def as_stars(positions: ArrayLike, velocities: ArrayLike) -> tuple[Float64Array, Float64Array]:
    """Check a user's Galactocentric positions [kpc] and velocities [km/s] of stars, both (n, 3)."""
    x = as_vectors("positions", positions, POSITION_NAMES, "kpc")
    return x, as_vectors("velocities", velocities, MOTION_NAMES, "km/s", len(x))


def galactic_angles(positions: ArrayLike) -> Float64Array:
    """Galactic l (-180 to 180) and b [deg], (n, 2), of Galactocentric positions (n, 3) [kpc] seen from the Sun."""
    seen = as_vectors("positions", positions, POSITION_NAMES, "kpc") - SUN_POSITION
    return np.stack(spherical_angles(seen), axis=-1)


def gsr_velocity(positions: ArrayLike, velocities: ArrayLike) -> Float64Array:
    """Line-of-sight velocity (n,) [km/s] for an observer at the Sun's position, at rest in the Galaxy."""
    x, v = as_stars(positions, velocities)
    seen = x - SUN_POSITION
    return np.einsum("ij,ij->i", seen, v) / np.linalg.norm(seen, axis=1)


def smooth_map(
    positions: ArrayLike, velocities: ArrayLike, r_min: float = FIT_R_MIN, kernel: float = 12.0, step: float = 3.0
) -> SkyMap:
    """Map the mean v_GSR of stars beyond `r_min`, smoothed on the sphere, minus its mean over the stars.

    Parameters
    ----------
    positions, velocities : array_like, shape (n, 3)
        Galactocentric [kpc, km/s].
    r_min : float
        Galactocentric radius [kpc] beyond which stars are used.
    kernel : float
        Width of the kernel exp((cos d - 1) / kernel^2), a Gaussian on the sphere [deg], positive.
    step : float
        Size of a cell [deg], a divisor of 180.

    Returns
    -------
    SkyMap

    Raises
    ------
    ValueError
        If the arrays are not such numbers, no star lies beyond `r_min`, or `r_min`, `kernel` or `step` is not allowed.
    """
    r_min = as_float("r_min", r_min, unit="kpc", minimum=0.0)
    kernel = as_float("kernel", kernel, unit="deg", above=0.0)
    step = as_float("step", step, unit="deg", above=0.0)
    if abs(180.0 / step - round(180.0 / step)) > 1e-9:
        raise ValueError(f"step = {step!r} deg: allowed is a divisor of 180")
    positions, velocities = as_stars(positions, velocities)
    far = np.linalg.norm(positions, axis=1) > r_min
    if not far.any():
        raise ValueError(f"stars = 0 of {len(positions)} beyond r_min = {r_min:g} kpc: allowed is 1 or more")
    v = gsr_velocity(positions[far], velocities[far])
    monopole = float(v.mean())
    cells = round(180.0 / step)
    longitudes, latitudes = np.linspace(-180.0, 180.0, 2 * cells + 1), np.linspace(-90.0, 90.0, cells + 1)
    # stars are binned first: smoothing cells from cells costs 30 times less than from stars
    l, b = galactic_angles(positions[far]).T
    edges = [latitudes, longitudes]
    count = np.histogram2d(b, l, bins=edges)[0].ravel()
    total = np.histogram2d(b, l, bins=edges, weights=v - monopole)[0].ravel()
    centres = _cell_centres(longitudes, latitudes)
    filled = count > 0
    sums = np.stack([total[filled], count[filled]], axis=1)
    # one circle of latitude at a time limits the memory
    circles = [_smooth(circle, centres[filled], sums, np.radians(kernel)) for circle in np.split(centres, cells)]
    return SkyMap(longitudes, latitudes, np.stack(circles), monopole, int(far.sum()), r_min, kernel)


def _smooth(
    places: Float64Array, centres: Float64Array, sums: Float64Array, kernel: float
) -> Float64Array:
    """Mean at `places` (n, 3) of cells with (sum of velocities, number of stars) (m, 2); the kernel is in radians."""
    exponent = (places @ centres.T - 1.0) / kernel**2
    # relative to the nearest star, so that a narrow kernel does not underflow far from all stars
    exponent -= exponent.max(axis=1, keepdims=True)
    total, count = (np.exp(exponent, out=exponent) @ sums).T
    return total / count


def _cell_centres(longitudes: Float64Array, latitudes: Float64Array) -> Float64Array:
    """Unit vectors (cells, 3) of the cells' centres, latitude by latitude."""
    l, b = ((edges[1:] + edges[:-1]) / 2 for edges in (longitudes, latitudes))
    return sky_basis(*np.meshgrid(l, b))[..., 0, :].reshape(-1, 3)
