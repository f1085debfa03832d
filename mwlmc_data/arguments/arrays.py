"""The door for numbers from a user: units converted, masks and missing numbers refused by name, shapes checked.

`np.asarray(x, float)` silently drops an astropy unit and a mask, and reads numbers out of text; a wrong shape is
broadcast later. Every public function takes its arrays and numbers through this module instead: what comes in is what
was meant, or there is an error of the form ``NAME = VALUE: allowed is ...``.
"""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float64Array

#: Sizes of an array's axes; a name such as ``"n"`` stands for any size, the same wherever it is repeated.
Shape = tuple[int | str, ...]

_PURE = ("", "dex")  # units of a plain number
_LOGARITHMS = ("mag", "dex", "dB")
_EXACT = 2**53  # whole numbers beyond it are not exact as float64
_NAMES = 24  # of those allowed in a message
_SHOWN = 60  # characters of a value in a message


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
        What the user calls it; errors begin with it.
    value : array_like
        Numbers: nested sequences, numpy, pandas, arrow or polars columns, or astropy quantities and columns.
    unit : str, optional
        Unit of the result, "" for a pure number. Quantities are converted to it; plain numbers are taken to be in it.
    shape : tuple of int or str, optional
        Allowed sizes of the axes, for example ``("n", 3)``; any shape without it.
    minimum, maximum : float
        Allowed range, both ends included.
    above : float, optional
        A bound that all numbers must exceed.
    allow_nan : bool
        Take NaN for "not measured". Masked and null values then become NaN; without it, they are refused.
    allow_infinite : bool
        Take infinite numbers.
    broadcast : bool
        Repeat a single number to `shape`, which then holds sizes only.

    Returns
    -------
    ndarray of float64
        In C order, and the caller's own where it had to be converted.

    Raises
    ------
    ValueError
        If a value is masked, missing, not finite, no real number or out of range, or the shape or the unit is another;
        the message gives the name, the first such value, and their count.
    """
    allowed = _range_text(minimum, maximum, above, unit, allow_infinite)
    array = _to_floats(name, value, unit, allow_nan, allowed if shape == () else "an array of real numbers")
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
    """Take one real number from a user; options and errors as of :func:`as_floats`."""
    return float(as_floats(name, value, shape=(), **options))


def as_whole(name: str, value: Any, minimum: int = 0, maximum: int = 2**63 - 1) -> int:
    """Take a whole number from a user: a count, an index, a seed.

    Parameters
    ----------
    name : str
        What the user calls it.
    value : int or float
        A float counts if it is whole and exact, as 1e3 is. Booleans and text are no numbers.
    minimum, maximum : int
        Allowed range, both ends included.

    Raises
    ------
    ValueError
        If it is no such number.
    """
    number = _whole(value)
    if number is None or not minimum <= number <= maximum:
        end = f"to {maximum}" if maximum != 2**63 - 1 else "up"
        raise ValueError(f"{name} = {shorten(value)}: allowed is a whole number from {minimum} {end}")
    return number


def as_seed(name: str, value: Any) -> int:
    """Take the seed of a random stream, a whole number from 0 to 2^64 - 1; raise ValueError otherwise."""
    return as_whole(name, value, 0, 2**64 - 1)


def as_ids(name: str, value: Any, maximum: int = 2**63 - 1) -> NDArray[np.int64]:
    """Take a list of identifiers from a user.

    Parameters
    ----------
    name : str
        What the user calls it.
    value : iterable of int
        A range, list, array or column. Floats count if they are whole and exact.
    maximum : int
        Largest that is allowed; the smallest is 0.

    Returns
    -------
    ndarray, shape (n,), int64

    Raises
    ------
    ValueError
        If one is masked, missing, no whole number or out of range, or they are not in a row.
    """
    if isinstance(value, Iterable) and not hasattr(value, "__array__") and not hasattr(value, "__len__"):
        value = list(value)
    refuse_masked(name, value)
    array = _to_array(name, *_without_unit(name, value, ""), "a list of whole numbers")
    if array.size == 0 and array.ndim == 1:
        return np.empty(0, dtype=np.int64)
    check_shape(name, array, ("n",))
    allowed = f"whole numbers from 0 to {maximum}"
    if array.dtype.kind in "iu":
        bad = (array < 0) | (array > maximum)
        if bad.any():
            refuse(name, array, bad, allowed)
        return array.astype(np.int64)
    wholes = [_whole(item) for item in array.tolist()] if array.dtype.kind in "fO" else [None] * len(array)
    bad = np.array([number is None or not 0 <= number <= maximum for number in wholes])
    if bad.any():
        refuse(name, array, bad, allowed)
    return np.array(wholes, dtype=np.int64)


def as_flag(name: str, value: Any, allow_none: bool = False) -> bool | None:
    """Take True or False from a user, or None where that means something; raise ValueError for all else."""
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
        If it is none of them; the message gives the nearest and all.
    """
    if isinstance(value, str) and value in allowed:
        return value
    raise ValueError(f"{name} = {shorten(value)}: allowed is {', '.join(map(repr, allowed))}{_nearest(value, allowed)}")


