"""The map of the sky: the smoothed mean velocity of the halo, with positions and orbits on it.

The projection is Mollweide's, with longitude increasing to the left, as on the sky.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from mwlmc_data.arguments.angles import wrap_degrees
from mwlmc_data.arguments.arrays import as_floats, as_vector
from mwlmc_data.array_types import Float64Array, FloatArray
from mwlmc_data.plotting.skymap import SkyMap, galactic_angles
from mwlmc_data.plotting.style import SMALL, YELLOW, import_optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh


def project_on_map(angles: ArrayLike) -> tuple[Float64Array, Float64Array]:
    """Project Galactic longitudes and latitudes [deg], (2,) or (n, 2), on the map's axes [rad]."""
    angles = np.atleast_2d(as_floats("angles", angles, unit="deg"))
    return -np.radians(wrap_degrees(angles[:, 0])), np.radians(angles[:, 1])


def draw_map(ax: Axes, sky: SkyMap, has_monopole: bool = True, size: float = SMALL) -> QuadMesh:
    """Draw the map of a sky, blue where the stars approach and red where they recede.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        With the Mollweide projection.
    sky : SkyMap
        The map.
    has_monopole : bool
        Whether to draw the mean velocity itself, or the mean velocity minus the mean over all stars.
    size : float
        Size of the numbers [points].

    Returns
    -------
    matplotlib.collections.QuadMesh
        For a colour bar; its limits are symmetric about 0.
    """
    velocity = sky.velocity + sky.monopole if has_monopole else sky.velocity
    limit = float(np.abs(velocity).max())
    mesh = ax.pcolormesh(
        np.radians(-sky.longitude_edges),
        np.radians(sky.latitude_edges),
        velocity,
        cmap="RdBu_r",
        vmin=-limit,
        vmax=limit,
        rasterized=True,
    )
    ax.set_xticks(np.radians([-120, -60, 0, 60, 120]), ["120°", "60°", "0°", "−60°", "−120°"], fontsize=size)
    ax.set_yticks(np.radians([-60, -30, 0, 30, 60]), ["−60°", "−30°", "0°", "30°", "60°"], fontsize=size)
    ax.grid(color="black", alpha=0.15, lw=0.5)
    return mesh


def draw_place(ax: Axes, angles: ArrayLike, marker: str, **style: Any) -> None:
    """Mark a position (l, b) [deg] on the map."""
    ax.plot(*project_on_map(angles), marker, **style)


def draw_apex(ax: Axes, apex: ArrayLike, ms: float = 16.0) -> None:
    """Mark the apex (l, b) [deg] of the disc's motion with a star of size `ms` [points], not clipped at the edge."""
    style = {"color": YELLOW, "mec": "black", "mew": 0.9, "zorder": 5, "clip_on": False}
    draw_place(ax, apex, "*", ms=ms, label="apex of the disc", **style)


def draw_today(ax: Axes, relative: ArrayLike) -> None:
    """Mark the LMC today at the position `relative` to the Milky Way, (3,) [kpc]."""
    style = {"color": "black", "ms": 9, "mfc": "white", "mew": 1.8, "zorder": 4}
    place = as_vector("relative", relative, 3, unit="kpc")
    draw_place(ax, galactic_angles(place[None])[0], "o", label="LMC today", **style)


def outline(color: str, width: float) -> dict[str, Any]:
    """Style of a line or a text with a white outline, which separates it from what it crosses."""
    stroke = import_optional("matplotlib.patheffects").withStroke(linewidth=width + 2.0, foreground="white")
    return {"color": color, "lw": width, "path_effects": [stroke]}


def draw_track(ax: Axes, relative: FloatArray, **style: Any) -> None:
    """Draw an orbit relative to the Milky Way, (m, 3) [kpc], as seen from the Sun's position today.

    The line is broken where it crosses the edge of the map.
    """
    x, y = project_on_map(galactic_angles(relative))
    jump = np.flatnonzero(np.abs(np.diff(x)) > np.pi) + 1
    ax.plot(np.insert(x, jump, np.nan), np.insert(y, jump, np.nan), **style)
