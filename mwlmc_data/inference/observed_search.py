"""The posterior given observed stars with errors: draws of the stars at a pivot, which moves to the posterior.

1. The prior is searched with draws of the stars from a simple halo, few of each.
2. The pivot is moved to what was found, the stars are drawn there, and the search goes on around it; four times for a
   few rounds, and then at each window of ln P.
3. Before each window other draws give the error of the sum of ln L over the posterior found so far; it decides how
   many of each star there are in it.
4. The draws of the posterior are weighed anew by sets of more draws of each star, independent of each other, as many
   sets as the error of the sum of ln L asks for (:mod:`~mwlmc_data.inference.reweighting`), and by ln P computed at
   each of them in place of the windows' polynomial (:mod:`~mwlmc_data.rewinding.pass_mixture`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.checkpoint import Checkpoint, Results
from mwlmc_data.inference.free_parameters import FreeParameters
from mwlmc_data.inference.importance import Exploration, choose_places
from mwlmc_data.inference.proposals import Proposal, compute_moments
from mwlmc_data.inference.reweighting import reweight
from mwlmc_data.inference.star_likelihood import StarLikelihood, evaluate_points
from mwlmc_data.inference.star_search import EFFECTIVE, LAST_EFFECTIVE, Found, Log, StarSearch
from mwlmc_data.rewinding.likelihood import add_selection
from mwlmc_data.rewinding.marginal import StarDraws, draw_at_pivots, draw_simply
from mwlmc_data.rewinding.observed import ObservedStars
from mwlmc_data.rewinding.pass_mixture import PassMixture, draw_mixture
from mwlmc_data.rewinding.probability import N_PARTS, estimate_noise
from mwlmc_data.rewinding.proposal import estimate_dispersion
from mwlmc_data.rewinding.selection import Selection
from mwlmc_data.simulator.parameters import Parameters

#: Draws of all stars of the first search, about, and the fewest of a star; draws of a star at a pivot, and the most.
_FIRST_DRAWS, _FEWEST_DRAWS = 4_096, 8
N_DRAWS, _MOST = 64, 512
#: Half-width of the windows of ln P, in standard deviations: over the wide posteriors a polynomial would not fit more,
#: and other draws at the next pivot move them by a part of their width; the fewest simulated stars for each, and the
#: number of its points, in the least.
_WIDTH, _FEWEST_SIMULATED, _DENSER = 6.0, 30_000, 2
#: Rounds of the search of the prior and at the first pivots, which end before they have found the posterior: draws of
#: the stars at another place say little of it, and their noise makes it many narrow ones.
_FIRST_ROUNDS, _ROUNDS = 16, 8
#: Parts of the proposals of searches after the first: the posteriors are wide and curved.
_N_PARTS = 4
#: Times that the pivot moves before ln P is computed, and draws of a star there.
_MOVES, _MOVING_DRAWS = 4, 32
#: Parameters around the pivot at which the draws are calibrated too, for each dimension: draws of the posterior found
#: so far, widened while it is searched. On its axes they leave more noise, and many more of them fit the noise. Which
#: of the parameters is spread over the prior at first.
_AROUND = 2
_ANISOTROPY = "beta0"
#: Factor on the covariance of the posterior found so far, for what is around a pivot while the posterior is searched
#: and for the first points there; their number for each dimension.
_WIDER, _FIRST = 2.0, 48
#: Floor of that covariance, in units of the prior's.
_NARROWEST = 1e-8
#: Largest error of the sum of ln L over the posterior [nats], and draws of a star in each set of those that reach it.
MAX_ERROR, SET_DRAWS = 0.3, 64
#: The same while the posterior is searched, and the points at which it is measured: with more noise it is another one
#: at each pivot.
_SEARCHED_ERROR, _CHECKED = 0.8, 48
#: Effective draws of the search for each effective draw that is wanted.
_SPARE = 2
#: Draws of the posterior at which stars are simulated for ln P at each draw; these stars for each star of the data and
#: an error of 1 nat, and the fewest and the most of them.
_COMPONENTS, _FOR_EACH, _FEWEST_STARS, _MOST_STARS = 24, 45.0, 60_000, 300_000
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
        self._widths, self._fewest, self._denser = (_WIDTH, _WIDTH), _FEWEST_SIMULATED, _DENSER
        self._n_parts = _N_PARTS
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
        exploration.search(self._value, EFFECTIVE * exploration.d, _N_PARTS, _ROUNDS)
        return super()._approach(exploration)

    def _move(self, exploration: Exploration) -> Exploration:
        """Draw the stars at the mean of what was found, more if they were noisy, and begin a search around it."""
        if self._window is not None:
            error = self._measure_error(exploration.points, exploration.weights)
            while error > _SEARCHED_ERROR and self.n_draws < _MOST:
                self.n_draws, error = 2 * self.n_draws, error / math.sqrt(2.0)
        mean, covariance = exploration.mean, exploration.covariance
        self._n_moves += 1
        seed = (self._seed, 6, self._n_moves)
        spread = _WIDER * covariance + _NARROWEST * np.eye(exploration.d)
        self._place_pivot(mean, spread, seed)
        self._likelihood.replace(self._draw_stars(self.n_draws, seed))
        self._sums, self._impossible = np.empty(0), np.empty(0, np.int64)
        moved = Exploration(exploration.d, np.random.default_rng((*seed, 1)))
        moved.extend(_FIRST * exploration.d, Proposal(mean, spread))
        moved.mean, moved.covariance = mean, covariance
        return moved

    def _place_pivot(self, mean: Float64Array, covariance: Float64Array, seed: tuple[int, ...]) -> None:
        self._log("draws", 0)
        self._pivot = self._likelihood.parameters.build(mean)
        is_approaching = self._window is None
        self._around = choose_around(self._likelihood.parameters, mean, covariance, (*seed, 3), is_approaching)

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
        exploration.search(self._value, LAST_EFFECTIVE * exploration.d, _N_PARTS)
        found = self._draw(exploration, _SPARE * n_effective, max_evaluations)
        return self._improve(found, n_effective, max_evaluations)

    def _improve(self, found: Found, n_effective: int, max_evaluations: int) -> Found:
        """Weigh draws of the posterior by more draws of the stars, until their error is small, and by their ln P."""
        self._stage = "improve"
        seed = (self._seed, 12)
        mixture = self._draw_mixture(found, (*seed, 5))
        log_p = np.full((1 + N_PARTS, len(found.points)), np.nan)
        fitted = self._fitted.evaluate(self._compute_coordinates(found.points))
        of_fit = add_selection(np.zeros(1), fitted, *self._given)
        self._place_pivot(*compute_moments(found.points, found.weights), seed)
        sets: list[StarDraws] = []

        def change(places: NDArray[np.intp]) -> Float64Array:
            for missing in _cut(places[np.isnan(log_p[0, places])]):
                log_p[:, missing] = self._evaluate_mixture(mixture, found.points[missing])
            return add_selection(np.zeros(1), log_p[0, places], *self._given) - of_fit[places]

        def estimate(i: int, places: NDArray[np.intp]) -> Float64Array:
            if i == len(sets):
                sets.append(self._draw_stars(SET_DRAWS, (*seed, i)))
            self._likelihood.replace(sets[i])
            parts = [self._evaluate(found.points[some]) for some in _cut(places)]
            sums = np.concatenate([np.where(impossible > 0, -np.inf, sums) for sums, impossible in parts])
            return sums + change(places)

        better = reweight(
            found.weights, found.sums, estimate, n_effective, MAX_ERROR, np.random.default_rng((*seed, 4)),
            lambda n: self.n_evaluations + n <= max_evaluations,
        )  # fmt: skip
        self.n_draws = SET_DRAWS * better.n_estimates
        points, weights = found.points[better.places], better.weights
        integrals = sum(float((1.0 / draws.effective).sum()) for draws in sets)
        parts = {
            **found.error_parts,
            "sampling": better.sampling,
            "selection": self._n * estimate_noise(log_p[1:, better.places].T, weights),
            "probability": self._n * mixture.constant_error,
            "draws": better.error,
            "integrals": math.sqrt(integrals) / len(sets),
        }
        return replace(
            found,
            points=points,
            weights=weights,
            sums=better.sums - change(better.places),
            log_evidence=found.log_evidence + better.log_factor,
            edge=self._measure_edge(points, weights),
            error_parts=parts,
            n_evaluations=self.n_evaluations,
        )

    def _draw_mixture(self, found: Found, seed: tuple[int, ...]) -> PassMixture:
        """Simulate observed stars at draws of the posterior."""
        self._log("selection", 0)
        places = np.unique(choose_places(found.weights, _COMPONENTS, np.random.default_rng(seed)))
        components = [self._likelihood.parameters.build(point) for point in found.points[places]]
        wanted = _FOR_EACH * self._n / self._selection_error**2
        n_stars = round(min(max(wanted, _FEWEST_STARS), _MOST_STARS))

        def compute() -> Results:
            drawn = draw_mixture(
                components, self._selection, n_stars, seed, self._likelihood.apply, self._relative_errors
            )
            return drawn.to_arrays()

        return PassMixture.from_arrays(self._checkpoint.get(compute))

    def _evaluate_mixture(self, mixture: PassMixture, points: Float64Array) -> Float64Array:
        """Ln P at points (m, d), of all stars and of their parts, (1 + N_PARTS, m)."""
        self._log("selection", 0)
        built = [self._likelihood.parameters.build(point) for point in points]

        def compute() -> Results:
            jobs = [(mixture, built[i : i + _CHUNK]) for i in range(0, len(built), _CHUNK)]
            return {"log_p": np.concatenate(list(self._likelihood.apply(_evaluate_mixture, jobs)), axis=1)}

        return self._checkpoint.get(compute)["log_p"]

    @property
    def _given(self) -> tuple[int, int | None]:
        return self._n, self._n_total

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


def choose_around(
    parameters: FreeParameters,
    mean: Float64Array,
    covariance: Float64Array,
    seed: tuple[int, ...],
    is_approaching: bool,
) -> list[Parameters]:
    """Parameters around the mean of a posterior, as its covariance scatters them.

    As long as the posterior is being approached, their anisotropies are spread over the prior: single draws that are
    nearly radial make ln L far too large at an anisotropy that no draw was made for, and a search would end there.
    """
    values, axes = np.linalg.eigh(covariance)
    n = _AROUND * len(mean)
    normal = np.random.default_rng(seed).standard_normal((n, len(mean)))
    points = mean + (normal * np.sqrt(np.maximum(values, 0.0))) @ axes.T
    if is_approaching and _ANISOTROPY in parameters.free:
        points[:, parameters.free.index(_ANISOTROPY)] = ndtri((np.arange(n) + 0.5) / n)
    found = []
    for point in points:
        try:
            found.append(parameters.build(point))
        except ValueError:  # masses that exclude each other
            continue
    return found


def _draw_block(
    job: tuple[ObservedStars, Sequence[Parameters], float, int, tuple[int, ...]],
) -> StarDraws:
    return draw_at_pivots(*job)


def _cut(places: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Parts of some places, of which each is kept when it is computed."""
    return [places[i : i + _SOME] for i in range(0, len(places), _SOME)]


def _evaluate_mixture(job: tuple[PassMixture, Sequence[Parameters]]) -> Float64Array:
    mixture, points = job
    return mixture.evaluate(points)


def _evaluate_block(job: tuple[StarDraws, FreeParameters, Float64Array]) -> Float64Array:
    return evaluate_points(*job)[0]
