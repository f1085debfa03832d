"""Figures of the report on calibration, posteriors and predictions.

Each function returns a matplotlib Figure, made without pyplot's global state: nothing opens a window or needs closing.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from benchmarks.common.features import LABELS, THETA, UNITS
from benchmarks.paper.evaluate import CaseResult, Evaluation, quote_interval
from benchmarks.paper.predictive import Prediction
from mwlmc_data import scoring
from mwlmc_data.plotting.style import BLUE, GREEN, GREY, ORANGE, PALE, RED, new_figure, tidy

#: Colours of the estimators, in their order.
COLORS = (BLUE, ORANGE)
DATA_LABELS = {"v_travel": "v_travel [km/s]", "l_apex": "l_apex [deg]", "b_apex": "b_apex [deg]"}


def training_figure(history: list[tuple[float, float]]) -> Figure:
    """Draw training and validation loss against epoch."""
    losses = np.array(history)
    figure = new_figure(5.2, 3.0)
    ax = tidy(figure.add_subplot())
    epochs = np.arange(1, len(losses) + 1)
    ax.plot(epochs, losses[:, 0], color=GREY, label="training")
    ax.plot(epochs, losses[:, 1], color=BLUE, label="validation")
    best = int(np.argmin(losses[:, 1]))
    ax.plot(epochs[best], losses[best, 1], "o", color=BLUE, label=f"kept: epoch {epochs[best]}")
    # the first epochs start far above and would flatten the rest
    shown = losses[min(2, len(losses) - 1) :]
    ax.set_ylim(shown.min() - 0.05, shown.max() + 0.05)
    ax.set(xlabel="epoch", ylabel="mean loss [nats]")
    ax.legend(frameon=False, fontsize=9)
    return figure


def tarp_figure(evaluations: dict[str, Evaluation], level: float = 0.95) -> Figure:
    """Draw expected coverage against credibility, with the band of a calibrated posterior."""
    figure = new_figure(4.8, 4.6)
    ax = tidy(figure.add_subplot())
    first = next(iter(evaluations.values())).tarp_valid
    low, high = scoring.tarp_band(len(first.fractions), first.credibility, level)
    label = f"calibrated, {100 * level:.0f}% of curves"
    ax.fill_between(first.credibility, low, high, color=PALE, lw=0, label=label)
    ax.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
    for color, (name, evaluation) in zip(COLORS, evaluations.items(), strict=False):
        curve = evaluation.tarp_valid
        text = f"{name}: area {curve.area:+.3f}, p = {curve.ks_pvalue:.2g}"
        ax.plot(curve.credibility, curve.coverage, color=color, lw=1.8, label=text)
    ax.set(xlabel="credibility", ylabel="expected coverage", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def rank_figure(evaluations: dict[str, Evaluation], level: float = 0.95) -> Figure:
    """Draw the rank histogram of each parameter and, below, its empirical distribution minus the uniform one."""
    first = next(iter(evaluations.values())).ranks
    n, d = first.fractions.shape
    bins = first.histogram.shape[1]
    figure = new_figure(8.6, 5.0)
    axes = figure.subplots(2, d, sharex=True, sharey="row")
    spread = 1.96 * np.sqrt(first.expected * (1 - 1 / bins))
    points, low, high = scoring.ecdf_band(n, level)
    for j in range(d):
        top, bottom = tidy(axes[0, j]), tidy(axes[1, j])
        top.axhspan(first.expected - spread, first.expected + spread, color=PALE, lw=0)
        bottom.fill_between(points, low - points, high - points, color=PALE, lw=0)
        bottom.axhline(0, color=GREY, lw=1, ls="--")
        for color, (name, evaluation) in zip(COLORS, evaluations.items(), strict=False):
            ranks = evaluation.ranks
            # without the vertical lines at both ends, which would look like a frame
            top.stairs(ranks.histogram[j], np.linspace(0, 1, bins + 1), baseline=None, color=color, lw=1.6)
            own = np.sort(ranks.fractions[:, j])
            curve = np.searchsorted(own, points, side="right") / len(own)
            bottom.plot(points, curve - points, color=color, lw=1.6, label=name if j == 0 else None)
        top.set_title(LABELS[j], fontsize=10)
        bottom.set(xlabel="rank of the truth", xlim=(0, 1), xticks=[0, 0.25, 0.5, 0.75, 1])
        bottom.set_xticklabels(["0", "", "0.5", "", "1"])
    axes[0, 0].set(ylabel="test rows", ylim=(0, None))
    axes[1, 0].set_ylabel("ECDF − uniform")
    figure.legend(loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    return figure


def corner_figure(result: CaseResult, drawn: dict[str, NDArray], prior_draws: NDArray) -> Figure:
    """Draw a case's posterior: marginals with prior and paper's interval, pairs with 39, 68 and 95% contours."""
    d = len(THETA)
    (main, draws), *others = drawn.items()
    low, high = _corner_limits(result, prior_draws)
    figure = new_figure(6.6, 6.4)
    axes = figure.subplots(d, d)
    truths = [summary.truth for summary in result.summaries.values()]
    for row in range(d):
        for column in range(d):
            ax = axes[row, column]
            if column > row:
                ax.axis("off")
                continue
            tidy(ax)
            ax.set_xlim(low[column], high[column])
            ax.xaxis.set_major_locator(MaxNLocator(4))
            if truths[column] is not None:
                ax.axvline(truths[column], color=RED, lw=1.2)
            if column == row:
                _marginals(ax, [v[:, row] for v in drawn.values()], prior_draws[:, row], (low[row], high[row]))
                quoted = quote_interval(result.case, THETA[row])
                if quoted is not None:
                    _paper_bar(ax, quoted)
            else:
                ax.set_ylim(low[row], high[row])
                ax.yaxis.set_major_locator(MaxNLocator(4))
                if truths[row] is not None:
                    ax.axhline(truths[row], color=RED, lw=1.2)
                draw_contours(ax, draws[:, column], draws[:, row])
            ax.tick_params(labelbottom=row == d - 1, labelleft=column == 0 and row > 0)
            if row == d - 1:
                ax.set_xlabel(f"{LABELS[column]} [{UNITS[column]}]", fontsize=9)
            if column == 0 and row > 0:
                ax.set_ylabel(f"{LABELS[row]} [{UNITS[row]}]", fontsize=9)
    has_paper = any(quote_interval(result.case, name) for name in THETA)
    _corner_legend(figure, main, [name for name, _ in others], has_paper, any(t is not None for t in truths))
    return figure


def _corner_limits(result: CaseResult, prior_draws: NDArray) -> tuple[NDArray, NDArray]:
    """Choose axes that hold the posterior, the bulk of the prior and the truth."""
    low = np.minimum(np.percentile(result.draws, 0.2, axis=0), np.percentile(prior_draws, 1, axis=0))
    high = np.maximum(np.percentile(result.draws, 99.8, axis=0), np.percentile(prior_draws, 99, axis=0))
    for j, summary in enumerate(result.summaries.values()):
        if summary.truth is not None:
            low[j], high[j] = min(low[j], summary.truth), max(high[j], summary.truth)
    margin = 0.03 * (high - low)
    return low - margin, high + margin


def _marginals(ax: Axes, draws: list[NDArray], prior: NDArray, span: tuple[float, float]) -> None:
    edges = np.linspace(*span, 41)
    ax.stairs(np.histogram(prior, edges, density=True)[0], edges, color=GREY, lw=1, ls=":")
    densities = [np.histogram(values, edges, density=True)[0] for values in draws]
    for color, density in zip(COLORS, densities, strict=False):
        ax.stairs(density, edges, color=color, lw=1.5)
    ax.set_ylim(0, 1.25 * np.max(densities))
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)


def _paper_bar(ax: Axes, quoted: tuple[float, float, float]) -> None:
    """Draw the paper's median and 16th to 84th percentile above the histogram."""
    height = 0.93 * ax.get_ylim()[1]
    ax.plot([quoted[0], quoted[2]], [height, height], color=GREEN, lw=2)
    ax.plot(quoted[1], height, "o", color=GREEN, ms=4)


