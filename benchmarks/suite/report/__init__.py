"""The report of a run of the suite: one self-contained HTML page."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.common import page
from benchmarks.suite.report import case_sections, live_section, sections
from benchmarks.suite.report.folder import load_run
from benchmarks.suite.report.levels import estimate_levels
from benchmarks.suite.report.posteriors import choose_headline, collect_posteriors
from benchmarks.suite.report.remade import Amount, remake
from mwlmc_data import validation_cases
from mwlmc_data.scoring.references import ReferenceSet, load_references

TITLE = "Inference of the LMC's infall from the reflex motion: the benchmark"
FILE = "report.html"


def write(
    out: Path,
    simulate: bool = True,
    amount: Amount | None = None,
    orbits: Path | None = None,
    references: ReferenceSet | None = None,
) -> Path:
    """Write the report of a run.

    Parameters
    ----------
    out : Path
        Folder of the suite; the report covers whatever it holds.
    simulate : bool
        Also run the simulator for the paper's figures that need it: a minute or two on two cores.
    amount : Amount, optional
        How much is simulated.
    orbits : Path, optional
        Folder of published orbits; without it no friction is fitted.
    references : ReferenceSet, optional
        In place of the embedded ones.

    Returns
    -------
    Path
        `report.html` in the folder, without scripts or external resources.

    Raises
    ------
    ValueError
        If the folder holds no results, or a file that is not a result.
    """
    run, cases = load_run(out), validation_cases()
    known = load_references() if references is None else references
    posteriors = collect_posteriors(run, known, cases)
    headlines = {name: choose_headline(run, found) for name, found in posteriors.items()}
    drawn = {name: posterior for name, posterior in headlines.items() if posterior is not None}
    found = remake(cases, drawn, amount or Amount(), orbits) if simulate else None
    content = [
        ("about", "What this is", sections.about(run, known)),
        ("tasks", "Tasks", sections.tasks(run)),
        ("budget", "Budget", sections.budget(run, estimate_levels(run, known))),
        ("calibration", "Calibration", sections.calibration(run)),
        ("cases", "Cases", case_sections.cases_section(run, cases, posteriors)),
        ("figures", "The paper's figures", case_sections.remade_section(found)),
        ("shift", "Shift", sections.shift(run, cases)),
        ("claims", "Claims of the paper", case_sections.claims_section(run, cases, posteriors, found)),
    ]
    if live_section.list_live_tasks(run):  # a run has them only where it was asked for them
        content.insert(-1, ("live-galaxies", "Live galaxies", live_section.live(run)))
    lead = (
        f"{len(run.baselines)} baselines in {len(run.results)} tasks of the Milky Way–LMC simulations: "
        f"{', '.join(run.results)}."
    )
    path = out / FILE
    partial = path.with_name(f".{FILE}.{os.getpid()}")
    partial.write_text(page.document(TITLE, lead, content), encoding="utf-8")
    partial.replace(path)
    return path
