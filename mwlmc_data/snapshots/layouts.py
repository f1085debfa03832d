"""What the header of a snapshot says: the code, the expansion, and the factors to physical kpc, km/s and Msun.

Three layouts are known. SWIFT and Gadget-4 (AREPO too) state their units. So does GIZMO in newer files, in whose
header (write_header_attributes_in_hdf5 of its public io.c) the units are divided by h already. FIRE-2's files do not,
nor do older Gadgets', and the same header is written with kpc/h and with Mpc/h. Where the file is silent the user must
say, and nothing is guessed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mwlmc_data.display import Displayed
from mwlmc_data.snapshots.parts import get_attribute, get_number_of, where
from mwlmc_data.snapshots.units import CM_PER_KM, CM_PER_KPC, G_PER_MSUN, Units, describe_units, read_units

#: Kinds of quantities that have a factor.
LENGTH, MASS, VELOCITY = "length", "mass", "velocity"
#: Relative difference of the scale factor and 1 / (1 + z) that is rounding.
_ROUNDING = 1e-4
_CGS = {LENGTH: CM_PER_KPC, MASS: G_PER_MSUN, VELOCITY: CM_PER_KM}


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Layout(Displayed):
    """How to read the arrays of a snapshot.

    Attributes
    ----------
    code : str
        The code that wrote it, as far as the file says.
    factor : callable
        Of a dataset and a kind of quantity: the number that converts it to physical kpc, Msun or km/s.
    hubble : float
        Expansion rate [km/s/kpc]; 0 if the run is not cosmological.
    notes : tuple of str
        What is assumed.
    """

    code: str
    factor: Callable[[Any, str], float]
    hubble: float
    notes: tuple[str, ...]


def find_layout(file: Any, units: Any, cosmological: bool | None) -> Layout:
    """Read the header of a snapshot.

    Parameters
    ----------
    file : h5py.File
        Any part.
    units, cosmological
        As for :func:`~mwlmc_data.snapshots.read`.

    Raises
    ------
    ValueError
        If the file is silent about units or expansion and so is the user, if both speak, or if a number that is needed
        is missing.
    """
    code = get_attribute(file, "Header", "Code")
    if isinstance(code, bytes):
        code = code.decode(errors="replace")
    if isinstance(code, str) and code.strip().upper() == "SWIFT":
        return _read_swift(file, units, cosmological)
    if get_number_of(file, "Parameters", "UnitLength_in_cm") is not None:
        return _read_gadget4(file, units, cosmological)
    return _read_gizmo(file, units, cosmological)


def _read_swift(file: Any, units: Any, cosmological: bool | None) -> Layout:
    _refuse_units(file, units)
    expands = _is_cosmological(file, get_number_of(file, "Cosmology", "Cosmological run"), cosmological)
    a, hubble = 1.0, 0.0
    if expands:
        a = _need(file, ("Cosmology", "Scale-factor"), ("Header", "Scale-factor"))
        rate = _need(file, ("Cosmology", "H [internal units]"))
        hubble = rate / _need(file, ("InternalCodeUnits", "Unit time in cgs (U_t)")) * CM_PER_KPC / CM_PER_KM
    base = {
        symbol: get_number_of(file, "Units", f"Unit {name} in cgs (U_{symbol})")
        for symbol, name in (("L", "length"), ("M", "mass"), ("t", "time"))
    }

    def factor(dataset: Any, kind: str) -> float:
        attributes = dataset.attrs
        if float(_first(attributes.get("h-scale exponent", 0.0))) != 0.0:
            raise ValueError(f"{where(file)}: {dataset.name}, h-scale exponent is not 0: allowed is SWIFT's, without h")
        powers = {symbol: attributes.get(f"U_{symbol} exponent") for symbol in base}
        if all(power is not None for power in powers.values()) and None not in base.values():
            cgs = math.prod(float(base[symbol] or 0.0) ** float(_first(powers[symbol])) for symbol in base)
        elif "Conversion factor to CGS (not including cosmological corrections)" in attributes:
            cgs = float(_first(attributes["Conversion factor to CGS (not including cosmological corrections)"]))
        else:
            raise ValueError(
                f"{where(file)}: {dataset.name} has no units (U_L exponent, ...): allowed is SWIFT's data with them"
            )
        if "a-scale exponent" not in attributes:
            raise ValueError(f"{where(file)}: {dataset.name} has no a-scale exponent: allowed is SWIFT's data with it")
        return cgs * a ** float(_first(attributes["a-scale exponent"])) / _CGS[kind]

    return Layout("SWIFT", factor, hubble, ())


def _read_gadget4(file: Any, units: Any, cosmological: bool | None) -> Layout:
    expands = _is_cosmological(file, get_number_of(file, "Parameters", "ComovingIntegrationOn"), cosmological)
    stated = Units(
        _need(file, ("Parameters", "UnitLength_in_cm")) / CM_PER_KPC,
        _need(file, ("Parameters", "UnitMass_in_g")) / G_PER_MSUN,
        _need(file, ("Parameters", "UnitVelocity_in_cm_per_s")) / CM_PER_KM,
        per_h=(expands, expands, False),
    )
    return _finish("Gadget-4", file, units, stated, expands)


def _read_gizmo(file: Any, units: Any, cosmological: bool | None) -> Layout:
    expands = _is_cosmological(file, get_number_of(file, "Header", "ComovingIntegrationOn"), cosmological)
    if None in [get_number_of(file, "Header", name) for name in ("GIZMO_version", "UnitLength_In_CGS")]:
        return _finish("GIZMO or Gadget", file, units, None, expands)
    stated = Units(
        _need(file, ("Header", "UnitLength_In_CGS")) / CM_PER_KPC,
        _need(file, ("Header", "UnitMass_In_CGS")) / G_PER_MSUN,
        _need(file, ("Header", "UnitVelocity_In_CGS")) / CM_PER_KM,
        per_h=(False, False, False),
    )
    return _finish("GIZMO", file, units, stated, expands)


def _finish(code: str, file: Any, units: Any, stated: Units | None, expands: bool) -> Layout:
    """Layout of Gadget's family: comoving lengths, velocities divided by sqrt(a), and h in the units."""
    h = get_number_of(file, "Header", "HubbleParam") or get_number_of(file, "Parameters", "HubbleParam")
    is_open = code == "Gadget-4" and not expands and h not in (None, 1.0)
    notes: list[str] = []
    if is_open and units is None:
        raise ValueError(
            f"units = None: {where(file)} is not cosmological but has HubbleParam = {h:g}, so that its lengths may be "
            f"in kpc or in kpc/h; {describe_units()}"
        )
    if stated is None or is_open:
        if units is None:
            raise ValueError(
                f"units = None: {where(file)} does not say its units, and the same header is written with kpc/h and "
                f"with Mpc/h; {describe_units()}"
            )
        stated = read_units(units)
        notes.append(f"units given by the user: {units}")
    else:
        _refuse_units(file, units)
    if any(stated.per_h) and not (h and h > 0.0):
        raise ValueError(
            f"{where(file)}, without Header, HubbleParam: allowed is a file with it, as its units are per h"
        )
    a, hubble = 1.0, 0.0
    if expands:
        a = _need(file, ("Header", "Time"))
        redshift = get_number_of(file, "Header", "Redshift")
        if not 0.0 < a <= 1.5 or (redshift is not None and abs(a * (1.0 + redshift) - 1.0) > _ROUNDING):
            raise ValueError(
                f"{where(file)}: Header, Time = {a:g} with Redshift = {redshift}: allowed in a cosmological run is the "
                "scale factor, 1 / (1 + z)"
            )
        matter = _need(file, ("Header", "Omega0", "Omega_Matter"), ("Parameters", "Omega0", "Omega_Matter"))
        vacuum = _need(file, ("Header", "OmegaLambda", "Omega_Lambda"), ("Parameters", "OmegaLambda", "Omega_Lambda"))
        if not (h and h > 0.0):
            raise ValueError(f"{where(file)}, without Header, HubbleParam: allowed is a cosmological file with it")
        curvature = 1.0 - matter - vacuum
        hubble = 0.1 * h * math.sqrt(matter / a**3 + curvature / a**2 + vacuum)
    length, mass, velocity = stated.convert(h or 1.0)
    factors = {LENGTH: length * a, MASS: mass, VELOCITY: velocity * math.sqrt(a)}

    def factor(dataset: Any, kind: str) -> float:
        attributes = dataset.attrs
        is_stated = expands and {"to_cgs", "a_scaling", "h_scaling"} <= set(attributes)
        if is_stated and float(_first(attributes["to_cgs"])) > 0.0:
            own = float(_first(attributes["to_cgs"])) * a ** float(_first(attributes["a_scaling"])) / _CGS[kind]
            own *= (h or 1.0) ** float(_first(attributes["h_scaling"]))
            if abs(own / factors[kind] - 1.0) > _ROUNDING:
                raise ValueError(
                    f"{where(file)}: {dataset.name} is in units of {own:g} by its own attributes and {factors[kind]:g} "
                    f"by the header's [{'kpc' if kind == LENGTH else 'Msun' if kind == MASS else 'km/s'}]: allowed is "
                    "a file that agrees with itself"
                )
        return factors[kind]

    return Layout(code, factor, hubble, tuple(notes))


