"""The stage that adds simulations to rows whose two halves of a design disagree, or whose checks fail."""

from __future__ import annotations

from pathlib import Path

from benchmarks.references import checks, inference, simulations
from benchmarks.references.certificate import MAX_HALVES, MIN_P, find_excess
from benchmarks.references.history import integrate_histories as integrate
from benchmarks.references.inference import Integrate
from benchmarks.references.rows import Row
from benchmarks.references.simulations import PARTS, Simulator


def is_short(out: Path, row: Row, n: int) -> bool:
    """Return whether an inferred row needs and may have more simulations.

    A case gets all: there are only three, and they lie where simulations are rare. So does a row whose data determine
    the nuisances if the model's mean is not right around its posterior.
    """
    if not inference.path_of(out, row).exists() or simulations.count_parts(out, row) >= row.statistics.n_parts:
        return False
    if row.kind != "test":
        return True
    certificate = checks.attach(out, row, inference.load(out, row, n).certificate)
    if certificate.importance is not None and not certificate.certified:
        return True
    if row.statistics.fix_nuisances and certificate.tests["mean"] < MIN_P:
        return True
    return any(find_excess("halves", certificate.halves, MAX_HALVES))


def make(out: Path, row: Row, n: int, integrate: Integrate = integrate, simulator: Simulator | None = None) -> None:
    """Simulate the next part of a row's design and infer its posterior from all parts."""
    inference.make_part(out, row, n, PARTS, simulations.count_parts(out, row), integrate, simulator)
    inference.make(out, row, n, integrate)
