"""Which entries of the suite a score refuses or flags, as they are and spoilt on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mwlmc_data import get_task
from mwlmc_data.scoring import energy_score
from mwlmc_data.scoring.inputs import measure_density_excess
from mwlmc_data.scoring.submission import read_submission
from mwlmc_data.scoring.tasks.summary import FIXED, SummaryTask
from mwlmc_data.scoring.yardstick import compute_gains

#: Fractions of the way to the truth by which draws are moved.
MOVED = (0.0, 0.01, 0.02, 0.05)


@dataclass(frozen=True)
class SpoiltEntry:
    """One entry, as it is and spoilt.

    Attributes
    ----------
    name : str
        Task and entry.
    among, everywhere : float
        As `mwlmc_data.scoring.inputs.measure_density_excess` returns them [nats]; NaN without densities.
    moved : tuple of float
        Gain on the exact posterior over its error, for draws moved by `MOVED`: flagged above 4.
    raised : float
        The same for log densities raised by 0.25 nats; NaN without densities.
    """

    name: str
    among: float
    everywhere: float
    moved: tuple[float, ...]
    raised: float


def spoil_entries(run: Path, tasks: Sequence[str]) -> list[SpoiltEntry]:
    """Spoil and score the entries of a run in tasks with a limit.

    Parameters
    ----------
    run : Path
        Folder of the suite.
    tasks : sequence of str
        Names of the tasks.

    Returns
    -------
    list of SpoiltEntry

    Raises
    ------
    ValueError
        If a task has no limit, or there are no entries.
    """
    found = []
    for name in tasks:
        task = get_task(name)
        limit = task.limit() if isinstance(task, SummaryTask) else None
        if not isinstance(task, SummaryTask) or limit is None:
            raise ValueError(f"tasks = {name!r}: allowed are the summary tasks whose limit the package embeds")
        rows = task.observations.rows(FIXED)
        truth = task.observations.theta.astype(np.float64)
        for home in sorted((run / "entries" / task.name).glob("*")):
            arrays = read_submission(home, task).arrays
            samples, log_prob = arrays["samples"], arrays.get("log_prob_truth")
            errors = []
            for part in MOVED:
                draws = samples[rows] + part * (truth[rows, None] - samples[rows])
                gain = compute_gains(limit, energy_score(draws, truth[rows], task.scale))["gain_over_limit"]
                errors.append(float(gain.value) / float(gain.error))  # type: ignore[arg-type]
            among = everywhere = raised = float("nan")
            if log_prob is not None:
                among, everywhere = measure_density_excess(samples, log_prob, truth, task.prior)
                own = -(log_prob[rows] + np.log(task.unit).sum() + 0.25)
                gain = compute_gains(limit, limit.energy_score, own)["gain_over_limit_nats"]
                raised = float(gain.value) / float(gain.error)  # type: ignore[arg-type]
            found.append(SpoiltEntry(f"{task.name}/{home.name}", among, everywhere, tuple(errors), raised))
    if not found:
        raise ValueError(f"run = {str(run)!r}: allowed is a run of the suite with entries of {', '.join(tasks)}")
    return found


def describe(found: Sequence[SpoiltEntry]) -> str:
    """Format a table, an entry a line."""
    moved = [f"moved {100 * part:g}%" for part in MOVED]
    titles = ["nats above the draws' density", "everywhere", *moved, "+0.25 nats"]
    lines = [f"{'':<32}" + "  ".join(titles)]
    for one in found:
        nats = [f"{number:+.3f}" for number in (one.among, one.everywhere)]
        cells = [*nats, *(f"{number:+.1f}" for number in (*one.moved, one.raised))]
        lines.append(f"{one.name:<32}" + "  ".join(c.rjust(len(t)) for c, t in zip(cells, titles, strict=True)))
    return "\n".join([*lines, "last five columns: gain on the exact posterior over its error, flagged above 4"])
