"""The stage that adds simulations to rows whose two halves of a design disagree, or whose checks fail."""

from __future__ import annotations

from pathlib import Path

from benchmarks.references import checks, inference, simulations
from benchmarks.references.certificate import MAX_HALVES, find_excess
from benchmarks.references.history import integrate_histories as integrate
from benchmarks.references.inference import Integrate
from benchmarks.references.rows import Row
from benchmarks.references.simulations import PARTS, Simulator, simulate_travel

MAX_PARTS = len(PARTS)


def is_short(out: Path, row: Row, n: int) -> bool:
    """Return whether an inferred row needs and may have more simulations.

    A case gets all: there are only three, and they lie where simulations are rare.
    """
    if not inference.path_of(out, row).exists() or simulations.count_parts(out, row) >= MAX_PARTS:
        return False
    if row.kind != "test":
        return True
    certificate = checks.attach(out, row, inference.load(out, row, n).certificate)
    if certificate.importance is not None and not certificate.certified:
        return True
    return any(find_excess("halves", certificate.halves, MAX_HALVES))


def make(out: Path, row: Row, n: int, integrate: Integrate = integrate, simulator: Simulator = simulate_travel) -> None:
    """Simulate the next part of a row's design and infer its posterior from all parts."""
    stream, times = PARTS[simulations.count_parts(out, row)]
    simulations.make(out, row, stream, times * n, simulator)
    inference.make(out, row, n, integrate)
