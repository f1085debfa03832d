"""galpy (Bovy 2015) on the nearest potential it can express.

Bulge and halo are its interpolated spherical force, the disc its three Miyamoto-Nagai discs (Smith et al. 2015), the
LMC a Hernquist sphere on a moving centre, and the frame falls with the Milky Way. All of it runs in C on one thread,
with its Dormand-Prince 8(5,3); its symplectic and lower-order integrators, whose step is set once per orbit, take
longer to the same error. The Milky Way alone at rest is measured too: an upper bound on its speed.
"""

from __future__ import annotations

import warnings
from typing import Any

import galpy.potential as gp
import numpy as np
from galpy.orbit.integrateFullOrbit import integrateFullOrbit_c
from galpy.util._load_extension_libs import load_libgalpy
from scipy.interpolate import CubicSpline

from benchmarks.studies.speed.codes import Code
from benchmarks.studies.speed.problem import Problem
from mwlmc_data.array_types import FloatArray
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.potentials import bulge_mass, nfw_scales, nfw_shape

if not load_libgalpy()[1]:
    raise ImportError("galpy is installed without its C library")

_TOLERANCES = (1e-3, 1e-5, 1e-7, 1e-9)
_MAX_STARS = 250
#: Its units of length and velocity [kpc, km/s].
_UNITS = {"ro": 1.0, "vo": 1.0}


class _Path:
    """What galpy's moving object needs from an orbit: its position, in galpy's units."""

    def __init__(self, time: FloatArray, path: FloatArray) -> None:
        self.t = time
        self._at = CubicSpline(time, path)

    def turn_physical_off(self) -> None:
        """Do nothing: there are no other units."""

    def dim(self) -> int:
        """Return the dimension of space."""
        return 3

    def x(self, t: Any, **_: Any) -> Any:
        """First coordinate."""
        return self._at(t)[..., 0]

    def y(self, t: Any, **_: Any) -> Any:
        """Second coordinate."""
        return self._at(t)[..., 1]

    def z(self, t: Any, **_: Any) -> Any:
        """Third coordinate."""
        return self._at(t)[..., 2]

    def R(self, t: Any, **_: Any) -> Any:
        """Distance from the axis."""
        return np.hypot(self.x(t), self.y(t))

    def phi(self, t: Any, **_: Any) -> Any:
        """Azimuth."""
        return np.arctan2(self.y(t), self.x(t))


def codes(problem: Problem) -> list[Code]:
    """Return the full problem, and the Milky Way alone at rest."""
    milky_way = _milky_way(problem)
    whole = milky_way
    for part in _moving(problem):
        whole = whole + part
    return [
        _code("galpy", "full problem; dop853_c", problem, whole, True),
        _code("galpy, Milky Way at rest", "no LMC, no fall; dop853_c", problem, milky_way, False),
    ]


def _milky_way(problem: Problem) -> Any:
    r_s, m_s = nfw_scales(problem.parameters.m200_mw, problem.parameters.c200)

    def pull(radius: float) -> float:
        mass = bulge_mass(np.array([radius]))[0] + m_s * nfw_shape(radius / r_s)
        return float(-const.G * mass / radius**2)

    sphere = gp.interpSphericalPotential(pull, np.geomspace(1e-3, 3000.0, 1000), Phi0=0.0, **_UNITS)
    length, height = const.DISC_SCALE_LENGTH, 2 * const.DISC_SCALE_HEIGHT
    density = const.DISC_MASS / (4 * np.pi * length**2 * height)  # of sech^2(z / height) at the centre
    return sphere + gp.MN3ExponentialDiskPotential(const.G * density, hr=length, hz=height, sech=True, **_UNITS)


def _moving(problem: Problem) -> list[Any]:
    p = problem.parameters
    sphere = gp.HernquistPotential(2 * const.G * p.m_lmc, a=p.a_lmc, **_UNITS)
    fall = CubicSpline(problem.time, problem.lmc_pull)
    components = [lambda t, i=i: fall(t)[..., i] for i in range(3)]
    lmc = gp.MovingObjectPotential(_Path(problem.time, problem.path), pot=sphere, **_UNITS)
    return [lmc, gp.NonInertialFrameForce(a0=components, **_UNITS)]


def _code(name: str, what: str, problem: Problem, potential: Any, whole: bool) -> Code:
    times = np.array([problem.time[0], 0.0])

    def move(stars: FloatArray, tolerance: float) -> FloatArray:
        # the C function beneath Orbit.integrate; it overwrites its argument, hence the fresh array
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            orbits, failed = integrateFullOrbit_c(
                potential, _cylindrical(stars), times, "dop853_c", rtol=tolerance, atol=tolerance, progressbar=False
            )
        if np.any(failed):
            raise RuntimeError(f"galpy cannot move {np.count_nonzero(failed)} stars at the tolerance {tolerance:g}")
        R, z, phi = orbits[:, -1, 0], orbits[:, -1, 3], orbits[:, -1, 5]
        return np.column_stack([R * np.cos(phi), R * np.sin(phi), z])

    def converged(stars: FloatArray) -> FloatArray:
        return move(stars, 1e-14)

    def acceleration(points: FloatArray) -> FloatArray:
        return np.array([_acceleration(potential, point) for point in points])

    return Code(name, "galpy", what, _TOLERANCES, move, converged, acceleration, _MAX_STARS, whole)


def _cylindrical(stars: FloatArray) -> FloatArray:
    """(R, v_R, v_T, z, v_z, phi), (n, 6)."""
    x, y, z, vx, vy, vz = stars.T
    R = np.hypot(x, y)
    return np.column_stack([R, (x * vx + y * vy) / R, (x * vy - y * vx) / R, z, vz, np.arctan2(y, x)])


def _acceleration(potential: Any, point: FloatArray) -> FloatArray:
    R, phi = np.hypot(point[0], point[1]), np.arctan2(point[1], point[0])
    where = {"phi": phi, "t": 0.0, "v": [0.0, 0.0, 0.0]}
    radial = float(gp.evaluateRforces(potential, R, point[2], use_physical=False, **where))
    turning = float(gp.evaluatephitorques(potential, R, point[2], use_physical=False, **where)) / R
    vertical = float(gp.evaluatezforces(potential, R, point[2], use_physical=False, **where))
    cos, sin = np.cos(phi), np.sin(phi)
    return np.array([radial * cos - turning * sin, radial * sin + turning * cos, vertical])
