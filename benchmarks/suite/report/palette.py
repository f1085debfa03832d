"""The colour, marker and place of each baseline, the same in every figure and table."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.colors import to_hex, to_rgb

from mwlmc_data.plotting.style import GREY

#: Colour and marker by name, from plain to elaborate; after Okabe & Ito and Tol, for any colour vision.
STYLES: dict[str, tuple[str, str]] = {
    "prior": (GREY, "x"),
    "rejection-abc": ("#7a5230", "v"),
    "linear-gaussian": ("#b8a41c", "s"),
    "mdn": ("#117733", "^"),
    "maf": ("#0072b2", "o"),
    "nsf": ("#e69f00", "D"),
    "nsf-ensemble": ("#882255", "P"),
    "fmpe": ("#56b4e9", "<"),
    "npse": ("#6f4fa0", ">"),
    "nle": ("#44aa99", "h"),
    "nsf-corrected": ("#cc79a7", "*"),
}
#: For baselines without a style of their own.
SPARE = (("#332288", "p"), ("#999933", "X"), ("#ddcc77", "d"), ("#661100", "8"))
#: Colour of the reference posteriors.
REFERENCE = "#30343a"


def sort_names(names: Iterable[str]) -> list[str]:
    """Sort names of baselines in the order of tables and legends; unknown ones last, alphabetically."""
    found = set(names)
    return [name for name in STYLES if name in found] + sorted(found - set(STYLES))


def choose_styles(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Choose colour and marker of each baseline, in order."""
    spare = sorted(set(names) - set(STYLES))
    own = {name: SPARE[i % len(SPARE)] for i, name in enumerate(spare)}
    return {name: STYLES.get(name) or own[name] for name in sort_names([*own, *names])}


def make_shades(color: str) -> tuple[str, str, str]:
    """Make three shades of a colour for contours, from pale to full."""
    r, g, b = (1.0 - c for c in to_rgb(color))
    pale, middle = (to_hex((1.0 - w * r, 1.0 - w * g, 1.0 - w * b)) for w in (0.25, 0.6))
    return pale, middle, color
