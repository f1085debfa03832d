"""`paper`, `case-shells`, `live-masses` and `friction`: the reproduction."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.commands.options import add_config, add_seed, add_workers, integer_from


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parsers."""
    paper = commands.add_parser("paper", help="train the paper's estimator, score it, write the report")
    paper.add_argument("--out", type=Path, default=Path("build/report"), help="folder for results.json and report.html")
    paper.add_argument("--fast", action="store_true", help="a quick look, with scores that are not the baseline's")
    add_seed(paper)
    add_config(paper)
    paper.add_argument("--reference", type=Path, help="folder of published orbits to fit (gc19/, fire/)")
    add_workers(paper)
    paper.set_defaults(run=_paper)

    shells = commands.add_parser("case-shells", help="each validation case in each shell of stars")
    shells.add_argument("--haloes", type=integer_from(10), default=200, help="of each case (default: %(default)s)")
    add_seed(shells)
    add_workers(shells)
    shells.set_defaults(run=_shells)

    masses = commands.add_parser("live-masses", help="the LMC's mass inferred from the four live runs, by two priors")
    masses.add_argument("--stars", type=integer_from(500), default=20_000, help="of each halo (default: %(default)s)")
    masses.add_argument(
        "--reference", type=Path, help="folder with gc21_orbits/: rigid galaxies on the published orbits too"
    )
    masses.add_argument("--out", type=Path, default=Path("build/live-masses"), help="folder for live-masses.png")
    add_seed(masses)
    masses.set_defaults(run=_live_masses)

    friction = commands.add_parser("friction", help="which friction reproduces a published orbit of the LMC")
    friction.add_argument(
        "--orbit", type=Path, required=True, help="text file of 12 columns (MW and LMC) or 7 (t, relative)"
    )
    friction.add_argument("--present", type=int, help="row of the present day (default: the last)")
    friction.add_argument("--spacing", type=float, help="Gyr between rows of 12 columns (default: from velocities)")
    friction.add_argument("--span", type=float, default=2.2, help="Gyr of the past to compare (default: %(default)s)")
    friction.add_argument("--m200", type=float, default=10.3e11, help="virial mass of the Milky Way [Msun]")
    friction.add_argument("--c200", type=float, help="its concentration (default: from 235 km/s at 8.3 kpc)")
    friction.add_argument("--m-lmc", type=float, default=18e10, help="mass of the LMC [Msun]")
    friction.add_argument("--a-lmc", type=float, help="its scale radius [kpc] (default: 1.7e10 Msun within 8.7 kpc)")
    friction.set_defaults(run=_friction)


def _paper(options: argparse.Namespace) -> None:
    from benchmarks.paper import run

    run.main(options.out, options.fast, options.seed, options.config, options.reference, options.workers)


def _shells(options: argparse.Namespace) -> None:
    from benchmarks.paper import shells

    shells.main(options.haloes, options.seed, options.workers)


def _live_masses(options: argparse.Namespace) -> None:
    from benchmarks.paper import live_masses

    live_masses.main(options.out, options.stars, options.seed, options.reference)


def _friction(options: argparse.Namespace) -> None:
    from benchmarks.paper import friction

    model = {"m200_mw": options.m200, "c200": options.c200, "m_lmc": options.m_lmc, "a_lmc": options.a_lmc}
    known = {name: value for name, value in model.items() if value is not None}
    found = friction.fit_file(options.orbit, known, options.present, options.spacing, options.span)
    print(friction.describe(found))
