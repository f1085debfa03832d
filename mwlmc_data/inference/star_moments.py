"""`infer_stars` by moments: what a user gives becomes a recipe of mocks."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mwlmc_data._version import __version__
from mwlmc_data.arguments.arrays import as_names, check_names
from mwlmc_data.dataset.schema import LMC_VECTOR
from mwlmc_data.inference.checkpoint import Checkpoint
from mwlmc_data.inference.emulator import count_needed
from mwlmc_data.inference.free_parameters import FreeParameters
from mwlmc_data.inference.held import hold_values
from mwlmc_data.inference.measurement import read_place
from mwlmc_data.inference.mock_simulations import BATCH, MockRecipe, count_simulated
from mwlmc_data.inference.moments import HELD_OUT, MomentsPosterior, infer_moments
from mwlmc_data.inference.targets import TOTAL
from mwlmc_data.observations.observation import Observation
from mwlmc_data.priors.enclosed import DRAWN_FOR_WITHIN_50
from mwlmc_data.rewinding.observed import COLUMNS, ERROR_COLUMNS, is_observed, take_observed
from mwlmc_data.rewinding.selection import Selection, find_selected
from mwlmc_data.simulator.constants import SIMULATOR_VERSION
from mwlmc_data.simulator.limits import SKY_NAMES
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.reflex import REFLEX_NAMES
from mwlmc_data.surveys.contamination import take_components
from mwlmc_data.workers import count_processes

#: Raised whenever the same input gives other mocks: checkpoints of other versions are refused.
ALGORITHM = 1


def infer_by_moments(
    table: Any,
    selection: Selection | None,
    moments: Sequence[str] | None,
    config: str,
    free: Sequence[str],
    lmc: Parameters | Observation | Mapping[str, Any] | None,
    held: Mapping[str, Any] | None,
    n: int,
    n_mocks: int,
    seed: int,
    workers: int | None,
    file: Path | None,
    advance: Callable[[str, int], None],
    targets: str = TOTAL,
    contamination: Mapping[str, Any] | None = None,
) -> MomentsPosterior:
    """Draw the posterior given the moments of observed stars; all but `advance` as for `infer_stars`, and checked.

    Raises
    ------
    ValueError
        If there are too few mocks for the free parameters, the table holds no observed stars, none of them is in the
        selection, or the targets do not follow from the free parameters.
    """
    names = REFLEX_NAMES if moments is None else as_names("moments", moments)
    check_names("moments", names, REFLEX_NAMES)
    place, at = None, lmc
    if not set(SKY_NAMES) & set(free):
        place = read_place(lmc)
        at = dict(zip(LMC_VECTOR, place.vector.tolist(), strict=True))
    if targets != TOTAL and (lacking := [name for name in DRAWN_FOR_WITHIN_50 if name not in free]):
        raise ValueError(f"free = {', '.join(free)}, with targets = {targets!r}: allowed is also {', '.join(lacking)}")
    parameters = FreeParameters(config, free, hold_values(free, at, held))
    components = take_components(contamination)
    n_unknown = len(parameters.free) + sum(not each.is_known for each in components)
    needed = math.ceil(count_needed(n_unknown) / (1.0 - HELD_OUT))
    if n_mocks < needed:
        raise ValueError(f"n_mocks = {n_mocks}: allowed is {needed} or more for {n_unknown} free parameters")
    if not is_observed(table):
        raise ValueError(
            f"table = stars without {', '.join(COLUMNS[:3])}, with method = 'moments': allowed is a table of observed "
            f"stars, {', '.join(COLUMNS)} with {', '.join(ERROR_COLUMNS.values())}; mock_survey makes one of a halo"
        )
    observed = take_observed(table)
    # the mocks depend on the places of the stars, the answer must not
    observed = observed[np.lexsort(observed.to_array().T)]
    inside = np.ones(len(observed), bool)
    if selection is not None:
        inside = find_selected(observed.positions, selection) > 0.0
    stars = observed[inside]
    recipe = MockRecipe(stars, selection, parameters, place, seed, count_simulated(len(stars)), components)
    n_mocks = -(-n_mocks // BATCH) * BATCH
    checkpoint = Checkpoint(file, compute_key(recipe))
    n_left_out = len(observed) - int(inside.sum())
    processes = count_processes(workers, n_mocks)
    return infer_moments(recipe, names, n_left_out, n, n_mocks, processes, checkpoint, advance, targets)


def compute_key(recipe: MockRecipe) -> str:
    """Hash of all that the mocks depend on; not of their number, so that a longer run keeps those of a shorter one."""
    parameters, selection = recipe.parameters, recipe.selection
    held = sorted(parameters.held.items())
    settings = (parameters.config, parameters.free, held, recipe.seed, recipe.n_simulated)
    chosen = "like" if selection is None else selection.compute_digest()
    digest = hashlib.sha256(repr((ALGORITHM, __version__, SIMULATOR_VERSION, settings, chosen)).encode())
    digest.update(recipe.stars.to_array().tobytes())
    for each in recipe.components:
        digest.update(repr((each.name, each.low, each.high)).encode())
        digest.update(each.stars.tobytes())
    if recipe.place is not None:
        for array in (recipe.place.vector, recipe.place.sky, recipe.place.errors):
            digest.update(b"exact" if array is None else array.tobytes())
    return digest.hexdigest()
