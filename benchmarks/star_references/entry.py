"""The exact likelihood as an entry of a task of stars: nothing is learnt, each observation is inferred on its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.star_references import posterior
from benchmarks.star_references.rows import SEED, TASK, all_rows
from mwlmc_data import get_task
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.scoring.references import DENSITY_UNIT
from mwlmc_data.scoring.submission import write_submission
from mwlmc_data.simulator import constants as const

METHOD = "Exact likelihood of the stars"
CODE = "python -m benchmarks star-references --rows all --stage infer,entry"


def write(out: Path, n: int = posterior.N_DRAWS) -> Path:
    """Write the submission from the posteriors of all observations.

    Parameters
    ----------
    out : Path
        Folder of the run.
    n : int
        Draws of a posterior.

    Returns
    -------
    Path
        Folder of the submission, for ``python -m benchmarks leaderboard --add``.

    Raises
    ------
    ValueError
        If a posterior is missing.
    """
    task, rows = get_task(TASK), sorted(all_rows(), key=lambda row: row.number)
    missing = [row.name for row in rows if not posterior.path_of(out, row).exists()]
    if missing:
        raise ValueError(
            f"out = {str(out)!r}, which lacks {len(missing):,} of {len(rows):,} posteriors: allowed is a folder with "
            "all of them, which --rows all --stage infer makes"
        )
    found = [posterior.load(out, row, n) for row in rows]
    samples = np.stack([each.samples[: task.n_draws] for each in found]).astype(np.float32)
    d = len(task.theta_names)
    # haloes' worth of stars that were simulated for ln P
    haloes = sum(each.probability.n_stars / np.exp(each.probability.log_p) / const.N_STARS for each in found)
    cost = {
        "cpu_seconds": round(sum(each.numbers["cpu_seconds"] for each in found), 1),
        "simulations": round(haloes),
        "parameters": 0,
    }
    log_prob = np.array([each.log_prob_truth for each in found]) - np.log(DENSITY_UNIT).sum()
    return write_submission(
        out / "entry", task, samples[..., :d], log_prob, other_samples=samples[..., d : len(FREE)], method=METHOD,
        seeds=[SEED], cost=cost, code=CODE,
    )  # fmt: skip
