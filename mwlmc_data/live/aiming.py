"""Where an LMC starts that arrives at its present day: found by small live runs.

The rigid pair, rewound from the present day, gives the first guess, and its derivative d(start) / d(present) the
direction of corrections. A live pair forgets part of a change of its start (the rigid derivative overshoots by nearly
two), so that the corrections begin with about half of it; from then on Broyden's method (1965, Math. Comp. 19, 577)
learns the live derivative from the misses themselves. Where a correction makes the miss more than twice as large as the
smallest so far, the search goes back there and takes a smaller one.
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
#: Miss [kpc, km/s] that is small enough, and the one beyond which all shots have failed.
GOOD_MISS, WORST_MISS = (0.5, 3.0), (3.0, 15.0)
#: Largest number of shots.
MAX_SHOTS = 10
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
#: A miss so many times as large as the smallest is a step back, and what a correction is then shortened to.
_WORSE, _SHORTER = 2.0, 0.4
#: Change of the miss, in those scales, from which the derivative is learnt: the noise of a run is about one. The least
#: part of the expected change along the correction: beyond, the learnt derivative would be nearly singular.
_LEARNT, _SINGULAR = 2.0, 0.1


class MissedError(ValueError):
    """An LMC that does not arrive at its present day, or whose start a live run cannot hold."""


class Aim(NamedTuple):
    """A start, and how it was found."""

    start: Float64Array  # (6,) relative to the Milky Way [kpc, km/s]
    misses: Float64Array  # (shots, 6): arrived minus wanted [kpc, km/s]
    derivative: Float64Array  # (6, 6): d(start) / d(miss), as the shots show it

    def __repr__(self) -> str:
        return describe_tuple(self)


def aim(
    parameters: Parameters,
    particles: int = AIMING_PARTICLES,
    seed: int = 0,
    on_row: Callable[[], object] | None = None,
    good: tuple[float, float] = GOOD_MISS,
    worst: tuple[float, float] = WORST_MISS,
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
    worst : tuple of float
        Miss beyond which it has failed, if its last shot is used up.

    Raises
    ------
    MissedError
        If the first guess is nearer, farther or faster than a live run can hold, or all shots miss.
    ValueError
        If there are too few particles.
    """
    wanted = parameters.lmc_phase_space
    galaxies, settings = make_galaxies(parameters), make_settings(particles, seed, AIMING_ROWS, AIMING_STEPS)
    search = Search(_rewind(parameters, wanted), _SHARE * _differentiate(parameters, wanted))
    refuse_start(search.start, parameters)
    misses: list[Float64Array] = []
    for _ in range(MAX_SHOTS):
        _, rows = run(galaxies, search.start, settings, on_row=on_row)
        misses.append(rows[-1].lmc - rows[-1].body - wanted)
        search.learn(misses[-1])
        if _is_within(misses[-1], good):
            break
        search.correct(parameters)
    start, best = search.best
    if not _is_within(best, worst):
        place, motion = np.linalg.norm(best[:3]), np.linalg.norm(best[3:])
        raise MissedError(
            f"parameters = {parameters.brief()}, for which the LMC misses its present day by {place:.1f} kpc and "
            f"{motion:.0f} km/s after {len(misses)} shots: allowed is a miss of {worst[0]:g} kpc and "
            f"{worst[1]:g} km/s; give start= yourself, or another log10_lambda_df for the first guess"
        )
    return Aim(start, np.array(misses), search.derivative)


class Search:
    """Corrections of a start, from misses.

    Parameters
    ----------
    start : ndarray, shape (6,)
        Relative to the Milky Way [kpc, km/s].
    derivative : ndarray, shape (6, 6)
        d(start) / d(miss), which later misses change.

    Attributes
    ----------
    start : ndarray, shape (6,)
        The next to try.
    """

    def __init__(self, start: Float64Array, derivative: Float64Array) -> None:
        self.start = start
        # in the scales of a miss, so that places and velocities count alike
        self._derivative = derivative * _SCALES / _SCALES[:, None]
        self._tried: list[tuple[Float64Array, Float64Array]] = []
        self._share = 1.0

    @property
    def derivative(self) -> Float64Array:
        """d(start) / d(miss), (6, 6), as it is known."""
        return np.asarray(self._derivative * _SCALES[:, None] / _SCALES)

    @property
    def best(self) -> tuple[Float64Array, Float64Array]:
        """Start and miss [kpc, km/s] of the smallest miss."""
        start, miss = min(self._tried, key=lambda tried: float(np.linalg.norm(tried[1])))
        return start * _SCALES, miss * _SCALES

    def learn(self, miss: Float64Array) -> None:
        """Learn from the miss (6,) of the start: arrived minus wanted [kpc, km/s].

        Raises
        ------
        MissedError
            If it is not finite.
        """
        if not np.isfinite(miss).all():
            raise MissedError(f"miss = {miss.tolist()}: allowed are numbers; the LMC's centre was lost")
        start, scaled = self.start / _SCALES, miss / _SCALES
        if self._tried:
            before, missed = self._tried[-1]
            step, change = start - before, scaled - missed
            expected = self._derivative @ change
            along = float(step @ expected)
            is_seen = np.linalg.norm(change) > _LEARNT
            if is_seen and abs(along) > _SINGULAR * np.linalg.norm(step) * np.linalg.norm(expected):
                self._derivative = self._derivative + np.outer(step - expected, step @ self._derivative) / along
        self._tried.append((start, scaled))

    def correct(self, parameters: Parameters) -> None:
        """Correct the last start; or the best one, by less, if the last missed by much more or the next cannot be."""
        smallest = np.linalg.norm(self.best[1] / _SCALES)
        if np.linalg.norm(self._tried[-1][1]) > _WORSE * smallest:
            self._go_back()
        else:
            self._share = 1.0
            self._step_from(*self._tried[-1])
        while _describe_refusal(self.start, parameters):  # the best start can be
            self._go_back()

    def _go_back(self) -> None:
        """Correct the best start by less than the last time."""
        self._share *= _SHORTER
        start, miss = self.best
        self._step_from(start / _SCALES, miss / _SCALES)

    def _step_from(self, start: Float64Array, miss: Float64Array) -> None:
        step = self._derivative @ miss
        self.start = _SCALES * (start - self._share * min(1.0, _LONGEST / float(np.linalg.norm(step))) * step)


def refuse_start(start: Float64Array, parameters: Parameters) -> None:
    """Raise MissedError if a live run cannot begin there."""
    if refusal := _describe_refusal(start, parameters):
        raise MissedError(refusal)


def _describe_refusal(start: Float64Array, parameters: Parameters) -> str:
    """Say why a live run cannot begin there; empty if it can."""
    distance = float(np.linalg.norm(start[:3]))
    if not START_RANGE[0] <= distance <= START_RANGE[1]:
        remedy = "a smaller" if distance > START_RANGE[1] else "a larger"
        return (
            f"start = an LMC {distance:.0f} kpc from the Milky Way ({parameters.brief()}): allowed is from "
            f"{START_RANGE[0]:g} to {START_RANGE[1]:g} kpc, where two live galaxies can begin; for the first guess try "
            f"{remedy} log10_lambda_df, or give start="
        )
    speed = float(np.linalg.norm(start[3:]))
    if speed > MAX_START_SPEED:
        told = f"start = an LMC with {speed:.6g} km/s ({parameters.brief()})"
        return f"{told}: allowed is at most {MAX_START_SPEED:g} km/s"
    return ""


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