def draw_contours(ax: Axes, x: NDArray, y: NDArray, shades: tuple[str, str, str] = (PALE, "#8fb0d0", BLUE)) -> None:
    """Draw the smallest regions that hold 39, 68 and 95% of the draws, from a lightly smoothed histogram."""
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=40)
    # a ring of empty cells closes contours that end at a wall of the prior
    smooth = np.pad(gaussian_filter(counts, 1.6, mode="nearest"), 1)
    ordered = np.sort(smooth.ravel())[::-1]
    mass = np.cumsum(ordered) / ordered.sum()
    levels = [ordered[np.searchsorted(mass, p)] for p in (0.95, 0.68, 0.39)]
    centres = [_padded_centres(edges) for edges in (x_edges, y_edges)]
    ax.contourf(*centres, smooth.T, levels=[*levels, smooth.max() * 1.01], colors=shades)


def _padded_centres(edges: NDArray) -> NDArray:
    centres = (edges[1:] + edges[:-1]) / 2
    return np.concatenate([[edges[0] - 1e-9], centres, [edges[-1] + 1e-9]])


def _corner_legend(figure: Figure, main: str, others: list[str], has_paper: bool, has_truth: bool) -> None:
    lines = [Line2D([], [], color=BLUE, lw=1.5, label=f"“{main}”, contours 39, 68, 95%")]
    lines += [Line2D([], [], color=c, lw=1.5, label=f"“{n}”") for c, n in zip(COLORS[1:], others, strict=False)]
    lines.append(Line2D([], [], color=GREY, lw=1, ls=":", label="prior"))
    if has_truth:
        lines.append(Line2D([], [], color=RED, lw=1.2, label="quoted truth"))
    if has_paper:
        lines.append(Line2D([], [], color=GREEN, lw=2, marker="o", ms=4, label="Brooks et al.: 16, 50, 84%"))
    figure.legend(handles=lines, loc="upper right", bbox_to_anchor=(0.98, 0.97), frameon=False, fontsize=9)


