"""The page with the results of a run."""

from __future__ import annotations

from numpy.typing import NDArray

from benchmarks.common import page
from benchmarks.common.features import LABELS, ScaledPrior
from benchmarks.paper import figures, figures_sky, shells
from benchmarks.paper.outcome import Outcome
from benchmarks.paper.predictive import Prediction
from benchmarks.paper.published import match_halo
from benchmarks.paper.summary import case_rows, collect_misses, friction_text, score_rows, support_line

TITLE = "Inference of the LMC's infall from the reflex motion of the stellar halo"


def render(outcome: Outcome) -> str:
    """Return the page as self-contained HTML.

    Parameters
    ----------
    outcome : Outcome
        The results of a run.

    Returns
    -------
    str
    """
    sections = [
        ("done", "Method", _done(outcome)),
        ("misses", "What is missed", _misses(outcome)),
        ("scores", "Scores", _scores(outcome)),
        ("cases", "Validation cases", _cases(outcome)),
        ("shells", "Cases in each shell", _shells(outcome)),
        ("predictive", "Predictive check", _predictive(outcome)),
        ("orbit", "Sky and orbit", _orbit(outcome)),
        ("friction", "Friction", _friction(outcome)),
        ("provenance", "Provenance", _provenance(outcome)),
    ]
    rows = outcome.rows
    lead = (
        f"{outcome.main.estimator.title}, trained on {rows['train']:,} simulations of the set "
        f"“{outcome.config}”, scored on {rows['test']:,} unseen ones and on {len(outcome.main.cases)} cases "
        f"of known or quoted truth."
    )
    return page.document(TITLE, lead, sections)


def _done(o: Outcome) -> str:
    e, maf = o.main.evaluation, o.main.estimator
    text = (
        "The estimator of Brooks et al. (2025), here “paper”, is trained again: a masked autoregressive flow "
        f"of {maf.network['num_transforms']} transforms with {maf.network['hidden_features']} hidden units "
        f"({maf.n_parameters:,} weights) learns p(M_LMC, M200, log10 λ_DF) given nine data: position and velocity "
        "of the LMC, and the travel speed and apex of the disc relative to the stellar halo beyond 50 kpc. The "
        f"apex enters as a unit vector. The training takes {len(maf.history)} epochs, in which "
        f"the learning rate rises and falls once (Smith & Topin 2017), and {maf.outcome.seconds:.0f} s; the weights "
        "with the lowest validation loss are kept."
    )
    truncated = (
        f"The flow is unbounded but the prior is not: draws outside its support are rejected, and the density is "
        f"divided by the mass inside. On the test split {100 * (1 - e.acceptance.mean()):.2f}% of the flow's "
        f"mass lies outside on average, at most {100 * (1 - e.acceptance.min()):.1f}%. For comparison, "
        f"“bounded” is the same flow, with the same data and training, on normal scores of the parameters under "
        f"the prior, which cannot leak: any difference between the two is due to the walls."
    )
    caption = "Mean loss of “paper” against epoch; lower is better. The dot marks the weights that are kept."
    figure = page.image(figures.training_figure(maf.history), caption)
    return page.paragraph(text) + page.paragraph(truncated) + figure


def _misses(o: Outcome) -> str:
    """Write first what went wrong, from the numbers of this run."""
    misses = collect_misses(o)
    if misses:
        lead = "What the paper's estimator, trained here, misses; a case of another shell is that shell's network's:"
        inner = page.paragraph(lead) + page.bullets(misses)
    else:
        inner = page.paragraph("No rank test fails on the test split, and every quoted truth lies in its 68% interval.")
    return page.box(inner) + _reasons(o)


def _reasons(o: Outcome) -> str:
    """Separate failures of the estimator from observations that the simulator does not reproduce."""
    items = [f"{name}: {support_line(result)}." for name, result in o.main.cases.items()]
    for name, predictions in o.at_truth.items():
        parts = ", ".join(_one_prediction(datum, p) for datum, p in predictions.items())
        items.append(f"{name}: at its quoted parameters our simulator gives {parts}.")
    for name, entry in list(o.entries.items())[1:]:
        found = entry.evaluation.list_misses() or ["the ranks of every parameter are uniform."]
        items.append(f"The estimator “{name}”, test split: {' '.join(found)}")
    note = (
        "Where the observation itself is improbable at the quoted parameters (a small p), the case contradicts the "
        "rigid model, not the estimator; where it is probable, a miss is due to the estimator or to chance. One truth "
        "in three is expected outside a 68% interval. Parameters that a case does not quote are drawn from the prior."
    )
    lead = page.paragraph("Evidence for the reasons:")
    return lead + page.bullets(items) + page.paragraph(note, "note")


