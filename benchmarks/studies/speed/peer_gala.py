"""gala (Price-Whelan 2017) on the nearest potential it can express.

Bulge and halo are its spline of the enclosed mass, the disc its three Miyamoto-Nagai discs (Smith et al. 2015), the LMC
a Hernquist sphere whose centre moves on a spline in time. It has no accelerating frame: a point mass 1e9 kpc away,
which moves in the same way, pulls uniformly enough (to 1e-7). All of it runs in C, with its Dormand-Prince 8(5,3), one
star a batch: larger batches, whose stars share a step, are slower with the Milky Way at rest, and at most a tenth
faster with moving parts. Its leapfrog and fourth-order symplectic integrator use one step for all stars: they take as
long or longer to the same median error, and lose the stars near the centre.

The moving parts cost gala most of its time, so the Milky Way alone at rest is measured too: an upper bound on its
speed.

In gala 1.11.0 a moving potential erases what a sum added before it, unless it has an offset of its own: its gradient
assigns where the others add, and an offset makes the sum pass it separate memory. Hence the offset of 1e-300.
"""

from __future__ import annotations

from unittest import mock

import astropy.units as u
import gala.potential as gp
import numpy as np
from gala.integrate import DOPRI853Integrator
from gala.potential.potential.builtin import time_interpolated
from gala.potential.potential.builtin.cytimeinterp import TimeInterpolatedWrapper
from gala.units import UnitSystem

from benchmarks.studies.speed.codes import Code
from benchmarks.studies.speed.problem import Problem
from mwlmc_data.array_types import FloatArray
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.potentials import bulge_mass, nfw_scales, nfw_shape

_UNITS = UnitSystem(u.kpc, u.def_unit("kpc_per_kms", u.kpc / (u.km / u.s)), u.Msun, u.radian)
_TOLERANCES = (1e-3, 1e-5, 1e-7, 1e-9)
#: Distance [kpc] of the mass that replaces the frame's acceleration.
_FAR = 1e9
_MAX_STARS = 750


class _Offset(TimeInterpolatedWrapper):
    """A moving potential with an offset that has no other effect than to exist."""

    def init(self, parameters: list, origin: FloatArray, rotation: FloatArray, n_dim: int = 3) -> None:
        """Called by the constructor; sets the offset."""
        super().init(parameters, np.full(n_dim, 1e-300), rotation, n_dim)


def codes(problem: Problem) -> list[Code]:
    """Return the full problem, and the Milky Way alone at rest."""
    milky_way = _milky_way(problem)
    whole = gp.CCompositePotential(**milky_way, **_moving(problem))
    rest = gp.CCompositePotential(**milky_way)
    return [
        _code("gala", "full problem; C potentials, DOPRI853 in C", problem, whole, True),
        _code("gala, Milky Way at rest", "no LMC, no fall; C potentials, DOPRI853 in C", problem, rest, False),
    ]


def _milky_way(problem: Problem) -> dict[str, gp.PotentialBase]:
    r_s, m_s = nfw_scales(problem.parameters.m200_mw, problem.parameters.c200)
    radius = np.geomspace(1e-3, 3000.0, 600)
    mass = bulge_mass(radius) + m_s * nfw_shape(radius / r_s)
    sphere = gp.SphericalSplinePotential(radius, mass, spline_value_type="mass", units=_UNITS)
    disc = gp.MN3ExponentialDiskPotential(
        const.DISC_MASS,
        const.DISC_SCALE_LENGTH,
        2 * const.DISC_SCALE_HEIGHT,  # sech^2(z / h_z)
        positive_density=False,
        sech2_z=True,
        units=_UNITS,
    )
    return {"sphere": sphere, "disc": disc}


def _moving(problem: Problem) -> dict[str, gp.PotentialBase]:
    """Return the LMC, and the distant mass that pulls like the frame's acceleration."""
    p, time = problem.parameters, problem.time
    fall = -problem.lmc_pull
    size = np.linalg.norm(fall, axis=1)
    gm = size.max() * _FAR**2
    far = fall / size[:, None] * np.sqrt(gm / size)[:, None]
    with mock.patch.object(time_interpolated, "TimeInterpolatedWrapper", _Offset):
        lmc = gp.TimeInterpolatedPotential(
            gp.HernquistPotential, time, m=p.m_lmc, c=p.a_lmc, origin=problem.path, units=_UNITS
        )
        frame = gp.TimeInterpolatedPotential(gp.KeplerPotential, time, m=gm / lmc.G, origin=far, units=_UNITS)
    return {"lmc": lmc, "frame": frame}


def _code(name: str, what: str, problem: Problem, potential: gp.CCompositePotential, whole: bool) -> Code:
    hamiltonian = gp.Hamiltonian(potential)
    # it integrates from the first to the last time; the second only sets its first step
    times = np.array([problem.time[0], problem.time[0] + 0.005, 0.0])

    def move(stars: FloatArray, tolerance: float) -> FloatArray:
        orbits = hamiltonian.integrate_orbit(
            np.ascontiguousarray(stars.T),
            Integrator=DOPRI853Integrator,
            Integrator_kwargs={"atol": tolerance, "rtol": tolerance, "nbatch": 1},
            save_all=False,
            t=times,
        )
        return orbits.pos.xyz.value.reshape(3, -1).T

    def converged(stars: FloatArray) -> FloatArray:
        return move(stars, 1e-13)

    def acceleration(points: FloatArray) -> FloatArray:
        # of the sum in C, which moves stars; its Python method adds up the components itself
        return -potential.c_instance.gradient(np.ascontiguousarray(points.T), np.zeros(1)).T

    return Code(name, "gala", what, _TOLERANCES, move, converged, acceleration, _MAX_STARS, whole)
