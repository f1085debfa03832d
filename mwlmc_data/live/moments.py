"""Sums over particles: the multipole moments of each radial bin.

With u the direction of a particle from the centre and S_lm a real harmonic (:mod:`mwlmc_data.live.harmonics`), a bin
with the reference radius R has

    inner_lm = sum_i m_i (r_i / R)^l S_lm(u_i),        outer_lm = sum_i m_i (R / r_i)^(l + 1) S_lm(u_i).

The reference radius of a bin is its upper node; of the last bin, its lower one.
"""

from __future__ import annotations

import numpy as np

from mwlmc_data.live.radial_bins import CHUNK, N_BINS, NODES, sort_chunk
from mwlmc_data.simulator.compiling import kernel

#: Particles of one bin that share each pass of the inner loops, which become SIMD.
BLOCK = 128

_NODES = NODES


@kernel
def sum_moments(positions, masses, centre, l_max, recurrence, inner, outer):
    """Fill `inner` and `outer`, (bins, pairs, 2), with the moments of particles about `centre`.

    Sums run in float32 over a block and in float64 over blocks, always in the same order.
    """
    f32 = np.float32
    first_q, a, b = recurrence.first, recurrence.a, recurrence.b
    offsets, radii = np.empty((3, CHUNK), f32), np.empty(CHUNK, f32)
    bins, order = np.empty(CHUNK, np.int32), np.empty(CHUNK, np.int32)
    first = np.empty(N_BINS + 1, np.int64)
    x, y, z = np.empty(BLOCK, f32), np.empty(BLOCK, f32), np.empty(BLOCK, f32)
    s, t = np.empty(BLOCK, f32), np.empty(BLOCK, f32)
    c, d = np.empty(BLOCK, f32), np.empty(BLOCK, f32)
    q, p = np.empty(BLOCK, f32), np.empty(BLOCK, f32)
    within, beyond = np.empty((l_max + 1, BLOCK), f32), np.empty((l_max + 1, BLOCK), f32)
    for k in range(N_BINS):
        for pair in range(inner.shape[1]):
            for part in range(2):
                inner[k, pair, part] = 0.0
                outer[k, pair, part] = 0.0
    for begin in range(0, positions.shape[0], CHUNK):
        end = min(begin + CHUNK, positions.shape[0])
        sort_chunk(positions, begin, end, centre, offsets, radii, bins, order, first)
        for k in range(N_BINS):
            reference = f32(_NODES[min(k, N_BINS - 2)])
            for start in range(first[k], first[k + 1], BLOCK):
                n = min(BLOCK, first[k + 1] - start)
                for i in range(n):
                    j = order[start + i]
                    r = radii[j]
                    inverse = f32(1.0) / r
                    x[i], y[i], z[i] = offsets[0, j] * inverse, offsets[1, j] * inverse, offsets[2, j] * inverse
                    # beyond the grid on either side only one of the two sums is used: the other must not overflow
                    s[i] = min(r / reference, f32(1.0))
                    t[i] = min(reference * inverse, f32(2.0))
                    within[0, i] = masses[begin + j]
                for i in range(n, BLOCK):
                    x[i], y[i], z[i], s[i], t[i], within[0, i] = 0.0, 0.0, 1.0, 1.0, 1.0, 0.0
                for i in range(BLOCK):
                    beyond[0, i] = within[0, i] * t[i]
                    c[i] = 1.0
                    d[i] = 0.0
                for l in range(1, l_max + 1):
                    for i in range(BLOCK):
                        within[l, i] = within[l - 1, i] * s[i]
                        beyond[l, i] = beyond[l - 1, i] * t[i]
                for m in range(l_max + 1):
                    for i in range(BLOCK):
                        q[i] = first_q[m]
                        p[i] = 0.0
                    for l in range(m, l_max + 1):
                        inner_c, inner_d, outer_c, outer_d = f32(0.0), f32(0.0), f32(0.0), f32(0.0)
                        a_lm, b_lm = a[l, m], b[l, m]
                        for i in range(BLOCK):
                            real, imaginary = q[i] * c[i], q[i] * d[i]
                            inner_c += within[l, i] * real
                            inner_d += within[l, i] * imaginary
                            outer_c += beyond[l, i] * real
                            outer_d += beyond[l, i] * imaginary
                            following = a_lm * z[i] * q[i] - b_lm * p[i]
                            p[i] = q[i]
                            q[i] = following
                        pair = l * (l + 1) // 2 + m
                        inner[k, pair, 0] += inner_c
                        inner[k, pair, 1] += inner_d
                        outer[k, pair, 0] += outer_c
                        outer[k, pair, 1] += outer_d
                    for i in range(BLOCK):
                        following = c[i] * x[i] - d[i] * y[i]
                        d[i] = c[i] * y[i] + d[i] * x[i]
                        c[i] = following
