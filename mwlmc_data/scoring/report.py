"""The report of a score: a dict for programs, an aligned table for people."""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mwlmc_data.display import Displayed, html_table
from mwlmc_data.storage.homes import expand_home

WIDTH = 120
#: Label of an entry whose scores are better than the exact posterior's.
NOT_POSSIBLE = "not possible from task.train.x alone"
Value = float | Mapping[str, float]


@dataclass(frozen=True)
class Entry:
    """One metric.

    Attributes
    ----------
    value, error : float or mapping of parameter to float
        The number and its standard error; NaN if there is none, None if the error is unknown.
    right : str
        What a right answer looks like.
    digits : int
        Decimals in the table.
    is_pvalue : bool
        Whether small numbers are shown as "<.001".
    """

    value: Value
    error: Value | None = None
    right: str = ""
    digits: int = 3
    is_pvalue: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return value, error and right answer; None for NaN, which JSON lacks."""
        return {"value": _plain(self.value), "error": _plain(self.error), "right": self.right}

    def format(self) -> str:
        """Format the number with its error; several are separated by strokes."""
        if isinstance(self.value, Mapping):
            values = [self._number(v) for v in self.value.values()]
            errors = list(self.error.values()) if isinstance(self.error, Mapping) else []
            shown = [_number(e, self.digits) for e in errors]
            if shown and len(set(shown)) == 1:
                return f"{' / '.join(values)} ± {shown[0]}"
            if shown:
                values = [f"{v} ± {e}" for v, e in zip(values, shown, strict=True)]
            return " / ".join(values)
        stated = self._number(self.value)
        return stated if not isinstance(self.error, int | float) else f"{stated} ± {_number(self.error, self.digits)}"

    def _number(self, value: float) -> str:
        if self.is_pvalue and value < 0.001:
            return "<.001"
        return _number(value, self.digits)


@dataclass(frozen=True, repr=False)
class Section(Displayed):
    """Metrics that belong together.

    Attributes
    ----------
    name : str
        Key in the dict, heading in the table.
    entries : mapping of str to Entry
        Metrics by name.
    in_grid : bool
        Neighbours with the same metrics become the lines of one table, a column a metric.
    """

    name: str
    entries: Mapping[str, Entry]
    in_grid: bool = False


@dataclass(frozen=True, eq=False)
class Report(Mapping[str, Any]):
    """Score of one entry in one task: a mapping, and a table when printed.

    Attributes
    ----------
    task : str
        Name and version, such as "summary-9@1.0".
    headline : Section
        What a leaderboard shows.
    sections : sequence of Section
        All else.
    notes : sequence of str
        Sentences on missing input and on the limits of the numbers.
    parameters : sequence of str
        Names to which the values of a metric belong, in their order.
    submission : mapping
        The manifest of the submission; empty for arrays scored directly.
    observations : mapping of str to sequence of float
        Scores of each observation behind the headline's means, in the task's order, for paired comparisons.
    not_possible : sequence of str
        Sentences on scores better than the exact posterior's by more than chance: more than the data was used.

    Examples
    --------
    >>> report = Report("t@1.0", Section("headline", {"energy_score": Entry(0.61, 0.01, "less")}))
    >>> report["headline"]["energy_score"]["value"]
    0.61
    """

    task: str
    headline: Section
    sections: Sequence[Section] = ()
    notes: Sequence[str] = ()
    parameters: Sequence[str] = ()
    submission: Mapping[str, Any] = field(default_factory=dict)
    observations: Mapping[str, Sequence[float] | NDArray] = field(default_factory=dict)
    not_possible: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values that JSON can hold.

        Returns
        -------
        dict
            `task`; `headline`, metric -> value, error, right; `scores`, section -> metric -> the same; `notes`;
            `not_possible`, sentences; `observations`, score -> a number for each observation, to five digits;
            `submission`, its manifest or {}.
        """
        return {
            "task": self.task,
            "headline": {name: entry.to_dict() for name, entry in self.headline.entries.items()},
            "scores": {s.name: {name: entry.to_dict() for name, entry in s.entries.items()} for s in self.sections},
            "notes": list(self.notes),
            "not_possible": list(self.not_possible),
            "observations": {name: [_rounded(v) for v in values] for name, values in self.observations.items()},
            "submission": dict(self.submission),
        }

    def __getitem__(self, key: str) -> Any:
        return self.to_dict()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_dict())

    def __len__(self) -> int:
        return len(self.to_dict())

    def __repr__(self) -> str:
        return f"<Report of {self.task}: {', '.join([self.headline.name, *(s.name for s in self.sections)])}>"

    def _repr_html_(self) -> str:
        rows = [(_words(name), entry.format(), entry.right) for name, entry in self.headline.entries.items()]
        method = self.submission.get("method")
        stated = [f"{NOT_POSSIBLE}: {each}" for each in self.not_possible]
        caption = f"{self.task}: {method}" if method else self.task
        return html_table(caption, rows, ("", "score", "a right answer"), [*stated, "print() shows all of the report."])

    def __str__(self) -> str:
        method = self.submission.get("method")
        lines = [f"{self.task}: {method}" if method else self.task]
        for stated in self.not_possible:
            lines += textwrap.wrap(f"{NOT_POSSIBLE.upper()}: {stated}", WIDTH, subsequent_indent="  ")
        if self.parameters:
            lines.append(f"values with strokes are of {' / '.join(self.parameters)}")
        for block in _blocks([self.headline, *self.sections]):
            lines += ["", *(_grid(block) if block[0].in_grid else _list(block[0]))]
        if self.notes:
            lines.append("")
        for note in self.notes:
            lines += textwrap.wrap(note, WIDTH, initial_indent="- ", subsequent_indent="  ")
        return "\n".join(line.rstrip() for line in lines)

    def with_submission(self, submission: Mapping[str, Any]) -> Report:
        """Return the same report with the manifest of its submission."""
        return replace(self, submission=submission)

    def with_section(self, section: Section) -> Report:
        """Return the same report with one more section, such as the result of a trained classifier."""
        return replace(self, sections=(*self.sections, section))

    def write(self, path: Path) -> None:
        """Write the dict (.json) or the table (.txt).

        Parameters
        ----------
        path : Path
            File, which is replaced.

        Raises
        ------
        ValueError
            If the name has another ending.
        """
        path = expand_home("path", path)
        if path.suffix not in (".json", ".txt"):
            raise ValueError(f"path = {str(path)!r}: allowed is a name that ends in .json or .txt")
        text = dump(self.to_dict(), indent=2) if path.suffix == ".json" else str(self)
        path.write_text(text + "\n", encoding="utf-8")


