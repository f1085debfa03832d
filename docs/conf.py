"""Configuration of the site (``make docs``), whose source is the root of the repository: links work here as there."""

from __future__ import annotations

import os
import re
import shutil
import sys
import types
from pathlib import Path

# The API reference documents kernels as the functions they were written as.
os.environ["NUMBA_DISABLE_JIT"] = "1"
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import mwlmc_data  # noqa: E402

project = "mwlmc-data"
author = "the mwlmc-data authors"
release = mwlmc_data.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc"]
root_doc = "README"
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/api/*.rst",
    "examples/*.ipynb",
    "examples/README.md",
    "findings/README.md",
]
exclude_patterns = [".*", "build", "dist"]
default_role = "code"
nitpicky = True
# Nothing is downloaded while the site is built, so links into other projects' references are not made.
nitpick_ignore_regex = [("py:.*", r"(numpy|collections|typing|pandas|astropy|torch)\..*")]

nb_execution_mode = "off"  # notebooks are shown as they are committed
nb_render_markdown_format = "gfm"
myst_heading_anchors = 3
myst_links_external_new_tab = False

# Docstrings are NumPy's, with types in them.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"no-value": True}
autodoc_mock_imports = ["agama"]
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"mwlmc-data {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": False}

#: The table of contents, which would be in the way in README.md itself: caption, then pages.
CONTENTS = {
    "Start": [
        "examples/README",
        "docs/PACKAGE",
        "docs/STARS",
        "docs/OBSERVATIONS",
        "docs/MILKY_WAY",
        "docs/SNAPSHOTS",
        "docs/api/index",
    ],
    "Benchmark": ["docs/BENCHMARK", "docs/RESULTS", "docs/information", "LEADERBOARD"],
    "Simulator": ["docs/ACCURACY", "docs/SPEED", "docs/live"],
    "Data": ["DATASET_CARD", "docs/MAKING_DATA", "docs/PUBLISHING"],
    "Development": ["CONTRIBUTING", "docs/CODE_MAP", "findings/README", "CHANGELOG"],
}
NOTEBOOKS = sorted(f"examples/{path.stem}" for path in (ROOT / "examples").glob("*.ipynb"))
#: Pages that are shown as they are in the repository, at the same place, with a way back to the site.
AS_THEY_ARE = ("docs/leaderboard.html",)


def add_contents(app, docname, source):
    """Append the table of contents to the pages that have one."""
    if docname == "README":
        for caption, pages in CONTENTS.items():
            source[0] += toctree(pages, f":caption: {caption}")
    if docname == "examples/README":
        source[0] += toctree(NOTEBOOKS)
    if docname.startswith("docs/api/"):
        source[0] = re.sub(r"^\.\. modules of (\S+)$", lambda found: modules(found[1]), source[0], flags=re.M)


def toctree(pages, *options):
    """A hidden table of contents in Markdown."""
    return "\n\n" + "\n".join(["```{toctree}", ":hidden:", *options, "", *(f"/{page}" for page in pages), "```"])


def modules(package):
    """What documents the modules of a package, its own subpackages left out."""
    folder = ROOT.joinpath(*package.split("."))
    names = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    blocks = [heading(package.rpartition(".")[2], "-") + f".. automodule:: {package}\n"]
    for name in names:
        blocks.append(heading(name, "~") + f".. automodule:: {package}.{name}\n   :members:\n")
    return "\n".join(blocks)


def heading(text, sign):
    """A heading of reStructuredText."""
    return f"{text}\n{sign * len(text)}\n\n"


def skip_public(app, what, name, obj, skip, options):
    """Leave out of a module's page what the page of public names documents, and what was only imported."""
    is_public = name in mwlmc_data.__all__ and getattr(mwlmc_data, name) is obj
    is_imported = isinstance(obj, type | types.GenericAlias) and not obj.__module__.startswith("mwlmc_data")
    return True if what == "module" and (is_public or is_imported) else None


def finish(app, exception):
    """Copy the pages that are shown as they are, and give the site its index.html."""
    if exception is None and app.builder.name == "html":
        out = Path(app.outdir)
        for page in AS_THEY_ARE:
            text = (ROOT / page).read_text(encoding="utf-8")
            home = f'<a href="../{root_doc}.html">mwlmc-data</a>'
            (out / page).write_text(text.replace("<nav>", f"<nav>{home}", 1), encoding="utf-8")
        shutil.copyfile(out / f"{root_doc}.html", out / "index.html")


def setup(app):
    """Connect the functions above."""
    app.connect("source-read", add_contents)
    app.connect("autodoc-skip-member", skip_public)
    app.connect("build-finished", finish)
