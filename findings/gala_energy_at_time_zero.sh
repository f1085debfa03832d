#!/bin/sh
# The energy of an orbit that gala integrated in a time-dependent potential uses the potential at time 0 throughout.
#
# Versions: gala 1.11.0, astropy 7.2.0, numpy 2.4.6.
# Behaviour: `Orbit.energy()` and `Orbit.potential_energy()` know the orbit's times and its potential, but evaluate the
#     potential at t = 0 for every point, without a warning.
# A good guess: The potential at the time of each point, as in the integration itself.
# Seen: In a Hernquist sphere whose mass doubles in 1 Gyr, the energy of the last point is -4962 (km/s)^2; kinetic
#     energy plus the potential at its time is -11771. Evaluated point by point with `potential.energy(q, t=...)` it is right.
# Why it matters here: Which stars are bound to a Milky Way or an LMC that moves, or grows, is decided by that energy.
#     `benchmarks speed` compares positions only.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip --disable-pip-version-check install --quiet numpy==2.4.6 scipy==1.17.1 astropy==7.2.0 gala==1.11.0 || exit 2
cd "$folder"
cat >seen.py <<'EOF'
import sys

import astropy.units as u
import gala.dynamics as gd
import gala.potential as gp
import numpy as np
from gala.integrate import DOPRI853Integrator
from gala.units import galactic

t = np.linspace(0, 1000, 101) * u.Myr
mass = np.linspace(1e11, 2e11, 101) * u.Msun
potential = gp.TimeInterpolatedPotential(gp.HernquistPotential, t, m=mass, c=10 * u.kpc, units=galactic)
start = gd.PhaseSpacePosition(pos=[20, 0, 0] * u.kpc, vel=[0, 150, 0] * u.km / u.s)
orbit = potential.integrate_orbit(start, t=t, Integrator=DOPRI853Integrator)

square = u.km**2 / u.s**2
last = orbit.pos.xyz[:, -1]
kinetic = orbit.kinetic_energy()[-1].to_value(square)
then = kinetic + potential.energy(last, t=t[-1]).to_value(square)[0]
start_of_time = kinetic + potential.energy(last, t=0 * u.Myr).to_value(square)[0]
given = orbit.energy()[-1].to_value(square)
print(f"orbit.energy() of the last point: {given:.0f}; with the potential at its time {then:.0f}, at t = 0 {start_of_time:.0f} (km/s)^2")
sys.exit(0 if np.isclose(given, start_of_time) and not np.isclose(given, then, rtol=0.1) else 1)
EOF
"$python" -W ignore seen.py
