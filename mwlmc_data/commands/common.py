"""What several commands share: printing, the names of a star's columns, and files of stars."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mwlmc_data.dataset import schema
from mwlmc_data.storage.writing import replace_file

if TYPE_CHECKING:
    from mwlmc_data.simulator import Halo, Reflex

#: Endings of files of stars that are written, and the name of the format for those that astropy writes.
_ASTROPY = {".fits": "fits", ".ecsv": "ascii.ecsv"}
STAR_KINDS = (".npz", ".parquet", *_ASTROPY)
#: Covariances of the travel velocity by the catalogue's names, and their places in the matrix.
COVARIANCE = {f"cov_v{'xyz'[i]}_v{'xyz'[j]}": (i, j) for i in range(3) for j in range(i, 3)}
PHASE_SPACE = ("x", "y", "z", "vx", "vy", "vz")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option to print JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_set(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose a set of simulations and the version of the data."""
    parser.add_argument("--config", default="gaussian", help="gaussian, flat or wide (default: %(default)s)")
    parser.add_argument("--version", help="of the data; default: the package's own")


def add_column(parser: argparse.ArgumentParser, name: str, kind: type = float, required: bool = False) -> None:
    """Add an option for a column of the catalogue, with its unit and description."""
    column = schema.get_column(name)
    parser.add_argument(
        f"--{name.replace('_', '-')}",
        dest=name,
        type=kind,
        required=required,
        metavar=column.unit or "NUMBER",
        help=column.description.replace("%", "%%"),
    )


def print_json(content: dict[str, Any]) -> None:
    """Print a dict as JSON."""
    print(json.dumps(content, indent=2, allow_nan=False))


def write_halo(halo: Halo, path: Path, parameters: Mapping[str, Any]) -> None:
    """Write the stars as columns with units, in one of `STAR_KINDS`, and the parameters as JSON."""
    import numpy as np

    stars = np.concatenate([halo.positions, halo.velocities], axis=1)
    columns = {name: stars[:, i] for i, name in enumerate(PHASE_SPACE)}
    text = json.dumps(parameters)
    if path.suffix == ".npz":
        from mwlmc_data.storage.npz import replace_npz

        replace_npz(path, {"parameters": text, **columns})
        return
    described = [_describe_star_column(name) for name in PHASE_SPACE]
    if path.suffix != ".parquet":
        from astropy.table import QTable
        from astropy.units import Quantity

        # a keyword of FITS has eight characters; a longer one cannot hold a long text
        stars_table = QTable(meta={"PARAMS": text, "LICENCE": schema.LICENCE})
        for c in described:
            stars_table[c.name] = Quantity(columns[c.name], c.unit, dtype=np.float32)
            stars_table[c.name].info.description = c.description
        replace_file(path, lambda temporary: stars_table.write(temporary, format=_ASTROPY[path.suffix], overwrite=True))
        return
    import pyarrow as pa

    from mwlmc_data.storage import parquet

    table = pa.table(columns, schema=schema.table_schema(described, {"parameters": text}))
    replace_file(path, lambda temporary: parquet.write_table(table, temporary))


def _describe_star_column(name: str) -> schema.Column:
    what, unit = ("Velocity", "km/s") if name.startswith("v") else ("Position", "kpc")
    words = f"{what} of the star today along {name[-1]}, Galactocentric and right-handed"
    return schema.Column(name, "float32", unit, words)


def get_reflex_numbers(reflex: Reflex) -> dict[str, Any]:
    """Return the fit under the catalogue's names; None for what the stars do not determine."""
    from mwlmc_data.simulator.reflex import REFLEX_NAMES

    numbers = {"v_travel": reflex.v_travel, "l_apex": reflex.l_apex, "b_apex": reflex.b_apex}
    numbers |= dict(zip(REFLEX_NAMES, reflex.values.tolist(), strict=True))
    covariance = {name: float(reflex.covariance[i, j]) for name, (i, j) in COVARIANCE.items()}
    shell = {"r_min": reflex.r_min, "r_max": reflex.r_max if math.isfinite(reflex.r_max) else None}
    errors = _replace_nan(reflex.errors)
    return {
        **_replace_nan(numbers),
        "errors": errors,
        **_replace_nan(covariance),
        "n_stars_fit": reflex.n_stars,
        **shell,
    }


def print_reflex(reflex: Reflex) -> None:
    """Print the fit with its errors."""
    numbers = get_reflex_numbers(reflex)
    print(f"reflex motion of the disc relative to {reflex.n_stars} halo stars")
    for name, error in numbers["errors"].items():
        value, unit = numbers[name], schema.get_column(name).unit
        if value is None:
            print(f"  {name:<14} not determined by these stars")
        elif error is None:
            at_zero = "held there: the errors explain all of the scatter" if name in reflex.at_zero else "no error"
            print(f"  {name:<14} {value:9.2f} {unit} ({at_zero})")
        else:
            print(f"  {name:<14} {value:9.2f} +- {error:6.2f} {unit}")


def _replace_nan(numbers: Mapping[str, float]) -> dict[str, float | None]:
    """Replace NaN, which JSON does not have, by None."""
    return {name: None if math.isnan(number) else number for name, number in numbers.items()}
