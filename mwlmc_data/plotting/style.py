"""What the figures have in common: colours, a new figure, and what a missing library is answered with."""

from __future__ import annotations

import functools
import importlib
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY, RED = "#2b5c8a", "#c8702a", "#3c7d4a", "#8a8f98", "#b5332e"
PALE = "#d5e0ec"
YELLOW = "#f2c230"
#: Sizes of text [points].
SMALL, MEDIUM, LARGE = 9, 11, 13


def needed(module: str) -> Any:
    """Import a module of an optional library.

    Raises
    ------
    ImportError
        If the library is not installed; the message names the extra that brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise ImportError(f'plots need {library} ({error}): pip install "mwlmc-data[plot]"') from error


def new_figure(width: float, height: float, layout: str = "constrained") -> Figure:
    """Return a figure of that size [inches] whose parts keep clear of one another, and which a notebook shows."""
    figure = needed("matplotlib.figure").Figure(figsize=(width, height), layout=layout)
    # A notebook shows figures by itself only once pyplot is loaded.
    figure._repr_png_ = functools.partial(_png, figure)
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, bbox_inches="tight")
    return buffer.getvalue()


def tidy(ax: Axes, size: float = SMALL) -> Axes:
    """Remove the frame's upper and right line, and set the size of the numbers."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=size)
    return ax
