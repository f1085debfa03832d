"""The door for numbers from a user: converts units, refuses masks and missing numbers by name, and checks shapes.

`np.asarray(x, float)` silently drops an astropy unit and a mask, and reads numbers out of text; a wrong shape is
broadcast later. Every public function takes its arrays and numbers through this module instead: it gets what the user
means, or raises an error of the form ``NAME = VALUE: allowed is ...``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.conversion import refuse_indexed, refuse_masked, strip_unit, to_array, to_floats, to_whole
from mwlmc_data.arguments.messages import describe_range, refuse, shorten, suggest
from mwlmc_data.array_types import Float64Array

#: Sizes of an array's axes; a name such as ``"n"`` stands for any size, the same wherever it is repeated.
Shape = tuple[int | str, ...]

#: Allowed names that a message lists.
_NAMES = 24


def as_floats(
    name: str,
    value: Any,
    *,
    unit: str | None = None,
    shape: Shape | None = None,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    above: float | None = None,
    allow_nan: bool = False,
    allow_infinite: bool = False,
    broadcast: bool = False,
) -> Float64Array:
    """Take an array of real numbers from a user.

    Parameters
    ----------
    name : str
        What the user calls the argument; errors begin with it.
    value : array_like
        Numbers: nested sequences, numpy, pandas, arrow or polars columns, or astropy quantities and columns.
    unit : str, optional
        Unit of the result, "" for a pure number. Quantities are converted; plain numbers count as being in this unit.
    shape : tuple of int or str, optional
        Allowed sizes of the axes, for example ``("n", 3)``; by default any shape.
    minimum, maximum : float
        Allowed range, both ends included.
    above : float, optional
        A bound that every number must exceed.
    allow_nan : bool
        Accept NaN as "not measured"; masked and null values then become NaN. Otherwise they are refused.
    allow_infinite : bool
        Accept infinite numbers.
    broadcast : bool
        Repeat a single number to fill `shape`, whose sizes must then all be numbers.

    Returns
    -------
    ndarray of float64
        In C order; a copy where a conversion was needed.

    Raises
    ------
    ValueError
        If a value is masked, missing, not finite, not a real number or out of range, or the shape or unit is wrong. The
        message gives the name, the first such value, and how many there are.
    """
    is_plain = type(value) in (float, np.float64) and not shape and above is None
    if is_plain and math.isfinite(value) and minimum <= value <= maximum:
        return np.array(value)  # nothing to convert, nothing to refuse
    allowed = describe_range(minimum, maximum, above, unit, allow_infinite)
    array = to_floats(name, value, unit, allow_nan, allowed if shape == () else "an array of real numbers")
    if broadcast and array.ndim == 0 and shape is not None:
        array = np.full([int(size) for size in shape], array)
    if shape is not None:
        check_shape(name, array, shape)
    bad = np.zeros(array.shape, dtype=bool) if allow_nan else np.isnan(array)
    bad |= np.isinf(array) & (not allow_infinite)
    if bad.any():
        half = getattr(value, "dtype", None) == np.float16
        hint = ", in a precision that holds it (float16 ends at 65504)" if half else ""
        refuse(name, array, bad, ("NaN (not measured) or " if allow_nan else "") + allowed + hint)
    low = array < minimum if above is None else (array < minimum) | (array <= above)
    bad = low | (array > maximum)
    if bad.any():
        refuse(name, array, bad, allowed)
    return np.ascontiguousarray(array) if array.ndim else array


def as_float(name: str, value: Any, **options: Any) -> float:
    """Take one real number from a user; options and errors are those of :func:`as_floats`."""
    return float(as_floats(name, value, shape=(), **options))


def as_vector(name: str, value: Any, size: int, **options: Any) -> Float64Array:
    """Take the components of one vector from a user; options and errors are those of :func:`as_floats`.

    Components go by position: a pandas object whose index names them otherwise is refused.
    """
    refuse_indexed(name, value, "the documented order")
    return as_floats(name, value, shape=(size,), **options)


def as_whole(name: str, value: Any, minimum: int = 0, maximum: int = 2**63 - 1) -> int:
    """Take a whole number from a user: a count, an index, a seed.

    Parameters
    ----------
    name : str
        What the user calls the argument.
    value : int or float
        A float counts if it is whole and exact, such as 1e3. Booleans and text do not count as numbers.
    minimum, maximum : int
        Allowed range, both ends included.

    Raises
    ------
    ValueError
        If the value is not such a number.
    """
    number = to_whole(value)
    if number is None or not minimum <= number <= maximum:
        end = f"to {maximum}" if maximum != 2**63 - 1 else "up"
        raise ValueError(f"{name} = {shorten(value)}: allowed is a whole number from {minimum} {end}")
    return number


def as_seed(name: str, value: Any) -> int:
    """Take the seed of a random stream, a whole number from 0 to 2^64 - 1; raise ValueError otherwise."""
    return as_whole(name, value, 0, 2**64 - 1)


def as_ids(name: str, value: Any, maximum: int = 2**63 - 1) -> NDArray[Any]:
    """Take a list of identifiers from a user.

    Parameters
    ----------
    name : str
        What the user calls the argument.
    value : iterable of int
        A range, list, array or column. Floats count if they are whole and exact.
    maximum : int
        Largest allowed identifier; the smallest is 0.

    Returns
    -------
    ndarray, shape (n,)
        int64; uint64 if `maximum` exceeds what int64 holds.

    Raises
    ------
    ValueError
        If one is masked, missing, not a whole number or out of range, or the array is not one-dimensional.
    """
    if isinstance(value, Iterable) and not hasattr(value, "__array__") and not hasattr(value, "__len__"):
        value = list(value)
    if isinstance(value, list | tuple) and maximum >= 2**63:
        value = np.array(value, dtype=object)  # numpy makes floats of integers on both sides of 2^63
    refuse_masked(name, value)
    array = to_array(name, *strip_unit(name, value, ""), "a list of whole numbers")
    kind = np.int64 if maximum < 2**63 else np.uint64
    if array.size == 0 and array.ndim == 1:
        return np.empty(0, dtype=kind)
    check_shape(name, array, ("n",))
    allowed = f"whole numbers from 0 to {maximum}"
    if array.dtype.kind in "iu":
        bad = (array < 0) | (array > maximum)
        if bad.any():
            refuse(name, array, bad, allowed)
        return array.astype(kind)
    wholes = [to_whole(item) for item in array.tolist()] if array.dtype.kind in "fO" else [None] * len(array)
    bad = np.array([number is None or not 0 <= number <= maximum for number in wholes])
    if bad.any():
        refuse(name, array, bad, allowed)
    return np.array(wholes, dtype=kind)


def as_flag(name: str, value: Any, allow_none: bool = False) -> bool | None:
    """Take True or False from a user, or None where that is allowed; raise ValueError for anything else."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if value is None and allow_none:
        return None
    raise ValueError(f"{name} = {shorten(value)}: allowed is True or False{' or None' * allow_none}")


