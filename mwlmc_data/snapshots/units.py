"""Units of a snapshot's file: what one unit of length, mass and velocity is in kpc, Msun and km/s."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mwlmc_data.arguments.arrays import check_names
from mwlmc_data.arguments.messages import shorten

#: One kpc in cm and one Msun in g (CODATA 2018, IAU 2015, as in astropy), and one km/s in cm/s.
CM_PER_KPC, G_PER_MSUN, CM_PER_KM = 3.0856775814913674e21, 1.988409870698051e33, 1e5

#: Units that a user may name in one word: those of Gadget's family, with masses of 1e10 Msun (or 1e10 Msun/h) and km/s.
NAMED = ("kpc/h", "Mpc/h", "kpc", "Mpc")
_KINDS = {"length": "kpc", "mass": "Msun", "velocity": "km/s"}


class Units(NamedTuple):
    """Units of a file.

    Attributes
    ----------
    length, mass, velocity : float
        One unit in kpc, Msun and km/s, for a Hubble parameter of 1.
    per_h : tuple of bool
        Whether the length, mass and velocity is to be divided by h.
    """

    length: float
    mass: float
    velocity: float
    per_h: tuple[bool, bool, bool]

    def convert(self, h: float) -> tuple[float, float, float]:
        """One unit of length, mass and velocity in kpc, Msun and km/s, for this Hubble parameter."""
        found = zip((self.length, self.mass, self.velocity), self.per_h, strict=True)
        length, mass, velocity = (value / h if is_per_h else value for value, is_per_h in found)
        return length, mass, velocity


def read_units(units: Any) -> Units:
    """Take units from a user.

    Parameters
    ----------
    units : str or mapping
        One of ``NAMED``, or a mapping with ``length``, ``mass`` and ``velocity``: units as text that astropy
        understands, such as ``"1e10 Msun"``, perhaps with ``/h`` behind it.

    Raises
    ------
    ValueError
        If it is neither, or a unit is of another kind.
    """
    if isinstance(units, str) and units in NAMED:
        h = "/h" * units.endswith("/h")
        units = {"length": units, "mass": "1e10 Msun" + h, "velocity": "km/s"}
    if not isinstance(units, Mapping):
        raise ValueError(f"units = {shorten(units)}: {describe_units()}")
    check_names("units", units, tuple(_KINDS), tuple(_KINDS))
    length, mass, velocity = (_read_unit(kind, units[kind], target) for kind, target in _KINDS.items())
    return Units(length[0], mass[0], velocity[0], (length[1], mass[1], velocity[1]))


def describe_units() -> str:
    """Say which units are allowed, for a message."""
    return (
        f"allowed is {', '.join(map(repr, NAMED))} (with 1e10 Msun, or 1e10 Msun/h, and km/s), or a mapping of "
        "'length', 'mass' and 'velocity'"
    )


def _read_unit(kind: str, value: Any, target: str) -> tuple[float, bool]:
    import astropy.units as u

    text = value
    is_per_h = isinstance(value, str) and value.replace(" ", "").endswith("/h")
    if is_per_h:
        text = value.rstrip()[:-1].rstrip()[:-1]
    try:
        factor = float(u.Quantity(1.0 * u.Unit(text)).to_value(u.Unit(target)))
    except (ValueError, TypeError, u.UnitsError) as error:
        raise ValueError(f"units[{kind!r}] = {shorten(value)}: allowed is a unit such as {target!r}") from error
    if not 0.0 < factor < float("inf"):
        raise ValueError(f"units[{kind!r}] = {shorten(value)}: allowed is a positive unit such as {target!r}")
    return factor, is_per_h
