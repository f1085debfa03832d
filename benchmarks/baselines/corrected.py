"""A neural spline flow corrected by the likelihood of the travel vector: neural importance sampling."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from tqdm import tqdm

from benchmarks.baselines.base import Baseline, Draws, Effort, create, in_support
from benchmarks.baselines.enclosed import EnclosedMass
from benchmarks.baselines.simulated_likelihood import (
    Past,
    Points,
    SimulatedLikelihood,
    integrate_split,
    past_velocities,
)
from benchmarks.baselines.weights import Weighed
from benchmarks.common.sets import Learnable, box_of
from benchmarks.references.marginal_likelihood import legendre
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.schema import LMC_VECTOR, REFLEX
from mwlmc_data.inference.encoding import travel_vectors
from mwlmc_data.priors import ENCLOSED_MASS, MARGINALS
from mwlmc_data.scoring.observations import Split

PROPOSAL = "nsf"
#: Proposals for an observation, each with an orbit; the second in a fast run.
N_PROPOSALS, N_PROPOSALS_FAST = 500, 100
#: Share of proposals drawn from the prior, in case the flow misses part of the posterior.
FROM_PRIOR = 0.1
#: Orbits for the density of a single theta: nodes in the quantiles of m_lmc_8p7.
N_ENCLOSED = 24
#: Nodes in the quantiles of beta0 and r_dehnen, on which no orbit depends.
_N_HALO = (3, 2)
#: Rows of a split above which a fast run uses a fifth.
_MANY = 10_000
#: Data that the likelihood is made for: without and with the reflex motion.
_DATA = (set(LMC_VECTOR), {*LMC_VECTOR, *REFLEX})
#: Observations whose proposals are drawn together.
_BLOCK = 16
#: Parameters whose likelihood is averaged together.
_TOGETHER = 256


class Corrected(Baseline):
    """Proposals of a spline flow, a tenth from the prior, weighted by prior times likelihood over their density.

    The likelihood is Gaussian and learnt from the task's own rows (`SimulatedLikelihood`). Of the nuisances, m_lmc_8p7
    is proposed with the parameters (`EnclosedMass`) and its prior is part of the weight; the likelihood is averaged
    over beta0 and r_dehnen at nodes in their quantiles. This takes orbits of the pair but no stars: 1 for each training
    and validation row, 500 for each observation, and 24 for the density of its truth; none counts as a simulation.
    Data without the reflex motion say nothing of the parameters, and the weights turn the flow into the prior.

    Parameters
    ----------
    effort : Effort
        How much is spent, and where.
    past : callable, optional
        Integrates orbits.

    Attributes
    ----------
    proposal : Baseline or None
        The flow, once trained.
    likelihood : SimulatedLikelihood or None
    enclosed : EnclosedMass or None
        None where the data have no reflex motion.
    effective : ndarray, shape (k,)
        Effective number of draws for each observation of the last `sample`, of `n_proposals`.
    """

    name = "nsf-corrected"
    title = "NSF, importance-corrected"
    source = "Dax et al. 2023, arXiv:2210.05686"
    version = 2

    @classmethod
    def list_parts(cls, seed: int) -> tuple[tuple[str, int], ...]:
        """List the flow that proposes."""
        return ((PROPOSAL, seed),)

    @classmethod
    def accepts(cls, task: Learnable) -> bool:
        """Return whether the data are those that the likelihood is made for."""
        return super().accepts(task) and set(task.x_names) in _DATA

    def __init__(self, effort: Effort | None = None, past: Past = past_velocities) -> None:
        super().__init__(effort)
        self.proposal: Baseline | None = None
        self.likelihood: SimulatedLikelihood | None = None
        self.enclosed: EnclosedMass | None = None
        self.effective = np.empty(0)
        self._past = past
        self._task: Learnable | None = None
        self._log_evidence: dict[bytes, float] = {}

    @property
    def n_proposals(self) -> int:
        """Proposals for each observation."""
        return N_PROPOSALS_FAST if self.effort.fast else N_PROPOSALS

    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Get the trained flow (`get_trained`) and learn the likelihood.

        Raises
        ------
        ValueError
            If the data are neither the LMC's vector and the reflex motion nor the LMC's vector alone.
        """
        informed = _has_reflex(task)
        self._task, self._log_evidence = task, {}
        self.proposal, self.likelihood, self.enclosed = self.get_trained(PROPOSAL, task, seed), None, None
        if informed:
            self.likelihood = SimulatedLikelihood(task.prior, self.effort)
            self.enclosed = EnclosedMass(task, self.effort)
            train, held = self._select_rows(task.train), self._select_rows(task.validation)
            training = integrate_split(task, train, "train", self._past)
            validation = integrate_split(task, held, "validation", self._past)
            self.likelihood.fit(training, validation, seed)
            masses = [points.nuisances[:, 0] for points, _ in (training, validation)]
            self.enclosed.fit((train, masses[0]), (held, masses[1]), seed)

    def sample(self, x: NDArray, n: int, seed: int = 0) -> Draws:
        """Draw from the corrected posterior; proposals of great weight repeat."""
        x = np.atleast_2d(x)
        found = self._weigh(x, seed)
        self._log_evidence |= {_key(row): weighed.log_evidence for row, weighed in zip(x, found, strict=True)}
        self.effective = np.array([weighed.effective for weighed in found])
        drawn = [weighed.resample(n, np.random.default_rng([seed, i, 1])) for i, weighed in enumerate(found)]
        # a constant likelihood has an evidence without information
        stranger = None if self.likelihood is None else np.array([-weighed.log_evidence for weighed in found])
        return dataclasses.replace(Draws.of(np.stack(drawn)), statistic=stranger)

    def log_prob(self, theta: NDArray, x: NDArray, acceptance: NDArray | None = None) -> Float64Array:
        """Compute the log posterior density: prior times likelihood over the evidence that `sample` estimated."""
        task, _ = self._require_fitted()
        theta, x = np.asarray(theta, dtype=np.float64), np.atleast_2d(x)
        found = np.full(len(theta), -np.inf)
        inside = np.flatnonzero(in_support(theta, *box_of(task.prior)))
        found[inside] = task.prior.log_prob(theta[inside])
        if self.likelihood is None:
            return found
        evidence = self.log_evidence(x)
        each, of_row = np.unique(x[inside], axis=0, return_inverse=True)
        for k, row in enumerate(each):
            places = inside[of_row == k]
            for some in np.array_split(places, -(-len(places) // _TOGETHER)):
                if np.isfinite(evidence[some[0]]):
                    found[some] += self._average_likelihood(theta[some], row) - evidence[some]
                else:  # the draws are the proposals themselves
                    found[some] = self._log_proposal(theta[some], row)
        return found

    def log_evidence(self, x: NDArray) -> Float64Array:
        """Estimate the log density of the travel vector given the LMC today; its negative measures strangeness.

        Parameters
        ----------
        x : ndarray, shape (k, f)
            Observations; those that `sample` has not seen are weighted now.

        Returns
        -------
        ndarray, shape (k,)
            Per (km/s)^3 [nats]; 0 where the data have no reflex motion, -inf where no proposal has any weight.
        """
        x = np.atleast_2d(x)
        new = [i for i, row in enumerate(x) if _key(row) not in self._log_evidence]
        for i, weighed in zip(new, self._weigh(x[new], 0), strict=True):
            self._log_evidence[_key(x[i])] = weighed.log_evidence
        return np.array([self._log_evidence[_key(row)] for row in x])

    @property
    def n_parameters(self) -> int:
        """Weights of the flow, and everything else that was learnt."""
        others = sum(v.size for name, v in self.state().items() if not name.startswith("proposal."))
        return self._require_fitted()[1].n_parameters + others

    @property
    def history(self) -> list[tuple[float, float]]:
        """Mean training and validation loss of the likelihood after each epoch."""
        return [] if self.likelihood is None else self.likelihood.outcome.history

    def state(self) -> dict[str, NDArray]:
        """Return arrays of the flow, of the likelihood and of the proposals of m_lmc_8p7."""
        parts = {"proposal": self._require_fitted()[1].state()}
        if self.likelihood is not None and self.enclosed is not None:
            parts |= {"likelihood": self.likelihood.state(), "enclosed": self.enclosed.state()}
        return {f"{part}.{name}": values for part, arrays in parts.items() for name, values in arrays.items()}

    def restore(self, task: Learnable, state: Mapping[str, NDArray]) -> None:
        """Restore what was trained on a task."""

        def part(prefix: str) -> dict[str, NDArray]:
            return {name.removeprefix(prefix): v for name, v in state.items() if name.startswith(prefix)}

        self._task, self._log_evidence = task, {}
        self.proposal, self.likelihood, self.enclosed = create(PROPOSAL, self.effort), None, None
        self.proposal.restore(task, part("proposal."))
        if _has_reflex(task):
            self.likelihood = SimulatedLikelihood(task.prior, self.effort)
            self.enclosed = EnclosedMass(task, self.effort)
            self.likelihood.restore(part("likelihood."))
            self.enclosed.restore(part("enclosed."))

    def _select_rows(self, split: Split) -> Split:
        """Select the rows to learn the likelihood from: all, or in a fast run a fifth of many; each costs an orbit."""
        step = 5 if self.effort.fast and len(split) > _MANY else 1
        return Split(split.theta[::step], split.x[::step], split.sim_id[::step])

    def _weigh(self, x: NDArray, seed: int) -> list[Weighed]:
        """Weight proposals for each observation (k, f)."""
        task, proposal = self._require_fitted()
        m = self.n_proposals
        n_prior = round(FROM_PRIOR * m)
        found: list[Weighed] = []
        for i in tqdm(range(0, len(x), _BLOCK), "  observations", disable=not self.effort.progress, leave=False):
            rows = x[i : i + _BLOCK]
            for row, own in zip(rows, proposal.sample(rows, m - n_prior, seed).theta, strict=True):
                rng = np.random.default_rng([seed, len(found), 0])
                theta = np.concatenate([own, _draw_prior(task, n_prior, rng)])
                log_weight = task.prior.log_prob(theta) - self._log_proposal(theta, row)
                if self.enclosed is not None:
                    enclosed, log_ratio = self.enclosed.propose(theta, row, rng)
                    log_weight = log_weight + log_ratio + self._log_likelihood(theta, enclosed, row)
                found.append(Weighed(theta, np.where(np.isnan(log_weight), -np.inf, log_weight)))
        return found

    def _log_proposal(self, theta: NDArray, x: NDArray) -> Float64Array:
        """Compute the log density of the proposals for an observation (f,) at theta (m, d), shape (m,)."""
        task, proposal = self._require_fitted()
        log_flow = proposal.log_prob(theta, np.repeat(x[None], len(theta), axis=0))
        return np.logaddexp(np.log1p(-FROM_PRIOR) + log_flow, np.log(FROM_PRIOR) + task.prior.log_prob(theta))

    def _average_likelihood(self, theta: NDArray, x: NDArray) -> Float64Array:
        """Average the likelihood of theta (m, 3) over all nuisances; its logarithm, (m,)."""
        u, weight = legendre(N_ENCLOSED)
        every = np.repeat(theta, N_ENCLOSED, axis=0)
        log_likelihood = self._log_likelihood(every, ENCLOSED_MASS.quantile(np.tile(u, len(theta)), every[:, 0]), x)
        return np.asarray(logsumexp(log_likelihood.reshape(len(theta), -1) + np.log(weight), axis=1))

    def _log_likelihood(self, theta: NDArray, enclosed: NDArray, x: NDArray) -> Float64Array:
        """Compute the log likelihood (m,) of theta (m, 3) and m_lmc_8p7 (m,), averaged over beta0 and r_dehnen."""
        task, _ = self._require_fitted()
        assert self.likelihood is not None
        lmc, travel = _split_data(task, x)
        past = self._past(theta, enclosed, lmc)
        halo = MARGINALS[task.prior.config]
        (u_beta, w_beta), (u_scale, w_scale) = (legendre(n) for n in _N_HALO)
        terms = []
        for beta, w in zip(halo["beta0"].quantile(u_beta), w_beta, strict=True):
            for scale, v in zip(halo["r_dehnen"].quantile(u_scale), w_scale, strict=True):
                nuisances = np.stack([enclosed, np.full_like(enclosed, beta), np.full_like(enclosed, scale)], axis=1)
                points = Points(theta, nuisances, np.broadcast_to(lmc, (len(theta), len(lmc))), past)
                terms.append(self.likelihood.log_density(travel, points) + np.log(w * v))
        return logsumexp(terms, axis=0)

    def _require_fitted(self) -> tuple[Learnable, Baseline]:
        if self._task is None or self.proposal is None:
            raise RuntimeError("the baseline is not trained; call fit first")
        return self._task, self.proposal


def _has_reflex(task: Learnable) -> bool:
    """Return whether the data include the reflex motion."""
    if (names := set(task.x_names)) in _DATA:
        return names == _DATA[1]
    allowed = f"{', '.join(LMC_VECTOR)}, with or without {', '.join(REFLEX)}"
    raise ValueError(f"x_names = {', '.join(task.x_names)}: allowed is {allowed}")


def _split_data(task: Learnable, x: NDArray) -> tuple[Float64Array, Float64Array]:
    """Split an observation (f,) into the LMC today (6,) and the travel vector (3,)."""
    data = dict(zip(task.x_names, np.asarray(x, dtype=np.float64), strict=True))
    lmc, reflex = (np.array([data[name] for name in names]) for names in (LMC_VECTOR, REFLEX))
    return lmc, travel_vectors(reflex[None])[0]


def _draw_prior(task: Learnable, n: int, rng: np.random.Generator) -> Float64Array:
    """Draw (n, d) from the prior, each parameter in strata."""
    return np.stack([marginal.quantile(_draw_strata(n, rng)) for marginal in task.prior.marginals.values()], axis=1)


def _draw_strata(n: int, rng: np.random.Generator) -> Float64Array:
    """Draw a uniform number in each of n equal parts of (0, 1), in random order."""
    return (rng.permutation(n) + rng.random(n)) / n


def _key(x: NDArray) -> bytes:
    return np.asarray(x, dtype=np.float32).tobytes()
