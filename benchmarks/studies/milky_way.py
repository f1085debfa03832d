"""The real Milky Way: every published motion through `mw.infer`, and the K giants through their selection.

Part `published` infers from each published measurement, with the observed LMC and its errors and with another choice of
the LMC, or says why the package does not. Part `masses` infers masses within 50 kpc and the anisotropy from the same
measurements, beside the published values. Part `giants` takes the 253 K giants beyond 50 kpc of Yaaqib et al. (2024),
from `--reference DIR` or from the authors' repository: how far their fitted vector is from what the model makes at the
observed LMC, if the sky were whole and perfect, with its errors, and with the survey's selection; and what is inferred
from their moments by mocks with their sky, distances and errors, masses within 50 kpc too. Part `selection` simulates
haloes at the posterior of the giants and prints how shell and selection move the fitted vector. Mocks and haloes are
kept in the folder.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.studies.published_stars import read_giants
from mwlmc_data import Parameters, Prior, fit_reflex, fit_reflex_observed, infer, infer_stars, simulate
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference import MomentsPosterior, ReflexPosterior
from mwlmc_data.inference.deconvolved import TRAVEL
from mwlmc_data.inference.posterior import get_unit
from mwlmc_data.inference.targets import TARGETS
from mwlmc_data.observations import Observation, fetch_stars, load_lmc, load_observations
from mwlmc_data.priors.enclosed import WITHIN_50, EnclosedPrior
from mwlmc_data.rewinding.observed import take_observed
from mwlmc_data.simulator import Reflex
from mwlmc_data.surveys import measure_moments
from mwlmc_data.surveys.mock import observe_like

PARTS = ("published", "masses", "giants", "selection")
#: The table of stars, its file in a folder of reference tables, and its shell [kpc].
STARS, FILE, R_MAX = "yaaqib24-50-kgiants", "kgiants_yaaqib24_r50.txt", 125.0
#: Seed, and stars of a halo that is observed.
SEED, N_STARS = 41_000, 40_000


def quiet(function: Any, *args: Any, **options: Any) -> Any:
    """Call a function without its warnings, which are printed as numbers here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **options)


def read_stars(reference: Path | None) -> pd.DataFrame:
    """Read the K giants from a folder of reference tables, or fetch them."""
    if reference is None:
        return fetch_stars(STARS)
    path = reference / "reflex" / FILE
    if not path.is_file():
        raise ValueError(f"--reference = {str(reference)!r}: allowed is a folder with reflex/{FILE}")
    observables, errors = read_giants(path)
    columns = dict(zip(("l", "b", "distance", "v_los", "pm_l", "pm_b"), observables, strict=True))
    named = {("corr_pm" if name == "corr" else f"err_{name}"): values for name, values in errors.items()}
    return pd.DataFrame({**columns, **named})


def format_posterior(found: ReflexPosterior | MomentsPosterior) -> str:
    """Format median and 68% interval of masses, friction and anisotropy, and the p-value."""
    parts = []
    inner = "m_mw_50" in found.samples
    for name in WITHIN_50 if inner else TARGETS["total"]:
        low, middle, high = found.percentiles().loc[name] / get_unit(name)[0]
        digits = 2 if inner else 1
        parts.append(f"{name} {middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})")
    p = f"p {found.p_value:.3f}" if found.p_value else f"p < {1.0 / found.n_predictive:g}"
    return ", ".join([*parts, p])


def describe_published() -> Iterator[str]:
    """Yield a line for each published measurement and choice of the LMC."""
    places = {name: load_lmc(name) for name in ("kallivayalil13", "vasiliev")}
    for name, entry in load_observations().items():
        for place, lmc in places.items():
            try:
                found = quiet(infer, entry, lmc=lmc, n=4000)
            except ValueError as error:
                yield f"{name}: not inferred: {error}"
                break
            yield (
                f"{name}, stars {describe_stars(entry)}, LMC of {place}: {format_posterior(found)}, "
                f"{found.distance:.1f} sigma"
            )


