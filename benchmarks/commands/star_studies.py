"""The studies of inference from stars, a command each with the name of its module."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.commands.options import (
    add_config,
    add_references,
    add_run,
    add_seed,
    add_workers,
    integer_from,
    split_names,
)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parsers."""
    for add_one in (
        _add_rewinding, _add_stars_calibration, _add_survey_moments, _add_milky_way, _add_model_evidences,
        _add_detectors, _add_samplers, _add_costs, _add_information, _add_brute_force, _add_selection,
    ):  # fmt: skip
        add_one(commands)


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
    stars.add_argument(
        "--haloes",
        type=integer_from(2),
        default=100,
        help="fresh haloes beside the embedded references (default: %(default)s, one to two hours of a core)",
    )
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


def _add_costs(commands: argparse._SubParsersAction) -> None:
    costs = commands.add_parser("costs", help="seconds and accuracy of networks beside the exact likelihood of stars")
    add_run(costs)
    costs.add_argument("--task", default="stars-budget-1000", help="task of stars (default: %(default)s)")
    costs.set_defaults(run=_costs)


def _costs(options: argparse.Namespace) -> None:
    from benchmarks.studies import costs

    costs.main(options.folder, options.task)


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
