"""Stars that differ from those of the training set by a known amount, made from its own test haloes.

Each rung changes a halo in one respect (`WHAT`): stars of another kind among its own, another profile of the stars,
distances that are wrong or have errors, another physics. What is random depends on the number of the simulation alone:
on raw words of Philox, which no NumPy release changes. The stars of a rung are those beyond 50 kpc as it sees them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.dataset.outer import select_outer
from mwlmc_data.scoring.star_sets import pad_stars

if TYPE_CHECKING:
    from mwlmc_data.simulator import Parameters

#: Parts of the stars that are replaced by unrelated ones, and by stars of a stream.
CONTAMINATION = {"contamination-5": 0.05, "contamination-20": 0.2}
STREAM = {"stream-5": 0.05, "stream-20": 0.2}
#: Scale radii [kpc] of the stars' profile; those of the training set are 10 to 15 kpc.
TRACER = {"tracer-steep": 8.0, "tracer-shallow": 30.0}
#: Factors on all distances from the Sun; proper motions stay.
DISTANCE = {"distance-minus-10": 0.9, "distance-plus-10": 1.1}
#: Errors in units of 5% of the distance, 5 km/s along the line of sight, and 0.025 mas/yr in each proper motion.
ERRORS = {"errors-1": 1.0, "errors-2": 2.0}
#: Physics of other models.
PHYSICS_RUNGS = {f"physics-{name}": name for name in ("fixed-milky-way", "osipkov-merritt", "nfw-lmc")}

#: Description of each rung.
WHAT = {
    **{name: f"{share:.0%} of the stars are unrelated: r^-3.5 from 50 to 150 kpc, isotropic, 150 km/s, without reflex"
       for name, share in CONTAMINATION.items()},
    **{name: f"{share:.0%} of the stars belong to a stream: along 0.4 Gyr of the past orbit of one of the others"
       for name, share in STREAM.items()},
    **{name: f"the stars' profile has a scale radius of {radius:g} kpc" for name, radius in TRACER.items()},
    **{name: f"all distances are {factor - 1:+.0%} wrong, and with them the velocities across the line of sight"
       for name, factor in DISTANCE.items()},
    **{name: f"errors of {5 * k:g}% in distance, {5 * k:g} km/s along the line of sight, {0.025 * k:g} mas/yr in both "
             "proper motions" for name, k in ERRORS.items()},
    **{name: f"the physics is {physics!r}" for name, physics in PHYSICS_RUNGS.items()},
}  # fmt: skip

#: Unrelated stars: radii [kpc] between which they lie, slope of their density, and dispersion of each velocity [km/s].
_RADII, _SLOPE, _DISPERSION = (50.0, 150.0), 3.5, 150.0
#: Stream: age of its oldest star [Gyr], and width of its stars about the orbit [kpc, km/s].
_AGE, _WIDTH, _SPREAD = 0.4, 1.0, 5.0
#: Radius [kpc] beyond which the progenitor of a stream is today.
_FAR = 70.0
_N_POINTS, _ORBIT_TOLERANCE = 41, 1e-6
_DISTANCE_ERROR, _V_LOS_ERROR, _PM_ERROR = 0.05, 5.0, 0.025
_KEY = 20260314


class Deviates:
    """Random numbers of a simulation and a rung.

    Parameters
    ----------
    sim_id : int
        Number of the simulation.
    stream : int
        Number of the rung's kind.
    """

    def __init__(self, sim_id: int, stream: int) -> None:
        self._words = np.random.Philox(key=[_KEY + stream, sim_id])

    def uniform(self, *shape: int) -> Float64Array:
        """Numbers between 0 and 1."""
        words = self._words.random_raw(int(np.prod(shape)))
        return (((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53).reshape(shape)

    def normal(self, *shape: int) -> Float64Array:
        """Standard Gaussian numbers."""
        return ndtri(self.uniform(*shape))

    def directions(self, n: int) -> Float64Array:
        """Unit vectors (n, 3), isotropic."""
        vectors = self.normal(n, 3)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def simulate_rungs(rows: list[dict[str, Any]], seed: int) -> Iterator[dict[str, Float32Array]]:
    """Simulate haloes, and change each in every way.

    Parameters
    ----------
    rows : list of dict
        sim_id and drawn parameters of each, as `mwlmc_data.dataset.library.get_recipe` gives them.
    seed : int
        Seed of the set.

    Yields
    ------
    dict of str to ndarray, shape (n, 6), float32
        Stars beyond 50 kpc of each rung, in their order.
    """
    from mwlmc_data.simulator.many import job_parameters, name_errors

    for row in rows:
        with name_errors(row):
            yield _make_rungs(row, job_parameters(row), int(row["sim_id"]), seed)


def reduce_rungs(rungs: Mapping[str, Float32Array], n_max: int) -> dict[str, NDArray]:
    """Keep the first stars of each rung: arrays "stars-RUNG" (n_max, 6) and "mask-RUNG" (n_max,)."""
    padded = {name: pad_stars(stars, n_max) for name, stars in rungs.items()}
    return {f"{what}-{name}": arrays[what] for name, arrays in padded.items() for what in ("stars", "mask")}


def _make_rungs(row: Mapping[str, Any], parameters: Parameters, sim_id: int, seed: int) -> dict[str, Float32Array]:
    from mwlmc_data.simulator.many import job_parameters

    whole = _simulate(parameters, seed, sim_id)
    outer = select_outer(whole)
    made = {name: replace(outer, draw_unrelated, share, Deviates(sim_id, 0)) for name, share in CONTAMINATION.items()}
    orbit = trace_stream(outer, parameters)
    for name, share in STREAM.items():
        made[name] = replace(outer, lambda n, d: draw_stream(orbit, n, d), share, Deviates(sim_id, 1))
    for name, radius in TRACER.items():
        made[name] = select_outer(_simulate(job_parameters({**row, "r_dehnen": radius}), seed, sim_id))
    for name, factor in DISTANCE.items():
        made[name] = select_outer(scale_distances(whole, factor))
    for name, errors in ERRORS.items():
        made[name] = select_outer(add_errors(whole, errors, Deviates(sim_id, 2)))
    for name, physics in PHYSICS_RUNGS.items():
        made[name] = select_outer(_simulate(job_parameters({**row, "physics": physics}), seed, sim_id))
    return {name: np.asarray(made[name], np.float32) for name in WHAT}


def _simulate(parameters: Parameters, seed: int, sim_id: int) -> Float64Array:
    """Stars (4500, 6) of a halo."""
    from mwlmc_data.simulator import simulate

    halo = simulate(parameters, seed=seed, sim_id=sim_id).halo
    return np.concatenate([halo.positions, halo.velocities], axis=1).astype(np.float64)


def replace(outer: Float64Array, draw: Any, share: float, deviates: Deviates) -> Float64Array:
    """Replace a part of stars (n, 6), each with the same probability, by others that `draw` makes."""
    chosen = deviates.uniform(len(outer)) < share
    changed = outer.copy()
    changed[chosen] = draw(int(chosen.sum()), deviates)
    return changed


def draw_unrelated(n: int, deviates: Deviates) -> Float64Array:
    """Draw stars (n, 6) that have nothing to do with the halo."""
    low, high = (radius ** (3.0 - _SLOPE) for radius in _RADII)
    radius = (low + deviates.uniform(n) * (high - low)) ** (1.0 / (3.0 - _SLOPE))
    return np.hstack([radius[:, None] * deviates.directions(n), _DISPERSION * deviates.normal(n, 3)])


def trace_stream(outer: Float64Array, parameters: Parameters) -> Float64Array:
    """Follow the first star beyond 70 kpc back in time, as long as it is beyond 50 kpc.

    Returns
    -------
    ndarray, shape (k, 6)
        Its places at equal steps over the last 0.4 Gyr, today's first [kpc, km/s].
    """
    from mwlmc_data.simulator import constants as const
    from mwlmc_data.simulator.equations import integrate_stars
    from mwlmc_data.simulator.orbit import REVERSED, build_reversed_field

    field = build_reversed_field(parameters)
    far = np.flatnonzero(np.square(outer[:, :3]).sum(axis=1) > _FAR**2)
    state = outer[far[:1]] * REVERSED
    step = _AGE / const.GYR_PER_TIME_UNIT / (_N_POINTS - 1)
    places = [state[0] * REVERSED]
    for k in range(_N_POINTS - 1):
        begin = field.t_start + k * step
        integrate_stars(state, begin, begin + step, field, _ORBIT_TOLERANCE)
        if np.square(state[0, :3]).sum() < (const.FIT_R_MIN + 4.0 * _WIDTH) ** 2:
            break
        places.append(state[0] * REVERSED)
    return np.array(places)


def draw_stream(orbit: Float64Array, n: int, deviates: Deviates) -> Float64Array:
    """Draw stars (n, 6) about an orbit (k, 6)."""
    place = deviates.uniform(n) * (len(orbit) - 1)
    low = np.minimum(place.astype(int), max(len(orbit) - 2, 0))
    w = (place - low)[:, None]
    middle = (1.0 - w) * orbit[low] + w * orbit[np.minimum(low + 1, len(orbit) - 1)]
    return middle + np.array([_WIDTH] * 3 + [_SPREAD] * 3) * deviates.normal(n, 6)


def scale_distances(stars: Float64Array, factor: float | Float64Array) -> Float64Array:
    """Multiply the distances of stars (n, 6) from the Sun by a factor, with the same proper motions and v_los."""
    from mwlmc_data.simulator.constants import SUN_POSITION, SUN_VELOCITY

    factor = np.broadcast_to(np.asarray(factor, np.float64), len(stars))[:, None]
    offset, motion = stars[:, :3] - SUN_POSITION, stars[:, 3:] - SUN_VELOCITY
    sight = offset / np.linalg.norm(offset, axis=1, keepdims=True)
    along = (sight * motion).sum(axis=1, keepdims=True) * sight
    return np.hstack([SUN_POSITION + factor * offset, SUN_VELOCITY + along + factor * (motion - along)])


def add_errors(stars: Float64Array, size: float, deviates: Deviates) -> Float64Array:
    """Give stars (n, 6) errors of measurement; at every size they have the same deviates.

    Distances are multiplied by 1 + 0.05 `size` times a Gaussian number, at least 0.1.
    """
    from mwlmc_data.simulator.constants import KMS_PER_MASYR_KPC, SUN_POSITION

    n = len(stars)
    noise = deviates.normal(n, 4)
    moved = scale_distances(stars, np.maximum(1.0 + _DISTANCE_ERROR * size * noise[:, 0], 0.1))
    offset = moved[:, :3] - SUN_POSITION
    distance = np.linalg.norm(offset, axis=1, keepdims=True)
    sight = offset / distance
    pole = np.where(np.abs(sight[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    first = np.cross(pole, sight)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    across = noise[:, 2:3] * first + noise[:, 3:] * np.cross(sight, first)
    error = _V_LOS_ERROR * noise[:, 1:2] * sight + KMS_PER_MASYR_KPC * distance * _PM_ERROR * across
    return np.hstack([moved[:, :3], moved[:, 3:] + size * error])
