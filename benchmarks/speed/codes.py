"""What a competitor is, and which of them are installed."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed.problem import Problem

FloatArray = NDArray[np.floating]


@dataclasses.dataclass(frozen=True)
class Code:
    """A code with its settings, made ready for one problem.

    Attributes
    ----------
    name : str
        As it stands in tables.
    family : {"ours", "agama", "gala", "galpy"}
    what : str
        Settings, and what it solves.
    tolerances : tuple of float
        From coarse to fine, in the code's own measure.
    move : callable
        (stars (n, 6) at the start, tolerance) -> positions (n, 3) [kpc] today. It must leave the stars as they are.
    converged : callable
        stars -> positions to compare with: the code's own, as exact as it can be.
    acceleration : callable
        points (n, 3) [kpc] -> acceleration today [km^2 s^-2 kpc^-1], by the same code that moves stars.
    most : int
        Most stars it is given; the time is scaled from these.
    whole : bool
        Whether it solves the whole problem, or the easier one of the Milky Way at rest alone.
    """

    name: str
    family: str
    what: str
    tolerances: tuple[float, ...]
    move: Callable[[FloatArray, float], FloatArray]
    converged: Callable[[FloatArray], FloatArray]
    acceleration: Callable[[FloatArray], FloatArray]
    most: int
    whole: bool = True


#: Peers, and how each is installed.
PEERS = {
    "agama": 'pip install -e ".[agama]" (builds from source)',
    "gala": 'pip install -e ".[speed]"',
    "galpy": 'pip install -e ".[speed]"',
}


def gather(problem: Problem) -> tuple[list[Code], dict[str, str]]:
    """Every code that is installed, ready for the problem; and how to install the others, by name."""
    from benchmarks.speed import ours

    codes, missing = ours.codes(problem), {}
    for name, how in PEERS.items():
        try:
            module = importlib.import_module(f"benchmarks.speed.peer_{name}")
        except ImportError as error:
            missing[name] = f"not installed ({error}): {how}"
            continue
        codes += module.codes(problem)
    return codes, missing
