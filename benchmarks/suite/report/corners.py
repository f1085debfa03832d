"""Posteriors of a case side by side, each in its own corner plot with common axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from benchmarks.common.features import LABELS, SCALE, THETA, UNITS
from benchmarks.paper.figures import draw_contours
from benchmarks.suite.report.folder import SuiteRun
from benchmarks.suite.report.palette import make_shades
from benchmarks.suite.report.posteriors import CasePosterior, color_of
from mwlmc_data.array_types import Float64Array
from mwlmc_data.plotting.style import GREY, RED, new_figure, tidy
from mwlmc_data.validation import Case

_COLUMNS = 2


def draw_corners(run: SuiteRun, case: Case, chosen: list[CasePosterior], prior: NDArray) -> Figure:
    """Draw corner plots of several posteriors of one case.

    Parameters
    ----------
    run : SuiteRun
        For the colours.
    case : Case
        For the truth.
    chosen : list of CasePosterior
        One or more.
    prior : ndarray, shape (n, 3)
        Draws in scaled units.

    Returns
    -------
    Figure
    """
    rows = -(-len(chosen) // _COLUMNS)
    columns = min(_COLUMNS, len(chosen))
    figure = new_figure(4.3 * columns, 4.1 * rows + 0.3)
    truth = [None if name not in case.truth else float(case.truth[name]) / SCALE[j] for j, name in enumerate(THETA)]
    span = _span(chosen, prior, truth)
    parts: Any = figure.subfigures(rows, columns, squeeze=False)
    for part, posterior in zip(parts.ravel(), chosen, strict=False):
        color = color_of(run, posterior)
        part.suptitle(posterior.label, fontsize=10, color=color, fontweight="bold")
        _corner(part, posterior.draws, prior, truth, span, color)
    handles = [
        Line2D([], [], color=RED, lw=1.3, label="truth"),
        Line2D([], [], color=GREY, lw=1, ls=":", label="prior of the Gaussian set"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def _span(chosen: list[CasePosterior], prior: NDArray, truth: list[float | None]) -> Float64Array:
    """Choose axes that hold the bulk of every posterior and of the prior, and the truth; shape (3, 2)."""
    sets = [posterior.draws for posterior in chosen]
    low = np.min([np.percentile(draws, 0.5, axis=0) for draws in (*sets, prior)], axis=0)
    high = np.max([np.percentile(draws, 99.5, axis=0) for draws in (*sets, prior)], axis=0)
    for j, known in enumerate(truth):
        if known is not None:
            low[j], high[j] = min(low[j], known), max(high[j], known)
    margin = 0.03 * (high - low)
    return np.stack([low - margin, high + margin], axis=1)


def _corner(part: Any, draws: NDArray, prior: NDArray, truth: list[float | None], span: NDArray, color: str) -> None:
    d = len(THETA)
    axes = part.subplots(d, d)
    for row in range(d):
        for column in range(d):
            ax = axes[row, column]
            if column > row:
                ax.axis("off")
                continue
            tidy(ax, 8)
            if column == row:
                _marginal(ax, draws[:, row], prior[:, row], span[row], color)
            else:
                draw_contours(ax, draws[:, column], draws[:, row], make_shades(color))
                ax.set_ylim(span[row, 0], span[row, 1])
                ax.yaxis.set_major_locator(MaxNLocator(3))
                if (known := truth[row]) is not None:
                    ax.axhline(known, color=RED, lw=1.1)
            if (known := truth[column]) is not None:
                ax.axvline(known, color=RED, lw=1.1)
            ax.set_xlim(span[column, 0], span[column, 1])
            ax.xaxis.set_major_locator(MaxNLocator(3))
            ax.tick_params(labelbottom=row == d - 1, labelleft=column == 0 and row > 0)
            if row == d - 1:
                ax.set_xlabel(f"{LABELS[column]}\n[{UNITS[column]}]", fontsize=8)
            if column == 0 and row > 0:
                ax.set_ylabel(f"{LABELS[row]}\n[{UNITS[row]}]", fontsize=8)


def _marginal(ax: Axes, draws: NDArray, prior: NDArray, span: NDArray, color: str) -> None:
    edges = np.linspace(span[0], span[1], 33)
    density = np.histogram(draws, edges, density=True)[0]
    ax.stairs(np.histogram(prior, edges, density=True)[0], edges, color=GREY, lw=1, ls=":")
    ax.stairs(density, edges, color=color, lw=1.5)
    ax.set_ylim(0, 1.2 * max(density.max(), 1e-12))
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
