"""The posterior of the free parameters given stars: from the prior to weighted draws and the evidence.

1. The prior is searched with a first guess at ln P(theta), the part of the stars' profile in the shell.
2. ln P is computed over a window around what was found, and the search goes on with it; again, with more stars, until
   the window holds the posterior. Its slope is then determined there.
3. If the error of the sum of ln P over the stars is larger than wanted, ln P is computed once more, around the
   posterior, and from more stars.
4. Independent draws from a fit to the posterior give samples and evidence. Where few of them count, as along a curved
   ridge, the search goes on with a fit of several parts.

Nothing begins at a given point: the first draws are the prior's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.inference.checkpoint import Checkpoint, Results
from mwlmc_data.inference.importance import Exploration, count_effective
from mwlmc_data.inference.proposals import Proposal, ProposalMixture
from mwlmc_data.inference.star_likelihood import StarLikelihood
from mwlmc_data.inference.star_windows import Window, fit_window
from mwlmc_data.rewinding.likelihood import OF_START, add_selection
from mwlmc_data.rewinding.probability import PassProbability, compute_coordinates
from mwlmc_data.rewinding.probability_fit import fit_probability
from mwlmc_data.rewinding.selection import Selection, estimate_fraction
from mwlmc_data.rewinding.slope import Goal, Slope, measure_slope, place_corners
from mwlmc_data.simulator.parameters import Parameters

#: What an impossible star costs while the parameters are searched at which none is [nats].
_PENALTY = 100.0
#: Half-widths of the first and the later windows, in standard deviations of the posterior found so far.
_FIRST_WINDOW, _WINDOW = 8.0, 6.5
#: Part of the last window that the design of a further ln P fills where the polynomial's misfit is most of the error:
#: it follows ln P better the closer it is. The noise of its curvature is smaller the wider it is.
_CLOSER = 0.7
#: Part of a window's width beyond which a point is near its edge, and the largest part of a posterior there.
_NEAR_EDGE, MAX_EDGE = 0.8, 0.05
#: Observed stars of a first and of a last ln P over a window, for each star of the data: their noise adds the
#: reciprocal to the posterior's variance. The least of them.
_FIRST_STARS, _FEWEST = 15, 4_000
#: Where these stars are drawn, in standard deviations of the posterior along each axis.
_CORNER = 0.7
#: Number of windows after which a search is given up.
_MAX_WINDOWS = 8
#: Effective points of a search, for each dimension, before ln P is known and after.
EFFECTIVE, LAST_EFFECTIVE = 12, 40
#: Independent draws at a time.
_BATCH = 512
#: Draws after which a proposal is given up, if less than this part of them is effective; then the effective points of a
#: further search, for each dimension, the parts of its proposals, both times the number of the trial, and how often.
_TRIED, _POOR = 4 * _BATCH, 0.1
_MORE_EFFECTIVE, _N_PARTS, _MAX_PROPOSALS = 100, 4, 3

Log = Callable[[str, int], None]


@dataclass(frozen=True)
class _Care:
    """How well ln P is determined.

    Attributes
    ----------
    per_star, most : int
        Observed stars of a design for each star of the data, and the most of them.
    slope_noise : float
        Noise of the slope of the sum of ln P over the posterior [nats] at which no more stars are drawn for it.
    first_for_slope : int
        Observed stars of a first set for the slope, for each star of the data.
    most_for_slope : int
        Most observed stars for the slope.
    """

    per_star: int
    most: int
    slope_noise: float
    first_for_slope: int
    most_for_slope: int


#: At first, and where the error is larger than wanted, for an error of a tenth of a nat.
_USUAL, _MORE = _Care(200, 250_000, 0.06, 300, 6_000_000), _Care(500, 600_000, 0.05, 300, 10_000_000)
#: The error for which these hold, and the largest for which fewer stars do.
_CAREFUL, _EASY = 0.1, 0.4


def _choose_care(selection_error: float) -> tuple[_Care, _Care]:
    """How well ln P is determined for an error that is wanted: a larger one takes fewer stars."""
    ease = min(max(selection_error, _CAREFUL), _EASY) / _CAREFUL
    usual, more = (
        replace(
            care,
            per_star=round(care.per_star / ease),
            slope_noise=care.slope_noise * ease,
            first_for_slope=round(care.first_for_slope / ease),
        )
        for care in (_USUAL, _MORE)
    )
    return usual, more


class ImpossibleStarsError(ValueError):
    """No parameters make some of the stars possible: the evidence is zero."""


@dataclass(frozen=True, eq=False, repr=False)
class Found(Displayed):
    """Weighted draws of a posterior.

    Attributes
    ----------
    points : ndarray, shape (n, d)
        Normal scores.
    weights : ndarray, shape (n,)
        Their sum is one.
    sums : ndarray, shape (n,)
        Of ln f of the stars.
    log_evidence : float
        Of the data, with the constants that do not depend on the parameters left out.
    probability : PassProbability
        Of the selection.
    edge : float
        Part of the posterior beyond 0.8 of the width of the window of `probability`.
    error_parts : dict of str to float
        Parts of the error of `log_evidence`: ``sampling``, ``selection`` and ``probability``; of observed stars
        ``draws`` and ``integrals`` too.
    n_evaluations : int
        Of the stars' likelihood.
    """

    points: Float64Array
    weights: Float64Array
    sums: Float64Array
    log_evidence: float
    probability: PassProbability
    edge: float
    error_parts: dict[str, float]
    n_evaluations: int


class StarSearch:
    """Searches the posterior.

    Parameters
    ----------
    likelihood : StarLikelihood
        Of the stars.
    selection : Selection
        How they were selected.
    n_total : int or None
        Number of all stars of the halo, observed or not; None for a likelihood that is conditional on the number
        observed.
    seed : int
        Of all draws.
    checkpoint : Checkpoint
        Keeps the expensive results.
    log : callable
        Called with a stage and a number of evaluations.
    selection_error : float
        Error of the sum of ln P over the posterior [nats] that is wanted: above it ln P is computed once more.
    """

    def __init__(
        self,
        likelihood: StarLikelihood,
        selection: Selection,
        n_total: int | None,
        seed: int,
        checkpoint: Checkpoint,
        log: Log,
        selection_error: float,
    ) -> None:
        self._likelihood, self._selection, self._n_total, self._seed = likelihood, selection, n_total, seed
        self._checkpoint, self._log, self._selection_error = checkpoint, log, selection_error
        self._usual, self._more = _choose_care(selection_error)
        self._names = likelihood.parameters.free
        self._n = len(likelihood.stars)
        self._stage = "search"
        #: Errors of ln distance, if the selection acts on distances with errors.
        self._relative_errors: Float64Array | None = None
        #: Half-widths of the windows, in standard deviations of the posterior found so far.
        self._widths = _FIRST_WINDOW, _WINDOW
        #: Observed stars of an ln P over a window, at least; its points, in the least number.
        self._fewest, self._denser = _FEWEST, 1
        #: Parts of the proposals of a search.
        self._n_parts = 1
        self._probability: PassProbability | None = None
        self._window: Window | None = None
        self._sums: Float64Array = np.empty(0)
        self._impossible: NDArray[np.int64] = np.empty(0, np.int64)
        self.n_evaluations = 0
        #: Draws of each star, where stars are observed with errors.
        self.n_draws: int | None = None

    @property
    def _fitted(self) -> PassProbability:
        """The ln P that was computed last."""
        if self._probability is None:
            raise RuntimeError("no ln P has been computed")
        return self._probability

    def run(self, n_effective: int, max_evaluations: int) -> Found:
        """Search the prior, and draw until enough draws are effective, or the evaluations are used up.

        Raises
        ------
        ImpossibleStarsError
            If no parameters make some of the stars possible; a ValueError.
        ValueError
            If too few stars are observed.
        RuntimeError
            If the posterior is not found, or ln P is not determined.
        """
        exploration = Exploration(len(self._names), np.random.default_rng((self._seed, 0)))
        self._search_prior(exploration)
        exploration = self._approach(exploration)
        return self._finish(exploration, n_effective, max_evaluations)

    def _search_prior(self, exploration: Exploration) -> None:
        """Find where the posterior is, and refuse stars for which there is none."""
        exploration.search(self._value, EFFECTIVE * exploration.d)
        self._refuse_impossible(exploration)

    def _finish(self, exploration: Exploration, n_effective: int, max_evaluations: int) -> Found:
        """Search on until a proposal fits, and draw from it."""
        self._determine(exploration)
        return self._draw(exploration, n_effective, max_evaluations)

    def _determine(self, exploration: Exploration) -> None:
        """Determine ln P at the posterior that was found, as well as is wanted; search on with it."""
        n_wanted = LAST_EFFECTIVE * exploration.d
        weights = exploration.search(self._value, n_wanted, self._n_parts)
        corners = self._make_corners(exploration)
        slope = self._refine(corners, exploration.points, weights, self._usual)
        weights = exploration.search(self._value, n_wanted, self._n_parts)
        error, noise = self._estimate_error(exploration.points, weights)
        if error <= self._selection_error:
            return
        self._window = self._fit_window(exploration, self._widths[1])
        part = _CLOSER if error > math.sqrt(2.0) * noise else 1.0
        filled = replace(self._window, width=part * self._widths[1])
        self._probability = self._fit(filled, self._more.per_star, _MAX_WINDOWS, self._more.most)
        self._refine(corners, exploration.points, weights, self._more, slope)
        exploration.search(self._value, n_wanted, self._n_parts)

    def _estimate_error(self, points: Float64Array, weights: Float64Array) -> tuple[float, float]:
        """Error of the sum of ln P over the posterior [nats], up to a constant, and the part of it that is noise."""
        given, fitted = (self._compute_coordinates(points), weights), self._fitted
        return self._n * fitted.estimate_error(*given), self._n * fitted.estimate_noise(*given)

    def _compute_coordinates(self, points: Float64Array) -> Float64Array:
        """Coordinates of ln P (n, d) of normal scores (n, d)."""
        return compute_coordinates(self._likelihood.parameters.convert(points), self._names)

    def _fit_window(self, exploration: Exploration, width: float) -> Window:
        return fit_window(self._compute_coordinates(exploration.points), exploration.weights, width)

    def _refine(
        self,
        corners: list[Parameters],
        points: Float64Array,
        weights: Float64Array,
        care: _Care,
        earlier: Slope | None = None,
    ) -> Slope:
        """Determine the slope of ln P at the posterior that was found, of which the points (n, d) are draws."""
        fitted = self._fitted
        self._log("selection", 0)
        chosen = weights > 0.0
        coordinates, noise = self._compute_coordinates(points[chosen]), care.slope_noise / self._n
        goal = Goal(coordinates, weights[chosen], noise, care.most_for_slope)
        n_first = min(max(care.first_for_slope * self._n, _FEWEST), care.most_for_slope)
        seed = (self._seed, 10 if earlier is None else 11)

        def compute() -> Results:
            return measure_slope(
                fitted, corners, self._selection, goal, n_first, seed, self._likelihood.apply, self._relative_errors,
                earlier,
            ).to_arrays()  # fmt: skip

        slope = Slope.from_arrays(self._checkpoint.get(compute))
        self._probability = slope.apply(fitted)
        return slope

    def _make_corners(self, exploration: Exploration) -> list[Parameters]:
        """Parameters at corners within the posterior's covariance, or a smaller one."""
        of_start = np.isin(self._names, OF_START)
        steps = _CORNER * place_corners(exploration.covariance, of_start)
        for _ in range(_MAX_WINDOWS):
            try:
                return [self._likelihood.parameters.build(exploration.mean + step) for step in steps]
            except ValueError:  # masses that exclude each other
                steps *= 0.5
        raise RuntimeError("the posterior has no neighbourhood in which its parameters are possible")

    def _move(self, exploration: Exploration) -> Exploration:
        """Prepare the likelihood for the region that was found, and go on there; for exact stars there is no need."""
        return exploration

    def _approach(self, exploration: Exploration) -> Exploration:
        """Compute ln P over windows until one holds the posterior, and is made of enough stars."""
        d, width, per_star, i = len(self._names), self._widths[0], _FIRST_STARS, 0
        while True:
            self._window = self._fit_window(exploration, width)
            exploration = self._move(exploration)
            self._probability = self._fit(self._window, per_star, i, self._usual.most)
            weights = exploration.search(self._value, EFFECTIVE * d, self._n_parts)
            self._refuse_impossible(exploration)
            edge = self._measure_edge(exploration.points, weights)
            if edge < MAX_EDGE:
                if per_star == self._usual.per_star:
                    return exploration
                width, per_star = self._widths[1], self._usual.per_star
            elif i >= _MAX_WINDOWS - 1:
                raise RuntimeError(
                    f"the posterior left {i + 1} windows in which the selection's probability was computed: "
                    f"{edge:.1%} of it is at the edge of the last"
                )
            i += 1

    def _measure_edge(self, points: Float64Array, weights: Float64Array) -> float:
        """Part of a posterior near the edge of the window."""
        if self._window is None:
            raise RuntimeError("no ln P has been computed")
        return float(weights @ (self._window.measure(self._compute_coordinates(points)) > _NEAR_EDGE))

    def _fit(self, window: Window, per_star: int, i: int, most: int) -> PassProbability:
        """Compute ln P over a window, from this many stars for each star of the data."""
        self._log("selection", 0)
        n_stars = min(max(per_star * self._n, self._fewest), most)
        seed = (self._seed, 2, i)
        design = window.make_design(self._likelihood.parameters, seed, self._denser)

        def compute() -> Results:
            fit = fit_probability(
                design, self._names, self._selection, n_stars, (self._seed, 1, i), self._likelihood.apply,
                self._relative_errors, wide=self._relative_errors is not None, n_data=self._n,
            )  # fmt: skip
            return fit.to_arrays()

        return PassProbability.from_arrays(self._names, self._checkpoint.get(compute))

    def _value(self, points: Float64Array) -> Float64Array:
        """Log-likelihood of all points of the search; new ones are evaluated."""
        fresh = points[len(self._sums) :]
        if len(fresh):
            sums, impossible = self._evaluate(fresh)
            self._sums = np.concatenate([self._sums, sums])
            self._impossible = np.concatenate([self._impossible, impossible])
        return self._add_selection(points, self._sums - _PENALTY * self._impossible)

    def _evaluate(self, points: Float64Array) -> tuple[Float64Array, NDArray[np.int64]]:
        def compute() -> Results:
            sums, impossible = self._likelihood.evaluate(points)
            return {"sums": sums, "impossible": impossible}

        found = self._checkpoint.get(compute)
        self.n_evaluations += len(points)
        self._log(self._stage, len(points))
        return found["sums"], found["impossible"]

    def _add_selection(self, points: Float64Array, sums: Float64Array) -> Float64Array:
        """Log-likelihoods from sums of ln f; -inf outside the window."""
        probability, window = self._probability, self._window
        if probability is None or window is None:
            values = self._likelihood.parameters.convert(points)
            r_dehnen = values.get("r_dehnen", np.full(len(points), self._likelihood.parameters.held.get("r_dehnen")))
            log_p = np.log([estimate_fraction(self._selection, float(r)) for r in r_dehnen])
            # a first guess holds up to a constant
            return add_selection(sums, log_p, self._n, None)
        coordinates = self._compute_coordinates(points)
        total = add_selection(sums, probability.evaluate(coordinates), self._n, self._n_total)
        return np.where(window.measure(coordinates) <= 1.0, total, -np.inf)

    def _refuse_impossible(self, exploration: Exploration) -> None:
        """Refuse stars that no parameters with a chance make possible; a power of the likelihood says nothing."""
        weights = exploration.weights
        if exploration.power < 1.0 or weights @ (self._impossible > 0) < 0.5:
            return
        best = self._impossible[weights > 0.1 * weights.max()].min()
        if best == 0:
            return
        raise ImpossibleStarsError(
            f"table = {self._n} stars, of which {best} or more could not have been bound to the Milky Way 2.2 Gyr ago "
            "at any parameters that the others allow: allowed are stars of the model; leave out those for which "
            "mwlmc_data.log_density gives -inf"
        )

    def _draw(self, exploration: Exploration, n_effective: int, max_evaluations: int) -> Found:
        """Independent draws from a proposal; from another one where the first fits badly."""
        for i in range(_MAX_PROPOSALS):
            proposal = exploration.propose_parts(_N_PARTS * i) if i else exploration.propose()
            seed, is_last = (self._seed, 3, i) if i else (self._seed, 3), i == _MAX_PROPOSALS - 1
            found = self._draw_from(proposal, n_effective, max_evaluations, seed, is_last)
            if found is not None:
                return found
            exploration.search(self._value, _MORE_EFFECTIVE * (i + 1) * exploration.d, _N_PARTS * (i + 1))
        raise AssertionError("the last proposal is kept")

    def _draw_from(
        self,
        proposal: Proposal | ProposalMixture,
        n_effective: int,
        max_evaluations: int,
        seed: tuple[int, ...],
        is_last: bool,
    ) -> Found | None:
        """Draws from a proposal; None if few of the first are effective, unless it is the last."""
        probability = self._fitted
        self._stage = "draw"
        rng = np.random.default_rng(seed)
        points, sums, log_weights = np.empty((0, len(self._names))), np.empty(0), np.empty(0)
        while True:
            fresh = proposal.draw(_BATCH, rng)
            values, impossible = self._evaluate(fresh)
            values = np.where(impossible > 0, -np.inf, values)
            sums, values = np.concatenate([sums, values]), self._add_selection(fresh, values)
            ratio = Proposal(np.zeros(fresh.shape[1])).log_density(fresh) - proposal.log_density(fresh)
            points, log_weights = np.vstack([points, fresh]), np.concatenate([log_weights, ratio + values])
            effective, n = count_effective(log_weights), len(points)
            if effective >= n_effective or self.n_evaluations + _BATCH > max_evaluations:
                break
            if n == _TRIED and effective < _POOR * n and not is_last:
                return None
        total = float(logsumexp(log_weights))
        weights = np.exp(log_weights - total)
        edge = self._measure_edge(points, weights)
        parts = {
            "sampling": math.sqrt(max(1.0 / effective - 1.0 / n, 0.0)),
            "selection": self._estimate_error(points, weights)[0],
            "probability": self._n * probability.log_p_error,
        }
        return Found(
            points=points,
            weights=weights,
            sums=sums,
            log_evidence=total - math.log(n),
            probability=probability,
            edge=edge,
            error_parts=parts,
            n_evaluations=self.n_evaluations,
        )
