"""Pieces of a self-contained HTML page: no script, no network, figures as embedded PNG."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
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
nav { font: 14px/1.6 system-ui, sans-serif; }
nav a { color: #2b5c8a; margin-right: 1rem; text-decoration: none; }
"""


def heading(text: str, anchor: str) -> str:
    """Heading of a section that the navigation can reach."""
    return f'<h2 id="{escape(anchor, quote=True)}">{escape(text)}</h2>'


def subheading(text: str) -> str:
    """Heading inside a section."""
    return f"<h3>{escape(text)}</h3>"


def paragraph(text: str, kind: str = "") -> str:
    """Paragraph of plain text; `kind` is a class of the style."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{escape(text)}</p>"


def box(html: str) -> str:
    """Set HTML apart from the text around it."""
    return f'<div class="box">{html}</div>'


def bullets(items: Iterable[str]) -> str:
    """List of plain texts."""
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], text_columns: Sequence[int] = ()) -> str:
    """Table of plain texts; the first column and `text_columns` are set to the left."""

    def cell(tag: str, k: int, content: str) -> str:
        kind = ' class="text"' if k in text_columns else ""
        return f"<{tag}{kind}>{escape(content)}</{tag}>"

    head = "".join(cell("th", k, c) for k, c in enumerate(header))
    body = "".join("<tr>" + "".join(cell("td", k, c) for k, c in enumerate(row)) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def image(figure: Figure, caption: str, dpi: int = 150) -> str:
    """Embed a figure with its caption, which is its alternative text too."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    width = int(figure.get_figwidth() * 96)
    words = escape(caption, quote=True)
    return (
        f'<figure><img src="data:image/png;base64,{data}" width="{width}" alt="{words}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def document(title: str, lead: str, sections: Sequence[tuple[str, str, str]]) -> str:
    """Assemble a whole page.

    Parameters
    ----------
    title, lead : str
        Title and the line below it.
    sections : sequence of (anchor, heading, HTML)
        In order.

    Returns
    -------
    str
        HTML that refers to nothing outside itself.
    """
    links = "".join(f'<a href="#{escape(a, quote=True)}">{escape(name)}</a>' for a, name, _ in sections)
    body = "\n".join(heading(name, anchor) + content for anchor, name, content in sections)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><h1>{escape(title)}</h1>{paragraph(lead, 'lead')}<nav>{links}</nav>\n{body}\n</body></html>\n"
    )
