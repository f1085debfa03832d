"""One trial step of the pair 8(6) in float32 and without branches: for all lanes at once, or for one star.

:mod:`~mwlmc_data.simulator.engines.lanes` runs it on vectors, :mod:`~mwlmc_data.simulator.engines.cuda` on single
numbers, one star per thread. Within a step the LMC moves on the quintic through its position, velocity and acceleration
at both ends, so a step needs one look-up in the orbit's table.

Everything that a step needs lies in the rows of a state, which begins with the star, the LMC, the time and the step.
The stages are a loop over rows of accelerations: written out, the code would no longer fit into the processor's cache
of decoded instructions. Conditions select between two values.

Names: x y z is the star's position, u v w its velocity and a its acceleration at the start of the step, X Y Z, U V W
and A the same at its end; l m n are position, velocity and acceleration of the LMC relative to the Milky Way, with the
component as suffix (lx, my, nz), and L M N the same at the end of the step.

The next step follows from the error, as error^(-1/16) because the square of an error scales as h^14 to h^16, and from
where the star will be: steps are in proportion to r^1.2, so the step changes by the ratio of r^1.2 in the middle of the
next step to that in the middle of this one. Without this a quarter of the steps of stars that fall towards the centre
are rejected, with it one in twenty.
"""

from __future__ import annotations

import numpy as np

from mwlmc_data.simulator.compiling import inline
from mwlmc_data.simulator.engines import tableau
from mwlmc_data.simulator.engines.lane_functions import (
    ALLOWANCE,
    INTERVAL_SIZE,
    ONE_BITS,
    PER_INTERVAL,
    START,
    TINY,
    F,
    acceleration,
    lmc_path,
    step_quintic,
)
from mwlmc_data.simulator.engines.vectors import (
    bits_float,
    float_bits,
    get_element,
    get_lanes,
    larger,
    load,
    root,
    select,
    smaller,
    store,
    to_floats,
    truncate,
)

# an untyped literal would promote everything it touches to float64
ZERO, ONE = F(0), F(1)
_HALF, _EIGHTH = F(0.5), F(0.125)

#: Rows of the state: star and LMC (position, velocity, acceleration each), time, step, length of the first step ...
STAR, LMC, TIME, STEP, FIRST_STEP = 0, 9, 18, 19, 20
#: ... and within a step the accelerations at its nine stages, the quintics of the LMC's coordinates, and its length.
FORCE, PATH, LENGTH = 21, 48, 63
ROWS = 64

_SAFETY, _GROWTH, _SHRINK = F(0.75), F(2.5), F(0.2)
_END, _ARRIVED = F(-1e-9), F(-1e-30)
#: Shortest step [kpc / (km/s)], about 1,000 years: float32 times near -2.25 are 2.4e-7 apart. It is accepted with any
#: error. This affects only stars within 1e-3 kpc of the centre, where the error is of the size of the tolerance.
_MIN_STEP, _NEARLY_MIN_STEP = F(1e-6), F(1.3e-6)
#: Longest step [kpc / (km/s)], and its largest part of sqrt(l / n), the time in which the LMC's path turns: one quintic
#: then follows the LMC.
_MAX_STEP, _MAX_TURN = F(0.25), F(0.25)
#: Power of r^2 with which steps scale, and a square [kpc^2] that keeps the ratio finite at the centre.
_RADIUS_POWER, _SOFTENING2 = F(0.6), F(1e-4)
#: An error that is refused; NaN becomes this.
_MAX_ERROR = F(1e30)
_INTERVAL_SIZE, _SIXTEENTH = np.int32(INTERVAL_SIZE), np.int32(4)

#: The pair's weights in one table: A by rows, then C, B', E and E'.
WEIGHTS = np.concatenate([tableau.A.ravel(), tableau.C, tableau.B_PRIME, tableau.E, tableau.E_PRIME]).astype(F)
_STAGES, _A_ROW = tableau.A.shape
_C = tableau.A.size
_B_PRIME, _E, _E_PRIME = _C + 9, _C + 18, _C + 27


@inline
def load3(state, row):
    """Load three rows, the components of a vector."""
    return load(state, row), load(state, row + 1), load(state, row + 2)


