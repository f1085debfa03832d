"""Posteriors of the validation cases: of each baseline, of those trained on other sets, and the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.features import LABELS, SCALE, THETA, UNITS
from benchmarks.suite.report import palette
from benchmarks.suite.report.folder import SuiteRun, load_arrays
from benchmarks.suite.report.values import MISSING
from mwlmc_data import get_task, scoring
from mwlmc_data.array_types import Float64Array
from mwlmc_data.priors import Prior
from mwlmc_data.scoring import metrics
from mwlmc_data.scoring.references import ReferenceSet
from mwlmc_data.validation import Case

#: The paper's estimator among the baselines.
PAPER = "maf"
TASK = "summary-9"
_SET = "gaussian"


@dataclass(frozen=True)
class CasePosterior:
    """Draws for one case.

    Attributes
    ----------
    name : str
        Baseline, or "reference".
    trained_on : str
        Set of simulations; empty for the reference.
    draws : ndarray, shape (n, 3)
        Scaled parameters, as `benchmarks.common.features` has them.
    note : str
        Remark.
    """

    name: str
    trained_on: str
    draws: Float64Array
    note: str = ""

    @property
    def is_reference(self) -> bool:
        """Whether it is the reference."""
        return not self.trained_on

    @property
    def label(self) -> str:
        """Name in tables and figures."""
        stated = self.name if self.is_reference else f"{self.name}, {self.trained_on}"
        return f"{stated} ({self.note})" if self.note else stated

    def summarise(self, case: Case, j: int) -> scoring.PosteriorSummary:
        """Summarise parameter j beside its truth, in scaled units."""
        truth = case.truth.get(THETA[j])
        return scoring.summarise_posterior(self.draws[:, j], None if truth is None else float(truth) / SCALE[j])


def collect_posteriors(
    run: SuiteRun, references: ReferenceSet | None, cases: Mapping[str, Case]
) -> dict[str, list[CasePosterior]]:
    """Collect the posteriors of each case.

    Parameters
    ----------
    run : SuiteRun
    references : ReferenceSet or None
    cases : mapping of str to Case

    Returns
    -------
    dict of str to list of CasePosterior
        By case: baselines trained on the Gaussian set, those trained on others, the reference; empty if there are none.
    """
    found: dict[str, list[CasePosterior]] = {name: [] for name in cases}
    for baseline, results in run.results.get(TASK, {}).items():
        samples = run.arrays(TASK, baseline, results[0].seed).get("case_samples")
        if samples is not None:
            _add(found, get_task(TASK).cases.names, samples, baseline, _SET, results[0].seed)
    elsewhere = (run.out / "cases").glob("*/*.npz")
    for path in sorted(elsewhere, key=lambda p: (p.parent.name, *_place(run, _parse_stem(p.stem)[0]))):
        arrays, (baseline, seed) = load_arrays(path), _parse_stem(path.stem)
        _add(found, arrays["names"].tolist(), arrays["samples"], baseline, path.parent.name, seed)
    if references is not None:
        for name in set(cases) & set(references.names):
            i = references.names.index(name)
            note = "certified" if references.certified[i] else "not certified"
            found[name].append(CasePosterior("reference", "", references.samples[i].astype(np.float64) / SCALE, note))
    return found


def _add(
    found: dict[str, list[CasePosterior]], names: Sequence[str], samples: NDArray, baseline: str, config: str, seed: int
) -> None:
    given_up = _are_prior_draws(samples, config, seed)
    for name, draws, is_prior in zip(names, samples, given_up, strict=True):
        if name in found:
            note = "no draws found: the prior" if is_prior and baseline != "prior" else ""
            found[name].append(CasePosterior(baseline, config, draws.astype(np.float64) / SCALE, note))


def _are_prior_draws(samples: NDArray, config: str, seed: int) -> list[bool]:
    """Return whether the draws of each case are the prior's, with which the suite replaces missing draws."""
    prior, n = Prior(config, THETA), samples.shape[1]
    answers = [
        block for k in range(1, len(samples) + 1) for block in np.split(metrics.prior_draws(prior, n * k, seed), k)
    ]
    return [any(np.array_equal(draws, answer.astype(np.float32)) for answer in answers) for draws in samples]


