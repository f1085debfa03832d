"""Impossible scores: those better than the exact posterior's.

No draws made only from the data beat the exact posterior on average. Where it is known (the certified references; the
prior, in the null control) the gap to it shows that. For rows without a reference the package embeds the scores of a
nearly exact posterior, the likelihood network of the suite, whose energy distance to the certified references bounds
what any other entry can gain on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset import schema
from mwlmc_data.display import Displayed
from mwlmc_data.scoring.energy import paired_difference
from mwlmc_data.scoring.report import Entry
from mwlmc_data.storage import embedded, parquet

if TYPE_CHECKING:
    import pyarrow as pa

#: Name in the registry of the benchmark's files.
NAME = "yardstick"
#: Columns of the embedded file, a row a test row that is scored in every task.
COLUMNS: tuple[schema.Column, ...] = (
    schema.get_column("sim_id"),
    schema.Column("energy_score", "float32", "", "Energy score of the draws, in prior standard deviations"),
    schema.Column(
        "neg_log_posterior", "float32", "", "Negative log density of the truth per 1e10 Msun, 1e11 Msun and dex [nats]"
    ),
)
_NAMES = tuple(c.name for c in COLUMNS)
ABOUT = ("method", "energy_score_excess", "energy_score_excess_error", "nats_excess", "nats_excess_error")
#: Standard errors beyond which a score counts as impossible; one honest entry in 30,000 exceeds it by chance.
ERRORS = 4.0
#: Smallest gain that rounding of stored numbers cannot explain, in units of the energy score and in nats.
MIN_GAIN = 1e-3
_CHECKED = {
    "gap_to_reference": (-1.0, "the energy score is better than that of the reference posteriors"),
    "gap_to_reference_nats": (-1.0, "the log density of the truths is higher than that of the reference posteriors"),
    "gain_over_limit": (1.0, "the energy score is better than the exact posterior's can be"),
    "gain_over_limit_nats": (1.0, "the log density of the truths is higher than the exact posterior's can be"),
}


@dataclass(frozen=True, repr=False)
class ScoreLimit(Displayed):
    """Scores of an exact or nearly exact posterior, row by row, and its distance from exact.

    Attributes
    ----------
    sim_id : ndarray, shape (n,)
        Rows of the test split.
    energy_score, neg_log_posterior : ndarray, shape (n,)
        Scores of each row, the latter per 1e10 Msun, 1e11 Msun and dex [nats].
    energy_score_excess, nats_excess : tuple of float
        Mean gain of the exact posterior on it, and its error; zeros if it is exact.
    """

    sim_id: NDArray[np.integer]
    energy_score: Float64Array
    neg_log_posterior: Float64Array
    energy_score_excess: tuple[float, float] = (0.0, 0.0)
    nats_excess: tuple[float, float] = (0.0, 0.0)

    def of(self, sim_id: NDArray[np.integer]) -> ScoreLimit:
        """Select rows, in the given order.

        Raises
        ------
        ValueError
            If a row is missing.
        """
        places = {int(i): place for place, i in enumerate(self.sim_id)}
        if unknown := [int(i) for i in sim_id if int(i) not in places]:
            raise ValueError(f"sim_id = {unknown[0]}: allowed are the {len(places)} rows that every task scores")
        rows = np.array([places[int(i)] for i in sim_id])
        chosen = (self.sim_id[rows], self.energy_score[rows], self.neg_log_posterior[rows])
        return ScoreLimit(*chosen, self.energy_score_excess, self.nats_excess)


def compute_gains(
    limit: ScoreLimit, energy_score: NDArray, neg_log_posterior: NDArray | None = None
) -> dict[str, Entry]:
    """Compute an upper limit of an entry's gain on the exact posterior, with its paired error.

    Parameters
    ----------
    limit : ScoreLimit
        Limit of the same rows.
    energy_score, neg_log_posterior : ndarray, shape (n,)
        Scores of the entry.

    Returns
    -------
    dict of str to Entry
        `gain_over_limit`, and `gain_over_limit_nats` if there are densities; above zero only by chance.
    """
    right = f"0 or less; above by {ERRORS:g} errors: not possible from task.train.x alone"
    found = {"gain_over_limit": (limit.energy_score, energy_score, limit.energy_score_excess, 4)}
    if neg_log_posterior is not None:
        found["gain_over_limit_nats"] = (limit.neg_log_posterior, neg_log_posterior, limit.nats_excess, 3)
    entries = {}
    for name, (best, own, (excess, excess_error), digits) in found.items():
        gain = paired_difference(best, own)
        entries[name] = Entry(gain.mean - excess, math.hypot(gain.error, excess_error), right, digits)
    return entries


def find_impossible(sections: Iterable[Mapping[str, Mapping[str, Any]]]) -> tuple[str, ...]:
    """Find scores better than the exact posterior's by more than chance.

    Parameters
    ----------
    sections : iterable of mapping
        Sections of a report: metric -> value and error, as `Report.to_dict` has them.

    Returns
    -------
    tuple of str
        Sentences; empty for an honest entry.
    """
    found = []
    for section in sections:
        for name, (sign, words) in _CHECKED.items():
            if name not in section:
                continue
            value, error = section[name]["value"], section[name]["error"]
            if value is None or error is None:
                continue
            gain = sign * value
            if gain > ERRORS * error and gain > MIN_GAIN:
                by = f"{gain / error:.1f} times its error" if error > 0 else "with an error of zero"
                found.append(f"{words}: {name} {value:+.4f} ± {error:.4f}, {by}")
    return tuple(found)


def load_limit(directory: Path | None = None) -> ScoreLimit | None:
    """Load the embedded scores of the nearly exact posterior.

    Parameters
    ----------
    directory : Path, optional
        Folder of the embedded files; that of the package by default.

    Returns
    -------
    ScoreLimit or None
        None if this version of the package has none.

    Raises
    ------
    DamagedFileError
        If the file is registered and is missing, has another hash, or is not such a file.
    """
    path = embedded.verify_file(NAME, directory)
    return None if path is None else embedded.read_table(path, _NAMES, _parse)


def _parse(table: pa.Table) -> ScoreLimit:
    about = parquet.decode_facts(table.schema)
    ids, *scores = (table[name].to_numpy() for name in _NAMES)
    numbers = [float(about[name]) for name in ABOUT[1:]]
    energy_score, neg_log_posterior = (values.astype(np.float64) for values in scores)
    return ScoreLimit(ids, energy_score, neg_log_posterior, (numbers[0], numbers[1]), (numbers[2], numbers[3]))


def write_limit(limit: ScoreLimit, method: str, directory: Path) -> Path:
    """Write scores for `load_limit` and register them.

    Parameters
    ----------
    limit : ScoreLimit
        Scores to write.
    method : str
        Method that made the draws.
    directory : Path
        Folder of the embedded files.

    Returns
    -------
    Path
        `yardstick.parquet`.
    """
    import pyarrow as pa

    from mwlmc_data.simulator.constants import SIMULATOR_VERSION

    numbers = (*limit.energy_score_excess, *limit.nats_excess)
    about = dict(zip(ABOUT, (method, *(f"{number:.6f}" for number in numbers)), strict=True))
    columns = dict(zip(_NAMES, (limit.sim_id, limit.energy_score, limit.neg_log_posterior), strict=True))
    facts = {"config": NAME, "simulator_version": SIMULATOR_VERSION, **about}
    table = pa.table(columns, schema=schema.table_schema(COLUMNS, facts))
    path = directory / f"{NAME}.parquet"
    parquet.write_table(table, path)
    embedded.register(path, NAME, len(limit.sim_id), SIMULATOR_VERSION)
    return path
