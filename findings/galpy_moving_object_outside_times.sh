#!/bin/sh
# galpy's MovingObjectPotential stands still outside the times of its orbit in C, but raises an error in Python.
#
# Versions: galpy 1.12.1, numpy 2.4.6, scipy 1.17.1.
# Behaviour: Integrated in C (the default where possible), an orbit continues beyond the times for
#     which the moving object's own orbit is known, as if the object had stopped at its last place. The
#     same integration in Python raises a ValueError.
# A good guess: The error in both.
# Seen: dop853: ValueError, not in the integration time domain; dop853_c: a finite place after 4
#     more units of time.
# Why it matters here: The speed comparison sets up galpy with the LMC as a moving object, within the
#     times of its orbit. A rewind longer than the LMC's orbit would keep an LMC at rest.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip --disable-pip-version-check install --quiet numpy==2.4.6 scipy==1.17.1 galpy==1.12.1 || exit 2
cd "$folder"
cat >seen.py <<'EOF'
import sys

import numpy as np
from galpy.orbit import Orbit
from galpy.potential import LogarithmicHaloPotential, MovingObjectPotential, PlummerPotential

halo = LogarithmicHaloPotential(normalize=1.0)
lmc = Orbit([1.0, 0.1, 1.1, 0.0, 0.0, 0.0])
lmc.integrate(np.linspace(0.0, 10.0, 1001), halo)
moving = MovingObjectPotential(lmc, pot=PlummerPotential(amp=0.1, b=0.2))
found = {}
for method in ("dop853", "dop853_c"):
    star = Orbit([1.5, 0.0, 1.0, 0.0, 0.0, 0.0])
    try:
        star.integrate(np.linspace(10.0, 14.0, 401), [halo, moving], method=method)
        found[method] = bool(np.isfinite([star.x(14.0), star.y(14.0)]).all())
    except ValueError as error:
        found[method] = f"ValueError: {error}"
print(found)
sys.exit(0 if found["dop853_c"] is True and "domain" in str(found["dop853"]) else 1)
EOF
"$python" -W ignore seen.py
