"""Summaries of the stars in radial bins, and a mixture density network given them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.base import Draws
from benchmarks.baselines.mdn import Mdn
from benchmarks.common.sets import Learnable
from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.dataset.schema import LMC_VECTOR
from mwlmc_data.priors import Prior
from mwlmc_data.scoring.observations import Split
from mwlmc_data.scoring.star_sets import StarSets
from mwlmc_data.simulator.frames import galactocentric_basis

#: Edges of the bins in Galactocentric radius [kpc].
EDGES = (50.0, 60.0, 75.0, 100.0, 150.0, np.inf)
#: What a bin gives: its share of the stars, the mean velocity along x, y and z, the mean radial velocity, and the
#: dispersions of the three Galactocentric components [km/s].
_IN_A_BIN = ("share", "mean_v_x", "mean_v_y", "mean_v_z", "mean_v_r", "sigma_v_r", "sigma_v_phi", "sigma_v_theta")
NAMES = (*LMC_VECTOR, *(f"{what}_{low:g}" for low in EDGES[:-1] for what in _IN_A_BIN))


@dataclass(frozen=True)
class _Summarised:
    """A task of sets as a task of tables."""

    id: str
    theta_names: tuple[str, ...]
    prior: Prior
    train: Split
    validation: Split
    x_names: tuple[str, ...] = NAMES
    form: str = "table"


class BinsMdn(Mdn):
    """The mixture density network of `mdn`, given means and dispersions of velocities in five radial bins."""

    name = "bins-mdn"
    title = "Radial bins with a mixture density network"
    source = "Bishop 1994, Aston University report NCRG/94/004; bins after Brooks et al. 2026, arXiv:2603.08788"
    form = "sets"

    def fit(self, task: Learnable, seed: int = 0) -> None:
        """Summarise the splits and train on them."""
        super().fit(_summarise_task(task, task.train, task.validation), seed)

    def sample(self, x: NDArray | StarSets, n: int, seed: int = 0) -> Draws:
        """Draw scores from the mixture given the summaries."""
        self._require_fitted()
        return super().sample(summarise(x), n, seed)

    def log_prob(self, theta: NDArray, x: NDArray | StarSets, acceptance: NDArray | None = None) -> Float64Array:
        """Compute the log posterior density per unit of theta; -inf outside the support."""
        self._require_fitted()
        return super().log_prob(theta, summarise(x))

    def restore(self, task: Learnable, state: Mapping[str, NDArray]) -> None:
        """Restore what was trained on a task, without torch."""
        empty = Split(np.empty((0, 3), np.float32), np.empty((0, len(NAMES)), np.float32), np.empty(0, np.int32))
        super().restore(_Summarised(task.id, task.theta_names, task.prior, empty, empty), state)


def _summarise_task(task: Learnable, *splits: Split) -> _Summarised:
    train, validation = (Split(part.theta, summarise(part.x), part.sim_id) for part in splits)
    return _Summarised(task.id, task.theta_names, task.prior, train, validation)


def summarise(x: NDArray | StarSets) -> Float32Array:
    """Summarise sets: the LMC's vector and the bins of each, shape (n, len(NAMES)).

    Raises
    ------
    TypeError
        If the data are not sets.
    """
    if not isinstance(x, StarSets):
        raise TypeError(f"x = {type(x).__name__}: allowed is a StarSets, as in the tasks of stars")
    rows = [_summarise_stars(x.stars[i][x.mask[i]].astype(np.float64)) for i in range(len(x))]
    return np.concatenate([x.lmc, np.array(rows, np.float32)], axis=1)


def _summarise_stars(stars: Float64Array) -> Float64Array:
    """Summarise the stars (n, 6) of a set; a mean without stars is 0, and so is a dispersion of fewer than two."""
    position, velocity = stars[:, :3], stars[:, 3:]
    spherical = np.einsum("nki,ni->nk", galactocentric_basis(position), velocity)
    place = np.searchsorted(EDGES, np.sqrt(np.square(position).sum(axis=1)), side="left") - 1
    found = []
    for k in range(len(EDGES) - 1):
        own, around = velocity[place == k], spherical[place == k]
        n = len(own)
        mean = np.append(own.mean(axis=0), around[:, 0].mean()) if n else np.zeros(4)
        found += [n / len(stars), *mean, *(around.std(axis=0, ddof=1) if n > 1 else np.zeros(3))]
    return np.array(found)
