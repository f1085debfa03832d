"""The three reference cases computed with agama, as parameters and arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mwlmc_data.simulator import Parameters
from mwlmc_data.simulator.parameters import CARTESIAN_NAMES

NAMES = ("paper_rigid", "light", "heavy")


def summary(reference: Path) -> dict[str, Any]:
    """The summary of the reference runs."""
    return json.loads((reference / "agama" / "summary.json").read_text())


def arrays(reference: Path, name: str) -> dict[str, np.ndarray]:
    """Forces, orbit, stars and profiles of a case."""
    with np.load(reference / "agama" / f"{name}.npz") as data:
        return {key: data[key] for key in data.files}


def parameters(reference: Path, name: str) -> Parameters:
    """The case's parameters."""
    case = summary(reference)["cases"][name]
    present = dict(zip(CARTESIAN_NAMES, case["x0"] + case["v0"], strict=True))
    return Parameters(
        m200_mw=case["m200"],
        m_lmc=case["m_lmc"],
        log10_lambda_df=float(np.log10(case["lam"])),
        beta0=case["beta0"],
        r_dehnen=case["r_dehnen"],
        c200=case["c200"],
        a_lmc=case["a_lmc"],
        **present,
    )
