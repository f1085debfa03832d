"""The simulator: two rigid galaxies, an equilibrium halo, and the reflex motion it shows today."""

from .constants import SIMULATOR_VERSION
from .interaction import Orbit, integrate_orbit
from .parameters import Parameters
from .reflex import Reflex, fit_reflex
from .reflex_observed import fit_reflex_observed
from .simulation import Halo, Simulation, compile_kernels, simulate, simulate_many

__all__ = [
    "SIMULATOR_VERSION",
    "Halo",
    "Orbit",
    "Parameters",
    "Reflex",
    "Simulation",
    "compile_kernels",
    "fit_reflex",
    "fit_reflex_observed",
    "integrate_orbit",
    "simulate",
    "simulate_many",
]
