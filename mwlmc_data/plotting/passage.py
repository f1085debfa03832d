"""A row of pictures of an LMC's passage: the wake in the Milky Way's halo, and the disc that has left its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mwlmc_data.array_types import Float64Array
from mwlmc_data.live.profile import find_density
from mwlmc_data.plotting.style import LARGE, MEDIUM, SMALL, YELLOW, import_optional, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mwlmc_data.live import LiveSimulation

#: Pixels of a picture along a side; its largest change of density.
_PIXELS, _LIMIT = 160, 0.4


def plot_passage(live: LiveSimulation, times: Sequence[float], width: float = 150.0) -> Figure:
    """Draw a passage; see :meth:`mwlmc_data.LiveSimulation.plot` for parameters and errors."""
    rows = [int(np.argmin(np.abs(live.orbit.time - time))) for time in times]
    figure = new_figure(3.1 * len(rows) + 0.9, 3.9)
    axes = np.atleast_1d(figure.subplots(1, len(rows), sharex=True, sharey=True))
    plane = _find_plane(live)
    for ax, row in zip(axes, rows, strict=True):
        mesh = _draw_change(ax, live, row, plane, width)
        _draw_paths(ax, live, row, plane)
        ax.set(xlim=(-width, width), ylim=(-width, width), aspect="equal")
        is_today = row == len(live.orbit.time) - 1
        ax.set_title("today" if is_today else f"{-live.orbit.time[row]:.2f} Gyr ago", fontsize=MEDIUM)
        ax.set_xlabel("along the orbit's plane [kpc]", fontsize=SMALL)
        ax.tick_params(labelsize=SMALL)
    axes[0].set_ylabel("z [kpc]", fontsize=SMALL)
    axes[0].legend(loc="lower left", fontsize=SMALL, framealpha=0.85)
    bar = figure.colorbar(mesh, ax=list(axes), shrink=0.8, pad=0.015)
    bar.set_label("change of the halo's density", fontsize=SMALL)
    bar.ax.yaxis.set_major_formatter(import_optional("matplotlib.ticker").PercentFormatter(1.0))
    bar.ax.tick_params(labelsize=SMALL)
    mass = f"{live.parameters.m_lmc / 1e11:.1f}e11 Msun"
    figure.suptitle(f"The wake of an LMC of {mass}, and the disc that has left its place", fontsize=LARGE)
    return figure


def _find_plane(live: LiveSimulation) -> Float64Array:
    """Unit vectors of the picture, (2, 3): horizontal in the plane of the LMC's orbit, and the disc's axis."""
    across = np.cross(live.orbit.relative[-1, :3], live.orbit.relative[-1, 3:])
    horizontal = np.cross([0.0, 0.0, 1.0], across)
    horizontal *= np.sign(horizontal[1]) / np.linalg.norm(horizontal)
    return np.array([horizontal, [0.0, 0.0, 1.0]])


def _draw_change(ax: Axes, live: LiveSimulation, row: int, plane: Float64Array, width: float) -> Any:
    """Draw the density of the halo over that of the sphere about the disc that it was at the start."""
    side = (np.arange(_PIXELS) + 0.5) / _PIXELS * 2 * width - width
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2) @ plane
    now, before = (find_density(live.field, 0, grid + live.field.body_path[when, :3], when) for when in (row, 0))
    change = (now / before - 1.0).reshape(_PIXELS, _PIXELS)
    return ax.pcolormesh(side, side, change, cmap="RdBu_r", vmin=-_LIMIT, vmax=_LIMIT, rasterized=True)


def _draw_paths(ax: Axes, live: LiveSimulation, row: int, plane: Float64Array) -> None:
    """Draw the LMC's path as seen from the disc until this row, the disc, and the place that it has left."""
    lmc = live.orbit.relative[: row + 1, :3] @ plane.T
    left = (live.field.body_path[: row + 1, :3] - live.field.body_path[row, :3]) @ plane.T
    ax.plot(*lmc.T, color="black", lw=1.2)
    ax.plot(*lmc[-1], "o", color="white", mec="black", ms=9, label="LMC")
    ax.plot(*left.T, color="black", lw=1.2)
    ax.plot(0.0, 0.0, "s", color=YELLOW, mec="black", ms=7, label="disc")
    ax.plot(*left[0], "+", color="black", ms=10, mew=1.4, label="where it was")