def _one_prediction(datum: str, p: Prediction) -> str:
    unit = " km/s" if datum == "v_travel" else "°"
    _, low, _, high, _ = p.percentiles
    return f"{datum} {low:.1f} to {high:.1f}{unit} (16 to 84%), observed {p.observed:.1f} (p = {p.tail:.2f})"


def _scores(o: Outcome) -> str:
    e = o.main.evaluation
    note = (
        f"{e.n_test} test rows, {e.n_draws} draws each. Densities are per 10¹⁰ M☉ × 10¹¹ M☉ × dex. Three "
        f"numbers in a cell are for {', '.join(LABELS)}. The p-value “as the paper” compares two gridded "
        f"curves as if they were data: posteriors 30% too narrow or biased by 0.6σ keep it near 1, so the "
        f"one-sample test of the coverage fractions stands beside it. The area to the curve is blind to a "
        f"bias; the ranks are not. The paper's area of 0.27 exceeds any possible area (0.125): earlier versions of sbi "
        f"summed the curve's offsets over the bins without their width, 100 of them for 1,000 test rows."
    )
    tarp = (
        "TARP: fraction of truths inside balls of given credibility around random points. The shaded band "
        "holds 95% of the curves of a calibrated posterior with as many test rows."
    )
    ranks = (
        "Above: ranks of the truth among the posterior draws, with the 95% range of a single bin. Below: "
        "their empirical distribution minus the uniform one, with the band that holds 95% of the curves. "
        "An S shape is a wrong width, a one-sided hump is a bias."
    )
    evaluations = {name: entry.evaluation for name, entry in o.entries.items()}
    return (
        page.table(("score", *evaluations, "right answer"), score_rows(list(evaluations.values())))
        + page.paragraph(note, "note")
        + page.image(figures.tarp_figure(evaluations), tarp)
        + page.image(figures.rank_figure(evaluations), ranks)
    )


def _cases(o: Outcome) -> str:
    prior_draws = ScaledPrior(o.config).sample(20_000, seed=o.seed)
    return "".join(_case(o, name, prior_draws) for name in o.main.cases)


def _case(o: Outcome, name: str, prior_draws: NDArray) -> str:
    results = {entry: e.cases[name] for entry, e in o.entries.items()}
    main = o.main.cases[name]
    leak = f"{100 * (1 - main.acceptance):.1f}% of the flow's mass lies outside the prior's support."
    out = page.subheading(f"{name} ({main.case.kind})")
    out += page.paragraph(f"Source: {main.case.source}", "note")
    out += page.paragraph(f"Position and velocity of the LMC: {support_line(main)}. {leak}")
    if not main.summaries:
        return out + page.paragraph(" ".join(main.list_misses()))
    cells = [cell for entry in results for cell in (f"{entry} 16/50/84%", "z")]
    header = ("parameter", "quoted truth", *cells, "Brooks et al. 16/50/84%")
    out += page.table(header, case_rows(list(results.values())))
    out += page.paragraph("z is (truth − posterior mean) / posterior standard deviation.", "note")
    support = main.case.in_support
    out += page.table(("sigmas from the prior", *support), [("", *(f"{v:+.1f}" for v in support.values()))])
    drawn = {entry: r.draws for entry, r in results.items() if r.summaries}
    return out + page.image(figures.corner_figure(main, drawn, prior_draws), f"Posterior of the case {name}.")


def _shells(o: Outcome) -> str:
    """Show each case in each shell of stars, and which of them its motion supports."""
    out = page.paragraph(
        "The apex depends on the shell of the stars, and the paper says of every case that they are beyond 50 kpc. "
        "Here each case is taken as a measurement in each shell of the catalogue. Its quoted vector is compared with "
        "haloes simulated at its quoted parameters: by the Mahalanobis distance from their mean in their own scatter "
        "(one halo, and the parameters that are not quoted), and by the Gaussian log density against that of the "
        f"densest shell. The posteriors are those of the networks for each shell, trained on the set "
        f"“{shells.CONFIG}”, which contains every case, with the scatter of one halo as the error; p is the p-value of "
        "the vector at the case's LMC. A star marks the shell that the package gives the case. A reference posterior "
        "comes from simulations at the case's own LMC instead of a network."
    )
    for name, results in o.shells.items():
        case = o.main.cases[name].case
        out += page.subheading(f"{name} ({case.kind})") + page.paragraph(shells.describe(case, results))
        if results:
            out += page.table(shells.HEADER, shells.shell_rows(results), text_columns=(1,))
        for note in case.notes:
            out += page.paragraph(note, "note")
    return out


