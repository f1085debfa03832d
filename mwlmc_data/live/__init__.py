"""Live galaxies: a Milky Way and an LMC that deform each other, and lose mass, in minutes.

The modules in their order: `harmonics`, `radial_bins`, `moments`, `expansion` and `force` are the gravity of particles
by two multipole expansions on radial grids; `body` is bulge and disc; `spheres`, `isotropic`, `drawing` and `start`
are the galaxies before they meet; `state`, `centre` and `stepping` move them; `running` does so for 2.2 Gyr, in rows
that `track` describes by the `settings`; `aiming` finds the start. What is left of a run is its `field`, small by
`compression`, in which `replay` moves stars. `simulation` is what a user sees, and `truths`
what the simulations of the set `live` truly are.
"""

from mwlmc_data.live.field import LiveField
from mwlmc_data.live.simulating import simulate_live
from mwlmc_data.live.simulation import LiveSimulation, load_live
from mwlmc_data.live.truths import load_live_truths

__all__ = ["LiveField", "LiveSimulation", "load_live", "load_live_truths", "simulate_live"]
