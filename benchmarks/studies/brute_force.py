"""Whether the posteriors given stars and given 24 numbers belong together, with the numbers' by simulations alone.

The 24 numbers are a function of the stars beyond 50 kpc and of how many there are. So a posterior given all those stars
and their number (`n_total`) is narrower on average, and the difference of the two means has the variance var_24 -
var_stars, averaged over the data. The posterior given the numbers is that of importance sampling with the simulator's
own likelihood, without a model of the mean: the stage "check" of ``python -m benchmarks references --task summary-24``.
The rows are those that both tables of references hold.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.references import checks, from_stars, rows, simulations
from benchmarks.references.folders import ReferenceFolders
from benchmarks.references.statistics import find_statistics
from benchmarks.star_references.rows import StarRow, list_rows
from mwlmc_data import Selection, load_halo
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.rewinding.rewind import take_table
from mwlmc_data.scoring.references import ReferenceSet
from mwlmc_data.simulator import constants as const

#: Seed of the posteriors of this study, and draws of each.
SEED, N_DRAWS = 20250901, 1_000
#: Raised when the same stars give another file.
VERSION = 2
#: Rows that are compared unless another number is named: the first, which both stages "check" take.
N_ROWS = 10
#: Effective simulations below which the moments given 24 numbers say nothing.
MIN_EFFECTIVE = 100.0


@dataclasses.dataclass(frozen=True)
class Missing:
    """Names of rows that cannot be compared.

    Attributes
    ----------
    of_stars, of_numbers : tuple of str
        Not in the table of references given stars, given 24 numbers.
    by_simulations : tuple of str
        In both tables, but the posterior given 24 numbers was not weighed by simulations alone.
    """

    of_stars: tuple[str, ...]
    of_numbers: tuple[str, ...]
    by_simulations: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Agreement24:
    """The stars' posterior beside that of 24 numbers by simulations alone, for one row.

    Attributes
    ----------
    name : str
        Of the row.
    effective : float
        Effective number of simulations.
    ratio : ndarray, shape (6,)
        Variance given the stars over that given 24 numbers.
    z2 : ndarray, shape (6,)
        Squared difference of the means over its variance, which is the difference of the variances and what the finite
        numbers of draws and simulations add; NaN where that is not positive.
    """

    name: str
    effective: float
    ratio: Float64Array
    z2: Float64Array


def find_rows(folders: ReferenceFolders, wanted: Sequence[StarRow]) -> tuple[list[StarRow], Missing]:
    """Find the rows that can be compared, and name the others.

    Parameters
    ----------
    folders : ReferenceFolders
    wanted : sequence of StarRow
        Rows to look for.
    """
    of_stars, of_numbers = (_list_sim_ids(each) for each in (folders.read_of_stars(), folders.read_of_numbers()))
    of_24 = {row.sim_id: row for row in rows.all_rows(find_statistics("summary-24"))}
    both = [row for row in wanted if row.sim_id in of_stars and row.sim_id in of_numbers]
    weighed = [row for row in both if checks.path_of(folders.numbers, of_24[row.sim_id]).exists()]
    return weighed, Missing(
        tuple(row.name for row in wanted if row.sim_id not in of_stars),
        tuple(row.name for row in wanted if row.sim_id not in of_numbers),
        tuple(row.name for row in both if row not in weighed),
    )


def _list_sim_ids(references: ReferenceSet | None) -> set[int]:
    """Test rows of references; none if there are none."""
    return set() if references is None else set(references.sim_id.tolist())


def describe_missing(found: Missing) -> str:
    """Say which rows are missing, and what makes them."""
    lines = [
        f"{len(names)} rows lack {words} ({command}): {', '.join(names)}"
        for names, words, command in (
            (found.of_stars, "a reference given stars", "star-references"),
            (found.of_numbers, "a reference given 24 numbers", "references --task summary-24"),
            (found.by_simulations, "the posterior by simulations alone", "references --task summary-24 --stage check"),
        )
        if names
    ]
    return "\n".join(lines) or "no row is missing"


def compare(out: Path, numbers: Path, chosen: Sequence[StarRow]) -> list[Agreement24]:
    """Compare the posteriors of rows.

    Parameters
    ----------
    out : Path
        Folder of the posteriors given all stars and their number; those that are missing are computed.
    numbers : Path
        Folder of the references given 24 numbers.
    chosen : sequence of StarRow
        From `find_rows`.

    Returns
    -------
    list of Agreement24
    """
    statistics = find_statistics("summary-24")
    of_24 = {row.sim_id: row for row in rows.all_rows(statistics)}
    found = []
    for row in chosen:
        weighed = checks.weigh(numbers, of_24[row.sim_id], statistics.n_points)
        mean, variance = weighed.moments()
        samples = infer_whole(out, row)
        of_stars, effective = samples.var(axis=0), 1.0 / float(weighed.weights @ weighed.weights)
        expected = variance - of_stars + variance / effective + of_stars / len(samples)
        expected = np.where(expected > 0.0, expected, np.nan)
        z2 = np.square(samples.mean(axis=0) - mean) / expected
        found.append(Agreement24(row.name, effective, of_stars / variance, z2))
    return found


def infer_whole(out: Path, row: StarRow) -> Float64Array:
    """Draws (n, 6) of a row's posterior given all its stars beyond 50 kpc and their number, from a file or computed."""
    path, about = out / "whole" / f"{row.name}.npz", from_stars.settings(row, SEED, N_DRAWS, VERSION)
    if path.exists():
        simulations.check(path, about)
        with np.load(path) as file:
            return file["samples"]
    stars = take_table("halo", load_halo(row.sim_id))
    found = from_stars.infer(row, stars, Selection(), SEED + row.number, N_DRAWS, n_total=const.N_STARS)
    samples = found.samples[list(FREE)].to_numpy()
    simulations.save(path, about, samples=samples)
    return samples


