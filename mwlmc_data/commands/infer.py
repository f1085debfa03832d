"""`mwlmc infer`: the posterior of an observed reflex motion."""

from __future__ import annotations

import argparse
import json
import math
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mwlmc_data.arguments.arrays import as_choice
from mwlmc_data.commands.common import COVARIANCE, add_column, add_json, print_json
from mwlmc_data.dataset import schema
from mwlmc_data.terminal import add_out, check_out

if TYPE_CHECKING:
    from mwlmc_data.inference import ReflexPosterior
    from mwlmc_data.observations import Observation
    from mwlmc_data.validation import Case

_SKY = ("ra_lmc", "dec_lmc", "distance_lmc", "v_los_lmc", "pm_ra_lmc", "pm_dec_lmc")
_ALONG = {"l_apex": ", along l and not times cos b"}
_TRAVEL = ("vx_travel", "vy_travel", "vz_travel")
_PERCENTS = (2.5, 16.0, 50.0, 84.0, 97.5)
_DATA = (*schema.REFLEX, *_SKY, *schema.LMC_VECTOR)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the parser of the command."""
    infer = commands.add_parser(
        "infer",
        help="masses and friction from an observed reflex motion",
        description="Draw the posterior of the LMC's mass, the Milky Way's mass and the strength of friction, given "
        "the reflex motion of the halo beyond 50 kpc, at 50 to 100 kpc or at 50 to 300 kpc, with the network for that "
        "shell that the package embeds. Without data on the LMC "
        "the observed LMC is used; without errors, those of 4,500 simulated stars. Warnings go to standard error: the "
        "model does not produce such a motion (p-value below 0.01), the LMC is outside the training set, or the "
        "networks of the two sets disagree.",
    )
    infer.add_argument("--case", help="a validation case instead of data: rigid, gc19-fiducial, fire-m12b")
    infer.add_argument("--published", metavar="NAME", help="a published measurement instead of data, such as "
                       "yaaqib24-50; `mwlmc_data.observations` lists them")  # fmt: skip
    infer.add_argument("--r-max", type=float, metavar="kpc", help="outer radius of the stars of data or of a case: "
                       "100, 300 or inf (default: that of the case, and inf)")  # fmt: skip
    infer.add_argument("--reflex", type=Path, metavar="FILE", help="a fit instead of data: what `mwlmc reflex --json` "
                       "printed, with its covariance and shell")  # fmt: skip
    infer.add_argument("--lmc", metavar="NAME", help="the LMC with its errors: observed (that is kallivayalil13) or "
                       "vasiliev, which has none; by default the observed one without errors")  # fmt: skip
    for name in _DATA:
        add_column(infer, name)
    for name in schema.REFLEX:
        unit = schema.get_column(name).unit
        infer.add_argument(f"--err-{name.replace('_', '-')}", dest=f"err_{name}", type=float, metavar=unit,
                           help=f"standard error of {name}{_ALONG.get(name, '')}; all three or none")  # fmt: skip
    infer.add_argument("--config", help="training set of the network: gaussian (by default, if there is one for the "
                       "shell) or wide")  # fmt: skip
    infer.add_argument("--targets", default="total", help="what is inferred: total (masses and friction; the default) "
                       "or within-50 (masses within 50 kpc and anisotropy)")  # fmt: skip
    infer.add_argument("--n", type=int, default=10_000, help="draws (default: %(default)s)")
    infer.add_argument("--seed", type=int, default=0, help="seed of the draws (default: %(default)s)")
    add_out(infer, (".csv", ".parquet"), "write the draws", folder="into a folder, write samples.parquet, "
            "percentiles.csv, posterior.json, corner.png (with the prior) and predictive.png")  # fmt: skip
    add_json(infer)
    infer.set_defaults(run=_infer)


def _infer(options: argparse.Namespace) -> int:
    check_out(options)
    to_folder = options.out is not None and not options.out.suffix
    if to_folder:
        from mwlmc_data.plotting.style import import_optional

        import_optional("corner")  # what is missing is found before the work
    from mwlmc_data.inference import infer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # printed below, as a command does
        observation, errors, shell = _read_measured(options)
        chosen = {"n": options.n, "seed": options.seed, "config": options.config, "lmc": _read_lmc(options)}
        chosen["targets"] = options.targets
        posterior = infer(observation, errors, **chosen, shell=shell)
    if to_folder:
        _write_folder(posterior, options.out)
    elif options.out is not None:
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

    if options.lmc is None:
        return None
    return load_lmc() if options.lmc == "observed" else load_lmc(options.lmc)


def _read_measured(options: argparse.Namespace) -> tuple[Any, Any, tuple[float, float] | None]:
    """Return the observation, its errors, and the shell of a mapping."""
    from mwlmc_data.simulator.constants import FIT_R_MIN

    found = {name: getattr(options, f"err_{name}") for name in schema.REFLEX}
    errors = {name: value for name, value in found.items() if value is not None}
    observation = _read_observation(options)
    if options.reflex is not None:
        if errors or options.r_max is not None:
            raise ValueError(
                f"--reflex = {str(options.reflex)!r} with errors or --r-max: allowed is a fit with its own"
            )
        return read_fit(options.reflex)
    return observation, errors or None, None if options.r_max is None else (FIT_R_MIN, options.r_max)


def read_fit(path: Path) -> tuple[dict[str, float], list[list[float]], tuple[float, float]]:
    """Read what ``mwlmc reflex --json`` printed.

    Parameters
    ----------
    path : Path
        File of JSON.

    Returns
    -------
    vector : dict of str to float
        vx_travel, vy_travel, vz_travel [km/s].
    covariance : list of list of float
        Of the vector [km^2/s^2].
    shell : (float, float)
        Of the stars [kpc].

    Raises
    ------
    ValueError
        If it is not such a file, or the stars did not determine the vector.
    """
    needed = [*_TRAVEL, *COVARIANCE, "r_min", "r_max"]
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        numbers = {name: given[name] for name in needed}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"--reflex = {str(path)!r} ({error!r}): allowed is what `mwlmc reflex --json` prints, with "
            f"{', '.join(needed)}"
        ) from error
    if unknown := [name for name in (*_TRAVEL, *COVARIANCE) if numbers[name] is None]:
        raise ValueError(f"--reflex = {str(path)!r}, whose stars do not determine {', '.join(unknown)}: allowed is a "
                         "fit that does")  # fmt: skip
    covariance = [[0.0] * 3 for _ in range(3)]
    for name, (i, j) in COVARIANCE.items():
        covariance[i][j] = covariance[j][i] = numbers[name]
    r_max = math.inf if numbers["r_max"] is None else numbers["r_max"]
    return {name: numbers[name] for name in _TRAVEL}, covariance, (numbers["r_min"], r_max)


def _read_observation(options: argparse.Namespace) -> dict[str, float] | Observation | Case:
    given = {name: getattr(options, name) for name in _DATA if getattr(options, name) is not None}
    named = [(f"--{name}", getattr(options, name)) for name in ("case", "published", "reflex")]
    chosen = [(option, name) for option, name in named if name is not None]
    if not chosen:
        return given
    (option, name), *others = chosen
    if given or others:
        beside = ", ".join(given) or " ".join(map(str, others[0]))
        raise ValueError(f"{option} = {str(name)!r} with data ({beside}): allowed is one of the two")
    if option == "--reflex":
        return given
    if option == "--published":
        from mwlmc_data.observations import load_observation

        return load_observation(name)
    from mwlmc_data.validation import validation_cases

    cases = validation_cases()
    as_choice("--case", options.case, tuple(cases))
    case = cases[options.case]
    # in another shell than its own, a case is the numbers that it quotes
    return case if options.r_max is None else dict(case.observation)


def _write_folder(posterior: ReflexPosterior, folder: Path) -> None:
    """Write draws, percentiles, all numbers and two figures."""
    from mwlmc_data.storage.writing import replace_file, write_bytes

    folder.mkdir(exist_ok=True)
    draws = posterior.samples
    if posterior.lmc_samples is not None:
        draws = draws.join(posterior.lmc_samples)
    replace_file(folder / "samples.parquet", lambda path: draws.to_parquet(path, index=False))
    percentiles = posterior.percentiles(_PERCENTS)
    replace_file(folder / "percentiles.csv", lambda path: percentiles.to_csv(path, index_label="parameter"))
    text = json.dumps(_collect_numbers(posterior), indent=2, allow_nan=False)
    write_bytes(folder / "posterior.json", f"{text}\n".encode())
    for name, figure in (("corner", posterior.plot(prior=True)), ("predictive", posterior.plot_predictive())):
        replace_file(folder / f"{name}.png", partial(figure.savefig, format="png", dpi=150))


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
        "r_min": posterior.r_min,
        "r_max": posterior.r_max if math.isfinite(posterior.r_max) else None,
        "reach": posterior.reach if math.isfinite(posterior.reach) else None,
        "warnings": list(posterior.warnings),
        "config": posterior.config,
        "n": len(posterior.samples),
        "percentiles": posterior.percentiles(_PERCENTS).to_dict(orient="index"),
        **_collect_lmc(posterior),
    }


def _collect_lmc(posterior: ReflexPosterior) -> dict[str, object]:
    """Percentiles of the LMC's vector, if it has errors."""
    if posterior.lmc_samples is None:
        return {}
    import numpy as np

    values = np.percentile(posterior.lmc_samples.to_numpy(), _PERCENTS, axis=0).T
    names = [f"p{percent:g}" for percent in _PERCENTS]
    found = {
        name: dict(zip(names, row, strict=True))
        for name, row in zip(posterior.lmc_samples, values.tolist(), strict=True)
    }
    return {"lmc_percentiles": found, "n_effective": posterior.n_effective}
