"""The simulator: two rigid galaxies, an equilibrium stellar halo, and its reflex motion today.

The modules work in the order of sections 2.1, 2.1.3 and 2.2 of Brooks et al. 2025 (arXiv:2507.10667): `parameters` of a
simulation -> `orbit` of the two galaxies -> `equilibrium` of the stellar halo -> `engines`, which move its stars ->
`stars` today -> `reflex`, the fit of the reflex motion.
"""

from mwlmc_data.simulator.constants import SIMULATOR_VERSION
from mwlmc_data.simulator.many import simulate_many
from mwlmc_data.simulator.masses import enclosed_masses
from mwlmc_data.simulator.orbit import Orbit, integrate_orbit
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.reflex import Reflex
from mwlmc_data.simulator.reflex_fit import fit_reflex
from mwlmc_data.simulator.reflex_observed import fit_reflex_observed
from mwlmc_data.simulator.simulation import Simulation, compile_kernels, simulate
from mwlmc_data.simulator.stars import Halo

__all__ = [
    "SIMULATOR_VERSION",
    "Halo",
    "Orbit",
    "Parameters",
    "Reflex",
    "Simulation",
    "compile_kernels",
    "enclosed_masses",
    "fit_reflex",
    "fit_reflex_observed",
    "integrate_orbit",
    "simulate",
    "simulate_many",
]
