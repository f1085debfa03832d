"""The leaderboard as one HTML page that can be sorted and filtered, and is a plain table without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.common import page
from benchmarks.leaderboard_text import ABOUT, COLUMNS, RANKINGS, difference_text, metric_text
from benchmarks.suite.report.values import MISSING
from mwlmc_data import list_tasks
from mwlmc_data.scoring.report import NOT_POSSIBLE

#: Beside the pages that refer to it.
PAGE = Path(__file__).resolve().parent.parent / "docs" / "leaderboard.html"
_SCRIPT = Path(__file__).with_suffix(".js")
_STYLE = """
body { max-width: none; margin: 2rem 2rem 5rem; }
p, ul, details { max-width: 54rem; }
[hidden] { display: none !important; }
form { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: baseline; margin: 1rem 0;
       font: 14px/1.6 system-ui, sans-serif; }
input, select, form button { font: inherit; }
.scroll { overflow-x: auto; }
table { font-size: 13px; }
th { vertical-align: bottom; }
th, td { padding: .25rem .9rem .25rem 0; }
td { white-space: nowrap; }
tbody tr:hover { background: #f5f6f8; }
th button { font: inherit; color: #2b5c8a; background: none; border: 0; padding: 0; text-align: inherit;
            cursor: pointer; }
th button:hover { text-decoration: underline; }
th[aria-sort=ascending] button::after { content: " \\25B2"; }
th[aria-sort=descending] button::after { content: " \\25BC"; }
"""
_FILTERS = (
    '<form hidden><label>Method <input type="search" name="method" placeholder="words of its name"></label>'
    '<label>Task <select name="task"><option value="">all</option>{tasks}</select></label>'
    '<label><input type="checkbox" name="ranked"> only entries with a rank</label>'
    '<button type="reset">Show all</button><output aria-live="polite"></output>'
    "<span>Click a column heading to sort by it.</span></form>"
)


class Cell(NamedTuple):
    """What a cell shows, and the number or text that it is sorted by; empty where there is none."""

    text: str
    value: float | str


def html(board: Mapping[str, Any]) -> str:
    """Return the leaderboard as a page.

    Parameters
    ----------
    board : mapping
        As `benchmarks.leaderboard.rebuild` makes it, and leaderboard.json holds it.

    Returns
    -------
    str
        HTML that refers to nothing outside itself.
    """
    lead = (
        f"Scores of the tasks of mwlmc-data {board['data']}, best energy score first. LEADERBOARD.md has the same "
        "tables as text; python -m benchmarks leaderboard writes both."
    )
    options = "".join(f"<option>{escape(task)}</option>" for task in board["tasks"])
    what = list_tasks()
    top = f"<details><summary>What the columns mean</summary>{_explained(ABOUT)}</details>"
    sections = [
        ("columns", "Columns and filters", top + _FILTERS.format(tasks=options)),
        *((_anchor(task), task, _section(task, what[task], entries)) for task, entries in board["tasks"].items()),
    ]
    return page.document("Leaderboard", lead, sections, _STYLE, _SCRIPT.read_text(encoding="utf-8"))


def write(board: Mapping[str, Any]) -> Path:
    """Write the page into `docs/`, and return its path."""
    PAGE.write_text(html(board), encoding="utf-8")
    return PAGE


def columns(entries: Sequence[Mapping[str, Any]]) -> dict[str, list[Cell]]:
    """Return the columns of a task.

    Parameters
    ----------
    entries : sequence of mapping
        Of the task, in their order.

    Returns
    -------
    dict of str to list of Cell
        By heading; a metric of several parameters has a column for each.
    """
    known = [name for name in COLUMNS if any(name in entry["metrics"] for entry in entries)]
    table = {
        "rank": [_rank(i, entry) for i, entry in enumerate(entries)],
        "method": [_method(entry) for entry in entries],
        "seeds": [_count(len(entry["seeds"])) for entry in entries],
    }
    for name in known:
        table |= _of_metric(name, [entry["metrics"].get(name) for entry in entries])
        if name in RANKINGS:
            table["minus rank 1"] = [_difference(entry["less_first"]) for entry in entries]
    costs = {"cpu_seconds": "CPU [s]", "simulations": "simulations", "parameters": "parameters"}
    return table | {title: [_count(entry["cost"][key]) for entry in entries] for key, title in costs.items()}


def _section(task: str, about: str, entries: Sequence[Mapping[str, Any]]) -> str:
    """The table of a task, with the sort key of each cell."""
    table = columns(entries)
    is_text = {"method"}
    head = "".join(f'<th scope="col"{_kind(title in is_text)}{_sorted(title)}>{escape(title)}</th>' for title in table)
    body = ""
    for entry, row in zip(entries, zip(*table.values(), strict=True), strict=True):
        cells = "".join(
            f'<td{_kind(title in is_text)} data-value="{escape(str(cell.value), quote=True)}">{escape(cell.text)}</td>'
            for title, cell in zip(table, row, strict=True)
        )
        ranked = "no" if entry["not_possible"] else "yes"
        body += f'<tr data-method="{escape(entry["title"], quote=True)}" data-ranked="{ranked}">{cells}</tr>'
    caption = page.paragraph(about)
    return (
        f'<section data-task="{escape(task, quote=True)}">{caption}<div class="scroll"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>"
    )


def _of_metric(name: str, metrics: Sequence[Mapping[str, Any] | None]) -> dict[str, list[Cell]]:
    """The column of a metric, or one for each of its parameters."""
    parameters = next((list(m["value"]) for m in metrics if m and isinstance(m["value"], Mapping)), None)
    if parameters is None:
        return {COLUMNS[name]: [_number(name, metric) for metric in metrics]}
    return {
        f"{COLUMNS[name]} {parameter}": [
            _number(name, metric and {"value": metric["value"][parameter], "error": None}) for metric in metrics
        ]
        for parameter in parameters
    }


def _number(name: str, metric: Mapping[str, Any] | None) -> Cell:
    is_known = metric is not None and metric["value"] is not None
    return Cell(metric_text(name, metric), metric["value"] if metric is not None and is_known else "")


def _count(number: float) -> Cell:
    return Cell(f"{number:,.0f}", number)


def _rank(i: int, entry: Mapping[str, Any]) -> Cell:
    return Cell(MISSING, "") if entry["not_possible"] else Cell(str(i + 1), i + 1)


def _method(entry: Mapping[str, Any]) -> Cell:
    title = entry["title"]
    return Cell(f"{title}: {NOT_POSSIBLE}" if entry["not_possible"] else title, title)


def _difference(less: Mapping[str, Any] | None) -> Cell:
    return Cell(difference_text(less), 0.0 if less is None else less["value"])


def _kind(is_text: bool) -> str:
    return ' class="text"' if is_text else ""


def _sorted(title: str) -> str:
    return ' aria-sort="ascending"' if title == "rank" else ""


def _anchor(task: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", task.lower())


def _explained(text: str) -> str:
    """The bullets of a text in Markdown, with what is bold and what is code."""
    return f"<ul>{''.join(f'<li>{item}</li>' for item in _bullets(text))}</ul>"


def _bullets(text: str) -> Iterator[str]:
    for item in re.findall(r"^- (.*(?:\n  .*)*)", text, flags=re.MULTILINE):
        words = escape(re.sub(r"\s+", " ", item))
        yield re.sub(r"`([^`]+)`", r"<code>\1</code>", re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", words))
