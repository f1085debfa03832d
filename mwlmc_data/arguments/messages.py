"""Parts of error messages: the value, shortened; what is allowed; the nearest allowed name."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Units of a plain number.
PURE = ("", "dex")
#: Characters of a value in a message.
_SHOWN = 60


def refuse(name: str, array: NDArray, bad: NDArray[np.bool_], allowed: str) -> None:
    """Raise ValueError with the first bad value and the number of them."""
    first = tuple(map(int, np.argwhere(bad)[0]))
    place = f"{name}[{', '.join(map(str, first))}]" if first else name
    count = int(bad.sum())
    others = f" (and {count - 1} more of {bad.size})" if count > 1 else ""
    item = array[first]
    raise ValueError(f"{place} = {item.item() if hasattr(item, 'item') else item!r}{others}: allowed is {allowed}")


def shorten(value: Any) -> str:
    """Write a value for a message, cut if it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def describe_range(minimum: float, maximum: float, above: float | None, unit: str | None, infinite: bool) -> str:
    """Say in words which numbers are allowed."""
    kind = "a number" if infinite else "a finite number"
    tail = f" {unit}" if unit and unit not in PURE else ""
    has_end = maximum < math.inf
    if above is not None:
        return f"{kind} above {above:g}" + f" and at most {maximum:g}" * has_end + tail
    if minimum > -math.inf:
        return f"{kind} from {minimum:g}" + (f" to {maximum:g}{tail}" if has_end else f"{tail} up")
    return f"{kind} up to {maximum:g}{tail}" if has_end else f"{kind}{' in' * bool(tail)}{tail}"


def suggest(value: Any, allowed: Sequence[str]) -> str:
    """Suggest the nearest allowed name, as a question; empty if none is near."""
    if not isinstance(value, str):
        return ""
    plain = {known.lower().replace("_", ""): known for known in allowed}
    found = difflib.get_close_matches(value.lower().replace("_", ""), plain, n=1, cutoff=0.55)
    return f"; do you mean {plain[found[0]]!r}?" if found else ""
