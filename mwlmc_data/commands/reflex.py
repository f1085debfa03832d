"""`mwlmc reflex`: fit the reflex motion to a file of stars."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mwlmc_data.commands.common import PHASE_SPACE, add_json, print_json, print_reflex, reflex_numbers

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_OBSERVABLES = ("l", "b", "distance", "v_los", "pm_l", "pm_b")
_ERRORS = ("err_distance", "err_v_los", "err_pm_l", "err_pm_b")
_CORRELATION = "corr_pm"


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser of the command."""
    reflex = commands.add_parser(
        "reflex",
        help="fit the reflex motion to a file of stars",
        description=(
            f"Fit the reflex motion to stars in an .npz, .csv or .parquet file with the columns "
            f"{', '.join(PHASE_SPACE)} (Galactocentric, kpc and km/s), or with --observed "
            f"{', '.join(_OBSERVABLES + _ERRORS)} (deg, kpc, km/s, mas/yr) and, if known, {_CORRELATION}."
        ),
    )
    reflex.add_argument("file", type=Path, metavar="FILE")
    reflex.add_argument("--observed", action="store_true", help="the file holds observables with errors")
    reflex.add_argument("--r-min", type=float, default=50.0, metavar="kpc", help="least radius (default: 50)")
    reflex.add_argument(
        "--r-max", type=float, default=math.inf, metavar="kpc", help="greatest (default: none)"
    )
    add_json(reflex)
    reflex.set_defaults(run=_reflex)


def _reflex(options: argparse.Namespace) -> int:
    needed = _OBSERVABLES + _ERRORS if options.observed else PHASE_SPACE
    stars = _read_stars(options.file, needed)
    from mwlmc_data.simulator import fit_reflex, fit_reflex_observed

    if options.observed:
        errors = {name.removeprefix("err_"): stars[name] for name in _ERRORS}
        if _CORRELATION in stars:
            errors["corr"] = stars[_CORRELATION]
        reflex = fit_reflex_observed(
            stars["l"],
            stars["b"],
            stars["distance"],
            stars["v_los"],
            stars["pm_l"],
            stars["pm_b"],
            errors,
            r_min=options.r_min,
            r_max=options.r_max,
        )
    else:
        import numpy as np

        phase_space = np.stack([stars[name] for name in PHASE_SPACE], axis=1)
        reflex = fit_reflex(phase_space[:, :3], phase_space[:, 3:], options.r_min, options.r_max)
    if options.json:
        print_json(reflex_numbers(reflex))
    else:
        print_reflex(reflex)
    return 0


def _read_stars(path: Path, needed: Sequence[str]) -> dict[str, np.ndarray]:
    """Read the needed columns, and the correlation where there is one, as float64 arrays."""
    import zipfile

    import numpy as np
    import pandas as pd

    if not path.is_file():
        raise ValueError(f"there is no file {str(path)!r}")
    if path.suffix not in _READERS:
        raise ValueError(f"file {str(path)!r} is not allowed: the name ends in {', '.join(_READERS)}")
    try:
        table = _READERS[path.suffix](path)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} cannot be read as {path.suffix}: {error}") from error
    missing = [name for name in needed if name not in table]
    if missing:
        raise ValueError(f"{path} lacks the columns {missing}; it needs {', '.join(needed)}")
    stars = {}
    for name in (*needed, *([_CORRELATION] if _CORRELATION in table else [])):
        numbers = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64)
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers))[0])
            value = table[name].iloc[row]
            raise ValueError(f"{path}: column {name} has {value!r} in row {row}; finite numbers are allowed")
        stars[name] = numbers
    return stars


def _read_npz(path: Path) -> pd.DataFrame:
    import pandas as pd

    from mwlmc_data.npz import load_columns

    return pd.DataFrame(load_columns(path))


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(path)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)


_READERS = {".npz": _read_npz, ".csv": _read_csv, ".parquet": _read_parquet}
