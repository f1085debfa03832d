"""Observed stars of simulations, and how many of the simulated stars they are.

The part of the stars that is observed has a control variate: the part of the same stars that began in the selection's
shell of radii, whose expectation is that of the profile from which the radii are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from mwlmc_data.array_types import Float64Array, FloatArray
from mwlmc_data.display import describe_tuple
from mwlmc_data.rewinding.selection import Selection, keep_observed
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.engines import registry
from mwlmc_data.simulator.halo_model import build_equilibrium, compute_mass_fraction, draw_halo
from mwlmc_data.simulator.parameters import Parameters

#: Stars simulated at a time.
BLOCK = 20_000
#: Blocks below which the coefficient of the control variate is not determined.
_FEWEST_BLOCKS = 12
#: Smallest probability of a selection: of rarer stars it takes too many to draw enough.
MIN_PROBABILITY = 1e-3

#: A function that applies another to many arguments, in order: `map`, or that of a pool of processes.
Map = Callable[..., Any]


class DrawJob(NamedTuple):
    """Stars to simulate."""

    parameters: Parameters
    selection: Selection
    n_stars: int
    seed: tuple[int, ...]
    relative_errors: Float64Array | None = None  # of ln distance, if the selection acts on distances with errors

    def __repr__(self) -> str:
        return describe_tuple(self)


class Count(NamedTuple):
    """What became of simulated stars."""

    drawn: int
    observed: int  # without the random part of the selection
    began: int  # in the selection's shell of radii, 2.2 Gyr ago
    expected: float  # number of these

    def __repr__(self) -> str:
        return describe_tuple(self)


def draw_blocks(
    parameters: Parameters, n_stars: int, rng: np.random.Generator, outskirts: bool
) -> Iterator[FloatArray]:
    """Simulate stars (m, 6) of today, in blocks; with `outskirts` those that end within 50 kpc may be left out."""
    engine = registry.get("auto", outskirts=outskirts)
    for i in range(0, n_stars, BLOCK):
        yield engine(parameters, min(BLOCK, n_stars - i), rng)[1]


def draw_job(job: DrawJob) -> FloatArray:
    """Observed stars (m, 6), without the random part of the selection, of a number of simulated ones."""
    rng = np.random.default_rng(job.seed)
    # stars that cannot be beyond 50 kpc need not be moved if none within is observed
    outskirts = job.selection.r_min >= const.FIT_R_MIN and job.relative_errors is None
    blocks = draw_blocks(job.parameters, job.n_stars, rng, outskirts)
    return np.concatenate([keep_observed(stars, job.selection, rng, job.relative_errors)[0] for stars in blocks])


def draw_counted(job: DrawJob) -> tuple[FloatArray, list[Count]]:
    """The same, and what became of the stars of each block; its stars are those of a job with another seed."""
    model, shell = build_equilibrium(job.parameters), (job.selection.r_min, job.selection.r_max)
    inside = compute_mass_fraction(model, np.array(shell))
    stars, counts = [], []
    for i in range(0, job.n_stars, BLOCK):
        n = min(BLOCK, job.n_stars - i)
        seed = (*job.seed, i)
        stars.append(draw_job(job._replace(n_stars=n, seed=seed)))
        # the first numbers of the stream are those of the stars' start
        start = draw_halo(model, n, np.random.default_rng(seed))[:, :3]
        r2 = np.einsum("ni,ni->n", start, start)
        began = int(((r2 > shell[0] ** 2) & (r2 < shell[1] ** 2)).sum())
        counts.append(Count(n, len(stars[-1]), began, n * float(inside[1] - inside[0])))
    return np.concatenate(stars), counts


def draw_first_block(job: DrawJob) -> FloatArray:
    """Observed stars of a job of some thousand; raise ValueError if they are too few."""
    first = draw_job(job)
    refuse_rare(len(first), job.n_stars, job.selection)
    return first


def draw_observed(parameters: Parameters, selection: Selection, n_stars: int, seed: tuple[int, ...]) -> FloatArray:
    """Simulate until about `n_stars` stars (m, 6) are observed, the random part not counted."""
    first = draw_first_block(DrawJob(parameters, selection, BLOCK, (*seed, 0)))
    missing = math.ceil(max(n_stars - len(first), 0) * BLOCK / len(first))
    if not missing:
        return first
    return np.concatenate([first, draw_job(DrawJob(parameters, selection, missing, (*seed, 1)))])


def refuse_rare(n_observed: int, n_drawn: int, selection: Selection) -> None:
    """Refuse a selection that observes too few of the stars."""
    if n_observed < MIN_PROBABILITY * n_drawn:
        raise ValueError(
            f"selection = {selection!r}: allowed is one that observes more than {MIN_PROBABILITY:g} of the stars, but "
            f"here {n_observed} of {n_drawn:,}"
        )


def fit_constant(drawn: Float64Array, observed: Float64Array, relative: Float64Array) -> tuple[float, float]:
    """The constant of ln P that makes counts of observed stars most likely, and its error.

    Parameters
    ----------
    drawn, observed : ndarray, shape (n,)
        Numbers of stars of several simulations.
    relative : ndarray, shape (n,)
        ln P of each, less the constant.
    """
    if observed.sum() == drawn.sum():  # everything is observed
        return 0.0, 0.0
    log_p = math.log(observed.sum() / (drawn * np.exp(relative)).sum())
    for _ in range(20):  # Newton's method for the likelihood of binomial counts
        p = np.minimum(np.exp(log_p + relative), 1.0 - 1e-12)
        information = float((drawn * p / (1.0 - p)).sum())
        log_p += float(((observed - drawn * p) / (1.0 - p)).sum()) / information
    return log_p, 1.0 / math.sqrt(information)


def fit_controlled_constant(counts: Sequence[Count], relative: Float64Array) -> tuple[float, float]:
    """The same with the control variate, whose coefficient the scatter of the counts gives.

    Parameters
    ----------
    counts : sequence of Count
        Of several blocks of stars, the more the better: below 12 the control is not used.
    relative : ndarray, shape (n,)
        ln P of each, less the constant.
    """
    drawn, observed, began, expected = (np.array(column, float) for column in zip(*counts, strict=True))
    log_p, error = fit_constant(drawn, observed, relative)
    spread = began - expected
    if len(counts) < _FEWEST_BLOCKS or error == 0.0 or not spread.any():
        return log_p, error
    p = np.minimum(np.exp(log_p + relative), 1.0 - 1e-12)
    weight = 1.0 / np.sqrt(drawn * p * (1.0 - p))
    y, z = weight * (observed - drawn * p), weight * spread
    slope = float(y @ z) / float(z @ z)
    explained = min(float(y @ z) ** 2 / float(y @ y) / float(z @ z), 1.0)
    log_p, _ = fit_constant(drawn, observed - slope * spread, relative)
    # one degree of freedom is the slope's
    return log_p, error * math.sqrt(max(1.0 - explained, 0.0) * len(counts) / (len(counts) - 1))


def count_probability(
    parameters: Parameters, selection: Selection, n_stars: int, seed: tuple[int, ...], apply: Map = map
) -> tuple[float, float]:
    """Estimate ln P at one point from simulated stars alone, and its error: the constant that ratios leave open.

    Parameters
    ----------
    parameters : Parameters
        The point.
    selection : Selection
        What is observed.
    n_stars : int
        Stars to simulate, rounded up to whole blocks of 20,000.
    seed : tuple of int
        Of the stars.
    apply : callable
        `map`, or that of a pool.

    Raises
    ------
    ValueError
        If none of them is observed.
    """
    jobs = [DrawJob(parameters, selection, BLOCK, (*seed, i)) for i in range(math.ceil(n_stars / BLOCK))]
    counts = [count for _, found in apply(draw_counted, jobs) for count in found]
    if not any(count.observed for count in counts):
        raise ValueError(f"selection = {selection!r}: allowed is one that observes some of {n_stars:,} stars")
    log_p, error = fit_controlled_constant(counts, np.zeros(len(counts)))
    return log_p + math.log(selection.fraction), error
