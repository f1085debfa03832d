"""Command line of the programs that make the data."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mwlmc_data.terminal import Parser, add_out, check_out, tolerate_encodings

if TYPE_CHECKING:
    from mwlmc_data.dataset.store import Store

# Work is parallel over processes, one per core; sums in several threads would depend on their number. Libraries read
# these variables when they are loaded, so they are set before the imports, and for the workers as well.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a program.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments of the command line; those of the process by default.

    Returns
    -------
    int
        Exit status: 0 success; 1 failure, such as a full or read-only disk; 2 bad input; 130 interrupted.
    """
    with tolerate_encodings():
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    options = _make_parser().parse_args(arguments)
    from mwlmc_data.storage.errors import WriteError, exit_status

    try:
        return options.run(options)
    except WriteError as error:
        return _fail(f"{error}. Finished work is kept; run the same command again to continue.", 1)
    except OSError as error:
        return _fail(error, exit_status(error))
    except RuntimeError as error:  # a failed simulation, a lost worker or cluster
        return _fail(error, 1)
    except ValueError as error:
        return _fail(error, 2)
    except KeyboardInterrupt:
        goes_on = options.run in (_catalogue, _haloes, _live, _live_set)
        kept = ": finished shards are kept; run the same command again to continue" if goes_on else ""
        print(f"interrupted{kept}", file=sys.stderr)
        return 130


def _fail(what: object, status: int) -> int:
    print(f"error: {what}", file=sys.stderr)
    return status


CATALOGUE_EXAMPLES = """\
on one machine, all cores:
  python -m generation catalogue --simulations 8192 --out DIR

on a Dask cluster, every machine with this checkout and DIR under the same paths:
  python -m dask scheduler                                            # prints its ADDRESS
  OMP_NUM_THREADS=1 python -m dask worker ADDRESS --nthreads 1 --nworkers CORES    # on each machine
  python -m generation catalogue --simulations 128000 --out DIR --scheduler ADDRESS

on SLURM (needs dask-jobqueue):
  python -m generation.examples.slurm --jobs 4 --cores 32 -- --simulations 128000 --out DIR

An interrupted or killed run continues with the same command and produces the same file.
"""

HALOES_EXAMPLES = """\
the whole Gaussian set, 12 GB in 33 files, on one machine:
  python -m generation haloes --out DIR

part of it:
  python -m generation haloes --sims 0:2048 --out DIR

on a Dask cluster as for the catalogue, with --scheduler ADDRESS. Load from it with MWLMC_DATA_DIR, which holds a folder
for every version of the data: --out "$MWLMC_DATA_DIR/1.0.0". It may hold several sets (--config), but no fetched files.
An interrupted run continues with the same command.
"""


