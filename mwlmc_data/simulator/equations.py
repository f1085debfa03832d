"""The equations of motion of a star, and the integrator in float64 that serves as the yardstick.

A star is followed in the frame of the Milky Way's centre, which falls towards the LMC:

    x'' = -grad Phi_MW(x) + a_LMC(x - l(t)) - a_frame(t),       a_frame = a_LMC(-l(t)),

with l(t) the LMC relative to the Milky Way and ``a_LMC(y) = -G M y / (|y| (|y| + a)^2)`` (Hernquist; in another
physics an NFW halo, and a Milky Way at rest, without a_frame).
The Milky Way's part is

    -g(r^2) x  +  sum_j of the disc's terms,

where g holds the bulge, the NFW halo and the spherical mean that the disc's terms miss (a table made in
:mod:`mwlmc_data.simulator.tables`), and each term of the disc is the Miyamoto-Nagai-like

    Phi_j = -G m_j / sqrt(R^2 + q_j^2),   q_j = a_j + s(z) + b_j sech^2(z / 2h),   s = 2h ln(2 cosh(z / 2h)).
"""

from __future__ import annotations

import math

import numpy as np

from mwlmc_data.simulator.compiling import inline, kernel
from mwlmc_data.simulator.engines import tableau

#: Cells of the radial table per factor of 2 in r^2 (a power of two), and the range of binary exponents of r^2 [kpc^2].
CELLS_PER_OCTAVE = 16
MIN_EXPONENT, MAX_EXPONENT = -24, 40

_CELL_BITS = 52 - int(math.log2(CELLS_PER_OCTAVE))
_CELL_MASK = (1 << _CELL_BITS) - 1
_CELL_UNIT = 1.0 / (1 << _CELL_BITS)
_FIRST_CELL = (1023 + MIN_EXPONENT) * CELLS_PER_OCTAVE
_R2_MIN, _R2_MAX = 2.0**MIN_EXPONENT, 2.0**MAX_EXPONENT * (1 - 1e-15)


@inline
def radial_factor(r2, radial):
    """``g(r^2) = G M(<r) / r^3`` from the cubic in the cell that the leading bits of r^2 select."""
    # in this order NaN becomes the limit; its own bits would select a cell outside the table
    bits = np.float64(min(max(_R2_MIN, r2), _R2_MAX)).view(np.int64)
    cell = (bits >> _CELL_BITS) - _FIRST_CELL
    t = (bits & _CELL_MASK) * _CELL_UNIT
    return radial[cell, 0] + t * (radial[cell, 1] + t * (radial[cell, 2] + t * radial[cell, 3]))


@inline
def milky_way(x, y, z, radial, disc, height):
    """Acceleration by bulge, halo and disc. `disc` has rows (G m, a, b), `height` is h."""
    R2 = x * x + y * y
    g = radial_factor(R2 + z * z, radial)
    u = abs(z) / height
    e = math.exp(-u)
    s = u * height + 2.0 * height * math.log1p(e)
    tanh = math.copysign((1.0 - e) / (1.0 + e), z)
    sech2 = 1.0 - tanh * tanh
    slope = -sech2 * tanh / height
    in_plane = g
    vertical = g * z
    for j in range(disc.shape[0]):
        q = disc[j, 1] + s + disc[j, 2] * sech2
        d2 = R2 + q * q
        f = disc[j, 0] / (d2 * math.sqrt(d2))
        in_plane += f
        vertical += f * q * (tanh + disc[j, 2] * slope)
    return -in_plane * x, -in_plane * y, -vertical


@inline
def hernquist_factor(d2, gm, scale):
    """``G M / (d (d + a)^2)``: multiplied by -y, the acceleration by the LMC at the offset y."""
    d = math.sqrt(d2 + 1e-20)
    return gm / (d * (d + scale) * (d + scale))


@inline
def lmc_factor(d2, gm, scale, lmc):
    """The same for any LMC: from a table of cubics as for :func:`radial_factor`; Hernquist's if there is none."""
    # the compiler leaves out one of the two
    if lmc is None:
        return hernquist_factor(d2, gm, scale)
    return radial_factor(d2, lmc)


@inline
def lmc_position(t, t_start, dt, orbit):
    """Position of the LMC relative to the Milky Way at time t, from the quintics of the orbit table (n, 6, 3)."""
    u = (t - t_start) / dt
    i = min(max(int(u), 0), orbit.shape[0] - 1)
    c, w = orbit[i], u - i
    x = c[0, 0] + w * (c[1, 0] + w * (c[2, 0] + w * (c[3, 0] + w * (c[4, 0] + w * c[5, 0]))))
    y = c[0, 1] + w * (c[1, 1] + w * (c[2, 1] + w * (c[3, 1] + w * (c[4, 1] + w * c[5, 1]))))
    z = c[0, 2] + w * (c[1, 2] + w * (c[2, 2] + w * (c[3, 2] + w * (c[4, 2] + w * c[5, 2]))))
    return x, y, z


