"""What all figures share: colours, sizes, new figures, and the import of optional libraries."""

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


def import_optional(module: str) -> Any:
    """Import a module of an optional library.

    Raises
    ------
    ImportError
        If the library is not installed; the message names the extra to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise ImportError(f'plots need {library} ({error}): pip install "mwlmc-data[plot]"') from error


def new_figure(width: float, height: float, layout: str = "constrained") -> Figure:
    """Make a figure of this size [inches] whose parts do not overlap, and which a notebook shows."""
    figure = import_optional("matplotlib.figure").Figure(figsize=(width, height), layout=layout)
    # without this, a notebook shows figures only after pyplot is imported
    figure._repr_png_ = functools.partial(_png, figure)
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, bbox_inches="tight")
    return buffer.getvalue()


def tidy(ax: Axes, size: float = SMALL) -> Axes:
    """Remove the upper and right lines of the frame, and set the size of the numbers."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=size)
    return ax
