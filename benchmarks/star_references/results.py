"""The table of references given stars, and its description."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.references import from_stars
from benchmarks.references.agreement import flatten_agreement
from benchmarks.star_references import certificate, checks, posterior
from benchmarks.star_references.checks import StarChecks
from benchmarks.star_references.posterior import StarReference
from benchmarks.star_references.rows import SEED, StarRow
from mwlmc_data.dataset.schema import table_schema
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.inference.stars import ALGORITHM
from mwlmc_data.scoring.observations import CONFIG
from mwlmc_data.scoring.reference_columns import COLUMNS_OF_STARS
from mwlmc_data.scoring.references import OF_STARS
from mwlmc_data.simulator.constants import SIMULATOR_VERSION
from mwlmc_data.simulator.limits import CARTESIAN_NAMES
from mwlmc_data.storage import parquet
from mwlmc_data.storage.writing import make_folder, replace_file

if TYPE_CHECKING:
    import pyarrow

FILE = f"{OF_STARS}.parquet"


@dataclasses.dataclass(frozen=True)
class StarResult:
    """A reference and its checks, where they were made."""

    row: StarRow
    reference: StarReference
    checks: StarChecks | None

    @property
    def failures(self) -> list[str]:
        """The failed tests; empty if it is certified."""
        return certificate.list_failures(self.reference, self.checks)


def collect(
    out: Path, rows: Sequence[StarRow], n: int = posterior.N_DRAWS, kept: Mapping[str, dict[str, Any]] | None = None
) -> str:
    """Write the table of all references that exist, and describe it.

    Parameters
    ----------
    out : Path
        Folder of the run, where the table is written.
    rows : sequence of StarRow
        Rows to look for.
    n : int
        Draws of a posterior.
    kept : mapping, optional
        Rows of another run's table by name (`read_earlier`), for those that the folder lacks.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If there are none.
    """
    order = {row.name: row.number for row in rows}
    records = {name: record for name, record in (kept or {}).items() if name in order}
    records |= {each.row.name: build_record(each) for each in read_results(out, rows, n)}
    if not records:
        raise ValueError(f"out = {str(out)!r}: allowed is a folder with posteriors, which --stage infer makes")
    found = sorted(records.values(), key=lambda record: order[record["name"]])
    make_folder(out)  # rows of another run alone leave none
    replace_file(out / FILE, lambda temporary: parquet.write_table(build_table(found, n), temporary))
    missing = f"; {len(rows) - len(found)} of {len(rows)} rows are not inferred yet" if len(found) < len(rows) else ""
    return f"{describe(found)}\n{out / FILE}: {len(found)} rows{missing}"


def read_earlier(path: Path, n: int = posterior.N_DRAWS) -> dict[str, dict[str, Any]]:
    """Read the rows of a table by name.

    Raises
    ------
    ValueError
        If it was made with another simulator, seed or number of draws.
    """
    table = parquet.read_table(path)
    metadata, now = parquet.decode_facts(table.schema), _describe_making(n)
    wrong = [f"{key} is {metadata.get(key)} there and {now[key]} now" for key in now if metadata.get(key) != now[key]]
    if wrong:
        raise ValueError(f"earlier = {str(path)!r}: allowed is a table made as it would be now; {'; '.join(wrong)}")
    return {each["name"]: each for each in table.to_pylist()}


def is_settled(record: Mapping[str, Any]) -> bool:
    """Whether a row is not drawn again: certified, whatever algorithm drew it, or of this one."""
    return bool(record["certified"]) or record["algorithm"] == ALGORITHM


def _describe_making(n: int) -> dict[str, str]:
    """What all rows of a table depend on."""
    return {
        "config": CONFIG,
        "simulator_version": SIMULATOR_VERSION,
        "version": str(posterior.VERSION),
        "seed": str(SEED),
        "draws": str(n),
    }


def read_results(out: Path, rows: Sequence[StarRow], n: int = posterior.N_DRAWS) -> list[StarResult]:
    """Read all references of rows that a folder holds, in the order of the task."""
    there = sorted((row for row in rows if posterior.path_of(out, row).exists()), key=lambda row: row.number)
    return [StarResult(row, posterior.load(out, row, n), checks.load(out, row, n)) for row in there]


def build_table(records: Sequence[dict[str, Any]], n: int = posterior.N_DRAWS) -> pyarrow.Table:
    """Build the table, a row a reference, with the columns `COLUMNS_OF_STARS`."""
    import pyarrow as pa

    return pa.Table.from_pylist(list(records), schema=table_schema(COLUMNS_OF_STARS, _describe_making(n)))


def build_record(each: StarResult) -> dict[str, Any]:
    """Build one row of the table."""
    row, reference = each.row, each.reference
    return {
        **from_stars.build_record(row, reference.samples, each.failures),
        **dict(zip(CARTESIAN_NAMES, row.vector, strict=True)),
        "log_prob_truth": reference.log_prob_truth,
        **reference.numbers,
        **_flatten(each.checks),
    }


def _flatten(found: StarChecks | None) -> dict[str, float | None]:
    """Numbers of the checks by flat names; None where they were not made."""
    flat: dict[str, float | None] = {}
    for run in ("rerun", "sampler"):
        flat |= flatten_agreement(run, None if found is None else getattr(found, run))
    for name in ("sampler_evidence", "sampler_effective"):
        flat[name] = None if found is None else getattr(found, name)
    return flat


def describe(records: Sequence[dict[str, Any]]) -> str:
    """Describe references, rows of the table, in words."""

    def take(name: str) -> NDArray:
        return np.array([record[name] for record in records], float)

    lines = [f"{sum(record['certified'] for record in records)} of {len(records)} references given stars are certified"]
    lines += [f"  not {record['name']}: {record['reasons']}" for record in records if not record["certified"]]
    scores = -take("log_prob_truth")
    error = f" +- {scores.std(ddof=1) / np.sqrt(len(scores)):.3f}" if len(scores) > 1 else ""
    lines.append(f"mean negative log posterior of the truth: {scores.mean():.3f}{error} nats")
    ranks = np.stack([take(f"rank_{name}") for name in FREE], axis=1)
    uniform = [stats.kstest(column, "uniform").pvalue for column in ranks.T]
    lines.append("uniformity of the truths' ranks, p: " + _list_numbers(uniform))
    for level in (0.68, 0.95):
        inside = (np.abs(ranks - 0.5) < 0.5 * level).mean(axis=0)
        lines.append(f"part of the truths in {level:.0%} intervals: {_list_numbers(inside)}")
    for name, words in (
        ("cpu_seconds", "seconds of a core"), ("n_evaluations", "evaluations"), ("n_effective", "effective draws"),
        ("error_selection", "error of the sum of ln P [nats]"),
        ("error_density", "error of the truth's density [nats]"), ("p_value", "p-value of the stars"),
    ):  # fmt: skip
        values = take(name)
        lines.append(f"{words}: median {np.median(values):.3g}, from {values.min():.3g} to {values.max():.3g}")
    checked = [record for record in records if record["rerun_distance"] is not None]
    lines.append(f"{len(checked)} references checked with another seed and another sampler")
    for record in checked:
        runs = ", ".join(
            " ".join([run, *(f"{part} {record[f'{run}_{part}']:.3f}" for part in ("distance", "shift", "spread"))])
            for run in ("rerun", "sampler")
        )
        lines.append(f"  {record['name']:14s} {runs}; log evidence {record['sampler_evidence']:+.3f}")
    return "\n".join(lines)


def _list_numbers(values: Sequence[float] | NDArray) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in zip(FREE, values, strict=True))
