"""Samplers of other libraries, and our own, for one likelihood in normal scores of its parameters.

Each runs as its documentation suggests, with no start near the answer. The libraries are those of the extra
`samplers`, and zeus and pocoMC where they are installed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, ndtri
from scipy.stats import norm

from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.free_parameters import FreeParameters
from mwlmc_data.inference.importance import Exploration, count_effective
from mwlmc_data.priors import standard_normal_log_density

#: Effective draws that our own sampler makes.
N_EFFECTIVE = 1_000


class Target:
    """A log-likelihood at one point of the normal scores; counts evaluations and their seconds.

    Parameters
    ----------
    evaluate : callable
        From points (n, d) to log-likelihoods (n,), -inf where impossible.
    parameters : FreeParameters
        What the scores mean.
    """

    def __init__(self, evaluate: Callable[[Float64Array], Float64Array], parameters: FreeParameters) -> None:
        self._evaluate, self.parameters = evaluate, parameters
        self.evaluations, self.seconds = 0, 0.0

    @property
    def d(self) -> int:
        """Number of dimensions."""
        return len(self.parameters.free)

    def __call__(self, point: Float64Array) -> float:
        """Log-likelihood of one point (d,)."""
        return float(self.evaluate(np.atleast_2d(point))[0])

    def evaluate(self, points: Float64Array) -> Float64Array:
        """Log-likelihoods (n,) of points (n, d)."""
        started = time.process_time()
        found = self._evaluate(points)
        self.evaluations += len(points)
        self.seconds += time.process_time() - started
        return found


@dataclass(frozen=True)
class SamplerRun:
    """What a sampler found: draws with weights whose sum is one, and ln Z with its error, NaN without one."""

    draws: Float64Array
    weights: Float64Array
    effective: float
    log_evidence: float = math.nan
    error: float = math.nan


def _run_own(target: Target) -> SamplerRun:
    rng = np.random.default_rng(1)
    exploration, known = Exploration(target.d, rng), np.empty(0)

    def look_up(points: Float64Array) -> Float64Array:
        nonlocal known
        known = np.concatenate([known, target.evaluate(points[len(known) :])])
        return known

    exploration.search(look_up, 40 * target.d)
    proposal = exploration.propose()
    points, log_weights = np.empty((0, target.d)), np.empty(0)
    while not len(points) or count_effective(log_weights) < N_EFFECTIVE:
        fresh = proposal.draw(512, rng)
        ratio = standard_normal_log_density(fresh) - proposal.log_density(fresh)
        points = np.vstack([points, fresh])
        log_weights = np.concatenate([log_weights, ratio + target.evaluate(fresh)])
    total, effective = logsumexp(log_weights), count_effective(log_weights)
    error = math.sqrt(1.0 / effective - 1.0 / len(points))
    return SamplerRun(points, np.exp(log_weights - total), effective, float(total) - math.log(len(points)), error)


def find_start(target: Target, n: int) -> Float64Array:
    """The n best of 400 draws of the prior, all possible."""
    points = np.random.default_rng(1).standard_normal((400, target.d))
    values = target.evaluate(points)
    best = np.argsort(-values)[:n]
    if not np.isfinite(values[best]).all():
        raise RuntimeError(f"fewer than {n} of 400 draws of the prior are possible")
    return points[best]


def _equal(draws: Float64Array, effective: float) -> SamplerRun:
    return SamplerRun(draws, np.full(len(draws), 1.0 / len(draws)), effective)


def _run_emcee(target: Target) -> SamplerRun:
    import emcee

    moves = [(emcee.moves.DEMove(), 0.6), (emcee.moves.StretchMove(), 0.3), (emcee.moves.DESnookerMove(), 0.1)]
    sampler = emcee.EnsembleSampler(32, target.d, lambda u: target(u) - 0.5 * float(u @ u), moves=moves)
    sampler.random_state = np.random.RandomState(1).get_state()
    sampler.run_mcmc(find_start(target, 32), 600)
    chain = sampler.get_chain()[250:]
    times = emcee.autocorr.integrated_time(chain, quiet=True)
    return _equal(chain.reshape(-1, target.d), chain.shape[0] * chain.shape[1] / float(np.max(times)))


def _run_zeus(target: Target) -> SamplerRun:
    import zeus

    np.random.seed(1)  # noqa: NPY002 (zeus draws from the global stream)
    sampler = zeus.EnsembleSampler(14, target.d, lambda u: target(u) - 0.5 * float(u @ u), verbose=False)
    sampler.run_mcmc(find_start(target, 14), 300, progress=False)
    chain = sampler.get_chain()[120:]
    effective = chain.shape[0] * chain.shape[1] / float(np.max(zeus.AutoCorrTime(chain)))
    return _equal(chain.reshape(-1, target.d), effective)


def _to_scores(cube: Float64Array) -> Float64Array:
    return np.asarray(ndtri(np.clip(cube, 1e-12, 1.0 - 1e-12)))


def _run_nautilus(target: Target) -> SamplerRun:
    import nautilus

    sampler = nautilus.Sampler(_to_scores, lambda u: max(target(u), -1e6), n_dim=target.d, n_live=500, seed=1)
    sampler.run(verbose=False, n_eff=3 * N_EFFECTIVE, n_like_max=40_000)
    points, log_weights, _ = sampler.posterior()
    weights = np.exp(log_weights - logsumexp(log_weights))
    return SamplerRun(points, weights, float(sampler.n_eff), float(sampler.log_z), 1.0 / math.sqrt(sampler.n_eff))


def _run_dynesty(target: Target) -> SamplerRun:
    import dynesty

    sampler = dynesty.NestedSampler(
        target, _to_scores, target.d, nlive=200, bound="multi", sample="rwalk", rstate=np.random.default_rng(1)
    )
    sampler.run_nested(maxcall=40_000, print_progress=False, dlogz=0.1)
    found = sampler.results
    weights = np.exp(found.logwt - logsumexp(found.logwt))
    effective = count_effective(found.logwt)
    return SamplerRun(found.samples, weights, effective, float(found.logz[-1]), float(found.logzerr[-1]))


def _run_pocomc(target: Target) -> SamplerRun:
    import pocomc

    prior = pocomc.Prior([norm(0.0, 1.0)] * target.d)
    sampler = pocomc.Sampler(
        prior=prior, likelihood=target, n_dim=target.d, n_effective=256, n_active=128, random_state=1
    )
    sampler.run(n_total=N_EFFECTIVE, n_evidence=0, progress=False)
    draws, weights, _, _ = sampler.posterior()
    log_evidence, error = sampler.evidence()
    weights = weights / weights.sum()
    return SamplerRun(draws, weights, count_effective(np.log(weights)), float(log_evidence), float(error or math.nan))


#: Samplers by the name of their library.
SAMPLERS: dict[str, Callable[[Target], SamplerRun]] = {
    "ours": _run_own,
    "emcee": _run_emcee,
    "nautilus": _run_nautilus,
    "dynesty": _run_dynesty,
    "zeus": _run_zeus,
    "pocomc": _run_pocomc,
}
