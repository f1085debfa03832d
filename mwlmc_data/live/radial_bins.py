"""Radial bins of an expansion, found from the leading bits of r^2 without a logarithm or a search.

The nodes lie at ``r^2 = 2^e`` and ``1.5 * 2^e`` kpc^2, from 0.5 to 2,048 kpc: four to a factor of 2 in radius, 15 or
22% apart. Bin 0 lies within the first node, bin k between nodes k - 1 and k, the last bin beyond the last node.
"""

from __future__ import annotations

import math

import numpy as np

from mwlmc_data.simulator.compiling import kernel

#: Nodes per factor of 2 in r^2 (a power of two), and the binary exponents of r^2 [kpc^2] of the first and last node.
PER_OCTAVE, FIRST_EXPONENT, LAST_EXPONENT = 2, -2, 22
#: Radii of the nodes [kpc].
NODES = np.sqrt(
    np.r_[
        ((1.0 + np.arange(PER_OCTAVE) / PER_OCTAVE) * 2.0 ** np.arange(FIRST_EXPONENT, LAST_EXPONENT)[:, None]).ravel(),
        2.0**LAST_EXPONENT,
    ]
)
N_NODES = len(NODES)
N_BINS = N_NODES + 1
#: Particles that are sorted and handled at a time: their positions fit into a core's cache.
CHUNK = 16384

_SHIFT = np.int32(23 - int(math.log2(PER_OCTAVE)))
_BEFORE_FIRST = np.int32((127 + FIRST_EXPONENT) * PER_OCTAVE - 1)
_ZERO, _LAST = np.int32(0), np.int32(N_BINS - 1)


@kernel
def sort_chunk(positions, begin, end, centre, offsets, radii, bins, order, first):
    """Sort the particles `begin` to `end` into bins about `centre`.

    Fills, for particle ``begin + i``, its offset from the centre (3, CHUNK) and its radius; ``order[first[k] :
    first[k + 1]]`` are the i of bin k, in increasing order.
    """
    n = end - begin
    for i in range(n):
        x = np.float32(positions[begin + i, 0] - centre[0])
        y = np.float32(positions[begin + i, 1] - centre[1])
        z = np.float32(positions[begin + i, 2] - centre[2])
        r2 = x * x + y * y + z * z + np.float32(1e-12)
        offsets[0, i], offsets[1, i], offsets[2, i] = x, y, z
        radii[i] = r2
    bits = radii.view(np.int32)
    for i in range(n):
        bins[i] = min(max((bits[i] >> _SHIFT) - _BEFORE_FIRST, _ZERO), _LAST)
    for i in range(n):
        radii[i] = np.sqrt(radii[i])
    for k in range(N_BINS + 1):
        first[k] = 0
    for i in range(n):
        first[bins[i] + 1] += 1
    for k in range(N_BINS):
        first[k + 1] += first[k]
    for i in range(n):
        order[first[bins[i]]] = i
        first[bins[i]] += 1
    for k in range(N_BINS, 0, -1):
        first[k] = first[k - 1]
    first[0] = 0