@inline
def star_acceleration(t, x, y, z, field):
    """Acceleration of a star in the falling frame of the Milky Way; `field` is a ``tables.Field``."""
    ax, ay, az = milky_way(x, y, z, field.radial, field.disc, field.height)
    lx, ly, lz = lmc_position(t, field.t_start, field.dt, field.orbit)
    dx, dy, dz = x - lx, y - ly, z - lz
    pull = lmc_factor(dx * dx + dy * dy + dz * dz, field.gm_lmc, field.a_lmc, field.lmc)
    frame = field.falls * lmc_factor(lx * lx + ly * ly + lz * lz, field.gm_lmc, field.a_lmc, field.lmc)
    return ax - pull * dx - frame * lx, ay - pull * dy - frame * ly, az - pull * dz - frame * lz


# the compiler treats module-level arrays as constants
_A, _C, _B_PRIME, _E, _E_PRIME = tableau.A, tableau.C, tableau.B_PRIME, tableau.E, tableau.E_PRIME
_STAGES = 9

#: Step control: safety factor, limits of growth and shrinkage, largest step [kpc / (km/s)].
SAFETY, GROWTH, SHRINK, MAX_STEP = 0.75, 2.5, 0.2, 0.06
#: Speed [km/s] that makes the error of a step dimensionless.
SPEED_SCALE = 200.0


@kernel
def integrate_stars(state, t_begin, t_end, field, tolerance):
    """Move stars from `t_begin` to `t_end` (> `t_begin`) with the pair 8(6), each star with its own step.

    The error of a step is the estimated error in energy, ``|dv| |v| + |dx| |a|``, in units of (200 km/s)^2. A step is
    accepted if its error is below `tolerance`.

    Parameters
    ----------
    state : ndarray, shape (n, 6)
        Positions [kpc] and velocities [km/s]; overwritten with the result.
    t_begin, t_end : float
        Times [kpc / (km/s)].
    field : tables.Field
        The potential and the LMC's orbit.
    tolerance : float
        Error allowed per step.

    Returns
    -------
    int
        Number of evaluations of the acceleration; -1 if the step of a star fell below 1e-12 (state not finite).
    """
    f = np.empty((_STAGES, 3))
    evaluations = 0
    scale = 1.0 / (tolerance * SPEED_SCALE * SPEED_SCALE)
    for i in range(state.shape[0]):
        x, y, z = state[i, 0], state[i, 1], state[i, 2]
        vx, vy, vz = state[i, 3], state[i, 4], state[i, 5]
        t = t_begin
        f[0, 0], f[0, 1], f[0, 2] = star_acceleration(t, x, y, z, field)
        h = min(0.1 * math.sqrt((x * x + y * y + z * z) / (vx * vx + vy * vy + vz * vz + 1e4)), MAX_STEP)
        while t < t_end:
            last = t + h >= t_end
            if last:
                h = t_end - t
            px = py = pz = 0.0
            for stage in range(1, _STAGES):
                sx = sy = sz = 0.0
                for j in range(stage):
                    w = _A[stage, j]
                    sx += w * f[j, 0]
                    sy += w * f[j, 1]
                    sz += w * f[j, 2]
                c = _C[stage]
                px = x + h * (c * vx + h * sx)
                py = y + h * (c * vy + h * sy)
                pz = z + h * (c * vz + h * sz)
                f[stage, 0], f[stage, 1], f[stage, 2] = star_acceleration(t + c * h, px, py, pz, field)
            wx = wy = wz = ex = ey = ez = dx = dy = dz = 0.0
            for j in range(_STAGES):
                wx += _B_PRIME[j] * f[j, 0]
                wy += _B_PRIME[j] * f[j, 1]
                wz += _B_PRIME[j] * f[j, 2]
                ex += _E[j] * f[j, 0]
                ey += _E[j] * f[j, 1]
                ez += _E[j] * f[j, 2]
                dx += _E_PRIME[j] * f[j, 0]
                dy += _E_PRIME[j] * f[j, 1]
                dz += _E_PRIME[j] * f[j, 2]
            evaluations += _STAGES - 1
            speed = math.sqrt(vx * vx + vy * vy + vz * vz)
            force = math.sqrt(f[0, 0] ** 2 + f[0, 1] ** 2 + f[0, 2] ** 2)
            error = h * math.sqrt(dx * dx + dy * dy + dz * dz) * speed
            error = scale * (error + h * h * math.sqrt(ex * ex + ey * ey + ez * ez) * force)
            if error < 1.0:  # the last stage, at the new point, is the first of the next step
                x, y, z = px, py, pz
                vx += h * wx
                vy += h * wy
                vz += h * wz
                f[0] = f[_STAGES - 1]
                t = t_end if last else t + h
            # the local error scales as h^7
            if error < 1e-7:
                factor = GROWTH
            elif error < 1e7:
                factor = min(max(SAFETY * error ** (-1.0 / 7.0), SHRINK), GROWTH)
            else:  # much too long, or NaN
                factor = SHRINK
            h = min(h * factor, MAX_STEP)
            if not h > 1e-12:  # also true for NaN
                return -1
        state[i, 0], state[i, 1], state[i, 2] = x, y, z
        state[i, 3], state[i, 4], state[i, 5] = vx, vy, vz
    return evaluations
