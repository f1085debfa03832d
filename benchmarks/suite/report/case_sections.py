"""The sections on the validation cases and the paper's figures, as HTML."""

from __future__ import annotations

from collections.abc import Mapping

from numpy.typing import NDArray

from benchmarks.common import page
from benchmarks.common.features import ScaledPrior
from benchmarks.paper import figures, figures_sky
from benchmarks.paper.summary import friction_text
from benchmarks.suite.report import claims
from benchmarks.suite.report.corners import draw_corners
from benchmarks.suite.report.folder import SuiteRun
from benchmarks.suite.report.posteriors import (
    CasePosterior,
    case_header,
    case_rows,
    choose_compared,
    color_of,
    quote_paper,
)
from benchmarks.suite.report.remade import CONFIG, Remade
from mwlmc_data.validation import OUTSIDE, Case


def cases_section(run: SuiteRun, cases: Mapping[str, Case], posteriors: Mapping[str, list[CasePosterior]]) -> str:
    """Write a table and a figure for each case."""
    prior = ScaledPrior(CONFIG).sample(20_000, seed=0)
    intro = (
        "Posteriors of the three mock observations of the paper: of each baseline trained on the Gaussian set, of "
        "those trained on a wider set, which extrapolate less, and the reference, from simulations at the case's own "
        "LMC. Columns are the 16, 50 and 84% points of the draws, and z = (truth − mean) / standard deviation."
    )
    return page.paragraph(intro) + "".join(_case(run, cases[name], posteriors[name], prior) for name in cases)


def _case(run: SuiteRun, case: Case, posteriors: list[CasePosterior], prior: NDArray) -> str:
    out = page.subheading(f"{case.name} ({case.kind})", f"case-{case.name}")
    out += page.paragraph(f"Source: {case.source}. {_support(case)}", "note")
    for note in case.notes:
        out += page.paragraph(f"{note}. The posteriors below take its stars as the paper does, beyond 50 kpc.", "note")
    if not posteriors:
        return out + page.paragraph("This run has no posterior for this case.")
    swatches = [None, *(color_of(run, posterior) for posterior in posteriors)]
    out += page.table(case_header(), case_rows(case, posteriors), swatches=swatches, kind="dense")
    out += page.paragraph(quote_paper(case), "note")
    if not any(posterior.is_reference for posterior in posteriors):
        out += page.paragraph("There is no reference posterior for this case.", "note")
    chosen = choose_compared(run, posteriors)
    if not chosen:
        return out
    stated = "; ".join(posterior.label for posterior in chosen)
    caption = f"Posteriors of {case.name} on the same axes: {stated}. Regions hold 39, 68 and 95% of the draws."
    return out + page.image(draw_corners(run, case, chosen, prior), caption)


def _support(case: Case) -> str:
    if not case.extrapolates:
        return "The LMC lies inside the prior of the training set."
    far = {name: case.in_support.get(name) for name in case.outside}
    stated = ", ".join(f"{name} {sigmas:+.1f} σ" if sigmas is not None else name for name, sigmas in far.items())
    return f"The LMC lies outside the prior of the training set ({stated}; beyond {OUTSIDE:g} σ): networks extrapolate."


def remade_section(found: Remade | None) -> str:
    """Write the paper's figures, remade."""
    if found is None:
        return page.paragraph("Nothing was simulated for this page, so the figures that need simulations are missing.")
    if not found.source:
        return page.paragraph("No case has a posterior to simulate.")
    whose = "; ".join(f"{name}: {label}" for name, label in found.source.items())
    out = page.paragraph(
        f"Made with this package's simulator. The posterior draws are from {whose}. Parameters that are not inferred "
        "(the halo's anisotropy and scale, the LMC's enclosed mass) are drawn from the prior."
    )
    return out + _sky(found) + _predictive(found) + _friction(found)


def _sky(found: Remade) -> str:
    out = ""
    if found.sky is not None and found.apex is not None:
        caption = (
            f"Mean line-of-sight velocity in the Galactic standard of rest of {found.sky.n_stars:,} simulated stars of "
            f"the rigid case beyond {found.sky.r_min:.0f} kpc, without its mean of {found.sky.monopole:+.1f} km/s "
            f"and smoothed with {found.sky.kernel:.0f}°; Galactic coordinates. The star is the apex fitted to "
            f"them (l = {found.apex[0]:.1f}°, b = {found.apex[1]:.1f}°). Lines: the LMC's past orbit over 2.2 Gyr, "
            "thick for the quoted parameters, thin for posterior draws."
        )
        out += page.image(figures_sky.sky_figure(found.sky, found.apex, found.bands["rigid"]), caption)
    fits = {"gc19-fiducial": found.friction["quoted"]} if found.friction else {}
    caption = "Separation of LMC and Milky Way over time: bands from posterior draws, quoted and published orbits."
    return out + page.image(figures_sky.separation_figure(found.bands, fits), caption)


def _predictive(found: Remade) -> str:
    rows = []
    for kind, checks in (("posterior", found.predictions), ("quoted truth", found.at_truth)):
        for name, predictions in checks.items():
            for datum, p in predictions.items():
                unit = "km/s" if datum == "v_travel" else "deg"
                numbers = (f"{v:.1f}" for v in (p.observed, *p.percentiles[1:4]))
                rows.append((name, kind, f"{datum} [{unit}]", *numbers, f"{p.tail:.2f}"))
    header = ("case", "simulated at", "datum", "observed", "16%", "50%", "84%", "p")
    caption = (
        "Predictive distributions from simulations of posterior draws (blue; shaded 16 to 84%) and the observation "
        "(red), as in the paper's Fig. 6. p is the two-sided tail probability of the observation."
    )
    table = page.table(header, rows, text_columns=(1, 2), kind="dense")
    return page.image(figures.predictive_figure(found.predictions), caption) + table


def _friction(found: Remade) -> str:
    if not found.friction:
        return page.paragraph("The published orbit is not available, so no friction is fitted to it.", "note")
    fits = "; ".join(f"{name} Milky Way: {friction_text(fit)}" for name, fit in found.friction.items())
    caption = (
        f"Friction that fits the published orbit of gc19-fiducial ({fits}); the paper finds log10 λ_DF about 0. Left: "
        "best orbits over time. Right: misfit against strength of friction; red where a best value exists."
    )
    return page.image(figures_sky.friction_figure(found.friction), caption)


def claims_section(
    run: SuiteRun, cases: Mapping[str, Case], posteriors: Mapping[str, list[CasePosterior]], found: Remade | None
) -> str:
    """Write the claims of the paper that this run contradicts."""
    at_truth = {} if found is None else found.at_truth
    return (
        page.paragraph("Claims of the paper that this run contradicts, with the numbers of this run.")
        + page.subheading("Calibration: a TARP p of 1.0 and an area of 0.27")
        + claims.tarp_claim(run)
        + page.subheading("Information without the reflex motion")
        + claims.control_claim(run)
        + page.subheading("Masses of cases outside the training set")
        + claims.cases_claim(run, cases, posteriors, at_truth)
    )
