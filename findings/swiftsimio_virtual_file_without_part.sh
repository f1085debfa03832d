#!/bin/sh
# swiftsimio reads the particles of a missing part of a virtual snapshot as zeros.
#
# Versions: swiftsimio 12.4.0, h5py 3.16.0, numpy 2.4.6.
# Behaviour: SWIFT writes a snapshot in parts with a virtual file, whose arrays are links into the parts. Where a part is
#     not in the folder, HDF5 gives the fill value, and swiftsimio passes it on: no error and no warning.
# A good guess: An error that names the file that is missing.
# Seen: With one of two parts missing, 500 of 1,000 particles lie at (0, 0, 0) without mass.
# Why it matters here: Half a snapshot copied looks like a whole one: its header counts all particles, and those at one
#     place pull the centre there. `mw.snapshots.read` looks for the parts of a virtual file and refuses one without them.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip --disable-pip-version-check install --quiet numpy==2.4.6 h5py==3.16.0 swiftsimio==12.4.0 || exit 2
cd "$folder"
cat >seen.py <<'EOF'
import os
import sys

import h5py
import numpy as np
import swiftsimio

n, half = 1000, 500
units = {"length in cgs (U_L)": 3.0856775814913674e24, "mass in cgs (U_M)": 1.98841e43, "time in cgs (U_t)": 3.0857e19}
units |= {"current in cgs (U_I)": 1.0, "temperature in cgs (U_T)": 1.0}
x = np.random.default_rng(0).uniform(20.0, 40.0, (n, 3))
arrays = {
    "Coordinates": (x, (1, 0, 0, 1)),
    "Velocities": (0.0 * x, (1, 0, -1, 0)),
    "Masses": (np.full(n, 1e-4), (0, 1, 0, 0)),
    "ParticleIDs": (np.arange(n), (0, 0, 0, 0)),
}


def describe(dataset, powers):
    length, mass, time, scale = powers
    exponents = {"U_L": length, "U_M": mass, "U_t": time, "U_I": 0, "U_T": 0, "a-scale": scale, "h-scale": 0}
    for name, power in exponents.items():
        dataset.attrs[f"{name} exponent"] = np.array([float(power)])
    cgs = np.array([3.0856775814913674e24**length * 1.98841e43**mass * 3.0857e19**time])
    dataset.attrs["Conversion factor to CGS (not including cosmological corrections)"] = cgs
    dataset.attrs["Conversion factor to physical CGS (including cosmological corrections)"] = cgs
    for name, value in (
        ("Description", "an array"), ("Expression for physical CGS units", "U"), ("Lossy compression filter", "None")
    ):
        dataset.attrs[name] = np.bytes_(value)
    dataset.attrs["Value stored as physical"] = np.array([0])
    dataset.attrs["Property can be converted to comoving"] = np.array([1])


for k in range(2):
    with h5py.File(f"snap.{k}.hdf5", "w") as file:
        for name, (values, _) in arrays.items():
            file[f"PartType1/{name}"] = values[k * half : (k + 1) * half]
with h5py.File("snap.hdf5", "w") as file:
    header = file.create_group("Header").attrs
    counts = np.array([0, n, 0, 0, 0, 0, 0])
    header["NumPart_ThisFile"], header["NumPart_Total"] = counts, counts.astype(np.uint32)
    header["NumPart_Total_HighWord"], header["CanHaveTypes"] = np.zeros(7, np.uint32), np.array(counts > 0, np.int32)
    header["MassTable"], header["InitialMassTable"], header["BoxSize"] = np.zeros(7), np.zeros(7), np.full(3, 60.0)
    for name, value in (
        ("NumFilesPerSnapshot", 1), ("ThisFile", 0), ("Virtual", 1), ("Dimension", 3), ("NumPartTypes", 7),
        ("Time", 13.0), ("Redshift", 0.0), ("Scale-factor", 1.0),
    ):
        header[name] = np.array([value])
    for name, value in (("Code", "SWIFT"), ("RunName", "r"), ("OutputType", "FullVolume"), ("SelectOutput", "Default")):
        header[name] = np.bytes_(value)
    header["SnapshotDate"] = np.bytes_("00:00:00 2020-01-01 UTC")
    for group in ("Units", "InternalCodeUnits"):
        for name, value in units.items():
            file.require_group(group).attrs[f"Unit {name}"] = np.array([value])
    cosmology = {"Cosmological run": 0, "Scale-factor": 1.0, "Redshift": 0.0, "H0 [internal units]": 70.0, "h": 0.7}
    cosmology |= {"Omega_m": 0.3, "Omega_lambda": 0.7, "Omega_b": 0.05, "Omega_k": 0.0, "Omega_r": 0.0}
    cosmology |= {"w_0": -1.0, "w_a": 0.0}
    for name, value in cosmology.items():
        file.require_group("Cosmology").attrs[name] = np.array([value])
    for group in ("Parameters", "UnusedParameters", "HydroScheme", "GravityScheme", "StarsScheme", "Policy"):
        file.create_group(group)
    file.create_group("SubgridScheme/NamedColumns")
    file.create_group("Code").attrs["Code"] = np.bytes_("SWIFT")
    file["HydroScheme"].attrs["Adiabatic index"] = np.array([5.0 / 3.0])
    for name, (values, powers) in arrays.items():
        layout = h5py.VirtualLayout(values.shape, values.dtype)
        for k in range(2):
            source = h5py.VirtualSource(f"snap.{k}.hdf5", f"PartType1/{name}", (half, *values.shape[1:]))
            layout[k * half : (k + 1) * half] = source
        describe(file.create_virtual_dataset(f"PartType1/{name}", layout), powers)


def count_zeros():
    dark = swiftsimio.load("snap.hdf5").dark_matter
    return int((np.asarray(dark.coordinates) == 0.0).all(axis=1).sum()), int((np.asarray(dark.masses) == 0.0).sum())


whole = count_zeros()
os.remove("snap.1.hdf5")
cut = count_zeros()
print(f"particles at the origin, and without mass: {whole} with both parts, {cut} with one")
sys.exit(0 if whole == (0, 0) and cut == (half, half) else 1)
EOF
"$python" -W error seen.py
