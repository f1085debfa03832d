"""Whether `mw.infer_stars(..., method="moments")` is calibrated, on surveys whose truth is known.

The survey is a mock: stars of a halo with known parameters, at 50 to 125 kpc in the sky of the Legacy Surveys, 250 of
them, with the errors of K giants. The run simulates mocks like it, holds a fifth of them out, and prints how often the
posteriors of those hold their truth: in at least 200 mocks for 1,000 simulated ones. Each batch of 50 mocks is kept in
a file of the folder, so that a run continues where it stopped, and a longer one keeps what a shorter one computed.

The part "stream" replaces a part of the stars by those of a stream and infers from the same survey with the stream as a
component of its mocks, whose part is inferred too, and without.

With a folder of reference tables the stars of a live N-body model (Petersen & Penarrubia 2021, its first 15,000 rows in
the footprint of SDSS) are inferred in the same way. Its masses are not published with it: what counts is the p-value
of moments that a deforming Milky Way makes.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.studies.published_stars import read_mock
from mwlmc_data import Parameters, Selection, infer_stars, mock_survey, simulate
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference import MomentsPosterior
from mwlmc_data.inference.deconvolved import TRAVEL
from mwlmc_data.observations import in_legacy_surveys, load_lmc
from mwlmc_data.rewinding.selection import find_selected
from mwlmc_data.scoring.star_ladders import Deviates, draw_stream, trace_stream

#: Parameters of the halo that is surveyed, and its seed, which no set uses.
TRUTH = {"m200_mw": 1.1e12, "m_lmc": 1.6e11, "log10_lambda_df": 0.0, "beta0": 0.5, "r_dehnen": 12.0}
SEED, N_SIMULATED = 40_000, 40_000
#: The survey: shell [kpc], stars, and the errors of K giants: relative in distance, km/s and mas/yr.
R_MIN, R_MAX, N_STARS = 50.0, 125.0, 250
CHOSEN = Selection(r_min=R_MIN, r_max=R_MAX, footprint=in_legacy_surveys)
ERRORS = {"distance": 0.16, "v_los": 5.0, "pm_l": 0.1, "pm_b": 0.1}
#: The parts of a run.
PARTS = ("survey", "nbody", "stream")
#: Stars of the stream, its part of the survey, and the range over which that is uniform where it is inferred.
N_STREAM, STREAM_PART, STREAM_RANGE = 20_000, 0.2, (0.0, 0.5)


def make_survey(contamination: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Observe the halo, and other populations beside it."""
    halo = simulate(Parameters(**TRUTH), seed=SEED, n_stars=N_SIMULATED).halo
    return mock_survey(halo, selection=CHOSEN, errors=ERRORS, n=N_STARS, contamination=contamination, seed=SEED)


def make_stream() -> Float64Array:
    """Stars (n, 6) along 0.4 Gyr of the past orbit of a star of the halo that is in the footprint today."""
    halo = simulate(Parameters(**TRUTH), seed=SEED + 1, n_stars=N_SIMULATED).halo
    stars = np.hstack([halo.positions, halo.velocities]).astype(float)
    seen = find_selected(stars[:, :3], Selection(r_min=80.0, r_max=110.0, footprint=in_legacy_surveys)) > 0.0
    orbit = trace_stream(stars[seen], Parameters(**TRUTH))
    return draw_stream(orbit, N_STREAM, Deviates(SEED, 1))


def read_nbody(reference: Path | None) -> pd.DataFrame:
    """Read the N-body mock of a folder of reference tables; raise ValueError if it is not there."""
    path = (reference or Path()) / "reflex" / "mock_live_s14.txt.gz"
    if reference is None or not path.is_file():
        raise ValueError(f"--reference = {str(reference)!r}: allowed is a folder with reflex/mock_live_s14.txt.gz")
    observables, errors = read_mock(path, 15_000)
    columns = dict(zip(("l", "b", "distance", "v_los", "pm_l", "pm_b"), observables, strict=True))
    return pd.DataFrame({**columns, **{f"err_{name}": values for name, values in errors.items()}})


def infer(
    mocks: str, table: pd.DataFrame, out: Path, n_mocks: int, workers: int | None, **options: Any
) -> MomentsPosterior:
    """Infer from a table, whose mocks are kept in the folder under a name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # printed
        return infer_stars(
            table,
            method="moments",
            lmc=load_lmc(),
            n_mocks=n_mocks,
            n=4000,
            seed=SEED,
            workers=workers,
            resume=out / f"mocks-{mocks}.npz",
            **options,
        )


def describe(name: str, found: MomentsPosterior, truth: dict[str, float], seconds: float) -> str:
    """Format a posterior, its calibration, and where the truth lies."""
    lines = [f"{name}, {seconds:.0f} s", str(found), found.calibration.round(3).to_string()]
    for parameter, value in truth.items():
        if parameter not in found.samples:
            continue
        rank = float((found.samples[parameter] < value).mean())
        lines.append(f"truth of {parameter}: {value:.4g}, at {100 * rank:.0f}% of the draws")
    return "\n".join(lines)


def main(
    out: Path, n_mocks: int, reference: Path | None, workers: int | None, parts: Sequence[str] = PARTS[:1]
) -> None:
    """Infer from the survey, from the N-body mock if its table is given, and from a survey with a stream."""
    if unknown := [part for part in parts if part not in PARTS]:
        raise ValueError(f"--parts holds {', '.join(unknown)}: allowed is {', '.join(PARTS)}")
    out.mkdir(parents=True, exist_ok=True)
    runs: dict[str, tuple[str, pd.DataFrame, dict[str, float], dict[str, Any]]] = {}
    if "survey" in parts:
        runs["survey"] = ("survey", make_survey(), TRUTH, {})
    if reference is not None or "nbody" in parts:
        table = read_nbody(reference)
        runs["nbody"] = ("nbody", table, {}, {})
        runs["nbody-travel"] = ("nbody", table, {}, {"moments": TRAVEL})
    if "stream" in parts:
        stream = make_stream()
        table = make_survey({"stream": (stream, STREAM_PART)})
        component = {"stream": (stream, STREAM_RANGE)}
        truth = {**TRUTH, "part_stream": STREAM_PART}
        known = {"selection": CHOSEN, "contamination": component}
        runs["stream-as-component"] = ("stream-as-component", table, truth, known)
        runs["stream-unknown"] = ("stream-unknown", table, truth, {"selection": CHOSEN})
    for name, (mocks, table, truth, options) in runs.items():
        start = time.monotonic()
        found = infer(mocks, table, out, n_mocks, workers, **options)
        print(describe(name, found, truth, time.monotonic() - start), flush=True)
        if name == "survey":
            held = np.asarray(found.calibration["inside_68"])
            print(f"all parameters within their 68% intervals: {held.mean():.3f}\n", flush=True)