def describe_masses() -> Iterator[str]:
    """Yield the published masses within 50 kpc and anisotropies, and those inferred from each published motion."""
    entries = load_observations()
    for name, entry in entries.items():
        quoted = [
            f"{each} {entry.values[each] / unit:.2f} +{entry.upper[each] / unit:.2f} -{entry.lower[each] / unit:.2f}"
            for each in WITHIN_50
            if each in entry.values
            for unit in (get_unit(each)[0],)
        ]
        if quoted:
            yield f"{name}, {entry.tracers}, as published ({entry.version}): {', '.join(quoted)}"
    for name, entry in entries.items():
        try:
            found = quiet(infer, entry, lmc=load_lmc(), n=4000, targets="within-50")
        except ValueError:
            continue  # the part "published" says why
        yield (
            f"{name}, stars {describe_stars(entry)}, LMC of kallivayalil13: {format_posterior(found)}, "
            f"{found.distance:.1f} sigma"
        )
    prior = EnclosedPrior("gaussian").sample(20_000, seed=SEED).quantile([0.16, 0.5, 0.84])
    quantiles = ", ".join(
        f"{name} {middle:.2f} ({low:.2f} to {high:.2f})"
        for name in WITHIN_50
        for low, middle, high in (prior[name] / get_unit(name)[0],)
    )
    yield f"prior: {quantiles}"


def describe_stars(entry: Observation) -> str:
    """The shell of a measurement as its source gives it, and where its stars end."""
    reach = "" if entry.reach is None else f", to {entry.reach:g} kpc"
    return f"{entry.r_min:g} to {entry.r_max:g} kpc{reach}"


def fit_stars(stars: pd.DataFrame) -> Reflex:
    """Fit the reflex motion to the table."""
    errors = {name: stars[f"err_{name}"] for name in ("distance", "v_los", "pm_l", "pm_b")} | {"corr": stars["corr_pm"]}
    given = {name: stars[name] for name in ("l", "b", "distance", "v_los", "pm_l", "pm_b")}
    return quiet(fit_reflex_observed, **given, errors=errors)


def infer_giants(
    stars: pd.DataFrame,
    out: Path,
    n_mocks: int,
    workers: int | None,
    moments: Sequence[str] | None = TRAVEL,
    targets: str = "total",
) -> MomentsPosterior:
    """Infer from moments of the K giants, the travel velocity by default, by mocks with their sky and errors."""
    return quiet(
        infer_stars,
        stars,
        method="moments",
        moments=moments,
        targets=targets,
        lmc=load_lmc(),
        n_mocks=n_mocks,
        n=4000,
        seed=SEED,
        workers=workers,
        resume=out / "mocks-giants.npz",
    )


def describe_giants(stars: pd.DataFrame, out: Path, n_mocks: int, workers: int | None) -> Iterator[str]:
    """Yield what is inferred from the K giants, step by step."""
    fit = fit_stars(stars)
    errors = np.sqrt(np.diag(fit.covariance))[:3]
    vector = ", ".join(f"{value:.1f} +- {error:.1f}" for value, error in zip(fit.vector, errors, strict=True))
    yield f"{fit.n_stars} K giants: fitted vector {vector} km/s"
    lmc = load_lmc()
    by_name = dict(zip(TRAVEL, fit.vector, strict=True))
    for what, shell, covariance in (
        ("whole sky, all beyond 50 kpc, errors of 4,500 exact stars", (50.0, math.inf), None),
        ("the same, with the fit's errors", (50.0, math.inf), fit.covariance[:3, :3]),
        ("stars at 50 to 100 kpc, with the fit's errors", (50.0, 100.0), fit.covariance[:3, :3]),
    ):
        found = quiet(infer, by_name, covariance, shell=shell, lmc=lmc, n=4000)
        yield f"{what}: {found.distance:.1f} sigma, {format_posterior(found)}"
    start = time.monotonic()
    for what, names in (("the travel velocity", TRAVEL), ("all nine moments", None)):
        found = infer_giants(stars, out, n_mocks, workers, names)
        yield f"{what}, by mocks like them ({time.monotonic() - start:.0f} s): {format_posterior(found)}"
        yield str(found)
        yield found.calibration.round(3).to_string()
        within = infer_giants(stars, out, n_mocks, workers, names, "within-50")
        yield f"{what}, masses within 50 kpc: {format_posterior(within)}"
        yield within.calibration.round(3).to_string()


