"""The sky of the outer stellar halo: mean line-of-sight velocity in the Galactic standard of rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.simulator.constants import FIT_R_MIN, SUN_POSITION


@dataclass(frozen=True)
class SkyMap:
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

    longitude_edges: NDArray
    latitude_edges: NDArray
    velocity: NDArray
    monopole: float
    n_stars: int
    r_min: float
    kernel: float


def from_the_sun(positions: NDArray) -> NDArray[np.float64]:
    """Galactic l (-180 to 180) and b [deg], (n, 2), of Galactocentric places (n, 3) seen from the Sun."""
    seen = np.asarray(positions, dtype=np.float64) - np.asarray(SUN_POSITION)
    latitude = np.degrees(np.arctan2(seen[:, 2], np.hypot(seen[:, 0], seen[:, 1])))
    return np.stack([np.degrees(np.arctan2(seen[:, 1], seen[:, 0])), latitude], axis=-1)


def gsr_velocity(positions: NDArray, velocities: NDArray) -> NDArray[np.float64]:
    """Line-of-sight velocity (n,) [km/s], from the Sun's place, for an observer at rest in the Galaxy."""
    seen = np.asarray(positions, dtype=np.float64) - np.asarray(SUN_POSITION)
    return np.einsum("ij,ij->i", seen, np.asarray(velocities, dtype=np.float64)) / np.linalg.norm(seen, axis=1)


def smoothed_map(
    positions: NDArray, velocities: NDArray, r_min: float = FIT_R_MIN, kernel: float = 12.0, step: float = 3.0
) -> SkyMap:
    """Mean v_GSR of stars beyond `r_min`, smoothed on the sphere, its mean over the stars subtracted.

    Parameters
    ----------
    positions, velocities : ndarray, shape (n, 3)
        Galactocentric [kpc, km/s].
    r_min : float
        Galactocentric radius [kpc] beyond which stars count.
    kernel : float
        Width of the kernel exp((cos d - 1) / kernel^2), a Gaussian on the sphere [deg].
    step : float
        Size of a cell [deg].

    Returns
    -------
    SkyMap

    Raises
    ------
    ValueError
        If no star lies beyond `r_min`.
    """
    positions, velocities = np.asarray(positions, dtype=np.float64), np.asarray(velocities, dtype=np.float64)
    far = np.linalg.norm(positions, axis=1) > r_min
    if not far.any():
        raise ValueError(f"0 of {len(positions)} stars lie beyond r_min = {r_min} kpc; allowed: at least 1")
    positions, velocities = positions[far], velocities[far]
    v = gsr_velocity(positions, velocities)
    monopole = float(v.mean())
    lon_edges, lat_edges = np.arange(-180.0, 180.0 + step, step), np.arange(-90.0, 90.0 + step, step)
    # Stars are gathered into the cells first: cells against cells costs 30 times less than cells against
    # stars.
    l, b = from_the_sun(positions).T
    edges = [lat_edges, lon_edges]
    count = np.histogram2d(b, l, bins=edges)[0].ravel()
    total = np.histogram2d(b, l, bins=edges, weights=v - monopole)[0].ravel()
    centres = _cell_centres(lon_edges, lat_edges)
    filled = count > 0
    weight = np.exp((centres @ centres[filled].T - 1.0) / np.radians(kernel) ** 2)
    mean = (weight @ total[filled]) / (weight @ count[filled])
    shape = (len(lat_edges) - 1, len(lon_edges) - 1)
    return SkyMap(lon_edges, lat_edges, mean.reshape(shape), monopole, int(far.sum()), r_min, kernel)


def _cell_centres(lon_edges: NDArray, lat_edges: NDArray) -> NDArray[np.float64]:
    """Unit vectors of the cells' centres, latitude by latitude; shape (cells, 3)."""
    l = np.radians((lon_edges[1:] + lon_edges[:-1]) / 2)
    b = np.radians((lat_edges[1:] + lat_edges[:-1]) / 2)
    bb, ll = np.meshgrid(b, l, indexing="ij")
    return np.stack([np.cos(bb) * np.cos(ll), np.cos(bb) * np.sin(ll), np.sin(bb)], axis=-1).reshape(-1, 3)
