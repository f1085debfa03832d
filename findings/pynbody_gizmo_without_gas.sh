#!/bin/sh
# Without its gas, the same GIZMO snapshot is 1,000 times larger in pynbody.
#
# Versions: pynbody 2.8.0, h5py 3.16.0, numpy 2.4.6.
# Behaviour: pynbody knows a GIZMO file by PartType0/ParticleIDGenerationNumber. A file of the same run without gas (dark
#     matter and stars alone, as one keeps them for dynamics) counts as Gadget's, whose lengths default to Mpc/h instead
#     of kpc/h. Both files are read with a RuntimeWarning that units are missing and revert to defaults; neither says that
#     the defaults depend on the gas.
# A good guess: The header and the arrays of dark matter are the same, so their units are too.
# Seen: The same coordinates have a scatter of 100 kpc with gas, and of 100,000 kpc without; the masses agree.
# Why it matters here: A stellar halo of 100 kpc becomes one of 100 Mpc, all of it beyond 50 kpc, and a fit to it succeeds.
#     `mw.snapshots.read` asks for units where the file does not say them, and refuses those that make no galaxy.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip --disable-pip-version-check install --quiet numpy==2.4.6 h5py==3.16.0 pynbody==2.8.0 || exit 2
cd "$folder"
cat >seen.py <<'EOF'
import sys

import h5py
import numpy as np
import pynbody

n = 1000
x = np.random.default_rng(0).normal(30_000.0, 70.0, (n, 3))  # kpc/h: 100 kpc for h = 0.7


def write(path, types):
    with h5py.File(path, "w") as file:
        header = file.create_group("Header").attrs
        counts = np.array([n if kind in types else 0 for kind in range(6)], dtype=np.int32)
        header["NumPart_ThisFile"], header["NumPart_Total"] = counts, counts.astype(np.uint32)
        header["NumPart_Total_HighWord"], header["MassTable"] = np.zeros(6, np.uint32), np.zeros(6)
        header["Time"], header["Redshift"], header["BoxSize"], header["NumFilesPerSnapshot"] = 1.0, 0.0, 60_000.0, 1
        header["Omega0"], header["OmegaLambda"], header["HubbleParam"] = 0.27, 0.73, 0.7
        for flag in ("Flag_Sfr", "Flag_Cooling", "Flag_StellarAge", "Flag_Metals", "Flag_Feedback"):
            header[flag] = 1
        for kind in types:
            group = file.create_group(f"PartType{kind}")
            group["Coordinates"], group["Velocities"], group["Masses"] = x, 0.0 * x, np.full(n, 1e-4)
            group["ParticleIDs"] = np.arange(n, dtype=np.uint32) + n * kind
            if kind == 0:
                group["ParticleIDGenerationNumber"] = np.zeros(n, np.uint32)
                group["InternalEnergy"], group["Density"], group["SmoothingLength"] = np.ones((3, n))


scatter, mass = [], []
for name, types in (("with gas", (0, 1, 4)), ("without gas", (1, 4))):
    path = f"{name.replace(' ', '_')}.hdf5"
    write(path, types)
    snapshot = pynbody.load(path)
    snapshot.physical_units()
    scatter.append(float(np.std(np.asarray(snapshot.dm["pos"])[:, 0])))
    mass.append(float(np.asarray(snapshot.dm["mass"]).sum()))
    print(f"{name}: {type(snapshot).__name__}, dark matter scatters by {scatter[-1]:,.0f} kpc, {mass[-1]:.3g} Msun")
sys.exit(0 if np.isclose(scatter[1], 1000 * scatter[0]) and np.isclose(*mass) else 1)
EOF
"$python" -W ignore seen.py
