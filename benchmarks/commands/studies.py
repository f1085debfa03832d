"""The studies of the simulator, the data set and live galaxies, a command each with the name of its module."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from benchmarks.commands.options import add_config, add_run, add_seed, add_workers, integer_from, split_names


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parsers."""
    for add_one in (
        _add_accuracy, _add_speed, _add_cuda, _add_outskirts, _add_equilibrium, _add_choices, _add_regeneration,
        _add_loading, _add_refusals, _add_calibration, _add_assembly, _add_live, _add_live_reflex, _add_live_inference,
    ):  # fmt: skip
        add_one(commands)


def _add_accuracy(commands: argparse._SubParsersAction) -> None:
    accuracy = commands.add_parser("accuracy", help="compare the simulator with agama and with its own yardstick")
    accuracy.add_argument(
        "--reference", type=Path, required=True, help="folder with agama/, and reflex/ and sky/ if at hand"
    )
    accuracy.set_defaults(run=_accuracy)


def _accuracy(options: argparse.Namespace) -> None:
    from benchmarks.studies import accuracy, published_stars

    print(accuracy.describe(accuracy.compare(options.reference)))
    fits = published_stars.compare(options.reference)
    if fits:
        print(f"\n{published_stars.describe(fits)}")
    footprint = published_stars.compare_footprint(options.reference)
    if footprint:
        print(f"\n{footprint}")


def _add_speed(commands: argparse._SubParsersAction) -> None:
    speed = commands.add_parser("speed", help="time the simulator beside agama, gala and galpy")
    speed.add_argument("--reference", type=Path, help="folder with agama/, for its stars (default: stars drawn here)")
    speed.add_argument("--out", type=Path, default=Path("build/speed"), help="folder for results.json and the figure")
    speed.add_argument("--repeats", type=integer_from(1), default=3, help="rounds, whose medians are reported")
    speed.add_argument("--fast", action="store_true", help="few stars and no instructions: for tests")
    speed.add_argument(
        "--parts", type=split_names, help="some of curve,simulation,likelihood,scaling,startup,instructions"
    )
    speed.add_argument("--before", type=Path, help="root of another checkout to time beside this one")
    speed.set_defaults(run=_speed)


def _speed(options: argparse.Namespace) -> None:
    from benchmarks.studies import speed

    speed.main(options.out, options.reference, options.repeats, options.fast, options.parts, options.before)


def _add_cuda(commands: argparse._SubParsersAction) -> None:
    cuda = commands.add_parser("cuda", help="time simulations with haloes on a GPU")
    cuda.add_argument("--simulations", type=integer_from(8), default=16_384, help="default: %(default)s")
    add_workers(cuda)
    cuda.set_defaults(run=_cuda)


def _cuda(options: argparse.Namespace) -> None:
    from benchmarks.studies import cuda

    try:
        print(cuda.describe(cuda.measure(options.simulations, options.workers)))
    except (ImportError, RuntimeError) as error:
        raise ValueError(str(error)) from error


def _add_outskirts(commands: argparse._SubParsersAction) -> None:
    outskirts = commands.add_parser("outskirts", help="how far in a catalogue's row may leave out stars")
    outskirts.add_argument(
        "--simulations", type=integer_from(1), default=1000, help="of each set (default: %(default)s)"
    )
    add_seed(outskirts)
    add_workers(outskirts)
    outskirts.set_defaults(run=_outskirts)


def _outskirts(options: argparse.Namespace) -> None:
    from benchmarks.studies import outskirts
    from mwlmc_data.priors import MARGINALS

    found = {
        name: outskirts.measure_margins(name, options.simulations, options.seed, options.workers) for name in MARGINALS
    }
    print(outskirts.describe(found))


def _add_equilibrium(commands: argparse._SubParsersAction) -> None:
    equilibrium = commands.add_parser("equilibrium", help="how the halo contracts without an LMC, and its extent")
    add_config(equilibrium)
    equilibrium.add_argument("--simulations", type=integer_from(6), default=500, help="draws (default: %(default)s)")
    add_seed(equilibrium)
    add_workers(equilibrium)
    equilibrium.set_defaults(run=_equilibrium)