def check_names(name: str, given: Iterable[Any], allowed: Sequence[str], needed: Sequence[str] = ()) -> None:
    """Refuse names (of columns, keys, errors) that are unknown, given twice, or missing.

    Parameters
    ----------
    name : str
        What holds the names, for example "errors".
    given : iterable
        The user's.
    allowed : sequence of str
        All that mean something.
    needed : sequence of str
        Those that must be there.

    Raises
    ------
    ValueError
        The message gives the name at fault and the nearest that is known.
    """
    seen: set[Any] = set()
    for key in given:
        if not isinstance(key, str) or key not in allowed:
            names = ", ".join(allowed[:_NAMES]) + f" ... ({len(allowed)} in all)" * (len(allowed) > _NAMES)
            raise ValueError(f"{name} holds {shorten(key)}: allowed is {names}{_nearest(key, allowed)}")
        if key in seen:
            raise ValueError(f"{name} holds {key!r} more than once: allowed is each name once")
        seen.add(key)
    missing = [key for key in needed if key not in seen]
    if missing:
        raise ValueError(f"{name} lacks {', '.join(missing)}: allowed is what has {', '.join(needed)}")


def check_shape(name: str, array: NDArray, shape: Shape) -> None:
    """Refuse an array of another shape; raise ValueError."""
    sizes: dict[str, int] = {}
    fits = array.ndim == len(shape)
    for size, wanted in zip(array.shape, shape, strict=False):
        fits &= size == (sizes.setdefault(wanted, size) if isinstance(wanted, str) else wanted)
    if not fits:
        kind = "a number" if array.ndim == 0 else f"an array of shape {array.shape}"
        wanted = f"the shape ({', '.join(map(str, shape))}{',' * (len(shape) == 1)})" if shape else "one number"
        raise ValueError(f"{name} = {kind}: allowed is {wanted}")


def refuse_masked(name: str, value: Any, advice: str = "leave those out") -> None:
    """Refuse masked (numpy, astropy) and null (arrow, polars, pandas) values; raise ValueError with their count."""
    hidden = _hidden(value)
    if hidden is not None and hidden.any():
        first = tuple(map(int, np.argwhere(hidden)[0]))
        place = f" (the first is {name}[{', '.join(map(str, first))}])" if first else ""
        raise ValueError(
            f"{name} = {_plural(int(hidden.sum()), 'masked or missing value')} of {hidden.size}: "
            f"allowed are values without a mask; {advice}{place}"
        )


