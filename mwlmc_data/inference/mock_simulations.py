"""Simulated surveys with parameters drawn from the prior, and the moments of each: what `infer_stars` learns from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import ndtr

from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.schema import LMC_VECTOR
from mwlmc_data.display import Displayed
from mwlmc_data.inference.checkpoint import Checkpoint, Results
from mwlmc_data.inference.free_parameters import FreeParameters
from mwlmc_data.inference.present_day import PresentDay
from mwlmc_data.rewinding.observed import ObservedStars
from mwlmc_data.rewinding.selection import Selection
from mwlmc_data.rewinding.simulated import draw_blocks
from mwlmc_data.rewinding.survey import simulate_survey
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.reflex import REFLEX_NAMES
from mwlmc_data.surveys.contamination import Component
from mwlmc_data.surveys.mock import count_others, observe_like, observe_others
from mwlmc_data.surveys.moments import measure_moments
from mwlmc_data.workers import can_travel, start_pool

#: Mocks of a batch, which is what a file keeps.
BATCH = 50
#: Simulated stars for each observed one, at least and at most in all, from which those like the observed are chosen.
_FOR_EACH, _LEAST, _MOST = 60, 20_000, 400_000
#: Part of the mocks that may fail before the run is given up.
_MAX_FAILED = 0.1


@dataclass(frozen=True, eq=False, repr=False)
class Mocks(Displayed):
    """Simulated surveys.

    Attributes
    ----------
    scores : ndarray, shape (n, d)
        Scores of what is drawn.
    moments : ndarray, shape (n, 9)
        Of each mock, as `mwlmc_data.surveys.Moments.values`; all NaN where it could not be made.
    """

    scores: Float64Array
    moments: Float64Array


@dataclass(frozen=True, eq=False, repr=False)
class MockRecipe(Displayed):
    """How a survey is simulated.

    Attributes
    ----------
    stars : ObservedStars
        The observed stars.
    selection : Selection or None
        What is observed; None if each mock has the sky and the distances of `stars`.
    parameters : FreeParameters
        Those that are drawn, and the values of the others.
    place : PresentDay or None
        The LMC's, drawn within its errors; None if it is among the free parameters.
    seed : int
        Of all draws.
    n_simulated : int
        Stars of each halo, from which those like the observed are chosen; with a selection as many as it needs.
    components : tuple of Component
        Other populations, whose parts of the stars are drawn too where they are not known.
    """

    stars: ObservedStars
    selection: Selection | None
    parameters: FreeParameters
    place: PresentDay | None
    seed: int
    n_simulated: int
    components: tuple[Component, ...] = ()

    @property
    def unknown(self) -> tuple[Component, ...]:
        """Components whose part is not known."""
        return tuple(each for each in self.components if not each.is_known)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of what is drawn, in the order of the scores."""
        return (*self.parameters.free, *(each.parameter for each in self.unknown))

    def convert(self, scores: Float64Array) -> dict[str, Float64Array]:
        """What is drawn (n,), by name, from normal scores (n, d)."""
        found = self.parameters.convert(scores)
        for i, each in enumerate(self.unknown, len(self.parameters.free)):
            found[each.parameter] = each.quantile(ndtr(scores[:, i]))
        return found

    def simulate(self, i: int) -> tuple[Float64Array, Float64Array]:
        """Scores (d,) and moments (9,) of the mock with this number."""
        rng = np.random.default_rng((self.seed, 20, i))
        score = rng.standard_normal(len(self.names))
        lmc = None if self.place is None else self.place.draw(1, rng)[0]
        drawn = self.convert(score[None])
        parts = [each.low if each.is_known else float(drawn[each.parameter][0]) for each in self.components]
        try:
            seen = self._observe(self._build(score, lmc), i, rng, parts)
            return score, measure_moments(seen).values
        except (ValueError, RuntimeError):
            return score, np.full(len(REFLEX_NAMES), np.nan)

    def _build(self, score: Float64Array, lmc: Float64Array | None) -> Parameters:
        values = {name: float(value[0]) for name, value in self.parameters.convert(score[None]).items()}
        held: dict[str, Any] = dict(self.parameters.held)
        if lmc is not None:
            held |= dict(zip(LMC_VECTOR, lmc.tolist(), strict=True))
        return Parameters(**{**held, **values})

    def _observe(
        self, parameters: Parameters, i: int, rng: np.random.Generator, parts: Sequence[float] = ()
    ) -> ObservedStars:
        others = [each.stars for each in self.components]
        if self.selection is None:
            blocks = draw_blocks(parameters, self.n_simulated, rng, outskirts=False)
            stars = np.concatenate(list(blocks)).astype(float)
            return observe_like(stars, self.stars, rng, others, parts)[0]
        counts = count_others(len(self.stars), parts, rng)
        seen = simulate_survey(parameters, self.selection, self.stars, len(self.stars), (self.seed, 21, i))
        while len(seen) < len(self.stars):
            more = simulate_survey(
                parameters, self.selection, self.stars, len(self.stars), (self.seed, 22, i, len(seen))
            )
            seen = ObservedStars.from_array(np.concatenate([seen.to_array(), more.to_array()]))
        kept = seen[rng.choice(len(seen), len(self.stars) - sum(counts), replace=False)].to_array()
        return ObservedStars.from_array(
            np.concatenate([kept, *observe_others(others, counts, self.selection, self.stars, rng)])
        )


