"""The stars of one or many simulations on a CUDA GPU, one star per thread; imported only on request.

The step is that of the lanes, :func:`~mwlmc_data.simulator.engines.step.trial_step`, compiled for the GPU by
numba-cuda. The processor computes orbit, tables, initial stars and fit, the same to the bit. The GPU fuses different
multiplications and additions, and its divisions and roots are accurate to two units in the last place: its stars are as
accurate as the lanes' but not the same numbers.

A processor core spends a few milliseconds on a simulation before and after its stars move, many times what the GPU
needs for moving them; ``python -m benchmarks cuda`` measures both. Each worker process of a table therefore runs its
own simulations from beginning to end and moves the stars of a batch in one launch: the processes take turns on a GPU
that is mostly idle, and no stars travel between processes.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.simulator.compiling import inline
from mwlmc_data.simulator.engines.lane_functions import START, F, LaneField
from mwlmc_data.simulator.engines.lanes import MAX_STEPS, check_arrival, estimate_first_step, lane_field
from mwlmc_data.simulator.engines.start import TOLERANCE, start_stars
from mwlmc_data.simulator.engines.step import FIRST_STEP, ROWS, STAR, TIME, ZERO, trial_step
from mwlmc_data.simulator.orbit import Orbit
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.tables import Field

_INSTALL = 'engine = "cuda" needs the package numba-cuda: pip install "mwlmc-data[cuda]"; engine = "numba" is built in'

try:
    from numba import cuda
except ImportError as error:
    raise ImportError(_INSTALL) from error

#: Threads per block, and the number of blocks that CUDA allows in the second dimension of a grid.
_THREADS, _MAX_BLOCKS = 128, 65535
#: Circular speed [km/s] of the logarithmic potential that orders stars.
_ORDER_SPEED = 220.0

#: Marks every number of a star that did not arrive: the GPU's fast arithmetic does not support NaN.
_LOST = F(1e30)
_MAX = np.int32(MAX_STEPS)


def require_device() -> None:
    """Check that a GPU can be used.

    Raises
    ------
    ImportError
        If numba-cuda is not installed.
    RuntimeError
        If it finds no CUDA device.
    """
    if cuda.is_available():
        return
    if importlib.util.find_spec("numba_cuda") is None:
        raise ImportError(_INSTALL)
    reason = " ".join(str(cuda.cuda_error() or "no device to be seen").split())
    raise RuntimeError(
        f'engine = "cuda" finds no CUDA device ({reason}); '
        'allowed without one are "numba" (or "auto"), "numba-float64" and "agama"'
    )


@inline
def move_star(state, x, y, z, u, v, w, field):
    """Move a star to today: position [kpc] and velocity [km/s], all ``_LOST`` if it does not arrive.

    The loop around the step is that of ``mwlmc_data.simulator.engines.lanes._run``, for one star. `state` is room for
    ``ROWS`` float32.
    """
    for row in range(ROWS):
        state[row] = ZERO
    state[STAR], state[STAR + 1], state[STAR + 2] = x, y, z
    state[STAR + 3], state[STAR + 4], state[STAR + 5] = u, v, w
    state[TIME] = field.scalars[START]
    state[FIRST_STEP] = estimate_first_step(x, y, z, u, v, w)
    steps = np.int32(0)
    while state[TIME] < ZERO and steps < _MAX:
        trial_step(state, field)
        steps += np.int32(1)
    arrived = state[TIME] >= ZERO
    return (
        state[STAR] if arrived else _LOST,
        state[STAR + 1] if arrived else _LOST,
        state[STAR + 2] if arrived else _LOST,
        state[STAR + 3] if arrived else _LOST,
        state[STAR + 4] if arrived else _LOST,
        state[STAR + 5] if arrived else _LOST,
    )


# fastmath: fast division and root; the exact ones double the length of the code
@cuda.jit(fastmath=True)
def move_kernel(stars, radial, disc, orbit, scalars):
    """Move stars (simulations, n, 6) in place; the tables have one row per simulation, and all share the disc.

    Blocks (simulation, part of its stars) start in the order of their numbers, x first: the first stars of every
    simulation, then the next ones.
    """
    k = cuda.blockIdx.x
    i = cuda.blockIdx.y * cuda.blockDim.x + cuda.threadIdx.x
    if i < stars.shape[1]:
        state = cuda.local.array(ROWS, np.float32)
        field = LaneField(radial[k], disc, orbit[k], scalars[k], None)
        x, y, z = stars[k, i, 0], stars[k, i, 1], stars[k, i, 2]
        x, y, z, u, v, w = move_star(state, x, y, z, stars[k, i, 3], stars[k, i, 4], stars[k, i, 5], field)
        stars[k, i, 0], stars[k, i, 1], stars[k, i, 2] = x, y, z
        stars[k, i, 3], stars[k, i, 4], stars[k, i, 5] = u, v, w


def order_by_steps(stars: Float64Array) -> NDArray[np.intp]:
    """Order stars (n, 6) by decreasing number of steps, estimated from their energy in a logarithmic potential.

    The 32 threads of a warp wait for the slowest, and a launch for its last star. In the order in which stars are drawn
    a thread works for 0.22 of its warp's time, sorted for 0.68; and stars of 2,000 steps start first. A queue from
    which threads take the next star would come close to 1, but the GPU is not the bottleneck.
    """
    r2, v2 = (np.einsum("ni,ni->n", part, part) for part in (stars[:, :3], stars[:, 3:]))
    return np.argsort(np.log(r2) + v2 / _ORDER_SPEED**2)


def move_stars(stars: Sequence[Float64Array], fields: Sequence[Field], tolerance: float) -> Float32Array:
    """Move the stars of simulations from the start of their orbits to today, all in one launch.

    Parameters
    ----------
    stars : sequence of ndarray, shape (n, 6)
        Positions [kpc] and velocities [km/s] relative to the Milky Way's centre at the start; the same n in each.
    fields : sequence of Field
        Potential and orbit of each simulation.
    tolerance : float
        As for :func:`~mwlmc_data.simulator.engines.lanes.integrate_lanes`.

    Returns
    -------
    ndarray, shape (simulations, n, 6), float32
        The stars today; NaN for a star that does not arrive. A star's result does not depend on the others.

    Raises
    ------
    ValueError
        If a simulation has more stars than a launch can take, 8,388,480, or another physics than the standard one.
    """
    if any(field.lmc is not None or field.falls != 1.0 for field in fields):
        raise ValueError("fields = some of another physics: allowed on a GPU is the standard one")
    if len(stars[0]) > _MAX_BLOCKS * _THREADS:
        raise ValueError(f"n_stars = {len(stars[0])}: allowed is at most {_MAX_BLOCKS * _THREADS}")
    orders = [order_by_steps(s) for s in stars]
    sorted_stars = np.array([s.astype(F)[order] for s, order in zip(stars, orders, strict=True)])
    lanes = [lane_field(field, tolerance) for field in fields]
    tables = (
        np.array([lane.radial for lane in lanes]),
        lanes[0].disc,
        np.array([lane.orbit for lane in lanes]),
        np.array([lane.scalars for lane in lanes]),
    )
    on_device = cuda.to_device(sorted_stars)
    blocks = len(lanes), -(-sorted_stars.shape[1] // _THREADS)
    with warnings.catch_warnings():
        # numba-cuda warns that a single simulation is too little work for a large GPU
        warnings.filterwarnings("ignore", message="Grid size")
        move_kernel[blocks, _THREADS](on_device, *(cuda.to_device(table) for table in tables))
    sorted_stars = on_device.copy_to_host()
    sorted_stars[(sorted_stars == _LOST).all(axis=-1)] = np.nan
    moved = np.empty_like(sorted_stars)
    for result, order, values in zip(moved, orders, sorted_stars, strict=True):
        result[order] = values
    return moved


def run(parameters: Parameters, n_stars: int, rng: np.random.Generator) -> tuple[Orbit, Float32Array]:
    """Compute orbit and stars of one simulation; see :mod:`mwlmc_data.simulator.engines.registry`."""
    orbit, field, stars = start_stars(parameters, n_stars, rng)
    moved = move_stars([stars], [field], TOLERANCE)[0]
    check_arrival(moved)
    return orbit, moved
