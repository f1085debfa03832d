"""The orbit of the Milky Way and the LMC about each other, rewound from today."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import NamedTuple

import numpy as np

from mwlmc_data.arguments.arrays import as_whole
from mwlmc_data.array_types import Float64Array, FloatArray
from mwlmc_data.display import Displayed, describe_tuple, fixed
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.compiling import announce_compiling, inline, kernel
from mwlmc_data.simulator.equations import lmc_factor
from mwlmc_data.simulator.equations import milky_way as milky_way_acceleration
from mwlmc_data.simulator.parameters import Parameters, take_parameters
from mwlmc_data.simulator.potentials import bulge_density, nfw_lmc, nfw_scales
from mwlmc_data.simulator.tables import Field, MilkyWay, hermite_quintic, milky_way, quintic, tabulate_nfw

#: Points of an orbit including both ends: one every 5 Myr.
N_ORBIT = 441
#: Points of the LMC's path for stars that are rewound: one every 20 Myr.
N_REVERSED = 111
#: Signs of a phase space whose time runs backwards.
REVERSED = np.array([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
#: Error allowed per step of the orbit: absolute [kpc, km/s] and relative.
ABSOLUTE, RELATIVE = 1e-8, 1e-10
#: First and longest step of the orbit [kpc / (km/s)]: 5 and 20 Myr.
_FIRST_STEP, _LONGEST_STEP = 0.005, 0.02
#: Density of the disc [Msun kpc^-3] that its exponentials multiply.
RHO_DISC = const.DISC_MASS / (2 * np.pi * const.DISC_SCALE_LENGTH**2 * const.DISC_SCALE_HEIGHT)
#: Distance [kpc] between the LMC and the Milky Way's centre below which the force has no direction.
CENTRE = 1e-3


@dataclasses.dataclass(frozen=True, repr=False)
class Orbit(Displayed):
    """The past of the two galaxies, in the inertial frame in which the Milky Way is at rest at the origin today.

    Attributes
    ----------
    time : ndarray, shape (m,)
        Time [Gyr], from -2.2 to 0 (today).
    mw, lmc : ndarray, shape (m, 6)
        Position [kpc] and velocity [km/s] of the Milky Way and the LMC.
    """

    time: Float64Array
    mw: Float64Array
    lmc: Float64Array

    @property
    def relative(self) -> Float64Array:
        """Phase space of the LMC relative to the Milky Way, (m, 6) [kpc, km/s]."""
        return self.lmc - self.mw

    @property
    def distance(self) -> Float64Array:
        """Distance between the two galaxies [kpc], (m,)."""
        gap = self.lmc[:, :3] - self.mw[:, :3]
        return np.sqrt(np.einsum("ni,ni->n", gap, gap))

    @property
    def pericentre(self) -> float:
        """Smallest distance within the rewound time [kpc], refined between the points by cubics."""
        return self._closest[0]

    @property
    def t_pericentre(self) -> float:
        """Time of the smallest distance [Gyr]; 0 or the start if the orbit has no minimum in between."""
        return self._closest[1]

    def _summary(self) -> str:
        return (
            f"LMC {fixed(self.distance[-1], 1)} kpc from the Milky Way today, {fixed(self.distance[0], 1)} kpc at "
            f"{fixed(self.time[0], 1)} Gyr; pericentre {fixed(self.pericentre, 1)} kpc at "
            f"{fixed(self.t_pericentre, 3)} Gyr; {len(self.time)} points"
        )

    def _rows(self) -> list[tuple[str, str]]:
        return [
            ("time", f"{fixed(self.time[0], 1)} to {fixed(self.time[-1], 1)} Gyr, {len(self.time)} points"),
            ("distance at the start", f"{fixed(self.distance[0], 1)} kpc"),
            ("distance today", f"{fixed(self.distance[-1], 1)} kpc"),
            ("pericentre", f"{fixed(self.pericentre, 1)} kpc"),
            ("t_pericentre", f"{fixed(self.t_pericentre, 3)} Gyr"),
        ]

    @functools.cached_property
    def _closest(self) -> tuple[float, float]:
        relative, distances = self.relative, self.distance
        i = int(np.argmin(distances))
        lo, hi = max(i - 1, 0), min(i + 1, len(self.time) - 1)
        # cubic Hermite interpolation of the relative position on a fine grid in the two neighbouring intervals
        best = (float(distances[i]), float(self.time[i]))
        w = np.linspace(0, 1, 201)[:, None]
        for j in range(lo, hi):
            dt = (self.time[j + 1] - self.time[j]) / const.GYR_PER_TIME_UNIT
            x0, v0, x1, v1 = relative[j, :3], relative[j, 3:], relative[j + 1, :3], relative[j + 1, 3:]
            gap = x1 - x0
            path = x0 + w * (v0 * dt + w * ((3 * gap - (2 * v0 + v1) * dt) + w * ((v0 + v1) * dt - 2 * gap)))
            squared = np.einsum("ni,ni->n", path, path)
            k = int(np.argmin(squared))
            distance = math.sqrt(squared[k])
            if distance < best[0]:
                best = (distance, float(self.time[j] + w[k, 0] * (self.time[j + 1] - self.time[j])))
        return best


@inline
def _pair_derivative(y: Float64Array, out: Float64Array, field: Pair) -> None:
    """Time derivative `out` of y = (x_mw, v_mw, x_lmc, v_lmc), eqs. 3 to 7 of the paper.

    Friction is ``-friction rho(x) [erf(X) - 2 X exp(-X^2) / sqrt(pi)] v / |v|^3`` with ``X = |v| / (sqrt 2 sigma)``;
    v and x are relative to the Milky Way, rho is the density of bulge, disc and halo at x.
    """
    x, y_, z = y[6] - y[0], y[7] - y[1], y[8] - y[2]
    vx, vy, vz = y[9] - y[3], y[10] - y[4], y[11] - y[5]
    r2 = x * x + y_ * y_ + z * z
    pull = field.falls * lmc_factor(r2, field.gm_lmc, field.a_lmc, field.lmc)
    ax, ay, az = milky_way_acceleration(x, y_, z, field.radial, field.disc, field.height)
    r = math.sqrt(r2 + 1e-20)
    s = r / field.r_s
    density = field.rho_halo / (s * (1 + s) * (1 + s))
    cut = r2 / const.BULGE_CUT**2
    if cut < 49.0:  # beyond, where the potential takes its whole mass, the bulge's density is below rounding
        density += field.rho_bulge * (1 + r / const.BULGE_SCALE) ** -const.BULGE_SLOPE * math.exp(-cut)
    e = math.exp(-abs(z) / const.DISC_SCALE_HEIGHT)
    vertical = e / ((1 + e) * (1 + e))
    density += field.rho_disc * math.exp(-math.sqrt(x * x + y_ * y_) / const.DISC_SCALE_LENGTH) * vertical
    v = math.sqrt(vx * vx + vy * vy + vz * vz)
    u = v / (math.sqrt(2.0) * const.FRICTION_DISPERSION)
    if u > 1e-3:
        bracket = (math.erf(u) - 2 * u * math.exp(-u * u) / math.sqrt(math.pi)) / (v * v * v)
    else:  # the bracket cancels: 4 X^3 / (3 sqrt pi)
        bracket = 4 / (3 * math.sqrt(math.pi)) / (math.sqrt(2.0) * const.FRICTION_DISPERSION) ** 3
    drag = field.friction * density * bracket
    out[0], out[1], out[2] = y[3], y[4], y[5]
    out[3], out[4], out[5] = pull * x, pull * y_, pull * z
    out[6], out[7], out[8] = y[9], y[10], y[11]
    out[9], out[10], out[11] = ax - drag * vx, ay - drag * vy, az - drag * vz


# Dormand & Prince 1980, J. Comp. Appl. Math. 6, 19: weights of the stages. The last row is the solution of order 5, so
# that its stage is the first of the next step; _ERROR is the difference from the embedded solution of order 4.
_STAGES = np.array(
    [
        [1 / 5, 0, 0, 0, 0, 0],
        [3 / 40, 9 / 40, 0, 0, 0, 0],
        [44 / 45, -56 / 15, 32 / 9, 0, 0, 0],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0],
        [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
    ]
)
_ERROR = np.array([71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])


@inline
def _interpolate(w, h, y, k, end, k_end, state, derivative):
    """State and derivative of y = (x_mw, v_mw, x_lmc, v_lmc) at the fraction w of a step h.

    Positions follow the quintic through position, velocity and acceleration at both ends of the step.
    """
    for m in (0, 1, 2, 6, 7, 8):
        p0, p1, p2, p3, p4, p5 = quintic(
            y[m], h * y[m + 3], h * h * k[m + 3], end[m], h * end[m + 3], h * h * k_end[m + 3]
        )
        state[m] = p0 + w * (p1 + w * (p2 + w * (p3 + w * (p4 + w * p5))))
        state[m + 3] = (p1 + w * (2.0 * p2 + w * (3.0 * p3 + w * (4.0 * p4 + w * (5.0 * p5))))) / h
        derivative[m] = state[m + 3]
        derivative[m + 3] = (2.0 * p2 + w * (6.0 * p3 + w * (12.0 * p4 + w * (20.0 * p5)))) / (h * h)


@kernel
def rewind_pair(today, span, n_output, field, absolute, relative):
    """Integrate the pair back by `span`; return states and derivatives at `n_output` equidistant times, today first.

    The error of a step, in kpc and km/s, is below ``absolute + relative |y|``. The third value returned is False if
    the steps vanish, the fourth is the number of steps tried.
    """
    states, derivatives = np.empty((n_output, 12)), np.empty((n_output, 12))
    k = np.empty((7, 12))
    y, trial = np.empty(12), np.empty(12)
    for m in range(12):
        y[m] = states[0, m] = today[m]
    _pair_derivative(y, k[0], field)
    for m in range(12):
        derivatives[0, m] = k[0, m]
    done, tried, i = 0.0, 0, 1
    step = min(_FIRST_STEP, span)
    while i < n_output:
        if not step > 1e-12:
            return states, derivatives, False, tried
        last = done + step > span * (1.0 - 1e-12)
        h = done - span if last else -step
        tried += 1
        for stage in range(6):
            for m in range(12):
                trial[m] = y[m]
            for j in range(stage + 1):
                weight = h * _STAGES[stage, j]
                for m in range(12):
                    trial[m] += weight * k[j, m]
            _pair_derivative(trial, k[stage + 1], field)
        error = 0.0
        for m in range(12):
            estimate = 0.0
            for j in range(7):
                estimate += _ERROR[j] * k[j, m]
            allowed = absolute + relative * max(abs(y[m]), abs(trial[m]))
            error = max(error, abs(h * estimate) / allowed)
        factor = min(max(0.9 * max(error, 1e-10) ** -0.2, 0.2), 5.0)
        if error < 1.0:
            reached = span if last else done + step
            while i < n_output and (last or span * i / (n_output - 1) <= reached):
                w = min((done - span * i / (n_output - 1)) / h, 1.0)
                _interpolate(w, h, y, k[0], trial, k[6], states[i], derivatives[i])
                i += 1
            done = reached
            for m in range(12):
                y[m], k[0, m] = trial[m], k[6, m]
            step = min(step * factor, _LONGEST_STEP)
        else:
            step *= factor if error == error else 0.2
    return states, derivatives, True, tried


class Pair(NamedTuple):
    """Constants of ``_pair_derivative``."""

    radial: FloatArray
    disc: FloatArray
    height: float
    rho_bulge: float
    rho_disc: float
    rho_halo: float
    r_s: float
    friction: float
    gm_lmc: float
    a_lmc: float
    lmc: FloatArray | None
    falls: float

    def __repr__(self) -> str:
        return describe_tuple(self)


def build_pair(parameters: Parameters, mw: MilkyWay) -> Pair:
    """Build the constants of the pair's equations of motion."""
    r_s, m_s = nfw_scales(parameters.m200_mw, parameters.c200)
    model = parameters.model
    friction = parameters.lambda_df * 4 * np.pi * const.G**2 * parameters.m_lmc * parameters.coulomb_log
    return Pair(
        radial=mw.radial,
        disc=mw.disc,
        height=mw.height,
        rho_bulge=float(bulge_density(0.0)),
        rho_disc=RHO_DISC,
        rho_halo=m_s / (4 * np.pi * r_s**3),
        r_s=r_s,
        friction=friction if model.has_friction else 0.0,
        gm_lmc=const.G * parameters.m_lmc,
        a_lmc=parameters.a_lmc,
        lmc=_tabulate_lmc(parameters),
        falls=1.0 if model.falls else 0.0,
    )


