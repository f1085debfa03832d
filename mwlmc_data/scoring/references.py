"""Reference posteriors of fixed test rows and of the validation cases.

``python -m benchmarks references`` makes those of the nine numbers with the simulator itself, with ``--task
summary-9-50-100`` those of nine with stars at 50 to 100 kpc, and with ``--task summary-24`` those of 24; ``python -m
benchmarks star-references`` makes those of the stars, and ``survey-references`` those of surveys. The package embeds
such a file as `data/NAME.parquet` under a `NAME` of its registry. Without it a task has no references, and reports say
so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.dataset.schema import Column
from mwlmc_data.display import Displayed
from mwlmc_data.scoring import reference_columns
from mwlmc_data.scoring.reference_columns import THETA, name_samples
from mwlmc_data.storage import embedded

if TYPE_CHECKING:
    import pyarrow as pa

#: Names in the registry of the benchmark's files: references given the nine numbers, the same with stars at 50 to 100
#: kpc, given the 24, given the stars, and given surveys.
NAME, OF_50_100, OF_24, OF_STARS = "references", "references-50-100", "references-24", "references-stars"
OF_SURVEY = "references-survey"
#: Columns of each file.
TABLES: dict[str, tuple[Column, ...]] = {
    NAME: reference_columns.COLUMNS,
    OF_50_100: reference_columns.COLUMNS_OF_50_100,
    OF_24: reference_columns.COLUMNS_OF_24,
    OF_STARS: reference_columns.COLUMNS_OF_STARS,
    OF_SURVEY: reference_columns.COLUMNS_OF_SURVEY,
}
NAMES = tuple(TABLES)
#: Units of `THETA` for the file's densities: per 1e10 Msun, 1e11 Msun and dex.
DENSITY_UNIT = (1e10, 1e11, 1.0)
#: Columns to read; the file has more, including the complete certificates (`reference_columns`).
_READ = ("name", "kind", "sim_id", *map(name_samples, THETA), "log_prob_truth", "certified")


@dataclass(frozen=True, repr=False)
class ReferenceSet(Displayed):
    """Draws of reference posteriors.

    Attributes
    ----------
    names, kinds : tuple of str
        "test-" and the sim_id, or the case's name; "test" or the case's kind.
    sim_id : ndarray, shape (n,), int64
        Simulation of a test row, -1 for a case.
    samples : ndarray, shape (n, k, 3), float32
        Draws of `THETA` [Msun, Msun, dex].
    log_prob_truth : ndarray, shape (n,), float64
        Log posterior density of the truth [nats, per unit of `THETA`], NaN where a truth is not quoted in full.
    certified : ndarray of bool, shape (n,)
        Whether the reference passed all its checks, as scores require.
    other_names : tuple of str
        Further parameters of which the file has draws.
    other_samples : ndarray, shape (n, k, len(other_names)), float32
        The same draws of them.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    sim_id: NDArray[np.int64]
    samples: Float32Array
    log_prob_truth: Float64Array
    certified: NDArray[np.bool_]
    other_names: tuple[str, ...] = ()
    other_samples: Float32Array = field(default_factory=lambda: np.empty((0, 0, 0), np.float32))

    def __len__(self) -> int:
        return len(self.names)

    def places(self, wanted: Sequence[str | int]) -> NDArray[np.intp]:
        """Find certified references.

        Parameters
        ----------
        wanted : sequence of str or int
            Names, or sim_ids of test rows.

        Returns
        -------
        ndarray of int, shape (len(wanted),)
            Their places; -1 where there is no certified one.
        """
        of_name: dict[str | int, int] = {name: i for i, name in enumerate(self.names) if self.certified[i]}
        of_name |= {int(n): i for i, n in enumerate(self.sim_id) if n >= 0 and self.certified[i]}
        return np.array([of_name.get(key, -1) for key in wanted], dtype=np.intp)


def list_embedded() -> dict[str, tuple[Column, ...]]:
    """Columns of the files of references that this package embeds."""
    return embedded.select_registered(TABLES)


def load_references(directory: Path | None = None, name: str = NAME) -> ReferenceSet | None:
    """Load embedded reference posteriors.

    Parameters
    ----------
    directory : Path, optional
        Folder of the embedded files; that of the package by default.
    name : str
        Name in the registry.

    Returns
    -------
    ReferenceSet or None
        None if this version of the package has none.

    Raises
    ------
    DamagedFileError
        If the file is registered and is missing, has another hash, or is not a file of references.
    """
    path = embedded.verify_file(name, directory)
    return None if path is None else read_references(path)


def read_references(path: Path) -> ReferenceSet:
    """Read a file of reference posteriors, whatever its hash.

    Parameters
    ----------
    path : Path
        Parquet, with columns of `reference_columns`; log_prob_truth per `DENSITY_UNIT`.

    Returns
    -------
    ReferenceSet

    Raises
    ------
    DamagedFileError
        If it is not such a file.
    """
    others = _find_others(path)
    return embedded.read_table(path, (*_READ, *map(name_samples, others)), partial(_parse, others=others))


def _find_others(path: Path) -> tuple[str, ...]:
    """Find the parameters beside `THETA` of which a file has draws, in its order."""
    first = name_samples("")
    found = [name.removeprefix(first) for name in embedded.read_names(path) if name.startswith(first)]
    return tuple(name for name in found if name not in THETA)


def _parse(table: pa.Table, others: tuple[str, ...]) -> ReferenceSet:
    ids = table["sim_id"].to_numpy().astype(np.int64)
    columns = {name: table[name].to_pylist() for name in ("name", "kind", "log_prob_truth", "certified")}
    log_prob = [np.nan if value is None else value for value in columns["log_prob_truth"]]
    return ReferenceSet(
        names=tuple(columns["name"]),
        kinds=tuple(columns["kind"]),
        sim_id=ids,
        samples=_stack(table, THETA),
        log_prob_truth=np.array(log_prob, dtype=np.float64) - np.log(DENSITY_UNIT).sum(),
        certified=np.array(columns["certified"], dtype=bool),
        other_names=others,
        other_samples=_stack(table, others) if others else np.empty((table.num_rows, 0, 0), np.float32),
    )


def _stack(table: pa.Table, names: Sequence[str]) -> Float32Array:
    """Stack the draws of parameters, (rows, draws, parameters)."""
    flat = [table[name_samples(name)].combine_chunks().flatten().to_numpy() for name in names]
    draws = np.stack([values.reshape(table.num_rows, -1) for values in flat], axis=2)
    return draws.astype(np.float32, copy=False)
