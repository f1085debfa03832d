"""Corner plots of columns of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mwlmc_data.arguments.arrays import as_float, as_floats, as_names
from mwlmc_data.arguments.tabular import as_row, as_table
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset import schema
from mwlmc_data.plotting.style import BLUE, GREY, LARGE, MEDIUM, RED, SMALL, import_optional, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Maximum number of columns of a plot.
MAX_COLUMNS = 16
#: Size of a panel, of the left and lower margins, and of the right and upper margins [inches].
PANEL, LOWER, UPPER = 1.9, 1.1, 0.5
#: Fractions of the rows inside the contours.
LEVELS = (0.39, 0.68, 0.95)
#: Bins of each axis for a table that is drawn behind another.
_N_BINS_BEHIND = 25
#: Unit in which masses are drawn [Msun], and its name.
_MASSES = {
    **dict.fromkeys(("m200_mw", "m_mw_50"), (1e11, "1e11 Msun")),
    **dict.fromkeys(("m_lmc", "m_lmc_8p7", "m_lmc_50"), (1e10, "1e10 Msun")),
}


def corner_plot(
    table: Any,
    columns: Sequence[str],
    truths: Any = None,
    title: str | None = None,
    behind: Any = None,
) -> Figure:
    """Draw the distributions of columns of a table, and of every pair of them, with contours of 39, 68 and 95%.

    Needs corner (extra ``plot``; Foreman-Mackey 2016). The figure does not use pyplot; a notebook shows it, and
    ``.savefig(path)`` writes it.

    Parameters
    ----------
    table : table
        A catalogue, or draws of a prior or a posterior, in any form that :func:`~mwlmc_data.simulate_many` takes; units
        are converted. Masses are drawn in units of 1e10 and 1e11 Msun.
    columns : sequence of str
        Names of up to 16 numeric columns, in the order to draw. Units come from the schema of the catalogue.
    truths : mapping of str to float, or a row of a table, optional
        Values to mark, in the units of the table; those of columns that are not drawn are ignored, so that a row of a
        catalogue may be given.
    title : str, optional
        Heading.
    behind : table, optional
        A second table with these columns, such as draws of the prior: drawn behind, in grey, on axes that hold its
        central 99%.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is unknown, repeats, or holds text, a mask or a number that is not finite; if there are no columns
        or too many; if the table has fewer rows than columns; or if a truth is not a finite number.
    ImportError
        If corner or matplotlib is not installed.

    Examples
    --------
    >>> table = load_catalogue("test")                                     # doctest: +SKIP
    >>> corner_plot(table, ["m_lmc", "v_travel", "l_apex"], truths=table.iloc[0])    # doctest: +SKIP
    """
    names, values = _read("table", table, columns)
    second = None if behind is None else _read("behind", behind, names)[1]
    known = {} if truths is None else as_row("truths", truths)
    marks = [_truth(known, name) for name in names]
    corner = import_optional("corner")
    size = max(PANEL * len(names) + LOWER + UPPER, 4.5)
    figure = new_figure(size, size, layout="none")
    spans = [_span(column, mark) for column, mark in zip(values.T, marks, strict=True)]
    if second is not None:
        ends = np.percentile(second, (0.5, 99.5), axis=0).T
        spans = [(min(low, a), max(high, b)) for (low, high), (a, b) in zip(spans, ends, strict=True)]
        corner.corner(
            second,
            fig=figure,
            range=spans,
            color=GREY,
            levels=LEVELS[1:],
            plot_density=False,
            plot_datapoints=False,
            bins=_N_BINS_BEHIND,
            smooth=1.0,
            hist_kwargs={"lw": 1.0, "density": True},
            contour_kwargs={"linewidths": 0.8},
        )
    corner.corner(
        values,
        fig=figure,
        labels=[label(name).replace(" [", "\n[") for name in names],
        truths=marks,
        range=spans,
        color=BLUE,
        truth_color=RED,
        levels=LEVELS,
        fill_contours=True,
        plot_density=False,
        # odd, so that a column of one value lies in the middle of a bin
        bins=int(np.clip(1.5 * np.cbrt(len(values)), 12, 32)) | 1,
        smooth=1.0,
        label_kwargs={"fontsize": MEDIUM},
        max_n_ticks=4,
        data_kwargs={"ms": 1.5 if len(values) > 2000 else 3.0, "alpha": float(np.clip(1e3 / len(values), 0.1, 1.0))},
        hist_kwargs={"lw": 1.4, "density": second is not None},
    )
    figure.subplots_adjust(left=LOWER / size, bottom=LOWER / size, right=1 - UPPER / size, top=1 - UPPER / size)
    is_constant = np.ptp(values, axis=0) == 0
    for k, ax in enumerate(figure.axes):
        ax.tick_params(labelsize=SMALL)
        row, column = divmod(k, len(names))
        if is_constant[row] or is_constant[column]:
            # smoothed contours would give a single value a width; the points stay
            for contours in list(ax.collections):
                contours.remove()
    if title is not None:
        figure.suptitle(title, fontsize=LARGE)
    return figure


def _read(what: str, table: Any, columns: Sequence[str]) -> tuple[list[str], Float64Array]:
    """Names and values (n, k) of the columns, in the units in which they are drawn."""
    given = as_table(what, table)
    names = _check_names(what, given, columns)
    numbers = [as_floats(f"{what}[{n!r}]", given[n], unit=schema.get_input_unit(n), shape=("n",)) for n in names]
    if len({len(column) for column in numbers}) > 1:
        raise ValueError(f"{what} = columns of lengths {[len(column) for column in numbers]}: allowed is one length")
    values = np.stack([column / _scale(name) for column, name in zip(numbers, names, strict=True)], axis=1)
    if len(values) < max(2, len(names)):
        needed = max(2, len(names))
        raise ValueError(f"{what} = {len(values)} rows: allowed are {needed} or more for {len(names)} columns")
    return names, values


def label(name: str) -> str:
    """A column's name and, if the schema knows it, its unit in the figure."""
    if name not in schema.CATALOGUE_NAMES:
        return name
    unit = _MASSES[name][1] if name in _MASSES else schema.get_column(name).unit
    return f"{name} [{unit}]" if unit else name


def _scale(name: str) -> float:
    return _MASSES[name][0] if name in _MASSES else 1.0


def _check_names(what: str, table: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    """Check that each name is a column of the table and occurs once."""
    names = list(as_names("columns", columns))
    if not 1 <= len(names) <= MAX_COLUMNS or len(set(names)) < len(names):
        raise ValueError(f"columns = {names!r}: allowed are 1 to {MAX_COLUMNS} names, each once")
    for name in names:
        if name not in table:
            allowed = ", ".join(str(key) for key in table if key not in schema.TEXT)
            if what != "table":
                raise ValueError(f"{what} lacks {name!r}: allowed is a table with all of {', '.join(names)}")
            raise ValueError(f"columns = {name!r}: allowed are {allowed}")
    return names


def _truth(truths: Mapping[str, Any], name: str) -> float | None:
    if name not in truths:
        return None
    return as_float(f"truths[{name!r}]", truths[name], unit=schema.get_input_unit(name)) / _scale(name)


def _span(values: Float64Array, mark: float | None) -> tuple[float, float]:
    """Limits of an axis: all values and the mark, with room about a single value."""
    shown = values if mark is None else np.append(values, mark)
    low, high = float(shown.min()), float(shown.max())
    if low < high:
        # a mark beyond the values would otherwise lie on the frame
        room = 0.03 * (high - low) if mark in (low, high) else 0.0
    else:
        room = 0.05 * abs(low) or 0.5
    return low - room, high + room