def as_choice(name: str, value: Any, allowed: Sequence[str]) -> str:
    """Take one of several words from a user.

    Raises
    ------
    ValueError
        If the value is not one of them; the message lists them and the nearest.
    """
    if isinstance(value, str) and value in allowed:
        return value
    raise ValueError(f"{name} = {shorten(value)}: allowed is {', '.join(map(repr, allowed))}{suggest(value, allowed)}")


def as_names(name: str, given: Any) -> tuple[str, ...]:
    """Take a sequence of names from a user.

    Raises
    ------
    ValueError
        If the value is one text or no sequence, or holds anything but text.
    """
    if isinstance(given, str):
        raise ValueError(f"{name} = {given!r}: allowed is a sequence of names, such as [{given!r}]")
    if not isinstance(given, Iterable):
        raise ValueError(f"{name} = {shorten(given)}: allowed is a sequence of names")
    names = tuple(given)
    for each in names:
        if not isinstance(each, str):
            raise ValueError(f"{name} holds {shorten(each)}: allowed are names")
    return names


def check_names(name: str, given: Iterable[Any], allowed: Sequence[str], needed: Sequence[str] = ()) -> None:
    """Refuse names (of columns, keys, errors) that are unknown, repeated or missing.

    Parameters
    ----------
    name : str
        What holds the names, for example "errors".
    given : iterable
        The names from the user.
    allowed : sequence of str
        All known names.
    needed : sequence of str
        Names that must be present.

    Raises
    ------
    ValueError
        If a name is at fault; the message gives it and the nearest known name.
    """
    seen: set[Any] = set()
    for key in given:
        if not isinstance(key, str) or key not in allowed:
            names = ", ".join(allowed[:_NAMES]) + f" ... ({len(allowed)} in all)" * (len(allowed) > _NAMES)
            raise ValueError(f"{name} holds {shorten(key)}: allowed is {names}{suggest(key, allowed)}")
        if key in seen:
            raise ValueError(f"{name} holds {key!r} more than once: allowed is each name once")
        seen.add(key)
    missing = [key for key in needed if key not in seen]
    if missing:
        raise ValueError(f"{name} lacks {', '.join(missing)}: allowed is all of {', '.join(needed)}")


def check_shape(name: str, array: NDArray, shape: Shape) -> None:
    """Raise ValueError if an array has another shape."""
    sizes: dict[str, int] = {}
    fits = array.ndim == len(shape)
    for size, wanted in zip(array.shape, shape, strict=False):
        fits &= size == (sizes.setdefault(wanted, size) if isinstance(wanted, str) else wanted)
    if not fits:
        kind = "a number" if array.ndim == 0 else f"an array of shape {array.shape}"
        wanted = f"the shape ({', '.join(map(str, shape))}{',' * (len(shape) == 1)})" if shape else "one number"
        raise ValueError(f"{name} = {kind}: allowed is {wanted}")
