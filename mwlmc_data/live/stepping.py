"""Steps of a live run: a leapfrog of two levels.

The expansions, and the body's pull on particles beyond ``INNER_RADIUS``, act as kicks at both ends of a long step.
Within it, particles of the inner galaxy and the body move in shorter steps under their mutual forces alone (the
impulse method, r-RESPA: Tuckerman, Berne & Martyna 1992). What kicks a particle kicks the body with the opposite
momentum, at the same time, so that none is lost between the levels.

The same functions move massless stars through a stored field, where the body follows its stored path.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.live.body import Body, kick_by_body
from mwlmc_data.live.expansion import Expansion
from mwlmc_data.live.force import kick
from mwlmc_data.live.harmonics import find_l_max
from mwlmc_data.live.state import State
from mwlmc_data.simulator.compiling import kernel

#: Radius [kpc] within which particles take the short steps.
INNER_RADIUS = 15.0
#: Short steps in a long one.
SHORT_STEPS = 4

_NO_POTENTIAL = np.empty(0)


@kernel
def _mark_outer(positions, centre, radius, outer):
    """Whether each particle is farther than `radius` from the centre."""
    for i in range(positions.shape[0]):
        x, y, z = positions[i, 0] - centre[0], positions[i, 1] - centre[1], positions[i, 2] - centre[2]
        outer[i] = x * x + y * y + z * z > radius * radius


@kernel
def _drift(positions, velocities, span):
    for i in range(positions.shape[0]):
        for k in range(3):
            positions[i, k] += span * velocities[i, k]


#: Finds what a state has become after a step, and its expansions.
Renewal = Callable[[State, float], list[Expansion]]


def advance(
    state: State, body: Body, expansions: list[Expansion], span: float, steps: int, renew: Renewal
) -> list[Expansion]:
    """Advance a state by `steps` long steps of `span` [kpc / (km/s)] each.

    Parameters
    ----------
    state : State
        Changed in place.
    body : Body
        Bulge and disc.
    expansions : list of Expansion
        Those of the state now.
    span, steps
        Length of a long step, and their number.
    renew : callable
        Called with the state and `span` once its particles have moved; finds the centres and returns the expansions:
        :func:`renew_live` of a live run, :func:`~mwlmc_data.live.replay.move_stars`'s own of a stored field.

    Returns
    -------
    list of Expansion
        Those of the state as it is now.
    """
    n = len(state.positions)
    outer, was_outer = np.empty(n, bool), np.zeros(n, bool)
    for i in range(steps + 1):
        is_last = i == steps
        kick_by_expansions(state.positions, state.velocities, expansions, (0.5 if i == 0 or is_last else 1.0) * span)
        outer[:] = False
        if not is_last:
            _mark_outer(state.positions, state.body, INNER_RADIUS, outer)
        spans = (0.5 * span * (outer.astype(np.float32) + was_outer)).astype(np.float32)
        _exchange(state.positions, state.velocities, state.masses, spans, state.body, body)
        if is_last:
            break
        inner = np.flatnonzero(~outer)
        moved = state.positions[inner], state.velocities[inner], state.masses[inner]
        _drift(state.positions, state.velocities, span)
        _move_inner(*moved, state.body, body, span)
        state.positions[inner], state.velocities[inner] = moved[0], moved[1]
        state.time += span
        was_outer[:] = outer
        expansions = renew(state, span)
    return expansions


def renew_live(l_max: int) -> Renewal:
    """Renewal of a live run: the LMC's centre follows its particles, and both galaxies are expanded again."""

    def renew(state: State, span: float) -> list[Expansion]:
        if state.has_lmc:
            state.lmc[:3] += span * state.lmc[3:]
        state.find_lmc()
        return state.expand(l_max)

    return renew


def kick_by_expansions(
    positions: Float64Array, velocities: Float64Array, expansions: list[Expansion], span: float
) -> None:
    """Kick particles by all expansions for `span` [kpc / (km/s)]."""
    for expansion in expansions:
        l_max = find_l_max(expansion.potential.shape[1])
        kick(positions, velocities, expansion.centre, expansion.cells, l_max, span, _NO_POTENTIAL)


def _exchange(
    positions: Float64Array, velocities: Float64Array, masses: Float32Array, spans: Float32Array,
    body_state: Float64Array, body: Body,
) -> None:  # fmt: skip
    """Let the body and particles exchange momentum."""
    given = kick_by_body(positions, velocities, masses, spans, body_state, body.radial, body.disc, body.height)
    for k in range(3):
        body_state[3 + k] -= given[k] / body.mass


def _move_inner(
    positions: Float64Array, velocities: Float64Array, masses: Float32Array, body_state: Float64Array, body: Body,
    span: float,
) -> None:  # fmt: skip
    """Move particles and the body under their mutual forces in short steps."""
    short = span / SHORT_STEPS
    half, whole = (np.full(len(positions), f * short, np.float32) for f in (0.5, 1.0))
    _exchange(positions, velocities, masses, half, body_state, body)
    for i in range(SHORT_STEPS):
        _drift(positions, velocities, short)
        body_state[:3] += short * body_state[3:]
        last = i == SHORT_STEPS - 1
        _exchange(positions, velocities, masses, half if last else whole, body_state, body)
