"""The studies, a command each with the name of its module."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from benchmarks.commands.options import (
    add_config,
    add_references,
    add_run,
    add_seed,
    add_stars,
    add_workers,
    integer_from,
    split_names,
)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parsers."""
    for add_one in (
        _add_accuracy, _add_speed, _add_cuda, _add_outskirts, _add_equilibrium, _add_choices, _add_regeneration,
        _add_loading, _add_refusals, _add_calibration, _add_assembly, _add_rewinding,
        _add_stars_calibration, _add_samplers, _add_model_evidences, _add_detectors, _add_live, _add_live_reflex,
        _add_live_inference, _add_costs, _add_information, _add_brute_force, _add_survey_moments, _add_milky_way,
        _add_selection,
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


def _add_rewinding(commands: argparse._SubParsersAction) -> None:
    rewinding = commands.add_parser("rewinding", help="how exact the density of rewound stars is")
    add_config(rewinding)
    rewinding.add_argument("--simulations", type=integer_from(2), default=100, help="draws (default: %(default)s)")
    add_seed(rewinding)
    add_workers(rewinding)
    rewinding.set_defaults(run=_rewinding)


def _rewinding(options: argparse.Namespace) -> None:
    from benchmarks.studies import rewinding

    found = rewinding.measure(options.config, options.simulations, options.seed, options.workers)
    print(rewinding.describe(found))


def _add_stars_calibration(commands: argparse._SubParsersAction) -> None:
    stars = commands.add_parser("stars-calibration", help="whether infer_stars is calibrated, by fresh haloes")
    add_config(stars)
    stars.add_argument("--haloes", type=integer_from(2), default=200, help="default: %(default)s, two hours of a core")
    stars.add_argument("--out", type=Path, default=Path("build/stars-calibration"), help="folder of the haloes' files")
    stars.add_argument("--survey", action="store_true", help="given surveys with errors, minutes of a core each")
    add_workers(stars)
    stars.set_defaults(run=_stars_calibration)


def _stars_calibration(options: argparse.Namespace) -> None:
    from benchmarks.studies import stars_calibration

    stars_calibration.main(options.out, options.config, options.haloes, options.workers, options.survey)


def _add_survey_moments(commands: argparse._SubParsersAction) -> None:
    moments = commands.add_parser("survey-moments", help="whether infer_stars by moments is calibrated")
    moments.add_argument(
        "--mocks", type=integer_from(250), default=1000, help="simulated, a fifth held out (default: %(default)s)"
    )
    moments.add_argument("--out", type=Path, default=Path("build/survey-moments"), help="folder of the mocks")
    moments.add_argument("--reference", type=Path, help="folder of reference tables, for the N-body mock (reflex/)")
    moments.add_argument(
        "--parts", type=split_names, default=["survey"], help="survey (default), nbody, stream, with commas"
    )
    add_workers(moments)
    moments.set_defaults(run=_survey_moments)


def _survey_moments(options: argparse.Namespace) -> None:
    from benchmarks.studies import survey_moments

    survey_moments.main(options.out, options.mocks, options.reference, options.workers, options.parts)


def _add_milky_way(commands: argparse._SubParsersAction) -> None:
    real = commands.add_parser("milky-way", help="every published motion through infer, and the K giants' selection")
    real.add_argument(
        "--parts", type=split_names, default=["published"], help="published (default), masses, giants, selection"
    )
    real.add_argument(
        "--mocks", type=integer_from(250), default=2000, help="simulated surveys of the giants (default: %(default)s)"
    )
    real.add_argument("--haloes", type=integer_from(2), default=60, help="of the part selection (default: %(default)s)")
    real.add_argument("--out", type=Path, default=Path("build/milky-way"), help="folder of the mocks")
    real.add_argument("--reference", type=Path, help="folder of reference tables (reflex/); otherwise they are fetched")
    add_workers(real)
    real.set_defaults(run=_milky_way)


def _milky_way(options: argparse.Namespace) -> None:
    from benchmarks.studies import milky_way

    milky_way.main(options.out, options.parts, options.mocks, options.haloes, options.reference, options.workers)


def _add_model_evidences(commands: argparse._SubParsersAction) -> None:
    evidences = commands.add_parser("model-evidences", help="evidences of the models of the task models")
    evidences.add_argument("--rows", type=integer_from(1), default=50, help="observations (default: %(default)s)")
    evidences.add_argument(
        "--counted", type=integer_from(100_000), default=5_000_000, help="stars counted beside (default: %(default)s)"
    )
    evidences.add_argument("--out", type=Path, default=Path("build/model-evidences"), help="folder of the files")
    evidences.add_argument("--embed", type=Path, metavar="DIR", help="write evidences.parquet into this folder")
    add_workers(evidences)
    evidences.set_defaults(run=_model_evidences)


def _model_evidences(options: argparse.Namespace) -> None:
    from benchmarks.studies import model_evidences

    model_evidences.main(options.out, options.rows, options.counted, options.workers, options.embed)


def _add_detectors(commands: argparse._SubParsersAction) -> None:
    detectors = commands.add_parser("detectors", help="how well detectors find shifted observations")
    add_run(detectors)
    detectors.add_argument("--task", default="shift", help="shift or stars-shift (default: %(default)s)")
    detectors.add_argument("--baselines", type=split_names, help="separated by commas (default: all of the task)")
    detectors.add_argument("--fast", action="store_true", help="a fifth of the epochs: a quick look")
    detectors.set_defaults(run=_detectors)


def _detectors(options: argparse.Namespace) -> None:
    from benchmarks.studies import detectors

    detectors.main(options.folder, options.task, options.baselines, options.fast)


def _add_samplers(commands: argparse._SubParsersAction) -> None:
    samplers = commands.add_parser("samplers", help="what samplers make of the likelihood of a halo's stars")
    samplers.add_argument("--sim", type=integer_from(0), default=777, help="simulation (default: %(default)s)")
    samplers.add_argument(
        "--samplers",
        type=split_names,
        default=["ours", "emcee", "nautilus", "dynesty", "zeus", "pocomc"],
        help="separated by commas (default: ours and all that are installed)",
    )
    samplers.set_defaults(run=_samplers)


def _samplers(options: argparse.Namespace) -> None:
    from benchmarks.studies import samplers

    samplers.main(options.sim, options.samplers)


def _add_live(commands: argparse._SubParsersAction) -> None:
    live = commands.add_parser("live", help="how good and how fast live galaxies are, beside what is allowed")
    live.add_argument("--reference", type=Path, help="folder with the runs of others, for orbits and others")
    live.add_argument("--out", type=Path, default=Path("build/live"), help="folder of the runs, which continue there")
    live.add_argument("--particles", type=integer_from(24_000), default=2_000_000, help="default: %(default)s")
    live.add_argument(
        "--parts", type=split_names, help="some of forces,isolated,orbits,others,reflex,seeds,replay,aim,speed"
    )
    live.add_argument("--runs", type=split_names, help="some of gc19-lmc1 to gc19-lmc4, for the part orbits")
    live.add_argument(
        "--seeds", type=integer_from(1), default=3, help="runs of the parts reflex and seeds (default: %(default)s)"
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


def _add_costs(commands: argparse._SubParsersAction) -> None:
    costs = commands.add_parser("costs", help="seconds and accuracy of networks beside the exact likelihood of stars")
    add_run(costs)
    add_stars(costs)
    costs.add_argument("--task", default="stars-budget-1000", help="task of stars (default: %(default)s)")
    costs.set_defaults(run=_costs)


def _costs(options: argparse.Namespace) -> None:
    from benchmarks.studies import costs

    costs.main(options.folder, options.stars, options.task)


def _add_information(commands: argparse._SubParsersAction) -> None:
    information = commands.add_parser("information", help="what a halo's numbers lose of what its stars say")
    information.add_argument("--out", type=Path, default=Path("build/information"), help="folder, which it resumes")
    add_references(information)
    information.add_argument(
        "--disturbed", type=integer_from(0), default=1, help="haloes with wrong distances (default: %(default)s)"
    )
    information.set_defaults(run=_information)


def _information(options: argparse.Namespace) -> None:
    from benchmarks.references.folders import ReferenceFolders
    from benchmarks.studies import information

    information.main(options.out, ReferenceFolders(options.stars, options.numbers), options.disturbed)


def _add_brute_force(commands: argparse._SubParsersAction) -> None:
    brute = commands.add_parser("brute-force", help="posteriors given stars beside those of 24 numbers by simulations")
    brute.add_argument("--out", type=Path, default=Path("build/brute-force"), help="folder, which it resumes")
    add_references(brute)
    brute.add_argument("--rows", type=integer_from(1), default=10, help="rows, the first (default: %(default)s)")
    brute.set_defaults(run=_brute_force)


def _brute_force(options: argparse.Namespace) -> None:
    from benchmarks.references.folders import ReferenceFolders
    from benchmarks.studies import brute_force

    brute_force.main(options.out, ReferenceFolders(options.stars, options.numbers), options.rows)


def _add_selection(commands: argparse._SubParsersAction) -> None:
    selection = commands.add_parser("selection", help="how the part of the stars in a shell depends on the parameters")
    add_config(selection)
    selection.set_defaults(run=_selection)


def _selection(options: argparse.Namespace) -> None:
    from benchmarks.studies import selection

    selection.main(options.config)
