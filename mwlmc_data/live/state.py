"""State of a live run: all that the next step needs, and the forces it takes from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.live.body import Body, evaluate_body_potential
from mwlmc_data.live.centre import ITERATIONS, PLACE_SCALE, VELOCITY_SCALE, find_centre
from mwlmc_data.live.expansion import Expansion, expand
from mwlmc_data.live.force import evaluate
from mwlmc_data.simulator.compiling import announce_compiling


class State(Displayed):
    """Particles and centres at one time, in an inertial frame; a run changes them in place.

    Parameters
    ----------
    positions, velocities : ndarray, shape (n, 3)
        Of all particles [kpc, km/s]: first those of the Milky Way's halo, then the LMC's, then massless tracers.
    masses : ndarray of float32, shape (n,)
        Masses [Msun].
    ids : ndarray of int32, shape (n,)
        Number of each particle when it was drawn.
    ends : tuple of int
        Where the halo's, the LMC's and the tracers' particles end.
    body : ndarray, shape (6,)
        Position and velocity of bulge and disc [kpc, km/s].
    lmc : ndarray, shape (6,)
        The same of the LMC's centre; NaN if there is none.
    time : float
        Time since the start [kpc / (km/s)].
    """

    def __init__(
        self,
        positions: Float64Array,
        velocities: Float64Array,
        masses: Float32Array,
        ids: NDArray[np.int32],
        ends: tuple[int, int, int],
        body: Float64Array,
        lmc: Float64Array,
        time: float = 0.0,
    ) -> None:
        self.positions, self.velocities, self.masses, self.ids = positions, velocities, masses, ids
        self.ends, self.body, self.lmc, self.time = ends, body, lmc, time

    def _summary(self) -> str:
        halo, lmc, tracers = np.diff([0, *self.ends]).tolist()
        return f"{halo:,} particles of the halo, {lmc:,} of the LMC, {tracers:,} tracers; time {self.time:.4g}"

    def _rows(self) -> list[tuple[str, str]]:
        return [("state", self._summary())]

    @property
    def halo_part(self) -> slice:
        """Particles of the Milky Way's halo."""
        return slice(0, self.ends[0])

    @property
    def lmc_part(self) -> slice:
        """Particles of the LMC."""
        return slice(self.ends[0], self.ends[1])

    @property
    def tracer_part(self) -> slice:
        """Massless tracers."""
        return slice(self.ends[1], self.ends[2])

    @property
    def has_lmc(self) -> bool:
        """Whether there is an LMC."""
        return self.ends[1] > self.ends[0]

    def sort(self) -> None:
        """Sort the particles of each part in memory by radius, so that those of a bin are neighbours."""
        for part, centre in (
            (self.halo_part, self.body),
            (self.lmc_part, self.lmc),
            (self.tracer_part, self.body),
        ):
            offset = self.positions[part] - centre[:3]
            order = part.start + np.argsort(np.einsum("ni,ni->n", offset, offset), kind="stable")
            for array in (self.positions, self.velocities, self.masses, self.ids):
                array[part] = array[order]

    def find_lmc(self) -> None:
        """Find the LMC's centre again, near where it is thought to be."""
        if self.has_lmc:
            part = self.lmc_part
            with announce_compiling():
                self.lmc = find_centre(
                    self.positions[part], self.velocities[part], self.lmc[:3], PLACE_SCALE, VELOCITY_SCALE, ITERATIONS
                )

    def expand(self, l_max: int) -> list[Expansion]:
        """Expand the Milky Way's halo about the body, and the LMC about its own centre."""
        parts = [(self.halo_part, self.body)]
        if self.has_lmc:
            parts.append((self.lmc_part, self.lmc))
        return [expand(self.positions[p], self.masses[p], centre[:3].copy(), l_max) for p, centre in parts]

    def restore_order(self, array: NDArray) -> NDArray:
        """An array of the particles in the order in which they were drawn."""
        out = np.empty_like(array)
        out[self.ids] = array
        return out


def compute_energy(state: State, expansions: list[Expansion], body: Body) -> tuple[float, float]:
    """Total and kinetic energy [Msun km^2 s^-2]."""
    mass = state.masses.astype(float)
    between = sum(evaluate(expansion, state.positions)[1] for expansion in expansions)
    with_body = evaluate_body_potential(body, state.positions - state.body[:3])
    kinetic = 0.5 * float(mass @ np.einsum("ni,ni->n", state.velocities, state.velocities))
    kinetic += 0.5 * body.mass * float(state.body[3:] @ state.body[3:])
    return kinetic + float(mass @ (0.5 * between + with_body)), kinetic


def compute_momentum(state: State, body: Body) -> Float64Array:
    """Total momentum [Msun km/s], (3,)."""
    return state.masses.astype(float) @ state.velocities + body.mass * state.body[3:]
