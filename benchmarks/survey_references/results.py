"""The table of references given surveys: which are certified, and why others are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.references import from_stars
from benchmarks.references.certificate import MAX_RERUN, find_excess
from benchmarks.survey_references.posterior import MAX_SELECTION, PARTS, SurveyReference
from mwlmc_data.scoring.references import OF_SURVEY
from mwlmc_data.scoring.star_surveys import PATTERNS
from mwlmc_data.storage import parquet
from mwlmc_data.storage.writing import replace_file

FILE = f"{OF_SURVEY}.parquet"
#: Error of the sum of ln L over the posterior [nats].
MAX_DRAWS = 0.3


def find_failures(found: SurveyReference) -> Iterator[str]:
    """Yield the failed tests of a reference, each with its number and what is allowed."""
    yield from from_stars.find_failures(
        found.numbers, {"error_selection": MAX_SELECTION, "error_draws": MAX_DRAWS}
    )
    if found.rerun is not None:
        yield from find_excess("rerun", found.rerun, MAX_RERUN)


def write(out: Path, found: Sequence[SurveyReference], free: tuple[str, ...]) -> Path:
    """Write the table in the form of all references: a row each, with the draws of every parameter as a list."""
    import pyarrow as pa

    columns: dict[str, object] = {
        "name": [each.row.name for each in found],
        "kind": ["test"] * len(found),
        "sim_id": np.array([each.row.sim_id for each in found], np.int64),
        "pattern": [each.row.pattern for each in found],
    }
    for i, name in enumerate(free):
        columns[f"truth_{name}"] = [each.row.truth[name] for each in found]
        size = len(found[0].samples)
        flat = np.concatenate([each.samples[:, i] for each in found]).astype(np.float32)
        columns[f"samples_{name}"] = pa.FixedSizeListArray.from_arrays(pa.array(flat), size)
    failures = ["; ".join(find_failures(each)) for each in found]
    # the density of the truth is not computed: draws alone do not give it
    columns["log_prob_truth"] = pa.nulls(len(found), pa.float64())
    columns |= {"certified": [not text for text in failures], "reasons": failures}
    columns |= {name: [each.numbers[name] for each in found] for name in found[0].numbers}
    for name in ("distance", "shift", "spread"):
        values = [None if each.rerun is None else getattr(each.rerun, name) for each in found]
        columns[f"rerun_{name}"] = pa.array(values, pa.float64())
    path = out / FILE
    replace_file(path, lambda temporary: parquet.write_table(pa.table(columns), temporary))
    return path


def describe(found: Sequence[SurveyReference], free: tuple[str, ...]) -> str:
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
            inside = np.mean([[abs(each.numbers[f"rank_{name}"] - 0.5) < 0.34 for name in free] for each in chosen])
            lines.append(f"{pattern}: {len(chosen)} rows; part of the truths in 68% intervals {inside:.2f}")
    return "\n".join(lines)
