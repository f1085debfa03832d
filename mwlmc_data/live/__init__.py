"""Live galaxies: a Milky Way and an LMC that deform each other, and lose mass, in minutes.

The modules in their order: `harmonics`, `radial_bins`, `moments`, `expansion` and `force` are the gravity of particles
by two multipole expansions on radial grids; `body` is bulge and disc; `spheres`, `isotropic`, `drawing` and `start`
are the galaxies before they meet; `state`, `centre` and `stepping` move them.
"""
