"""Check a built site: ``python docs/check_site.py build/docs``. Every problem is a line, and the exit status is 1.

Every internal link and anchor has to exist, and a page may load nothing from elsewhere: the site needs no network.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: What a page loads by itself, as against links that a reader follows.
LOADED = {
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "img": "src",
    "link": "href",
    "object": "data",
    "script": "src",
    "source": "src",
    "video": "src",
}
#: Values of rel with which a browser does not load what a <link> refers to.
ONLY_NAMED = {"author", "canonical", "help", "index", "license", "next", "prev", "search"}


class Page(HTMLParser):
    """Anchors, links and loaded files of a page.

    Parameters
    ----------
    text : str
        HTML.

    Attributes
    ----------
    anchors : set of str
        Names that a link can reach.
    links : list of str
        What a reader can follow.
    loaded : list of str
        What the page loads by itself.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of a tag."""
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag in ("a", "area") and "href" in found:
            self.links.append(found["href"])
        is_only_named = tag == "link" and set(found.get("rel", "").split()) <= ONLY_NAMED
        if found.get(LOADED.get(tag, "")):
            (self.links if is_only_named else self.loaded).append(found[LOADED[tag]])


def problems(site: Path) -> Iterator[str]:
    """Say what is wrong with a site.

    Parameters
    ----------
    site : Path
        Folder of its pages.

    Yields
    ------
    str
        A sentence for each problem, with the page.

    Raises
    ------
    ValueError
        If there are no pages.
    """
    root = site.resolve()
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(root.rglob("*.html"))}
    if not pages:
        raise ValueError(f"site = {str(site)!r}: allowed is a folder with HTML pages")
    for path, page in pages.items():
        name = path.relative_to(root).as_posix()
        for address in page.loaded:
            if urlsplit(address).scheme not in ("", "data") or address.startswith("//"):
                yield f"{name} loads {address}"
        for address in page.links + page.loaded:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if root not in (target, *target.parents):
                yield f"{name} links to {address}, which is outside the site"
            elif not target.is_file():
                yield f"{name} links to {address}, which does not exist"
            elif target in pages and parts.fragment and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{name} links to {address}, which has no such anchor"


def main(site: Path) -> int:
    """Print the problems of a site; exit status 1 if there are any."""
    found = list(problems(site))
    print("\n".join(found) if found else f"{site}: every internal link exists, and nothing is loaded from elsewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
