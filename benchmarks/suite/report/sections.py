"""The sections of the report as HTML: text, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.common import page
from benchmarks.common.features import LABELS
from benchmarks.suite.report import figures, tables
from benchmarks.suite.report.folder import SuiteRun
from benchmarks.suite.report.levels import Level
from benchmarks.suite.report.values import MISSING, average, count, plain, three
from mwlmc_data import list_tasks
from mwlmc_data.scoring import ladders
from mwlmc_data.scoring.references import ReferenceSet
from mwlmc_data.scoring.tasks.live_rung import LIVE, WHAT_LIVE
from mwlmc_data.validation import Case

_NOMINAL = "test"


def about(run: SuiteRun, references: ReferenceSet | None) -> str:
    """Write what the page is, how to read it, and what it is made from."""
    first = page.paragraph(
        "Each baseline is trained on the simulations of a task, draws from its posteriors for the task's observations, "
        "and is scored by the task. This page is made from the stored results and draws of one run."
    )
    items = [
        "Energy score and −log p of the truth are proper scores: lower is better, and nothing beats the exact "
        "posterior. Energy scores are in units of the prior's standard deviations; densities are per 10¹⁰ M☉ × 10¹¹ "
        "M☉ × dex.",
        "Gap, energy distance, C2ST and MMD are measured against reference posteriors from the simulator itself, and "
        "only against certified ones. The best possible value is 0, for C2ST 0.5.",
        "Contraction is one minus posterior over prior variance: 0 is as wide as the prior, which is calibrated but "
        "uninformative. Read calibration beside it.",
        "p-values below 0.05 reject calibration; one test in twenty does so by chance. Over several seeds the median "
        "is given.",
        f"Three numbers in a cell are for {', '.join(LABELS)}. Leakage is the mass of an estimator outside the prior's "
        "support, which is rejected; “gave up” counts observations without draws, which are replaced by the prior.",
        "± is the standard error over observations; the standard error between several seeds is added in quadrature. "
        "The best of a column is bold; differences within the errors mean nothing.",
    ]
    if references is None:
        stated = "This version of the package embeds no reference posteriors, so everything that needs them is missing."
    else:
        stated = f"{int(references.certified.sum())} of the {len(references)} embedded references are certified."
    warning = ""
    if any(result.content.get("fast") for result in run.all_results):
        warning = page.box(page.paragraph("This is a fast run with little training: do not quote its scores."))
    return warning + first + page.bullets(items) + page.paragraph(stated) + _baselines(run) + _provenance(run)


def _baselines(run: SuiteRun) -> str:
    return page.subheading("Baselines") + tables.baseline_table(run)


def _provenance(run: SuiteRun) -> str:
    results = run.all_results
    versions: dict[str, set[str]] = {}
    for result in results:
        for name, version in result.content["versions"].items():
            versions.setdefault(name, set()).add(str(version))
    data = {str(result.content["data_sha256"]) for result in results}
    live = {str(result.content["live_sha256"]) for result in results if "live_sha256" in result.content}
    references = {str(result.content.get("references_sha256") or "none") for result in results}
    seeds = sorted({result.seed for result in results})
    hours = sum(float(result.cost["cpu_seconds"]) for result in results) / 3600.0
    rows = [
        ("results", f"{len(results)}, of {len(run.baselines)} baselines in {len(run.results)} tasks"),
        ("seeds", ", ".join(map(str, seeds))),
        ("cost of all entries", f"{hours:.2f} CPU hours; a training that entries share counts in each"),
        ("data, SHA-256", ", ".join(sorted(data))),
        *([("live set, SHA-256", ", ".join(sorted(live)))] if live else []),
        ("references, SHA-256", ", ".join(sorted(references))),
        ("versions", "; ".join(f"{name} {', '.join(sorted(found))}" for name, found in versions.items())),
    ]
    return page.subheading("Provenance") + page.table(("what", "value"), rows, (1,), kind="dense")


def tasks(run: SuiteRun) -> str:
    """Write the tables of every task."""
    known = {name.partition("@")[0]: words for name, words in list_tasks().items()}
    out = ""
    for task in run.results:
        out += page.subheading(task, f"task-{task}")
        if task in known:
            out += page.paragraph(known[task], "note")
        if task == tables.CONTROL:
            out += page.box(page.paragraph(_control()))
        out += tables.task_tables(run, task)
    return out


def _control() -> str:
    return (
        "The null control. The LMC's position and velocity are drawn independently of the parameters, so the exact "
        "posterior is the prior: any gain over the prior is overfitting or chance, and so is a contraction above 0. "
        "This contradicts the paper, which reads what is inferred without the reflex motion as information in the "
        "LMC's orbit. No entry is best here, and none is bold."
    )


def budget(run: SuiteRun, levels: Mapping[str, Level]) -> str:
    """Write scores against the number of simulations."""
    budgets = run.budgets()
    if not budgets:
        return page.paragraph("This run has no task with a budget.")
    caption = (
        f"Scores after {', '.join(map(count, budgets))} training simulations (a tenth more for validation). Lines are "
        "means over seeds, markers are single seeds; an open triangle at the top is a seed beyond the axis. "
    )
    if levels:
        source = " and ".join(dict.fromkeys(level.source for level in levels.values()))
        caption += (
            "Dashed: what the reference posteriors would score on the same observations (score of the nearest entry, "
            f"{source}, minus its expected distance to the references), with its error. Distances below zero, which "
            "occur by chance, are not drawn."
        )
    else:
        caption += "Without reference posteriors the best possible level is unknown."
    return page.image(figures.budget_figure(run, dict(levels)), caption)


def calibration(run: SuiteRun, task: str = "summary-9") -> str:
    """Write small multiples of ranks and coverage."""
    if task not in run.results:
        return page.paragraph(f"This run has no entry in {task}.")
    ranks = (
        "Ranks of the truths among the posterior draws: their empirical distribution minus the uniform one, first seed "
        f"of {task}. The band holds 95% of the complete curves of a calibrated posterior. An S shape is a wrong width "
        "(above zero first: too narrow), a one-sided hump is a bias. Curves may leave the axis."
    )
    coverage = (
        "Coverage minus credibility, for balls around random points (TARP) and for highest-density regions: below zero "
        "is overconfident. TARP is nearly blind to a bias, and the prior passes it."
    )
    return page.image(figures.rank_panels(run, task), ranks) + page.image(figures.coverage_panels(run, task), coverage)


def shift(run: SuiteRun, cases: Mapping[str, Case]) -> str:
    """Write the ladders."""
    if "shift" not in run.results:
        return page.paragraph("This run has no entry in the task shift.")
    found = run.results["shift"]
    present = {section for results in found.values() for section in results[0].sections()}
    steps = {
        "test": (_NOMINAL,),
        "noise": tuple(ladders.NOISE),
        "bias": tuple(ladders.BIAS),
        "sky": tuple(name for name in ladders.HALO_GROUPS if name.startswith("sky")),
        "infall": tuple(name for name in ladders.HALO_GROUPS if not name.startswith("sky")),
        **{name: (name,) for name in cases},
        LIVE: (LIVE,),
    }
    shown = {name: tuple(g for g in groups if g in present) for name, groups in steps.items()}
    shown = {name: groups for name, groups in shown.items() if groups}
    text = (
        "Observations move away from the training set step by step, and a method should notice: by wider posteriors, "
        "or by a statistic of its own. z is the root mean square of (truth − mean) / width: 1 is right, more is "
        "overconfident; for a single case it is |z|. Read hits beside contraction: a posterior as wide as the prior "
        "hits. AUROC is the probability that a shifted observation looks stranger than one like the training set: 0.5 "
        "detects nothing, 1 detects all; for a case it is the share of test rows below it."
    )
    words = [f"{name}: {what}." for name, what in (ladders.WHAT | {LIVE: WHAT_LIVE}).items() if name in present]
    caption = (
        "From left to right: rows like the training set; ladders of noise, bias, clipped sky and infall; cases"
        f"{'; live galaxies' if LIVE in present else ''}."
    )
    out = page.paragraph(text) + page.bullets(words)
    if shown:
        out += page.image(figures.ladder_figure(run, shown), caption)
    groups = [group for step in shown.values() for group in step]
    return out + "".join(page.details(name, _ladder_table(run, name, groups)) for name in found)


def _ladder_table(run: SuiteRun, name: str, groups: list[str]) -> str:
    results = run.results["shift"][name]
    rows = []
    for group in groups:
        cells = [
            three(results, group, "contraction"),
            three(results, group, "z", 1),
            three(results, group, "hits_68"),
            three(results, group, "hits_95"),
            *(plain(average(results, group, f"auroc_{what}").mean, 2) for what in ("volume", "statistic")),
        ]
        rows.append((group, *cells))
    if all(row[-1] == MISSING for row in rows):
        rows = [row[:-1] for row in rows]
    header = ("group", "contraction", "z rms", "hits 68%", "hits 95%", "AUROC volume", "AUROC statistic")
    return page.table(header[: len(rows[0])] if rows else header, rows, kind="dense")
