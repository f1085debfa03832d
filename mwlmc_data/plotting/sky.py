"""The map of the sky: the smoothed mean velocity of the halo, places and orbits on it.

Axes are Mollweide's, in which longitude grows to the left, as it does on the sky.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mwlmc_data.arguments.angles import wrap_degrees
from mwlmc_data.arguments.arrays import as_floats
from mwlmc_data.plotting.skymap import SkyMap, from_the_sun
from mwlmc_data.plotting.style import SMALL, YELLOW, needed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh


def on_map(angles: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places on the map's axes [rad] of Galactic longitudes and latitudes [deg], (2,) or (n, 2)."""
    angles = np.atleast_2d(as_floats("angles", angles, unit="deg"))
    return -np.radians(wrap_degrees(angles[:, 0])), np.radians(angles[:, 1])


def draw_map(ax: Axes, sky: SkyMap, whole: bool = True, size: float = SMALL) -> QuadMesh:
    """Draw the map of a sky, blue where the stars approach and red where they recede.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        With the Mollweide projection.
    sky : SkyMap
        The map.
    whole : bool
        Draw the whole mean velocity, or what is left of it without the mean over the stars.
    size : float
        Size of the numbers [points].

    Returns
    -------
    matplotlib.collections.QuadMesh
        For a colour bar; its limits are symmetric about 0.
    """
    velocity = sky.velocity + sky.monopole if whole else sky.velocity
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
    """Mark a place (l, b) [deg] on the map."""
    ax.plot(*on_map(angles), marker, **style)


def draw_apex(ax: Axes, apex: ArrayLike, ms: float = 16.0) -> None:
    """Mark the apex (l, b) [deg] of the disc's motion with a star of that size [points], whole also at the edge."""
    style = {"color": YELLOW, "mec": "black", "mew": 0.9, "zorder": 5, "clip_on": False}
    draw_place(ax, apex, "*", ms=ms, label="apex of the disc", **style)


def draw_today(ax: Axes, relative: ArrayLike) -> None:
    """Mark the LMC today, at that place (3,) relative to the Milky Way [kpc]."""
    style = {"color": "black", "ms": 9, "mfc": "white", "mew": 1.8, "zorder": 4}
    place = as_floats("relative", relative, unit="kpc", shape=(3,))
    draw_place(ax, from_the_sun(place[None])[0], "o", label="LMC today", **style)


def outlined(color: str, width: float) -> dict[str, Any]:
    """Style of a line that keeps clear of what it crosses; the outline serves text too."""
    stroke = needed("matplotlib.patheffects").withStroke(linewidth=width + 2.0, foreground="white")
    return {"color": color, "lw": width, "path_effects": [stroke]}


def draw_track(ax: Axes, relative: NDArray[np.floating], **style: Any) -> None:
    """Draw an orbit relative to the Milky Way, (m, 3) [kpc], as seen from the Sun's place today.

    The line is lifted off the page where it crosses the map's edge.
    """
    x, y = on_map(from_the_sun(relative))
    jump = np.flatnonzero(np.abs(np.diff(x)) > np.pi) + 1
    ax.plot(np.insert(x, jump, np.nan), np.insert(y, jump, np.nan), **style)
