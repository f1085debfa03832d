"""Score a trained estimator on the test split, and compare it with the validation cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.base import Baseline
from benchmarks.common.features import DATA, LABELS, SCALE, THETA, UNITS, ScaledPrior
from benchmarks.common.sets import SimulationSet
from mwlmc_data import scoring

if TYPE_CHECKING:
    from mwlmc_data.validation import Case


@dataclass(frozen=True)
class Evaluation:
    """Scores on the test split.

    Attributes
    ----------
    n_test, n_draws, n_incomplete : int
        Number of observations, of draws for each, and of observations with incomplete draws.
    log_score : LogScore
        Negative log posterior of the truth, with the prior as the level of no information.
    tarp_valid, tarp_paper : Tarp
        The same curve by the valid definition and by the paper's.
    ranks : RankCalibration
        Per parameter.
    coverage : dict of str to (fractions, errors)
        Coverage of the central intervals "68" and "95", per parameter.
    contraction : ndarray, shape (3,)
        Mean, per parameter.
    acceptance : ndarray, shape (n_test,)
        Mass inside the prior's support.
    """

    n_test: int
    n_draws: int
    n_incomplete: int
    log_score: scoring.LogScore
    tarp_valid: scoring.Tarp
    tarp_paper: scoring.Tarp
    ranks: scoring.RankCalibration
    coverage: dict[str, tuple[NDArray, NDArray]]
    contraction: NDArray
    acceptance: NDArray

    def list_misses(self, level: float = 0.002) -> list[str]:
        """List in sentences the parameters whose truths do not have uniform ranks.

        The level is that of one test; for all six tests of a run it is about 1%.
        """
        sentences = []
        fractions, errors = self.coverage["68"]
        for j, label in enumerate(LABELS):
            if self.ranks.ks_pvalue[j] >= level and self.ranks.chi2_pvalue[j] >= level:
                continue
            off = (fractions[j] - 0.68) / errors[j]
            verdict = "too narrow" if off < -3 else "too wide" if off > 3 else "biased or misshapen"
            sentences.append(
                f"the posterior of {label} is {verdict}: its 68% intervals hold {100 * fractions[j]:.0f}% "
                f"of the truths, ranks KS p = {self.ranks.ks_pvalue[j]:.2g}, "
                f"χ² p = {self.ranks.chi2_pvalue[j]:.2g}."
            )
        return sentences

    def as_dict(self) -> dict[str, Any]:
        """Return numbers for a JSON file."""
        score = self.log_score
        return {
            "n_test": self.n_test,
            "n_draws": self.n_draws,
            "n_incomplete": self.n_incomplete,
            "negative_log_posterior": {
                "mean": score.mean,
                "error": score.error,
                "prior": score.baseline,
                "gain_over_prior": score.gain,
                "gain_error": score.gain_error,
                "unit": "nats, density per (1e10 Msun x 1e11 Msun x dex)",
            },
            "tarp": {
                "area_paper": self.tarp_paper.area,
                "ks_pvalue_paper": self.tarp_paper.ks_pvalue,
                "area": self.tarp_valid.area,
                "ks_pvalue": self.tarp_valid.ks_pvalue,
            },
            "ranks": {
                name: {
                    "ks": float(self.ranks.ks[j]),
                    "ks_pvalue": float(self.ranks.ks_pvalue[j]),
                    "chi2_pvalue": float(self.ranks.chi2_pvalue[j]),
                    "histogram": self.ranks.histogram[j].tolist(),
                }
                for j, name in enumerate(THETA)
            },
            "coverage": {
                level: {name: float(value[0][j]) for j, name in enumerate(THETA)}
                for level, value in self.coverage.items()
            },
            "contraction": {name: float(self.contraction[j]) for j, name in enumerate(THETA)},
            "leakage": {
                "mean": float(1.0 - self.acceptance.mean()),
                "largest": float(1.0 - self.acceptance.min()),
            },
        }


def evaluate(estimator: Baseline, problem: SimulationSet, n_draws: int, seed: int = 0) -> Evaluation:
    """Score on the test split.

    Parameters
    ----------
    estimator : Baseline
        Trained.
    problem : SimulationSet
        Source of the test split.
    n_draws : int
        Posterior draws for each test row.
    seed : int
        Seed of the draws, the reference points and the randomised ranks.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        If no row has complete draws, or a truth has density zero.
    """
    x, truth, prior = problem.test.x, problem.test.theta / SCALE, ScaledPrior(problem.config)
    draws = estimator.sample(x, n_draws, seed)
    log_prob = estimator.log_prob(problem.test.theta, x, draws.acceptance) + np.log(SCALE).sum()
    done = draws.complete
    if not done.any():
        raise ValueError(f"test rows with complete draws = 0 of {len(x)}: allowed is 1 or more")
    samples, known = draws.theta[done] / SCALE, truth[done]
    return Evaluation(
        n_test=len(truth),
        n_draws=n_draws,
        n_incomplete=int((~done).sum()),
        log_score=scoring.negative_log_posterior(log_prob, prior.log_prob(truth)),
        tarp_valid=scoring.tarp(samples, known, seed=seed),
        tarp_paper=scoring.tarp(samples, known, mode="paper", seed=seed),
        ranks=scoring.rank_calibration(samples, known, seed=seed),
        coverage={f"{100 * p:.0f}": scoring.interval_coverage(samples, known, p) for p in (0.68, 0.95)},
        contraction=scoring.contraction(samples, prior.variance),
        acceptance=draws.acceptance,
    )


@dataclass(frozen=True)
class CaseResult:
    """The posterior of one validation case.

    Attributes
    ----------
    case : Case
        The observation and the truth.
    draws : ndarray, shape (n, 3)
        Scaled parameters; empty if the estimator has too little mass inside the support to draw from.
    acceptance : float
        Mass inside the prior's support.
    summaries : dict of str to PosteriorSummary
        Per parameter in scaled units; empty if there are no draws.
    """

    case: Case
    draws: NDArray
    acceptance: float
    summaries: dict[str, scoring.PosteriorSummary]

    def list_misses(self) -> list[str]:
        """List in sentences where the truth lies outside the intervals."""
        if not self.summaries:
            share = f"{100 * self.acceptance:.2g}%"
            return [f"no posterior: only {share} of the estimator's mass lies inside the prior's support."]
        sentences = []
        for j, (name, summary) in enumerate(self.summaries.items()):
            if summary.truth is None or summary.inside68:
                continue
            level, low, high = "68%", summary.p16, summary.p84
            if not summary.inside95:
                level, low, high = "95%", summary.p2_5, summary.p97_5
            sentences.append(
                f"{LABELS[j]} = {with_unit(summary.truth, j)} lies outside our {level} interval, "
                f"{low:.3g} to {high:.3g} (z = {summary.z:+.1f}); {_quote_paper(self.case, name, summary.truth)}"
            )
        return sentences

    def as_dict(self) -> dict[str, Any]:
        """Return numbers for a JSON file, parameters in the units of the catalogue."""
        out: dict[str, Any] = {
            "kind": self.case.kind,
            "extrapolates": bool(self.case.extrapolates),
            "in_support_sigmas": {k: float(v) for k, v in self.case.in_support.items()},
            "leakage": 1.0 - self.acceptance,
            "posterior": {},
            "misses": self.list_misses(),
        }
        for j, (name, s) in enumerate(self.summaries.items()):
            scaled = {k: getattr(s, k) * SCALE[j] for k in ("p2_5", "p16", "p50", "p84", "p97_5", "mean", "std")}
            truth = None if s.truth is None else s.truth * SCALE[j]
            out["posterior"][name] = {**scaled, "truth": truth, "z": s.z, "quantile": s.quantile}
        return out


def infer_case(estimator: Baseline, case: Case, n_draws: int, seed: int = 0) -> CaseResult:
    """Draw the posterior of one case and compare it with the truth.

    Parameters
    ----------
    estimator : Baseline
        Trained.
    case : Case
        Its `observation` has the columns of `features.DATA`.
    n_draws : int
        Posterior draws.
    seed : int
        Seed of the draws.

    Returns
    -------
    CaseResult
    """
    drawn = estimator.sample(np.array([[case.observation[name] for name in DATA]]), n_draws, seed)
    acceptance = float(drawn.acceptance[0])
    if not drawn.complete[0]:
        return CaseResult(case, np.empty((0, len(THETA))), acceptance, {})
    draws = drawn.theta[0] / SCALE
    summaries = {}
    for j, name in enumerate(THETA):
        truth = case.truth.get(name)
        scaled = None if truth is None else float(truth) / SCALE[j]
        summaries[name] = scoring.summarise_posterior(draws[:, j], scaled)
    return CaseResult(case, draws, acceptance, summaries)


def quote_interval(case: Case, name: str) -> tuple[float, float, float] | None:
    """Return the 16th, 50th and 84th percentile that the paper quotes, in scaled units; None without numbers."""
    quoted: Mapping[str, Any] = case.paper or {}
    value = quoted.get(name)
    if value is None or isinstance(value, str) or len(value) != 3:
        return None
    p16, p50, p84 = (float(v) / SCALE[THETA.index(name)] for v in value)
    return p16, p50, p84


def _quote_paper(case: Case, name: str, truth: float) -> str:
    """End the sentence with what the paper says about this parameter."""
    quoted, said = quote_interval(case, name), (case.paper or {}).get(name)
    if quoted is not None:
        verb = "recovers" if quoted[0] <= truth <= quoted[2] else "misses"
        return f"the paper's 68% interval {verb} it ({quoted[0]:.3g} to {quoted[2]:.3g})."
    return f"the paper: {said}." if isinstance(said, str) else "the paper quotes no number to compare with."


def with_unit(value: float, j: int) -> str:
    """Format a scaled value of parameter j with its unit."""
    times = "× " if UNITS[j].startswith("10") else ""
    return f"{value:.3g} {times}{UNITS[j]}"
