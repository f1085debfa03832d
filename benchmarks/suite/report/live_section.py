"""The section on live galaxies: scores, bias, z and coverage by parameter and LMC mass, and which mass is recovered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure

from benchmarks.common import page
from benchmarks.common.features import LABELS, THETA
from benchmarks.suite.plan import GROUPS
from benchmarks.suite.report.figures import baseline_handles
from benchmarks.suite.report.folder import Result, SuiteRun
from benchmarks.suite.report.values import average, count
from mwlmc_data.plotting.style import GREY, new_figure, tidy
from mwlmc_data.scoring.tasks.live import RIVALS

#: Columns of the tables by parameter, and panels of the figure: title, right value and digits of each metric.
_METRICS = {
    "bias": ("bias", 0.0, 2), "z": ("z rms", 1.0, 2), "hits_68": ("hits 68%", 0.68, 2), "hits_95": ("hits 95%", 0.95, 2)
}  # fmt: skip
_SHOWN = ("bias", "z", "hits_68")
_ALL = "headline"


def list_live_tasks(run: SuiteRun) -> list[str]:
    """Tasks on live galaxies of which a run has results."""
    return [task for task in GROUPS["live"] if task in run.results]


def live(run: SuiteRun) -> str:
    """Write the section, for a run that has results of such a task."""
    text = (
        "Galaxies that deform each other, inferred by what has learnt from rigid ones; in live-64 also from one halo "
        "of each of up to 64 live simulations. Bias is the mean of (posterior mean − truth) in standard deviations of "
        "the prior, z the root mean square of (truth − mean) / width: more than 1 is overconfident. The truth of the "
        "friction is the one with which a rigid pair has the live orbit. Some orbits have none, and the energy score "
        "is that of the two masses. All errors are by bootstrap over simulations, as haloes of one share its orbit."
    )
    return page.paragraph(text) + "".join(_describe_task(run, task) for task in list_live_tasks(run))


def _describe_task(run: SuiteRun, task: str) -> str:
    found, groups = run.results[task], _list_groups(run, task)
    titles = ("energy score", "gain over prior", "friction: energy score", "friction: correlation")
    numbers = ((_ALL, "energy_score"), (_ALL, "gain_over_prior"), ("friction", "energy_score"))
    scores = [
        (
            name,
            *(average(results, section, metric).text(4) for section, metric in numbers),
            average(results, "friction", "correlation").text(2),
        )
        for name, results in found.items()
    ]
    swatches = [run.styles[name][0] for name in found]
    by_parameter = [(name, *cells) for name, results in found.items() for cells in _yield_parameters(results, _ALL)]
    titles_of = ("parameter", *(title for title, _, _ in _METRICS.values()))
    caption = (
        f"{task}: bias, z and the share of truths within 68% intervals, over all test simulations and by the total "
        "mass of the LMC's sphere [M☉]. Dashed: what is right."
    )
    every = [swatch for swatch in swatches for _ in THETA]
    return (
        page.subheading(task, f"galaxies-{task}")
        + page.table(("baseline", *titles), scores, swatches=swatches, kind="dense")
        + page.table(("baseline", *titles_of), by_parameter, (1,), swatches=every, kind="dense")
        + page.image(draw_live(run, task), caption)
        + "".join(
            page.details(name, _by_mass(results, groups, titles_of) + _recovered(results))
            for name, results in found.items()
        )
    )


def _list_groups(run: SuiteRun, task: str) -> list[str]:
    """Sections by the LMC's mass; those named after a mass alone compare it with what is inferred."""
    first = next(iter(run.results[task].values()))[0]
    return [section for section in first.sections() if section.startswith("m_lmc ")]


def _yield_parameters(results: Sequence[Result], section: str) -> Iterator[tuple[str, ...]]:
    """Cells of a group, a row for each parameter."""
    for name, label in zip(THETA, LABELS, strict=True):
        yield label, *(average(results, section, m, name).text(digits) for m, (_, _, digits) in _METRICS.items())


def _by_mass(results: Sequence[Result], groups: Sequence[str], titles: Sequence[str]) -> str:
    rows = []
    for group in groups:
        of_group = count(average(results, group, "simulations").mean)
        score = average(results, group, "energy_score").text(4)
        rows += [(group, of_group, score, *cells) for cells in _yield_parameters(results, group)]
    return page.table(("LMC's mass [M☉]", "simulations", "energy score", *titles), rows, (3,), kind="dense")


def _recovered(results: Sequence[Result]) -> str:
    """Compare posterior means with the truths and with other masses of the same galaxies."""
    rows = [
        (parameter, mass, *(average(results, mass, what).text(2) for what in ("ratio", "scatter", "correlation")))
        for parameter, rivals in RIVALS.items()
        for mass in (parameter, *rivals)
    ]
    header = ("posterior mean of", "beside", "median ratio", "scatter of ln", "correlation")
    return page.table(header, rows, (1,), kind="dense")


def draw_live(run: SuiteRun, task: str) -> Figure:
    """Draw bias, z and coverage of each parameter, over all simulations and by the LMC's mass, with errors.

    Parameters
    ----------
    run : SuiteRun
        Has results of the task.
    task : str
        One of :func:`list_live_tasks`.
    """
    found, groups = run.results[task], [_ALL, *_list_groups(run, task)]
    figure = new_figure(8.6, 7.2)
    axes = figure.subplots(len(_SHOWN), len(THETA), sharex=True)
    for row, metric in zip(axes, _SHOWN, strict=True):
        title, right, _ = _METRICS[metric]
        for ax, parameter, label in zip(row, THETA, LABELS, strict=True):
            tidy(ax).axhline(right, color=GREY, lw=1, ls="--", zorder=0)
            for i, (name, results) in enumerate(found.items()):
                color, marker = run.styles[name]
                values = [average(results, group, metric, parameter) for group in groups]
                places = np.arange(len(groups)) + 0.6 * ((i + 0.5) / len(found) - 0.5)
                means, errors = [v.mean for v in values], [v.error for v in values]
                ax.errorbar(places, means, errors, color=color, marker=marker, ms=4.5, lw=0, elinewidth=1.0)
            ax.set_ylabel(f"{title}, {label}", fontsize=9)
            ax.set_xticks(range(len(groups)), ["all", *(group.removeprefix("m_lmc ") for group in groups[1:])])
            ax.tick_params(axis="x", rotation=30)
    figure.legend(
        handles=baseline_handles(run, list(found)), loc="outside upper center", ncols=6, frameon=False, fontsize=9
    )
    return figure
