"""`mwlmc simulate`: make one simulation and fit its reflex motion."""

from __future__ import annotations

import argparse
import contextlib

from mwlmc_data.commands.common import (
    STAR_KINDS,
    add_column,
    add_json,
    get_reflex_numbers,
    print_json,
    print_reflex,
    write_halo,
)
from mwlmc_data.dataset import schema
from mwlmc_data.terminal import add_out, check_out

_REQUIRED = ("m200_mw", "m_lmc", "log10_lambda_df")
_PARAMETERS = (*schema.DRAWN, *schema.LMC_VECTOR, "c200", "a_lmc")


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser of the command."""
    simulate = commands.add_parser("simulate", help="make one simulation and fit its reflex motion")
    for name in _PARAMETERS:
        add_column(simulate, name, str if name == "m_lmc_8p7" else float, required=name in _REQUIRED)
    simulate.add_argument("--seed", type=int, default=0, help="seed of the stars (default: %(default)s)")
    simulate.add_argument(
        "--n-stars", type=int, default=4500, help="stars of the halo (default: %(default)s)"
    )
    simulate.add_argument(
        "--engine", default="auto", help="auto, numba, numba-float64, cuda or agama (default: %(default)s)"
    )
    add_out(simulate, STAR_KINDS, "write the stars")
    add_json(simulate)
    simulate.set_defaults(run=_simulate)


def _simulate(options: argparse.Namespace) -> int:
    check_out(options)
    from mwlmc_data.simulator import Parameters, simulate

    if options.m_lmc_8p7 is not None:
        with contextlib.suppress(ValueError):  # what is neither a number nor "fixed" is refused by Parameters
            options.m_lmc_8p7 = float(options.m_lmc_8p7)
    given = {name: getattr(options, name) for name in _PARAMETERS if getattr(options, name) is not None}
    simulation = simulate(
        Parameters(**given), seed=options.seed, n_stars=options.n_stars, engine=options.engine
    )
    if options.out is not None:  # before the fit, which few stars do not allow
        write_halo(
            simulation.halo, options.out, {**simulation.parameters.to_dict(), "seed": simulation.seed}
        )
    reflex, orbit = simulation.reflex, simulation.orbit
    if options.json:
        print_json(
            {
                "parameters": simulation.parameters.to_dict(),
                "seed": options.seed,
                "n_stars": options.n_stars,
                "reflex": get_reflex_numbers(reflex),
                "pericentre_lmc": float(orbit.pericentre),
                "t_pericentre_lmc": float(orbit.t_pericentre),
                "distance_lmc_start": float(orbit.distance[0]),
            }
        )
        return 0
    print_reflex(reflex)
    print(f"pericentre of the LMC     {orbit.pericentre:8.2f} kpc at {orbit.t_pericentre:.3f} Gyr")
    print(f"distance 2.2 Gyr ago      {orbit.distance[0]:8.2f} kpc")
    return 0
