#!/bin/sh
# gala silently returns wrong accelerations for an array of times.
#
# Versions: gala 1.11.0, astropy 8.0.2, numpy 2.4.6.
# Behaviour: `potential.acceleration(q, t=times)` of a time-dependent potential accepts one time per
#     position, and returns numbers that belong neither to each position's time nor to the first time.
# A good guess: The acceleration at each position's time; or an error.
# Seen: at 20 and 30 kpc and times 0 and 1000 Myr: one by one -0.00050 and -0.00056 kpc/Myr2,
#     together the first is -0.00012.
# Why it matters here: gala is compared with the simulator, and comparing the LMC's pull along an
#     orbit takes many times. Ask for one time per call.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip --disable-pip-version-check install --quiet numpy==2.4.6 astropy==8.0.2 gala==1.11.0 || exit 2
cd "$folder"
cat >seen.py <<'EOF'
import sys

import astropy.units as u
import gala.potential as gp
import numpy as np
from gala.units import galactic

knots = np.linspace(0, 1000, 51) * u.Myr
mass = np.linspace(1e11, 2e11, 51) * u.Msun
lmc = gp.TimeInterpolatedPotential(gp.HernquistPotential, time_knots=knots, m=mass, c=10 * u.kpc, units=galactic)
places = np.array([[20.0, 30.0], [0.0, 0.0], [0.0, 0.0]]) * u.kpc
times = np.array([0.0, 1000.0]) * u.Myr
single = np.array([lmc.acceleration(places[:, i : i + 1], t=times[i]).value[0, 0] for i in range(2)])
try:
    together = lmc.acceleration(places, t=times).value[0]
except Exception as error:
    print(f"refused: {type(error).__name__}: {error}")
    sys.exit(1)
print("one by one", single, "together", together)
sys.exit(0 if not np.allclose(together, single, rtol=1e-3) else 1)
EOF
"$python" -W ignore seen.py
