"""The figure of the work-precision curves."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from matplotlib.transforms import Bbox

from benchmarks.studies.speed.curve import FIXED_ERROR
from benchmarks.studies.speed.ours import RELEASED, RELEASED_TOLERANCE
from mwlmc_data.array_types import FloatArray

_GREY = "#8a8f98"
_COLORS = {"ours": "#2b5c8a", "agama": "#c8702a", "gala": "#3c7d4a", "galpy": "#b5332e"}


def work_precision(result: dict[str, Any]) -> Figure:
    """Draw the median error against the time of 4,500 stars; left is faster, down more exact.

    Parameters
    ----------
    result : dict
        What :func:`benchmarks.studies.speed.curve.measure` returns.
    """
    figure = Figure(figsize=(8.6, 5.6), layout="constrained")
    ax = figure.add_subplot()
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.axhline(FIXED_ERROR, color=_GREY, lw=0.8, ls=":")
    seen: set[str] = set()
    for curve in result["curves"]:
        color, style = _COLORS[curve["family"]], "-" if curve["whole"] else "--"
        face = "white" if curve["family"] in seen else color
        seen.add(curve["family"])
        ax.plot(curve["seconds"], curve["median"], style, color=color, lw=1.6, marker="o", ms=5, mfc=face)
        if curve["name"] == RELEASED:
            i = curve["tolerances"].index(RELEASED_TOLERANCE)
            point = (curve["seconds"][i], curve["median"][i])
            ax.plot(*point, "o", ms=12, mfc="none", mec=color)
            ax.annotate("the release", point, (11, 0), textcoords="offset points", va="center", color=color, fontsize=9)
    ax.margins(x=0.08, y=0.1)
    ax.set_xlabel("processor time of 4,500 stars through 2.2 Gyr [s]")
    ax.set_ylabel("median error, stars beyond 20 kpc [kpc]")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_title("dashed: an easier problem, the Milky Way alone at rest", loc="right", fontsize=9, color=_GREY)
    _name_curves(figure, ax, result["curves"])
    return figure


def _name_curves(figure: Figure, ax: Axes, curves: list[dict[str, Any]]) -> None:
    """Write each name above the coarse or below the fine end of its curve, as near as free space allows."""
    figure.draw_without_rendering()  # positions are known only now
    paths = np.vstack([_dense(ax.transData.transform(line.get_xydata())) for line in ax.lines[1:]])
    taken: list[Bbox] = []
    for curve in sorted(curves, key=lambda c: c["median"][0]):
        name = ax.annotate(
            curve["name"],
            (0, 0),
            (0, 0),
            textcoords="offset points",
            va="center",
            color=_COLORS[curve["family"]],
            fontsize=9,
        )
        for height, end, side in itertools.product(range(11, 200, 4), (0, -1), ("center", "right", "left")):
            name.set(ha=side)
            name.xy = (curve["seconds"][end], curve["median"][end])
            name.xyann = (0, height if end == 0 else -height)
            box = name.get_window_extent().padded(3)
            if not (any(box.overlaps(other) for other in taken) or box.count_contains(paths)):
                break
        taken.append(box)


def _dense(points: FloatArray) -> FloatArray:
    """Return fifty points along the line between each two points."""
    steps = np.linspace(0, 1, 50)[:, None]
    pieces = [a + steps * (b - a) for a, b in itertools.pairwise(points)]
    return np.vstack([points, *pieces])
