"""The table of references given surveys: which are certified, and why others are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.references import from_stars
from benchmarks.references.agreement import flatten_agreement
from benchmarks.references.certificate import MAX_RERUN, find_excess
from benchmarks.survey_references import posterior
from benchmarks.survey_references.posterior import MAX_SELECTION, PARTS, SurveyReference
from benchmarks.survey_references.rows import SEED
from mwlmc_data.dataset.schema import table_schema
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.scoring.observations import CONFIG
from mwlmc_data.scoring.reference_columns import COLUMNS_OF_SURVEY, N_SURVEY_DRAWS
from mwlmc_data.scoring.references import OF_SURVEY
from mwlmc_data.scoring.star_surveys import PATTERNS
from mwlmc_data.simulator.constants import SIMULATOR_VERSION
from mwlmc_data.simulator.limits import CARTESIAN_NAMES
from mwlmc_data.storage import parquet
from mwlmc_data.storage.writing import replace_file

FILE = f"{OF_SURVEY}.parquet"
#: Error of the sum of ln L over the posterior [nats]; effective draws, whose noise is below that error's.
MAX_DRAWS, MIN_EFFECTIVE = 0.3, 250.0


def find_failures(found: SurveyReference) -> Iterator[str]:
    """Yield the failed tests of a reference, each with its number and what is allowed."""
    yield from from_stars.find_failures(
        found.numbers, {"error_selection": MAX_SELECTION, "error_draws": MAX_DRAWS}, MIN_EFFECTIVE
    )
    if found.rerun is not None:
        yield from find_excess("rerun", found.rerun, MAX_RERUN)


def write(out: Path, found: Sequence[SurveyReference]) -> Path:
    """Write the table, a row a reference, with the columns `COLUMNS_OF_SURVEY`."""
    import pyarrow as pa

    facts = {"config": CONFIG, "simulator_version": SIMULATOR_VERSION, "version": str(posterior.VERSION)}
    schema = table_schema(COLUMNS_OF_SURVEY, {**facts, "seed": str(SEED)})
    table = pa.Table.from_pylist([_build_record(each) for each in found], schema=schema)
    path = out / FILE
    replace_file(path, lambda temporary: parquet.write_table(table, temporary))
    return path


def _build_record(each: SurveyReference) -> dict[str, Any]:
    row = each.row
    return {
        **from_stars.build_record(row, each.samples, list(find_failures(each)), N_SURVEY_DRAWS),
        **{name: row.lmc[name] for name in CARTESIAN_NAMES},
        "pattern": row.pattern,
        "log_prob_truth": None,
        **each.numbers,
        **flatten_agreement("rerun", each.rerun),
    }


def describe(found: Sequence[SurveyReference]) -> str:
    """Describe references in words."""
    failures = [list(find_failures(each)) for each in found]
    lines = [f"{sum(not f for f in failures)} of {len(found)} references given surveys are certified"]
    for each, failed in zip(found, failures, strict=True):
        numbers, rerun = each.numbers, each.rerun
        agreement = "" if rerun is None else (
            f"; rerun distance {rerun.distance:.3f}, shift {rerun.shift:.3f}, spread {rerun.spread:.3f}"
        )  # fmt: skip
        lines.append(
            f"  {each.row.name} ({each.row.pattern}): {numbers['n_stars']:.0f} stars, {numbers['n_draws']:.0f} draws "
            f"of each, {numbers['cpu_seconds']:.0f} s of a core, errors "
            + ", ".join(f"{part} {numbers[f'error_{part}']:.2f}" for part in PARTS)
            + agreement
            + ("" if not failed else f"; not certified: {'; '.join(failed)}")
        )
    for pattern in PATTERNS:
        chosen = [each for each in found if each.row.pattern == pattern]
        if chosen:
            inside = np.mean([[abs(each.numbers[f"rank_{name}"] - 0.5) < 0.34 for name in FREE] for each in chosen])
            lines.append(f"{pattern}: {len(chosen)} rows; part of the truths in 68% intervals {inside:.2f}")
    return "\n".join(lines)