def measure_selection(stars: pd.DataFrame, posterior: MomentsPosterior, n: int) -> dict[str, Float64Array]:
    """Fitted vectors (n, 3) of haloes at draws of a posterior: all, those to 125 kpc, and as the survey sees them.

    The parameters that the posterior does not hold are drawn from the prior, the LMC is the observed one.
    """
    template, rng = take_observed(stars), np.random.default_rng(SEED)
    names = [name for name in ("beta0", "r_dehnen") if name not in posterior.samples]
    others = Prior(posterior.config, names).sample(n, seed=SEED) if names else pd.DataFrame(index=range(n))
    found: dict[str, list[Float64Array]] = {"beyond 50 kpc": [], "at 50 to 125 kpc": [], "as the survey sees them": []}
    for i in range(n):
        drawn = {**posterior.samples.iloc[i].to_dict(), **others.iloc[i].to_dict()}
        halo = simulate(
            Parameters(**{str(name): value for name, value in drawn.items()}), seed=SEED + i, n_stars=N_STARS
        ).halo
        found["beyond 50 kpc"].append(fit_reflex(halo.positions, halo.velocities).vector)
        found["at 50 to 125 kpc"].append(fit_reflex(halo.positions, halo.velocities, 50.0, R_MAX).vector)
        both = np.hstack([halo.positions, halo.velocities]).astype(float)
        found["as the survey sees them"].append(measure_moments(observe_like(both, template, rng)[0]).values[:3])
    return {name: np.array(vectors) for name, vectors in found.items()}


def describe_selection(vectors: dict[str, Float64Array]) -> Iterator[str]:
    """Yield the mean vector of each way to see the haloes, and its mean shift from the whole shell, with errors."""
    whole = vectors["beyond 50 kpc"]
    for name, values in vectors.items():
        shift = values - whole
        error = shift.std(axis=0, ddof=1) / math.sqrt(len(shift))
        mean, scatter = values.mean(axis=0), values.std(axis=0, ddof=1)
        numbers = "; ".join(
            f"{axis} {m:.1f} (scatter {s:.1f}), shift {d:+.1f} +- {e:.1f}"
            for axis, m, s, d, e in zip("xyz", mean, scatter, shift.mean(axis=0), error, strict=True)
        )
        yield f"{len(values)} haloes {name}: {numbers} km/s"


def main(out: Path, parts: list[str], n_mocks: int, haloes: int, reference: Path | None, workers: int | None) -> None:
    """Print the parts."""
    if unknown := [part for part in parts if part not in PARTS]:
        raise ValueError(f"--parts holds {', '.join(unknown)}: allowed is {', '.join(PARTS)}")
    if "published" in parts:
        for line in describe_published():
            print(line, flush=True)
    if "masses" in parts:
        for line in describe_masses():
            print(line, flush=True)
    if not {"giants", "selection"} & set(parts):
        return
    out.mkdir(parents=True, exist_ok=True)
    stars = read_stars(reference)
    if "giants" in parts:
        for line in describe_giants(stars, out, n_mocks, workers):
            print(line, flush=True)
    if "selection" in parts:
        posterior = infer_giants(stars, out, n_mocks, workers)
        for line in describe_selection(measure_selection(stars, posterior, haloes)):
            print(line, flush=True)
