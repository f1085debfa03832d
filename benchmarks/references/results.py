"""The table of references, and its description."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from benchmarks.references import checks, inference
from benchmarks.references.agreement import flatten_agreement
from benchmarks.references.certificate import Certificate
from benchmarks.references.design import CONFIG, THETA
from benchmarks.references.gaussianity import TESTS
from benchmarks.references.inference import Reference
from benchmarks.references.rounding import round_draws
from benchmarks.references.rows import Row
from benchmarks.references.statistics import REFLEX_MOTION, Statistics
from mwlmc_data.dataset.schema import get_column, table_schema
from mwlmc_data.scoring.reference_columns import N_DRAWS
from mwlmc_data.simulator.constants import SIMULATOR_VERSION
from mwlmc_data.simulator.parameters import CARTESIAN_NAMES
from mwlmc_data.storage import parquet
from mwlmc_data.storage.writing import replace_file

if TYPE_CHECKING:
    import pyarrow


def path_of(out: Path, statistics: Statistics) -> Path:
    """Return the file of all references of a run."""
    return out / f"{statistics.file}.parquet"


def collect(out: Path, rows: list[Row], n: int) -> str:
    """Write the table of all references that exist, and describe it.

    Parameters
    ----------
    out : Path
        Folder of the run, where the table is written.
    rows : list of Row
        Rows to look for.
    n : int
        Simulations of a design.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If there are none.
    """
    there = [row for row in rows if inference.path_of(out, row).exists()]
    if not there:
        raise ValueError(f"out = {str(out)!r}: allowed is a folder with inferred posteriors, which --stage infer makes")
    found = []
    for row in there:
        reference = inference.load(out, row, n)
        certificate = checks.attach(out, row, reference.certificate)
        found.append((row, dataclasses.replace(reference, certificate=certificate)))
    order = sorted(found, key=lambda pair: pair[0].number if pair[0].kind == "test" else -1)
    path = path_of(out, rows[0].statistics)
    replace_file(path, lambda temporary: parquet.write_table(build_table(order), temporary))
    missing = f"; {len(rows) - len(there)} of {len(rows)} rows are not inferred yet" if len(there) < len(rows) else ""
    return f"{describe(order)}\n{path}: {len(there)} rows{missing}"


def build_table(found: list[tuple[Row, Reference]]) -> pyarrow.Table:
    """Build the table, a row a reference.

    Returns
    -------
    pyarrow.Table
        The columns of the rows' statistics.
    """
    import pyarrow as pa

    records = [build_record(row, reference) for row, reference in found]
    columns = found[0][0].statistics.columns if found else REFLEX_MOTION.columns
    schema = table_schema(columns, {"config": CONFIG, "simulator_version": SIMULATOR_VERSION})
    return pa.Table.from_pylist(records, schema=schema)


def build_record(row: Row, reference: Reference) -> dict[str, Any]:
    """Build one row of the table."""
    truth = {f"truth_{name}": _known(value) for name, value in zip(THETA, row.truth, strict=True)}
    reasons = reference.certificate.list_failures()
    samples = round_draws(reference.samples[:N_DRAWS])
    return {
        "name": row.name,
        "kind": row.kind,
        "sim_id": -1 if row.sim_id is None else row.sim_id,
        "config": CONFIG,
        "simulator_version": SIMULATOR_VERSION,
        **dict(zip(CARTESIAN_NAMES, row.vector, strict=True)),
        **dict(zip(row.statistics.names, map(_number, row.statistics.names, row.observation), strict=True)),
        **truth,
        **{f"samples_{name}": samples[:, i].tolist() for i, name in enumerate(THETA)},
        "log_prob_truth": _known(reference.log_prob_truth),
        "certified": not reasons,
        "reasons": "; ".join(reasons),
        **flatten(reference.certificate),
    }


def flatten(certificate: Certificate) -> dict[str, Any]:
    """Return the numbers of a certificate by flat names; None where a check was not made."""
    flat: dict[str, Any] = {}
    for name in ("n_simulations", "n_failed", "n_near", "log_likelihood", "log_evidence", "nearest", "interpolation"):
        flat[name] = getattr(certificate, name)
    for name in ("halves", "rerun", "refit"):
        flat |= flatten_agreement(name, getattr(certificate, name))
    flat |= {f"p_{name}": certificate.tests[name] for name in TESTS}
    flat["rerun_c2st"] = certificate.c2st
    weighed = certificate.importance
    for name in ("effective", "evidence", "evidence_error", "noise_scale", "noise_kurtosis"):
        flat[f"importance_{name}"] = None if weighed is None else getattr(weighed, name)
    for i, parameter in enumerate(THETA):
        for name in ("shift", "shift_error", "spread", "distribution"):
            flat[f"importance_{name}_{parameter}"] = None if weighed is None else getattr(weighed, name)[i]
    return flat


def describe(found: list[tuple[Row, Reference]]) -> str:
    """Describe references in words."""
    certificates = [reference.certificate for _, reference in found]
    tests = [(row, reference) for row, reference in found if row.kind == "test"]
    lines = [f"{sum(c.certified for c in certificates)} of {len(found)} references are certified"]
    for row, reference in found:
        if not reference.certificate.certified:
            lines.append(f"  not {row.name}: {'; '.join(reference.certificate.list_failures())}")
    if len(tests) > 1:
        scores = np.array([-reference.log_prob_truth for _, reference in tests])
        error = scores.std(ddof=1) / np.sqrt(len(scores))
        score = f"{scores.mean():.3f} +- {error:.3f}"
        lines.append(f"mean negative log posterior of the truth of {len(tests)} test rows: {score} nats")
        ranks = np.array([reference.ranks for _, reference in tests])
        uniform = [stats.kstest(column, "uniform").pvalue for column in ranks.T]
        p_values = ", ".join(f"{name} {p:.2f}" for name, p in zip(THETA, uniform, strict=True))
        lines.append(f"uniformity of the truths' ranks, p: {p_values}")
        for level in (0.68, 0.95):
            inside = (np.abs(ranks - 0.5) < 0.5 * level).mean(axis=0)
            lines.append(f"{level:.0%} intervals hold {', '.join(f'{v:.2f}' for v in inside)} of the truths")
    halves = np.array([dataclasses.astuple(c.halves) for c in certificates])
    lines.append(_spread("halves of a design: total variation distance", halves[:, 0]))
    lines.append(_spread("                    shift of means [sigma]", halves[:, 1]))
    lines.append(_spread("interpolation error of the log density", np.array([c.interpolation for c in certificates])))
    for name in TESTS:
        ps = np.array([c.tests[name] for c in certificates])
        together = stats.kstest(ps, "uniform").pvalue if len(ps) > 1 else np.nan
        lines.append(
            f"Gaussianity ({name}): smallest p {ps.min():.1e} of {len(ps)} rows; their uniformity, p {together:.2g}"
        )
    return "\n".join([*lines, *_checked(found)])


def _checked(found: list[tuple[Row, Reference]]) -> list[str]:
    checked = [(row, ref.certificate) for row, ref in found if ref.certificate.importance is not None]
    lines = [f"{len(checked)} references checked with further simulations"]
    for row, c in checked:
        assert c.rerun is not None and c.refit is not None and c.importance is not None and c.c2st is not None
        shifts = ", ".join(
            f"{s:+.2f} +- {e:.2f}" for s, e in zip(c.importance.shift, c.importance.shift_error, strict=True)
        )
        lines.append(
            f"  {row.name:14s} rerun: distance {c.rerun.distance:.3f}, C2ST {c.c2st:.3f}; refit: distance "
            f"{c.refit.distance:.3f}; importance: effective size {c.importance.effective:.0f}, shifts {shifts}, log "
            f"evidence {c.importance.evidence:+.2f} +- {c.importance.evidence_error:.2f}; noise: scale "
            f"{c.importance.noise_scale:.3f}, kurtosis {c.importance.noise_kurtosis:.3f}"
        )
    return lines


def _spread(name: str, values: np.ndarray) -> str:
    return f"{name}: median {np.median(values):.3f}, largest {values.max():.3f}"


def _number(name: str, value: float) -> float | int:
    """A number as its column stores it."""
    return int(value) if get_column(name).base == "int32" else value


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
