"""Forces of an expansion on particles: the kernel in which a live run spends most of its time."""

from __future__ import annotations

import numpy as np

from mwlmc_data.array_types import Float64Array
from mwlmc_data.live.expansion import CELL, Expansion
from mwlmc_data.live.harmonics import find_l_max
from mwlmc_data.live.moments import BLOCK
from mwlmc_data.live.radial_bins import CHUNK, N_BINS, NODES, sort_chunk
from mwlmc_data.simulator.compiling import announce_compiling, kernel

_NODES = NODES


@kernel
def kick(positions, velocities, centre, cells, l_max, span, potentials):
    """Add `span` times the acceleration by an expansion to velocities, and the potential to `potentials`.

    Parameters
    ----------
    positions, velocities : ndarray, shape (n, 3)
        Positions [kpc] and velocities [km/s]; these are changed.
    centre, cells : ndarray
        Of an :class:`~mwlmc_data.live.expansion.Expansion`.
    l_max : int
        Its largest l.
    span : float
        Duration [kpc / (km/s)].
    potentials : ndarray, shape (n,) or (0,)
        Potentials [km^2 s^-2] to add to; with no elements, none are wanted.
    """
    f32 = np.float32
    offsets, radii = np.empty((3, CHUNK), f32), np.empty(CHUNK, f32)
    bins, order = np.empty(CHUNK, np.int32), np.empty(CHUNK, np.int32)
    first = np.empty(N_BINS + 1, np.int64)
    x, y, z = np.empty(BLOCK, f32), np.empty(BLOCK, f32), np.empty(BLOCK, f32)
    t, slope, inverse = np.empty(BLOCK, f32), np.empty(BLOCK, f32), np.empty(BLOCK, f32)
    # (x + i y)^m and its predecessor; the sums over j of cosine and sine: value, d/dt, d/dz
    c, d, c_before, d_before = np.empty(BLOCK, f32), np.empty(BLOCK, f32), np.empty(BLOCK, f32), np.empty(BLOCK, f32)
    vc, vd, tc, td = np.empty(BLOCK, f32), np.empty(BLOCK, f32), np.empty(BLOCK, f32), np.empty(BLOCK, f32)
    zc, zd = np.empty(BLOCK, f32), np.empty(BLOCK, f32)
    value, radial = np.empty(BLOCK, f32), np.empty(BLOCK, f32)
    gx, gy, gz = np.empty(BLOCK, f32), np.empty(BLOCK, f32), np.empty(BLOCK, f32)
    half, two, three = f32(0.5), f32(2.0), f32(3.0)
    wants_potential, last = potentials.shape[0] > 0, cells.shape[1] - 1
    for begin in range(0, positions.shape[0], CHUNK):
        end = min(begin + CHUNK, positions.shape[0])
        sort_chunk(positions, begin, end, centre, offsets, radii, bins, order, first)
        for k in range(N_BINS):
            bottom, scale = f32(_NODES[max(k - 1, 0)]), f32(1.0 / _NODES[0])
            if 0 < k < N_BINS - 1:
                scale = f32((_NODES[k] + _NODES[k - 1]) / (_NODES[k] - _NODES[k - 1]))
            for start in range(first[k], first[k + 1], BLOCK):
                n = min(BLOCK, first[k + 1] - start)
                for i in range(n):
                    j = order[start + i]
                    inv = f32(1.0) / radii[j]
                    x[i], y[i], z[i] = offsets[0, j] * inv, offsets[1, j] * inv, offsets[2, j] * inv
                    inverse[i] = inv
                    t[i] = radii[j]
                for i in range(n, BLOCK):
                    x[i], y[i], z[i], t[i], inverse[i] = 0.0, 0.0, 1.0, bottom, 0.0
                if k == 0:  # t = r / r_first
                    for i in range(BLOCK):
                        t[i] *= scale
                        slope[i] = scale
                elif k < N_BINS - 1:
                    for i in range(BLOCK):
                        share = f32(1.0) / (t[i] + bottom)
                        t[i] = (t[i] - bottom) * share * scale
                        slope[i] = two * bottom * share * share * scale
                else:  # t = r_last / r
                    for i in range(BLOCK):
                        t[i] = bottom * inverse[i]
                        slope[i] = -t[i] * inverse[i]
                # m = 0: no sines
                for i in range(BLOCK):
                    vc[i], tc[i], zc[i] = 0.0, 0.0, 0.0
                place = 0
                for _ in range(l_max + 1):
                    a0, a1, a2, a3 = cells[k, place], cells[k, place + 1], cells[k, place + 2], cells[k, place + 3]
                    place += CELL
                    for i in range(BLOCK):
                        zc[i] = zc[i] * z[i] + vc[i]
                        vc[i] = vc[i] * z[i] + (((a3 * t[i] + a2) * t[i] + a1) * t[i] + a0)
                        tc[i] = tc[i] * z[i] + ((three * a3 * t[i] + two * a2) * t[i] + a1)
                for i in range(BLOCK):
                    value[i], radial[i], gz[i] = vc[i], tc[i], zc[i]
                    gx[i], gy[i] = 0.0, 0.0
                    c_before[i], d_before[i], c[i], d[i] = 1.0, 0.0, x[i], y[i]
                for m in range(1, l_max + 1):
                    for i in range(BLOCK):
                        vc[i], tc[i], zc[i], vd[i], td[i], zd[i] = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
                    for _ in range(l_max + 1 - m):
                        a0, a1, a2, a3 = cells[k, place], cells[k, place + 1], cells[k, place + 2], cells[k, place + 3]
                        b0, b1 = cells[k, place + 4], cells[k, place + 5]
                        b2, b3 = cells[k, place + 6], cells[k, place + 7]
                        place += CELL
                        for i in range(BLOCK):
                            zc[i] = zc[i] * z[i] + vc[i]
                            vc[i] = vc[i] * z[i] + (((a3 * t[i] + a2) * t[i] + a1) * t[i] + a0)
                            tc[i] = tc[i] * z[i] + ((three * a3 * t[i] + two * a2) * t[i] + a1)
                            zd[i] = zd[i] * z[i] + vd[i]
                            vd[i] = vd[i] * z[i] + (((b3 * t[i] + b2) * t[i] + b1) * t[i] + b0)
                            td[i] = td[i] * z[i] + ((three * b3 * t[i] + two * b2) * t[i] + b1)
                    order_m = f32(m)
                    for i in range(BLOCK):
                        value[i] += vc[i] * c[i] + vd[i] * d[i]
                        radial[i] += tc[i] * c[i] + td[i] * d[i]
                        gz[i] += zc[i] * c[i] + zd[i] * d[i]
                        gx[i] += order_m * (vc[i] * c_before[i] + vd[i] * d_before[i])
                        gy[i] += order_m * (vd[i] * c_before[i] - vc[i] * d_before[i])
                        c_before[i], d_before[i] = c[i], d[i]
                        following = c[i] * x[i] - d[i] * y[i]
                        d[i] = c[i] * y[i] + d[i] * x[i]
                        c[i] = following
                if 0 < k < N_BINS - 1:  # the cubics are those of sqrt(r) phi without a constant
                    for i in range(BLOCK):
                        root = np.sqrt(inverse[i])
                        radial[i] = (radial[i] * slope[i] - half * value[i] * inverse[i]) * root
                        value[i], gx[i], gy[i], gz[i] = value[i] * root, gx[i] * root, gy[i] * root, gz[i] * root
                else:
                    for i in range(BLOCK):
                        radial[i] *= slope[i]
                # gradient in space: the harmonics' own, tangential, and the radial one
                for i in range(BLOCK):
                    along = gx[i] * x[i] + gy[i] * y[i] + gz[i] * z[i]
                    outwards = radial[i] - along * inverse[i]
                    gx[i] = outwards * x[i] + gx[i] * inverse[i]
                    gy[i] = outwards * y[i] + gy[i] * inverse[i]
                    gz[i] = outwards * z[i] + gz[i] * inverse[i]
                for i in range(n):
                    j = begin + order[start + i]
                    velocities[j, 0] -= span * gx[i]
                    velocities[j, 1] -= span * gy[i]
                    velocities[j, 2] -= span * gz[i]
                if wants_potential:
                    for i in range(n):
                        potentials[begin + order[start + i]] += value[i] + cells[k, last]


def evaluate(expansion: Expansion, positions: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Acceleration [km^2 s^-2 kpc^-1], (n, 3), and potential [km^2 s^-2], (n,), at positions [kpc], (n, 3)."""
    acceleration, potential = np.zeros((len(positions), 3)), np.zeros(len(positions))
    l_max = find_l_max(expansion.potential.shape[1])
    with announce_compiling():
        positions = np.ascontiguousarray(positions, float)
        kick(positions, acceleration, expansion.centre, expansion.cells, l_max, 1.0, potential)
    return acceleration, potential