@inline
def store3(state, row, values):
    """Store three rows."""
    store(state, row, values[0])
    store(state, row + 1, values[1])
    store(state, row + 2, values[2])


@inline
def _accept3(state, row, accepted, values):
    """Store three rows where the step is accepted."""
    x, y, z = load3(state, row)
    store3(
        state, row, (select(accepted, values[0], x), select(accepted, values[1], y), select(accepted, values[2], z))
    )


@inline
def _store_path(state, row, p):
    """Store the five coefficients of a quintic."""
    store3(state, row, p)
    store(state, row + 3, p[3])
    store(state, row + 4, p[4])


@inline
def _on_path(state, position, path, c):
    """Value of the LMC's quintic at the fraction c of the step."""
    p = load(state, path + 3) + c * load(state, path + 4)
    p = load(state, path + 1) + c * (load(state, path + 2) + c * p)
    return load(state, position) + c * (load(state, path) + c * p)


@inline
def _sum_forces(state, row, component, last):
    """Sum of a component of the accelerations at stages 0 and 2 to `last`, with weights; that of stage 1 is zero."""
    total = get_element(WEIGHTS, row) * load(state, FORCE + component)
    for j in range(2, last + 1):
        total = total + get_element(WEIGHTS, row + j) * load(state, FORCE + 3 * j + component)
    return total


@inline
def _sum_forces3(state, row, last):
    return _sum_forces(state, row, 0, last), _sum_forces(state, row, 1, last), _sum_forces(state, row, 2, last)


@inline
def _square(a):
    return a[0] * a[0] + a[1] * a[1] + a[2] * a[2]


@inline
def _stage_position(state, stage, c, h):
    """Position of the star at a stage after the first, from the accelerations of the stages before it."""
    row = _A_ROW * stage
    w = get_element(WEIGHTS, row)
    sx, sy, sz = w * load(state, FORCE), w * load(state, FORCE + 1), w * load(state, FORCE + 2)
    for j in range(1, min(stage, 7)):
        w = get_element(WEIGHTS, row + j)
        sx = sx + w * load(state, FORCE + 3 * j)
        sy = sy + w * load(state, FORCE + 3 * j + 1)
        sz = sz + w * load(state, FORCE + 3 * j + 2)
    return (
        load(state, STAR) + h * (c * load(state, STAR + 3) + h * sx),
        load(state, STAR + 1) + h * (c * load(state, STAR + 4) + h * sy),
        load(state, STAR + 2) + h * (c * load(state, STAR + 5) + h * sz),
    )


