"""The leaderboard as text: what its columns are, and how its cells and LEADERBOARD.md are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.suite.report.values import MISSING, p_text, plain
from mwlmc_data import list_tasks
from mwlmc_data.scoring.report import NOT_POSSIBLE

#: Columns of an entry, where the task has them.
COLUMNS = {
    "energy_score": "energy score",
    "log_score": "log score [nats]",
    "brier_score": "Brier score",
    "accuracy": "accuracy",
    "calibration_error": "calibration error",
    "gap_to_evidences": "gap to evidences [nats]",
    "gap_to_reference": "gap to reference",
    "energy_distance": "distance to reference",
    "neg_log_posterior": "−log posterior [nats]",
    "gap_to_reference_nats": "gap [nats]",
    "contraction": "contraction",
    "hits_68": "68% hits",
    "tarp_ks_pvalue": "TARP p",
    "c2st": "C2ST",
    "auroc_volume": "AUROC volume",
    "auroc_statistic": "AUROC own",
}
#: Metrics by which entries are ranked: the first that a task has.
RANKINGS = ("energy_score", "log_score")
ABOUT = """\
# Leaderboard

Scores of the tasks of `mwlmc-data`, best energy score first.

- **energy score**: mean over 1,000 fixed test rows (500 in `shift`) of the distance of the draws from the truth, minus
  half their distance from each other, in standard deviations of the prior; lower is better.
- **minus row 1**: the energy score minus that of row 1. Paired, row by row, where both entries store the scores of the
  rows: what makes a row hard for everyone cancels, and the error is that of the difference. Otherwise ("unpaired") the
  two errors are added in quadrature, and the difference means little.
- **not possible from task.train.x alone**: the score is better than the exact posterior's by four of its errors,
  against the certified references or, over all rows, against the limit that the package embeds. Such an entry has used
  more than `x` of the test rows, and stands below the others without a place.
- **gap to reference**: the energy score minus the reference posterior's, over the rows whose reference is certified,
  with its paired bootstrap error: 0 is the best possible. **Distance to reference** (energy distance) has the same
  expectation with less noise. **C2ST**: 0.5 is the best possible, but the references have errors of their own, about
  0.03 in total variation between the halves of their designs; differences between methods below 0.52 mean nothing.
- **−log posterior**: mean negative log density at the truth, per 1e10 Msun, 1e11 Msun and dex, and its **gap** to the
  reference's.
- **contraction** and **68% hits**, the share of truths inside 68% intervals: for m_lmc / m200_mw / log10_lambda_df. A
  posterior as wide as the prior has the right share of hits and contracts by 0.
- **AUROC**: detection of the shifted rows, mean over the rungs, by the volume of the posterior and by the method's own
  statistic.
- **log score**, by which `models` ranks: mean negative log probability of the physics that made the stars; 1.609 for
  equal probabilities. **Brier score**, **accuracy** and **calibration error** are of the same probabilities; **gap to
  evidences** is the log score minus that of the right answer, over the observations that have one.
- **seeds**: trainings. For several seeds this file gives the mean, whose error adds those over observations and over
  seeds in quadrature, and the median of p-values.
- **CPU**: training and drawing, in seconds of one core.

The corrected flow uses more than the task provides: the nuisances of its training rows, and an orbit of the pair for
each of its proposals, which do not count as simulations. Its draws repeat, which C2ST detects (in the null control
too).

`python -m benchmarks suite` reproduces the entries of the suite; [docs/BENCHMARK.md](docs/BENCHMARK.md) explains how to
submit one. `python -m benchmarks leaderboard` writes this file from `benchmarks/results/`, and
<a href="docs/leaderboard.html">docs/leaderboard.html</a>, the same tables to sort and filter in a browser.
"""


def format_markdown(board: Mapping[str, Any]) -> str:
    """Format the leaderboard as Markdown."""
    what = list_tasks()
    parts = [ABOUT]
    for task, entries in board["tasks"].items():
        names = [name for name in COLUMNS if any(name in entry["metrics"] for entry in entries)]
        titles = [COLUMNS[name] for name in names]
        header = ["", "method", "seeds", titles[0], "minus row 1", *titles[1:], "CPU [s]", "simulations", "parameters"]
        rows = [[_place(i, entry), *_row(entry, names)] for i, entry in enumerate(entries)]
        lines = ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)]
        parts.append(f"## {task}\n\n{what[task]}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _place(i: int, entry: Mapping[str, Any]) -> str:
    return MISSING if entry["not_possible"] else str(i + 1)


def _row(entry: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    first, *cells = [metric_text(name, entry["metrics"].get(name)) for name in names]
    cost, less = entry["cost"], entry["less_first"]
    stated = [f"{cost[k]:,.0f}" for k in ("cpu_seconds", "simulations", "parameters")]
    title = entry["title"].replace("|", "\\|")
    title += f": **{NOT_POSSIBLE}**" if entry["not_possible"] else ""
    return [title, str(len(entry["seeds"])), first, difference_text(less), *cells, *stated]


def difference_text(less: Mapping[str, Any] | None) -> str:
    """Write the difference of an entry's energy score from the first's; None for the first itself."""
    if less is None:
        return MISSING
    unpaired = "" if less["is_paired"] else " (unpaired)"
    return f"{less['value']:+.4f} ± {less['error']:.4f}{unpaired}"


def metric_text(name: str, metric: Mapping[str, Any] | None) -> str:
    """Write a metric of an entry, with its error where it has one."""
    if metric is None or metric["value"] is None:
        return MISSING
    value, error = metric["value"], metric["error"]
    if isinstance(value, Mapping):
        return " / ".join(MISSING if v is None else plain(v, 2) for v in value.values())
    if name.endswith("pvalue"):
        return p_text(value)
    digits = 4 if name in (*RANKINGS, "gap_to_reference", "energy_distance") else 3
    return plain(value, digits) + (f" ± {error:.{digits}f}" if error is not None else "")