def dump(content: Any, indent: int) -> str:
    """Format JSON with one key a line, but a list of numbers on a single line."""
    text = json.dumps(content, indent=indent, allow_nan=False)
    return _NUMBERS.sub(lambda found: " ".join(found.group().split()).replace("[ ", "[").replace(" ]", "]"), text)


_NUMBERS = re.compile(r"\[\s+-?\d[-+.\de,\s]*\]")


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def _plain(value: Value | None) -> Any:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {name: _plain(float(number)) for name, number in value.items()}
    return float(value) if math.isfinite(value) else None


def _number(value: float, digits: int) -> str:
    # adding zero removes the minus sign of zero
    return "-" if math.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}"


def _blocks(sections: Sequence[Section]) -> list[list[Section]]:
    """Yield sections one by one, but neighbours of a grid together."""
    blocks: list[list[Section]] = []
    for section in sections:
        last = blocks[-1][-1] if blocks else None
        if last is not None and section.in_grid and last.in_grid and [*last.entries] == [*section.entries]:
            blocks[-1].append(section)
        elif section.entries:
            blocks.append([section])
    return blocks


def _list(section: Section) -> list[str]:
    rows = [(_words(name), entry.format(), entry.right) for name, entry in section.entries.items()]
    return [section.name, *_aligned(rows)]


def _grid(sections: Sequence[Section]) -> list[str]:
    names = list(sections[0].entries)
    rows = [("", *map(_words, names))]
    rows += [(s.name, *(s.entries[name].format() for name in names)) for s in sections]
    return _aligned(rows, indent="")


def _aligned(rows: Sequence[tuple[str, ...]], indent: str = "  ") -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [indent + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _words(name: str) -> str:
    return name.replace("_", " ")