@inline
def _lmc_after_step(t, field):
    """Position, velocity and acceleration of the LMC at time t."""
    per_interval = get_element(field.scalars, PER_INTERVAL)
    last_interval = F(field.orbit.shape[0] // INTERVAL_SIZE - 1)
    fraction = (t - get_element(field.scalars, START)) * per_interval
    i = truncate(smaller(larger(fraction, ZERO), last_interval))
    x, y, z = lmc_path(field.orbit, i * _INTERVAL_SIZE, fraction - to_floats(i))
    square = per_interval * per_interval
    return (
        (x[0], y[0], z[0]),
        (x[1] * per_interval, y[1] * per_interval, z[1] * per_interval),
        (x[2] * square, y[2] * square, z[2] * square),
    )


@inline
def _limit_step(state):
    """Time after the step to try, at most today, and the step as the difference of float32 times."""
    t, h = load(state, TIME), load(state, STEP)
    turn = root(root(_square(load3(state, LMC)) / (_square(load3(state, LMC + 6)) + TINY)))
    h = select(h > ZERO, smaller(larger(h, _MIN_STEP), smaller(_MAX_TURN * turn, _MAX_STEP)), ZERO)
    t_new = t + h
    t_new = select(t_new < _END, t_new, ZERO)
    return t_new, t_new - t


@inline
def _middle_radius2(position, velocity, force, h):
    """Square of the star's radius half a step further, softened."""
    half, eighth = _HALF * h, _EIGHTH * h * h
    x = position[0] + half * velocity[0] + eighth * force[0]
    y = position[1] + half * velocity[1] + eighth * force[1]
    z = position[2] + half * velocity[2] + eighth * force[2]
    return x * x + y * y + z * z + _SOFTENING2


@inline
def _step_factor(error, ratio):
    """``0.75 error^(-1/16) ratio^0.6`` within limits: the bits of a float32 are nearly linear in its logarithm."""
    logarithm = ONE_BITS - ((float_bits(error) - ONE_BITS) >> _SIXTEENTH)
    logarithm = logarithm + truncate(to_floats(float_bits(ratio) - ONE_BITS) * _RADIUS_POWER)
    return smaller(larger(_SAFETY * bits_float(logarithm), _SHRINK), _GROWTH)


@inline
def trial_step(state, field):
    """Try a step, and accept it if its error is allowed.

    Parameters
    ----------
    state : ndarray of float32, shape (ROWS, LANES) or (ROWS,)
        Rows, of which this function changes the first twenty: position [kpc], velocity [km/s] and acceleration of the
        star; the same of the LMC relative to the Milky Way; time and step [kpc / (km/s)]; length of the first step. A
        step of zero marks a new star: the trial only computes its acceleration and the LMC's position, and the next
        step is the star's first. If a step is not accepted, only the step becomes shorter.
    field : LaneField
        Tables of the simulation.

    Returns
    -------
    uint64
        The lanes whose star has arrived today, as bits; of a single star 1 or 0.
    """
    t_new, h = _limit_step(state)
    (Lx, Ly, Lz), (Mx, My, Mz), (Nx, Ny, Nz) = _lmc_after_step(t_new, field)
    lx, ly, lz = load3(state, LMC)
    mx, my, mz = load3(state, LMC + 3)
    nx, ny, nz = load3(state, LMC + 6)
    _store_path(state, PATH, step_quintic(lx, mx, nx, Lx, Mx, Nx, h))
    _store_path(state, PATH + 5, step_quintic(ly, my, ny, Ly, My, Ny, h))
    _store_path(state, PATH + 10, step_quintic(lz, mz, nz, Lz, Mz, Nz, h))
    x, y, z = load3(state, STAR)
    a = load3(state, STAR + 6)
    store3(state, FORCE, a)
    store(state, LENGTH, h)
    X, Y, Z, A = x, y, z, a
    for stage in range(1, _STAGES):
        c, length = get_element(WEIGHTS, _C + stage), load(state, LENGTH)
        X, Y, Z = _stage_position(state, stage, c, length)
        lx, ly = _on_path(state, LMC, PATH, c), _on_path(state, LMC + 1, PATH + 5, c)
        A = acceleration(X, Y, Z, lx, ly, _on_path(state, LMC + 2, PATH + 10, c), field)
        store3(state, FORCE + 3 * stage, A)
    h = load(state, LENGTH)
    u, v, w = load3(state, STAR + 3)
    dU, dV, dW = _sum_forces3(state, _B_PRIME, 7)
    U, V, W = u + h * dU, v + h * dV, w + h * dW
    a = load3(state, STAR + 6)
    # (|dv| |v|)^2 + (|dx| |a|)^2, in units of the error allowed
    h2 = h * h
    kinetic = _square(_sum_forces3(state, _E_PRIME, 8)) * h2 * _square((u, v, w))
    potential = _square(_sum_forces3(state, _E, 6)) * h2 * h2 * _square(a)
    error = (kinetic + potential) * get_element(field.scalars, ALLOWANCE)
    error = select(error < _MAX_ERROR, larger(error, TINY), _MAX_ERROR)
    accepted = (error < ONE) | (h < _NEARLY_MIN_STEP)
    here, there = _middle_radius2((x, y, z), (u, v, w), a, h), _middle_radius2((X, Y, Z), (U, V, W), A, h)
    factor = _step_factor(error, select(accepted, there / here, ONE))
    _accept3(state, STAR, accepted, (X, Y, Z))
    _accept3(state, STAR + 3, accepted, (U, V, W))
    _accept3(state, STAR + 6, accepted, A)
    _accept3(state, LMC, accepted, (Lx, Ly, Lz))
    _accept3(state, LMC + 3, accepted, (Mx, My, Mz))
    _accept3(state, LMC + 6, accepted, (Nx, Ny, Nz))
    t = select(accepted, t_new, load(state, TIME))
    store(state, TIME, t)
    store(state, STEP, select(h > ZERO, h * factor, load(state, FIRST_STEP)))
    return get_lanes(t > _ARRIVED)
