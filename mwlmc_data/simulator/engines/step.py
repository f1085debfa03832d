"""One trial step of the pair 8(6) for one star, in float32 and without branches.

The same code serves every machine: :mod:`~mwlmc_data.simulator.engines.lanes` runs it for sixteen stars at once on a
processor, :mod:`~mwlmc_data.simulator.engines.cuda` for one star per thread. Within a step the LMC moves on the quintic
through its position, velocity and acceleration at both ends, so a step needs one look-up in the orbit's table.

The step is written out component by component, without arrays, loops or branches, because LLVM vectorises the loop over
the sixteen lanes only if its body is straight-line code on scalars. Conditions select between two values instead.

Names: x y z is the star's position and u v w its velocity at the start of the step, X Y Z and U V W at its end; l m n
are position, velocity and acceleration of the LMC relative to the Milky Way, with the component as suffix (lx, my, nz),
and L M N the same at the end of the step. ax0 to ax8 are the accelerations at stages 0 to 8; px, py, pz hold the
coefficients of the LMC's quintics.
"""

from __future__ import annotations

import numpy as np

from mwlmc_data.simulator.compiling import inline
from mwlmc_data.simulator.engines.intrinsics import bits_float, float_bits, load_table
from mwlmc_data.simulator.engines.lane_functions import (
    C1,
    C2,
    C3,
    C4,
    C5,
    C6,
    ONE_BITS,
    TINY,
    F,
    acceleration,
    error_position,
    error_velocity,
    new_position,
    new_velocity,
    on_quintic,
    stage1,
    stage2,
    stage3,
    stage4,
    stage5,
    stage6,
    stage7,
    step_quintic,
    table_quintic,
)

# an untyped literal would promote everything it touches to float64
ZERO, ONE = F(0), F(1)

_SAFETY, _GROWTH, _SHRINK = F(0.75), F(2.5), F(0.2)
_END = F(-1e-9)
#: Shortest step [kpc / (km/s)], about 1,000 years: float32 times near -2.25 are 2.4e-7 apart. It is accepted with any
#: error. This affects only stars within 1e-3 kpc of the centre, where the error is of the size of the tolerance.
_MIN_STEP, _NEARLY_MIN_STEP = F(1e-6), F(1.3e-6)


@inline
def choose(condition, a, b):
    """Choose the tuple of nine numbers `a` if the condition holds, otherwise `b`, element by element."""
    return (
        a[0] if condition else b[0],
        a[1] if condition else b[1],
        a[2] if condition else b[2],
        a[3] if condition else b[3],
        a[4] if condition else b[4],
        a[5] if condition else b[5],
        a[6] if condition else b[6],
        a[7] if condition else b[7],
        a[8] if condition else b[8],
    )


