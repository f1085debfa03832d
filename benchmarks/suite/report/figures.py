"""Figures of calibration, budget and shift; each function returns a matplotlib Figure."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

from benchmarks.common.features import LABELS, THETA
from benchmarks.suite.curves import LEVELS
from benchmarks.suite.report.folder import Result, SuiteRun
from benchmarks.suite.report.levels import Level
from benchmarks.suite.report.palette import REFERENCE
from benchmarks.suite.report.tables import SCORES, Score
from benchmarks.suite.report.values import average
from mwlmc_data import scoring
from mwlmc_data.plotting.style import GREY, PALE, new_figure, tidy

_LINES = ("-", "--", ":")
_BUDGET = {score.metric: score for score in SCORES if score.metric in ("energy_score", "neg_log_posterior")}
_DISTANCE = {score.metric: score for score in SCORES if score.metric in ("energy_distance", "gap_to_reference_nats")}
_LABELS = {
    "energy_score": "energy score",
    "neg_log_posterior": "−log p of the truth [nats]",
    "energy_distance": "energy distance to the reference",
    "gap_to_reference_nats": "gap to the reference [nats]",
}


def budget_figure(run: SuiteRun, levels: dict[str, Level]) -> Figure:
    """Draw scores against the number of training simulations: a line for each baseline, a marker for each seed.

    Parameters
    ----------
    run : SuiteRun
    levels : dict of str to Level
        Best possible scores, by metric.
    """
    known = [score for score in (*_BUDGET.values(), *_DISTANCE.values()) if _any_known(run, score)]
    rows = (len(known) + 1) // 2
    figure = new_figure(8.6, 3.5 * rows + 0.6)
    axes = figure.subplots(rows, 2, squeeze=False, sharex=True).ravel()
    for ax, score in zip(axes, known, strict=False):
        if score.metric in levels:
            # before the limits of the axis, which must include it
            level = levels[score.metric]
            ax.axhspan(level.value - level.error, level.value + level.error, color=PALE, lw=0, zorder=0)
            ax.axhline(level.value, color=REFERENCE, lw=1.2, ls="--")
        _budget_panel(tidy(ax), run, score)
        ax.set_ylabel(_LABELS[score.metric], fontsize=9)
    for ax in axes[len(known) :]:
        ax.axis("off")
    for ax in axes[max(0, len(known) - 2) : len(known)]:
        ax.set_xlabel("training simulations", fontsize=9)
        ax.tick_params(labelbottom=True)
    handles = baseline_handles(run, [name for name in run.baselines if any(name in f for f in run.budgets().values())])
    if levels:
        handles.append(Line2D([], [], color=REFERENCE, lw=1.2, ls="--", label="reference"))
    figure.legend(handles=handles, loc="outside upper center", ncols=6, frameon=False, fontsize=9)
    return figure


def _any_known(run: SuiteRun, score: Score) -> bool:
    return any(score.of(results).is_known for found in run.budgets().values() for results in found.values())


def _budget_panel(ax: Axes, run: SuiteRun, score: Score) -> None:
    budgets, is_log = run.budgets(), score.metric in _DISTANCE
    top = _ceiling(run, score)
    for name, (color, marker) in run.styles.items():
        points = [(n, score.of(found[name])) for n, found in budgets.items() if name in found]
        points = [(n, v) for n, v in points if v.is_known and not (is_log and v.mean <= 0)]
        if not points:
            continue
        ax.plot([n for n, _ in points], [v.mean for _, v in points], color=color, lw=1.5, zorder=2)
        for n, v in points:
            shown = [s for s in v.by_seed if s <= top]
            ax.plot([n] * len(shown), shown, marker, color=color, ms=4.5, mew=1, zorder=3)
            if len(shown) < len(v.by_seed):
                ax.plot(n, top, "^", color=color, ms=6, mfc="none", clip_on=False, zorder=4)
    ax.set_xscale("log")
    if is_log:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        ax.yaxis.set_minor_formatter("{x:g}")
        ax.tick_params(which="minor", labelsize=9)
    elif np.isfinite(top):
        ax.set_ylim(None, top)
    ax.set_xlim(min(budgets) / 1.4, max(budgets) * 1.4)
    ax.set_xticks(list(budgets), [f"{n:,}" for n in budgets])
    ax.set_xticks([], minor=True)


def _ceiling(run: SuiteRun, score: Score) -> float:
    """Return the top of the axis, a little above the prior, so that one failure does not flatten the rest."""
    values = [s for found in run.budgets().values() for results in found.values() for s in score.of(results).by_seed]
    prior = [v for found in run.budgets().values() if "prior" in found for v in score.of(found["prior"]).by_seed]
    if not prior or score.metric in _DISTANCE:
        return float("inf")
    least = min(values)
    return max(prior) + 0.25 * (max(prior) - least) + 1e-9


def baseline_handles(run: SuiteRun, names: list[str]) -> list[Line2D]:
    """Make the entries of a legend."""
    handles = []
    for name in names:
        color, marker = run.styles[name]
        handles.append(Line2D([], [], color=color, marker=marker, ms=4.5, lw=1.5, label=name))
    return handles


def rank_panels(run: SuiteRun, task: str) -> Figure:
    """Draw the ranks' empirical distribution minus the uniform one, a panel a baseline, a line a parameter."""
    lines = {
        name: [(LABELS[j], _LINES[j], curve["ranks"][theta]) for j, theta in enumerate(THETA)]
        for name, curve in _curves(run, task).items()
    }
    return _panels(run, task, lines, "rank of the truth", "ECDF − uniform")


