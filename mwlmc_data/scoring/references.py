"""Reference posteriors of fixed test rows and of the validation cases.

``python -m benchmarks references`` makes them with the simulator itself; the package embeds them as
`data/references.parquet`. Without that file there are no references, and reports say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.display import Displayed
from mwlmc_data.scoring import embedded
from mwlmc_data.scoring.reference_columns import THETA

if TYPE_CHECKING:
    import pyarrow as pa

#: Name in the registry of the benchmark's files.
NAME = "references"
#: Units of `THETA` for the file's densities: per 1e10 Msun, 1e11 Msun and dex.
DENSITY_UNIT = (1e10, 1e11, 1.0)
_SAMPLES = tuple(f"samples_{name}" for name in THETA)
#: Columns to read; the file has more, including the complete certificates (`reference_columns.COLUMNS`).
_READ = ("name", "kind", "sim_id", *_SAMPLES, "log_prob_truth", "certified")


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
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    sim_id: NDArray[np.int64]
    samples: Float32Array
    log_prob_truth: Float64Array
    certified: NDArray[np.bool_]

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


def load_references(directory: Path | None = None) -> ReferenceSet | None:
    """Load the embedded reference posteriors.

    Parameters
    ----------
    directory : Path, optional
        Folder of the embedded files; that of the package by default.

    Returns
    -------
    ReferenceSet or None
        None if this version of the package has none.

    Raises
    ------
    DamagedFileError
        If the file is registered and is missing, has another hash, or is not a file of references.
    """
    path = embedded.verify_file(NAME, directory)
    return None if path is None else read_references(path)


def read_references(path: Path) -> ReferenceSet:
    """Read a file of reference posteriors, whatever its hash.

    Parameters
    ----------
    path : Path
        Parquet, with columns of `reference_columns.COLUMNS`; log_prob_truth per `DENSITY_UNIT`.

    Returns
    -------
    ReferenceSet

    Raises
    ------
    DamagedFileError
        If it is not such a file.
    """
    return embedded.read_table(path, _READ, _parse)


def _parse(table: pa.Table) -> ReferenceSet:
    flat = [table[name].combine_chunks().flatten().to_numpy() for name in _SAMPLES]
    draws = np.stack([values.reshape(table.num_rows, -1) for values in flat], axis=2)
    ids = table["sim_id"].to_numpy().astype(np.int64)
    columns = {name: table[name].to_pylist() for name in ("name", "kind", "log_prob_truth", "certified")}
    log_prob = [np.nan if value is None else value for value in columns["log_prob_truth"]]
    return ReferenceSet(
        names=tuple(columns["name"]),
        kinds=tuple(columns["kind"]),
        sim_id=ids,
        samples=draws.astype(np.float32, copy=False),
        log_prob_truth=np.array(log_prob, dtype=np.float64) - np.log(DENSITY_UNIT).sum(),
        certified=np.array(columns["certified"], dtype=bool),
    )