@inline
def trial_step(star, lmc, t, h, first, field):
    """Try a step, and accept it if its error is allowed.

    Parameters
    ----------
    star : tuple of 9 float32
        Position [kpc], velocity [km/s] and acceleration.
    lmc : tuple of 9 float32
        The same for the LMC relative to the Milky Way.
    t, h : float32
        Time and step [kpc / (km/s)]. A step of zero marks a new star: it only computes the acceleration and the LMC's
        position, and the next step is the star's first.
    first : float32
        Length of the star's first step.
    field : LaneField
        Tables of the simulation.

    Returns
    -------
    star, lmc, t, h
        After the step if it is accepted, otherwise unchanged with a shorter h.
    """
    x, y, z, u, v, w, ax0, ay0, az0 = star
    lx, ly, lz, mx, my, mz, nx, ny, nz = lmc
    start, per_interval = load_table(field.scalars, 3), load_table(field.scalars, 4)
    longest, allowance = load_table(field.scalars, 5), load_table(field.scalars, 6)
    last_interval = np.int32(field.orbit.shape[0] // 18 - 1)
    h = min(max(h, _MIN_STEP), longest) if h > ZERO else ZERO
    # the step as rounded to float32 times; the last ends exactly today
    t_new = t + h
    t_new = t_new if t_new < _END else ZERO
    h = t_new - t
    # LMC at the end of the step, and its quintics over the step
    fraction = (t_new - start) * per_interval
    i = min(max(np.int32(fraction), np.int32(0)), last_interval)
    s = fraction - F(i)
    row = np.uint64(i) * np.uint64(18)
    Lx, Mx, Nx = table_quintic(field.orbit, row, s)
    Ly, My, Ny = table_quintic(field.orbit, row + np.uint64(1), s)
    Lz, Mz, Nz = table_quintic(field.orbit, row + np.uint64(2), s)
    Mx, My, Mz = Mx * per_interval, My * per_interval, Mz * per_interval
    per_interval2 = per_interval * per_interval
    Nx, Ny, Nz = Nx * per_interval2, Ny * per_interval2, Nz * per_interval2
    px = step_quintic(lx, mx, nx, Lx, Mx, Nx, h)
    py = step_quintic(ly, my, ny, Ly, My, Ny, h)
    pz = step_quintic(lz, mz, nz, Lz, Mz, Nz, h)
    ax1, ay1, az1 = acceleration(
        stage1(x, u, h, ax0), stage1(y, v, h, ay0), stage1(z, w, h, az0),
        on_quintic(lx, px, C1), on_quintic(ly, py, C1), on_quintic(lz, pz, C1), field,
    )  # fmt: skip
    ax2, ay2, az2 = acceleration(
        stage2(x, u, h, ax0, ax1), stage2(y, v, h, ay0, ay1), stage2(z, w, h, az0, az1),
        on_quintic(lx, px, C2), on_quintic(ly, py, C2), on_quintic(lz, pz, C2), field,
    )  # fmt: skip
    ax3, ay3, az3 = acceleration(
        stage3(x, u, h, ax0, ax1, ax2), stage3(y, v, h, ay0, ay1, ay2), stage3(z, w, h, az0, az1, az2),
        on_quintic(lx, px, C3), on_quintic(ly, py, C3), on_quintic(lz, pz, C3), field,
    )  # fmt: skip
    ax4, ay4, az4 = acceleration(
        stage4(x, u, h, ax0, ax1, ax2, ax3), stage4(y, v, h, ay0, ay1, ay2, ay3),
        stage4(z, w, h, az0, az1, az2, az3),
        on_quintic(lx, px, C4), on_quintic(ly, py, C4), on_quintic(lz, pz, C4), field,
    )  # fmt: skip
    ax5, ay5, az5 = acceleration(
        stage5(x, u, h, ax0, ax1, ax2, ax3, ax4), stage5(y, v, h, ay0, ay1, ay2, ay3, ay4),
        stage5(z, w, h, az0, az1, az2, az3, az4),
        on_quintic(lx, px, C5), on_quintic(ly, py, C5), on_quintic(lz, pz, C5), field,
    )  # fmt: skip
    ax6, ay6, az6 = acceleration(
        stage6(x, u, h, ax0, ax1, ax2, ax3, ax4, ax5), stage6(y, v, h, ay0, ay1, ay2, ay3, ay4, ay5),
        stage6(z, w, h, az0, az1, az2, az3, az4, az5),
        on_quintic(lx, px, C6), on_quintic(ly, py, C6), on_quintic(lz, pz, C6), field,
    )  # fmt: skip
    ax7, ay7, az7 = acceleration(
        stage7(x, u, h, ax0, ax1, ax2, ax3, ax4, ax5, ax6), stage7(y, v, h, ay0, ay1, ay2, ay3, ay4, ay5, ay6),
        stage7(z, w, h, az0, az1, az2, az3, az4, az5, az6), Lx, Ly, Lz, field,
    )  # fmt: skip
    X = new_position(x, u, h, ax0, ax2, ax3, ax4, ax5, ax6)
    Y = new_position(y, v, h, ay0, ay2, ay3, ay4, ay5, ay6)
    Z = new_position(z, w, h, az0, az2, az3, az4, az5, az6)
    ax8, ay8, az8 = acceleration(X, Y, Z, Lx, Ly, Lz, field)
    U = new_velocity(u, h, ax0, ax2, ax3, ax4, ax5, ax6, ax7)
    V = new_velocity(v, h, ay0, ay2, ay3, ay4, ay5, ay6, ay7)
    W = new_velocity(w, h, az0, az2, az3, az4, az5, az6, az7)
    # (|dv| |v|)^2 + (|dx| |a|)^2, in units of the error allowed
    ex = error_position(ax0, ax2, ax3, ax4, ax5, ax6)
    ey = error_position(ay0, ay2, ay3, ay4, ay5, ay6)
    ez = error_position(az0, az2, az3, az4, az5, az6)
    dx = error_velocity(ax0, ax2, ax3, ax4, ax5, ax6, ax7, ax8)
    dy = error_velocity(ay0, ay2, ay3, ay4, ay5, ay6, ay7, ay8)
    dz = error_velocity(az0, az2, az3, az4, az5, az6, az7, az8)
    h2 = h * h
    kinetic = (dx * dx + dy * dy + dz * dz) * h2 * (u * u + v * v + w * w)
    potential = (ex * ex + ey * ey + ez * ez) * h2 * h2 * (ax0 * ax0 + ay0 * ay0 + az0 * az0)
    error = max((kinetic + potential) * allowance, TINY)
    # error^(-1/16), as the bits of a float32 are nearly linear in its logarithm
    factor = _SAFETY * bits_float(np.int32(ONE_BITS - ((float_bits(error) - ONE_BITS) >> np.int32(4))))
    factor = min(max(factor, _SHRINK), _GROWTH)
    ok = (error < ONE) | (h < _NEARLY_MIN_STEP)
    moved = (X, Y, Z, U, V, W, ax8, ay8, az8)
    lmc_moved = (Lx, Ly, Lz, Mx, My, Mz, Nx, Ny, Nz)
    return (
        choose(ok, moved, star),
        choose(ok, lmc_moved, lmc),
        t_new if ok else t,
        h * factor if h > ZERO else first,
    )