def describe(found: Sequence[Agreement24]) -> str:
    """Table of the agreement, as text."""
    lines = [
        f"{len(found)} rows whose posterior given 24 numbers is known by simulations alone; all stars beyond 50 kpc",
        f"{'':<14}{'effective':>10}" + "".join(f"{name:>17}" for name in FREE) + "   var_stars / var_24, (z^2)",
    ]
    for each in found:
        cells = "".join(f"{f'{r:.2f} ({z:.1f})':>17}" for r, z in zip(each.ratio, each.z2, strict=True))
        few = "  too few simulations: does not count" if each.effective < MIN_EFFECTIVE else ""
        lines.append(f"{each.name:<14}{each.effective:10.0f}{cells}{few}")
    counted = [each for each in found if each.effective >= MIN_EFFECTIVE]
    if counted:
        z2 = np.array([each.z2 for each in counted])
        mean_ratio = np.mean([each.ratio for each in counted], axis=0)
        narrower = np.mean([each.ratio < 1.0 for each in counted], axis=0)
        known = np.isfinite(z2)
        p = [stats.chi2.sf(z2[known[:, i], i].sum(), known[:, i].sum()) for i in range(len(FREE))]
        lines.append(f"{'mean ratio':<24}" + "".join(f"{value:17.3f}" for value in mean_ratio))
        lines.append(f"{'narrower':<24}" + "".join(f"{part:17.0%}" for part in narrower))
        lines.append(f"{'p of chi-squared':<24}" + "".join(f"{value:17.3f}" for value in p))
    return "\n".join(lines)


def main(out: Path, folders: ReferenceFolders, n_rows: int = N_ROWS) -> None:
    """Print which rows are missing, and the comparison of the others.

    Parameters
    ----------
    out : Path
        Folder of the study's own posteriors.
    folders : ReferenceFolders
    n_rows : int
        Rows to compare, the first.
    """
    chosen, missing = find_rows(folders, list_rows()[:n_rows])
    print(describe_missing(missing), flush=True)
    if chosen:
        print("\n" + describe(compare(out, folders.numbers, chosen)), flush=True)