def _make_parser() -> argparse.ArgumentParser:
    from generation.haloes import SHARD
    from mwlmc_data.priors import MARGINALS

    parser = Parser(prog="python -m generation", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="PROGRAM")
    catalogue = commands.add_parser(
        "catalogue",
        help="make the table of simulations, or continue to make it",
        epilog=CATALOGUE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    catalogue.add_argument("--simulations", type=int, required=True, help="number of simulations, with sim_id from 0")
    catalogue.add_argument(
        "--config", choices=list(MARGINALS), default="gaussian", help="set (default: %(default)s)"
    )
    catalogue.add_argument(
        "--out", type=Path, required=True, help="folder of the run; an interrupted one continues"
    )
    catalogue.add_argument("--seed", type=int, help="default: the seed of the release")
    _add_machines(catalogue)
    catalogue.add_argument(
        "--shard-size", type=int, default=128, help="simulations per shard (default: %(default)s)"
    )
    catalogue.add_argument(
        "--embed", action="store_true", help="copy the result into the package and register it"
    )
    catalogue.set_defaults(run=_catalogue)
    haloes = commands.add_parser(
        "haloes",
        help="make the files of stars, or continue to make them",
        epilog=HALOES_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    haloes.add_argument("--config", choices=list(MARGINALS), default="gaussian", help="set (default: %(default)s)")
    haloes.add_argument("--out", type=Path, required=True, help="folder of the run; an interrupted one continues")
    _add_sims(haloes)
    haloes.add_argument("--shard-size", type=int, default=SHARD, help="haloes per shard (default: %(default)s)")
    _add_machines(haloes)
    haloes.add_argument("--keep-sums", action="store_true", help="write the hashes to generation/haloes.sha256")
    haloes.set_defaults(run=_haloes)
    release = commands.add_parser(
        "release",
        help="make the published folder (docs/PUBLISHING.md)",
        description="Make the published folder, or bring it up to date. Without --haloes the haloes are made first, in "
        "a sibling folder whose name ends in .haloes; an interrupted run continues.",
    )
    release.add_argument("--out", type=Path, required=True, help="folder to make or update")
    release.add_argument("--haloes", type=Path, help="folder that `haloes` made (default: made here)")
    _add_sims(release)
    _add_machines(release)
    release.add_argument("--date", help="day of publication, such as 2026-01-31 (default: that of the first run)")
    release.add_argument("--url", help="web page of the dataset (default: none yet)")
    release.set_defaults(run=_release, config="gaussian", shard_size=SHARD)
    card = commands.add_parser("card", help="update the dataset card's front matter and tables from the schema")
    card.set_defaults(run=_card)
    again = commands.add_parser("rewrite", help="rewrite the embedded tables: the same values, current metadata")
    again.set_defaults(run=_rewrite)
    live = commands.add_parser("live", help="make the stored live runs, or continue to make them")
    live.add_argument("--out", type=Path, required=True, help="folder of the files; interrupted runs continue")
    live.add_argument("--runs", nargs="+", metavar="NAME", help="some of gc19-lmc1 to gc19-lmc4 (default: all)")
    live.add_argument("--particles", type=int, default=2_000_000, help="of each run (default: %(default)s)")
    live.add_argument("--seed", type=int, default=0, help="of the particles (default: %(default)s)")
    live.add_argument("--workers", type=int, help="processes, one to a run (default: all cores)")
    live.add_argument("--embed", action="store_true", help="copy the files into the package and register them")
    live.set_defaults(run=_live)
    live_set = commands.add_parser("live-set", help="make the set of live simulations, or continue to make it")
    live_set.add_argument("--out", type=Path, required=True, help="folder of the set; an interrupted run continues")
    live_set.add_argument(
        "--simulations", type=int, required=True, help="number of simulations, those that miss included"
    )
    live_set.add_argument("--particles", type=int, default=500_000, help="of each (default: %(default)s)")
    live_set.add_argument(
        "--aiming-particles", type=int, default=70_000, help="of each small run that aims (default: %(default)s)"
    )
    live_set.add_argument("--seed", type=int, default=20250713, help="of the set (default: %(default)s)")
    live_set.add_argument(
        "--from-embedded", action="store_true", help="first write the simulations of the repository that it lacks there"
    )
    keeping = live_set.add_mutually_exclusive_group()
    keeping.add_argument(
        "--embed", action="store_true", help="copy the tables into the package and the runs into generation/live_runs"
    )
    keeping.add_argument(
        "--keep", action="store_true", help="copy both into generation/live_runs, to go on with --from-embedded"
    )
    _add_machines(live_set)
    live_set.set_defaults(run=_live_set)
    disc = commands.add_parser("disc", help="fit the disc's terms for the kernels")
    add_out(disc, (".npz",), "write the terms", required=True)
    disc.add_argument("--terms", type=int, default=11, help="number of terms (default: %(default)s)")
    disc.add_argument("--seconds", type=float, default=600, help="time to search (default: %(default)s)")
    disc.add_argument("--seed", type=int, default=0, help="seed of the starts (default: %(default)s)")
    disc.add_argument("--start", type=Path, help="terms to start from (.npz)")
    disc.set_defaults(run=_disc)
    return parser


def _add_machines(parser: argparse.ArgumentParser) -> None:
    """Add the options for where the simulations run."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, help="processes (default: one per core)")
    where.add_argument(
        "--scheduler", metavar="ADDRESS", help="run on the Dask cluster of this scheduler instead of in local processes"
    )
    parser.add_argument(
        "--scheduler-timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long to try to reach it (default: %(default)s)",
    )


def _add_sims(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sims", type=_parse_sims, metavar="A:B", help="only the sim_id from A to before B (default: the whole set)"
    )


def _parse_sims(text: str) -> range:
    start, colon, stop = text.partition(":")
    if not (colon and start.isdecimal() and stop.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r}: allowed is A:B, two whole numbers, such as 0:2048")
    return range(int(start), int(stop))


def _prepare_machines(options: argparse.Namespace) -> dict[str, Any]:
    """Turn the options into arguments; for local processes, first compile the kernels."""
    from mwlmc_data.simulator import compile_kernels
    from mwlmc_data.workers import available_cores

    if options.scheduler is None:
        compile_kernels()
    workers = available_cores() if options.workers is None else options.workers
    return {"workers": workers, "scheduler": options.scheduler, "timeout": options.scheduler_timeout}


def _catalogue(options: argparse.Namespace) -> int:
    from generation.catalogue import check_embeddable, embed, make_catalogue, simulate_table
    from generation.plan import Plan
    from mwlmc_data.dataset.release import CATALOGUE_SEEDS
    from mwlmc_data.simulator import SIMULATOR_VERSION
    from mwlmc_data.storage.hashing import sha256_of

    plan = Plan(
        out=options.out,
        config=options.config,
        simulations=options.simulations,
        seed=CATALOGUE_SEEDS[options.config] if options.seed is None else options.seed,
        shard_size=options.shard_size,
        simulator_version=SIMULATOR_VERSION,
    )
    if options.embed:
        check_embeddable(plan)
    path = make_catalogue(plan, simulate_table, **_prepare_machines(options))
    if options.embed:
        path = embed(plan)
    print(f"{path}: {plan.simulations} simulations, {path.stat().st_size} bytes, SHA-256 {sha256_of(path)}")
    return 0


def _haloes(options: argparse.Namespace) -> int:
    from generation.haloes import SHARD
    from generation.sums import compare_sums, write_sums

    default = (options.config, options.sims, options.shard_size)
    if options.keep_sums and default != ("gaussian", None, SHARD):
        raise ValueError("--keep-sums = given with another set, part or shard: allowed is the complete Gaussian set")
    made = _make_haloes(options, options.out)
    files = made.manifest.files
    if options.keep_sums:
        write_sums(entry for entry in files if entry.config == "haloes")
    elif compared := compare_sums(files):
        print(compared)
    rows, size = sum(entry.rows for entry in files), sum(entry.bytes for entry in files)
    print(f"{made.root}: {rows} haloes in {len(files)} files, {size} bytes")
    return 0


def _make_haloes(options: argparse.Namespace, out: Path) -> Store:
    from generation.haloes import HaloPlan, make_haloes
    from mwlmc_data.dataset.release import get_entry
    from mwlmc_data.simulator import SIMULATOR_VERSION

    sims = range(get_entry(options.config)["rows"]) if options.sims is None else options.sims
    plan = HaloPlan(out, options.config, sims, options.shard_size, SIMULATOR_VERSION)
    return make_haloes(plan, **_prepare_machines(options))


def _release(options: argparse.Namespace) -> int:
    from generation.folder import make_release

    haloes = options.haloes
    if haloes is None:
        haloes = options.out.absolute().with_name(options.out.name + ".haloes")
        _make_haloes(options, haloes)
    elif options.sims is not None:
        given = f"{options.sims.start}:{options.sims.stop}"
        raise ValueError(f"--sims = {given}: allowed only without --haloes, whose folder is used as it is")
    print(make_release(options.out, haloes, date=options.date, url=options.url))
    return 0


def _card(options: argparse.Namespace) -> int:
    from generation.card import CARD, refresh_card

    print(f"{CARD}: {'updated' if refresh_card() else 'up to date'}")
    return 0


def _live(options: argparse.Namespace) -> int:
    from generation.live import embed_runs, make_runs
    from mwlmc_data.live.garavito import RUNS

    paths = make_runs(options.out, options.runs or tuple(RUNS), options.particles, options.seed, options.workers)
    for path in embed_runs(paths) if options.embed else paths:
        print(f"{path}: {path.stat().st_size} bytes")
    return 0


def _live_set(options: argparse.Namespace) -> int:
    from generation.live_embedding import embed
    from generation.live_restoring import refuse_without_shards, restore
    from generation.live_set import LivePlan, make_simulations
    from generation.live_tables import assemble
    from mwlmc_data.live.truths import REPOSITORY_RUNS
    from mwlmc_data.simulator import SIMULATOR_VERSION
    from mwlmc_data.storage.homes import DATA_DIR

    plan = LivePlan(
        options.out, options.simulations, options.particles, options.aiming_particles, seed=options.seed,
        simulator_version=SIMULATOR_VERSION,
    )  # fmt: skip
    if options.from_embedded:
        print(f"{plan.out}: {len(restore(plan))} embedded simulations written")
    elif options.embed or options.keep:
        refuse_without_shards(plan)
    files = assemble(make_simulations(plan, **_prepare_machines(options)))
    print(f"{plan.out}: {len(files.runs)} of {plan.simulations} simulations arrived")
    directory = REPOSITORY_RUNS if options.keep else DATA_DIR
    for path in embed(files, directory) if options.embed or options.keep else files[:4]:
        print(f"{path}: {path.stat().st_size} bytes")
    return 0


def _rewrite(options: argparse.Namespace) -> int:
    from generation.rewriting import rewrite
    from mwlmc_data.storage.hashing import sha256_of

    for path in rewrite():
        print(f"{path}: {path.stat().st_size} bytes, SHA-256 {sha256_of(path)}")
    return 0


def _disc(options: argparse.Namespace) -> int:
    from generation.disc import fit, load, report, save

    if options.terms < 1:
        raise ValueError(f"--terms = {options.terms}: allowed is 1 or more")
    check_out(options)
    start = load(options.start) if options.start else None
    terms, _ = fit(options.terms, options.seconds, options.seed, start)
    save(terms, options.out)
    print(report(terms))
    return 0


if __name__ == "__main__":
    sys.exit(main())
