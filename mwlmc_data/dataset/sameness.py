"""What "the same halo" means: how much a halo may differ that is made again on another machine.

Processors round differently, and the paths of the few stars that pass close to the centre are chaotic, so that it is
a statement about most stars and about the fit. The bounds leave room around what ``python -m benchmarks regeneration``
measured with Numba's generic processor as the other machine: of the stars beyond 20 kpc 98.9% within 0.01 kpc, 99.99%
within 0.1 kpc and 1 km/s; the travel vector within 1e-3 km/s in 99 haloes of 100 and within 0.003 in all. On one
machine with one set of packages the stars are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.simulator import Halo

#: Galactocentric radius [kpc] beyond which stars are compared: those within pass the centre again and again.
OUTER = 20.0
#: Most outer stars are within this distance [kpc] of where they were: at least this share.
NEAR, NEAR_SHARE = 0.01, 0.97
#: Nearly all are within this distance [kpc] and velocity [km/s]: at least this share.
FAR, FAST, FAR_SHARE = 0.1, 1.0, 0.999
#: The travel vector is within so much [km/s] in each component: in at least this share of the haloes.
TRAVEL, TRAVEL_SHARE = 0.01, 0.9
#: In no halo does it differ by more [km/s]: a star that ends on the other side of 50 kpc moves it by 0.1.
TRAVEL_MOST = 0.5


@dataclass(frozen=True, repr=False)
class Sameness(Displayed):
    """How two sets of the same haloes differ.

    Attributes
    ----------
    haloes : int
        Number of haloes compared.
    near, far : float
        Shares of the outer stars within `NEAR`, and within `FAR` and `FAST`.
    travel : ndarray, shape (haloes,)
        Greatest difference of a component of the travel vector [km/s].
    identical : int
        Haloes that are the same to the bit.
    """

    haloes: int
    near: float
    far: float
    travel: Float64Array
    identical: int

    @property
    def problems(self) -> list[str]:
        """Bounds that do not hold, in words; empty for the same haloes."""
        told = []
        if self.near < NEAR_SHARE:
            told.append(f"{self.near:.4f} of the outer stars are within {NEAR} kpc, not {NEAR_SHARE}")
        if self.far < FAR_SHARE:
            told.append(f"{self.far:.5f} of the outer stars are within {FAR} kpc and {FAST} km/s, not {FAR_SHARE}")
        within = float((self.travel <= TRAVEL).mean())
        if within < TRAVEL_SHARE:
            told.append(f"the travel vector is within {TRAVEL} km/s in {within:.2f} of the haloes, not {TRAVEL_SHARE}")
        if self.travel.max() > TRAVEL_MOST:
            told.append(f"a travel vector differs by {self.travel.max():.3g} km/s, more than {TRAVEL_MOST}")
        return told


def compare_haloes(first: Sequence[Halo], second: Sequence[Halo]) -> Sameness:
    """Compare haloes, one by one, with the same ones made elsewhere.

    Parameters
    ----------
    first, second : sequence of Halo
        Equally many, at least one, with equally many stars.

    Returns
    -------
    Sameness

    Raises
    ------
    ValueError
        If their numbers differ, or are zero.
    """
    if not first or len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} haloes cannot be compared: equally many, at least 1")
    from mwlmc_data.simulator import fit_reflex

    near, far, outer, identical = 0, 0, 0, 0
    travel = []
    for a, b in zip(first, second, strict=True):
        beyond = np.linalg.norm(a.positions, axis=1) > OUTER
        position = np.linalg.norm(a.positions - b.positions, axis=1)[beyond]
        velocity = np.linalg.norm(a.velocities - b.velocities, axis=1)[beyond]
        outer += int(beyond.sum())
        near += int((position <= NEAR).sum())
        far += int(((position <= FAR) & (velocity <= FAST)).sum())
        same = np.array_equal(a.positions, b.positions) and np.array_equal(a.velocities, b.velocities)
        identical += same
        vectors = [fit_reflex(halo.positions, halo.velocities).vector for halo in ((a,) if same else (a, b))]
        travel.append(float(np.abs(vectors[0] - vectors[-1]).max()))
    return Sameness(len(first), near / max(outer, 1), far / max(outer, 1), np.array(travel), identical)
