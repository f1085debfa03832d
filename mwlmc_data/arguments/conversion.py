"""Conversion of what a user passes to plain arrays: units, masks, nulls and Python objects.

`mwlmc_data.arguments.arrays` is the door; this module knows what numpy, astropy, pandas, arrow, polars, pint, unyt and
xarray look like behind it.
"""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.messages import PURE, shorten
from mwlmc_data.array_types import Float64Array

_LOGARITHMS = ("mag", "dex", "dB")
#: Whole numbers beyond it are not exact as float64.
_EXACT = 2**53


def to_floats(name: str, value: Any, unit: str | None, allow_nan: bool, what: str) -> Float64Array:
    """Convert a value to float64 numbers in `unit`; masked values are refused or become NaN."""
    if _is_nested(value):
        parts = [to_floats(f"{name}[{i}]", item, unit, allow_nan, what) for i, item in enumerate(value)]
        if len({part.shape for part in parts}) > 1:
            shapes = sorted({part.shape for part in parts})
            raise ValueError(f"{name} = rows of shapes {shapes}: allowed are rows of one shape")
        return np.stack(parts)
    hidden = _find_missing(value)
    if not allow_nan:
        refuse_masked(name, value)
    array = to_array(name, *strip_unit(name, value, unit), what)
    if array.dtype.kind == "O":
        array = _convert_objects(name, array)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} = {shorten(value)}: allowed is {what}, not {_name_kind(array)}")
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused as such
        floats = array.astype(np.float64, copy=False)
    if hidden is not None and hidden.any():
        floats = np.where(hidden, np.nan, floats)
    return floats


def refuse_masked(name: str, value: Any, advice: str = "leave those out") -> None:
    """Raise ValueError if values are masked (numpy, astropy) or null (arrow, polars, pandas), with their count."""
    hidden = _find_missing(value)
    if hidden is not None and hidden.any():
        first = tuple(map(int, np.argwhere(hidden)[0]))
        place = f" (the first is {name}[{', '.join(map(str, first))}])" if first else ""
        raise ValueError(
            f"{name} = {_count(int(hidden.sum()), 'masked or missing value')} of {hidden.size}: "
            f"allowed are values without a mask; {advice}{place}"
        )


def _is_nested(value: Any, depth: int = 0) -> bool:
    """Whether a value is a list of arrays or quantities, whose masks and units numpy would drop."""
    return (
        isinstance(value, list | tuple)
        and depth < 64  # numpy's largest number of axes
        and any(
            hasattr(item, "unit") or hasattr(item, "units") or hasattr(item, "mask") or _is_nested(item, depth + 1)
            for item in value
        )
    )


def _find_missing(value: Any) -> NDArray[np.bool_] | None:
    """Where values are masked or null; None for a kind of array that has neither."""
    value = getattr(value, "magnitude", value)  # pint
    if isinstance(value, np.ma.MaskedArray) and value.dtype.names is None:
        return np.ma.getmaskarray(value)
    if hasattr(value, "unmasked") and hasattr(value, "mask"):
        return np.broadcast_to(np.asarray(value.mask), np.shape(value.unmasked))
    if hasattr(value, "is_null"):  # arrow and polars
        return np.asarray(value.is_null())
    if _is_nullable(value):
        return np.asarray(value.isna())
    return None


def _is_nullable(value: Any) -> bool:
    """Whether a value has one of pandas' nullable types; in its other types a missing number is NaN."""
    return str(getattr(getattr(value, "dtype", None), "na_value", "")) == "<NA>" and hasattr(value, "isna")


def strip_unit(name: str, value: Any, unit: str | None) -> tuple[Any, float]:
    """Return the numbers without mask and unit, and the factor that converts them to `unit`."""
    if hasattr(value, "as_py") and not hasattr(value, "__array__"):  # a scalar of arrow
        value = value.as_py()
    if hasattr(value, "unmasked"):  # astropy's Masked
        value = value.unmasked
    if hasattr(value, "to_astropy"):  # unyt
        value = value.to_astropy()
    given, value = _find_unit(value), getattr(value, "magnitude", value)  # pint keeps its numbers in `magnitude`
    if given is None or (isinstance(given, str) and given == unit):
        return value, 1.0
    import astropy.units as u

    wanted = u.one if unit is None or unit in PURE else u.Unit(unit)
    text = "" if str(given) == "dimensionless" else str(given)  # pint's word
    if unit == "dex" and text == "dex":
        return value.value, 1.0
    try:
        if text in _LOGARITHMS or hasattr(given, "physical_unit"):
            raise u.UnitTypeError("a logarithm is not the number itself")
        if isinstance(value, u.Quantity):
            return value.to_value(wanted), 1.0
        return value, u.Unit(given if isinstance(given, u.UnitBase) else text).to(wanted)
    except (ValueError, TypeError, u.UnitsError) as error:
        target = f"a unit of {wanted.physical_type} such as {unit}" if unit and unit not in PURE else "a pure number"
        raise ValueError(f"{name} = numbers in {given}: allowed is {target}") from error


