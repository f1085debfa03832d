"""The orbit of the Milky Way and the LMC around each other, rewound from today."""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from . import constants as const
from .compiling import announced, kernel
from .kernels import hernquist_factor
from .kernels import milky_way as milky_way_acceleration
from .parameters import Parameters
from .potentials import bulge_density, nfw_scales
from .tables import Field, MilkyWay, hermite_quintic, milky_way

FloatArray = NDArray[np.float64]

#: Points of an orbit, both ends included: one every 5 Myr.
N_ORBIT = 441


@dataclasses.dataclass(frozen=True)
class Orbit:
    """The pair's past, in the inertial frame that has the Milky Way at rest at the origin today.

    Attributes
    ----------
    time : ndarray, shape (m,)
        Time [Gyr], from -2.2 to 0 (today).
    mw, lmc : ndarray, shape (m, 6)
        Position [kpc] and velocity [km/s] of both.
    """

    time: FloatArray
    mw: FloatArray
    lmc: FloatArray

    @property
    def relative(self) -> FloatArray:
        """LMC relative to the Milky Way, (m, 6) [kpc, km/s]."""
        return self.lmc - self.mw

    @property
    def distance(self) -> FloatArray:
        """Distance between the two [kpc], (m,)."""
        return np.linalg.norm(self.relative[:, :3], axis=1)

    @property
    def pericentre(self) -> float:
        """Least distance within the rewound time [kpc], refined between the points by cubics."""
        return self._closest[0]

    @property
    def t_pericentre(self) -> float:
        """Time of least distance [Gyr]; 0 or the start if the orbit has no inner minimum."""
        return self._closest[1]

    @functools.cached_property
    def _closest(self) -> tuple[float, float]:
        i = int(np.argmin(self.distance))
        lo, hi = max(i - 1, 0), min(i + 1, len(self.time) - 1)
        # cubic Hermite of the relative position on the two neighbouring intervals, finely
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


@kernel
def _pair_derivative(y, mw, rho_disc, rho_halo, r_s, bulge, friction, gm_lmc, a_lmc):
    """Time derivative of (x_mw, v_mw, x_lmc, v_lmc), eqs. 3 to 7 of the paper.

    Friction is ``-friction rho(x) [erf(X) - 2 X exp(-X^2) / sqrt(pi)] v / |v|^3`` with ``X = |v| / (sqrt 2 sigma)``,
    v and x relative to the Milky Way, rho the density of bulge, disc and halo there.
    """
    out = np.empty(12)
    x, y_, z = y[6] - y[0], y[7] - y[1], y[8] - y[2]
    vx, vy, vz = y[9] - y[3], y[10] - y[4], y[11] - y[5]
    r2 = x * x + y_ * y_ + z * z
    pull = hernquist_factor(r2, gm_lmc, a_lmc)
    ax, ay, az = milky_way_acceleration(x, y_, z, mw.radial, mw.disc, mw.height)
    r = math.sqrt(r2 + 1e-20)
    s = r / r_s
    density = rho_halo / (s * (1 + s) * (1 + s))
    density += bulge * (1 + r / const.BULGE_SCALE) ** -const.BULGE_SLOPE * math.exp(-r2 / const.BULGE_CUT**2)
    e = math.exp(-abs(z) / const.DISC_SCALE_HEIGHT)
    vertical = e / ((1 + e) * (1 + e))
    density += rho_disc * math.exp(-math.sqrt(x * x + y_ * y_) / const.DISC_SCALE_LENGTH) * vertical
    v = math.sqrt(vx * vx + vy * vy + vz * vz)
    u = v / (math.sqrt(2.0) * const.FRICTION_DISPERSION)
    if u > 1e-3:
        drag = friction * density * (math.erf(u) - 2 * u * math.exp(-u * u) / math.sqrt(math.pi)) / (v * v * v)
    else:  # the bracket cancels: 4 X^3 / (3 sqrt pi)
        drag = friction * density * 4 / (3 * math.sqrt(math.pi)) / (math.sqrt(2.0) * const.FRICTION_DISPERSION) ** 3
    out[0], out[1], out[2] = y[3], y[4], y[5]
    out[3], out[4], out[5] = pull * x, pull * y_, pull * z
    out[6], out[7], out[8] = y[9], y[10], y[11]
    out[9], out[10], out[11] = ax - drag * vx, ay - drag * vy, az - drag * vz
    return out


