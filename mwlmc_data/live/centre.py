"""Centre of a galaxy that deforms: a mean of its particles weighted by distance from the mean itself."""

from __future__ import annotations

import numpy as np

from mwlmc_data.simulator.compiling import kernel

#: Scale [kpc] of the weights for the place, and for the velocity, whose noise a narrower mean does not average out.
PLACE_SCALE, VELOCITY_SCALE = 5.0, 10.0
#: Iterations from a centre that is known to a kpc.
ITERATIONS = 3
#: The weights pull the mean towards the guess; the step is longer by this factor.
_STRETCH = 1.7


@kernel
def find_centre(positions, velocities, guess, place_scale, velocity_scale, iterations):
    """Centre and velocity: means weighted with ``(1 + d^2 / scale^2)^-3``, d the distance from the centre.

    Smooth in the particles and without memory, so that a guess changes nothing but the number of iterations.

    Parameters
    ----------
    positions, velocities : ndarray, shape (n, 3)
        Of the particles, of equal mass [kpc, km/s].
    guess : ndarray, shape (3,)
        Near the centre [kpc].
    place_scale, velocity_scale : float
        Scales of the weights [kpc].
    iterations : int
        Steps towards the fixed point.

    Returns
    -------
    ndarray, shape (6,)
        Centre [kpc] and velocity [km/s].
    """
    out = np.zeros(6)
    for k in range(3):
        out[k] = guess[k]
    for iteration in range(iterations + 1):
        scale = place_scale if iteration < iterations else velocity_scale
        total, sx, sy, sz = 0.0, 0.0, 0.0, 0.0
        first = 3 if iteration == iterations else 0
        for i in range(positions.shape[0]):
            x, y, z = positions[i, 0] - out[0], positions[i, 1] - out[1], positions[i, 2] - out[2]
            w = 1.0 / (1.0 + (x * x + y * y + z * z) / (scale * scale))
            w = w * w * w
            total += w
            if first:
                x, y, z = velocities[i, 0], velocities[i, 1], velocities[i, 2]
            sx += w * x
            sy += w * y
            sz += w * z
        stretch = 1.0 if first else _STRETCH
        out[first] += stretch * sx / total
        out[first + 1] += stretch * sy / total
        out[first + 2] += stretch * sz / total
    return out
