"""Command line of the benchmarks: ``python -m benchmarks --help`` lists them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mwlmc_data.terminal import Parser, any_encoding


def whole_from(least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `least` up: a bad one is refused before minutes are spent."""

    def read(text: str) -> int:
        if not text.lstrip("-").isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r}; allowed: a whole number from {least} up")
        return int(text)

    return read


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = Parser(prog="python -m benchmarks", description="Train, score, measure.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    base = commands.add_parser("paper", help="train the paper's estimator, score it, write the report")
    base.add_argument("--out", type=Path, default=Path("build/report"), help="folder for results.json and report.html")
    base.add_argument("--fast", action="store_true", help="little of everything; the scores are not the baseline's")
    base.add_argument("--seed", type=whole_from(0), default=0)
    base.add_argument("--config", default="gaussian", help="set of simulations")
    base.add_argument("--reference", type=Path, help="folder of published orbits to fit (gc19/, fire/)")
    base.add_argument("--workers", type=whole_from(1), help="processes; by default all cores")
    base.set_defaults(run=_paper)
    fit = commands.add_parser("friction", help="which friction reproduces a published orbit of the LMC")
    fit.add_argument(
        "--orbit", type=Path, required=True, help="text file of 12 columns (MW and LMC) or 7 (t, relative)"
    )
    fit.add_argument("--present", type=int, help="row of the present day; by default the last")
    fit.add_argument("--spacing", type=float, help="Gyr between rows of 12 columns; by default from their velocities")
    fit.add_argument("--span", type=float, default=2.2, help="Gyr of the past that are compared")
    fit.add_argument("--m200", type=float, default=10.3e11, help="virial mass of the Milky Way [Msun]")
    fit.add_argument("--c200", type=float, help="its concentration; by default 235 km/s at 8.3 kpc")
    fit.add_argument("--m-lmc", type=float, default=18e10, help="mass of the LMC [Msun]")
    fit.add_argument("--a-lmc", type=float, help="its scale radius [kpc]; by default 1.7e10 Msun within 8.7 kpc")
    fit.set_defaults(run=_friction)
    table = commands.add_parser("accuracy", help="compare the simulator with agama's numbers and its own yardstick")
    table.add_argument("--reference", type=Path, required=True, help="folder with agama/, and reflex/ if at hand")
    table.set_defaults(run=_accuracy)
    speed = commands.add_parser("speed", help="time the simulator beside agama, gala and galpy")
    speed.add_argument("--reference", type=Path, help="folder with agama/: its stars; by default stars drawn here")
    speed.add_argument("--out", type=Path, default=Path("build/speed"), help="folder for results.json and the figure")
    speed.add_argument("--repeats", type=whole_from(1), default=3, help="rounds; medians of them are reported")
    speed.add_argument("--fast", action="store_true", help="few stars, without avx2; the figures mean little")
    speed.add_argument("--parts", help="some of curve,simulation,scaling,avx2; by default all")
    speed.set_defaults(run=_speed)
    gpu = commands.add_parser("cuda", help="time simulations with haloes on a GPU")
    gpu.add_argument("--simulations", type=whole_from(8), default=16_384, help="default: %(default)s")
    gpu.add_argument("--workers", type=whole_from(1), help="processes; by default all cores")
    gpu.set_defaults(run=_cuda)
    margin = commands.add_parser("outskirts", help="how far a catalogue's row may leave out inner stars")
    margin.add_argument("--simulations", type=whole_from(1), default=1000, help="of each set (default: %(default)s)")
    margin.add_argument("--seed", type=whole_from(0), default=0)
    margin.add_argument("--workers", type=whole_from(1), help="processes; by default all cores")
    margin.set_defaults(run=_outskirts)
    start = commands.add_parser("equilibrium", help="what the stars' start does to them, and how far out they lie")
    start.add_argument("--config", default="gaussian", help="set of simulations")
    start.add_argument("--simulations", type=whole_from(6), default=500, help="draws (default: %(default)s)")
    start.add_argument("--seed", type=whole_from(0), default=0)
    start.add_argument("--workers", type=whole_from(1), help="processes; by default all cores")
    start.set_defaults(run=_equilibrium)
    why = commands.add_parser("choices", help="where the reflex fit begins, and that its errors are robust ones")
    why.add_argument("--simulations", type=whole_from(2), default=60, help="haloes of each kind (default: %(default)s)")
    why.add_argument("--seed", type=whole_from(0), default=0)
    why.set_defaults(run=_choices)
    again = commands.add_parser("regeneration", help="how much a halo differs that another processor makes again")
    again.add_argument("--config", default="gaussian", help="set of simulations")
    again.add_argument("--haloes", type=whole_from(1), default=100, help="default: %(default)s")
    again.set_defaults(run=_regeneration)
    files = commands.add_parser("loading", help="make a set of haloes as files, and time loading them every way")
    files.add_argument("--out", type=Path, default=Path("build/loading"), help="folder of the set and results.json")
    files.add_argument("--haloes", type=whole_from(64), default=2048, help="default: %(default)s")
    files.add_argument("--rounds", type=whole_from(1), default=3, help="medians of them are reported")
    files.set_defaults(run=_loading)
    known = commands.add_parser("references", help="make reference posteriors of fixed test rows and of the cases")
    known.add_argument("--out", type=Path, default=Path("build/references"), help="folder of the run; it resumes")
    known.add_argument("--stage", default="all", help="simulate, infer, extend, check, collect or all (default)")
    known.add_argument("--rows", type=whole_from(1), help="so many rows only, the cases first; by default all 103")
    known.add_argument("--workers", type=whole_from(1), help="processes; by default all cores")
    known.set_defaults(run=_references)
    suite = commands.add_parser("suite", help="train and score all baselines in all tasks")
    suite.add_argument("--out", type=Path, default=Path("build/suite"), help="folder of the run; it resumes")
    suite.add_argument("--fast", action="store_true", help="few epochs, one seed: a look, and no scores to quote")
    suite.add_argument("--tasks", help="some of the tasks, with commas between; by default all")
    suite.add_argument("--baselines", help="some of the baselines, with commas between; by default all")
    suite.add_argument("--seeds", type=whole_from(1), help="in the tasks with a budget; by default 3, 1 if fast")
    suite.add_argument("--workers", type=whole_from(1), help="processes; by default all cores")
    suite.add_argument("--device", help="of torch; by default a GPU if there is one")
    suite.set_defaults(run=_suite)
    page = commands.add_parser("suite-report", help="draw the report of a run of the suite")
    page.add_argument("--run", type=Path, default=Path("build/suite"), dest="folder", help="default: %(default)s")
    page.add_argument("--reference", type=Path, help="folder of published orbits to fit (gc19/, fire/)")
    page.add_argument("--no-simulations", action="store_true", help="leave out what has to be simulated for the page")
    page.set_defaults(run=_suite_report)
    tried = commands.add_parser("refusals", help="what a score refuses and flags, tried on a run of the suite")
    tried.add_argument("--run", type=Path, default=Path("build/suite"), dest="folder", help="default: %(default)s")
    tried.add_argument("--tasks", default="summary-9", help="with commas between (default: %(default)s)")
    tried.set_defaults(run=_refusals)
    put = commands.add_parser("embed", help="put reference posteriors and trained networks into the package")
    put.add_argument("--run", type=Path, dest="folder", help="a run of the suite, for the limit of what a score can be")
    put.add_argument("--networks", type=Path, metavar="DIR",
                     help="folder of the networks of infer; what it lacks is trained there first")  # fmt: skip
    put.add_argument("--references", type=Path, dest="file", help="references.parquet of a run of references")
    put.set_defaults(run=_embed)
    errors = commands.add_parser("calibration", help="whether infer is right, with errors of the catalogue and others")
    errors.add_argument("--config", default="gaussian", help="set of the network: gaussian (default) or wide")
    errors.add_argument("--rows", type=whole_from(20), default=400, help="of the test split (default: %(default)s)")
    errors.add_argument("--fresh", type=whole_from(0), default=120, help="new simulations (default: %(default)s)")
    errors.set_defaults(run=_calibration)
    board = commands.add_parser("leaderboard", help="write LEADERBOARD.md again from the stored results")
    board.add_argument("--run", type=Path, dest="folder", help="take the results of this run of the suite first")
    board.add_argument("--add", type=Path, nargs="+", default=[], metavar="DIR", help="score these submissions first")
    board.set_defaults(run=_leaderboard)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; bad input is one line on standard error and exit code 2.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        Exit code.
    """
    with any_encoding():
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    args = parser().parse_args(arguments)
    try:
        args.run(args)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _paper(args: argparse.Namespace) -> None:
    from benchmarks.paper import run

    run.main(args.out, args.fast, args.seed, args.config, args.reference, args.workers)


def _friction(args: argparse.Namespace) -> None:
    from benchmarks.paper import friction

    model = {"m200_mw": args.m200, "c200": args.c200, "m_lmc": args.m_lmc, "a_lmc": args.a_lmc}
    known = {name: value for name, value in model.items() if value is not None}
    print(friction.describe(friction.fit_file(args.orbit, known, args.present, args.spacing, args.span)))


def _accuracy(args: argparse.Namespace) -> None:
    from benchmarks.studies import accuracy, published_stars

    print(accuracy.describe(accuracy.compare(args.reference)))
    fits = published_stars.compare(args.reference)
    if fits:
        print(f"\n{published_stars.describe(fits)}")


def _speed(args: argparse.Namespace) -> None:
    from benchmarks.studies import speed

    speed.main(args.out, args.reference, args.repeats, args.fast, args.parts.split(",") if args.parts else None)


def _cuda(args: argparse.Namespace) -> None:
    from benchmarks.studies import cuda

    try:
        print(cuda.describe(cuda.measure(args.simulations, args.workers)))
    except (ImportError, RuntimeError) as error:
        raise ValueError(str(error)) from error


def _outskirts(args: argparse.Namespace) -> None:
    from benchmarks.studies import outskirts
    from mwlmc_data.priors import MARGINALS

    found = {name: outskirts.margins(name, args.simulations, args.seed, args.workers) for name in MARGINALS}
    print(outskirts.describe(found))


def _equilibrium(args: argparse.Namespace) -> None:
    from benchmarks.studies import equilibrium

    found = equilibrium.drifts(args.config, args.simulations, args.seed, args.workers)
    print(equilibrium.describe(args.config, found))


def _choices(args: argparse.Namespace) -> None:
    from benchmarks.studies import choices

    print(choices.describe(choices.measure(args.simulations, args.seed)))


def _regeneration(args: argparse.Namespace) -> None:
    from benchmarks.studies import regeneration

    print(regeneration.compare(args.config, args.haloes))


def _loading(args: argparse.Namespace) -> None:
    from benchmarks.studies import loading

    loading.main(args.out, args.haloes, args.rounds)


def _references(args: argparse.Namespace) -> None:
    from benchmarks.references import run

    run.main(args.out, args.stage, args.rows, args.workers)


def _suite(args: argparse.Namespace) -> None:
    from benchmarks.suite import plan

    tasks = args.tasks.split(",") if args.tasks else None
    baselines = args.baselines.split(",") if args.baselines else None
    plan.main(args.out, args.fast, tasks, baselines, args.seeds, args.workers, args.device)


def _suite_report(args: argparse.Namespace) -> None:
    from benchmarks.suite import report

    simulate = not args.no_simulations
    print(f"written: {report.write(args.folder, simulate=simulate, orbits=args.reference)}")


def _refusals(args: argparse.Namespace) -> None:
    from benchmarks.studies import refusals

    print(refusals.describe(refusals.tried(args.folder, args.tasks.split(","))))


def _embed(args: argparse.Namespace) -> None:
    from benchmarks.embedded import embed

    embed.main(args.networks, args.file, args.folder)


def _calibration(args: argparse.Namespace) -> None:
    from benchmarks.studies import calibration

    calibration.main(args.config, args.rows, args.fresh)


def _leaderboard(args: argparse.Namespace) -> None:
    from benchmarks import leaderboard

    leaderboard.main(args.folder, args.add)


if __name__ == "__main__":
    sys.exit(main())
