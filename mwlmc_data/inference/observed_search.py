"""The posterior given observed stars with errors: draws of the stars at a pivot, which moves to the posterior.

1. The prior is searched with draws of the stars from a simple halo, few of each.
2. The pivot is moved to what was found, the stars are drawn there, and the search goes on around it; four times for a
   few rounds, and then at each window of ln P.
3. Other draws give the error of the sum of ln L over the posterior before the windows; it decides how many of each
   star there are in them.
4. The draws of the posterior are weighed anew by sets of more draws of each star, independent of each other, as many
   sets as the error of the sum of ln L asks for (:mod:`~mwlmc_data.inference.reweighting`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.checkpoint import Checkpoint, Results
from mwlmc_data.inference.free_parameters import FreeParameters
from mwlmc_data.inference.importance import Exploration, choose_places
from mwlmc_data.inference.proposals import Proposal, compute_moments
from mwlmc_data.inference.reweighting import reweight
from mwlmc_data.inference.star_likelihood import StarLikelihood, evaluate_points
from mwlmc_data.inference.star_search import EFFECTIVE, Found, Log, StarSearch
from mwlmc_data.rewinding.marginal import StarDraws, draw_at_pivots, draw_simply
from mwlmc_data.rewinding.observed import ObservedStars
from mwlmc_data.rewinding.proposal import estimate_dispersion
from mwlmc_data.rewinding.selection import Selection
from mwlmc_data.simulator.parameters import Parameters

#: Draws of all stars of the first search, about, and the fewest of a star; draws of a star at a pivot, and the most.
_FIRST_DRAWS, _FEWEST_DRAWS = 4_096, 8
N_DRAWS, _MOST = 64, 512
#: Half-width of the windows of ln P, in standard deviations: over the wide posteriors a polynomial would not fit more,
#: and other draws at the next pivot move them by a part of their width; the fewest simulated stars for each.
_WIDTH, _FEWEST_SIMULATED = 6.0, 30_000
#: Rounds of the search of the prior and at the first pivots, which end before they have found the posterior: draws of
#: the stars at another place say little of it, and their noise makes it many narrow ones.
_FIRST_ROUNDS, _ROUNDS = 16, 8
#: Parts of the proposals of searches after the first: the posteriors are wide and curved.
_N_PARTS = 4
#: Times that the pivot moves before ln P is computed, and draws of a star there.
_MOVES, _MOVING_DRAWS = 4, 32
#: Parameters around the pivot at which the draws are calibrated too, for each dimension: draws of the posterior found
#: so far. On its axes they leave more noise, and many more of them fit the noise.
_AROUND = 2
#: Factor on the covariance of the posterior found so far, for the first points at a new pivot; their number for each
#: dimension.
_WIDER, _FIRST = 2.0, 48
#: Floor of that covariance, in units of the prior's.
_NARROWEST = 1e-8
#: Largest error of the sum of ln L over the posterior [nats], and draws of a star in each set of those that reach it.
MAX_ERROR, SET_DRAWS = 0.3, 256
#: The same while the posterior is searched, and the points at which it is measured: with more noise it is another one
#: at each pivot.
_SEARCHED_ERROR, _CHECKED = 0.8, 48
#: Effective draws of the search for each effective draw that is wanted.
_SPARE = 2
#: Stars that are drawn together; points that are evaluated together, and those after which they are kept.
_BLOCK, _CHUNK, _SOME = 128, 8, 64


class ObservedSearch(StarSearch):
    """Searches the posterior of observed stars.

    Parameters
    ----------
    likelihood : StarLikelihood
        Of draws of the stars (`draw_first`).
    stars : ObservedStars
        The stars.
    selection, n_total, seed, checkpoint, log, selection_error
        As for `StarSearch`.

    Attributes
    ----------
    n_draws : int
        Draws of each star at the pivot, and in all sets together in the end.
    """

    def __init__(
        self,
        likelihood: StarLikelihood,
        stars: ObservedStars,
        selection: Selection,
        n_total: int | None,
        seed: int,
        checkpoint: Checkpoint,
        log: Log,
        selection_error: float,
    ) -> None:
        super().__init__(likelihood, selection, n_total, seed, checkpoint, log, selection_error)
        self._stars, self._relative_errors = stars, stars.e_distance
        self._widths, self._fewest, self._n_parts = (_WIDTH, _WIDTH), _FEWEST_SIMULATED, _N_PARTS
        self._dispersion = estimate_dispersion(stars)
        self._pivot: Parameters | None = None
        self._around: list[Parameters] = []
        self._n_moves = 0
        self.n_draws: int = N_DRAWS

    def _search_prior(self, exploration: Exploration) -> None:
        exploration.search(self._value, EFFECTIVE * exploration.d, most_rounds=_FIRST_ROUNDS)

    def _approach(self, exploration: Exploration) -> Exploration:
        self.n_draws = _MOVING_DRAWS
        for _ in range(_MOVES):
            exploration = self._move(exploration)
            exploration.search(self._value, EFFECTIVE * exploration.d, _N_PARTS, _ROUNDS)
            self._refuse_impossible(exploration)
        self.n_draws = N_DRAWS
        exploration = self._move(exploration)
        weights = exploration.search(self._value, EFFECTIVE * exploration.d, _N_PARTS, _ROUNDS)
        error = self._measure_error(exploration.points, weights)
        while error > _SEARCHED_ERROR and self.n_draws < _MOST:
            self.n_draws, error = 2 * self.n_draws, error / math.sqrt(2.0)
        return super()._approach(exploration)

    def _move(self, exploration: Exploration) -> Exploration:
        """Draw the stars at the mean of what was found, and begin a search around it."""
        mean, covariance = exploration.mean, exploration.covariance
        self._n_moves += 1
        seed = (self._seed, 6, self._n_moves)
        self._place_pivot(mean, covariance, seed)
        self._likelihood.replace(self._draw_stars(self.n_draws, seed))
        self._sums, self._impossible = np.empty(0), np.empty(0, np.int64)
        moved = Exploration(exploration.d, np.random.default_rng((*seed, 1)))
        spread = _WIDER * covariance + _NARROWEST * np.eye(exploration.d)
        moved.extend(_FIRST * exploration.d, Proposal(mean, spread))
        moved.mean, moved.covariance = mean, covariance
        return moved

    def _place_pivot(self, mean: Float64Array, covariance: Float64Array, seed: tuple[int, ...]) -> None:
        self._log("draws", 0)
        self._pivot = self._likelihood.parameters.build(mean)
        self._around = _choose_around(self._likelihood.parameters, mean, covariance, (*seed, 3))

    def _draw_stars(self, k: int, seed: tuple[int, ...]) -> StarDraws:
        """Draws of all stars at the pivot."""
        pivot, around = self._pivot, self._around
        if pivot is None:
            raise RuntimeError("there is no pivot")
        blocks = [self._stars[i : i + _BLOCK] for i in range(0, len(self._stars), _BLOCK)]
        jobs = [(block, [pivot, *around], self._dispersion, k, (*seed, 2, i)) for i, block in enumerate(blocks)]

        def compute() -> Results:
            return StarDraws.join(list(self._likelihood.apply(_draw_block, jobs))).to_arrays()

        return StarDraws(**self._checkpoint.get(compute))

    def _finish(self, exploration: Exploration, n_effective: int, max_evaluations: int) -> Found:
        self._determine(exploration)
        found = self._draw(exploration, _SPARE * n_effective, max_evaluations)
        return self._improve(found, n_effective, max_evaluations)

    def _improve(self, found: Found, n_effective: int, max_evaluations: int) -> Found:
        """Weigh draws of the posterior by sets of more draws of the stars, until their error is small enough."""
        self._stage = "improve"
        seed = (self._seed, 12)
        self._place_pivot(*compute_moments(found.points, found.weights), seed)
        sets: list[StarDraws] = []

        def estimate(i: int, places: NDArray[np.intp]) -> Float64Array:
            if i == len(sets):
                sets.append(self._draw_stars(SET_DRAWS, (*seed, i)))
            self._likelihood.replace(sets[i])
            parts = [self._evaluate(found.points[places[j : j + _SOME]]) for j in range(0, len(places), _SOME)]
            return np.concatenate([np.where(impossible > 0, -np.inf, sums) for sums, impossible in parts])

        better = reweight(
            found.weights, found.sums, estimate, n_effective, MAX_ERROR, np.random.default_rng((*seed, 4)),
            lambda: self.n_evaluations < max_evaluations,
        )  # fmt: skip
        self.n_draws = SET_DRAWS * better.n_estimates
        points, weights = found.points[better.places], better.weights
        integrals = sum(float((1.0 / draws.effective).sum()) for draws in sets)
        parts = {
            **found.error_parts,
            "sampling": math.hypot(found.error_parts["sampling"], better.sampling),
            "selection": self._estimate_error(points, weights)[0],
            "draws": better.error,
            "integrals": math.sqrt(integrals) / len(sets),
        }
        return replace(
            found,
            points=points,
            weights=weights,
            sums=better.sums,
            log_evidence=found.log_evidence + better.log_factor,
            edge=self._measure_edge(points, weights),
            error_parts=parts,
            n_evaluations=self.n_evaluations,
        )

    def _measure_error(self, points: Float64Array, weights: Float64Array) -> float:
        """Error of the sum of ln L over the posterior, up to a constant, from as many other draws of the stars."""
        rng = np.random.default_rng((self._seed, 7, self._n_moves))
        chosen = points[choose_places(weights, _CHECKED, rng)]
        other = self._draw_stars(self.n_draws, (self._seed, 8, self._n_moves))

        def compute() -> Results:
            jobs = [(other, self._likelihood.parameters, chosen[i : i + _CHUNK]) for i in range(0, _CHECKED, _CHUNK)]
            parts = self._likelihood.apply(_evaluate_block, jobs)
            return {"difference": self._likelihood.evaluate(chosen)[0] - np.concatenate(list(parts))}

        return float(np.std(self._checkpoint.get(compute)["difference"])) / math.sqrt(2.0)


def draw_first(stars: ObservedStars, seed: int) -> StarDraws:
    """Draws of the stars for the search of the prior."""
    k = 2 ** math.ceil(math.log2(max(_FIRST_DRAWS / len(stars), _FEWEST_DRAWS)))
    return draw_simply(stars, estimate_dispersion(stars), min(k, N_DRAWS), (seed, 9))


def _choose_around(
    parameters: FreeParameters, mean: Float64Array, covariance: Float64Array, seed: tuple[int, ...]
) -> list[Parameters]:
    """Parameters around the mean of a posterior, as its covariance scatters them."""
    values, axes = np.linalg.eigh(covariance)
    normal = np.random.default_rng(seed).standard_normal((_AROUND * len(mean), len(mean)))
    found = []
    for point in mean + (normal * np.sqrt(np.maximum(values, 0.0))) @ axes.T:
        try:
            found.append(parameters.build(point))
        except ValueError:  # masses that exclude each other
            continue
    return found


def _draw_block(
    job: tuple[ObservedStars, Sequence[Parameters], float, int, tuple[int, ...]],
) -> StarDraws:
    return draw_at_pivots(*job)


def _evaluate_block(job: tuple[StarDraws, FreeParameters, Float64Array]) -> Float64Array:
    return evaluate_points(*job)[0]
