"""Validation cases whose truths are known, observed with the formula of `synthetic_catalogue`."""

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tests.helpers.synthetic_catalogue import add_reflex


@dataclass
class SyntheticCase:
    """Has the attributes that the benchmark reads of a validation case."""

    name: str
    kind: str
    observation: dict
    truth: dict
    source: str = "made for a test"
    in_support: dict = field(default_factory=lambda: {"x_lmc": 0.1, "v_travel": -0.4})
    extrapolates: bool = False
    paper: dict = field(default_factory=dict)
    r_min: float = 50.0
    r_max: float = math.inf
    notes: tuple = ()


def synthetic_cases():
    """A case well inside the prior and one far outside it."""
    names = ["x_lmc", "y_lmc", "z_lmc", "vx_lmc", "vy_lmc", "vz_lmc"]
    inside = dict(zip(names, [-1.1, -41.0, -27.0, -57.0, -226.0, 221.0], strict=True))
    truth = {"m_lmc": 18e10, "m200_mw": 13e11, "log10_lambda_df": 0.2, "beta0": 0.5, "r_dehnen": 12.0}
    row = add_reflex(pd.DataFrame([{**inside, **truth}]), seed=4).iloc[0]
    observation = {name: float(row[name]) for name in [*names, "v_travel", "l_apex", "b_apex"]}
    far = {**observation, "x_lmc": 90.0, "vx_lmc": 900.0, "v_travel": 400.0}
    quoted = {"m_lmc": (15e10, 18e10, 21e10), "log10_lambda_df": "not constrained"}
    outside = SyntheticCase("far", "cosmological", far, {"m_lmc": 21e10, "m200_mw": 9e11}, extrapolates=True)
    outside.in_support = {"x_lmc": 12.3, "v_travel": np.float64(0.3)}
    return {"rigid": SyntheticCase("rigid", "rigid", observation, truth, paper=quoted), "far": outside}