def coverage_panels(run: SuiteRun, task: str) -> Figure:
    """Draw the coverage of TARP and of highest-density regions minus the credibility, a panel a baseline."""
    lines = {
        name: [("TARP", "-", curve["tarp"]), ("highest-density regions", "--", curve["region"])]
        for name, curve in _curves(run, task).items()
    }
    return _panels(run, task, lines, "credibility", "coverage − credibility")


def _curves(run: SuiteRun, task: str) -> dict[str, dict]:
    return {name: dict(results[0].content["curves"]) for name, results in run.results[task].items()}


def _panels(
    run: SuiteRun, task: str, lines: dict[str, list[tuple[str, str, list[float]]]], xlabel: str, ylabel: str
) -> Figure:
    columns = 4
    rows = -(-len(lines) // columns)
    figure = new_figure(8.6, 1.9 * rows + 0.7)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    inner = LEVELS[1:-1]
    n = int(next(iter(_curves(run, task).values()))["n"])
    _, low, high = scoring.ecdf_band(n, 0.95, inner)
    height = _height(lines, high - inner)
    for ax, (name, of_one) in zip(axes.ravel(), lines.items(), strict=False):
        tidy(ax, 8)
        ax.fill_between(inner, low - inner, high - inner, color=PALE, lw=0)
        ax.axhline(0, color=GREY, lw=0.8)
        for _, style, values in of_one:
            ax.plot(LEVELS, np.array(values) - LEVELS, style, color=run.styles[name][0], lw=1.5)
        ax.set_title(name, fontsize=9.5, color=run.styles[name][0], fontweight="bold")
        ax.set(xlim=(0, 1), ylim=(-height, height), xticks=[0, 0.5, 1])
        ax.tick_params(labelbottom=True)
    for ax in axes.ravel()[len(lines) :]:
        ax.axis("off")
    figure.supxlabel(xlabel, fontsize=9)
    figure.supylabel(ylabel, fontsize=9)
    first = next(iter(lines.values()))
    handles = [Line2D([], [], color=REFERENCE, ls=style, lw=1.5, label=label) for label, style, _ in first]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return figure


def _height(lines: dict[str, list[tuple[str, str, list[float]]]], band: NDArray) -> float:
    """Return half the axis: enough for all curves, unless the band would become invisible."""
    largest = max(np.abs(np.array(values) - LEVELS).max() for of_one in lines.values() for _, _, values in of_one)
    return float(np.clip(1.1 * largest, 1.6 * band.max(), 4 * band.max()))


def ladder_figure(run: SuiteRun, ladders: dict[str, tuple[str, ...]]) -> Figure:
    """Draw how each baseline changes along the ladders.

    Parameters
    ----------
    run : SuiteRun
        Has the task "shift".
    ladders : dict of str to tuple of str
        Groups of each ladder, in the order of the axis; lines join the groups of one ladder.
    """
    found = run.results["shift"]
    groups = list(dict.fromkeys(group for ladder in ladders.values() for group in ladder))
    panels = [("z", name, f"z rms, {label}") for name, label in zip(THETA, LABELS, strict=True)]
    panels += [("hits_68", THETA[0], f"hits 68%, {LABELS[0]}"), ("contraction", THETA[0], f"contraction, {LABELS[0]}")]
    panels += [("auroc_volume", None, "AUROC, volume of the posterior")]  # type: ignore[list-item]
    if any(average(r, g, "auroc_statistic").is_known for r in found.values() for g in groups):
        panels += [("auroc_statistic", None, "AUROC, the method's own statistic")]  # type: ignore[list-item]
    figure = new_figure(8.6, 1.75 * len(panels) + 1.2)
    axes = figure.subplots(len(panels), 1, sharex=True)
    for ax, (metric, parameter, label) in zip(axes, panels, strict=True):
        tidy(ax)
        for i, (name, results) in enumerate(found.items()):
            offset = 0.5 * ((i + 0.5) / len(found) - 0.5)
            _ladder_lines(ax, run, name, results, (metric, parameter), ladders, groups, offset)
        if metric == "z":
            _limit_z(ax)
        right = {"z": 1.0, "hits_68": 0.68, "auroc_volume": 0.5, "auroc_statistic": 0.5}.get(metric)
        if right is not None:
            ax.axhline(right, color=GREY, lw=1, ls="--", zorder=0)
        ax.set_ylabel(label.replace(", ", ",\n"), fontsize=9)
        for ladder in list(ladders.values())[::2]:
            places = [groups.index(group) for group in ladder]
            ax.axvspan(min(places) - 0.5, max(places) + 0.5, color="#f2f4f7", lw=0, zorder=-1)
        ax.set_xlim(-0.5, len(groups) - 0.5)
    axes[-1].set_xticks(range(len(groups)), groups, rotation=40, ha="right", fontsize=9)
    figure.legend(
        handles=baseline_handles(run, list(found)), loc="outside upper center", ncols=6, frameon=False, fontsize=9
    )
    return figure


def _limit_z(ax: Axes) -> None:
    """Make the axis logarithmic where something is ten times worse than right."""
    if ax.get_ylim()[1] > 8:
        ax.set_yscale("log")
    else:
        ax.set_ylim(0, None)


def _ladder_lines(
    ax: Axes,
    run: SuiteRun,
    name: str,
    results: list[Result],
    what: tuple[str, str | None],
    ladders: dict[str, tuple[str, ...]],
    groups: list[str],
    offset: float,
) -> None:
    color, marker = run.styles[name]
    for ladder in ladders.values():
        numbers = [average(results, group, what[0], what[1]).mean for group in ladder]
        if what[0] == "z":
            numbers = [abs(number) for number in numbers]
        places = [groups.index(group) + offset for group in ladder]
        ax.plot(places, numbers, color=color, marker=marker, ms=4.5, lw=1.0, alpha=0.9)