def count_simulated(n_stars: int) -> int:
    """Stars of a halo from which so many like the observed are chosen."""
    return int(np.clip(_FOR_EACH * n_stars, _LEAST, _MOST))


def simulate_mocks(
    recipe: MockRecipe, n: int, processes: int, checkpoint: Checkpoint, advance: Callable[[str, int], None]
) -> Mocks:
    """Simulate n mocks; those that a file holds are not simulated again.

    Parameters
    ----------
    recipe : MockRecipe
    n : int
        Number of mocks.
    processes : int
        Number of processes; 0 or 1 for this one alone.
    checkpoint : Checkpoint
        Keeps them.
    advance : callable
        Told the stage, and how many mocks more are done.

    Returns
    -------
    Mocks

    Raises
    ------
    RuntimeError
        If more than a tenth of them cannot be made.
    """
    batches = [range(i, min(i + BATCH, n)) for i in range(0, n, BATCH)]
    parts = []
    for results in _run(recipe, batches, processes, checkpoint):
        parts.append(results)
        advance("simulating", len(results["scores"]))
    mocks = Mocks(*(np.concatenate([part[name] for part in parts]) for name in ("scores", "moments")))
    failed = float(np.isnan(mocks.moments).all(axis=1).mean())
    if failed > _MAX_FAILED:
        raise RuntimeError(f"{failed:.0%} of {n} simulated surveys cannot be made or fitted")
    return mocks


def _run(recipe: MockRecipe, batches: list[range], processes: int, checkpoint: Checkpoint) -> Iterator[Results]:
    if processes <= 1 or not can_travel(recipe):
        for batch in batches:
            yield checkpoint.get(partial(_simulate_batch, recipe, batch))
        return
    # a process takes a part of each batch, so that a batch is complete when it is kept
    with start_pool(processes) as pool:
        for batch in batches:
            yield checkpoint.get(partial(_simulate_shared, pool, recipe, batch, processes))


def _simulate_shared(pool: Any, recipe: MockRecipe, numbers: range, processes: int) -> Results:
    parts = [numbers[k::processes] for k in range(processes)]
    found = list(pool.map(_simulate_batch, [recipe] * processes, parts))
    order = np.argsort(np.concatenate([np.array(part) for part in parts]))
    return {name: np.concatenate([each[name] for each in found])[order] for name in found[0]}


def _simulate_batch(recipe: MockRecipe, numbers: range) -> Results:
    pairs = [recipe.simulate(i) for i in numbers]
    return {"scores": np.stack([score for score, _ in pairs]), "moments": np.stack([moments for _, moments in pairs])}
