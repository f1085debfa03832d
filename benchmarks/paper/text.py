"""Tables and paragraphs as plain text for the terminal."""

from __future__ import annotations

import textwrap

#: Characters of a line.
WIDTH = 98


def align_columns(rows: list[tuple[str, ...]], widths: tuple[int, ...]) -> list[str]:
    """Align columns: the first and last to the left, with a rule below the header."""
    out = []
    for i, row in enumerate(rows):
        last = len(row) - 1
        cells = [_fit(c, w, left=k in (0, last)) for k, (c, w) in enumerate(zip(row, widths, strict=True))]
        out.append(" ".join(cells).rstrip())
        if i == 0:
            out.append("-" * min(WIDTH, sum(widths) + len(widths) - 1))
    return out


def _fit(cell: str, width: int, left: bool) -> str:
    cell = cell if len(cell) <= width else cell[: width - 1] + "…"
    return cell.ljust(width) if left else cell.rjust(width)


def wrap(text: str, indent: str = "") -> list[str]:
    """Break text at `WIDTH`."""
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")
