"""`mwlmc plot`: draw a halo, or columns of the catalogue against each other."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mwlmc_data.commands.common import add_set
from mwlmc_data.dataset import schema
from mwlmc_data.storage.writing import replace_file
from mwlmc_data.terminal import add_out, check_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SUFFIXES = (".png", ".pdf", ".svg")


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser of the command."""
    plot = commands.add_parser("plot", help="draw a halo, or columns of the catalogue")
    kinds = plot.add_subparsers(required=True, metavar="KIND", parser_class=type(plot))
    halo = kinds.add_parser(
        "halo",
        help="the sky and the profiles of a halo",
        description="Draw the map of v_GSR with the apex of the reflex motion and the LMC's past orbit, and the "
        "density and the velocities by radius.",
    )
    halo.add_argument("sim_id", type=int, metavar="SIM_ID")
    halo.add_argument("--r-min", type=float, default=50.0, metavar="kpc", help="smallest radius (default: 50)")
    halo.add_argument("--source", default="auto", help="auto, store or simulation (default: %(default)s)")
    _add_common(halo)
    halo.set_defaults(run=_halo)
    corner = kinds.add_parser(
        "corner",
        help="columns of the catalogue against each other",
        description="Draw the distribution of each column and of each pair of columns. `mwlmc info` lists the columns.",
    )
    corner.add_argument("columns", nargs="+", metavar="COLUMN")
    corner.add_argument("--split", help=f"{', '.join(schema.SPLITS)} (default: all)")
    corner.add_argument("--rows", type=int, metavar="N", help="only the first N rows")
    _add_common(corner)
    corner.set_defaults(run=_corner)


def _add_common(parser: argparse.ArgumentParser) -> None:
    add_set(parser)
    add_out(parser, _SUFFIXES, "write the figure", required=True)


def _halo(options: argparse.Namespace) -> int:
    check_out(options)
    from mwlmc_data.dataset.haloes import load_halo

    halo = load_halo(options.sim_id, options.source, options.config, options.version)
    title = f"{options.config} set, simulation {options.sim_id}"
    _write(halo.plot(r_min=options.r_min, title=title), options.out)
    return 0


def _corner(options: argparse.Namespace) -> int:
    check_out(options)
    if options.rows is not None and options.rows < 1:
        raise ValueError(f"--rows = {options.rows}: allowed is 1 or more")
    from mwlmc_data.dataset.catalogue import load_catalogue
    from mwlmc_data.plotting.corners import corner_plot

    table = load_catalogue(options.split, options.config, columns=options.columns, version=options.version)
    table = table[: options.rows]
    title = f"{options.config} set, {options.split or 'all splits'}: {len(table):,} simulations"
    _write(corner_plot(table, options.columns, title=title), options.out)
    return 0


def _write(figure: Figure, path: Path) -> None:
    kind = path.suffix[1:]
    replace_file(path, lambda temporary: figure.savefig(temporary, format=kind, dpi=200, bbox_inches="tight"))
    print(f"wrote {path}")
