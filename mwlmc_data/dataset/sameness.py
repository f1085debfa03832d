"""What "the same halo" means: how much a halo may differ when another machine simulates it again.

Processors round differently, and the orbits of the few stars that pass close to the centre are chaotic, so the bounds
apply to most stars and to the fit. They leave a margin around what ``python -m benchmarks regeneration`` measured with
Numba's generic processor as the other machine: 98.9% of the stars beyond 20 kpc within 0.01 kpc, 99.99% within 0.1 kpc
and 1 km/s; the travel vector within 1e-3 km/s in 99 haloes of 100 and within 0.003 km/s in all. On one machine with one
set of packages the stars are bit-identical.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.simulator import Halo

#: Galactocentric radius [kpc] beyond which stars are compared: those within pass the centre many times.
OUTER = 20.0
#: Distance [kpc] within which most outer stars agree, and the required share of them.
NEAR, NEAR_SHARE = 0.01, 0.97
#: Distance [kpc] and velocity [km/s] within which nearly all outer stars agree, and the required share.
FAR, FAST, FAR_SHARE = 0.1, 1.0, 0.999
#: Difference [km/s] within which each component of the travel vector agrees, and the required share of all haloes; of a
#: few there may be fewer, unless chance has that less often than this.
TRAVEL, TRAVEL_SHARE, RARE = 0.01, 0.9, 1e-3
#: Largest difference [km/s] in any halo: a star that ends on the other side of 50 kpc moves the vector by 0.1.
MAX_TRAVEL = 0.5


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
        Largest difference of a component of the travel vector [km/s].
    identical : int
        Number of bit-identical haloes.
    """

    haloes: int
    near: float
    far: float
    travel: Float64Array
    identical: int

    @property
    def problems(self) -> list[str]:
        """Violated bounds, in words; empty for the same haloes."""
        problems = []
        if self.near < NEAR_SHARE:
            problems.append(f"{self.near:.4f} of the outer stars are within {NEAR} kpc, not {NEAR_SHARE}")
        if self.far < FAR_SHARE:
            problems.append(f"{self.far:.5f} of the outer stars are within {FAR} kpc and {FAST} km/s, not {FAR_SHARE}")
        within = int((self.travel <= TRAVEL).sum())
        if bdtr(within, self.haloes, TRAVEL_SHARE) < RARE:
            problems.append(f"the travel vector is within {TRAVEL} km/s in {within} of {self.haloes} haloes, "
                            f"not in {TRAVEL_SHARE:.0%} of all")  # fmt: skip
        if self.travel.max() > MAX_TRAVEL:
            problems.append(f"a travel vector differs by {self.travel.max():.3g} km/s, more than {MAX_TRAVEL}")
        return problems


def compare_haloes(first: Sequence[Halo], second: Sequence[Halo]) -> Sameness:
    """Compare haloes, one by one, with the same ones simulated elsewhere.

    Parameters
    ----------
    first, second : sequence of Halo
        At least one halo each, equal in number, with equal numbers of stars.

    Returns
    -------
    Sameness

    Raises
    ------
    ValueError
        If the numbers of haloes differ or are zero.
    """
    if not first or len(first) != len(second):
        raise ValueError(f"haloes = {len(first)} and {len(second)}: allowed are equal numbers from 1 up")
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
