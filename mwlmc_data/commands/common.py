"""What several commands share: printing, the names of a star's columns, and files of stars."""

from __future__ import annotations

import argparse
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mwlmc_data.dataset import schema
from mwlmc_data.storage.writing import replace_file, write_bytes

if TYPE_CHECKING:
    from mwlmc_data.simulator import Halo, Reflex

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
    """Write the stars as columns, in .npz or .parquet, with the parameters as JSON."""
    import numpy as np

    stars = np.concatenate([halo.positions, halo.velocities], axis=1)
    columns = {name: stars[:, i] for i, name in enumerate(PHASE_SPACE)}
    text = json.dumps(parameters)
    if path.suffix == ".npz":
        from mwlmc_data.storage.npz import write_npz

        content = io.BytesIO()
        write_npz(content, {"parameters": text, **columns})
        write_bytes(path, content.getvalue())
        return
    import pyarrow as pa

    from mwlmc_data.storage import parquet

    fields = [
        pa.field(name, pa.float32(), metadata={"unit": "km/s" if name.startswith("v") else "kpc"})
        for name in PHASE_SPACE
    ]
    halo_schema = pa.schema(fields, metadata={"parameters": text, "licence": schema.LICENCE})
    table = pa.table(columns, schema=halo_schema)
    replace_file(path, lambda temporary: parquet.write_table(table, temporary))


def get_reflex_numbers(reflex: Reflex) -> dict[str, Any]:
    """Return the fit under the catalogue's names; None for what the stars do not determine."""
    from mwlmc_data.simulator.reflex import REFLEX_NAMES

    numbers = {"v_travel": reflex.v_travel, "l_apex": reflex.l_apex, "b_apex": reflex.b_apex}
    numbers |= dict(zip(REFLEX_NAMES, reflex.values.tolist(), strict=True))
    return {**_replace_nan(numbers), "errors": _replace_nan(reflex.errors), "n_stars_fit": reflex.n_stars}


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