def refuse_misaligned(values: Mapping[str, Any]) -> None:
    """Refuse objects of pandas whose indices differ: they are paired by position, against what their indices say.

    Parameters
    ----------
    values : mapping of str to object
        What belongs together, row by row; what is not of pandas has no index.

    Raises
    ------
    ValueError
        If two of one length have indices that are not equal.
    """
    first: tuple[str, Any] | None = None
    for name, value in values.items():
        index: Any = getattr(value, "index", None) if type(value).__module__.startswith("pandas") else None
        if not hasattr(index, "equals"):
            continue
        if first is None:
            first = name, index
        elif len(index) == len(first[1]) and not index.equals(first[1]):
            raise ValueError(
                f"{name} = rows with another index than those of {first[0]}: allowed are rows that belong together by "
                f"their index (align them: .loc[{first[0]}.index]) or arrays without one (.to_numpy())"
            )


def refuse(name: str, array: NDArray, bad: NDArray[np.bool_], allowed: str) -> None:
    """Raise ValueError with the first of the bad values, and how many there are."""
    first = tuple(map(int, np.argwhere(bad)[0]))
    place = f"{name}[{', '.join(map(str, first))}]" if first else name
    count = int(bad.sum())
    others = f" (and {count - 1} more of {bad.size})" if count > 1 else ""
    item = array[first]
    raise ValueError(f"{place} = {item.item() if hasattr(item, 'item') else item!r}{others}: allowed is {allowed}")


def shorten(value: Any) -> str:
    """Show a value in a message, cut where it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _to_floats(name: str, value: Any, unit: str | None, allow_nan: bool, what: str) -> Float64Array:
    """Numbers in `unit`; what is masked is refused or becomes NaN."""
    if _is_nested(value):
        parts = [_to_floats(f"{name}[{i}]", item, unit, allow_nan, what) for i, item in enumerate(value)]
        if len({part.shape for part in parts}) > 1:
            raise ValueError(f"{name} = rows of shapes {sorted({p.shape for p in parts})}: allowed are rows alike")
        return np.stack(parts)
    hidden = _hidden(value)
    if not allow_nan:
        refuse_masked(name, value)
    array = _to_array(name, *_without_unit(name, value, unit), what)
    if array.dtype.kind == "O":
        array = _from_objects(name, array)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} = {shorten(value)}: allowed is {what}, not {_kind(array)}")
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused as such
        floats = array.astype(np.float64, copy=False)
    if hidden is not None and hidden.any():
        floats = np.where(hidden, np.nan, floats)
    return floats


def _is_nested(value: Any, depth: int = 0) -> bool:
    """Whether it is a list of arrays or quantities, whose masks and units numpy would drop."""
    return (
        isinstance(value, list | tuple)
        and depth < 64  # the most axes that numpy has
        and any(
            hasattr(item, "unit") or hasattr(item, "units") or hasattr(item, "mask") or _is_nested(item, depth + 1)
            for item in value
        )
    )


def _hidden(value: Any) -> NDArray[np.bool_] | None:
    """What is masked or null, None where the kind of array knows no such thing."""
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
    """Whether it is of pandas' nullable types; in its other types a missing number is NaN."""
    return str(getattr(getattr(value, "dtype", None), "na_value", "")) == "<NA>" and hasattr(value, "isna")


def _without_unit(name: str, value: Any, unit: str | None) -> tuple[Any, float]:
    """The numbers without their mask and unit, and the factor that converts them to `unit`."""
    if hasattr(value, "as_py") and not hasattr(value, "__array__"):  # a scalar of arrow
        value = value.as_py()
    if hasattr(value, "unmasked"):  # astropy's Masked
        value = value.unmasked
    if hasattr(value, "to_astropy"):  # unyt
        value = value.to_astropy()
    given, value = _unit_of(value), getattr(value, "magnitude", value)  # pint keeps its numbers in `magnitude`
    if given is None or (isinstance(given, str) and given == unit):
        return value, 1.0
    import astropy.units as u

    wanted = u.one if unit is None or unit in _PURE else u.Unit(unit)
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
        target = f"a unit of {wanted.physical_type} such as {unit}" if unit and unit not in _PURE else "a pure number"
        raise ValueError(f"{name} = numbers in {given}: allowed is {target}") from error


