"""Means and dispersions of the stars' velocities in cells of distance and sky.

These are the observables of the applications of Brooks et al. (arXiv:2510.04735, means; arXiv:2603.08788, means and
dispersions): radial and tangential velocities of stars beyond 50 kpc, in bins of distance and of the whole sky,
hemispheres or quadrants. What their text leaves open is a named setting here: the edges of the shells, the borders of
the regions, and the directions of the velocities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.arrays import as_choice, as_floats
from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.frames import galactocentric_basis, heliocentric_basis, spherical_angles

#: Components of the velocity by the point from which its directions are seen.
COMPONENTS = {"sun": ("v_los", "v_l", "v_b"), "centre": ("v_r", "v_phi", "v_theta")}
#: Regions of the sky by kind. North is b > 0, east is l from 0 to 180 deg.
REGIONS = {
    "sky": ("sky",),
    "hemispheres": ("north", "south"),
    "quadrants": ("north_east", "north_west", "south_east", "south_west"),
}


@dataclass(frozen=True, repr=False)
class BinSetting(Displayed):
    """Cells, and what is measured in them.

    Attributes
    ----------
    edges : tuple of float
        Edges of the shells in Galactocentric radius [kpc], from 50 outwards.
    regions : tuple of str
        Kinds of regions of the sky as seen from the Sun, of `REGIONS`.
    origin : {"sun", "centre"}
        Where the directions of the velocities are seen from: v_los, v_l, v_b, or v_r, v_phi, v_theta. The velocities
        are always relative to the Milky Way's centre: the Sun's motion is taken off.
    """

    edges: tuple[float, ...] = (50.0, 65.0, 80.0, 100.0, 160.0)
    regions: tuple[str, ...] = tuple(REGIONS)
    origin: str = "sun"

    def __post_init__(self) -> None:
        edges = as_floats("edges", self.edges, unit="kpc")
        if edges.ndim != 1 or len(edges) < 2 or edges[0] < 50.0 or (np.diff(edges) <= 0).any():
            raise ValueError(f"edges = {self.edges!r} kpc: allowed are two or more that increase, from 50")
        as_choice("origin", self.origin, tuple(COMPONENTS))
        for kind in self.regions:
            as_choice("regions", kind, tuple(REGIONS))
        if not self.regions or len(set(self.regions)) < len(self.regions):
            raise ValueError(f"regions = {self.regions!r}: allowed are one or more of {', '.join(REGIONS)}, each once")

    @property
    def cells(self) -> tuple[str, ...]:
        """Names of the cells, shell by shell, such as "50_65_north_east"."""
        shells = [f"{low:g}_{high:g}" for low, high in zip(self.edges, self.edges[1:], strict=False)]
        regions = [region for kind in self.regions for region in REGIONS[kind]]
        return tuple(f"{shell}_{region}" for shell in shells for region in regions)

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of what is measured in a cell."""
        components = COMPONENTS[self.origin]
        return ("n_stars", *(f"mean_{v}" for v in components), *(f"sigma_{v}" for v in components))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all numbers, cell by cell."""
        return tuple(f"{quantity}_{cell}" for cell in self.cells for quantity in self.quantities)

    def to_options(self) -> dict[str, Any]:
        """Return arguments of `reduce_stars`, as JSON can hold them."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


#: Settings by name: the directions as seen from the Sun, or from the centre.
SETTINGS: Mapping[str, BinSetting] = {"sun": BinSetting(), "centre": BinSetting(origin="centre")}


def reduce_stars(
    stars: Float32Array, edges: Sequence[float], regions: Sequence[str], origin: str
) -> dict[str, NDArray]:
    """Measure the velocities of a halo in cells.

    Parameters
    ----------
    stars : ndarray, shape (n, 6)
        Galactocentric positions [kpc] and velocities [km/s].
    edges, regions, origin
        As for `BinSetting`.

    Returns
    -------
    dict
        bins: float32, shape (len(BinSetting.names),). A mean without stars is 0, and so is a dispersion (with the
        divisor n - 1) of fewer than two.
    """
    setting = BinSetting(tuple(edges), tuple(regions), origin)
    positions, velocities = stars[:, :3].astype(np.float64), stars[:, 3:].astype(np.float64)
    basis = heliocentric_basis(positions) if origin == "sun" else galactocentric_basis(positions)
    components = np.einsum("nki,ni->nk", basis, velocities)
    radius = np.sqrt(np.square(positions).sum(axis=1))
    shell = np.searchsorted(setting.edges, radius, side="left") - 1
    found = [
        _measure(components[(shell == k) & inside])
        for k in range(len(setting.edges) - 1)
        for inside in _list_regions(positions, setting.regions)
    ]
    return {"bins": np.concatenate(found).astype(np.float32)}


def _list_regions(positions: Float64Array, kinds: Sequence[str]) -> list[NDArray[np.bool_]]:
    """Return which stars are in each region, in the order of the cells."""
    l, b = spherical_angles(positions - const.SUN_POSITION)
    north, east = b > 0.0, l >= 0.0
    inside = {
        "sky": np.full(len(positions), True),
        "north": north,
        "south": ~north,
        "north_east": north & east,
        "north_west": north & ~east,
        "south_east": ~north & east,
        "south_west": ~north & ~east,
    }
    return [inside[region] for kind in kinds for region in REGIONS[kind]]


def _measure(components: Float64Array) -> Float64Array:
    """Return number, means and dispersions (7,) of velocities (n, 3)."""
    n = len(components)
    mean = components.mean(axis=0) if n else np.zeros(3)
    sigma = components.std(axis=0, ddof=1) if n > 1 else np.zeros(3)
    return np.concatenate([[n], mean, sigma])
