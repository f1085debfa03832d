"""Simulations for the paper's figures: predictive check, past orbits, map of the sky, friction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.paper.friction import FrictionFit
from benchmarks.paper.orbits import OrbitBand, rewind_draws
from benchmarks.paper.predictive import Prediction, check_predictions, map_sky, tabulate_draws, tabulate_quoted
from benchmarks.suite.report.posteriors import CasePosterior
from mwlmc_data.plotting.skymap import SkyMap
from mwlmc_data.validation import Case

CONFIG = "gaussian"
SEED = 0


@dataclass(frozen=True)
class Amount:
    """How much to simulate.

    Attributes
    ----------
    predictive, at_truth : int
        Simulations of each case, from posterior draws and at the quoted parameters.
    orbits : int
        Orbits of each case.
    sky : int
        Haloes pooled for the map.
    """

    predictive: int = 300
    at_truth: int = 150
    orbits: int = 100
    sky: int = 40


@dataclass
class Remade:
    """Results of the simulations.

    Attributes
    ----------
    source : dict of str to str
        Whose posterior of each case is used.
    predictions, at_truth : dict of str to dict of str to Prediction
        By case: from posterior draws, and from the quoted parameters.
    bands : dict of str to OrbitBand
        Past orbits by case.
    sky : SkyMap, optional
        Map of the rigid case.
    apex : (float, float), optional
        Apex of its stars [deg].
    friction : dict of str to FrictionFit
        Fits to the published orbit; empty without it.
    """

    source: dict[str, str] = field(default_factory=dict)
    predictions: dict[str, dict[str, Prediction]] = field(default_factory=dict)
    at_truth: dict[str, dict[str, Prediction]] = field(default_factory=dict)
    bands: dict[str, OrbitBand] = field(default_factory=dict)
    sky: SkyMap | None = None
    apex: tuple[float, float] | None = None
    friction: dict[str, FrictionFit] = field(default_factory=dict)


def remake(
    cases: Mapping[str, Case], posteriors: Mapping[str, CasePosterior], amount: Amount, orbits: Path | None
) -> Remade:
    """Run the simulator on posterior draws and at quoted parameters, and rewind orbits.

    Parameters
    ----------
    cases : mapping of str to Case
    posteriors : mapping of str to CasePosterior
        One for each case that has any.
    amount : Amount
    orbits : Path or None
        Folder of published orbits.

    Returns
    -------
    Remade
    """
    found = Remade({name: posterior.label for name, posterior in posteriors.items()})
    for name, posterior in posteriors.items():
        case = cases[name]
        draws = posterior.draws[_spread(len(posterior.draws), amount.predictive)]
        table = tabulate_draws(draws, case.observation, CONFIG, SEED)
        found.predictions[name] = check_predictions(table, case.observation, seed=SEED)
        some = posterior.draws[_spread(len(posterior.draws), amount.orbits)]
        found.bands[name] = rewind_draws(some, case, CONFIG, SEED)
        table = tabulate_quoted(case, amount.at_truth, CONFIG, SEED)
        found.at_truth[name] = check_predictions(table, case.observation, seed=SEED)
    if "rigid" in found.bands:
        found.sky, found.apex = map_sky(cases["rigid"], amount.sky, CONFIG, SEED)
    if found.bands:
        found.friction = _friction(orbits)
    return found


def _spread(n: int, wanted: int) -> np.ndarray:
    return np.unique(np.linspace(0, n - 1, min(n, wanted)).astype(int))


def _friction(orbits: Path | None) -> dict[str, FrictionFit]:
    from benchmarks.paper.friction import fit_gc19
    from benchmarks.paper.published import GC19_FILE

    if orbits is None or not (orbits / GC19_FILE).is_file():
        return {}
    return fit_gc19(orbits / GC19_FILE)