def _predictive(o: Outcome) -> str:
    if not o.predictions:
        return page.paragraph("No case has a posterior to check.")
    rows = []
    for name, predictions in o.predictions.items():
        for datum, p in predictions.items():
            numbers = (f"{v:.1f}" for v in (p.observed, *p.percentiles[1:4]))
            rows.append((name, datum, *numbers, f"{p.tail:.2f}"))
    n = max(len(p.draws) for predictions in o.predictions.values() for p in predictions.values())
    text = (
        f"{n} posterior draws of each case are simulated, with the LMC's present day fixed at the observation, and "
        "the halo's anisotropy and scale and the LMC's enclosed mass drawn from the prior. p is the two-sided tail "
        "probability of the observation; l is measured from its mean direction."
    )
    caption = "Predictive distributions (blue; shaded 16 to 84%) and the observation (red), as in the paper's Fig. 6."
    header = ("case", "datum", "observed", "16%", "50%", "84%", "p")
    return (
        page.paragraph(text)
        + page.table(header, rows, text_columns=(1,))
        + page.image(figures.predictive_figure(o.predictions), caption)
    )


def _orbit(o: Outcome) -> str:
    out = ""
    if o.sky is not None and o.apex is not None and "rigid" in o.bands:
        caption = (
            f"Mean line-of-sight velocity in the Galactic standard of rest of {o.sky.n_stars:,} simulated "
            f"stars of the rigid case beyond {o.sky.r_min:.0f} kpc, without its mean of {o.sky.monopole:+.1f} "
            f"km/s and smoothed with {o.sky.kernel:.0f}°; Galactic coordinates. The star is the apex "
            f"fitted to these stars (l = {o.apex[0]:.1f}°, b = {o.apex[1]:.1f}°). Lines: the LMC's past "
            "orbit over 2.2 Gyr, thick for the quoted parameters, thin for posterior draws."
        )
        out += page.image(figures_sky.sky_figure(o.sky, o.apex, o.bands["rigid"]), caption)
    if o.bands:
        fits = {"gc19-fiducial": o.friction["quoted"]} if o.friction else {}
        caption = "Separation of LMC and Milky Way: bands from posterior draws, quoted and published orbits."
        out += page.image(figures_sky.separation_figure(o.bands, fits), caption)
    return out or page.paragraph("No case has a posterior to draw orbits from.")


def _friction(o: Outcome) -> str:
    if not o.friction:
        return page.paragraph(
            "The published orbit was not available, so no friction was fitted to it. Pass its folder with "
            "--reference, or fit any orbit with “python -m benchmarks friction”."
        )
    span = -next(iter(o.friction.values())).time[0]
    halo = match_halo()
    text = (
        "The rigid model's orbit is rewound from the present day of the published N-body orbit (GC19 "
        "fiducial, LMC of 18 × 10¹⁰ M☉ with a = 20 kpc) and compared with the published separation over "
        f"{span:.2f} Gyr. The paper finds log10 λ_DF about 0. The Milky Way is either the NFW halo that the "
        "paper quotes (M200 = 10.3 × 10¹¹ M☉, c = 11) or the NFW halo that encloses the mass of the "
        f"suite's own Milky Way between 40 and 280 kpc (M200 = {halo['m200_mw'] / 1e11:.1f} × 10¹¹ M☉, c = "
        f"{halo['c200']:.1f})."
    )
    rows = [
        (name, friction_text(fit), f"{fit.best_vector:.2f}", f"{fit.rms_best_vector:.1f}")
        for name, fit in o.friction.items()
    ]
    header = ("Milky Way", "best by separation", "best by position vector", "rms [kpc]")
    caption = "Left: best orbits over time. Right: misfit against strength of friction; red where a best value exists."
    note = (
        "The errors account for correlated residuals; the change between separation and position vector is the better "
        "measure of the uncertainty of a rigid model."
    )
    table = page.table(header, rows, text_columns=(1,))
    figure = page.image(figures_sky.friction_figure(o.friction), caption)
    out = page.paragraph(text) + table + page.paragraph(note, "note") + figure
    return out if o.arc is None else out + page.paragraph(_arc(o.arc))


def _arc(a: dict[str, float]) -> str:
    return (
        f"For the cosmological case only {1000 * a['span_gyr']:.0f} Myr of orbit are available, in the axes of "
        "its box. Friction from none to the log10 λ_DF = 0.5 that the paper finds changes the separation "
        f"along that arc by at most {a['claimed_leverage_kpc']:.2f} kpc, while the arc's own steps and "
        f"velocities disagree by {a['inconsistency_kpc']:.2f} kpc. Over all strengths of friction the rms "
        f"against the published separation ranges from {a['rms_min_kpc']:.2f} to {a['rms_max_kpc']:.2f} "
        "kpc: such an arc does not constrain the friction, and no value is fitted to it."
    )


def _provenance(o: Outcome) -> str:
    rows = [("seed", str(o.seed)), *((k, str(v)) for k, v in o.settings.items()), *o.versions.items()]
    rows += [(f"time: {k}", f"{v:.0f} s") for k, v in o.seconds.items()]
    return page.table(("what", "value"), rows)