def _tabulate_lmc(parameters: Parameters) -> FloatArray | None:
    """Table of the LMC's force; None for a Hernquist sphere."""
    return _tabulate_nfw_lmc(parameters.m_lmc, parameters.m_lmc_8p7) if parameters.model.has_nfw_lmc else None


# the pair and the stars of a simulation ask for the same table
@functools.lru_cache(maxsize=4)
def _tabulate_nfw_lmc(m_lmc: float, m_lmc_8p7: float) -> FloatArray:
    return tabulate_nfw(*nfw_lmc(m_lmc, m_lmc_8p7))


def integrate_orbit(parameters: Parameters, n_output: int = N_ORBIT) -> Orbit:
    """Rewind the Milky Way and the LMC by 2.2 Gyr.

    Both move: the Milky Way falls towards the LMC; the LMC feels the Milky Way's gravity and lambda_DF times
    Chandrasekhar's dynamical friction (eqs. 3 to 7).

    Parameters
    ----------
    parameters : Parameters
        The simulation.
    n_output : int
        Number of equidistant output times, including both ends.

    Returns
    -------
    Orbit

    Raises
    ------
    ValueError
        If `n_output` is less than 2.
    RuntimeError
        If the orbit cannot be integrated.
    """
    n_output = as_whole("n_output", n_output, minimum=2)
    parameters = take_parameters(parameters)
    return _integrate(parameters, milky_way(parameters.m200_mw, parameters.c200), n_output)[0]


