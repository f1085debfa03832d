"""Where an LMC starts that arrives at its present day: found by small live runs.

The rigid pair, rewound from the present day, gives the first guess, and its derivative d(start) / d(present) the
direction of corrections. A live pair forgets part of a change of its start (the rigid derivative overshoots by nearly
two), so that the corrections begin with about half of it; from then on Broyden's (1965) method learns the live
derivative from the misses themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import describe_tuple
from mwlmc_data.live.running import run
from mwlmc_data.live.settings import make_settings
from mwlmc_data.live.start import make_galaxies
from mwlmc_data.simulator.limits import LIMITS
from mwlmc_data.simulator.orbit import integrate_orbit
from mwlmc_data.simulator.parameters import Parameters, place_lmc

#: Particles of an aiming run: the centre's own noise is then 0.3 kpc and 3 km/s.
AIMING_PARTICLES = 70_000
#: Rows of an aiming run, and long steps to a row: 4 Myr each.
AIMING_ROWS, AIMING_STEPS = 11, 50
#: Miss [kpc, km/s] that is small enough, and the one beyond which the last shot has failed.
GOOD_MISS, WORST_MISS = (0.5, 3.0), (3.0, 15.0)
#: Largest number of shots.
MAX_SHOTS = 8
#: Allowed distance of the start [kpc]: apart, and not beyond where the live halo ends.
START_RANGE = (60.0, 1000.0)
#: Largest speed of the start [km/s], as of a present day: a faster LMC comes from nowhere near, or does not stay.
MAX_START_SPEED = LIMITS["vx_lmc"][1]

#: Share of the rigid derivative that is applied.
_SHARE = 0.55
#: Steps of the rigid derivative, and the scales [kpc, km/s] in which a miss is one number.
_STEPS = np.array([0.5, 0.5, 0.5, 2.0, 2.0, 2.0])
_SCALES = np.array([1.0, 1.0, 1.0, 5.0, 5.0, 5.0])
#: Longest correction in those scales: beyond, the derivative means nothing.
_LONGEST = 60.0


class MissedError(ValueError):
    """An LMC that does not arrive at its present day, or whose start a live run cannot hold."""


class Aim(NamedTuple):
    """A start, and how it was found."""

    start: Float64Array  # (6,) relative to the Milky Way [kpc, km/s]
    misses: Float64Array  # (shots, 6): arrived minus wanted [kpc, km/s]

    def __repr__(self) -> str:
        return describe_tuple(self)


def aim(
    parameters: Parameters,
    particles: int = AIMING_PARTICLES,
    seed: int = 0,
    on_row: Callable[[], object] | None = None,
    good: tuple[float, float] = GOOD_MISS,
) -> Aim:
    """Find the start from which a live LMC arrives at the present day of `parameters`.

    Parameters
    ----------
    parameters : Parameters
        The galaxies and the present day. `log10_lambda_df` is the friction of the first guess and nothing else:
        friction is real in a live run.
    particles : int
        Particles of each shot.
    seed : int
        Seed of the shots' particles.
    on_row : callable, optional
        Called after each row of each shot.
    good : tuple of float
        Miss [kpc, km/s] at which the search ends.

    Raises
    ------
    MissedError
        If the start is nearer, farther or faster than a live run can hold, or the last shot still misses.
    ValueError
        If there are too few particles.
    """
    wanted = parameters.lmc_phase_space
    galaxies, settings = make_galaxies(parameters), make_settings(particles, seed, AIMING_ROWS, AIMING_STEPS)
    start = _rewind(parameters, wanted)
    correction = _SHARE * _differentiate(parameters, wanted)
    starts: list[Float64Array] = []
    misses: list[Float64Array] = []
    for _ in range(MAX_SHOTS):
        refuse_start(start, parameters)
        _, rows = run(galaxies, start, settings, on_row=on_row)
        starts.append(start)
        misses.append(rows[-1].lmc - rows[-1].body - wanted)
        if _is_within(misses[-1], good):
            break
        step = correction @ misses[-1]
        start = start - step * min(1.0, _LONGEST / float(np.linalg.norm(step / _SCALES)))
    best = int(np.argmin([np.linalg.norm(miss / _SCALES) for miss in misses]))
    if not _is_within(misses[best], WORST_MISS):
        place, motion = np.linalg.norm(misses[best][:3]), np.linalg.norm(misses[best][3:])
        raise MissedError(
            f"parameters = {parameters.brief()}, for which the LMC misses its present day by {place:.1f} kpc and "
            f"{motion:.0f} km/s after {len(misses)} shots: allowed is a miss of {WORST_MISS[0]:g} kpc and "
            f"{WORST_MISS[1]:g} km/s; give start= yourself, or another log10_lambda_df for the first guess"
        )
    return Aim(starts[best], np.array(misses))


def refuse_start(start: Float64Array, parameters: Parameters) -> None:
    """Raise MissedError if a live run cannot begin there."""
    distance = float(np.linalg.norm(start[:3]))
    if not START_RANGE[0] <= distance <= START_RANGE[1]:
        remedy = "a smaller" if distance > START_RANGE[1] else "a larger"
        raise MissedError(
            f"start = an LMC {distance:.0f} kpc from the Milky Way ({parameters.brief()}): allowed is from "
            f"{START_RANGE[0]:g} to {START_RANGE[1]:g} kpc, where two live galaxies can begin; for the first guess try "
            f"{remedy} log10_lambda_df, or give start="
        )
    speed = float(np.linalg.norm(start[3:]))
    if speed > MAX_START_SPEED:
        raise MissedError(
            f"start = an LMC with {speed:.6g} km/s ({parameters.brief()}): allowed is at most {MAX_START_SPEED:g} km/s"
        )


def _is_within(miss: Float64Array, limits: tuple[float, float]) -> bool:
    return bool(np.linalg.norm(miss[:3]) <= limits[0] and np.linalg.norm(miss[3:]) <= limits[1])


def _rewind(parameters: Parameters, present: Float64Array) -> Float64Array:
    """Where the rigid pair with this present day was 2.2 Gyr ago."""
    return integrate_orbit(place_lmc(parameters, present), 2).relative[0]


def _differentiate(parameters: Parameters, present: Float64Array) -> Float64Array:
    """Derivative d(start) / d(present) of the rigid pair, (6, 6)."""
    columns = []
    for k, step in enumerate(_STEPS):
        shift = np.zeros(6)
        shift[k] = step
        columns.append((_rewind(parameters, present + shift) - _rewind(parameters, present - shift)) / (2 * step))
    return np.array(columns).T
