"""How objects show themselves: one line where they are printed, a small table in a notebook."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from mwlmc_data.arguments.messages import shorten

#: Longest text of one field; longer ones are cut.
_MAX_TEXT = 60
#: Numbers of an array that are shown themselves.
_MAX_NUMBERS = 4


class Displayed:
    """Base of classes whose objects print as one line, ``<Name: summary>``, and as a table in a notebook.

    By default both give the fields, arrays by type and shape. A class that knows better overrides `_summary` and
    `_rows`. Dataclasses are declared with ``repr=False``, or they would bring their own ``__repr__``.
    """

    __slots__ = ()

    def _summary(self) -> str:
        return _join_fields(self)

    def _rows(self) -> Iterable[Sequence[str]]:
        return field_rows(self)

    def __repr__(self) -> str:
        return _one_line(self, self._summary())

    def _repr_html_(self) -> str:
        return html_table(type(self).__name__, self._rows())


def field_rows(value: Any) -> list[tuple[str, str]]:
    """Names of the public fields of a dataclass or a named tuple, and what each holds in a few words."""
    names = getattr(value, "_fields", None) or [field.name for field in dataclasses.fields(value)]
    return [(name, brief(getattr(value, name))) for name in names if not name.startswith("_")]


def describe_tuple(value: tuple[Any, ...]) -> str:
    """One line on a named tuple; its ``__repr__`` where it holds arrays."""
    return _one_line(value, _join_fields(value))


def _join_fields(value: Any) -> str:
    return ", ".join(f"{name} {text}" for name, text in field_rows(value))


def _one_line(value: Any, summary: str) -> str:
    return f"<{type(value).__name__}: {summary}>"


def brief(value: Any) -> str:
    """A value in a few words: numbers with four digits, arrays and tables by type and shape."""
    if value is None:
        return "none"
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, str):
        return " ".join(value.split()) if len(value) <= _MAX_TEXT else shorten(value)
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(value)
    if isinstance(value, float | np.floating):
        return number(float(value))
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.size <= _MAX_NUMBERS:
        value = tuple(value.tolist())
    if hasattr(value, "shape"):
        is_text = isinstance(value, np.ndarray) and value.dtype.kind == "U"
        kind = "str" if is_text else getattr(value, "dtype", type(value).__name__)
        return f"{kind} {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return _listed([f"{name} {brief(item)}" for name, item in value.items()], len(value))
    if isinstance(value, Collection):
        return _listed([brief(item) for item in value] if len(value) <= _MAX_TEXT else [], len(value))
    return shorten(value)


def _listed(texts: Sequence[str], count: int) -> str:
    """The items, or how many there are if they take too much room."""
    if not count:
        return "none"
    text = ", ".join(texts)
    return f"({text})" if texts and len(text) <= _MAX_TEXT else f"({count:,} items)"


def number(value: float, digits: int = 4) -> str:
    """A number rounded to `digits` significant digits: ``9.1e11``, ``0.45``, ``−62.3``."""
    text = f"{value:.{digits}g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
    return text.replace("-", "−")


def fixed(value: float, decimals: int) -> str:
    """A number rounded to `decimals` decimals: ``46.1``, ``−62``; never ``−0``."""
    return "nan" if math.isnan(value) else f"{round(value, decimals) + 0.0:,.{decimals}f}".replace("-", "−")


def with_error(value: float, error: float, decimals: int = 1, unit: str = "") -> str:
    """``46.1 ± 5.8 km/s``; the value alone where its error is NaN, ``undetermined`` where the value is."""
    if math.isnan(value):
        return "undetermined"
    text = fixed(value, decimals) if math.isnan(error) else f"{fixed(value, decimals)} ± {fixed(error, decimals)}"
    return f"{text} {unit}" if unit else text


def html_table(
    caption: str, rows: Iterable[Sequence[str]], header: Sequence[str] = (), notes: Iterable[str] = ()
) -> str:
    """A table for a notebook, with notes below it; all text is escaped.

    Parameters
    ----------
    caption : str
        Heading.
    rows : iterable of sequence of str
        Cells; the first of a row names it.
    header : sequence of str, optional
        Names of the columns.
    notes : iterable of str, optional
        A paragraph each.

    Returns
    -------
    str
        HTML.
    """
    left = ' style="text-align: left"'
    lines = [f'<table><caption style="text-align: left"><b>{escape(caption)}</b></caption>']
    if header:
        cells = "".join(f"<th{left}>{escape(text)}</th>" for text in header)
        lines.append(f"<thead><tr>{cells}</tr></thead>")
    lines.append("<tbody>")
    for name, *values in rows:
        cells = "".join(f"<td{left}>{escape(text)}</td>" for text in values)
        lines.append(f"<tr><th{left}>{escape(name)}</th>{cells}</tr>")
    lines.append("</tbody></table>")
    return "".join(lines + [f"<p>{escape(note)}</p>" for note in notes])
