"""Pieces of a self-contained HTML page: no network, figures as embedded PNG, a script only where a page brings one."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Iterable, Sequence
from html import escape

from matplotlib.figure import Figure

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 Georgia, 'Times New Roman', serif; color: #1d2126; background: #fff;
       max-width: 54rem; margin: 2.5rem auto 5rem; padding: 0 1.25rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .6rem; padding-top: .8rem; border-top: 1px solid #d9dde2; }
h3 { font-size: 1.08rem; margin: 1.8rem 0 .4rem; }
p.lead { color: #555d66; margin-top: 0; }
table { border-collapse: collapse; font: 14px/1.4 system-ui, sans-serif; margin: .8rem 0 1rem; }
th, td { padding: .25rem .8rem .25rem 0; text-align: right; vertical-align: top; font-variant-numeric:
tabular-nums; } th { font-weight: 600; border-bottom: 1px solid #9aa2ab; }
td { border-bottom: 1px solid #eceef1; }
th:first-child, td:first-child, th.text, td.text { text-align: left; }
figure { margin: 1.2rem 0 1.6rem; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { font: 13.5px/1.45 system-ui, sans-serif; color: #555d66; margin-top: .4rem; }
.box { background: #f5f6f8; border-left: 3px solid #c8702a; padding: .6rem 1rem; margin: 1rem 0; }
.box p { margin: .3rem 0; }
.note { color: #555d66; font-size: .93rem; }
table.dense { font-size: 12px; } table.dense th, table.dense td { padding-right: .55rem; }
table.dense td:not(.text) { white-space: nowrap; }
i.swatch { display: inline-block; width: .65rem; height: .65rem; margin-right: .4rem; border-radius: 2px; }
details { margin: .5rem 0; } summary { cursor: pointer; font: 14px/1.6 system-ui, sans-serif; }
nav { font: 14px/1.6 system-ui, sans-serif; }
nav a { color: #2b5c8a; margin-right: 1rem; text-decoration: none; }
"""


def heading(text: str, anchor: str) -> str:
    """Heading of a section, with an anchor for the navigation."""
    return f'<h2 id="{escape(anchor, quote=True)}">{escape(text)}</h2>'


def subheading(text: str, anchor: str = "") -> str:
    """Heading inside a section, with an anchor for links if one is given."""
    attribute = f' id="{escape(anchor, quote=True)}"' if anchor else ""
    return f"<h3{attribute}>{escape(text)}</h3>"


def paragraph(text: str, kind: str = "") -> str:
    """Paragraph of plain text; `kind` is a class of the style."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{escape(text)}</p>"


def box(html: str) -> str:
    """HTML set apart from the text around it."""
    return f'<div class="box">{html}</div>'


def bullets(items: Iterable[str]) -> str:
    """List of plain texts."""
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def details(summary: str, html: str) -> str:
    """HTML folded away under a line of plain text."""
    return f"<details><summary>{escape(summary)}</summary>{html}</details>"


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    text_columns: Sequence[int] = (),
    bold: Collection[tuple[int, int]] = (),
    swatches: Sequence[str | None] = (),
    kind: str = "",
) -> str:
    """Table of plain texts.

    Parameters
    ----------
    header : sequence of str
        Of the columns.
    rows : iterable of sequence of str
        Cells.
    text_columns : sequence of int
        Columns set flush left, as the first always is.
    bold : collection of (row, column)
        Cells in bold.
    swatches : sequence of str or None
        Colour shown before the first cell of each row; None for none.
    kind : str
        Class of the style: "dense" for tables of many columns.

    Returns
    -------
    str
    """

    def cell(tag: str, k: int, content: str, stressed: bool = False, color: str | None = None) -> str:
        attribute = ' class="text"' if k in text_columns else ""
        inner = f"<strong>{escape(content)}</strong>" if stressed else escape(content)
        mark = f'<i class="swatch" style="background:{escape(color, quote=True)}"></i>' if color else ""
        return f"<{tag}{attribute}>{mark}{inner}</{tag}>"

    head = "".join(cell("th", k, content) for k, content in enumerate(header))
    colors = dict(enumerate(swatches))
    body = ""
    for i, row in enumerate(rows):
        cells = (
            cell("td", k, content, (i, k) in bold, colors.get(i) if k == 0 else None) for k, content in enumerate(row)
        )
        body += f"<tr>{''.join(cells)}</tr>"
    opening = f'<table class="{escape(kind, quote=True)}">' if kind else "<table>"
    return f"{opening}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def image(figure: Figure, caption: str, dpi: int = 150) -> str:
    """Embed a figure with its caption, which is also its alternative text."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    width = int(figure.get_figwidth() * 96)
    words = escape(caption, quote=True)
    return (
        f'<figure><img src="data:image/png;base64,{data}" width="{width}" alt="{words}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def document(
    title: str, lead: str, sections: Sequence[tuple[str, str, str]], style: str = "", script: str = ""
) -> str:
    """Assemble a page.

    Parameters
    ----------
    title, lead : str
        Title and the line below it.
    sections : sequence of (anchor, heading, HTML)
        In order.
    style, script : str
        CSS after that of every page, and JavaScript that runs once the page is there.

    Returns
    -------
    str
        HTML that refers to nothing outside itself.
    """
    links = "".join(f'<a href="#{escape(a, quote=True)}">{escape(name)}</a>' for a, name, _ in sections)
    body = "\n".join(heading(name, anchor) + content for anchor, name, content in sections)
    code = f"<script>{script}</script>\n" if script else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}{style}</style></head>'
        f"<body><h1>{escape(title)}</h1>{paragraph(lead, 'lead')}<nav>{links}</nav>\n{body}\n{code}</body></html>\n"
    )
