"""Sets of stars as data: padded arrays with a mask, and the LMC beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float32Array
from mwlmc_data.display import Displayed


@dataclass(frozen=True, repr=False)
class StarSets(Displayed):
    """The stars of n haloes.

    Index it with a slice, a mask or an array of numbers to select haloes.

    Attributes
    ----------
    stars : ndarray, shape (n, m, 6), float32
        Galactocentric positions [kpc] and velocities [km/s] of up to m stars; zeros after the last.
    mask : ndarray of bool, shape (n, m)
        Which of them are stars. They come first.
    lmc : ndarray, shape (n, 6), float32
        Position [kpc] and velocity [km/s] of the LMC.
    """

    stars: Float32Array
    mask: NDArray[np.bool_]
    lmc: Float32Array

    def __len__(self) -> int:
        return len(self.lmc)

    def __getitem__(self, rows: Any) -> StarSets:
        if isinstance(rows, int | np.integer):
            raise TypeError(f"rows = {rows}: allowed is a slice, a mask or an array of numbers, such as x[{rows}:][:1]")
        return StarSets(self.stars[rows], self.mask[rows], self.lmc[rows])

    @property
    def n_stars(self) -> NDArray[np.int64]:
        """Number of stars of each halo, shape (n,)."""
        return self.mask.sum(axis=1)


def join_sets(sets: Sequence[StarSets]) -> StarSets:
    """Concatenate sets of stars with equal largest numbers of stars."""
    parts = zip(*((each.stars, each.mask, each.lmc) for each in sets), strict=True)
    return StarSets(*(np.concatenate(arrays) for arrays in parts))


def pad_stars(stars: Float32Array, n_max: int) -> dict[str, NDArray]:
    """Keep the first stars of a halo, so that their number says nothing where it reaches `n_max`.

    Parameters
    ----------
    stars : ndarray, shape (n, 6)
        Of one halo; the order is random.
    n_max : int
        Largest number of stars that are kept.

    Returns
    -------
    dict
        stars (n_max, 6), zeros after the last, and mask (n_max,).
    """
    kept = stars[:n_max]
    padded = np.zeros((n_max, stars.shape[1]), np.float32)
    padded[: len(kept)] = kept
    return {"stars": padded, "mask": np.arange(n_max) < len(kept)}
