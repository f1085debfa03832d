"""The results of a run, and their form as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from benchmarks.baselines.maf import Maf
from benchmarks.paper.evaluate import CaseResult, Evaluation
from benchmarks.paper.friction import FrictionFit
from benchmarks.paper.orbits import OrbitBand
from benchmarks.paper.predictive import PERCENTS, Prediction
from benchmarks.paper.shells import ShellResult
from mwlmc_data.plotting.skymap import SkyMap


@dataclass(frozen=True)
class EstimatorResult:
    """One trained estimator with its scores and its posteriors of the cases."""

    estimator: Maf
    evaluation: Evaluation
    cases: dict[str, CaseResult]

    def as_dict(self) -> dict[str, Any]:
        """Return numbers for a JSON file."""
        return {
            "name": self.estimator.title,
            "bounded": self.estimator.bounded,
            "weights": self.estimator.n_parameters,
            "epochs": len(self.estimator.history),
            "training_seconds": self.estimator.outcome.seconds,
            "history": self.estimator.history,
            "scores": self.evaluation.as_dict(),
            "cases": {name: result.as_dict() for name, result in self.cases.items()},
        }


@dataclass
class Outcome:
    """The results of a run.

    Attributes
    ----------
    config, seed, rows, settings, versions : provenance
        Set of simulations, seed, rows of each split, settings, versions of the software.
    entries : dict of str to EstimatorResult
        By name of the estimator; the first is the paper's, whose posteriors the rest is about.
    predictions : dict of str to dict
        Posterior predictive check of each case that has a posterior.
    at_truth : dict of str to dict
        The same with the quoted truth in place of posterior draws.
    shells : dict of str to list of ShellResult
        Each case in each shell of stars; without results where `at_truth` has too few simulations.
    bands : dict of str to OrbitBand
        Past orbits.
    sky : SkyMap, optional
        Map of the rigid case.
    apex : (float, float), optional
        Apex of the stars of `sky` [deg].
    friction : dict of str to FrictionFit
        From `friction.fit_gc19`; empty without the published orbit.
    arc : dict, optional
        What the short arc of the cosmological case says about friction.
    seconds : dict of str to float
        Time of each step.
    """

    config: str
    seed: int
    rows: dict[str, int]
    settings: dict[str, Any]
    versions: dict[str, str]
    entries: dict[str, EstimatorResult]
    predictions: dict[str, dict[str, Prediction]] = field(default_factory=dict)
    at_truth: dict[str, dict[str, Prediction]] = field(default_factory=dict)
    shells: dict[str, list[ShellResult]] = field(default_factory=dict)
    bands: dict[str, OrbitBand] = field(default_factory=dict)
    sky: SkyMap | None = None
    apex: tuple[float, float] | None = None
    friction: dict[str, FrictionFit] = field(default_factory=dict)
    arc: dict[str, float] | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def main(self) -> EstimatorResult:
        """The paper's estimator."""
        return next(iter(self.entries.values()))

    def as_dict(self) -> dict[str, Any]:
        """Return numbers for results.json."""
        return {
            "config": self.config,
            "seed": self.seed,
            "rows": self.rows,
            "settings": self.settings,
            "versions": self.versions,
            "estimators": {name: entry.as_dict() for name, entry in self.entries.items()},
            "check_predictions": {name: _predictions(p) for name, p in self.predictions.items()},
            "simulated_at_quoted_truth": {name: _predictions(p) for name, p in self.at_truth.items()},
            "shells": {name: [result.as_dict() for result in results] for name, results in self.shells.items()},
            "friction": {name: fit.as_dict() for name, fit in self.friction.items()},
            "short_arc": self.arc,
            "seconds": self.seconds,
        }


def _predictions(predictions: dict[str, Prediction]) -> dict[str, Any]:
    return {
        name: {
            "observed": p.observed,
            "n": len(p.draws),
            **{f"p{q:g}": float(v) for q, v in zip(PERCENTS, p.percentiles, strict=True)},
            "tail_probability": p.tail,
        }
        for name, p in predictions.items()
    }
