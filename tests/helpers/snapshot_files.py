"""Writers of the small Milky Way and LMC in the layouts of GIZMO, Gadget-4 and SWIFT."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from tests.helpers.snapshot_world import OMEGA_L, OMEGA_M, STARS, expansion, peculiar, split

CM_PER_KPC, G_PER_MSUN = 3.0856775814913674e21, 1.988409870698051e33


def _write_types(file, world, mine, x, v, m, extra=None, without=()):
    for kind in np.unique(world.types):
        chosen = mine & (world.types == kind)
        group = file.create_group(f"PartType{kind}")
        for name, values in (("Coordinates", x), ("Velocities", v), ("Masses", m), ("ParticleIDs", world.ids)):
            if name in without:
                continue
            dataset = group.create_dataset(name, data=values[chosen])
            if extra:
                extra(dataset, name)


def _counts(world, mine=None, size=6):
    mine = np.ones(len(world.x), bool) if mine is None else mine
    return np.bincount(world.types[mine], minlength=size)


def _names(folder, stem, parts):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return [folder / (f"{stem}.hdf5" if parts == 1 else f"{stem}.{k}.hdf5") for k in range(parts)]


def write_gizmo(
    folder, world, *, a=None, h=0.7, length=1.0, parts=1, states_units=False, stem="snapshot_600", **header
):
    """GIZMO: lengths in units of `length` kpc/h, comoving if `a` is given; units in the header of newer versions."""
    scale = 1.0 if a is None else a
    x = world.x / scale * h / length
    v = (world.v if a is None else peculiar(world, a, h)) / np.sqrt(scale)
    m = world.m / 1e10 * h
    paths, place = _names(folder, stem, parts), split(world, parts)
    for k, path in enumerate(paths):
        mine = place == k
        with h5py.File(path, "w") as file:
            attributes = file.create_group("Header").attrs
            attributes["NumPart_ThisFile"] = _counts(world, mine).astype(np.int32)
            attributes["NumPart_Total"] = _counts(world).astype(np.uint32)
            attributes["NumPart_Total_HighWord"] = np.zeros(6, np.uint32)
            attributes["MassTable"] = np.zeros(6)
            attributes["Time"], attributes["Redshift"] = (5.1, 0.0) if a is None else (a, 1.0 / a - 1.0)
            attributes["BoxSize"], attributes["NumFilesPerSnapshot"] = 60_000.0 * h / length, parts
            attributes["HubbleParam"], attributes["Omega0"], attributes["OmegaLambda"] = h, OMEGA_M, OMEGA_L
            if states_units:
                # the code divides these by h, in runs without expansion too
                attributes["UnitLength_In_CGS"] = length * CM_PER_KPC / h
                attributes["UnitMass_In_CGS"] = 1e10 * G_PER_MSUN / h
                attributes["UnitVelocity_In_CGS"], attributes["GIZMO_version"] = 1e5, 2022
                attributes["Omega_Matter"], attributes["Omega_Lambda"] = OMEGA_M, OMEGA_L
                del attributes["Omega0"], attributes["OmegaLambda"]
                attributes["ComovingIntegrationOn"] = int(a is not None)
            for name, value in header.items():
                if value is None:
                    del attributes[name]
                else:
                    attributes[name] = value
            _write_types(file, world, mine, x, v, m)
    return paths


def write_gadget4(
    folder, world, *, a=None, h=0.7, parts=1, mass_table=False, scalings=False, stem="snapshot_100", stated_h=1.0
):
    """Gadget-4: units in Parameters; 64-bit counts of as many types as there are; masses in the table if asked."""
    scale, per_h = (1.0, 1.0) if a is None else (a, h)
    x = world.x / scale * per_h
    v = (world.v if a is None else peculiar(world, a, h)) / np.sqrt(scale)
    m = world.m / 1e10 * per_h
    table = np.zeros(5)
    if mass_table:
        table[STARS] = m[world.types == STARS][0]
    paths, place = _names(folder, stem, parts), split(world, parts)

    def describe(dataset, name):
        power = {"Coordinates": (1.0, -1.0, CM_PER_KPC), "Velocities": (0.5, 0.0, 1e5)}
        if scalings:
            a_scaling, h_scaling, cgs = power.get(name, (0.0, -1.0, 1e10 * G_PER_MSUN))
            dataset.attrs["a_scaling"], dataset.attrs["h_scaling"] = a_scaling, h_scaling
            dataset.attrs["to_cgs"] = 0.0 if name == "ParticleIDs" else cgs

    for k, path in enumerate(paths):
        mine = place == k
        with h5py.File(path, "w") as file:
            attributes = file.create_group("Header").attrs
            attributes["NumPart_ThisFile"] = _counts(world, mine, 5).astype(np.uint64)
            attributes["NumPart_Total"] = _counts(world, None, 5).astype(np.uint64)
            attributes["MassTable"], attributes["NumFilesPerSnapshot"] = table, parts
            attributes["Time"], attributes["Redshift"] = (2.2, 0.0) if a is None else (a, 1.0 / a - 1.0)
            attributes["BoxSize"] = 0.0
            parameters = file.create_group("Parameters").attrs
            parameters["UnitLength_in_cm"], parameters["UnitMass_in_g"] = CM_PER_KPC, 1e10 * G_PER_MSUN
            parameters["UnitVelocity_in_cm_per_s"] = 1e5
            parameters["ComovingIntegrationOn"] = int(a is not None)
            parameters["HubbleParam"] = stated_h if a is None else h
            parameters["Omega0"], parameters["OmegaLambda"] = OMEGA_M, OMEGA_L
            file.create_group("Config")
            _write_types(file, world, mine, x, v, m, describe)
            if mass_table:
                del file[f"PartType{STARS}/Masses"]
    return paths


def write_swift(folder, world, *, a=None, h=0.7, parts=1, virtual=False, stem="snap_0010"):
    """SWIFT: Mpc, 1e10 Msun and km/s without h; the units of each array in its attributes."""
    scale = 1.0 if a is None else a
    u_l, u_m, u_t = 1e3 * CM_PER_KPC, 1e10 * G_PER_MSUN, 1e3 * CM_PER_KPC / 1e5
    x = world.x / scale / 1e3
    v, m = world.v if a is None else peculiar(world, a, h), world.m / 1e10
    paths, place = _names(folder, stem, parts), split(world, parts)
    powers = {"Coordinates": (1, 0, 0, 1), "Velocities": (1, 0, -1, 0), "Masses": (0, 1, 0, 0)}

    def describe(dataset, name):
        length, mass, time, a_power = powers.get(name, (0, 0, 0, 0))
        exponents = {"U_L": length, "U_M": mass, "U_t": time, "a-scale": a_power, "h-scale": 0}
        for key, value in exponents.items():
            dataset.attrs[f"{key} exponent"] = np.array([float(value)])
        cgs = u_l**length * u_m**mass * u_t**time
        dataset.attrs["Conversion factor to CGS (not including cosmological corrections)"] = np.array([cgs])
        physical = "Conversion factor to physical CGS (including cosmological corrections)"
        dataset.attrs[physical] = np.array([cgs * scale**a_power])

    def write_groups(file, mine, is_virtual):
        attributes = file.create_group("Header").attrs
        attributes["Code"] = np.bytes_("SWIFT")
        attributes["NumPart_ThisFile"] = _counts(world, mine, 7).astype(np.int64)
        attributes["NumPart_Total"] = _counts(world, None, 7).astype(np.uint32)
        attributes["NumPart_Total_HighWord"] = np.zeros(7, np.uint32)
        attributes["MassTable"], attributes["BoxSize"] = np.zeros(7), np.full(3, 60.0)
        attributes["NumFilesPerSnapshot"] = np.array([1 if is_virtual else parts])
        attributes["Time"], attributes["Redshift"] = np.array([13.0]), np.array([1.0 / scale - 1.0])
        attributes["Scale-factor"], attributes["Virtual"] = np.array([scale]), np.array([int(is_virtual)])
        for name in ("Units", "InternalCodeUnits"):
            units = file.create_group(name).attrs
            for label, value in (("length in cgs (U_L)", u_l), ("mass in cgs (U_M)", u_m), ("time in cgs (U_t)", u_t)):
                units[f"Unit {label}"] = np.array([value])
        cosmology = file.create_group("Cosmology").attrs
        cosmology["Cosmological run"], cosmology["Scale-factor"] = np.array([int(a is not None)]), np.array([scale])
        if a is not None:
            cosmology["H [internal units]"] = np.array([expansion(a, h) / CM_PER_KPC * 1e5 * u_t])

    for k, path in enumerate(paths):
        with h5py.File(path, "w") as file:
            write_groups(file, place == k, False)
            _write_types(file, world, place == k, x, v, m, describe)
    if not virtual:
        return paths
    meta = Path(folder) / f"{stem}.hdf5"
    with h5py.File(meta, "w") as file:
        write_groups(file, None, True)
        for kind in np.unique(world.types):
            for name, values in (("Coordinates", x), ("Velocities", v), ("Masses", m), ("ParticleIDs", world.ids)):
                shape = (int((world.types == kind).sum()), *values.shape[1:])
                layout, row = h5py.VirtualLayout(shape, values.dtype), 0
                for k, path in enumerate(paths):
                    n = int(((place == k) & (world.types == kind)).sum())
                    source = h5py.VirtualSource(path.name, f"PartType{kind}/{name}", (n, *shape[1:]))
                    layout[row : row + n] = source
                    row += n
                describe(file.create_virtual_dataset(f"PartType{kind}/{name}", layout), name)
    return [meta]