def _find_unit(value: Any) -> Any:
    """Unit of an array from astropy, unyt, pint or xarray; None if it has none."""
    if type(value).__module__.startswith("pandas"):  # a column may be called "unit", and times have another kind
        return None
    for attribute in ("unit", "units"):
        given = getattr(value, attribute, None)
        # a method of that name is callable; so are units of magnitudes
        if given is not None and (not callable(given) or hasattr(given, "to_string")):
            return None if isinstance(given, str) and not given else given
    return None


def to_array(name: str, value: Any, factor: float, what: str) -> NDArray:
    """Make a plain array of a value without unit and mask, times a factor."""
    if isinstance(value, dict | set | str | bytes | bytearray) or value is None:
        raise ValueError(f"{name} = {shorten(value)}: allowed is {what}")
    if isinstance(value, np.ma.MaskedArray):
        value = np.ma.getdata(value)
    try:
        if _is_nullable(value) and value.isna().any():
            value = value.to_numpy(dtype=object, na_value=None)
        array = np.asarray(value)
        if isinstance(value, list | tuple) and (array.dtype.kind not in "iuf" or _holds_boolean(value)):
            array = np.array(value, dtype=object)  # so that the error can name the item
    except (ValueError, TypeError, RuntimeError) as error:
        detail = " ".join(str(error).split())
        raise ValueError(
            f"{name} = {shorten(value)}: allowed is {what}, all rows of equal length ({detail})"
        ) from error
    if array.dtype.kind not in "iuf":
        return array
    return array if factor == 1.0 else array * factor


def _holds_boolean(value: Any) -> bool:
    """Whether nested lists hold a boolean, which numpy turns into a number among numbers."""
    return isinstance(value, list | tuple) and any(
        isinstance(item, bool | np.bool_) or _holds_boolean(item) for item in value
    )


def _convert_objects(name: str, array: NDArray) -> Float64Array:
    """Convert an array of Python objects to numbers; None is a missing number."""
    import decimal

    floats = np.empty(array.shape)
    for place, item in np.ndenumerate(array):
        if item is None or type(item).__name__ in ("NAType", "NaTType"):
            floats[place] = np.nan
            continue
        try:
            item = item.as_py() if hasattr(item, "as_py") else item
            if isinstance(item, bool | np.bool_) or not isinstance(item, numbers.Real | decimal.Decimal):
                raise TypeError("not a real number")
            floats[place] = float(item)
        except (TypeError, ValueError, OverflowError) as error:
            where = f"{name}[{', '.join(map(str, place))}]" if place else name
            raise ValueError(f"{where} = {shorten(item)}: allowed is a real number") from error
    return floats


def _name_kind(array: NDArray) -> str:
    """Name what an array holds, in a word or two."""
    words = {"b": "booleans", "c": "complex numbers", "M": "dates", "m": "durations", "V": "rows of several columns"}
    return words.get(array.dtype.kind, "text" if array.dtype.kind in "USTO" else str(array.dtype))


def to_whole(value: Any) -> int | None:
    """Return a value as a whole number, or None if it is not one."""
    if isinstance(value, np.ndarray) and value.ndim == 0 and not isinstance(value, np.ma.MaskedArray):
        if getattr(value, "unit", None) is not None:
            return None
        value = value[()]
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        number = float(value)
        return int(number) if number.is_integer() and abs(number) <= _EXACT else None
    return None


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def find_index(value: Any) -> Any:
    """Find the index of the rows of a pandas object; None if it has none."""
    index = getattr(value, "index", None) if type(value).__module__.startswith("pandas") else None
    return index if hasattr(index, "equals") else None


def refuse_indexed(name: str, value: Any, order: str) -> None:
    """Refuse a pandas object with an index of its own where values go by position; 0, 1, 2, ... is no such index."""
    index = find_index(value)
    if index is not None and not np.array_equal(index, np.arange(len(index))):
        raise ValueError(
            f"{name} = rows with an index of their own: allowed is an array without one (.to_numpy()), in {order}"
        )