def predictive_figure(predictions: dict[str, dict[str, Prediction]]) -> Figure:
    """Draw the predictive distribution of the three data with the observation, a row for each case."""
    rows = list(predictions)
    figure = new_figure(8.6, 2.1 * len(rows) + 0.3)
    axes = figure.subplots(len(rows), 3, squeeze=False)
    for i, name in enumerate(rows):
        for j, (datum, p) in enumerate(predictions[name].items()):
            ax = tidy(axes[i, j])
            span = np.append(p.draws, p.observed)
            margin = 0.06 * np.ptp(span) + 1e-9
            edges = np.linspace(span.min() - margin, span.max() + margin, 25)
            counts = np.histogram(p.draws, edges)[0]
            ax.axvspan(p.percentiles[1], p.percentiles[3], color=PALE, lw=0)
            ax.stairs(counts, edges, color=BLUE, lw=1.5)
            ax.axvline(p.observed, color=RED, lw=1.5)
            ax.set_ylim(0, 1.25 * counts.max())
            ax.set_yticks([])
            ax.spines["left"].set_visible(False)
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            place = (0.98, 0.97)
            ax.annotate(
                f"p = {p.tail:.2f}", place, xycoords="axes fraction", ha="right", va="top", fontsize=9, bbox=box
            )
            if j == 0:
                ax.set_ylabel(name, fontsize=10)
            if i == len(rows) - 1:
                ax.set_xlabel(DATA_LABELS[datum], fontsize=9)
    return figure