def _parse_stem(stem: str) -> tuple[str, int]:
    """Split a file's name into baseline and seed."""
    name, _, seed = stem.rpartition("-s")
    return name, int(seed)


def _place(run: SuiteRun, name: str) -> tuple[int, str]:
    order = list(run.styles)
    return (order.index(name) if name in order else len(order), name)


def color_of(run: SuiteRun, posterior: CasePosterior) -> str:
    """Return the colour of a posterior: its baseline's, or that of references."""
    if posterior.is_reference:
        return palette.REFERENCE
    return palette.choose_styles([*run.baselines, posterior.name])[posterior.name][0]


def choose_compared(run: SuiteRun, posteriors: list[CasePosterior]) -> list[CasePosterior]:
    """Choose what a figure compares: the paper's estimator, the best other, one trained on another set, the reference.

    Parameters
    ----------
    run : SuiteRun
    posteriors : list of CasePosterior
        Of one case.

    Returns
    -------
    list of CasePosterior
        Those that exist.
    """
    own = {p.name: p for p in posteriors if p.trained_on == _SET}
    wide = {p.name: p for p in posteriors if p.trained_on not in ("", _SET)}
    best = run.find_best(TASK, without=(PAPER, "prior"))
    # the paper's estimator on more simulations, so that nothing else differs
    elsewhere = next((wide[name] for name in (PAPER, best, *wide) if name in wide), None)
    chosen = [own.get(PAPER), own.get(best or ""), elsewhere, *(p for p in posteriors if p.is_reference)]
    return [p for p in chosen if p is not None]


def choose_headline(run: SuiteRun, posteriors: list[CasePosterior]) -> CasePosterior | None:
    """Choose the posterior to simulate and integrate: the reference, or the best baseline's."""
    for posterior in posteriors:
        if posterior.is_reference:
            return posterior
    best = run.find_best(TASK)
    return next((p for p in posteriors if p.name == best and p.trained_on == _SET), None)


def case_rows(case: Case, posteriors: list[CasePosterior]) -> list[tuple[str, ...]]:
    """Make the rows of a table: truth, then percentiles and z of each posterior."""
    truth = ["truth"]
    for j, name in enumerate(THETA):
        known = case.truth.get(name)
        truth += [MISSING if known is None else f"{float(known) / SCALE[j]:.2f}", ""]
    rows = [tuple(truth)]
    for posterior in posteriors:
        cells = [posterior.label]
        for j in range(len(THETA)):
            s = posterior.summarise(case, j)
            cells += [f"{s.p16:.2f} / {s.p50:.2f} / {s.p84:.2f}", z_text(s.z)]
        rows.append(tuple(cells))
    return rows


def case_header() -> tuple[str, ...]:
    """Make the header of `case_rows`."""
    cells = [cell for label, unit in zip(LABELS, UNITS, strict=True) for cell in (f"{label} [{unit}]", "z")]
    return ("posterior", *cells)


def z_text(z: float | None) -> str:
    """Format a distance in sigmas; a dash if the truth is unknown."""
    return MISSING if z is None else f"{round(z, 1) + 0.0:+.1f}"


def quote_paper(case: Case) -> str:
    """Quote what the paper says about its posterior of a case, in a sentence."""
    stated = []
    for j, name in enumerate(THETA):
        said = case.paper.get(name)
        if said is not None:
            words = said if isinstance(said, str) else " / ".join(f"{float(v) / SCALE[j]:.2f}" for v in said)
            stated.append(f"{LABELS[j]} {words}")
    return f"Brooks et al.: {'; '.join(stated)}." if stated else "Brooks et al. quote no number for their posterior."
