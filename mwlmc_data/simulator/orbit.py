"""The orbit of the Milky Way and the LMC about each other, rewound from today."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import NamedTuple

import numpy as np

from mwlmc_data.arguments.arrays import as_whole
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.array_types import Float64Array, FloatArray
from mwlmc_data.display import Displayed, fixed
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.compiling import announce_compiling, inline, kernel
from mwlmc_data.simulator.equations import hernquist_factor
from mwlmc_data.simulator.equations import milky_way as milky_way_acceleration
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.potentials import bulge_density, nfw_scales
from mwlmc_data.simulator.tables import Field, MilkyWay, hermite_quintic, milky_way

#: Points of an orbit including both ends: one every 5 Myr.
N_ORBIT = 441
#: Error allowed per step of the orbit: absolute [kpc, km/s] and relative.
_ABSOLUTE, _RELATIVE = 1e-8, 1e-10
#: Distance [kpc] between the LMC and the Milky Way's centre below which the force has no direction.
_CENTRE = 1e-3


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
        return np.linalg.norm(self.relative[:, :3], axis=1)

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
        i = int(np.argmin(self.distance))
        lo, hi = max(i - 1, 0), min(i + 1, len(self.time) - 1)
        # cubic Hermite interpolation of the relative position on a fine grid in the two neighbouring intervals
        best = (float(self.distance[i]), float(self.time[i]))
        for j in range(lo, hi):
            dt = (self.time[j + 1] - self.time[j]) / const.GYR_PER_TIME_UNIT
            w = np.linspace(0, 1, 201)[:, None]
            x0, v0, x1, v1 = *np.split(self.relative[j], 2), *np.split(self.relative[j + 1], 2)
            gap = x1 - x0
            path = x0 + w * (v0 * dt + w * ((3 * gap - (2 * v0 + v1) * dt) + w * ((v0 + v1) * dt - 2 * gap)))
            distance = np.linalg.norm(path, axis=1)
            k = int(np.argmin(distance))
            if distance[k] < best[0]:
                best = (float(distance[k]), float(self.time[j] + w[k, 0] * (self.time[j + 1] - self.time[j])))
        return best


@inline
def _pair_derivative(y: Float64Array, out: Float64Array, field: _Pair) -> None:
    """Time derivative `out` of y = (x_mw, v_mw, x_lmc, v_lmc), eqs. 3 to 7 of the paper.

    Friction is ``-friction rho(x) [erf(X) - 2 X exp(-X^2) / sqrt(pi)] v / |v|^3`` with ``X = |v| / (sqrt 2 sigma)``;
    v and x are relative to the Milky Way, rho is the density of bulge, disc and halo at x.
    """
    x, y_, z = y[6] - y[0], y[7] - y[1], y[8] - y[2]
    vx, vy, vz = y[9] - y[3], y[10] - y[4], y[11] - y[5]
    r2 = x * x + y_ * y_ + z * z
    pull = hernquist_factor(r2, field.gm_lmc, field.a_lmc)
    ax, ay, az = milky_way_acceleration(x, y_, z, field.radial, field.disc, field.height)
    r = math.sqrt(r2 + 1e-20)
    s = r / field.r_s
    density = field.rho_halo / (s * (1 + s) * (1 + s))
    density += field.rho_bulge * (1 + r / const.BULGE_SCALE) ** -const.BULGE_SLOPE * math.exp(-r2 / const.BULGE_CUT**2)
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


@kernel
def _rewind(
    today: Float64Array, span: float, n_output: int, field: _Pair
) -> tuple[Float64Array, Float64Array, bool]:
    """Integrate the pair back by `span`; return states and derivatives at `n_output` equidistant times, today first.

    A step never passes an output time; its error, in kpc and km/s, is below ``_ABSOLUTE + _RELATIVE |y|``. The third
    value returned is False if the steps vanish.
    """
    states, derivatives = np.empty((n_output, 12)), np.empty((n_output, 12))
    k = np.empty((7, 12))
    y, trial = today.copy(), np.empty(12)
    interval = -span / (n_output - 1)
    _pair_derivative(y, k[0], field)
    states[0], derivatives[0] = y, k[0]
    step = 1.0  # in units of an interval, carried over to the next
    for i in range(1, n_output):
        done = 0.0
        while done < 1.0:
            if not step > 1e-9:
                return states, derivatives, False
            last = done + step > 1.0 - 1e-9
            h = (1.0 - done if last else step) * interval
            for stage in range(6):
                for m in range(12):
                    change = 0.0
                    for j in range(stage + 1):
                        change += _STAGES[stage, j] * k[j, m]
                    trial[m] = y[m] + h * change
                _pair_derivative(trial, k[stage + 1], field)
            error = 0.0
            for m in range(12):
                estimate = 0.0
                for j in range(7):
                    estimate += _ERROR[j] * k[j, m]
                allowed = _ABSOLUTE + _RELATIVE * max(abs(y[m]), abs(trial[m]))
                error = max(error, abs(h * estimate) / allowed)
            factor = min(max(0.9 * max(error, 1e-10) ** -0.2, 0.2), 5.0)
            if error < 1.0:
                done = 1.0 if last else done + step
                y[:], k[0] = trial, k[6]
                step = min(max(step, h / interval * factor), 1.0)
            else:
                step = h / interval * (factor if error == error else 0.2)
        states[i], derivatives[i] = y, k[0]
    return states, derivatives, True


class _Pair(NamedTuple):
    """Constants of :func:`_pair_derivative`."""

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


def _pair(parameters: Parameters, mw: MilkyWay) -> _Pair:
    r_s, m_s = nfw_scales(parameters.m200_mw, parameters.c200)
    return _Pair(
        radial=mw.radial,
        disc=mw.disc,
        height=mw.height,
        rho_bulge=float(bulge_density(0.0)),
        rho_disc=const.DISC_MASS / (2 * np.pi * const.DISC_SCALE_LENGTH**2 * const.DISC_SCALE_HEIGHT),
        rho_halo=m_s / (4 * np.pi * r_s**3),
        r_s=r_s,
        friction=parameters.lambda_df * 4 * np.pi * const.G**2 * parameters.m_lmc * parameters.coulomb_log,
        gm_lmc=const.G * parameters.m_lmc,
        a_lmc=parameters.a_lmc,
    )


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
    if not isinstance(parameters, Parameters):
        raise ValueError(f"parameters = {shorten(parameters)}: allowed is a mwlmc_data.Parameters")
    return _integrate(parameters, milky_way(parameters.m200_mw, parameters.c200), n_output)[0]


def _integrate(parameters: Parameters, mw: MilkyWay, n_output: int) -> tuple[Orbit, Float64Array]:
    """Integrate the orbit; also return the accelerations of the Milky Way and the LMC, (n_output, 2, 3)."""
    span = const.REWIND_GYR / const.GYR_PER_TIME_UNIT
    today = np.r_[np.zeros(6), parameters.lmc_phase_space]
    if np.linalg.norm(today[6:9]) < _CENTRE:
        raise RuntimeError("the orbit of the pair cannot be integrated: today the LMC is at the Milky Way's centre")
    with announce_compiling():
        states, derivatives, arrived = _rewind(today, span, n_output, _pair(parameters, mw))
    if not arrived or not np.isfinite(states).all():
        raise RuntimeError("the orbit of the pair cannot be integrated: its steps vanish")
    path, time = states[::-1], np.linspace(-const.REWIND_GYR, 0.0, n_output)
    accelerations = derivatives[::-1].reshape(-1, 2, 6)[:, :, 3:]
    return Orbit(time, path[:, :6].copy(), path[:, 6:].copy()), accelerations


def build_field(parameters: Parameters) -> tuple[Orbit, Field]:
    """Integrate the orbit of a simulation and build the :class:`~mwlmc_data.simulator.tables.Field` of its stars."""
    mw = milky_way(parameters.m200_mw, parameters.c200)
    orbit, accelerations = _integrate(parameters, mw, N_ORBIT)
    relative = accelerations[:, 1] - accelerations[:, 0]
    dt = const.REWIND_GYR / const.GYR_PER_TIME_UNIT / (N_ORBIT - 1)
    quintics = hermite_quintic(orbit.relative[:, :3], orbit.relative[:, 3:], relative, dt)
    start = orbit.time[0] / const.GYR_PER_TIME_UNIT
    gm = const.G * parameters.m_lmc
    return orbit, Field(mw.radial, mw.disc, mw.height, quintics, start, dt, gm, parameters.a_lmc)
