"""The figure of a halo: its sky map and its radial profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mwlmc_data.arguments.arrays import as_float
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.dataset.schema import REFLEX
from mwlmc_data.plotting.profile import draw_density, draw_dispersions, draw_means, draw_radius, radial_profile
from mwlmc_data.plotting.sky import draw_apex, draw_map, draw_place, draw_today, draw_track, outline, project_on_map
from mwlmc_data.plotting.skymap import SkyMap, galactic_angles, smooth_map
from mwlmc_data.plotting.style import LARGE, MEDIUM, SMALL, new_figure
from mwlmc_data.simulator.constants import FIT_R_MIN
from mwlmc_data.simulator.orbit import Orbit
from mwlmc_data.simulator.reflex_fit import fit_reflex

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from mwlmc_data.simulator import Halo, Reflex


def plot_halo(
    halo: Halo,
    r_min: float = FIT_R_MIN,
    orbit: Orbit | None = None,
    reflex: Reflex | None = None,
    kernel: float = 20.0,
    title: str | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Draw a halo; see :meth:`mwlmc_data.Halo.plot` for parameters and errors."""
    r_min = as_float("r_min", r_min, unit="kpc", minimum=0.0)
    if orbit is not None and not isinstance(orbit, Orbit):
        raise ValueError(f"orbit = {shorten(orbit)}: allowed is the orbit of a Simulation")
    sky = smooth_map(halo.positions, halo.velocities, r_min, kernel, step=2.0)
    if reflex is None:
        reflex = fit_reflex(halo.positions, halo.velocities, r_min)
    if figure is None:
        figure = new_figure(9.6, 9.0)
        figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
    grid = figure.add_gridspec(2, 3, height_ratios=[2.1, 1.0])
    _draw_sky(figure.add_subplot(grid[0, :], projection="mollweide"), sky, reflex, orbit)
    profile = radial_profile(halo.positions, halo.velocities, direction=reflex.vector)
    density, means, dispersions = (figure.add_subplot(grid[1, column]) for column in range(3))
    draw_density(density, profile)
    draw_means(means, profile)
    draw_dispersions(dispersions, profile)
    for ax in (density, means, dispersions):
        draw_radius(ax, profile, r_min)
    if title is not None:
        figure.suptitle(title, fontsize=LARGE)
    return figure.figure


def _draw_sky(ax: Axes, sky: SkyMap, reflex: Reflex, orbit: Orbit | None) -> None:
    """Draw the map with the apex and, if an orbit is given, the LMC's past."""
    mesh = draw_map(ax, sky)
    if orbit is not None:
        _draw_orbit(ax, orbit)
    draw_apex(ax, (reflex.l_apex, reflex.b_apex), ms=20)
    opposite = (reflex.l_apex + 180.0, -reflex.b_apex)
    draw_place(ax, opposite, "*", color="none", ms=15, mec="black", alpha=0.6, clip_on=False, label="antapex")
    bar = ax.figure.colorbar(mesh, ax=ax, orientation="horizontal", shrink=0.5, pad=0.03, aspect=35)
    stars = f"{sky.n_stars:,} stars beyond {sky.r_min:g} kpc, smoothed by {sky.kernel:g}°"
    bar.set_label(rf"mean $v_\mathrm{{GSR}}$ [km/s]; {stars}", fontsize=MEDIUM)
    bar.ax.tick_params(labelsize=SMALL)
    ax.set_title(_motion(reflex), fontsize=LARGE, pad=36)
    above = (0.5, 1.0)
    ax.legend(loc="lower center", bbox_to_anchor=above, ncols=4, frameon=False, fontsize=MEDIUM, columnspacing=1.6)


def _motion(reflex: Reflex) -> str:
    """The fitted motion in words, with its standard errors."""
    errors = reflex.errors
    numbers = [(getattr(reflex, name), errors[name]) for name in REFLEX]
    v, l, b = (f"{value:.0f} ± {error:.0f}".replace("-", "−") for value, error in numbers)
    return f"The disc moves at {v} km/s towards l = {l}°, b = {b}°"


def _draw_orbit(ax: Axes, orbit: Orbit) -> None:
    """Draw the LMC's past on the sky, its positions one and two Gyr ago, and the LMC today."""
    relative = orbit.relative[:, :3]
    draw_track(ax, relative, label="LMC's past orbit", **outline("black", 1.8))
    for time in (time for time in (-1.0, -2.0) if time >= orbit.time[0]):
        place = galactic_angles(relative[[np.argmin(np.abs(orbit.time - time))]])[0]
        draw_place(ax, place, "o", color="black", ms=5)
        x, y = project_on_map(place)
        text = ax.annotate(f"{-time:g} Gyr ago", (x[0], y[0]), xytext=(7, 0), textcoords="offset points", va="center")
        text.set(fontsize=SMALL, path_effects=outline("black", 0.0)["path_effects"])
    draw_today(ax, relative[-1])