def _equilibrium(options: argparse.Namespace) -> None:
    from benchmarks.studies import equilibrium

    found = equilibrium.measure_drifts(options.config, options.simulations, options.seed, options.workers)
    print(equilibrium.describe(options.config, found))


def _add_choices(commands: argparse._SubParsersAction) -> None:
    choices = commands.add_parser("choices", help="why the reflex fit starts at 50 kpc and has robust errors")
    choices.add_argument(
        "--simulations", type=integer_from(2), default=60, help="haloes of each kind (default: %(default)s)"
    )
    add_seed(choices)
    choices.set_defaults(run=_choices)


def _choices(options: argparse.Namespace) -> None:
    from benchmarks.studies import choices

    print(choices.describe(choices.measure(options.simulations, options.seed)))


def _add_regeneration(commands: argparse._SubParsersAction) -> None:
    regeneration = commands.add_parser("regeneration", help="how much a halo differs between processors")
    add_config(regeneration)
    regeneration.add_argument("--haloes", type=integer_from(1), default=100, help="default: %(default)s")
    regeneration.add_argument("--before", type=Path, metavar="FILE", help="earlier file of the set: compare rows")
    regeneration.set_defaults(run=_regeneration)


def _regeneration(options: argparse.Namespace) -> None:
    from benchmarks.studies import regeneration

    if options.before is None:
        print(regeneration.compare(options.config, options.haloes))
    else:
        print(regeneration.compare_sets(options.config, options.before))


def _add_loading(commands: argparse._SubParsersAction) -> None:
    loading = commands.add_parser("loading", help="make a set of haloes as files, and time every way of loading them")
    loading.add_argument(
        "--out", type=Path, default=Path("build/loading"), help="folder of the set and of results.json"
    )
    loading.add_argument("--haloes", type=integer_from(64), default=2048, help="default: %(default)s")
    loading.add_argument("--rounds", type=integer_from(1), default=3, help="rounds, whose medians are reported")
    loading.set_defaults(run=_loading)


def _loading(options: argparse.Namespace) -> None:
    from benchmarks.studies import loading

    loading.main(options.out, options.haloes, options.rounds)


def _add_refusals(commands: argparse._SubParsersAction) -> None:
    refusals = commands.add_parser("refusals", help="which spoilt entries of a run a score refuses or flags")
    add_run(refusals)
    refusals.add_argument(
        "--tasks", type=split_names, default=["summary-9"], help="separated by commas (default: summary-9)"
    )
    refusals.set_defaults(run=_refusals)


def _refusals(options: argparse.Namespace) -> None:
    from benchmarks.studies import refusals

    print(refusals.describe(refusals.spoil_entries(options.folder, options.tasks)))


def _add_calibration(commands: argparse._SubParsersAction) -> None:
    calibration = commands.add_parser("calibration", help="whether infer is calibrated, whatever the errors")
    calibration.add_argument("--config", default="gaussian", help="set of the network: gaussian (default) or wide")
    calibration.add_argument(
        "--rows", type=integer_from(20), default=400, help="of the test split (default: %(default)s)"
    )
    calibration.add_argument(
        "--fresh", type=integer_from(0), default=120, help="new simulations (default: %(default)s)"
    )
    calibration.add_argument(
        "--r-max", type=float, default=math.inf, help="shell of the network [kpc]: 100, 300 or inf (default)"
    )
    calibration.add_argument("--targets", default="total", help="of the network: total (default) or within-50")
    calibration.set_defaults(run=_calibration)


def _calibration(options: argparse.Namespace) -> None:
    from benchmarks.studies import calibration

    calibration.main(options.config, options.rows, options.fresh, options.r_max, options.targets)


