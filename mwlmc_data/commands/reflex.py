"""`mwlmc reflex`: fit the reflex motion to a file of stars."""

from __future__ import annotations

import argparse
import math
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from mwlmc_data.commands.common import PHASE_SPACE, add_json, get_reflex_numbers, print_json, print_reflex
from mwlmc_data.commands.star_files import StarFile, read_stars

if TYPE_CHECKING:
    import numpy as np

    from mwlmc_data.simulator import Reflex

_CARTESIAN = {name: "km/s" if name.startswith("v") else "kpc" for name in PHASE_SPACE}
_VELOCITIES = {"v_los": "km/s", "pm_l": "mas/yr", "pm_b": "mas/yr"}
_OBSERVABLES = {"l": "deg", "b": "deg", "distance": "kpc", **_VELOCITIES}
_ERRORS = {f"err_{name}": _OBSERVABLES[name] for name in ("distance", *_VELOCITIES)}
_CORRELATION = {"corr_pm": ""}
#: Number of names in a header, and of characters in a name, that a message shows.
_NAMES, _SHOWN = 12, 60
_MAY_BE_EMPTY = {*_VELOCITIES, *(f"err_{name}" for name in _VELOCITIES), *_CORRELATION}


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser of the command."""
    reflex = commands.add_parser(
        "reflex",
        help="fit the reflex motion to a file of stars",
        description=(
            f"Fit the reflex motion to stars in an .npz, .csv, .parquet, .fits, .ecsv or .vot file with the columns "
            f"{', '.join(_CARTESIAN)} (Galactocentric, kpc and km/s), or {', '.join([*_OBSERVABLES, *_ERRORS])} (deg, "
            f"kpc, km/s, mas/yr) and, if known, {', '.join(_CORRELATION)}. An empty cell or NaN in "
            f"{', '.join(_VELOCITIES)} means that the value is not measured. A file with both kinds of columns needs "
            "--cartesian or --observed."
        ),
    )
    reflex.add_argument("file", type=Path, metavar="FILE")
    kind = reflex.add_mutually_exclusive_group()
    kind.add_argument("--cartesian", action="store_true", help="fit positions and velocities, taken to be exact")
    kind.add_argument("--observed", action="store_true", help="fit observables with errors")
    reflex.add_argument("--r-min", type=float, default=50.0, metavar="kpc", help="minimum radius (default: 50)")
    reflex.add_argument(
        "--r-max", type=float, default=math.inf, metavar="kpc", help="maximum radius (default: none)"
    )
    add_json(reflex)
    reflex.set_defaults(run=_reflex)


def _reflex(options: argparse.Namespace) -> int:
    stars = read_stars(options.file, [*_CARTESIAN, *_OBSERVABLES, *_ERRORS, *_CORRELATION])
    is_observed = _is_observed(stars, options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reflex = (_fit_observed if is_observed else _fit_cartesian)(stars, options.r_min, options.r_max)
    for warning in caught:
        print(f"warning: {warning.message}", file=sys.stderr)
    measured = dict(zip(_VELOCITIES, reflex.n_measured, strict=True))
    if options.json:
        fitted = "observed" if is_observed else "cartesian"
        print_json({**get_reflex_numbers(reflex), "fitted": fitted, "n_measured": measured})
        return 0
    if is_observed:
        counts = ", ".join(f"{name} {count}" for name, count in measured.items())
        correlation = "and corr_pm" if "corr_pm" in stars.columns else "(no column corr_pm)"
        what = f"{', '.join(_OBSERVABLES)} with errors {correlation}"
        print(f"fitted: {what}; of {reflex.n_stars} stars measured: {counts}")
    else:
        print(f"fitted: {', '.join(_CARTESIAN)}, taken to be exact")
    print_reflex(reflex)
    return 0


def _is_observed(stars: StarFile, options: argparse.Namespace) -> bool:
    """Choose what to fit from the columns in the file; with both kinds of columns, the user has to choose."""
    lacks_cartesian = [name for name in _CARTESIAN if name not in stars.columns]
    lacks_observed = [name for name in (*_OBSERVABLES, *_ERRORS) if name not in stars.columns]
    if options.observed or options.cartesian:
        missing = lacks_observed if options.observed else lacks_cartesian
        if missing:
            hint = ", where a column of what is not measured is empty" if options.observed else ""
            raise ValueError(
                f"{stars.path} lacks the columns {missing}: allowed is a table with all of them{hint}; {_header(stars)}"
            )
        return options.observed
    if lacks_cartesian and lacks_observed:
        raise ValueError(
            f"{stars.path} lacks the columns {lacks_cartesian} of a Cartesian table, and {lacks_observed} of an "
            f"observed one: allowed is a table with all of either; {_header(stars)}"
        )
    errors = [name for name in _ERRORS if name in stars.columns]
    if not lacks_cartesian and errors:
        raise ValueError(
            f"{stars.path} holds Cartesian columns, and the errors {', '.join(errors)} of observables, which a fit to "
            "those leaves out: allowed is --cartesian or --observed"
        )
    return bool(lacks_cartesian)


def _header(stars: StarFile) -> str:
    """List the names in a file: they reveal an unexpected separator, or a # before the first name."""
    shown = ", ".join(repr(name[:_SHOWN]) for name in stars.header[:_NAMES])
    return f"its header is {shown}" + f" and {len(stars.header) - _NAMES} more" * (len(stars.header) > _NAMES)


def _refuse_other_correlations(stars: StarFile) -> None:
    """Refuse a correlation of the proper motions under another name, which would silently be left out."""
    from mwlmc_data.simulator.observed_columns import is_correlation

    for name in stars.header:
        if name not in _CORRELATION and is_correlation(name):
            raise ValueError(
                f"{stars.path} has a column {name!r}, which has no meaning here: allowed is corr_pm for the "
                "correlation of pm_l and pm_b; do you mean 'corr_pm'? (if not, leave the column out)"
            )


def _fit_cartesian(stars: StarFile, r_min: float, r_max: float) -> Reflex:
    import numpy as np

    from mwlmc_data.simulator import fit_reflex

    phase_space = np.stack([_column(stars, name, unit) for name, unit in _CARTESIAN.items()], axis=1)
    return fit_reflex(phase_space[:, :3], phase_space[:, 3:], r_min, r_max)


def _fit_observed(stars: StarFile, r_min: float, r_max: float) -> Reflex:
    from mwlmc_data.simulator import fit_reflex_observed

    _refuse_other_correlations(stars)
    columns = {name: _column(stars, name, unit) for name, unit in _OBSERVABLES.items()}
    errors = {name.removeprefix("err_"): _column(stars, name, unit) for name, unit in _ERRORS.items()}
    if "corr_pm" in stars.columns:
        errors["corr"] = _column(stars, "corr_pm", "")
    return fit_reflex_observed(**columns, errors=errors, r_min=r_min, r_max=r_max)


def _column(stars: StarFile, name: str, unit: str) -> np.ndarray:
    """Take a column; refuse an empty cell where the fit needs a number."""
    import numpy as np

    numbers = stars.numbers(name, unit)
    empty = np.flatnonzero(np.isnan(numbers))
    if len(empty) and name not in _MAY_BE_EMPTY:
        others = f" and {len(empty) - 1} more of {len(numbers)}" if len(empty) > 1 else ""
        raise ValueError(
            f"{stars.path}: column {name} has no number in row {empty[0]}{others}: allowed are finite numbers"
        )
    return numbers
