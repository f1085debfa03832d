"""`mwlmc infer`: the posterior of an observed reflex motion."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mwlmc_data import schema
from mwlmc_data.commands.common import add_column, add_json, print_json
from mwlmc_data.terminal import add_out, check_out

if TYPE_CHECKING:
    from mwlmc_data.inference import Posterior

_SKY = ("ra_lmc", "dec_lmc", "distance_lmc", "v_los_lmc", "pm_ra_lmc", "pm_dec_lmc")
_DATA = (*schema.REFLEX, *_SKY, *schema.LMC_VECTOR)
_UNITS = {"m_lmc": (1e10, "1e10 Msun"), "m200_mw": (1e11, "1e11 Msun"), "log10_lambda_df": (1.0, "dex")}


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser of the command."""
    infer = commands.add_parser(
        "infer",
        help="masses and friction from an observed reflex motion",
        description="Draw the posterior of the LMC's mass, the Milky Way's mass and the strength of friction, given "
        "the reflex motion of the halo beyond 50 kpc, by a network that the package embeds. Without the LMC's present "
        "day the observed LMC is taken.",
    )
    infer.add_argument("--case", help="one of the validation cases in place of data: rigid, gc19-fiducial, fire-m12b")
    for name in _DATA:
        add_column(infer, name)
    infer.add_argument("--config", default="gaussian", help="training set of the network: gaussian (default) or wide")
    infer.add_argument("--n", type=int, default=10_000, help="draws (default: %(default)s)")
    infer.add_argument("--seed", type=int, default=0, help="seed of the draws (default: %(default)s)")
    add_out(infer, (".csv", ".parquet"), "write the draws")
    add_json(infer)
    infer.set_defaults(run=_infer)


def _infer(options: argparse.Namespace) -> int:
    check_out(options)
    from mwlmc_data.inference import infer

    posterior = infer(_observation(options), n=options.n, seed=options.seed, config=options.config)
    if options.out is not None:
        if options.out.suffix == ".csv":
            posterior.samples.to_csv(options.out, index=False)
        else:
            posterior.samples.to_parquet(options.out, index=False)
    if options.json:
        print_json(_numbers(posterior))
    else:
        _print(posterior)
    return 0


def _observation(options: argparse.Namespace) -> dict[str, float]:
    given = {name: getattr(options, name) for name in _DATA if getattr(options, name) is not None}
    if options.case is None:
        return given
    from mwlmc_data.validation import validation_cases

    if given:
        raise ValueError(f"--case {options.case!r} and data ({', '.join(given)}) are given; allowed: one of the two")
    cases = validation_cases()
    if options.case not in cases:
        raise ValueError(f"unknown case {options.case!r}; allowed: {', '.join(cases)}")
    return dict(cases[options.case].observation)


def _numbers(posterior: Posterior) -> dict[str, object]:
    return {
        "observation": dict(posterior.observation),
        "in_support": dict(posterior.in_support),
        "outside": list(posterior.outside),
        "config": posterior.config,
        "n": len(posterior.samples),
        "percentiles": posterior.percentiles((2.5, 16, 50, 84, 97.5)).to_dict(orient="index"),
    }


def _print(posterior: Posterior) -> None:
    data = posterior.observation
    print(f"v_travel {data['v_travel']:.1f} km/s towards l {data['l_apex']:.1f}, b {data['b_apex']:.1f} deg; "
          f"{len(posterior.samples):,} draws, network trained on {posterior.config!r}")  # fmt: skip
    print(f"  {'':<16} {'16%':>8} {'50%':>8} {'84%':>8}")
    for name, row in posterior.percentiles().iterrows():
        unit, text = _UNITS[str(name)]
        print(f"  {name!s:<16} " + " ".join(f"{value / unit:8.2f}" for value in row) + f"  {text}")
    if posterior.outside:
        told = ", ".join(f"{name} ({posterior.in_support[name]:+.0f} sigma)" for name in posterior.outside)
        print(f"The LMC is outside the network's training set in {told}: it extrapolates there, and may be wrong.")