def _unit_of(value: Any) -> Any:
    """Unit of an array of astropy, unyt, pint or xarray, None where it has none."""
    if type(value).__module__.startswith("pandas"):  # a row or a column may be called "unit", and times have another
        return None
    for attribute in ("unit", "units"):
        given = getattr(value, attribute, None)
        # units of magnitudes are callable, and so would be a method of that name
        if given is not None and (not callable(given) or hasattr(given, "to_string")):
            return None if isinstance(given, str) and not given else given
    return None


def _to_array(name: str, value: Any, factor: float, what: str) -> NDArray:
    """A plain array of what has no unit and no mask, times a factor."""
    if isinstance(value, dict | set | str | bytes | bytearray) or value is None:
        raise ValueError(f"{name} = {shorten(value)}: allowed is {what}")
    if isinstance(value, np.ma.MaskedArray):
        value = np.ma.getdata(value)
    try:
        if _is_nullable(value) and value.isna().any():
            value = value.to_numpy(dtype=object, na_value=None)
        array = np.asarray(value)
        if isinstance(value, list | tuple) and (array.dtype.kind not in "iuf" or _holds_boolean(value)):
            array = np.array(value, dtype=object)  # so that the one at fault can be named
    except (ValueError, TypeError, RuntimeError) as error:
        detail = " ".join(str(error).split())
        raise ValueError(
            f"{name} = {shorten(value)}: allowed is {what}, all rows of equal length ({detail})"
        ) from error
    if array.dtype.kind not in "iuf":
        return array
    return array if factor == 1.0 else array * factor


def _holds_boolean(value: Any) -> bool:
    """Whether a boolean is in lists, which numpy makes a number of where others are numbers."""
    return isinstance(value, list | tuple) and any(
        isinstance(item, bool | np.bool_) or _holds_boolean(item) for item in value
    )


def _from_objects(name: str, array: NDArray) -> Float64Array:
    """Numbers of an array of Python objects; None is a missing number."""
    import decimal

    floats = np.empty(array.shape)
    for place, item in np.ndenumerate(array):
        if item is None or type(item).__name__ in ("NAType", "NaTType"):
            floats[place] = np.nan
            continue
        try:
            item = item.as_py() if hasattr(item, "as_py") else item
            if isinstance(item, bool | np.bool_) or not isinstance(item, numbers.Real | decimal.Decimal):
                raise TypeError("no real number")
            floats[place] = float(item)
        except (TypeError, ValueError, OverflowError) as error:
            where = f"{name}[{', '.join(map(str, place))}]" if place else name
            raise ValueError(f"{where} = {shorten(item)}: allowed is a real number") from error
    return floats


def _kind(array: NDArray) -> str:
    """What an array holds, in a word."""
    words = {"b": "booleans", "c": "complex numbers", "M": "dates", "m": "durations", "V": "rows of several columns"}
    return words.get(array.dtype.kind, "text" if array.dtype.kind in "USTO" else str(array.dtype))


def _whole(value: Any) -> int | None:
    """The whole number that a value is, None if it is none."""
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


def _range_text(minimum: float, maximum: float, above: float | None, unit: str | None, infinite: bool) -> str:
    """What is allowed, in words."""
    kind = "a number" if infinite else "a finite number"
    tail = f" {unit}" if unit and unit not in _PURE else ""
    has_end = maximum < math.inf
    if above is not None:
        return f"{kind} above {above:g}" + f" and at most {maximum:g}" * has_end + tail
    if minimum > -math.inf:
        return f"{kind} from {minimum:g}" + (f" to {maximum:g}{tail}" if has_end else f"{tail} up")
    return f"{kind} up to {maximum:g}{tail}" if has_end else f"{kind}{' in' * bool(tail)}{tail}"


def _nearest(value: Any, allowed: Sequence[str]) -> str:
    """The nearest allowed name, as a question; empty where none is near."""
    if not isinstance(value, str):
        return ""
    plain = {known.lower().replace("_", ""): known for known in allowed}
    found = difflib.get_close_matches(value.lower().replace("_", ""), plain, n=1, cutoff=0.55)
    return f"; do you mean {plain[found[0]]!r}?" if found else ""


def _plural(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
