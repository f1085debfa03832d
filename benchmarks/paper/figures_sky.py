"""Figures of the report on the sky and the orbits; each function returns a matplotlib Figure."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from benchmarks.paper.friction import FrictionFit
from benchmarks.paper.orbits import OrbitBand
from mwlmc_data.plotting.sky import draw_apex, draw_map, draw_today, draw_track
from mwlmc_data.plotting.skymap import SkyMap
from mwlmc_data.plotting.style import BLUE, GREY, ORANGE, PALE, RED, new_figure, tidy


def sky_figure(sky: SkyMap, apex: tuple[float, float], band: OrbitBand, lines: int = 100) -> Figure:
    """Draw an all-sky map with the apex, the quoted past orbit of the LMC and orbits from posterior draws.

    Parameters
    ----------
    sky : SkyMap
        The map.
    apex : (float, float)
        Galactic longitude and latitude [deg] of the disc's motion.
    band : OrbitBand
        Orbits, drawn as seen from the Sun's position today.
    lines : int
        Largest number of draws to show.
    """
    figure = new_figure(8.6, 5.0)
    ax = figure.add_subplot(projection="mollweide")
    mesh = draw_map(ax, sky, has_monopole=False)
    for relative in band.relative[:lines]:
        draw_track(ax, relative, color="black", lw=0.6, alpha=0.25)
    if band.quoted is not None:
        draw_track(ax, band.quoted, color="black", lw=2.0, label="LMC's past orbit, quoted parameters")
    else:
        median = np.median(band.relative, axis=0)
        draw_track(ax, median, color="black", lw=2.0, label="LMC's past orbit, median of draws")
    draw_today(ax, band.relative[0, -1])
    draw_apex(ax, apex)
    bar = figure.colorbar(mesh, ax=ax, orientation="horizontal", shrink=0.6, pad=0.04, aspect=35)
    bar.set_label("mean v_GSR − net signal [km/s]", fontsize=9)
    bar.ax.tick_params(labelsize=9)
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return figure


def separation_figure(bands: dict[str, OrbitBand], published: dict[str, FrictionFit]) -> Figure:
    """Draw the separation of LMC and Milky Way over time: posterior draws, quoted and published orbits."""
    figure = new_figure(8.6, 3.1)
    axes = figure.subplots(1, len(bands), sharey=True, squeeze=False)[0]
    for ax, (name, band) in zip(axes, bands.items(), strict=True):
        tidy(ax)
        distance = np.linalg.norm(band.relative, axis=2)
        p = np.percentile(distance, [2.5, 16, 50, 84, 97.5], axis=0)
        ax.fill_between(band.time, p[0], p[4], color=PALE, lw=0, label="draws, 95%")
        ax.fill_between(band.time, p[1], p[3], color="#8fb0d0", lw=0, label="draws, 68%")
        ax.plot(band.time, p[2], color=BLUE, lw=1.4, label="draws, median")
        if band.quoted is not None:
            quoted = np.linalg.norm(band.quoted, axis=1)
            ax.plot(band.time, quoted, color=RED, lw=1.4, label="quoted parameters")
        if name in published:
            fit = published[name]
            ax.plot(fit.time, fit.published, color=ORANGE, lw=1.6, ls="--", label="published orbit")
        ax.set_title(name, fontsize=10)
        ax.set(xlabel="time [Gyr]", xlim=(band.time[0], 0))
    axes[0].set(ylabel="separation [kpc]", ylim=(0, None))
    entries: dict[str, Artist] = {}
    for ax in axes:
        entries |= {label: handle for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    handles, labels = list(entries.values()), list(entries)
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    return figure


def friction_figure(fits: dict[str, FrictionFit]) -> Figure:
    """Draw the best rigid orbits minus the published one, and the misfit against the strength of friction."""
    figure = new_figure(8.6, 3.4)
    left, right = (tidy(ax) for ax in figure.subplots(1, 2))
    left.axhline(0, color=ORANGE, lw=2, ls="--", label="published")
    for color, (name, fit) in zip((GREY, BLUE), fits.items(), strict=False):
        label = f"{name} Milky Way, log10 λ = {fit.best:.2f}"
        left.plot(fit.time, fit.fitted - fit.published, color=color, lw=1.5, label=label)
        right.plot(fit.grid, fit.rms_distance, color=color, lw=1.5, label=f"{name}, separation")
        right.plot(fit.grid, fit.rms_vector, color=color, lw=1.5, ls=":", label=f"{name}, position vector")
        if not fit.at_edge:
            right.axvline(fit.best, color=RED, lw=1)
    left.set(xlabel="time [Gyr]", ylabel="separation − published [kpc]")
    right.set(xlabel="log10 λ_DF", ylabel="rms difference [kpc]", yscale="log")
    left.legend(frameon=False, fontsize=9)
    right.legend(frameon=False, fontsize=9)
    return figure