def _add_assembly(commands: argparse._SubParsersAction) -> None:
    assembly = commands.add_parser("assembly", help="compile the star kernel for another kind of processor, to read")
    assembly.add_argument("--target", choices=["aarch64"], default="aarch64", help="default: %(default)s")
    assembly.add_argument("--out", type=Path, help="file for the assembly of the first processor")
    assembly.set_defaults(run=_assembly)


def _assembly(options: argparse.Namespace) -> None:
    from benchmarks.studies import assembly

    print(assembly.describe(assembly.measure(options.target, options.out)))


def _add_live(commands: argparse._SubParsersAction) -> None:
    live = commands.add_parser("live", help="how good and how fast live galaxies are, beside what is allowed")
    live.add_argument("--reference", type=Path, help="folder with the runs of others, for orbits and others")
    live.add_argument("--out", type=Path, default=Path("build/live"), help="folder of the runs, which continue there")
    live.add_argument("--particles", type=integer_from(24_000), default=2_000_000, help="default: %(default)s")
    live.add_argument(
        "--parts", type=split_names, help="some of forces,isolated,orbits,others,reflex,seeds,changes,replay,aim,speed"
    )
    live.add_argument("--runs", type=split_names, help="some of gc19-lmc1 to gc19-lmc4, for the part orbits")
    live.add_argument(
        "--seeds", type=integer_from(1), default=3, help="runs of reflex, seeds and changes (default: %(default)s)"
    )
    live.set_defaults(run=_live)


def _live(options: argparse.Namespace) -> None:
    from benchmarks.studies import live

    live.main(
        options.out, options.reference, options.particles, options.parts, options.runs, range(options.seeds)
    )


def _add_live_reflex(commands: argparse._SubParsersAction) -> None:
    reflex = commands.add_parser("live-reflex", help="the reflex by radius of the stored live runs, beside rigid ones")
    reflex.add_argument("--out", type=Path, default=Path("build/live-reflex"), help="folder of what is measured")
    reflex.add_argument("--runs", type=split_names, help="some of gc19-lmc1 to gc19-lmc4 (default: all)")
    reflex.add_argument("--haloes", type=integer_from(2), default=8, help="of each run (default: %(default)s)")
    reflex.add_argument("--stars", type=integer_from(1000), default=10_000, help="of a halo (default: %(default)s)")
    reflex.add_argument("--beta0", type=float, default=0.0, help="of the haloes (default: %(default)s)")
    reflex.add_argument("--r-dehnen", type=float, default=12.0, help="of the haloes [kpc] (default: %(default)s)")
    reflex.add_argument(
        "--singles", type=integer_from(0), default=50, help="single haloes of the paper's case (default: %(default)s)"
    )
    reflex.add_argument("--figure", type=Path, help="draw the figure there (.png)")
    reflex.set_defaults(run=_live_reflex)


def _live_reflex(options: argparse.Namespace) -> None:
    from benchmarks.studies import live_reflex

    live_reflex.main(
        options.out, options.runs, options.haloes, options.stars, options.beta0, options.r_dehnen, options.singles,
        options.figure,
    )  # fmt: skip


def _add_live_inference(commands: argparse._SubParsersAction) -> None:
    inference = commands.add_parser("live-inference", help="what the networks of infer make of live galaxies")
    inference.add_argument(
        "--out", type=Path, default=Path("build/live-inference"), help="folder of what is inferred, which it resumes"
    )
    inference.add_argument(
        "--configs", type=split_names, default=["gaussian", "wide"], help="training sets (default: gaussian,wide)"
    )
    inference.add_argument("--simulations", type=integer_from(2), help="test simulations, the first (default: all)")
    inference.add_argument(
        "--haloes", type=integer_from(1), default=2, help="of each simulation, at most 8 (default: %(default)s)"
    )
    add_workers(inference)
    inference.add_argument("--figure", type=Path, help="draw the figure there (.png)")
    inference.set_defaults(run=_live_inference)


def _live_inference(options: argparse.Namespace) -> None:
    from benchmarks.studies import live_inference

    live_inference.main(
        options.out, options.configs, options.simulations, options.haloes, options.workers, options.figure
    )
