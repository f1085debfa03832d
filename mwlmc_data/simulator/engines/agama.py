"""The simulation with agama (Vasiliev 2019), the field's reference code; imported only if it is installed.

The orbit of the pair is integrated with agama's potentials; the stars are drawn from agama's quasi-spherical
distribution function and moved by agama's integrator in the accelerating frame of the Milky Way.
"""

from __future__ import annotations

import warnings
from typing import Any

import agama
import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import erf

from mwlmc_data.array_types import Float64Array
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.orbit import N_ORBIT, Orbit
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.potentials import nfw_scales

#: Relative accuracy of agama's orbits.
ACCURACY = 1e-7


def run(parameters: Parameters, n_stars: int, rng: np.random.Generator) -> tuple[Orbit, Float64Array]:
    """Compute orbit and stars with agama; see :mod:`mwlmc_data.simulator.engines.registry`."""
    agama.setUnits(mass=1, length=1, velocity=1)
    milky_way, halo, lmc = _potentials(parameters)
    orbit = _rewind(parameters, milky_way, lmc)
    time = orbit.time / const.GYR_PER_TIME_UNIT
    relative = orbit.relative
    path = np.column_stack([time, relative])
    moving_lmc = agama.Potential(
        type="Dehnen", gamma=1, mass=parameters.m_lmc, scaleRadius=parameters.a_lmc, center=path
    )
    # the frame falls with the Milky Way: minus its acceleration, the LMC's pull at the Milky Way's centre
    fall = lmc.force(-relative[:, :3])
    frame = agama.Potential(type="UniformAcceleration", file=np.column_stack([time, -fall]))
    agama.setRandomSeed(int(rng.integers(1, 2**31)))
    tracer = agama.Potential(type="Dehnen", mass=1, gamma=1, scaleRadius=parameters.r_dehnen)
    model = agama.GalaxyModel(
        halo, agama.DistributionFunction(type="QuasiSpherical", potential=halo, density=tracer, beta0=parameters.beta0)
    )
    stars = model.sample(n_stars)[0]
    total = agama.Potential(milky_way, moving_lmc, frame)
    with warnings.catch_warnings():  # agama announces another form of its result; this one is the old form's
        warnings.simplefilter("ignore", FutureWarning)
        final = agama.orbit(
            potential=total, ic=stars, timestart=time[0], time=-time[0], trajsize=1, accuracy=ACCURACY, verbose=False
        )
    return orbit, np.vstack([trajectory[-1] for trajectory in final[:, 1]])


def components(parameters: Parameters) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Bulge, disc and halo of the Milky Way as agama's arguments."""
    r_s, m_s = nfw_scales(parameters.m200_mw, parameters.c200)
    bulge = {
        "type": "Spheroid",
        "mass": const.BULGE_MASS,
        "scaleRadius": const.BULGE_SCALE,
        "outerCutoffRadius": const.BULGE_CUT,
        "gamma": 0,
        "beta": const.BULGE_SLOPE,
        "cutoffStrength": 2,
    }
    disc = {
        "type": "Disk",
        "mass": const.DISC_MASS,
        "scaleRadius": const.DISC_SCALE_LENGTH,
        "scaleHeight": -const.DISC_SCALE_HEIGHT,  # negative: sech^2
    }
    return bulge, disc, {"type": "NFW", "mass": m_s, "scaleRadius": r_s}


def _potentials(parameters: Parameters) -> tuple[agama.Potential, agama.Potential, agama.Potential]:
    """Milky Way, its halo alone, and the LMC centred on the origin."""
    bulge, disc, halo = (agama.Potential(component) for component in components(parameters))
    milky_way = agama.Potential(bulge, disc, halo)
    return milky_way, halo, agama.Potential(type="Dehnen", gamma=1, mass=parameters.m_lmc, scaleRadius=parameters.a_lmc)


def _rewind(parameters: Parameters, milky_way: agama.Potential, lmc: agama.Potential) -> Orbit:
    """Eqs. 3 to 7 of the paper with agama's forces and densities."""
    friction = parameters.lambda_df * 4 * np.pi * const.G**2 * parameters.m_lmc * parameters.coulomb_log

    def derivative(_: float, y: Float64Array) -> Float64Array:
        offset, motion = y[6:9] - y[:3], y[9:] - y[3:6]
        speed = np.linalg.norm(motion)
        u = speed / (np.sqrt(2) * const.FRICTION_DISPERSION)
        bracket = erf(u) - 2 * u * np.exp(-u * u) / np.sqrt(np.pi)
        drag = friction * milky_way.density(offset) * bracket / speed**3
        return np.concatenate([y[3:6], lmc.force(-offset), y[9:], milky_way.force(offset) - drag * motion])

    times = np.linspace(0.0, -const.REWIND_GYR / const.GYR_PER_TIME_UNIT, N_ORBIT)
    today = np.r_[np.zeros(6), parameters.lmc_phase_space]
    solution = solve_ivp(derivative, times[[0, -1]], today, "DOP853", times, rtol=1e-10, atol=1e-8)
    if not solution.success:
        raise RuntimeError(f"the orbit cannot be integrated: {solution.message}")
    path = solution.y.T[::-1]
    return Orbit(times[::-1] * const.GYR_PER_TIME_UNIT, path[:, :6].copy(), path[:, 6:].copy())
