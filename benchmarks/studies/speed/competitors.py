"""Which competitors are installed."""

from __future__ import annotations

import importlib

from benchmarks.studies.speed import ours
from benchmarks.studies.speed.codes import Code
from benchmarks.studies.speed.problem import Problem

#: Peers, and how each is installed.
PEERS = {
    "agama": 'pip install -e ".[agama]" (builds from source)',
    "gala": 'pip install -e ".[speed]"',
    "galpy": 'pip install -e ".[speed]"',
}


def gather(problem: Problem) -> tuple[list[Code], dict[str, str]]:
    """Prepare every installed code for the problem; return also how to install the others, by name."""
    codes, missing = ours.codes(problem), {}
    for name, how in PEERS.items():
        try:
            module = importlib.import_module(f"benchmarks.studies.speed.peer_{name}")
        except ImportError as error:
            missing[name] = f"not installed ({error}): {how}"
            continue
        codes += module.codes(problem)
    return codes, missing
