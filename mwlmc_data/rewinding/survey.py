"""Simulated surveys: observed stars of a halo with known parameters."""

from __future__ import annotations

import math

import numpy as np

from mwlmc_data.rewinding.observed import ObservedStars, observe_stars
from mwlmc_data.rewinding.selection import Selection
from mwlmc_data.rewinding.simulated import draw_blocks, refuse_rare
from mwlmc_data.simulator.parameters import Parameters

#: Stars that are simulated first, to learn which part of them is observed.
_FIRST = 20_000


def simulate_survey(
    parameters: Parameters, selection: Selection, errors: ObservedStars, n_stars: int, seed: tuple[int, ...]
) -> ObservedStars:
    """Simulate stars and observe them, until about `n_stars` are in the selection; its random part does not count.

    Parameters
    ----------
    parameters : Parameters
        Of the halo.
    selection : Selection
        Acts on the observed distances.
    errors : ObservedStars
        Stars whose errors and missing data are drawn, each time those of a whole star.
    n_stars : int
        Observed stars wanted.
    seed : tuple of int
        Of the stars and the errors.

    Returns
    -------
    ObservedStars

    Raises
    ------
    ValueError
        If the selection observes too few of the stars.
    """
    rng = np.random.default_rng(seed)
    first = _observe(parameters, selection, errors, _FIRST, rng)
    refuse_rare(len(first), _FIRST, selection)
    missing = math.ceil(max(n_stars - len(first), 0) * _FIRST / len(first))
    if not missing:
        return first
    rest = _observe(parameters, selection, errors, missing, rng)
    return ObservedStars.from_array(np.concatenate([first.to_array(), rest.to_array()]))


def _observe(
    parameters: Parameters, selection: Selection, errors: ObservedStars, n: int, rng: np.random.Generator
) -> ObservedStars:
    kept = []
    for stars in draw_blocks(parameters, n, rng, outskirts=False):
        seen = observe_stars(stars, errors[rng.integers(len(errors), size=len(stars))], rng)
        chosen = rng.random(len(seen)) < selection.compute_completeness(seen.positions)
        kept.append(seen[chosen].to_array())
    return ObservedStars.from_array(np.concatenate(kept))