def _integrate(parameters: Parameters, mw: MilkyWay, n_output: int) -> tuple[Orbit, Float64Array]:
    """Integrate the orbit; also return the accelerations of the Milky Way and the LMC, (n_output, 2, 3)."""
    span = const.REWIND_GYR / const.GYR_PER_TIME_UNIT
    today = np.r_[np.zeros(6), parameters.lmc_phase_space]
    if np.linalg.norm(today[6:9]) < CENTRE:
        raise RuntimeError("the orbit of the pair cannot be integrated: today the LMC is at the Milky Way's centre")
    with announce_compiling():
        pair = build_pair(parameters, mw)
        states, derivatives, arrived, _ = rewind_pair(today, span, n_output, pair, ABSOLUTE, RELATIVE)
    if not arrived or not np.isfinite(states).all():
        raise RuntimeError("the orbit of the pair cannot be integrated: its steps vanish")
    path, time = states[::-1], np.linspace(-const.REWIND_GYR, 0.0, n_output)
    accelerations = derivatives[::-1].reshape(-1, 2, 6)[:, :, 3:]
    return Orbit(time, path[:, :6].copy(), path[:, 6:].copy()), accelerations


def build_reversed_field(parameters: Parameters, n_points: int = N_REVERSED) -> Field:
    """Build the field in which stars move from today back to 2.2 Gyr ago.

    A likelihood of observed stars asks where they were when the halo was in equilibrium. In this field time runs
    backwards: a star that starts at the field's `t_start` with today's position and the opposite of today's velocity
    is, at time 0, where it was 2.2 Gyr ago, with the opposite of its velocity then. The engines' integrators need
    nothing else.

    Parameters
    ----------
    parameters : Parameters
        The simulation.
    n_points : int
        Number of points of the LMC's path, including both ends, between which it follows quintics.

    Returns
    -------
    Field

    Raises
    ------
    ValueError, RuntimeError
        As for :func:`~mwlmc_data.integrate_orbit`.
    """
    n_points = as_whole("n_points", n_points, minimum=2)
    mw = milky_way(parameters.m200_mw, parameters.c200)
    orbit, accelerations = _integrate(parameters, mw, n_points)
    return _build_field(parameters, mw, orbit.relative[::-1] * REVERSED, accelerations[::-1])


def build_field(parameters: Parameters) -> tuple[Orbit, Field]:
    """Integrate the orbit of a simulation and build the :class:`~mwlmc_data.simulator.tables.Field` of its stars."""
    mw = milky_way(parameters.m200_mw, parameters.c200)
    orbit, accelerations = _integrate(parameters, mw, N_ORBIT)
    return orbit, _build_field(parameters, mw, orbit.relative, accelerations)


def _build_field(parameters: Parameters, mw: MilkyWay, path: Float64Array, accelerations: Float64Array) -> Field:
    """Build a field from the LMC's relative phase space (n, 6) and both accelerations (n, 2, 3)."""
    span = const.REWIND_GYR / const.GYR_PER_TIME_UNIT
    dt = span / (len(path) - 1)
    quintics = hermite_quintic(path[:, :3], path[:, 3:], accelerations[:, 1] - accelerations[:, 0], dt)
    return Field(
        radial=mw.radial,
        disc=mw.disc,
        height=mw.height,
        orbit=quintics,
        t_start=-span,
        dt=dt,
        gm_lmc=const.G * parameters.m_lmc,
        a_lmc=parameters.a_lmc,
        lmc=_tabulate_lmc(parameters),
        falls=1.0 if parameters.model.falls else 0.0,
    )
