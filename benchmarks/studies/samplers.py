"""What samplers of other libraries, and our own, make of the likelihood of a halo's stars.

One halo of the catalogue, its stars beyond 50 kpc, six free parameters, from the prior. The selection's probability is
the first guess of :mod:`mwlmc_data.inference.star_search`, so that each sampler meets the same function:
deterministic, rough at the level of a unit, and -inf where a star is impossible. Each runs as its documentation
suggests, with no start near the answer. Reported are evaluations and seconds of a core, effective draws, and ln Z where
there is one.
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
from mwlmc_data.dataset.catalogue import load_catalogue
from mwlmc_data.dataset.haloes import load_halo
from mwlmc_data.inference.free_parameters import FREE, FreeParameters
from mwlmc_data.inference.importance import Exploration, count_effective
from mwlmc_data.inference.star_likelihood import evaluate_points
from mwlmc_data.priors import standard_normal_log_density
from mwlmc_data.rewinding.rewind import take_table
from mwlmc_data.rewinding.selection import Selection, estimate_fraction, find_selected
from mwlmc_data.simulator.limits import SKY_NAMES

D = len(FREE)
#: Effective draws that our own sampler makes.
N_EFFECTIVE = 1_000


class Target:
    """The log-likelihood at one point of the normal scores; counts evaluations and their seconds."""

    def __init__(self, sim_id: int) -> None:
        row = load_catalogue(config="gaussian").set_index("sim_id").loc[sim_id]
        self.parameters = FreeParameters("gaussian", FREE, {name: float(row[name]) for name in SKY_NAMES})
        stars = take_table("table", load_halo(sim_id))
        self.stars = stars[find_selected(stars[:, :3], Selection()) > 0.0]
        self.evaluations, self.seconds = 0, 0.0

    def __call__(self, point: Float64Array) -> float:
        """Ln L, -inf where a star is impossible."""
        return float(self.evaluate(np.atleast_2d(point))[0])

    def evaluate(self, points: Float64Array) -> Float64Array:
        """Ln L (n,) at points (n, d)."""
        started = time.process_time()
        sums, impossible = evaluate_points(self.stars, self.parameters, points)
        r_dehnen = self.parameters.convert(points)["r_dehnen"]
        log_p = np.log([estimate_fraction(Selection(), float(r)) for r in r_dehnen])
        self.evaluations += len(points)
        self.seconds += time.process_time() - started
        return np.where(impossible > 0, -np.inf, sums - len(self.stars) * log_p)


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
    exploration, known = Exploration(D, rng), np.empty(0)

    def look_up(points: Float64Array) -> Float64Array:
        nonlocal known
        known = np.concatenate([known, target.evaluate(points[len(known) :])])
        return known

    exploration.search(look_up, 40 * D)
    proposal = exploration.propose()
    points, log_weights = np.empty((0, D)), np.empty(0)
    while not len(points) or count_effective(log_weights) < N_EFFECTIVE:
        fresh = proposal.draw(512, rng)
        ratio = standard_normal_log_density(fresh) - proposal.log_density(fresh)
        points = np.vstack([points, fresh])
        log_weights = np.concatenate([log_weights, ratio + target.evaluate(fresh)])
    total, effective = logsumexp(log_weights), count_effective(log_weights)
    error = math.sqrt(1.0 / effective - 1.0 / len(points))
    return SamplerRun(points, np.exp(log_weights - total), effective, float(total) - math.log(len(points)), error)


def _start(target: Target, n: int) -> Float64Array:
    """The n best of 400 draws of the prior, all possible."""
    points = np.random.default_rng(1).standard_normal((400, D))
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
    sampler = emcee.EnsembleSampler(32, D, lambda u: target(u) - 0.5 * float(u @ u), moves=moves)
    sampler.random_state = np.random.RandomState(1).get_state()
    sampler.run_mcmc(_start(target, 32), 600)
    chain = sampler.get_chain()[250:]
    times = emcee.autocorr.integrated_time(chain, quiet=True)
    return _equal(chain.reshape(-1, D), chain.shape[0] * chain.shape[1] / float(np.max(times)))


def _run_zeus(target: Target) -> SamplerRun:
    import zeus

    np.random.seed(1)  # noqa: NPY002 (zeus draws from the global stream)
    sampler = zeus.EnsembleSampler(14, D, lambda u: target(u) - 0.5 * float(u @ u), verbose=False)
    sampler.run_mcmc(_start(target, 14), 300, progress=False)
    chain = sampler.get_chain()[120:]
    return _equal(chain.reshape(-1, D), chain.shape[0] * chain.shape[1] / float(np.max(zeus.AutoCorrTime(chain))))


def _to_scores(cube: Float64Array) -> Float64Array:
    return np.asarray(ndtri(np.clip(cube, 1e-12, 1.0 - 1e-12)))


def _run_nautilus(target: Target) -> SamplerRun:
    import nautilus

    sampler = nautilus.Sampler(_to_scores, lambda u: max(target(u), -1e6), n_dim=D, n_live=500, seed=1)
    sampler.run(verbose=False, n_eff=3 * N_EFFECTIVE, n_like_max=40_000)
    points, log_weights, _ = sampler.posterior()
    weights = np.exp(log_weights - logsumexp(log_weights))
    return SamplerRun(points, weights, float(sampler.n_eff), float(sampler.log_z), 1.0 / math.sqrt(sampler.n_eff))


def _run_dynesty(target: Target) -> SamplerRun:
    import dynesty

    sampler = dynesty.NestedSampler(
        target, _to_scores, D, nlive=200, bound="multi", sample="rwalk", rstate=np.random.default_rng(1)
    )
    sampler.run_nested(maxcall=40_000, print_progress=False, dlogz=0.1)
    found = sampler.results
    weights = np.exp(found.logwt - logsumexp(found.logwt))
    effective = count_effective(found.logwt)
    return SamplerRun(found.samples, weights, effective, float(found.logz[-1]), float(found.logzerr[-1]))


def _run_pocomc(target: Target) -> SamplerRun:
    import pocomc

    prior = pocomc.Prior([norm(0.0, 1.0)] * D)
    sampler = pocomc.Sampler(prior=prior, likelihood=target, n_dim=D, n_effective=256, n_active=128, random_state=1)
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


def describe(name: str, sim_id: int) -> str:
    """Run a sampler, and say in a line what it found; a line that says so if its library is not installed."""
    target = Target(sim_id)
    target(np.zeros(D))  # compiles
    target.evaluations, target.seconds = 0, 0.0
    started = time.process_time()
    try:
        run = SAMPLERS[name](target)
    except ImportError as error:
        return f"{name:<10} not installed ({error})"
    seconds = time.process_time() - started
    values = target.parameters.convert(run.draws)
    means = {key: float(run.weights @ column) for key, column in values.items()}
    sigmas = {key: math.sqrt(float(run.weights @ (column - means[key]) ** 2)) for key, column in values.items()}
    evidence = "" if math.isnan(run.log_evidence) else f"ln Z {run.log_evidence:.2f} +- {run.error:.2f}, "
    return (
        f"{name:<10} {target.evaluations:>6} evaluations, {seconds:6.1f} s ({target.seconds:.1f} of them evaluations), "
        f"{run.effective:6.0f} effective draws, {run.effective / seconds:6.2f} a second; {evidence}"
        f"m_lmc {means['m_lmc'] / 1e10:.2f} +- {sigmas['m_lmc'] / 1e10:.2f}, "
        f"m200_mw {means['m200_mw'] / 1e11:.2f} +- {sigmas['m200_mw'] / 1e11:.2f}, "
        f"beta0 {means['beta0']:.3f} +- {sigmas['beta0']:.3f}"
    )


def main(sim_id: int, names: list[str]) -> None:
    """Run samplers one after another, and print a line of each."""
    unknown = [name for name in names if name not in SAMPLERS]
    if unknown:
        raise ValueError(f"--samplers = {','.join(unknown)}: allowed are {', '.join(SAMPLERS)}")
    for name in names:
        print(describe(name, sim_id), flush=True)
