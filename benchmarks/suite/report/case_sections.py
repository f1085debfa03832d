"""The sections about the validation cases and the paper's figures as HTML."""

from __future__ import annotations

from collections.abc import Mapping

from numpy.typing import NDArray

from benchmarks.common import page
from benchmarks.common.features import ScaledPrior
from benchmarks.paper import figures, figures_sky
from benchmarks.paper.summary import friction_text
from benchmarks.suite.report import claims
from benchmarks.suite.report.corners import corners
from benchmarks.suite.report.folder import Run
from benchmarks.suite.report.posteriors import Posterior, case_header, case_rows, color_of, of_the_paper, side_by_side
from benchmarks.suite.report.remade import CONFIG, Remade
from mwlmc_data.validation import OUTSIDE, Case


def cases_section(run: Run, cases: Mapping[str, Case], posteriors: Mapping[str, list[Posterior]]) -> str:
    """A table and a figure for each case."""
    prior = ScaledPrior(CONFIG).sample(20_000, seed=0)
    intro = (
        "Posteriors of the three mock observations of the paper: of each baseline trained on the Gaussian set, of "
        "those trained on a wider one, which extrapolate less, and the reference, made of simulations at the case's "
        "own LMC. Columns are the 16, 50 and 84% points of the draws, and z = (truth − mean) / standard deviation."
    )
    return page.paragraph(intro) + "".join(_case(run, cases[name], posteriors[name], prior) for name in cases)


def _case(run: Run, case: Case, posteriors: list[Posterior], prior: NDArray) -> str:
    out = page.subheading(f"{case.name} ({case.kind})", f"case-{case.name}")
    out += page.paragraph(f"Source: {case.source}. {_support(case)}", "note")
    if not posteriors:
        return out + page.paragraph("This run has no posterior of the case.")
    swatches = [None, *(color_of(run, posterior) for posterior in posteriors)]
    out += page.table(case_header(), case_rows(case, posteriors), swatches=swatches, kind="dense")
    out += page.paragraph(of_the_paper(case), "note")
    if not any(posterior.is_reference for posterior in posteriors):
        out += page.paragraph("There is no reference posterior of this case.", "note")
    chosen = side_by_side(run, posteriors)
    if not chosen:
        return out
    told = "; ".join(posterior.label for posterior in chosen)
    caption = f"Posteriors of {case.name} on the same axes: {told}. Regions hold 39, 68 and 95% of the draws."
    return out + page.image(corners(run, case, chosen, prior), caption)


def _support(case: Case) -> str:
    if not case.extrapolates:
        return "The LMC lies inside the prior of the training set."
    far = {name: case.in_support.get(name) for name in case.outside}
    told = ", ".join(f"{name} {sigmas:+.1f} σ" if sigmas is not None else name for name, sigmas in far.items())
    return f"The LMC lies outside the prior of the training set ({told}; beyond {OUTSIDE:g} σ): networks extrapolate."


def remade_section(found: Remade | None) -> str:
    """The paper's figures, remade."""
    if found is None:
        return page.paragraph("Nothing was simulated for this page: the figures that need it are left out.")
    if not found.source:
        return page.paragraph("No case has a posterior to simulate.")
    whose = "; ".join(f"{name}: {label}" for name, label in found.source.items())
    out = page.paragraph(
        f"Made anew with this package's simulator. Posterior draws are of {whose}. Parameters that are not inferred, "
        "the halo's anisotropy and scale and the LMC's enclosed mass, are drawn from the prior."
    )
    return out + _sky(found) + _predictive(found) + _friction(found)


def _sky(found: Remade) -> str:
    out = ""
    if found.sky is not None and found.apex is not None:
        caption = (
            f"Mean line-of-sight velocity in the Galactic standard of rest of {found.sky.n_stars:,} simulated stars of "
            f"the rigid case beyond {found.sky.r_min:.0f} kpc, its net value of {found.sky.monopole:+.1f} km/s "
            f"subtracted, smoothed with {found.sky.kernel:.0f}°; Galactic coordinates. The star is the apex fitted to "
            f"them (l = {found.apex[0]:.1f}°, b = {found.apex[1]:.1f}°). Lines: the LMC's past orbit over 2.2 Gyr, "
            "thick with the quoted parameters, thin from posterior draws."
        )
        out += page.image(figures_sky.sky_figure(found.sky, found.apex, found.bands["rigid"]), caption)
    fits = {"gc19-fiducial": found.friction["quoted"]} if found.friction else {}
    caption = "Separation of LMC and Milky Way over time: bands of posterior draws, quoted and published orbits."
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
        "Predictive distributions of posterior draws that are simulated anew (blue; shaded 16 to 84%) and the "
        "observation (red), after the paper's Fig. 6. p is the two-sided tail probability of the observation."
    )
    table = page.table(header, rows, text_columns=(1, 2), kind="dense")
    return page.image(figures.predictive_figure(found.predictions), caption) + table


def _friction(found: Remade) -> str:
    if not found.friction:
        return page.paragraph("The published orbit was not available, so no friction was fitted to it.", "note")
    told = "; ".join(f"{name} Milky Way: {friction_text(fit)}" for name, fit in found.friction.items())
    caption = (
        f"Friction that fits the published orbit of gc19-fiducial ({told}); the paper finds log10 λ_DF about 0. Left: "
        "best orbits by time. Right: misfit by strength of friction; red where a best value exists."
    )
    return page.image(figures_sky.friction_figure(found.friction), caption)


def claims_section(
    run: Run, cases: Mapping[str, Case], posteriors: Mapping[str, list[Posterior]], found: Remade | None
) -> str:
    """What the paper claims and this run finds otherwise."""
    at_truth = {} if found is None else found.at_truth
    return (
        page.paragraph("What the paper claims and this run finds otherwise, with its own numbers.")
        + page.subheading("Calibration: a TARP p of 1.0 and an area of 0.27")
        + claims.tarp_claim(run)
        + page.subheading("Information without the reflex motion")
        + claims.control_claim(run)
        + page.subheading("Masses of cases that the training set does not hold")
        + claims.cases_claim(run, cases, posteriors, at_truth)
    )
