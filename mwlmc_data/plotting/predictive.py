"""A measured motion beside those that a model makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mwlmc_data.arguments.angles import wrap_degrees
from mwlmc_data.array_types import Float64Array
from mwlmc_data.plotting.style import BLUE, LARGE, MEDIUM, PALE, RED, new_figure, tidy
from mwlmc_data.simulator.frames import spherical_angles

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: What is drawn: names, and their axes' titles.
_PANELS = {"v_travel": "v_travel [km/s]", "l_apex": "l_apex [deg]", "b_apex": "b_apex [deg]"}
_N_BINS = 48


def plot_motions(model: pd.DataFrame, measured: Float64Array, vector: Float64Array, title: str | None) -> Figure:
    """Draw speed and apex: histograms of what the model makes, and the measurement with its errors.

    Parameters
    ----------
    model : DataFrame
        v_travel [km/s], l_apex, b_apex [deg].
    measured : ndarray, shape (n, 3)
        Draws of the measured vector within its errors [km/s].
    vector : ndarray, shape (3,)
        The measured vector.
    title : str or None
        Heading.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(10.0, 3.4)
    of_draws, of_vector = _describe(measured), _describe(vector[None])
    axes = figure.subplots(1, 3)
    for ax, (name, text) in zip(axes, _PANELS.items(), strict=True):
        made, seen, at = model[name].to_numpy(), of_draws[name], float(of_vector[name][0])
        if name == "l_apex":
            # about the measured longitude, so that the circle's ends are far from both
            made, seen = (at + wrap_degrees(values - at) for values in (made, seen))
        _draw(ax, made, seen, at)
        ax.set_xlabel(text, fontsize=MEDIUM)
    # above the panels, where no line of the measurement crosses it
    handles, texts = axes[0].get_legend_handles_labels()
    figure.legend(handles, texts, frameon=False, fontsize=MEDIUM, loc="outside upper left", ncols=len(texts))
    if title is not None:
        figure.suptitle(title, fontsize=LARGE)
    return figure


def _describe(vectors: Float64Array) -> dict[str, Float64Array]:
    longitude, latitude = spherical_angles(vectors)
    return {"v_travel": np.linalg.norm(vectors, axis=1), "l_apex": longitude, "b_apex": latitude}


def _draw(ax: Axes, made: Float64Array, seen: Float64Array, at: float) -> None:
    low, high = np.percentile(np.concatenate([made, seen]), (0.3, 99.7))
    bins = np.linspace(min(low, at), max(high, at), _N_BINS).tolist()
    ax.hist(made, bins, density=True, color=PALE, ec=BLUE, histtype="stepfilled", label="the model, at the draws")
    ax.hist(seen, bins, density=True, color=RED, histtype="step", lw=1.4, label="measured, with its errors")
    ax.axvline(at, color=RED, lw=1.4)
    ax.margins(x=0)
    ax.set(yticks=[], ylim=(0, 1.1 * ax.get_ylim()[1]))
    tidy(ax)
