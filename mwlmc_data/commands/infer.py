"""`mwlmc infer`: the posterior of an observed reflex motion."""

from __future__ import annotations

import argparse
import math
import sys
import warnings
from typing import TYPE_CHECKING, Any

from mwlmc_data.arguments.arrays import as_choice
from mwlmc_data.commands.common import add_column, add_json, print_json
from mwlmc_data.dataset import schema
from mwlmc_data.terminal import add_out, check_out

if TYPE_CHECKING:
    from mwlmc_data.inference import ReflexPosterior
    from mwlmc_data.observations import Observation

_SKY = ("ra_lmc", "dec_lmc", "distance_lmc", "v_los_lmc", "pm_ra_lmc", "pm_dec_lmc")
_ALONG = {"l_apex": ", along l and not times cos b"}
_DATA = (*schema.REFLEX, *_SKY, *schema.LMC_VECTOR)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser of the command."""
    infer = commands.add_parser(
        "infer",
        help="masses and friction from an observed reflex motion",
        description="Draw the posterior of the LMC's mass, the Milky Way's mass and the strength of friction, given "
        "the reflex motion of the halo beyond 50 kpc, with a network that the package embeds. Without data on the LMC "
        "the observed LMC is used; without errors, those of 4,500 simulated stars. Warnings go to standard error: the "
        "model does not produce such a motion (p-value below 0.01), the LMC is outside the training set, or the "
        "networks of the two sets disagree.",
    )
    infer.add_argument("--case", help="a validation case instead of data: rigid, gc19-fiducial, fire-m12b")
    infer.add_argument("--published", metavar="NAME", help="a published measurement instead of data, such as "
                       "yaaqib24-50; `mwlmc_data.observations` lists them")  # fmt: skip
    infer.add_argument("--lmc", metavar="NAME", help="the observed LMC: kallivayalil13 (default) or vasiliev")
    for name in _DATA:
        add_column(infer, name)
    for name in schema.REFLEX:
        unit = schema.get_column(name).unit
        infer.add_argument(f"--err-{name.replace('_', '-')}", dest=f"err_{name}", type=float, metavar=unit,
                           help=f"standard error of {name}{_ALONG.get(name, '')}; all three or none")  # fmt: skip
    infer.add_argument("--config", default="gaussian", help="training set of the network: gaussian (default) or wide")
    infer.add_argument("--n", type=int, default=10_000, help="draws (default: %(default)s)")
    infer.add_argument("--seed", type=int, default=0, help="seed of the draws (default: %(default)s)")
    add_out(infer, (".csv", ".parquet"), "write the draws")
    add_json(infer)
    infer.set_defaults(run=_infer)


def _infer(options: argparse.Namespace) -> int:
    check_out(options)
    from mwlmc_data.inference import infer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # printed below, as a command does
        observation, errors = _read_measured(options)
        chosen = {"n": options.n, "seed": options.seed, "config": options.config, "lmc": _read_lmc(options)}
        posterior = infer(observation, errors, **chosen)
    if options.out is not None:
        from mwlmc_data.storage.writing import replace_file

        write = posterior.samples.to_csv if options.out.suffix == ".csv" else posterior.samples.to_parquet
        replace_file(options.out, lambda path: write(path, index=False))
    for text in posterior.warnings:
        print(f"warning: {text}", file=sys.stderr)
    if options.json:
        print_json(_collect_numbers(posterior))
    else:
        print(posterior.table())
    return 0


def _read_lmc(options: argparse.Namespace) -> Observation | None:
    from mwlmc_data.observations import load_lmc

    return None if options.lmc is None else load_lmc(options.lmc)


def _read_measured(options: argparse.Namespace) -> tuple[Any, dict[str, float] | None]:
    """Return the observation and the given errors."""
    found = {name: getattr(options, f"err_{name}") for name in schema.REFLEX}
    errors = {name: value for name, value in found.items() if value is not None}
    return _read_observation(options), errors or None


def _read_observation(options: argparse.Namespace) -> dict[str, float] | Observation:
    given = {name: getattr(options, name) for name in _DATA if getattr(options, name) is not None}
    named = [(f"--{name}", getattr(options, name)) for name in ("case", "published")]
    chosen = [(option, name) for option, name in named if name is not None]
    if not chosen:
        return given
    (option, name), *others = chosen
    if given or others:
        beside = ", ".join(given) or " ".join(others[0])
        raise ValueError(f"{option} = {name!r} with data ({beside}): allowed is one of the two")
    if option == "--published":
        from mwlmc_data.observations import load_observation

        return load_observation(name)
    from mwlmc_data.validation import validation_cases

    cases = validation_cases()
    as_choice("--case", options.case, tuple(cases))
    return dict(cases[options.case].observation)


def _collect_numbers(posterior: ReflexPosterior) -> dict[str, object]:
    return {
        "observation": dict(posterior.observation),
        "covariance": posterior.covariance.tolist(),
        "errors_given": posterior.errors_given,
        "p_value": posterior.p_value,
        "n_predictive": posterior.n_predictive,
        "distance": posterior.distance,
        "in_support": dict(posterior.in_support),
        "outside": list(posterior.outside),
        "disagreement": dict(posterior.disagreement),
        "reach": posterior.reach if math.isfinite(posterior.reach) else None,
        "warnings": list(posterior.warnings),
        "config": posterior.config,
        "n": len(posterior.samples),
        "percentiles": posterior.percentiles((2.5, 16, 50, 84, 97.5)).to_dict(orient="index"),
    }
