"""`mwlmc halo`: the stars of one released simulation."""

from __future__ import annotations

import argparse

from mwlmc_data.commands.common import (
    STAR_KINDS,
    add_json,
    add_set,
    get_reflex_numbers,
    print_json,
    print_reflex,
    write_halo,
)
from mwlmc_data.terminal import add_out, check_out


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser of the command."""
    halo = commands.add_parser("halo", help="the stars of one released simulation, from a file or simulated again")
    halo.add_argument("sim_id", type=int, metavar="SIM_ID", help="number of the simulation in its set")
    add_set(halo)
    halo.add_argument("--source", default="auto", help="auto, store or simulation (default: %(default)s)")
    add_out(halo, STAR_KINDS, "write the stars")
    add_json(halo)
    halo.set_defaults(run=_halo)


def _halo(options: argparse.Namespace) -> int:
    check_out(options)
    from mwlmc_data.dataset.haloes import load_halo
    from mwlmc_data.simulator import fit_reflex

    halo = load_halo(options.sim_id, options.source, options.config, options.version)
    identity = {"config": options.config, "sim_id": options.sim_id}
    if options.out is not None:
        write_halo(halo, options.out, identity)
    reflex = fit_reflex(halo.positions, halo.velocities)
    if options.json:
        facts = {"source": halo.source, "n_stars": len(halo.positions), "reflex": get_reflex_numbers(reflex)}
        print_json(identity | facts)
        return 0
    print(f"{len(halo.positions)} stars of simulation {options.sim_id} of the {options.config} set, from {halo.source}")
    print_reflex(reflex)
    return 0