def _is_cosmological(file: Any, stated: float | None, given: bool | None) -> bool:
    """Whether space expands, by the file if it says so, and else by the user."""
    found = None if stated is None else bool(stated)
    if found is None:
        a, z = get_number_of(file, "Header", "Time"), get_number_of(file, "Header", "Redshift")
        if a is not None and z is not None:
            if z > _ROUNDING and abs(a * (1.0 + z) - 1.0) < _ROUNDING:
                found = True
            elif abs(z) < _ROUNDING and abs(a - 1.0) > _ROUNDING:
                found = False
    if found is None and given is None:
        raise ValueError(
            f"cosmological = None: {where(file)} does not say whether its Time is a scale factor: allowed is True or "
            "False"
        )
    if found is not None and given is not None and found != given:
        raise ValueError(
            f"cosmological = {given}: {where(file)} says it is{'' if found else ' not'}: allowed is {found} or None"
        )
    return bool(given if found is None else found)


def _refuse_units(file: Any, units: Any) -> None:
    if units is not None:
        raise ValueError(f"units = {units!r}: {where(file)} states its own: allowed is None")


def _need(file: Any, *places: tuple[str, ...]) -> float:
    """A number that the file must have, in one of these groups under one of these names."""
    for group, *names in places:
        value = get_number_of(file, group, *names)
        if value is not None:
            return value
    group, name, *_ = places[0]
    raise ValueError(f"{where(file)}, without {group}, {name}: allowed is a file with it")


def _first(value: Any) -> Any:
    return np.asarray(value).ravel()[0]
