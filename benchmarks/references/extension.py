"""The stage that gives more simulations to the rows whose posterior two halves of a design do not agree on."""

from __future__ import annotations

from pathlib import Path

from benchmarks.references import inference, simulations
from benchmarks.references.certificate import MAX_HALVES, over
from benchmarks.references.history import histories as integrate
from benchmarks.references.inference import Integrate
from benchmarks.references.rows import Row
from benchmarks.references.simulations import PARTS, Simulator, simulator_row

MAX_PARTS = len(PARTS)


def is_short(out: Path, row: Row, n: int) -> bool:
    """Whether a row that is inferred needs and may have more simulations.

    A case gets all: it is one of three, and lies where simulations are rare.
    """
    if not inference.path_of(out, row).exists() or simulations.parts_there(out, row) >= MAX_PARTS:
        return False
    if row.kind != "test":
        return True
    return any(over("halves", inference.load(out, row, n).certificate.halves, MAX_HALVES))


def make(out: Path, row: Row, n: int, integrate: Integrate = integrate, simulator: Simulator = simulator_row) -> None:
    """Simulate the next part of a row's design and infer its posterior from all parts."""
    stream, times = PARTS[simulations.parts_there(out, row)]
    simulations.make(out, row, stream, times * n, simulator)
    inference.make(out, row, n, integrate)