def _derivative_arguments(parameters: Parameters, mw: MilkyWay) -> tuple:
    """Constants of :func:`_pair_derivative` for a simulation."""
    r_s, m_s = nfw_scales(parameters.m200_mw, parameters.c200)
    disc = const.DISC_MASS / (2 * np.pi * const.DISC_SCALE_LENGTH**2 * const.DISC_SCALE_HEIGHT)
    friction = parameters.lambda_df * 4 * np.pi * const.G**2 * parameters.m_lmc * parameters.coulomb_log
    bulge = float(bulge_density(0.0))
    return mw, disc, m_s / (4 * np.pi * r_s**3), r_s, bulge, friction, const.G * parameters.m_lmc, parameters.a_lmc


def integrate_orbit(parameters: Parameters, n_output: int = N_ORBIT) -> Orbit:
    """Rewind the Milky Way and the LMC by 2.2 Gyr.

    Both move: the Milky Way falls towards the LMC, the LMC feels the Milky Way and lambda_DF times
    Chandrasekhar's friction (eqs. 3 to 7). Dormand-Prince 8(5,3) with a relative tolerance of 1e-10.

    Parameters
    ----------
    parameters : Parameters
        The simulation.
    n_output : int
        Equidistant times at which the orbit is given, both ends included.

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
    if n_output < 2:
        raise ValueError(f"n_output = {n_output}: allowed is 2 or more")
    return _integrate(parameters, milky_way(parameters.m200_mw, parameters.c200), n_output)[0]


def _integrate(parameters: Parameters, mw: MilkyWay, n_output: int) -> tuple[Orbit, tuple]:
    arguments = _derivative_arguments(parameters, mw)
    start = const.REWIND_GYR / const.GYR_PER_TIME_UNIT
    backwards = np.linspace(0.0, -start, n_output)
    today = np.r_[np.zeros(6), parameters.lmc_phase_space]
    with announced():
        solution = solve_ivp(
            lambda t, y: _pair_derivative(y, *arguments),
            (0.0, -start),
            today,
            method="DOP853",
            t_eval=backwards,
            rtol=1e-10,
            atol=1e-8,
        )
    if not solution.success or not np.isfinite(solution.y).all():
        raise RuntimeError(f"the orbit of the pair cannot be integrated: {solution.message}")
    path = solution.y.T[::-1]
    return Orbit(backwards[::-1] * const.GYR_PER_TIME_UNIT, path[:, :6].copy(), path[:, 6:].copy()), arguments


def build_field(parameters: Parameters) -> tuple[Orbit, Field]:
    """The orbit of a simulation, and the :class:`~mwlmc_data.simulator.tables.Field` its stars move in."""
    mw = milky_way(parameters.m200_mw, parameters.c200)
    orbit, arguments = _integrate(parameters, mw, N_ORBIT)
    both = np.hstack([orbit.mw, orbit.lmc])
    acceleration = np.array([_pair_derivative(y, *arguments) for y in both])
    relative = acceleration[:, 9:12] - acceleration[:, 3:6]
    dt = const.REWIND_GYR / const.GYR_PER_TIME_UNIT / (N_ORBIT - 1)
    quintics = hermite_quintic(orbit.relative[:, :3], orbit.relative[:, 3:], relative, dt)
    start = orbit.time[0] / const.GYR_PER_TIME_UNIT
    gm = const.G * parameters.m_lmc
    return orbit, Field(mw.radial, mw.disc, mw.height, quintics, start, dt, gm, parameters.a_lmc)
