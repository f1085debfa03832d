"""The stellar halo of a simulation 2.2 Gyr ago, by its physics: of constant anisotropy, or after Osipkov and Merritt.

Osipkov (1979) and Merritt (1985, AJ 90, 1027) take f(Q) with ``Q = Psi - v^2 / 2 - L^2 / (2 r_a^2)``, whose anisotropy
is r^2 / (r^2 + r_a^2). With the tangential velocity stretched by s = sqrt(1 + r^2 / r_a^2), Q is the energy of an
isotropic halo, and f that of one with the density ``s^2 rho``: its tables serve, for drawing and for the density.
The inversion is linear in the density, so that they are those of rho and of ``r^2 rho / r_a^2`` together.

The anisotropy at 50 kpc is `beta0`: ``r_a = 50 kpc sqrt((1 - beta0) / beta0)``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import describe_tuple
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator import distribution
from mwlmc_data.simulator.compiling import announce_compiling
from mwlmc_data.simulator.equilibrium import Equilibrium, draw_stars, equilibrium
from mwlmc_data.simulator.parameters import Parameters

#: Radius [kpc] at which the anisotropy is `beta0`: where the stars of the reflex motion begin.
ANISOTROPY_RADIUS = const.FIT_R_MIN


class OsipkovMerritt(NamedTuple):
    """Tables of a halo whose anisotropy rises outwards."""

    isotropic: Equilibrium  # of the stretched velocities; its density profile, before s^2, is that of the stars
    inverse_r2: float  # 1 / r_a^2 [kpc^-2]

    def __repr__(self) -> str:
        return describe_tuple(self)


#: Tables of a halo.
HaloModel = Equilibrium | OsipkovMerritt


def build_equilibrium(parameters: Parameters) -> HaloModel:
    """Compute the tables of a simulation's stellar halo.

    Raises
    ------
    RuntimeError
        If an Osipkov-Merritt halo has a negative density in phase space, which none of the allowed parameters gives.
    """
    p = parameters
    if not p.model.is_osipkov_merritt:
        return equilibrium(p.m200_mw, p.c200, p.beta0, p.r_dehnen)
    return build_osipkov_merritt(p.m200_mw, p.c200, p.beta0 / (1.0 - p.beta0) / ANISOTROPY_RADIUS**2, p.r_dehnen)


def build_osipkov_merritt(m200: float, c200: float, inverse_r2: float, r_dehnen: float) -> OsipkovMerritt:
    """Compute the tables of an Osipkov-Merritt halo.

    Parameters
    ----------
    m200, c200 : float
        Mass [Msun] and concentration of the NFW halo.
    inverse_r2 : float
        ``1 / r_a^2`` [kpc^-2], 0 for an isotropic halo.
    r_dehnen : float
        Scale radius of the stars' profile [kpc].
    """
    isotropic = equilibrium(m200, c200, 0.0, r_dehnen)
    tables, slope = distribution.make_tables(), 2.0 - distribution.GAMMA
    with announce_compiling():
        stretched = distribution.invert(0.0, slope, isotropic.b, tables)
        f1 = isotropic.f1 + inverse_r2 * isotropic.scale_radius**2 * stretched
        if not (f1 > 0.0).all():
            raise RuntimeError(
                f"1 / r_a^2 = {inverse_r2:g} kpc^-2 for r_dehnen = {r_dehnen:g} kpc: the density in phase space is "
                "negative"
            )
        log_f1 = np.log(f1)
        bound = distribution.find_bound(log_f1, 0.0, tables)
    return OsipkovMerritt(isotropic._replace(f1=f1, log_f1=log_f1, log_bound=bound), inverse_r2)


def draw_halo(model: HaloModel, n_stars: int, rng: np.random.Generator) -> Float64Array:
    """Draw stars (n, 6) [kpc, km/s] of a halo in turn, as :func:`~mwlmc_data.simulator.equilibrium.draw_stars`."""
    if isinstance(model, Equilibrium):
        return draw_stars(model, n_stars, rng)
    stars = draw_stars(model.isotropic, n_stars, rng)
    position, velocity = stars[:, :3], stars[:, 3:]
    r2 = np.einsum("ni,ni->n", position, position)
    radial = position * (np.einsum("ni,ni->n", position, velocity) / r2)[:, None]
    shrink = 1.0 / np.sqrt(1.0 + r2 * model.inverse_r2)
    return np.hstack([position, radial + shrink[:, None] * (velocity - radial)])


def compute_mass_fraction(model: HaloModel, radius: Float64Array) -> Float64Array:
    """Part (n,) of the stars that :func:`draw_halo` places within radii (n,) [kpc], which may be infinite."""
    tables = model if isinstance(model, Equilibrium) else model.isotropic
    x = radius / tables.scale_radius
    with np.errstate(divide="ignore"):
        inside = 1.0 / (1.0 + tables.b / x)  # also at zero and infinity
        added = np.interp(np.log(x), np.log(tables.x), tables.excess)
    return (inside**2 + added) / (1.0 + tables.excess[-1])
